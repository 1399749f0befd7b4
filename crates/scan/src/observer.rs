//! The sink that filters, classifies and counts the reader's records.

use dragline_classifier::mask;
use dragline_ingest::{Map, own_stats};
use dragline_rollup::{Covered, ErrorLabel, Rollup};
use dragline_schema::{Event, Level, Position, Problem, Record, Sink, SourceFile};

use crate::filter::{Filter, Sources};
use crate::label::Labeller;
use crate::pool::{Pool, RECORDS_BETWEEN_LOOKS};

/// Counts one family's records.
pub(crate) struct Observer<'o> {
    family: &'o str,
    rollup: Rollup,
    /// Takes over the rollup's contents when they are large.
    pool: &'o Pool,
    /// Records until the next check of the size.
    until_look: u32,
    labeller: Labeller<'o>,
    filter: &'o Filter,
    sources: Option<&'o Sources>,
    /// The user's names for numeric fields of the records.
    map: &'o Map,
    /// The lines that are also in the logs, if this is an error copy.
    copied: Option<&'o Covered>,
}

impl<'o> Observer<'o> {
    pub(crate) fn new(
        family: &'o str,
        rollup: Rollup,
        pool: &'o Pool,
        labeller: Labeller<'o>,
        filter: &'o Filter,
        sources: Option<&'o Sources>,
        map: &'o Map,
    ) -> Self {
        Self {
            map,
            family,
            rollup,
            pool,
            until_look: RECORDS_BETWEEN_LOOKS,
            labeller,
            filter,
            sources,
            copied: None,
        }
    }

    /// Marks the family as an error copy: lines that were already observed are not counted again.
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
            // The numbers of errors always have gaps.
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

impl Observer<'_> {
    fn observe(&mut self, record: &Record<'_>, at: Position) {
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = RECORDS_BETWEEN_LOOKS;
            self.pool.relieve(&mut self.rollup);
        }
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
        let rollup = &mut self.rollup;
        self.labeller
            .label(record, |label| observe(rollup, record, at, label, self.map));
    }
}

/// Counts a record in a rollup, as a scan does: its events, its label if it is an error, its warning, and its own
/// statistics.
pub fn observe(
    rollup: &mut Rollup,
    record: &Record<'_>,
    at: Position,
    label: Option<&ErrorLabel<'_>>,
    map: &Map,
) {
    rollup.observe(record, at, label);
    if let Some(message) = warning(record) {
        rollup.warn(record, at, &mask(message));
    }
    if map.has_stats() {
        for (name, value) in own_stats(record, map) {
            rollup.tell(record.timestamp, &name, value);
        }
    }
}

/// The message of a warning without another meaning, or of one that says why an item was lost.
fn warning<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let is_one = matches!(record.event, Event::Log | Event::ProductProcessed(_));
    let is_warning = record.level == Some(Level::Warn) && is_one;
    let message = record.message.as_deref()?.lines().next()?;
    is_warning.then_some(message)
}
