//! Log levels.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The log level of a record, in ascending order of severity.
///
/// Dragline writes `TRACE` to `ERROR`. `CRITICAL` occurs only in the logs of other writers and
/// counts as an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl Level {
    /// All levels, from lowest to highest.
    pub const ALL: [Self; 6] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Critical,
    ];

    /// The name in the wire format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// Whether records at this level are errors.
    pub fn is_error(self) -> bool {
        self >= Self::Error
    }

    /// Parses a level name, ignoring case. Accepts the names that common log writers use.
    pub fn from_word(word: &str) -> Option<Self> {
        // Fast path for the most common spellings.
        match word {
            "INFO" | "info" => return Some(Self::Info),
            "DEBUG" | "debug" => return Some(Self::Debug),
            "WARN" | "WARNING" | "warn" | "warning" => return Some(Self::Warn),
            "ERROR" | "error" => return Some(Self::Error),
            _ => {}
        }
        let mut lower = [0u8; 14];
        let word = word.trim();
        // slog writes levels between the named ones as an offset: `ERROR+2`.
        let word = match word.find(['+', '-']) {
            Some(at) if at > 0 && word[at + 1..].bytes().all(|b| b.is_ascii_digit()) => &word[..at],
            _ => word,
        };
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        Some(match &*lower {
            // npm's `verbose` lies between debug and info; Serilog's `Verbose` is below both.
            b"verbose" if word.starts_with('v') => Self::Debug,
            b"trace" | b"trc" | b"trce" | b"verbose" | b"vrb" | b"silly" | b"finer" | b"finest"
            | b"t" => Self::Trace,
            b"debug" | b"dbg" | b"dbug" | b"debu" | b"d" | b"http" | b"fine" | b"config" => {
                Self::Debug
            }
            b"info" | b"information" | b"informational" | b"inf" | b"i" | b"notice"
            | b"success" | b"system" | b"stats" | b"perf" | b"log" => Self::Info,
            // java.util.logging writes localised level names.
            b"warn" | b"warning" | b"warni" | b"wrn" | b"w" | b"warnung" | b"avertissement"
            | b"advertencia" | b"avvertenza" => Self::Warn,
            b"error" | b"err" | b"erro" | b"exception" | b"e" | b"fail" | b"failure" | b"sfail" => {
                Self::Error
            }
            b"critical" | b"crit" | b"criti" | b"fata" | b"pani" | b"dpanic" | b"f" | b"c"
            | b"fatal" | b"ftl" | b"alert" | b"emergency" | b"emerg" | b"panic" | b"severe"
            | b"schwerwiegend" | b"grave" => Self::Critical,
            _ => return None,
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_reads_its_own_name() {
        for level in Level::ALL {
            assert_eq!(Level::from_word(level.as_str()), Some(level));
        }
    }

    #[test]
    fn words_of_other_writers() {
        assert_eq!(Level::from_word("Warning"), Some(Level::Warn));
        assert_eq!(Level::from_word(" SUCCESS "), Some(Level::Info));
        assert_eq!(Level::from_word("fatal"), Some(Level::Critical));
        assert_eq!(Level::from_word("a very long word"), None);
        assert_eq!(Level::from_word(""), None);
    }
}
