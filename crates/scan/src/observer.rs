//! The sink behind the reader: filter, classify, count.

use dragline_classifier::{RuleSet, fingerprint, mask};
use dragline_rollup::{ErrorLabel, Rollup};
use dragline_schema::{Classify as _, Event, Position, Problem, Record, Sink, SourceFile};

use crate::filter::{Filter, Sources};

/// Counts one family's records.
pub(crate) struct Observer<'o> {
    family: &'o str,
    rollup: Rollup,
    rules: &'o RuleSet,
    filter: &'o Filter,
    sources: Option<&'o Sources>,
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
            filter,
            sources,
        }
    }

    pub(crate) fn into_rollup(self) -> Rollup {
        self.rollup
    }
}

impl Sink for Observer<'_> {
    fn file(&mut self, file: &SourceFile) {
        self.rollup.begin_file(self.family, file);
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
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
        let verdict = self.rules.classify(&error);
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

    fn problem(&mut self, problem: &Problem<'_>) {
        self.rollup.observe_problem(problem);
    }
}
