//! What the reader or the user tells about a record, beside the record itself.

use dragline_schema::{Position, Progress, Record, Timestamp};

use super::{Rollup, floor};
use crate::bounded::Add;
use crate::course::Totals;
use crate::observe::own_number;
use crate::source::SourceStats;

impl Rollup {
    /// Records a named number that the user mapped from the last observed record.
    pub fn tell(&mut self, time: Option<Timestamp>, name: &str, value: f64) {
        if let Some((_, source)) = &self.current.source
            && let Some(told) = own_number(name, value)
        {
            self.sources[*source as usize].1.tell(time, told);
        }
    }

    /// Counts the last observed record as a warning of a template: its message without the variable parts.
    pub fn warn(&mut self, record: &Record<'_>, at: Position, template: &str) {
        let place = SourceStats::evidence(self.current.content_id, &self.current.path, at);
        if let Some((_, source)) = &self.current.source {
            let sections = self.sources[*source as usize].1.sections.own();
            let message = record.message.as_deref().unwrap_or(template);
            let of = (record.timestamp, place);
            sections.warnings.observe(template, of, message);
        }
    }

    /// Keeps the totals that a run has logged so far.
    pub(super) fn add_progress(&mut self, source: u32, time: Option<Timestamp>, told: &Progress) {
        let told = Totals::of(told);
        self.sources[source as usize].1.counters.so_far.add(told);
        if let Some(time) = time {
            let key = (source, floor(time.as_micros(), self.width));
            self.activity.entry(key).or_default().so_far.add(told);
        }
    }
}
