//! Values of which there is one.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::{Result, Store};

/// How long a small question may take.
const LIMIT: Duration = Duration::from_secs(10);

impl Store {
    /// A value; `None` if it was never set.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn state(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.read(LIMIT, |connection| read(connection, name))
    }

    /// Sets a value.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn set_state(&self, name: &str, value: &[u8]) -> Result<()> {
        let (name, value) = (name.to_owned(), value.to_vec());
        self.write(move |transaction| write(transaction, &name, &value))
    }
}

pub(super) fn read(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>> {
    let mut statement = connection.prepare_cached("SELECT value FROM state WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

/// Sets a value within a transaction.
pub(super) fn write(transaction: &Transaction<'_>, name: &str, value: &[u8]) -> Result<()> {
    let sql =
        "INSERT INTO state VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    transaction.prepare_cached(sql)?.execute((name, value))?;
    Ok(())
}
