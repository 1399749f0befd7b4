//! Labels for errors at the moment of logging, when the program has a classifier.

use std::fmt;
use std::sync::OnceLock;

use dragline_schema::{Cause, Classify, ErrorText, Verdict};

type Classifier = Box<dyn Classify + Send + Sync>;

static CLASSIFIER: OnceLock<Classifier> = OnceLock::new();

/// There is a classifier already; the first one stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassifierSet;

impl fmt::Display for ClassifierSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this program classifies its errors already: call classify_errors once, before the first run")
    }
}

impl std::error::Error for ClassifierSet {}

/// From now on each `scraper_error` of this process carries `error_category` and `error_severity`,
/// as the classifier says: of its type, message, causes, status and URL, the failures in a row of
/// its run, the errors of its run within the minute, and its site.
///
/// # Errors
/// When there is a classifier already.
pub fn classify_errors(
    classifier: impl Classify + Send + Sync + 'static,
) -> Result<(), ClassifierSet> {
    CLASSIFIER
        .set(Box::new(classifier))
        .map_err(|_| ClassifierSet)
}

/// The verdict on an error, which is only laid out when there is a classifier; `causes` is the
/// line's JSON.
pub(crate) fn verdict<'e>(
    error: impl FnOnce() -> ErrorText<'e>,
    causes: Option<&'e str>,
) -> Option<Verdict<'static>> {
    let classifier = CLASSIFIER.get()?;
    let causes = causes.and_then(Cause::parse_all).unwrap_or_default();
    Some(classifier.classify(&ErrorText { causes, ..error() }))
}
