//! A backend in memory: a fleet of any size, made by arithmetic, the same each time.

mod answers;
mod backend;
mod data;

use std::sync::Mutex;
use std::time::Duration;

use dragline_alerting::history::Entry;
use dragline_alerting::state::{PhaseName, Reason};
use dragline_web::model::*;
use dragline_web::{Answer, BackendError, Feed, IngestBatch, ScraperKey};

use data::{alert, run, scraper};

/// 2026-12-01T14:30:00Z.
pub(crate) const NOW: i64 = 1_796_135_400;

/// Text as an attacker would log it.
pub(crate) const HOSTILE: &str = "</script><script>document.title='taken'</script><img src=x onerror=document.title='taken'>\
     '\"&{{7*7}}\u{1b}[31mred\u{202e}gnp.exe=HYPERLINK(\"http://evil.example\")";

pub(crate) struct Fleet {
    pub(crate) feed: Feed,
    pub(crate) is_hostile: bool,
    /// Those that need attention first.
    pub(crate) scrapers: Vec<ScraperSummary>,
    /// The latest start first.
    pub(crate) runs: Vec<RunSummary>,
    pub(crate) alerts: Mutex<Vec<AlertRecord>>,
    pub(crate) silences: Mutex<Vec<SilenceRecord>>,
    pub(crate) fixes: Mutex<Vec<Fix>>,
    pub(crate) batches: Mutex<Vec<IngestBatch>>,
    pub(crate) readiness: Mutex<Readiness>,
    pub(crate) history: Mutex<Vec<Entry>>,
    /// How long the metrics of the service take.
    pub(crate) delay: Duration,
}

impl Fleet {
    pub(crate) fn new(count: usize) -> Self {
        Self::with(count, false)
    }

    pub(crate) fn hostile() -> Self {
        Self::with(3, true)
    }

    fn with(count: usize, is_hostile: bool) -> Self {
        let scrapers: Vec<_> = (0..count)
            .map(|number| scraper(number, is_hostile))
            .collect();
        let mut runs: Vec<RunSummary> = scrapers
            .iter()
            .flat_map(|one| (0..6).map(move |number| run(one, number, is_hostile)))
            .collect();
        runs.sort_by_cached_key(|run| (std::cmp::Reverse(run.start), run.key.clone()));
        let alerts = scrapers
            .iter()
            .filter(|one| one.alerts_firing > 0)
            .take(40)
            .map(|one| alert(one, is_hostile));
        let alerts: Vec<AlertRecord> = alerts.collect();
        let history = alerts.iter().map(|record| Entry::Transition {
            at: record.alert.fired_at,
            alert: record.alert.id.clone(),
            to: PhaseName::Firing,
            reason: Reason::HeldLongEnough,
            severity: Some(record.alert.severity),
            value: record.alert.value,
            began: Some(record.alert.began),
        });
        let history = history.collect();
        Self {
            feed: Feed::new(NOW as u64),
            is_hostile,
            scrapers,
            runs,
            alerts: Mutex::new(alerts),
            silences: Mutex::new(Vec::new()),
            fixes: Mutex::default(),
            batches: Mutex::new(Vec::new()),
            readiness: Mutex::new(Readiness {
                is_ready: true,
                reasons: Vec::new(),
            }),
            history: Mutex::new(history),
            delay: Duration::ZERO,
        }
    }

    fn text(&self, text: &str) -> String {
        if self.is_hostile {
            format!("{text} {HOSTILE}")
        } else {
            text.to_owned()
        }
    }

    fn find(&self, key: &ScraperKey) -> Answer<&ScraperSummary> {
        let found = self.scrapers.iter().find(|one| one.key == *key);
        found.ok_or_else(|| BackendError::NotFound(format!("the scraper {key:?} is not known")))
    }
}

pub(super) fn not_found<T>(what: &str) -> Answer<T> {
    Err(BackendError::NotFound(format!("{what} is not known")))
}
