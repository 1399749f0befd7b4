//! Small lookups shared by the report and the insights.

use dragline_rollup::Evidence;

pub(crate) use dragline_insights::{Name, by_scraper};

use crate::model;

/// Converts a rollup's evidence to the report's type.
pub(crate) fn place(evidence: &Evidence) -> model::Evidence {
    model::Evidence {
        file: evidence.path.to_string(),
        line: evidence.line,
        offset: evidence.offset,
        sample: None,
    }
}
