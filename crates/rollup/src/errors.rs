//! Groups of errors, with evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dragline_schema::{ErrorCategory, Severity, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

use crate::bounded::Add;
use crate::evidence::Evidence;
use crate::source::{SourceKey, bounded_name};

/// Maximum number of log positions kept per group.
const MAX_EVIDENCE: usize = 3;
/// Maximum number of sources, and of scrapers, kept per group.
const MAX_SOURCES: usize = 64;

/// Maximum number of bytes kept of a message and of its template.
const LONGEST_TEXT: usize = 2000;

/// The part of an error's classification that a rollup keeps.
#[derive(Clone, Copy, Debug)]
pub struct ErrorLabel<'l> {
    /// The group's id.
    pub group: u64,
    /// The category.
    pub category: ErrorCategory,
    /// The sub-category.
    pub sub_category: &'l str,
    /// The severity.
    pub severity: Severity,
    /// The rule that decided.
    pub rule: Option<&'l str>,
    /// The error's type; empty if it has none.
    pub error_type: &'l str,
    /// The message with its variable parts masked.
    pub template: &'l str,
    /// The original message.
    pub message: &'l str,
}

impl<'l> ErrorLabel<'l> {
    /// The classification, for those who take one.
    pub fn verdict(&self) -> Verdict<'l> {
        Verdict {
            category: self.category,
            sub_category: self.sub_category,
            severity: self.severity,
            rule: self.rule,
            matched: None,
            runner_up: None,
            adjustments: Vec::new(),
        }
    }
}

/// A group of errors that differ only in the variable parts of their messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Number of errors.
    pub count: u64,
    /// The worst severity among them.
    pub severity: Option<Severity>,
    /// The time of the first error.
    pub first_seen: Option<Timestamp>,
    /// The time of the last error.
    pub last_seen: Option<Timestamp>,
    /// Number of errors per day (days since 1970-01-01, UTC).
    pub days: BTreeMap<i64, u64>,
    /// The sources of the errors, at most 64.
    pub sources: BTreeSet<Arc<SourceKey>>,
    /// Number of errors of each of these sources.
    pub counts: BTreeMap<Arc<SourceKey>, u64>,
    /// The scrapers and sites named in the lines, at most 64.
    pub names: BTreeSet<(Option<String>, Option<String>)>,
    /// The first log positions, by content and offset.
    pub evidence: BTreeSet<Evidence>,
    /// The first position and the error there.
    pub sample: Option<(Evidence, Sample)>,
}

/// A sample error of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The category, the same for the whole group.
    pub category: ErrorCategory,
    /// The sub-category.
    pub sub_category: String,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The type, the same for the whole group.
    pub error_type: String,
    /// The template, the same for the whole group.
    pub template: String,
    /// The message.
    pub message: String,
    /// The source that logged it.
    #[serde(default)]
    pub source: Option<Arc<SourceKey>>,
}

impl Group {
    /// Whether [`Group::sources`] is complete.
    pub(crate) fn names_all_sources(&self) -> bool {
        self.sources.len() < MAX_SOURCES
    }

    pub(crate) fn observe(
        &mut self,
        label: &ErrorLabel<'_>,
        at: Evidence,
        time: Option<Timestamp>,
        source: &Arc<SourceKey>,
    ) {
        self.count += 1;
        self.severity = self.severity.max(Some(label.severity));
        if let Some(time) = time {
            self.first_seen = Some(self.first_seen.map_or(time, |first| first.min(time)));
            self.last_seen = self.last_seen.max(Some(time));
            *self
                .days
                .entry(time.as_micros().div_euclid(86_400_000_000))
                .or_default() += 1;
        }
        if let Some(count) = self.counts.get_mut(source) {
            *count += 1;
        } else {
            self.sources.insert(Arc::clone(source));
            cap(&mut self.sources, MAX_SOURCES);
            self.counts.insert(Arc::clone(source), 1);
            self.bound_counts();
            self.names
                .insert((source.scraper_id.clone(), source.site.clone()));
            cap(&mut self.names, MAX_SOURCES);
        }
        if self.sample.as_ref().is_none_or(|(held, _)| at < *held) {
            let sample = Sample {
                category: label.category,
                sub_category: label.sub_category.to_owned(),
                rule: label.rule.map(str::to_owned),
                error_type: bounded_name(label.error_type),
                template: dragline_schema::clip(label.template, LONGEST_TEXT).to_owned(),
                message: dragline_schema::clip(label.message, LONGEST_TEXT).to_owned(),
                source: Some(Arc::clone(source)),
            };
            self.sample = Some((at.clone(), sample));
        }
        if self.evidence.len() < MAX_EVIDENCE || self.evidence.last().is_some_and(|e| at < *e) {
            self.evidence.insert(at);
            cap(&mut self.evidence, MAX_EVIDENCE);
        }
    }
}

impl Group {
    /// Drops the counts of sources that are not kept. A source that is not among the first 64 never becomes so again,
    /// in whatever order parts are merged, so the kept counts are complete.
    fn bound_counts(&mut self) {
        while self.counts.len() > MAX_SOURCES {
            self.counts.pop_last();
        }
    }
}

fn cap<T: Ord>(set: &mut BTreeSet<T>, limit: usize) {
    while set.len() > limit {
        set.pop_last();
    }
}

impl Add for Group {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.severity = self.severity.max(other.severity);
        self.first_seen = match (self.first_seen, other.first_seen) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.last_seen = self.last_seen.max(other.last_seen);
        for (day, count) in other.days {
            *self.days.entry(day).or_default() += count;
        }
        self.sources.extend(other.sources);
        cap(&mut self.sources, MAX_SOURCES);
        for (source, count) in other.counts {
            *self.counts.entry(source).or_default() += count;
        }
        self.bound_counts();
        self.names.extend(other.names);
        cap(&mut self.names, MAX_SOURCES);
        self.evidence.extend(other.evidence);
        cap(&mut self.evidence, MAX_EVIDENCE);
        self.sample = match (self.sample.take(), other.sample) {
            (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
            (a, b) => a.or(b),
        };
    }
}

/// A cell of the table category × severity × type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// The category.
    pub category: ErrorCategory,
    /// The severity.
    pub severity: Severity,
    /// The type; empty if the error has none.
    pub error_type: String,
}
