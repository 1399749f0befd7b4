//! Every record by itself, with the run that it turned out to belong to.

use std::collections::BTreeSet;

use dragline_rollup::{Covered, ErrorLabel, Rollup, SourceKey};
use dragline_schema::{Event, Position, Problem, Record, RunKey, Sink, SourceFile};
use rustc_hash::FxHashMap;

use crate::filter::Filter;
use crate::label::Labeller;

/// A record, and what is known of it beside itself.
#[derive(Debug)]
pub struct Row<'r> {
    /// The record.
    pub record: &'r Record<'r>,
    /// The file that it stands in.
    pub file: &'r str,
    /// Where.
    pub at: Position,
    /// Whose it is, as the report has it: by all lines of the run, not by this one alone.
    pub run: &'r RunKey,
    /// What it is when it is an error.
    pub label: Option<&'r ErrorLabel<'r>>,
}

/// Takes rows.
pub trait RowSink: Send {
    /// A record that passed the filter.
    fn row(&mut self, row: &Row<'_>);
}

/// Whose lines the records turned out to be.
pub(crate) type Runs = FxHashMap<SourceKey, RunKey>;

pub(crate) fn runs_of(rollup: &Rollup) -> Runs {
    let sources = rollup.sources();
    sources.map(|(source, run)| (source.clone(), run)).collect()
}

/// Makes rows of one family's records.
pub(crate) struct RowMaker<'m, S> {
    pub(crate) family: &'m str,
    pub(crate) runs: &'m Runs,
    /// The runs that tell of requests themselves.
    pub(crate) telling: &'m BTreeSet<RunKey>,
    pub(crate) filter: &'m Filter,
    pub(crate) labeller: Labeller<'m>,
    /// The lines that stand elsewhere, when this is a copy of errors.
    pub(crate) copied: Option<&'m Covered>,
    pub(crate) sink: S,
    pub(crate) file: String,
    /// The last record's source and run: mostly the next one's, too.
    pub(crate) last: Option<(SourceKey, RunKey)>,
}

impl<S: RowSink> RowMaker<'_, S> {
    fn find_run(&mut self, record: &Record<'_>) {
        let is_same = self.last.as_ref().is_some_and(|(source, _)| {
            source.scraper_id.as_deref() == record.scraper_id.as_deref()
                && source.site.as_deref() == record.site.as_deref()
                && source.run_id.as_deref() == record.run_id.as_deref()
                && source.is_echo == record.is_echo
        });
        if is_same {
            return;
        }
        let source = SourceKey::of(self.family, record);
        // A source beyond those that are kept apart is in no run.
        let run = self.runs.get(&source).cloned().unwrap_or_default();
        self.last = Some((source, run));
    }
}

impl<S: RowSink> Sink for RowMaker<'_, S> {
    fn file(&mut self, file: &SourceFile) {
        self.file.clone_from(&file.path);
        self.last = None;
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
        let is_copy = self.copied.is_some_and(|copied| copied.contains(record));
        // What the reader learnt of a run is no record of it.
        let is_account = record.event.is_summary() && record.level.is_none();
        if is_copy
            || is_account
            || !self.filter.takes_time(record)
            || !self.filter.takes_level(record)
        {
            return;
        }
        self.find_run(record);
        let Some((_, run)) = &self.last else { return };
        if !self.filter.takes_run(run) {
            return;
        }
        let plain;
        let mut record = record;
        if record.is_echo && self.telling.contains(run) {
            // The scraper tells of the same request.
            plain = Record {
                event: Event::Log,
                ..record.clone()
            };
            record = &plain;
        }
        let (sink, file) = (&mut self.sink, &*self.file);
        self.labeller.label(record, |label| {
            sink.row(&Row {
                record,
                file,
                at,
                run,
                label,
            });
        });
    }

    fn problem(&mut self, _: &Problem<'_>) {}
}
