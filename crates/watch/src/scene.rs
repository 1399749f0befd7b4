//! Everything that the logs say to the watch.

use std::collections::BTreeMap;

use dragline_alerting::notice::minute;
use dragline_alerting::rule::Rule;
use dragline_alerting::store::AlertStore;
use dragline_alerting::watch::{Unread, Watch, WatchConfig, WatchState};
use dragline_alerting::{Labels, Observation};
use dragline_classifier::RuleSet;
use dragline_insights::{Analysis, ErrorGroup, Finding, Limits, Starts, Whole};
use dragline_metrics::Observer;
use dragline_rollup::{ErrorLabel, Finished, RunRow};
use dragline_scan::{Filter, Row, RowSink, ScanError, ScanOptions, scan_rows};
use dragline_schema::{Event, ProblemKind, Record, Timestamp};

use crate::findings::{of_analysis, of_findings, watches_runs};
use crate::late::{Late, Seen, earlier, judged_ahead, state_for};
use crate::{Meter, Traffic};

/// Number of lines from which on a file says that its form is unknown.
const ENOUGH_LINES: u64 = 20;

/// How far ahead of the clock lines may be, in microseconds: ten minutes.
const AHEAD: i64 = 600_000_000;

/// Further ahead of it are only lines that are damaged, in microseconds: 26 hours, more than time zones differ.
const MOST_AHEAD: i64 = 26 * 3_600_000_000;

/// How long before the last round new lines may have been written, in microseconds: half an hour.
const BEHIND: i64 = 1_800_000_000;

/// A file that was modified this long ago, in microseconds, is still written.
const WRITTEN: i64 = 3_600_000_000;

/// What is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// The alert rules.
    pub rules: &'w [Rule],
    /// The settings of the watch.
    pub config: WatchConfig,
    /// Fixed limits of the analysis (`[limits]`). Those of the whole fleet need a report and are not judged here.
    pub limits: &'w Limits,
    /// Error groups that are muted: their ids (16 hexadecimal digits), or the beginnings of them.
    pub muted: &'w [String],
    /// From when on events count; `None`: all of them.
    pub since: Option<Timestamp>,
    /// What the last round saw; `None` in the first.
    pub seen: Option<Seen<'w>>,
    /// The starts of runs that earlier rounds saw ([`AlertStore::starts`]).
    pub starts: Option<&'w BTreeMap<Labels, Vec<i64>>>,
    /// The current time.
    pub now: Timestamp,
    /// Whether the logs are a history that ended with its last event: no run is due after it.
    pub is_history: bool,
}

impl<'w> Wanted<'w> {
    /// The rules with the default settings, over all logs.
    pub fn all(rules: &'w [Rule], limits: &'w Limits, muted: &'w [String], now: Timestamp) -> Self {
        Self {
            rules,
            config: WatchConfig::default(),
            limits,
            muted,
            since: None,
            seen: None,
            starts: None,
            now,
            is_history: false,
        }
    }

    /// The logs as a history that ended with its last event.
    #[must_use]
    pub fn of_history(self) -> Self {
        Self {
            is_history: true,
            ..self
        }
    }

    /// Only what a watch needs that goes on from a stored state.
    #[must_use]
    pub fn going_on(self, store: &'w AlertStore) -> Self {
        if judged_ahead(store, self.now).is_some() {
            let before = state_for(store, self.now, self.first_tick());
            let before = before.and_then(|state| state.last_tick);
            return Self {
                since: Some(self.needed_at(before)),
                seen: None,
                starts: Some(&store.starts),
                ..self
            };
        }
        // A state without both was written before either was kept: nothing of it is known to be late.
        let knows = !store.newest.is_empty() || !store.earlier.is_empty();
        let judged = store.watch.last_tick.filter(|_| knows);
        Self {
            since: Some(self.needed_at(store.watch.last_tick)),
            starts: Some(&store.starts),
            seen: judged.map(|judged| Seen {
                newest: &store.newest,
                judged,
            }),
            ..self
        }
    }

    /// What is needed to judge again what came late; `None` if nothing did, or if the scene has what is needed.
    pub fn judging_again(self, scene: &Scene, store: &AlertStore) -> Option<Self> {
        let before = state_for(store, scene.late?.first, self.first_tick())?;
        let since = self.needed_at(before.last_tick);
        let is_more = self.since.is_some_and(|own| since < own);
        is_more.then_some(Self {
            since: Some(since),
            ..self
        })
    }

    /// From when on events are needed to go on from an evaluation.
    fn needed_at(&self, tick: Option<Timestamp>) -> Timestamp {
        let watch = Watch::new(self.config, self.rules.to_vec(), WatchState::default());
        let memory = watch.memory() + self.config.interval;
        let from = tick.unwrap_or_else(|| self.first_tick());
        from.plus_micros(-(memory.as_micros() as i64))
    }

    /// When a watch without a state begins.
    pub(crate) fn first_tick(&self) -> Timestamp {
        Watch::first_tick_at(self.rules, &self.config, self.now)
    }

    /// The last evaluation of a round: results of checks are valid from it on.
    pub fn last_tick(&self) -> Timestamp {
        Watch::last_tick_at(&self.config, self.now)
    }
}

/// Everything that the logs say to the watch.
#[derive(Debug)]
pub struct Scene {
    /// What was observed, in no order.
    pub observations: Vec<Observation>,
    /// What the analyst found.
    pub findings: Vec<Finding>,
    /// The runs, and everything else that a report is made of.
    pub finished: Finished,
    /// Requests and lines of trouble since [`Wanted::since`].
    pub traffic: Traffic,
    /// When the runs of each scraper started, if some rule watches that.
    pub starts: Starts,
    /// The names of the logs, for commands that show more.
    pub logs: Vec<String>,
    /// Number of changes of metrics whose events have no time: no rule can judge them.
    pub untimed: u64,
    /// The events of a time that the last round had judged, and did not see.
    pub late: Option<Late>,
    /// The scrapers whose lines come late, or whose clock is behind: the time of the newest line.
    pub(crate) behind: BTreeMap<String, Timestamp>,
    /// What of the logs could not be read, and why: nothing is known of it, which is not that nothing happened.
    pub unread: Option<Unread>,
    /// What health checks said, by their names: for the caller to fill in, logs do not know it.
    pub checks: BTreeMap<String, String>,
}

impl Scene {
    /// The scene of a round in which no log could be read: what checks say can still be judged.
    pub fn unread(logs: &[String], why: &str) -> Self {
        Self {
            observations: Vec::new(),
            findings: Vec::new(),
            finished: Finished::default(),
            traffic: Traffic::default(),
            starts: Starts::new(),
            logs: logs.to_vec(),
            untimed: 0,
            late: None,
            behind: BTreeMap::new(),
            unread: Some(Unread::All(why.to_owned())),
            checks: BTreeMap::new(),
        }
    }
}

/// Reads logs.
///
/// # Errors
/// As [`dragline_scan::scan`].
pub fn look(
    logs: &[String],
    rules: &RuleSet,
    options: &ScanOptions,
    wanted: &Wanted<'_>,
) -> Result<Scene, ScanError> {
    let options = ScanOptions {
        filter: Filter {
            // Also what came late, which is only counted.
            since: wanted.since.map(|since| match wanted.seen {
                Some(seen) => since.min(seen.since()),
                None => since,
            }),
            ..options.filter.clone()
        },
        ..options.clone()
    };
    let make = || Eye::new(wanted);
    let (rollup, eyes) = scan_rows(logs, rules, &options, true, make)?;
    let mut whole = Eye::new(wanted);
    for eye in eyes {
        whole.meter.merge(eye.meter);
        whole.late = Late::merge(whole.late, eye.late);
        whole.traffic.merge(eye.traffic);
    }
    let Eye {
        meter,
        traffic,
        late,
        ..
    } = whole;
    let finished = rollup.finish(wanted.now);
    // A history ends with its last event: what was due before it and did not happen was missed.
    let last = finished.period.map(|(_, last)| last.plus_micros(1));
    let due_until = if wanted.is_history {
        last
    } else {
        Some(wanted.now)
    };
    let analysis = Analysis::of(&finished, due_until);
    let findings = find(&analysis, &finished, rules, wanted);
    let unread = unread_part(&finished, wanted.now);
    let behind = behind(&finished, wanted);
    let unread = unread.or_else(|| untimely(&finished, &behind, wanted.now));
    let unread = unread.map(Unread::Part);
    let first = finished.period.map(|(first, _)| first);
    let from = wanted.since.or(first).unwrap_or(wanted.now);
    let mut observations = meter.observations(wanted.now, &ends(&finished, from));
    let earlier = earlier(wanted.starts);
    observations.extend(of_analysis(&analysis, wanted.rules, from, &earlier));
    let starts = if watches_runs(wanted.rules) {
        analysis.starts()
    } else {
        Starts::new()
    };
    observations.extend(of_findings(&findings, &finished, wanted.rules, from));
    drop(analysis);
    Ok(Scene {
        observations,
        findings,
        finished,
        traffic,
        starts,
        logs: logs.to_vec(),
        untimed: meter.untimed(),
        late,
        behind,
        unread,
        checks: BTreeMap::new(),
    })
}

/// A file that cannot be read, or that is still written in a form that nobody knows: its scraper goes unwatched.
fn unread_part(finished: &Finished, now: Timestamp) -> Option<String> {
    finished
        .problems
        .iter()
        .find_map(|((path, kind), problem)| {
            let file = finished.files.get(path);
            match kind {
                ProblemKind::UnreadableFile => Some(format!("{path}: {}", problem.detail)),
                ProblemKind::BadLine => {
                    let file = file.filter(|file| file.lines >= ENOUGH_LINES)?;
                    let is_written = file.modified.is_none_or(|at| now.since(at) < WRITTEN);
                    (is_written && problem.count * 2 >= file.lines).then(|| {
                        let (bad, all) = (problem.count, file.lines);
                        format!("{bad} of {all} lines of {path} are of no known form")
                    })
                }
                _ => None,
            }
        })
}

/// The scrapers of which lines came since the last round, all of them of a time long before it.
fn behind(finished: &Finished, wanted: &Wanted<'_>) -> BTreeMap<String, Timestamp> {
    let Some(seen) = wanted.seen else {
        return BTreeMap::new();
    };
    let lateness = wanted.config.lateness.as_micros() as i64;
    let late = seen.judged.plus_micros(-BEHIND.max(lateness));
    let mut newest: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for run in &finished.runs {
        let (Some(scraper), Some(at)) = (&run.key.scraper_id, run.last_seen) else {
            continue;
        };
        let held = newest.entry(scraper).or_insert(at);
        *held = at.max(*held);
    }
    let is_behind = |(scraper, at): &(&str, Timestamp)| {
        let before = seen.newest.get(*scraper);
        before.is_some_and(|before| before < at) && *at <= late
    };
    let behind = newest.into_iter().filter(is_behind);
    behind.map(|(name, at)| (name.to_owned(), at)).collect()
}

/// A scraper whose lines are of another time than the present one: nothing of it is judged when it happens.
fn untimely(
    finished: &Finished,
    behind: &BTreeMap<String, Timestamp>,
    now: Timestamp,
) -> Option<String> {
    let is_ahead = |run: &&RunRow| {
        let ahead = run.last_seen.map_or(0, |seen| seen.since(now));
        (AHEAD..MOST_AHEAD).contains(&ahead)
    };
    let ahead = finished.runs.iter().filter(is_ahead);
    if let Some(newest) = ahead.max_by_key(|run| run.last_seen) {
        let name = newest.key.scraper_id.as_deref();
        return Some(format!(
            "the newest line of {} is of {} UTC, which is later than now, and is judged then; is its clock, or the time zone \
             (--tz), right?",
            name.unwrap_or("a scraper without a name"),
            newest.last_seen.map_or_else(String::new, minute)
        ));
    }
    let (name, at) = behind.iter().min_by_key(|(_, at)| **at)?;
    Some(format!(
        "the newest line of {name} is of {} UTC, though it came since the last round; do its lines come late, or is its clock, \
         or the time zone (--tz), wrong?",
        minute(*at)
    ))
}

/// The findings of the analyst, with muted errors left out.
fn find(
    analysis: &Analysis<'_>,
    finished: &Finished,
    rules: &RuleSet,
    wanted: &Wanted<'_>,
) -> Vec<Finding> {
    let is_muted = |id: u64| {
        let id = format!("{id:016x}");
        let mut muted = wanted.muted.iter();
        muted.any(|mute| id.starts_with(mute.as_str()))
    };
    let groups = finished.groups.iter().filter_map(ErrorGroup::of);
    let groups: Vec<ErrorGroup> = groups
        .map(|group| ErrorGroup {
            is_muted: is_muted(group.id),
            ..group
        })
        .collect();
    let limits = wanted.limits.of_scrapers();
    analysis.findings(finished, &groups, rules, (&limits, &Whole::default()))
}

/// The ends of runs since `from`, with the labels of their scrapers.
fn ends(finished: &Finished, from: Timestamp) -> Vec<(Labels, Timestamp)> {
    let runs = finished.runs.iter();
    let ended = runs.filter_map(|run| Some((&run.key, run.end.filter(|end| *end >= from)?)));
    let labelled = ended.map(|(key, end)| {
        let labels = Labels::of_scraper(key.scraper_id.as_deref(), key.site.as_deref());
        (labels, end)
    });
    labelled.collect()
}

/// What one thread sees.
struct Eye<'w> {
    since: Option<Timestamp>,
    seen: Option<Seen<'w>>,
    late: Option<Late>,
    meter: Meter,
    observer: Observer,
    traffic: Traffic,
}

impl<'w> Eye<'w> {
    fn new(wanted: &Wanted<'w>) -> Self {
        Self {
            since: wanted.since,
            seen: wanted.seen,
            late: None,
            meter: Meter::new(wanted.rules, wanted.config.interval),
            observer: Observer::default(),
            traffic: Traffic::default(),
        }
    }
}

impl RowSink for Eye<'_> {
    fn row(&mut self, row: &Row<'_>) {
        if let (Some(seen), Some(at)) = (self.seen, row.record.timestamp)
            && seen.is_late(row.run.scraper_id.as_deref().unwrap_or_default(), at)
        {
            let one = Late {
                events: 1,
                first: at,
            };
            self.late = Late::merge(self.late, Some(one));
        }
        let is_before = |since| row.record.timestamp.is_some_and(|at| at < since);
        if self.since.is_some_and(is_before) {
            return;
        }
        self.traffic.observe(row);
        // Totals that a run states at its end did not happen in that minute.
        if !self.meter.is_needed() || row.record.event.is_summary() {
            return;
        }
        let verdict = row.label.map(ErrorLabel::verdict);
        let record = row.record;
        let is_as_run = record.scraper_id.as_deref() == row.run.scraper_id.as_deref()
            && record.site.as_deref() == row.run.site.as_deref()
            && record.run_id.as_deref() == row.run.run_id.as_deref();
        // Where the scraper logs its requests itself, the library's are plain lines already.
        let is_only_echo = record.is_echo && matches!(record.event, Event::Request(_));
        if is_as_run && !is_only_echo {
            return self
                .observer
                .observe(record, verdict.as_ref(), &mut self.meter);
        }
        let record = Record {
            scraper_id: row.run.scraper_id.as_deref().map(Into::into),
            site: row.run.site.as_deref().map(Into::into),
            run_id: row.run.run_id.as_deref().map(Into::into),
            is_echo: false,
            ..record.clone()
        };
        self.observer
            .observe(&record, verdict.as_ref(), &mut self.meter);
    }
}
