//! What a check found: a measurement, or a failure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::field::Field;

/// Numbers by field; durations are seconds.
pub type Values = BTreeMap<Field, f64>;

/// What a check measured.
#[derive(Clone, Debug, Default)]
pub struct Measurement {
    /// Numbers.
    pub values: Values,
    /// Body of the answer, if a condition needs it.
    pub body: Option<Body>,
    /// Facts that a reader needs beside the numbers, such as whose certificate expires.
    pub notes: Vec<String>,
}

/// Body of an answer, as far as it was read.
#[derive(Clone, Debug)]
pub struct Body {
    /// Its text; invalid UTF-8 is replaced.
    pub text: String,
    /// Whether there was more.
    pub is_cut: bool,
}

impl Measurement {
    /// Adds a number.
    #[must_use]
    pub fn with(mut self, field: Field, value: f64) -> Self {
        self.values.insert(field, value);
        self
    }

    /// Value of a field, if it was measured.
    pub fn get(&self, field: Field) -> Option<f64> {
        self.values.get(&field).copied()
    }

    /// Adds to a duration.
    pub(crate) fn add(&mut self, field: Field, duration: Duration) {
        *self.values.entry(field).or_default() += duration.as_secs_f64();
    }
}

/// Why a check got no measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The name was not resolved.
    Dns,
    /// No connection: refused, or no way to the host.
    Connect,
    /// It took too long.
    Timeout,
    /// The connection broke.
    Reset,
    /// The TLS handshake failed.
    Tls,
    /// The certificate has expired.
    CertificateExpired,
    /// The answer is not what the protocol expects.
    Protocol,
    /// The database refused the login or the query.
    Database,
    /// The database is locked.
    Locked,
    /// A file or directory is missing or unreadable.
    File,
    /// There was an answer, and a condition does not hold.
    Condition,
}

impl FailureKind {
    /// Whether the other side sent anything that shows that the way there works.
    pub fn is_answer(self) -> bool {
        match self {
            // Interception by a captive portal looks like a failed handshake.
            Self::Dns | Self::Connect | Self::Timeout | Self::Reset | Self::Tls => false,
            Self::CertificateExpired
            | Self::Protocol
            | Self::Database
            | Self::Locked
            | Self::File
            | Self::Condition => true,
        }
    }
}

/// A check that failed before its conditions could be evaluated.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What failed.
    pub kind: FailureKind,
    /// A sentence without secrets.
    pub message: String,
    /// What was measured until then.
    pub values: Values,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            values: Values::new(),
        }
    }
}

/// Result of a probe.
pub type Probed = Result<Measurement, Failure>;
