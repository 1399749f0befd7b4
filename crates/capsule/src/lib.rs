//! An incident capsule: one finding in one file, for somebody who has neither the logs nor the service.
//!
//! A [`Capsule`] contains what the finding was judged from: the counts of its scraper and of a few scrapers to compare
//! it with ([`Finished::only`]), what the rest of the fleet decided ([`Fleet`]), the rules that classified its errors,
//! the limits and mutes of the configuration, and the log lines that show it. [`Capsule::judge`] runs the analysis on
//! these counts again. It does not compare texts: a capsule whose counts do not give the finding is not made, and one
//! whose counts give another verdict elsewhere, because another version judges otherwise, says so.
//!
//! Every text in the file passes [`redact`](dragline_alerting::notice::redact) in one place, whichever field it is in:
//! `text` walks over the serialised bytes, so a field that is added later cannot be forgotten. Names are redacted before
//! the judgement, so the verdict in the file is that of the redacted counts.
//!
//! The file is the line `dragline-capsule 1` (the version of the format) and zstd with a checksum around `MessagePack`
//! with field names; it has at most 1 MiB ([`LARGEST`]). If the scrapers to compare with do not fit, or even the
//! scraper's own past does not, a smaller part is tried, and taken if it still gives the same finding.
//!
//! ```
//! use dragline_capsule::{Capsule, Material, report_and_capsules};
//! use dragline_classifier::RuleSet;
//! use dragline_report::ReportOptions;
//! use dragline_scan::{ScanOptions, scan};
//! use dragline_schema::Timestamp;
//!
//! # let dir = tempfile::tempdir()?;
//! let log = "{\"timestamp\":\"2026-03-04T06:00:00Z\",\"level\":\"INFO\",\"scraper_id\":\"mint\",\"site\":\"shop.example.org\",\
//!     \"run_id\":\"r1\",\"writer_id\":\"w\",\"seq\":1,\"event_type\":\"scraper_start\"}\n\
//!     {\"timestamp\":\"2026-03-04T06:01:00Z\",\"level\":\"ERROR\",\"scraper_id\":\"mint\",\"site\":\"shop.example.org\",\
//!     \"run_id\":\"r1\",\"writer_id\":\"w\",\"seq\":2,\"event_type\":\"scraper_end\",\"status\":\"failed\"}\n";
//! std::fs::write(dir.path().join("mint.log"), log)?;
//! let (rules, now) = (RuleSet::shipped(), Timestamp::parse("2026-03-05T00:00:00Z")?);
//! let finished = scan(&[dir.path().display().to_string()], &rules, &ScanOptions::default())?.rollup.finish(now);
//! let options = ReportOptions::at(now);
//! let material = Material { finished: &finished, everything: None, rules: &rules, options: &options, lines: &|_| Vec::new() };
//! let (report, made) = report_and_capsules(&material, |_| true)?;
//! let capsule = Capsule::read(made[0].capsule.as_ref().map_err(ToString::to_string)?)?;
//! assert_eq!(capsule.judge()?.differences, Vec::<String>::new());
//! assert_eq!(capsule.insight().title, report.insights[0].title);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cut;
mod file;
mod judge;
mod make;
mod text;

use dragline_insights::{Fleet, Limits};
use dragline_report::Mute;
use dragline_report::model::Insight;
use dragline_rollup::Finished;
use dragline_schema::{Level, Timestamp};
use serde::{Deserialize, Serialize};

pub use crate::file::{BadCapsule, LARGEST, VERSION};
pub use crate::judge::Judged;
pub use crate::make::{Made, Material, NoCapsule, report_and_capsules};

/// A finding with everything that it was judged from; see the crate's text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capsule {
    /// The version of Dragline that made it.
    made_by: String,
    /// The time of the report.
    made_at: Timestamp,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    level: Option<Level>,
    limits: Limits,
    mutes: Vec<Mute>,
    fleet: Fleet,
    /// The rules that classified the errors, as the text of a rule file.
    rules: String,
    /// The counts that passed the filter.
    finished: Finished,
    /// All counts, if there was a filter.
    everything: Option<Finished>,
    /// The finding, as these counts gave it when the capsule was made.
    insight: Insight,
    /// The verdict on its scraper; `None` for a finding about the whole fleet.
    verdict: Option<String>,
    lines: Vec<Excerpt>,
    page: String,
}

/// Lines of a log around one that shows the finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The file, as the report names it.
    pub file: String,
    /// The number of the line that shows the finding.
    pub line: u64,
    /// Numbers and texts of the lines.
    pub lines: Vec<(u64, String)>,
}

impl Capsule {
    /// The version of Dragline that made it, and the time of the report.
    pub fn made(&self) -> (&str, Timestamp) {
        (&self.made_by, self.made_at)
    }

    /// The finding as it was when the capsule was made.
    pub fn insight(&self) -> &Insight {
        &self.insight
    }

    /// The verdict on the finding's scraper; `None` for a finding about the whole fleet.
    pub fn verdict(&self) -> Option<&str> {
        self.verdict.as_deref()
    }

    /// The lines around each line of evidence, as far as they could be read when the capsule was made.
    pub fn lines(&self) -> &[Excerpt] {
        &self.lines
    }

    /// The page as it was when the capsule was made: the finding, then the report on the scrapers of the capsule, as
    /// Markdown.
    pub fn page(&self) -> &str {
        &self.page
    }

    /// The rules that classified the errors, as the text of a rule file.
    pub fn rules(&self) -> &str {
        &self.rules
    }
}
