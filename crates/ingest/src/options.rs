//! How to read.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::dialect::TextDialect;
use crate::framing::memory::Memory;
use crate::meaning::map::Map;
use crate::parsing::time::DateOrder;
use crate::watch::Watch;

/// How to read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The zone of times that name none. Default UTC.
    pub zone: TimeZone,
    /// A longer line is a problem, not a record. In bytes; default 8 MiB.
    pub max_line: usize,
    /// Which of two numbers of a date such as `03/04/2026` stands first, where no date of the log tells it.
    /// Default unknown.
    pub dates: Option<DateOrder>,
    /// Text formats that the user described; they go before those that are known. Default none.
    pub dialects: Arc<[TextDialect]>,
    /// What the user says of other writers' records. Default nothing.
    pub map: Arc<Map>,
    /// How far reading is, and whether to go on.
    pub watch: Arc<Watch>,
    /// How much memory reading may take. Default 512 MiB.
    pub memory: Arc<Memory>,
    /// Whether the fingerprint of each file's text is taken. Default no.
    pub fingerprints: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            max_line: 8 << 20,
            dates: None,
            dialects: Arc::default(),
            map: Arc::default(),
            watch: Arc::default(),
            memory: Arc::default(),
            fingerprints: false,
        }
    }
}

impl ReadOptions {
    /// Everything that decides how lines are read, as text.
    pub fn identity(&self) -> String {
        let dialects: Vec<String> = self.dialects.iter().map(TextDialect::identity).collect();
        format!(
            "{:?}\n{}\n{:?}\n{dialects:?}\n{}",
            self.zone,
            self.max_line,
            self.dates,
            self.map.identity()
        )
    }
}
