//! Options for reading logs.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::dialect::TextDialect;
use crate::framing::memory::Memory;
use crate::meaning::map::Map;
use crate::parsing::time::DateOrder;
use crate::watch::Watch;

/// Options for reading logs.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Time zone for times without one. Default UTC.
    pub zone: TimeZone,
    /// Maximum line length in bytes; a longer line is reported as a problem. Default 8 MiB.
    pub max_line: usize,
    /// Whether day or month comes first in dates such as `03/04/2026`, if the log does not show it.
    /// Default unknown.
    pub dates: Option<DateOrder>,
    /// User-defined text formats; they take precedence over the built-in ones. Default none.
    pub dialects: Arc<[TextDialect]>,
    /// User-defined mapping of field names and messages of other writers. Default empty.
    pub map: Arc<Map>,
    /// Progress of reading, and its cancellation.
    pub watch: Arc<Watch>,
    /// Memory limit for reading. Default 512 MiB.
    pub memory: Arc<Memory>,
    /// Whether to compute a fingerprint of each file's text. Default no.
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
    /// Everything that affects how lines are read, as text.
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
