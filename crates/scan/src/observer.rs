//! The sink behind the reader: filter, classify, count.

use dragline_classifier::{RuleSet, fingerprint, mask};
use dragline_rollup::{Covered, ErrorLabel, Rollup};
use dragline_schema::{
    Classify as _, ErrorCategory, ErrorText, Event, Position, Problem, Record, Sink, SourceFile,
    Verdict,
};

use crate::filter::{Filter, Sources};

/// Counts one family's records.
pub(crate) struct Observer<'o> {
    family: &'o str,
    rollup: Rollup,
    rules: &'o RuleSet,
    /// Whether labels that the lines carry are looked away from.
    reclassifies: bool,
    filter: &'o Filter,
    sources: Option<&'o Sources>,
    /// The lines that stand elsewhere, when this is a copy of errors.
    copied: Option<&'o Covered>,
}

impl<'o> Observer<'o> {
    pub(crate) fn new(
        family: &'o str,
        rollup: Rollup,
        rules: &'o RuleSet,
        filter: &'o Filter,
        sources: Option<&'o Sources>,
    ) -> Self {
        Self {
            family,
            rollup,
            rules,
            reclassifies: false,
            filter,
            sources,
            copied: None,
        }
    }

    /// Whether the rules speak even where a line carries a label.
    pub(crate) fn reclassify(mut self, reclassifies: bool) -> Self {
        self.reclassifies = reclassifies;
        self
    }

    /// The family is a copy of errors: lines that were observed already do not count again.
    pub(crate) fn of_copies(mut self, copied: Option<&'o Covered>) -> Self {
        self.copied = copied;
        self
    }

    pub(crate) fn into_rollup(self) -> Rollup {
        self.rollup
    }
}

impl Sink for Observer<'_> {
    fn file(&mut self, file: &SourceFile) {
        self.rollup.begin_file(self.family, file);
        if self.copied.is_some() {
            self.rollup.begin_error_copy();
        }
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
        let Some(copied) = self.copied else {
            return self.observe(record, at);
        };
        if !copied.contains(record) {
            // Between errors there are always gaps.
            let unnumbered = Record {
                seq: None,
                ..record.clone()
            };
            self.observe(&unnumbered, at);
        }
    }

    fn problem(&mut self, problem: &Problem<'_>) {
        self.rollup.observe_problem(problem);
    }
}

impl<'o> Observer<'o> {
    fn observe(&mut self, record: &Record<'_>, at: Position) {
        if self
            .sources
            .is_some_and(|sources| !sources.take(self.family, record))
        {
            return;
        }
        let in_time = self.filter.takes_time(record);
        if !in_time || !self.filter.takes_level(record) {
            return self.rollup.observe_life(record, at, in_time);
        }
        let Some(error) = record.error_text() else {
            return self.rollup.observe(record, at, None);
        };
        let verdict = self.verdict(&error, record);
        let template = mask(&error.message);
        let function = match &record.event {
            Event::ScraperError(error) => error.function.as_deref(),
            _ => None,
        };
        let label = ErrorLabel {
            group: fingerprint(verdict.category, &error.error_type, &template, function),
            category: verdict.category,
            sub_category: verdict.sub_category,
            severity: verdict.severity,
            rule: verdict.rule,
            error_type: &error.error_type,
            template: &template,
            message: &error.message,
        };
        self.rollup.observe(record, at, Some(&label));
    }

    /// What the rules say, unless the scraper itself knew when it logged the error.
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
                // The rule explains the label only when it says the same.
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
