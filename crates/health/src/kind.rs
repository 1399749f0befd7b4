//! The kinds of checks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $timeout:literal [$($key:literal)+];)+) => {
        /// What is checked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Kind {
            /// All kinds, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in the configuration and in JSON.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// One sentence about it, for the documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),+ }
            }

            /// Time after which a check of this kind has failed.
            pub fn default_timeout(self) -> Duration {
                match self { $(Self::$variant => Duration::from_secs($timeout)),+ }
            }

            /// Keys of its section beside those that every check has.
            pub(crate) fn keys(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($key),+]),+ }
            }
        }
    };
}

kinds! {
    /// An HTTP site: status, phases of the latency, body, redirects, certificate.
    Site "site" 10 ["url" "url_env" "url_file" "site" "method" "headers" "max_redirects" "passive" "network"];
    /// SQLite, Postgres or MySQL by its URL: connect and one query.
    Database "database" 5 ["url" "url_env" "url_file" "network"];
    /// A port that accepts connections; nothing is sent.
    Tcp "tcp" 5 ["url" "url_env" "url_file" "network"];
    /// A port that completes a TLS handshake, and its certificate; nothing else is sent.
    Tls "tls" 5 ["url" "url_env" "url_file" "network"];
    /// Free space and inodes of a file system.
    Disk "disk" 5 ["path"];
    /// Whether logs are still written: the newest file below a path, or a scraper's last event.
    Logs "logs" 5 ["path" "scraper" "period" "grace"];
    /// Whether a scraper ran within its period.
    Run "run" 5 ["scraper" "period" "grace"];
}

impl Kind {
    /// Finds a kind by its name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Conditions that a check has unless its own name the same field: (critical, degraded).
    pub fn default_conditions(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Site => (
                &["status in (200-399)", "failed_percent < 50"],
                &["certificate_days > 14", "failed_percent < 10"],
            ),
            Self::Tls => (&[], &["certificate_days > 14"]),
            Self::Disk => (
                &["free_percent > 5", "free_inodes_percent > 5"],
                &["free_percent > 10", "free_inodes_percent > 10"],
            ),
            Self::Database | Self::Tcp | Self::Logs | Self::Run => (&[], &[]),
        }
    }
}
