//! Single records, each with the run that it belongs to.

use std::collections::BTreeSet;

use dragline_rollup::{Covered, ErrorLabel, Rollup, SourceKey};
use dragline_schema::{Event, Position, Problem, Record, RunKey, Sink, SourceFile};
use rustc_hash::FxHashMap;

use crate::filter::Filter;
use crate::label::Labeller;

/// A record with its file, position, run and label.
#[derive(Debug)]
pub struct Row<'r> {
    /// The record.
    pub record: &'r Record<'r>,
    /// The file that contains it.
    pub file: &'r str,
    /// Its position in the file.
    pub at: Position,
    /// Its run, as in the report: determined from all lines, not from this one alone.
    pub run: &'r RunKey,
    /// Its label if it is an error.
    pub label: Option<&'r ErrorLabel<'r>>,
}

/// Receives rows.
pub trait RowSink: Send {
    /// Receives a record that passed the filter.
    fn row(&mut self, row: &Row<'_>);
}

/// The run of each source.
pub(crate) type Runs = FxHashMap<SourceKey, RunKey>;

pub(crate) fn runs_of(rollup: &Rollup) -> Runs {
    let sources = rollup.sources();
    sources.map(|(source, run)| (source.clone(), run)).collect()
}

/// Converts one family's records to rows.
pub(crate) struct RowMaker<'m, S> {
    pub(crate) family: &'m str,
    pub(crate) runs: &'m Runs,
    /// The runs that log requests themselves.
    pub(crate) telling: &'m BTreeSet<RunKey>,
    pub(crate) filter: &'m Filter,
    pub(crate) labeller: Labeller<'m>,
    /// The lines that are also in the logs, if this is an error copy.
    pub(crate) copied: Option<&'m Covered>,
    pub(crate) sink: S,
    pub(crate) file: String,
    /// The last record's source and run, usually the same for the next.
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
        // A source beyond the limit belongs to no run.
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
        // A summary made by the reader is not a log record.
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
            // The scraper logs the same request.
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
