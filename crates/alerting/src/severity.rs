//! The severities of the vocabularies in use, mapped to one.
//!
//! | here | workshop rules | log levels of alerts | health |
//! |---|---|---|---|
//! | `low` | low | info | healthy |
//! | `medium` | medium | warning | warning, degraded |
//! | `high` | high | error | – |
//! | `critical` | critical | critical | critical |

use dragline_schema::Severity;
use serde::{Deserialize, Deserializer};

/// Every word that names a severity, and the severity.
pub const WORDS: &[(&str, Severity)] = &[
    ("low", Severity::Low),
    ("info", Severity::Low),
    ("healthy", Severity::Low),
    ("medium", Severity::Medium),
    ("warning", Severity::Medium),
    ("degraded", Severity::Medium),
    ("high", Severity::High),
    ("error", Severity::High),
    ("critical", Severity::Critical),
];

/// The severity that a word of any of the vocabularies names.
///
/// ```
/// use dragline_alerting::severity;
/// use dragline_schema::Severity;
///
/// assert_eq!(severity::parse("warning"), Ok(Severity::Medium));
/// assert!(severity::parse("hihg").unwrap_err().contains("high"));
/// ```
///
/// # Errors
/// When no vocabulary has the word; the message suggests one.
pub fn parse(word: &str) -> Result<Severity, String> {
    let lower = word.to_ascii_lowercase();
    WORDS
        .iter()
        .find(|(known, _)| *known == lower)
        .map(|(_, severity)| *severity)
        .ok_or_else(|| {
            let known = WORDS.iter().map(|(known, _)| *known);
            format!(
                "unknown severity {word:?}: {}",
                crate::suggest::sentence(&lower, known)
            )
        })
}

/// For `#[serde(deserialize_with = "crate::severity::deserialize")]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Severity, D::Error> {
    parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_vocabularies_become_one() {
        let parsed = |words: &[&str]| {
            words
                .iter()
                .map(|word| parse(word).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            parsed(&["low", "medium", "high", "critical"]),
            Severity::ALL
        );
        assert_eq!(
            parsed(&["info", "warning", "error", "critical"]),
            Severity::ALL
        );
        assert_eq!(
            parsed(&["healthy", "warning", "critical"]),
            [Severity::Low, Severity::Medium, Severity::Critical]
        );
        assert_eq!(parse("CRITICAL"), Ok(Severity::Critical));
    }
}
