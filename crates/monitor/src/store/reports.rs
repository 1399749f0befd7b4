//! Scheduled reports: what is known of them, and the document of the last one of each.

use serde::{Deserialize, Serialize};

use super::{Result, Store, blob, state};

/// The name of what is known of all of them.
const STATE: &str = "reports";
/// What the names of documents begin with.
const DOCUMENT: &str = "report ";

/// A report as it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportDocument {
    /// The notice as JSON, without its attachment.
    pub notice: String,
    /// The page; `None` if there was nothing to show.
    pub page: Option<String>,
}

impl Store {
    /// Stores what is known of the reports, with a new document of one of them, and without those of `gone`.
    ///
    /// # Errors
    /// If the database cannot be written; then nothing of it is stored.
    pub fn put_reports(
        &self,
        json: Vec<u8>,
        document: Option<(&str, &ReportDocument)>,
        gone: &[String],
    ) -> Result<()> {
        let packed = match document {
            Some((name, document)) => Some((
                format!("{DOCUMENT}{name}"),
                blob::encode("report", document, blob::SMALL)?,
            )),
            None => None,
        };
        let gone: Vec<String> = gone
            .iter()
            .map(|name| format!("{DOCUMENT}{name}"))
            .collect();
        self.write(move |transaction| {
            state::write(transaction, STATE, &json)?;
            if let Some((name, packed)) = &packed {
                state::write(transaction, name, packed)?;
            }
            for name in &gone {
                transaction.execute("DELETE FROM state WHERE name = ?1", [name])?;
            }
            Ok(())
        })
    }

    /// What is known of the reports; `None` before it was first stored.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn reports(&self) -> Result<Option<Vec<u8>>> {
        self.state(STATE)
    }

    /// The last document of a report.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn report_document(&self, name: &str) -> Result<Option<ReportDocument>> {
        let packed = self.state(&format!("{DOCUMENT}{name}"))?;
        packed
            .map(|packed| blob::decode("report", &packed))
            .transpose()
    }
}
