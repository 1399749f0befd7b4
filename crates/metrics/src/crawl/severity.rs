//! The words for severities that the originals use, and ours.

use dragline_schema::{Severity, UnknownName};

/// A vocabulary for severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// Errors and rules of the workshop document: low, medium, high, critical. Dragline uses it, too.
    Levels,
    /// Alerts of the setup document: info, warning, error, critical.
    Alerts,
    /// Results of health checks: healthy, warning, critical.
    Health,
}

/// A word of a vocabulary, and the severity that it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeverityWord {
    /// The vocabulary.
    pub vocabulary: Vocabulary,
    /// The word.
    pub word: &'static str,
    /// The severity; `None` when nothing is wrong.
    pub severity: Option<Severity>,
}

const fn word(
    vocabulary: Vocabulary,
    word: &'static str,
    severity: Option<Severity>,
) -> SeverityWord {
    SeverityWord {
        vocabulary,
        word,
        severity,
    }
}

/// All words of the three vocabularies. A word means the same in each vocabulary that has it.
pub const SEVERITIES: &[SeverityWord] = &[
    word(Vocabulary::Levels, "low", Some(Severity::Low)),
    word(Vocabulary::Levels, "medium", Some(Severity::Medium)),
    word(Vocabulary::Levels, "high", Some(Severity::High)),
    word(Vocabulary::Levels, "critical", Some(Severity::Critical)),
    word(Vocabulary::Alerts, "info", Some(Severity::Low)),
    word(Vocabulary::Alerts, "warning", Some(Severity::Medium)),
    word(Vocabulary::Alerts, "error", Some(Severity::High)),
    word(Vocabulary::Alerts, "critical", Some(Severity::Critical)),
    word(Vocabulary::Health, "healthy", None),
    word(Vocabulary::Health, "warning", Some(Severity::Medium)),
    word(Vocabulary::Health, "critical", Some(Severity::Critical)),
];

/// The words of all vocabularies.
const WORDS: &[&str] = &[
    "low", "medium", "high", "critical", "info", "warning", "error", "healthy",
];

/// The severity that a word of any of the vocabularies means; `None` when nothing is wrong. Upper and lower
/// case are equal.
///
/// # Errors
/// When no vocabulary has the word.
pub fn severity_of(text: &str) -> Result<Option<Severity>, UnknownName> {
    let is_it = |word: &&SeverityWord| word.word.eq_ignore_ascii_case(text);
    let found = SEVERITIES.iter().find(is_it);
    found.map(|word| word.severity).ok_or_else(|| UnknownName {
        name: text.to_owned(),
        expected: WORDS,
    })
}
