//! Everything that the logs say to the watch.

use std::time::Duration;

use dragline_alerting::rule::Rule;
use dragline_alerting::store::AlertStore;
use dragline_alerting::watch::{Watch, WatchConfig, WatchState};
use dragline_alerting::{Labels, Observation};
use dragline_classifier::RuleSet;
use dragline_insights::{Analysis, ErrorGroup, Finding, Limits, ScraperKey, Whole};
use dragline_metrics::Observer;
use dragline_rollup::{ErrorLabel, Finished};
use dragline_scan::{Filter, Row, RowSink, ScanError, ScanOptions, scan_rows};
use dragline_schema::{Event, Record, Timestamp, Verdict};

use crate::findings::{labels_of, of_findings, of_runs, of_schedules};
use crate::{Meter, Traffic};

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
    /// The current time.
    pub now: Timestamp,
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
            now,
        }
    }

    /// Only what a watch needs that goes on from a stored state.
    #[must_use]
    pub fn going_on(self, store: &AlertStore) -> Self {
        let watch = Watch::new(self.config, self.rules.to_vec(), WatchState::default());
        let from = store.watch.last_tick.unwrap_or_else(|| self.first_tick());
        let memory = watch.memory() + self.config.interval;
        let since = from.plus_micros(-(memory.as_micros() as i64));
        Self {
            since: Some(since),
            ..self
        }
    }

    /// When a watch without a state begins: early enough that what is true for long fires at once.
    pub(crate) fn first_tick(&self) -> Timestamp {
        let longest = self
            .rules
            .iter()
            .map(|rule| rule.hold)
            .max()
            .unwrap_or_default();
        let back = longest + 2 * self.config.interval + self.config.lateness;
        self.now.plus_micros(-(back.as_micros() as i64))
    }

    /// The longest window of a rule.
    fn window(&self) -> Duration {
        self.rules
            .iter()
            .filter_map(Rule::window)
            .max()
            .unwrap_or_default()
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
    /// The names of the logs, for commands that show more.
    pub logs: Vec<String>,
    /// Number of changes of metrics whose events have no time: no rule can judge them.
    pub untimed: u64,
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
            since: wanted.since,
            ..options.filter.clone()
        },
        ..options.clone()
    };
    let make = || Eye::new(wanted);
    let (rollup, eyes) = scan_rows(logs, rules, &options, true, make)?;
    let mut whole = Eye::new(wanted);
    for eye in eyes {
        whole.meter.merge(eye.meter);
        whole.traffic.merge(eye.traffic);
    }
    let finished = rollup.finish(wanted.now);
    let findings = find(&finished, rules, wanted);
    let (scene, meter) = (
        Scene {
            observations: Vec::new(),
            findings,
            finished,
            traffic: whole.traffic,
            logs: logs.to_vec(),
            untimed: whole.meter.untimed(),
        },
        whole.meter,
    );
    Ok(Scene {
        observations: observations(&scene, &meter, wanted),
        ..scene
    })
}

/// The findings of the analyst, with muted errors left out.
fn find(finished: &Finished, rules: &RuleSet, wanted: &Wanted<'_>) -> Vec<Finding> {
    let is_muted = |id: u64| {
        let id = format!("{id:016x}");
        wanted
            .muted
            .iter()
            .any(|mute| id.starts_with(mute.as_str()))
    };
    let groups: Vec<ErrorGroup> = finished
        .groups
        .iter()
        .filter_map(ErrorGroup::of)
        .map(|group| ErrorGroup {
            is_muted: is_muted(group.id),
            ..group
        })
        .collect();
    let analysis = Analysis::of(finished, Some(wanted.now));
    let limits = wanted.limits.of_scrapers();
    analysis.findings(finished, &groups, rules, (&limits, &Whole::default()))
}

fn observations(scene: &Scene, meter: &Meter, wanted: &Wanted<'_>) -> Vec<Observation> {
    let finished = &scene.finished;
    let first = finished.period.map(|(first, _)| first);
    let from = wanted.since.or(first).unwrap_or(wanted.now);
    let ends: Vec<(Labels, Timestamp)> = finished
        .runs
        .iter()
        .filter_map(|run| {
            let key = ScraperKey {
                scraper_id: run.key.scraper_id.clone(),
                site: run.key.site.clone(),
            };
            Some((labels_of(&key), run.end.filter(|end| *end >= from)?))
        })
        .collect();
    let mut all = meter.observations(wanted.now, wanted.window(), &ends);
    let analysis = Analysis::of(finished, Some(wanted.now));
    all.extend(of_runs(&analysis, wanted.rules, from));
    all.extend(of_schedules(&analysis, wanted.rules, from));
    all.extend(of_findings(&scene.findings, finished, wanted.rules, from));
    all
}

/// What one thread sees.
struct Eye {
    meter: Meter,
    observer: Observer,
    traffic: Traffic,
}

impl Eye {
    fn new(wanted: &Wanted<'_>) -> Self {
        Self {
            meter: Meter::new(wanted.rules, wanted.config.interval),
            observer: Observer::default(),
            traffic: Traffic::default(),
        }
    }
}

impl RowSink for Eye {
    fn row(&mut self, row: &Row<'_>) {
        self.traffic.observe(row);
        if !self.meter.is_needed() {
            return;
        }
        let verdict = row.label.map(verdict_of);
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

fn verdict_of<'l>(label: &ErrorLabel<'l>) -> Verdict<'l> {
    Verdict {
        category: label.category,
        sub_category: label.sub_category,
        severity: label.severity,
        rule: label.rule,
        matched: None,
        runner_up: None,
        adjustments: Vec::new(),
    }
}
