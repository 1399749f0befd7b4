//! The event of a call to the scraper's database.

use std::time::Duration;

use tracing::Level;

use super::{TARGET, milliseconds};
use crate::core::RunCore;

/// Builder for the event of a call to the scraper's database.
#[must_use = "the operation is recorded by `log`"]
#[derive(Debug)]
pub struct DatabaseEvent<'r, O = &'r str> {
    operation: O,
    fields: Fields<'r>,
}

/// Everything but the operation.
#[derive(Debug)]
struct Fields<'r> {
    run: &'r RunCore,
    table: Option<&'r str>,
    elapsed: Option<Duration>,
    connections: Option<u64>,
}

impl<'r, O: AsRef<str>> DatabaseEvent<'r, O> {
    pub(crate) fn new(run: &'r RunCore, operation: O) -> Self {
        let fields = Fields {
            run,
            table: None,
            elapsed: None,
            connections: None,
        };
        Self { operation, fields }
    }

    /// Sets the table.
    pub fn table(mut self, table: &'r (impl AsRef<str> + ?Sized)) -> Self {
        self.fields.table = Some(table.as_ref());
        self
    }

    /// Sets the duration.
    pub fn elapsed(mut self, elapsed: Duration) -> Self {
        self.fields.elapsed = Some(elapsed);
        self
    }

    /// Sets the number of open connections at that moment.
    pub fn connections_active(mut self, connections: u64) -> Self {
        self.fields.connections = Some(connections);
        self
    }

    /// Records the operation.
    pub fn log(self) {
        self.fields.log(self.operation.as_ref());
    }
}

impl Fields<'_> {
    fn log(&self, operation: &str) {
        log!(
            self.run,
            Level::INFO,
            "database_operation",
            operation = operation,
            table = self.table,
            duration_ms = self.elapsed.map(milliseconds),
            connections_active = self.connections,
        );
    }
}
