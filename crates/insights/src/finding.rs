//! The types of the findings.

use std::collections::BTreeMap;
use std::fmt;

use dragline_rollup::{self as rollup, FirstSign, GroupRow};
use dragline_schema::{ErrorCategory, Severity, Timestamp};

use crate::kind::InsightKind;
use crate::names::Name;

/// A scraper on a site. Each part is `None` if the log does not name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScraperKey {
    /// The scraper's id.
    pub scraper_id: Option<String>,
    /// The site.
    pub site: Option<String>,
}

impl From<&Name> for ScraperKey {
    fn from((scraper_id, site): &Name) -> Self {
        Self {
            scraper_id: scraper_id.clone(),
            site: site.clone(),
        }
    }
}

/// An anomaly or defect, with its evidence and a recommendation.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The same for the same incident in every report.
    pub id: String,
    /// The kind of finding.
    pub kind: InsightKind,
    /// The severity.
    pub severity: Severity,
    /// What happened, in one sentence.
    pub title: String,
    /// Details: figures, and the order of events.
    pub detail: String,
    /// The onset; `None` if no time is known.
    pub since: Option<Timestamp>,
    /// The end; `None` while it is open, or if no time is known.
    pub until: Option<Timestamp>,
    /// Whether it extends to the scraper's last run (or hour), so that it is still ongoing.
    pub is_open: bool,
    /// The affected scraper; both parts are `None` if the finding concerns no particular scraper.
    pub scraper: ScraperKey,
    /// The metric that deviated.
    pub metric: Option<String>,
    /// The expected range of the metric.
    pub expected: Option<Expected>,
    /// The observed value of the metric.
    pub observed: Option<f64>,
    /// The metrics that changed, in order of time.
    pub sequence: Vec<Moved>,
    /// Log lines that show it.
    pub evidence: Vec<Evidence>,
    /// The recommended action.
    pub recommendation: String,
    /// The name of the runbook to follow.
    pub runbook: &'static str,
    /// The ids of findings of the same kind at the same time for other scrapers or sites.
    pub related: Vec<String>,
}

impl Finding {
    /// An empty finding of the given kind, with the kind's severity and runbook.
    pub fn of(kind: InsightKind) -> Self {
        Self {
            id: String::new(),
            kind,
            severity: kind.severity(),
            title: String::new(),
            detail: String::new(),
            since: None,
            until: None,
            is_open: false,
            scraper: ScraperKey::default(),
            metric: None,
            expected: None,
            observed: None,
            sequence: Vec::new(),
            evidence: Vec::new(),
            recommendation: String::new(),
            runbook: kind.runbook(),
            related: Vec::new(),
        }
    }
}

/// An expected range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

/// A metric that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// When it changed.
    pub at: Timestamp,
    /// The metric's name.
    pub metric: String,
}

/// A log line that shows a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The file's path as given by the user.
    pub file: String,
    /// The line number, from 1.
    pub line: u64,
    /// The byte offset of the line, after decompression.
    pub offset: u64,
    /// A short form of the line's text; `None` if the text is shown elsewhere.
    pub sample: Option<String>,
}

/// `FILE:LINE: TEXT`, or without a text `FILE:LINE`.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        match &self.sample {
            Some(sample) => write!(f, ": {sample}"),
            None => Ok(()),
        }
    }
}

impl From<&rollup::Evidence> for Evidence {
    fn from(place: &rollup::Evidence) -> Self {
        Self {
            file: place.path.to_string(),
            line: place.line,
            offset: place.offset,
            sample: None,
        }
    }
}

impl Evidence {
    /// The line of a sign, with its text.
    pub(crate) fn of_sign(sign: &FirstSign) -> Option<Self> {
        let text = sign.text();
        Some(Self {
            sample: (!text.is_empty()).then(|| text.to_owned()),
            ..Self::from(sign.evidence()?)
        })
    }
}

/// When a scraper's next run was due after a sign of life, according to the schedule that its runs kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextRun {
    /// The scraper.
    pub scraper: ScraperKey,
    /// The start of a run, or a time at which it was active while the next one was due.
    pub seen: Timestamp,
    /// When the next run usually starts.
    pub due: Timestamp,
    /// From when on it counts as missed.
    pub missed: Timestamp,
}

/// When the runs of each scraper started, oldest first.
pub type Starts = BTreeMap<ScraperKey, Vec<Timestamp>>;

/// The value of a metric in one run, and what was normal according to the runs before it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunValue {
    /// The scraper.
    pub scraper: ScraperKey,
    /// When the run was last active.
    pub at: Timestamp,
    /// The metric.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// The usual value and the expected range; `None` if too few runs were before it.
    pub usual: Option<(f64, Expected)>,
}

/// What is normal for a metric of a scraper.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The metric.
    pub metric: String,
    /// The scraper.
    pub scraper: ScraperKey,
    /// The median.
    pub median: f64,
    /// The expected range.
    pub expected: Expected,
    /// The number of runs it was learned from.
    pub runs: u64,
}

/// A group of errors, with the fields that findings need.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorGroup {
    /// The group's fingerprint.
    pub id: u64,
    /// Whether it is muted: known, and not to be reported.
    pub is_muted: bool,
    /// The category.
    pub category: ErrorCategory,
    /// The sub-category; empty if no rule matched.
    pub sub_category: String,
    /// The worst severity in the group.
    pub severity: Severity,
    /// The id of the rule that classified it.
    pub rule: Option<String>,
    /// The message template: the message without its variable parts.
    pub template: String,
    /// The error type; `None` if the error has none.
    pub error_type: Option<String>,
    /// The number of errors.
    pub count: u64,
    /// The time of the first error.
    pub first_seen: Option<Timestamp>,
    /// The scrapers and sites where it occurred, sorted by name.
    pub scrapers: Vec<ScraperKey>,
    /// One of the messages.
    pub sample: String,
    /// Log lines with errors of this group, the sample's line first.
    pub evidence: Vec<Evidence>,
}

impl ErrorGroup {
    /// Converts a row to a group that is not muted; `None` if the row has no sample.
    pub fn of(row: &GroupRow) -> Option<Self> {
        let (_, sample) = row.group.sample.as_ref()?;
        Some(Self {
            id: row.id,
            is_muted: false,
            category: sample.category,
            sub_category: sample.sub_category.clone(),
            severity: row.group.severity.unwrap_or(Severity::Medium),
            rule: sample.rule.clone(),
            template: sample.template.clone(),
            error_type: Some(sample.error_type.clone()).filter(|name| !name.is_empty()),
            count: row.group.count,
            first_seen: row.group.first_seen,
            scrapers: row.scrapers.iter().map(ScraperKey::from).collect(),
            sample: sample.message.clone(),
            evidence: row.group.evidence.iter().map(Evidence::from).collect(),
        })
    }
}
