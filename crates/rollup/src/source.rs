//! Sources of log lines and their statistics.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use dragline_schema::{Dialect, Event, Level, Position, Record, RunStatus, Timestamp, clip};
use serde::{Deserialize, Serialize};

use crate::bounded::{Add, Bounded};
use crate::counters::Counters;
use crate::evidence::Evidence;
use crate::failures::FailedPages;
use crate::sections::Rare;
use crate::seq::Numbers;
use crate::tally::Tally;

/// The source of lines: the run as named in the lines, and their family of files, because lines that
/// do not name their run belong to the only run of their family.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceKey {
    /// The family of files.
    pub family: String,
    /// The scraper.
    pub scraper_id: Option<String>,
    /// The site.
    pub site: Option<String>,
    /// The run.
    pub run_id: Option<String>,
    /// Whether the lines are request lines of an HTTP library, which may duplicate the scraper's own.
    pub is_echo: bool,
    /// Whether it stands for all sources beyond the limit.
    pub is_rest: bool,
    /// Whether no line names or bounds the run, but a silence does.
    pub is_guessed: bool,
    /// The program that the envelopes around the lines name; it names the scraper where nothing else does.
    pub service: Option<String>,
}

impl SourceKey {
    /// The source of a record in a family of files. The recorder's lines name their run, so their family
    /// is ignored: fifty thousand files of one run are one source.
    pub fn of(family: &str, record: &Record<'_>) -> Self {
        let part = |part: &Option<Cow<'_, str>>| part.as_deref().map(bounded_name);
        let is_apart = record.dialect == Dialect::Dragline && record.run_id.is_some();
        Self {
            family: if is_apart { "" } else { family }.to_owned(),
            scraper_id: part(&record.scraper_id),
            site: part(&record.site),
            run_id: part(&record.run_id),
            is_echo: record.is_echo,
            is_rest: false,
            is_guessed: record.is_run_guessed,
            service: part(&record.service),
        }
    }

    /// Whether a record of the same family of files belongs to this source.
    pub(crate) fn is_of(&self, record: &Record<'_>) -> bool {
        !self.is_rest
            && self.scraper_id.as_deref() == record.scraper_id.as_deref()
            && self.site.as_deref() == record.site.as_deref()
            && self.run_id.as_deref() == record.run_id.as_deref()
            && self.is_echo == record.is_echo
            && self.is_guessed == record.is_run_guessed
            && self.service.as_deref() == record.service.as_deref()
    }

    /// An id that is the same in every version and on every machine.
    pub(crate) fn id(&self) -> u64 {
        let part = |part: &Option<String>| part.as_deref().unwrap_or("\u{1}").to_owned();
        let mut parts = vec![
            self.family.clone(),
            part(&self.scraper_id),
            part(&self.site),
            part(&self.run_id),
            u8::from(self.is_echo).to_string(),
        ];
        parts.extend(self.service.clone());
        xxhash_rust::xxh3::xxh3_64(parts.join("\0").as_bytes())
    }

    /// The key that stands for all sources beyond the limit.
    pub(crate) fn rest() -> Self {
        Self {
            is_rest: true,
            ..Self::default()
        }
    }
}

/// Maximum length of a name in bytes; longer ones are cut.
pub(crate) const LONGEST_NAME: usize = 256;

/// The name, cut to [`LONGEST_NAME`] with a hash of the full name appended if it is longer.
pub(crate) fn bounded_name(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let hash = xxhash_rust::xxh3::xxh3_64(name.as_bytes());
    format!("{}…{hash:016x}", clip(name, LONGEST_NAME))
}

/// The logged end of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunEnd {
    /// The time of the end.
    pub at: Option<Timestamp>,
    /// The status.
    pub status: RunStatus,
    /// The reason.
    pub reason: Option<String>,
}

/// The longest wait that is believed, in seconds: a day.
const LONGEST_WAIT: f64 = 86_400.0;

/// The last error of a source or run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LastError {
    /// When it was logged.
    pub at: Option<Timestamp>,
    /// Its line.
    pub evidence: Evidence,
    /// The id of its group.
    pub group: u64,
    /// Whether it is a crash.
    #[serde(default)]
    pub is_crash: bool,
}

/// Totals declared by a run itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Declared {
    /// Whether the totals override the lines (a statistics dump), or apply only where no line of the kind
    /// was logged (a `scraper_end`).
    pub is_truth: bool,
    /// When they were logged.
    pub at: Option<Timestamp>,
    /// The declared start of the run.
    pub start: Option<Timestamp>,
    /// The declared end of the run.
    pub end: Option<Timestamp>,
    /// The declared duration, in microseconds.
    pub duration: Option<u64>,
    /// HTTP attempts. Here and below, `None` if not declared.
    pub requests: Option<u64>,
    /// HTTP attempts that failed.
    pub requests_failed: Option<u64>,
    /// HTTP attempts with unknown outcome.
    pub requests_unjudged: Option<u64>,
    /// Responses by status.
    pub status_codes: Option<Tally<u16>>,
    /// Bytes of responses.
    pub bytes: Option<u64>,
    /// Products found.
    pub found: Option<u64>,
    /// Products added.
    pub added: Option<u64>,
    /// Products updated.
    pub updated: Option<u64>,
    /// Products or items saved.
    pub saved: Option<u64>,
    /// Products or items lost.
    pub failed: Option<u64>,
    /// Articles stored.
    pub articles: Option<u64>,
    /// Duplicates.
    pub duplicates: Option<u64>,
    /// HTTP attempts after the first for the same page.
    pub retries: Option<u64>,
    /// Errors.
    pub errors: Option<u64>,
    /// Warnings.
    pub warnings: Option<u64>,
    /// Pages received.
    pub pages: Option<u64>,
    /// Custom statistics by name, in thousandths.
    pub own: BTreeMap<String, i64>,
    /// Rate limits.
    pub rate_limits: Option<u64>,
}

/// Maximum plausible count; larger ones are errors in the log and could overflow a sum.
const MAX_DECLARED: u64 = 1_000_000_000_000_000;

impl Declared {
    /// Removes implausible counts.
    pub(crate) fn drop_faults(&mut self) {
        for count in [
            &mut self.duration,
            &mut self.requests,
            &mut self.requests_failed,
            &mut self.requests_unjudged,
            &mut self.bytes,
            &mut self.found,
            &mut self.added,
            &mut self.updated,
            &mut self.saved,
            &mut self.failed,
            &mut self.articles,
            &mut self.duplicates,
            &mut self.retries,
            &mut self.errors,
            &mut self.warnings,
            &mut self.rate_limits,
            &mut self.pages,
        ] {
            count.take_if(|count| *count > MAX_DECLARED);
        }
    }
}

/// The statistics of a source, except its activity over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SourceStats {
    pub(crate) counters: Counters,
    pub(crate) first: Option<Timestamp>,
    pub(crate) last: Option<Timestamp>,
    /// The time and position of the last line.
    pub(crate) last_place: Option<(Timestamp, Evidence)>,
    /// The position of the last line, while none has a time.
    pub(crate) untimed: Untimed,
    pub(crate) started: Option<Timestamp>,
    pub(crate) end: Option<RunEnd>,
    pub(crate) end_place: Option<Evidence>,
    /// Number of ends.
    pub(crate) ends: u64,
    pub(crate) last_error: Option<LastError>,
    pub(crate) declared: Option<Declared>,
    /// The scraper's name, if it became known only later in the log.
    pub(crate) renamed: Option<String>,
    /// Requests and items: the time of the first, of the last, and their number.
    pub(crate) active: Option<(Timestamp, Timestamp, u64)>,
    /// Until when it waits, as it said itself.
    pub(crate) waits_until: Option<Timestamp>,
    #[serde(rename = "writers")]
    pub(crate) numbers: Numbers,
    /// Number of lines that the recorder reports as dropped.
    pub(crate) dropped: u64,
    /// Number of lines written after the clock jumped back, and when it first did.
    pub(crate) skewed: u64,
    pub(crate) skewed_since: Option<Timestamp>,
    /// The last logged queue length.
    pub(crate) queue: Option<(Timestamp, u64)>,
    /// The run's configuration at its last start, as JSON, and the machine it started on.
    pub(crate) config: Option<(Option<Timestamp>, String)>,
    pub(crate) machine: Option<(Option<Timestamp>, String)>,
    /// The last values of numbers that the user mapped to names, in thousandths.
    pub(crate) told: BTreeMap<String, (Option<Timestamp>, i64)>,
    pub(crate) hosts: Bounded<String, u64>,
    pub(crate) failed_pages: FailedPages,
    pub(crate) dialects: BTreeSet<Dialect>,
    pub(crate) sections: Rare,
    /// Whether any of its lines is outside of an error copy.
    pub(crate) is_followed: bool,
    /// Whether some of its lines did not pass the filter.
    pub(crate) is_partial: bool,
    /// Whether some lines did not pass only because of their level.
    pub(crate) is_leveled: bool,
    /// Whether a supervisor started the run.
    pub(crate) is_supervised: bool,
    /// When a record last said that the program failed as a whole.
    pub(crate) died: Option<Timestamp>,
    /// Of a run that only silences bound: the time, position and form of its last message.
    pub(crate) last_words: Option<(Timestamp, u64, u64)>,
}

impl Default for SourceStats {
    fn default() -> Self {
        Self {
            counters: Counters::default(),
            first: None,
            last: None,
            last_place: None,
            untimed: Untimed::default(),
            started: None,
            end: None,
            end_place: None,
            ends: 0,
            last_error: None,
            declared: None,
            renamed: None,
            active: None,
            waits_until: None,
            numbers: Numbers::default(),
            dropped: 0,
            skewed: 0,
            skewed_since: None,
            queue: None,
            config: None,
            machine: None,
            told: BTreeMap::new(),
            hosts: Bounded::new(256),
            failed_pages: FailedPages::default(),
            dialects: BTreeSet::new(),
            sections: Rare::default(),
            is_followed: false,
            is_partial: false,
            is_leveled: false,
            is_supervised: false,
            died: None,
            last_words: None,
        }
    }
}

/// The end of lines without a time. Within a file, the order of the lines is that of events; between files, nothing tells
/// which one is later.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Untimed {
    at: Option<Evidence>,
    has_several: bool,
}

impl Untimed {
    fn add(&mut self, at: Evidence) {
        match &mut self.at {
            Some(held) if held.content_id != at.content_id => self.has_several = true,
            Some(held) if *held > at => {}
            held => *held = Some(at),
        }
    }

    fn last(&self) -> Option<&Evidence> {
        self.at.as_ref().filter(|_| !self.has_several)
    }
}

/// Whether a record is a crash if nothing follows it: a critical error.
pub(crate) fn is_crash(record: &Record<'_>) -> bool {
    matches!(record.event, Event::ScraperError(_)) && record.level == Some(Level::Critical)
}

/// The earlier of two optional times.
pub(crate) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl SourceStats {
    /// Records that a line was seen.
    pub(crate) fn touch(&mut self, time: Option<Timestamp>, at: &dyn Fn() -> Evidence) {
        let Some(time) = time else {
            return self.untimed.add(at());
        };
        self.first = earlier(self.first, Some(time));
        self.last = self.last.max(Some(time));
        if self
            .last_place
            .as_ref()
            .is_none_or(|(held, _)| time >= *held)
        {
            let place = (time, at());
            self.last_place = self.last_place.take().max(Some(place));
        }
    }

    /// Records an error; the latest is kept.
    pub(crate) fn fail(
        &mut self,
        at: Option<Timestamp>,
        evidence: Evidence,
        (group, is_crash): (u64, bool),
    ) {
        let new = LastError {
            at,
            evidence,
            group,
            is_crash,
        };
        self.last_error = self.last_error.take().max(Some(new));
    }

    /// Whether the last record is a crash, or neither a request nor an item follows a record which says that the program
    /// failed as a whole.
    pub(crate) fn is_crashed(&self) -> bool {
        let timed = self.last_place.as_ref().map(|(_, place)| place);
        let last = timed.or_else(|| self.untimed.last());
        let error = self.last_error.as_ref().filter(|error| error.is_crash);
        let is_last = error.is_some_and(|error| Some(&error.evidence) == last);
        // A supervisor may write whole seconds.
        let is_by = |active: Timestamp, at: Timestamp| {
            let is_whole = at.as_micros() % 1_000_000 == 0;
            active <= at || (is_whole && active.as_seconds() <= at.as_seconds())
        };
        let has_died = self
            .died
            .is_some_and(|at| self.active.is_none_or(|(_, active, _)| is_by(active, at)));
        self.end.is_none() && (is_last || has_died)
    }

    /// Records the value of a number that the user named; the latest value is kept.
    pub(crate) fn tell(&mut self, time: Option<Timestamp>, (name, value): (String, i64)) {
        let held = self.told.entry(name).or_insert((time, value));
        *held = (*held).max((time, value));
    }

    /// Records that a request or an item was seen.
    pub(crate) fn act(&mut self, time: Option<Timestamp>) {
        let Some(time) = time else { return };
        self.active = Some(match self.active {
            Some((first, last, count)) => (first.min(time), last.max(time), count + 1),
            None => (time, time, 1),
        });
    }

    /// Records that a rate limit makes it wait.
    pub(crate) fn wait(&mut self, time: Option<Timestamp>, seconds: f64) {
        let Some(time) = time.filter(|_| seconds > 0.0) else {
            return;
        };
        let micros = (seconds.min(LONGEST_WAIT) * 1e6) as i64;
        self.waits_until = self.waits_until.max(Some(time.plus_micros(micros)));
    }

    /// Reduces the statistics to what is kept for sources beyond the limit: the sums.
    pub(crate) fn into_rest(self) -> Self {
        Self {
            counters: self.counters,
            first: self.first,
            last: self.last,
            dialects: self.dialects,
            is_followed: self.is_followed,
            is_partial: self.is_partial,
            is_leveled: self.is_leveled,
            ..Self::default()
        }
    }

    /// The evidence for a position in a file.
    pub(crate) fn evidence(content_id: u64, path: &std::sync::Arc<str>, at: Position) -> Evidence {
        Evidence {
            content_id,
            offset: at.offset,
            line: at.line,
            path: std::sync::Arc::clone(path),
        }
    }
}

impl Add for SourceStats {
    fn add(&mut self, other: Self) {
        self.counters.add(other.counters);
        self.first = earlier(self.first, other.first);
        self.last = self.last.max(other.last);
        self.last_place = self.last_place.take().max(other.last_place);
        self.untimed.has_several |= other.untimed.has_several;
        other
            .untimed
            .at
            .into_iter()
            .for_each(|at| self.untimed.add(at));
        self.started = earlier(self.started, other.started);
        // Of two ends of one run, the later counts: a run can be resumed under its id.
        if other.end > self.end {
            self.end = other.end;
            self.end_place = other.end_place;
        }
        self.ends += other.ends;
        self.last_error = self.last_error.take().max(other.last_error);
        self.declared = match (self.declared.take(), other.declared) {
            (Some(a), Some(b)) => Some(if (b.is_truth, b.at) > (a.is_truth, a.at) {
                b
            } else {
                a
            }),
            (a, b) => a.or(b),
        };
        self.renamed = match (self.renamed.take(), other.renamed) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.active = match (self.active, other.active) {
            (Some((a, b, n)), Some((c, d, m))) => Some((a.min(c), b.max(d), n + m)),
            (a, b) => a.or(b),
        };
        self.waits_until = self.waits_until.max(other.waits_until);
        self.numbers.merge(other.numbers);
        self.dropped += other.dropped;
        self.skewed += other.skewed;
        self.skewed_since = earlier(self.skewed_since, other.skewed_since);
        self.queue = self.queue.max(other.queue);
        self.config = self.config.take().max(other.config);
        self.machine = self.machine.take().max(other.machine);
        for (name, (time, value)) in other.told {
            self.tell(time, (name, value));
        }
        self.hosts.merge(other.hosts);
        self.failed_pages.merge(other.failed_pages);
        self.dialects.extend(other.dialects);
        self.sections.add(other.sections);
        self.is_followed |= other.is_followed;
        self.is_partial |= other.is_partial;
        self.is_leveled |= other.is_leveled;
        self.is_supervised |= other.is_supervised;
        self.died = self.died.max(other.died);
        self.last_words = self.last_words.max(other.last_words);
    }
}

#[cfg(test)]
mod tests {
    use dragline_schema::ScraperError;

    use super::*;

    #[test]
    fn an_uncaught_exception_that_nothing_follows_is_a_crash() {
        let record = |level: Level| Record {
            level: Some(level),
            event: Event::ScraperError(ScraperError::default()),
            ..Record::default()
        };
        assert!(is_crash(&record(Level::Critical)));
        assert!(!is_crash(&record(Level::Error)));

        let at = |offset: u64| Evidence {
            path: "a.log".into(),
            offset,
            line: offset,
            ..Evidence::default()
        };
        let (mut stats, noon) = (SourceStats::default(), Timestamp::from_seconds(43_200));
        stats.touch(Some(noon), &|| at(7));
        stats.fail(Some(noon), at(7), (1, true));
        assert!(stats.is_crashed());
        stats.touch(Some(noon), &|| at(8));
        assert!(!stats.is_crashed());
        stats.died = Some(noon);
        assert!(stats.is_crashed());
        // Within the second that a supervisor names.
        stats.act(Some(noon.plus_micros(1)));
        assert!(stats.is_crashed());
        stats.act(Some(noon.plus_micros(1_000_000)));
        assert!(!stats.is_crashed());
    }
}
