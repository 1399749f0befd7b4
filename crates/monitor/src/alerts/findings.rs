//! Findings as observations: when one opens and when it ends.

use std::collections::BTreeMap;

use dragline_alerting::rule::Rule;
use dragline_alerting::{Labels, Observation};
use dragline_report::Report;
use dragline_schema::Timestamp;
use dragline_watch::watched_kinds;

use crate::judge::time_of;

/// Which findings are open, by kind and scraper, and the time of the last observation.
#[derive(Debug, Default)]
pub(super) struct FindingStates {
    states: BTreeMap<(String, Labels), (bool, Timestamp)>,
}

impl FindingStates {
    /// What changed since the last analysis. The first time, every scraper has a state for every kind that some rule
    /// watches, so that an alert of an earlier start ends when its finding is over.
    pub(super) fn changes(
        &mut self,
        report: &Report,
        rules: &[Rule],
        now: Timestamp,
    ) -> Vec<Observation> {
        let kinds: Vec<&str> = watched_kinds(rules)
            .iter()
            .map(|kind| kind.name())
            .collect();
        if kinds.is_empty() {
            return Vec::new();
        }
        let open = open_since(report);
        let mut all: BTreeMap<(String, Labels), Option<Timestamp>> = BTreeMap::new();
        for kind in &kinds {
            for scraper in &report.scrapers {
                let labels =
                    Labels::of_scraper(scraper.scraper_id.as_deref(), scraper.site.as_deref());
                all.insert(((*kind).to_owned(), labels), None);
            }
        }
        for (key, since) in open {
            if kinds.contains(&key.0.as_str()) {
                all.insert(key, Some(since.unwrap_or(now)));
            }
        }
        let changed = all
            .into_iter()
            .filter_map(|(key, since)| self.change(key, since, now));
        changed.collect()
    }

    fn change(
        &mut self,
        key: (String, Labels),
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Observation> {
        let held = self.states.get(&key).copied();
        let is_open = since.is_some();
        if held.is_some_and(|(was_open, _)| was_open == is_open) {
            return None;
        }
        // It opens at its onset, but never before it was last seen to be over.
        let at = since.unwrap_or(now).min(now);
        let at = held.map_or(at, |(_, last)| at.max(last.plus_micros(1)));
        self.states.insert(key.clone(), (is_open, at));
        Some(Observation::finding(&key.0, key.1, at, is_open))
    }
}

/// The open findings with their onset, by kind and scraper.
fn open_since(report: &Report) -> BTreeMap<(String, Labels), Option<Timestamp>> {
    let mut open = BTreeMap::new();
    for insight in report.insights.iter().filter(|insight| insight.is_open) {
        let labels = Labels::of_scraper(insight.scraper_id.as_deref(), insight.site.as_deref());
        let since = time_of(insight.since.as_ref());
        let held = open.entry((insight.kind.clone(), labels)).or_insert(since);
        *held = match (*held, since) {
            (Some(held), Some(since)) => Some(held.min(since)),
            (held, since) => held.or(since),
        };
    }
    open
}
