//! What was found, as data.

use dragline_rollup::{self as rollup, FirstSign, GroupRow};
use dragline_schema::{ErrorCategory, Severity, Timestamp};

use crate::kind::InsightKind;
use crate::names::Name;

/// The name of a scraper on a site, as far as its lines tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScraperKey {
    /// Which scraper.
    pub scraper_id: Option<String>,
    /// Which site.
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

/// One thing that is worth knowing.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The same for the same incident in every report.
    pub id: String,
    /// What kind of thing.
    pub kind: InsightKind,
    /// How bad it is.
    pub severity: Severity,
    /// What happened, in a sentence.
    pub title: String,
    /// More of it.
    pub detail: String,
    /// The onset, where a time is known.
    pub since: Option<Timestamp>,
    /// When it was over; `None` as long as it is open, and where no time is known.
    pub until: Option<Timestamp>,
    /// Whether it reaches the scraper's last run (or hour): nothing says that it is over.
    pub is_open: bool,
    /// Whose it is; of nobody in particular when both are `None`.
    pub scraper: ScraperKey,
    /// The metric that told.
    pub metric: Option<String>,
    /// What was expected of it.
    pub expected: Option<Expected>,
    /// What it was.
    pub observed: Option<f64>,
    /// Which metrics moved, in order.
    pub sequence: Vec<Moved>,
    /// Where to look.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub recommendation: String,
    /// The name of the runbook that says what to look at.
    pub runbook: &'static str,
    /// The ids of other findings of the same kind at the same time, of other scrapers or sites.
    pub related: Vec<String>,
}

impl Finding {
    /// A finding of a kind that says nothing else yet.
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

/// A range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// From.
    pub lower: f64,
    /// To.
    pub upper: f64,
}

/// A metric that moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub metric: String,
}

/// A line of a log that shows something.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The byte where the line starts, after decompression.
    pub offset: u64,
    /// What the line says, in short; `None` where that stands beside it.
    pub sample: Option<String>,
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
    /// The place of a sign, and what stands there.
    pub(crate) fn of_sign(sign: &FirstSign) -> Option<Self> {
        let text = sign.text();
        Some(Self {
            sample: (!text.is_empty()).then(|| text.to_owned()),
            ..Self::from(sign.evidence()?)
        })
    }
}

/// What is normal for a scraper.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The metric.
    pub metric: String,
    /// Whose it is.
    pub scraper: ScraperKey,
    /// The median.
    pub median: f64,
    /// The range that is expected.
    pub expected: Expected,
    /// How many runs it was learned from.
    pub runs: u64,
}

/// A group of errors, as far as findings tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorGroup {
    /// The group's fingerprint.
    pub id: u64,
    /// Whether it is known, and not to be told.
    pub is_muted: bool,
    /// The category.
    pub category: ErrorCategory,
    /// The finer kind; empty when no rule knows it.
    pub sub_category: String,
    /// The worst severity in the group.
    pub severity: Severity,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The message without what varies.
    pub template: String,
    /// The type; `None` when the error has none.
    pub error_type: Option<String>,
    /// How many.
    pub count: u64,
    /// The first one's time.
    pub first_seen: Option<Timestamp>,
    /// Scrapers and sites where it happened, by name.
    pub scrapers: Vec<ScraperKey>,
    /// One of the messages.
    pub sample: String,
    /// Where to find some, the sample first.
    pub evidence: Vec<Evidence>,
}

impl ErrorGroup {
    /// The group of a row, which nobody muted; `None` where it has no sample.
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
