//! One evaluation of all rules.

use std::cell::LazyCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dragline_schema::Timestamp;

use super::series::{Measured, Sample};
use super::{BrokenRule, Change, NO_DATA_LABEL, Tracked, Watch, change};
use crate::alert::AlertId;
use crate::observation::{HealthStatus, Topic, finding_value};
use crate::rule::{Aggregate, Condition, MetricCondition, Rule, Selector};
use crate::state::{Finding, NoDataPolicy};
use crate::{LabelMatch, Labels, duration};

/// What a rule found, by the labels of the series.
#[derive(Default)]
struct Found {
    findings: BTreeMap<Labels, (Finding, Option<Measured>)>,
    errors: Vec<String>,
    /// Series whose evaluation failed: their alerts stay as they are.
    failed: Vec<Labels>,
    /// Whether the source delivered any series with this name.
    is_alive: bool,
}

impl Watch {
    pub(super) fn evaluate(&mut self, now: Timestamp, changes: &mut Vec<Change>) {
        self.remove_orphans(now, changes);
        for index in 0..self.rules.len() {
            let mut found = self.find(&self.rules[index], now);
            self.note_ends(index, now);
            self.find_missing(&self.rules[index], now, &mut found);
            self.mark_broken(index, &found.errors, now);
            self.step(index, found, now, changes);
        }
        self.drop_idle();
    }

    /// Ends the alerts of rules that no longer exist.
    fn remove_orphans(&mut self, now: Timestamp, changes: &mut Vec<Change>) {
        let exists = |name: &str| {
            name == super::LAG_ALERT || self.rules.iter().any(|rule| rule.name == name)
        };
        let orphans: Vec<AlertId> = self
            .state
            .alerts
            .keys()
            .filter(|id| !exists(&id.rule))
            .cloned()
            .collect();
        for id in orphans {
            if let Some(mut tracked) = self.state.alerts.remove(&id) {
                let transitions = tracked.state.remove(now);
                changes.extend(
                    transitions
                        .into_iter()
                        .map(|transition| change(None, &id, transition, None)),
                );
            }
        }
        self.state
            .broken
            .retain(|name, _| self.rules.iter().any(|rule| rule.name == *name));
    }

    fn find(&self, rule: &Rule, now: Timestamp) -> Found {
        match &rule.condition {
            Condition::Metric(metric) => self.find_metric(rule, metric, now),
            Condition::Insight(selector, least) => {
                // A finding is dated by its onset, which is when its observation happened.
                let at_least = finding_value(*least);
                self.find_latest(Topic::Finding, selector, now, None, |value, sample| {
                    (value >= at_least).then_some((value, Some(sample.time)))
                })
            }
            Condition::Health(selector, status) => {
                let window = Some(crate::rule::HEALTH_VALID_FOR);
                let at_least = HealthStatus::value(*status);
                self.find_latest(Topic::Health, selector, now, window, |value, sample| {
                    (value >= at_least).then_some((value, sample.since))
                })
            }
            Condition::Freshness(selector) => self.find_overdue(selector, now),
        }
        .with_severity(rule)
    }

    fn find_metric(&self, rule: &Rule, metric: &MetricCondition, now: Timestamp) -> Found {
        let mut found = Found {
            is_alive: self.is_alive(Topic::Metric, &metric.selector, now, metric.window),
            ..Found::default()
        };
        let mut measured: BTreeMap<Labels, Measured> = BTreeMap::new();
        for (name, labels, series) in self.series.select(Topic::Metric, &metric.selector) {
            let labels = identify(labels, "metric", name, &metric.selector);
            let labels = if metric.aggregate.is_counted() {
                of_source(&labels, &metric.selector)
            } else {
                labels
            };
            match series.measure(metric, now) {
                Ok(Some(one)) => match measured.entry(labels) {
                    Entry::Vacant(place) => {
                        place.insert(one);
                    }
                    Entry::Occupied(mut sum) => sum.get_mut().value += one.value,
                },
                Ok(None) => {}
                Err(error) => {
                    found.errors.push(error);
                    found.failed.push(labels);
                }
            }
        }
        measured.retain(|labels, _| !found.failed.contains(labels));
        for (labels, measured) in measured {
            let finding = compare(metric, &measured);
            found.findings.insert(labels, (finding, Some(measured)));
        }
        let is_nowhere = found.findings.is_empty() && !self.tracks_series(rule);
        if metric.aggregate == Aggregate::Absent && is_nowhere {
            self.find_never_seen(rule, metric, now, &mut found);
        }
        found
    }

    /// The alerts of a rule.
    fn tracked(&self, rule: &Rule) -> impl Iterator<Item = (&AlertId, &Tracked)> {
        let first = AlertId {
            rule: rule.name.clone(),
            labels: Labels::new(),
        };
        let tracked = self.state.alerts.range(first..);
        tracked.take_while(move |(id, _)| id.rule == rule.name)
    }

    /// Whether the rule has an alert for a series, which may have been absent for so long that its samples are gone.
    fn tracks_series(&self, rule: &Rule) -> bool {
        let whole_rule = fixed_labels(rule.selector());
        self.tracked(rule).any(|(id, _)| id.labels != whole_rule)
    }

    /// `absent(…)` of a series that was never seen counts from the first evaluation.
    fn find_never_seen(
        &self,
        rule: &Rule,
        metric: &MetricCondition,
        now: Timestamp,
        found: &mut Found,
    ) {
        let Some(first) = self.state.first_tick else {
            return;
        };
        let waited = duration::elapsed(now, first);
        let value = waited.as_secs_f64();
        let finding = if waited >= metric.window {
            let since = Some(duration::after(first, metric.window));
            Finding::Met {
                value,
                severity: rule.severity,
                since,
            }
        } else {
            Finding::Unmet { value: 0.0 }
        };
        found
            .findings
            .insert(fixed_labels(&metric.selector), (finding, None));
    }

    /// Conditions on the latest value, at most `window` old.
    fn find_latest(
        &self,
        topic: Topic,
        selector: &Selector,
        now: Timestamp,
        window: Option<Duration>,
        is_true: impl Fn(f64, &Sample) -> Option<(f64, Option<Timestamp>)>,
    ) -> Found {
        let longest = window.unwrap_or(Duration::from_secs(u64::from(u32::MAX)));
        let mut found = Found {
            is_alive: self.is_alive(topic, selector, now, longest),
            ..Found::default()
        };
        for (name, labels, series) in self.series.select(topic, selector) {
            let labels = identify(labels, topic_label(topic), name, selector);
            let Some(sample) = series.latest(now).filter(|_| series.has_data(now, longest)) else {
                continue;
            };
            let finding = match sample.value {
                None => Finding::NoData,
                Some(value) if !value.is_finite() => {
                    found.errors.push(format!("the value of {name} is {value}"));
                    found.failed.push(labels);
                    continue;
                }
                Some(value) => match is_true(value, &sample) {
                    Some((value, since)) => met(value, since),
                    None => Finding::Unmet { value },
                },
            };
            found.findings.insert(labels, (finding, None));
        }
        found
    }

    /// Signs of life whose deadline has passed; the episode begins at the deadline.
    fn find_overdue(&self, selector: &Selector, now: Timestamp) -> Found {
        let mut found = Found {
            is_alive: true,
            ..Found::default()
        };
        for (name, labels, series) in self.series.select(Topic::Freshness, selector) {
            let labels = identify(labels, topic_label(Topic::Freshness), name, selector);
            let Some(sample) = series.latest(now) else {
                continue;
            };
            let finding = match sample.value {
                None => Finding::NoData,
                Some(seconds) if seconds.is_finite() && seconds >= 0.0 => {
                    let deadline = sample.time.plus_micros((seconds * 1e6) as i64);
                    let overdue = duration::elapsed(now, deadline).as_secs_f64();
                    if now > deadline {
                        met(overdue, Some(deadline))
                    } else {
                        Finding::Unmet { value: 0.0 }
                    }
                }
                Some(odd) => {
                    found.errors.push(format!(
                        "{name} is due within {odd} seconds, which is not a time"
                    ));
                    found.failed.push(labels);
                    continue;
                }
            };
            found.findings.insert(labels, (finding, None));
        }
        found
    }

    fn is_alive(
        &self,
        topic: Topic,
        selector: &Selector,
        now: Timestamp,
        window: Duration,
    ) -> bool {
        self.series
            .named(topic, &selector.name)
            .any(|(_, all)| all.values().any(|series| series.has_data(now, window)))
    }

    /// Whether what reports a series reports anything: the same scraper and the same machine.
    fn is_source_alive(&self, rule: &Rule, of: &Labels, now: Timestamp) -> bool {
        let window = rule
            .window()
            .unwrap_or(Duration::from_secs(u64::from(u32::MAX)));
        let topic = rule.topic();
        if topic == Topic::Freshness {
            return false;
        }
        let is_same = |labels: &Labels| {
            ["scraper_id", "host"]
                .iter()
                .all(|name| labels.get(name) == of.get(name))
        };
        let mut named = self.series.named(topic, &rule.selector().name);
        named.any(|(_, all)| {
            all.iter()
                .any(|(labels, series)| is_same(labels) && series.has_data(now, window))
        })
    }

    /// Remembers whether all that a rule reads ended with a word: then it is not missing, also when its samples are forgotten.
    fn note_ends(&mut self, index: usize, now: Timestamp) {
        let rule = &self.rules[index];
        let Condition::Metric(metric) = &rule.condition else {
            return;
        };
        if !rule.no_data.is_alarm() {
            return;
        }
        let all = self.series.select(Topic::Metric, &metric.selector);
        let mut known = all.filter(|(_, _, series)| series.latest(now).is_some());
        let Some((_, _, first)) = known.next() else {
            return;
        };
        if first.is_over(now) && known.all(|(_, _, series)| series.is_over(now)) {
            self.state.over.insert(rule.name.clone());
        } else {
            self.state.over.remove(&rule.name);
        }
    }

    /// The labels of the series of a rule that ended with a word.
    fn find_over(&self, rule: &Rule, now: Timestamp) -> BTreeSet<Labels> {
        let Condition::Metric(metric) = &rule.condition else {
            return BTreeSet::new();
        };
        let all = self.series.select(Topic::Metric, &metric.selector);
        let over = all.filter(|(_, _, series)| series.is_over(now));
        over.map(|(name, labels, _)| identify(labels, "metric", name, &metric.selector))
            .collect()
    }

    /// What is tracked and was not found is missing, or there are no data at all.
    fn find_missing(&self, rule: &Rule, now: Timestamp, found: &mut Found) {
        let alerts_without_data = rule.no_data.is_alarm();
        if let (true, Condition::Metric(metric)) = (alerts_without_data, &rule.condition) {
            self.find_vanished(metric, now, found);
        }
        let whole_rule = fixed_labels(rule.selector());
        let is_absence = match &rule.condition {
            Condition::Metric(metric) => metric.aggregate == Aggregate::Absent,
            _ => false,
        };
        if found.findings.is_empty()
            && found.failed.is_empty()
            && !found.is_alive
            && alerts_without_data
            && !self.state.over.contains(&rule.name)
        {
            found
                .findings
                .insert(whole_rule.clone(), (Finding::NoData, None));
        }
        let over = LazyCell::new(|| self.find_over(rule, now));
        for (id, tracked) in self.tracked(rule) {
            let mut labels = id.labels.clone();
            labels.remove(NO_DATA_LABEL);
            if found.findings.contains_key(&labels) || found.failed.contains(&labels) {
                continue;
            }
            let finding = match (found.is_alive, alerts_without_data) {
                // The alert of a rule that had no series at all: now it has some.
                (true, _) if labels == whole_rule && (is_absence || alerts_without_data) => {
                    Finding::Unmet { value: 0.0 }
                }
                // What ended with a word is not missed, also once its samples are forgotten.
                _ if over.contains(&labels) => Finding::Missing,
                (_, true) if tracked.is_missing => Finding::Missing,
                // A rule that alerts on missing data must not resolve when a series vanishes.
                (true, false) if self.is_source_alive(rule, &labels, now) => Finding::Missing,
                _ => Finding::NoData,
            };
            found.findings.insert(labels, (finding, None));
        }
    }

    /// Series that ended without a word. Of a counter that counts nothing more, nothing is unknown; and a last sample without
    /// a value says that the series is over.
    fn find_vanished(&self, metric: &MetricCondition, now: Timestamp, found: &mut Found) {
        if metric.aggregate.is_counted() {
            return;
        }
        for (name, labels, series) in self.series.select(Topic::Metric, &metric.selector) {
            let is_unknown = series.latest(now).is_some_and(|last| last.value.is_some())
                && !series.has_data(now, metric.window);
            let labels = identify(labels, "metric", name, &metric.selector);
            if is_unknown && !found.failed.contains(&labels) {
                let finding = (Finding::NoData, None);
                found.findings.entry(labels).or_insert(finding);
            }
        }
    }

    fn mark_broken(&mut self, index: usize, errors: &[String], now: Timestamp) {
        let name = &self.rules[index].name;
        match errors.first() {
            None => {
                self.state.broken.remove(name);
            }
            Some(error) => {
                let broken = BrokenRule {
                    since: now,
                    error: error.clone(),
                };
                self.state
                    .broken
                    .entry(name.clone())
                    .or_insert(broken)
                    .error
                    .clone_from(error);
            }
        }
    }

    fn step(&mut self, index: usize, found: Found, now: Timestamp, changes: &mut Vec<Change>) {
        let rule = &self.rules[index];
        let policy = rule.policy(self.config.interval);
        for (labels, (finding, measured)) in found.findings {
            if rule.no_data == NoDataPolicy::NoData {
                let lacks = matches!(finding, Finding::NoData);
                let companion = if lacks {
                    met(0.0, None)
                } else {
                    Finding::Unmet { value: 0.0 }
                };
                let mut companion_labels = labels.clone();
                companion_labels.insert(NO_DATA_LABEL, "true");
                let finding = companion.with_severity(rule);
                advance(
                    &mut self.state.alerts,
                    rule,
                    companion_labels,
                    finding,
                    None,
                    &policy,
                    now,
                    changes,
                );
            }
            advance(
                &mut self.state.alerts,
                rule,
                labels,
                finding,
                measured,
                &policy,
                now,
                changes,
            );
        }
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "the parts of one step; self is borrowed by the rule"
)]
fn advance(
    alerts: &mut BTreeMap<AlertId, Tracked>,
    rule: &Rule,
    labels: Labels,
    finding: Finding,
    measured: Option<Measured>,
    policy: &crate::state::Policy,
    now: Timestamp,
    changes: &mut Vec<Change>,
) {
    let id = AlertId {
        rule: rule.name.clone(),
        labels,
    };
    // Most series are fine: nothing is stored for them.
    if !alerts.contains_key(&id)
        && matches!(
            finding,
            Finding::Unmet { .. } | Finding::Held { .. } | Finding::Missing
        )
    {
        return;
    }
    let tracked = alerts.entry(id.clone()).or_default();
    if let Some(measured) = measured {
        tracked.expected = measured.expected;
    }
    tracked.is_missing = matches!(finding, Finding::Missing);
    let transitions = tracked.state.step(finding, policy, now);
    let expected = tracked.expected;
    changes.extend(
        transitions
            .into_iter()
            .map(|transition| change(Some(rule), &id, transition, expected)),
    );
}

impl Found {
    fn with_severity(mut self, rule: &Rule) -> Self {
        for (finding, _) in self.findings.values_mut() {
            *finding = finding.with_severity(rule);
        }
        self
    }
}

impl Finding {
    /// The severity that the rule has for the value.
    fn with_severity(self, rule: &Rule) -> Self {
        match self {
            Self::Met {
                value,
                severity,
                since,
            } => Self::Met {
                value,
                severity: severity.max(rule.severity_at(value)),
                since,
            },
            other => other,
        }
    }
}

fn met(value: f64, since: Option<Timestamp>) -> Finding {
    Finding::Met {
        value,
        severity: dragline_schema::Severity::Low,
        since,
    }
}

/// Compares a measured value with the rule's thresholds.
fn compare(metric: &MetricCondition, measured: &Measured) -> Finding {
    let &Measured { value, since, .. } = measured;
    if metric.compare.holds(value, metric.threshold) {
        return met(value, since);
    }
    match metric.clear {
        Some(clear) if metric.compare.holds(value, clear) => Finding::Held { value },
        _ => Finding::Unmet { value },
    }
}

fn topic_label(topic: Topic) -> &'static str {
    match topic {
        Topic::Metric => "metric",
        Topic::Finding => "finding",
        Topic::Health => "check",
        Topic::Freshness => "signal",
    }
}

/// The labels of a series; where the rule takes several names, the name is one of them.
fn identify(labels: &Labels, key: &str, name: &str, selector: &Selector) -> Labels {
    let mut labels = labels.clone();
    if selector.name.contains('*') {
        labels.insert(key, name);
    }
    labels
}

/// The labels that say whose series it is.
pub(crate) const SOURCE: [&str; 3] = ["scraper_id", "site", "host"];

/// The labels of a sum of counters: whose they are, and what the rule fixes. A site with 30 errors of the network and 30
/// of the parser has 60 errors.
fn of_source(labels: &Labels, selector: &Selector) -> Labels {
    let kept = labels
        .iter()
        .filter(|(name, _)| SOURCE.contains(name) || *name == "metric");
    kept.collect::<Labels>().with(&fixed_labels(selector))
}

/// The labels that a selector fixes to one value.
pub(super) fn fixed_labels(selector: &Selector) -> Labels {
    let fixed = selector
        .matchers
        .iter()
        .filter_map(|(name, wanted)| match wanted {
            LabelMatch::One(value) if !value.contains('*') => Some((name, value.as_str())),
            _ => None,
        });
    fixed.collect()
}
