//! Findings as observations: when one opens and when it ends.

use std::collections::BTreeMap;

use dragline_alerting::rule::{Condition, Rule};
use dragline_alerting::{Labels, Observation};
use dragline_report::Report;
use dragline_report::model::Insight;
use dragline_schema::Timestamp;

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
        let is_watched = |kind: &str| {
            rules.iter().any(|rule| match &rule.condition {
                Condition::Insight(selector) => selector.takes(kind),
                _ => false,
            })
        };
        let kinds = dragline_insights::InsightKind::ALL
            .iter()
            .map(|kind| kind.name());
        let kinds: Vec<&str> = kinds.filter(|kind| is_watched(kind)).collect();
        if kinds.is_empty() {
            return Vec::new();
        }
        let open = open_since(report);
        let mut all: BTreeMap<(String, Labels), Option<Timestamp>> = BTreeMap::new();
        for kind in kinds {
            for scraper in &report.scrapers {
                let labels = labels_of(scraper.scraper_id.as_deref(), scraper.site.as_deref());
                all.insert((kind.to_owned(), labels), None);
            }
        }
        for (key, since) in open {
            if is_watched(&key.0) {
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
        let labels = labels_of(insight.scraper_id.as_deref(), insight.site.as_deref());
        let since = time_of(insight.since.as_ref());
        let held = open.entry((insight.kind.clone(), labels)).or_insert(since);
        *held = match (*held, since) {
            (Some(held), Some(since)) => Some(held.min(since)),
            (held, since) => held.or(since),
        };
    }
    open
}

/// The labels of a scraper; parts without a name have none.
pub(super) fn labels_of(scraper_id: Option<&str>, site: Option<&str>) -> Labels {
    let pairs = [("scraper_id", scraper_id), ("site", site)];
    let named = pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    named.filter(|(_, value)| !value.is_empty()).collect()
}

/// The open finding behind an alert: of a kind that the rule watches, and of the alert's scraper.
pub(super) fn finding_of<'r>(
    report: &'r Report,
    rule: &Rule,
    labels: &Labels,
) -> Option<&'r Insight> {
    let Condition::Insight(selector) = &rule.condition else {
        return None;
    };
    let is_named = |name: &str, value: &Option<String>| labels.get(name) == value.as_deref();
    let own = report.insights.iter().filter(|insight| {
        selector.takes(&insight.kind)
            && is_named("scraper_id", &insight.scraper_id)
            && is_named("site", &insight.site)
    });
    own.max_by_key(|insight| (insight.is_open, &insight.since))
}
