//! Labels errors: by the scraper's own label or by the rules.

use dragline_classifier::{RuleSet, fingerprint, mask};
use dragline_rollup::ErrorLabel;
use dragline_schema::{Classify as _, ErrorCategory, ErrorText, Event, Record, Verdict};

/// Labels errors: by the scraper's own label or by the rules.
#[derive(Clone, Copy, Debug)]
pub struct Labeller<'o> {
    /// The rules.
    pub rules: &'o RuleSet,
    /// Whether labels in the lines are ignored.
    pub reclassifies: bool,
}

impl<'o> Labeller<'o> {
    /// Passes the record's label to `then`; `None` if it is not an error.
    pub fn label<T>(
        &self,
        record: &Record<'_>,
        then: impl FnOnce(Option<&ErrorLabel<'_>>) -> T,
    ) -> T {
        let Some(error) = record.error_text() else {
            return then(None);
        };
        let verdict = self.verdict(&error, record);
        let template = mask(&error.message);
        let function = match &record.event {
            Event::ScraperError(error) => error.function.as_deref(),
            _ => None,
        };
        then(Some(&ErrorLabel {
            group: fingerprint(verdict.category, &error.error_type, &template, function),
            category: verdict.category,
            sub_category: verdict.sub_category,
            severity: verdict.severity,
            rule: verdict.rule,
            error_type: &error.error_type,
            template: &template,
            message: &error.message,
        }))
    }

    /// The verdict of the rules, unless the scraper labelled the error itself.
    fn verdict(&self, error: &ErrorText<'_>, record: &Record<'_>) -> Verdict<'o> {
        let rules: &'o RuleSet = self.rules;
        let verdict = rules.classify(error);
        let Event::ScraperError(logged) = &record.event else {
            return verdict;
        };
        let category = logged
            .error_category
            .as_deref()
            .and_then(|name| name.parse().ok());
        match category {
            Some(category) if !self.reclassifies && category != ErrorCategory::Unknown => {
                // Name the rule only if it agrees with the label.
                let agrees = verdict.category == category;
                let severity = logged
                    .error_severity
                    .as_deref()
                    .and_then(|name| name.parse().ok());
                Verdict {
                    category,
                    severity: severity.unwrap_or(verdict.severity),
                    rule: verdict.rule.filter(|_| agrees),
                    sub_category: if agrees { verdict.sub_category } else { "" },
                    ..verdict
                }
            }
            _ => verdict,
        }
    }
}
