//! Small look-ups that the report and the insights share.

use dragline_rollup::Evidence;

pub(crate) use dragline_insights::{Name, by_scraper};

use crate::model;

/// A place, for the report.
pub(crate) fn place(evidence: &Evidence) -> model::Evidence {
    model::Evidence {
        file: evidence.path.to_string(),
        line: evidence.line,
        offset: evidence.offset,
        sample: None,
    }
}
