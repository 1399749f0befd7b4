//! Classification of errors when they are logged, if the program has set a classifier.

use std::fmt;
use std::sync::OnceLock;

use dragline_schema::{Cause, Classify, ErrorText, Verdict};

type Classifier = Box<dyn Classify + Send + Sync>;

static CLASSIFIER: OnceLock<Classifier> = OnceLock::new();

/// A classifier is already set. The first one is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassifierSet;

impl fmt::Display for ClassifierSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a classifier is already set: call classify_errors once, before the first run")
    }
}

impl std::error::Error for ClassifierSet {}

/// Sets the classifier of this process. Each later `scraper_error` carries the `error_category` and
/// `error_severity` that the classifier assigns, based on the error's type, message, causes, status and URL,
/// the number of consecutive failures in its run, the number of errors of its run in the same minute, and
/// its site.
///
/// # Errors
/// When a classifier is already set.
pub fn classify_errors(
    classifier: impl Classify + Send + Sync + 'static,
) -> Result<(), ClassifierSet> {
    CLASSIFIER
        .set(Box::new(classifier))
        .map_err(|_| ClassifierSet)
}

/// Classifies an error. `error` is called only if a classifier is set; `causes` is the JSON from the line.
pub(crate) fn verdict<'e>(
    error: impl FnOnce() -> ErrorText<'e>,
    causes: Option<&'e str>,
) -> Option<Verdict<'static>> {
    let classifier = CLASSIFIER.get()?;
    let causes = causes.and_then(Cause::parse_all).unwrap_or_default();
    Some(classifier.classify(&ErrorText { causes, ..error() }))
}
