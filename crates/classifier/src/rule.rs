//! A rule as written in a rule file.

use regex::bytes::{Regex, RegexBuilder};

use dragline_schema::{ErrorCategory, ErrorText, Severity};
use serde::{Deserialize, Serialize};

/// A rule file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// The file cannot be read.
    #[error("cannot read the rule file {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The I/O error.
        source: std::io::Error,
    },
    /// The file is not valid TOML or has unknown keys.
    #[error("invalid rule file {path}: {source}")]
    Toml {
        /// The file.
        path: String,
        /// The TOML error, with its line.
        source: toml::de::Error,
    },
    /// A pattern is not a valid regular expression.
    #[error("{path}: rule {rule}: {source}")]
    Pattern {
        /// The file.
        path: String,
        /// The rule's id.
        rule: String,
        /// The pattern error, with a caret at its position.
        source: PatternError,
    },
    /// A rule has no patterns or no fields, so it could never win.
    #[error("{path}: rule {rule} has no patterns or reads no fields, so it could never win")]
    Empty {
        /// The file.
        path: String,
        /// The rule's id.
        rule: String,
    },
    /// A rule has an empty id, so verdicts and overrides could not refer to it.
    #[error("{path}: the rule with the pattern {pattern:?} has an empty id")]
    NoId {
        /// The file.
        path: String,
        /// Its first pattern.
        pattern: String,
    },
    /// A literal is too short to search for.
    #[error("{path}: rule {rule}: the literal {literal:?} is shorter than three bytes")]
    ShortLiteral {
        /// The file.
        path: String,
        /// The rule's id.
        rule: String,
        /// The literal.
        literal: String,
    },
    /// Two rules have the same id.
    #[error("{path}: duplicate rule id {rule}")]
    Duplicate {
        /// The file of the second rule.
        path: String,
        /// The id.
        rule: String,
    },
}

/// A pattern that is not a valid regular expression or would make every scan slow.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The pattern cannot be parsed, for example because it uses look-around or back-references,
    /// which are not supported.
    #[error("{0}")]
    Syntax(regex::Error),
    /// The pattern matches the empty text, so it would win every error.
    #[error(
        "the pattern {pattern:?} matches the empty text, so the rule would win every error: make a part of it mandatory"
    )]
    Empty {
        /// The pattern.
        pattern: String,
    },
    /// The compiled pattern exceeds the memory limit.
    #[error(
        "the pattern {pattern:?} is too large when compiled: nested repetitions such as (a{{1,100}}){{1,100}} multiply; reduce the counts"
    )]
    TooLarge {
        /// The start of the pattern.
        pattern: String,
    },
}

/// A part of an error that a rule reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// The error's type.
    Type,
    /// The error's message.
    Message,
    /// Types and messages of the causes.
    Cause,
    /// The HTTP status code, as text.
    Status,
    /// The traceback or stack: the frames, with paths and functions.
    Traceback,
    /// The URL of the page.
    Url,
}

/// A rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The unique id, such as `network.timeout`.
    pub id: String,
    /// The category of the errors that the rule wins.
    pub category: ErrorCategory,
    /// The sub-category.
    pub sub_category: String,
    /// The severity of those errors.
    pub severity: Severity,
    /// The rule with the higher priority wins.
    #[serde(default = "default_priority")]
    pub priority: i32,
    /// The runner-up category of the errors that this rule wins. Without it, the best other matching rule decides.
    #[serde(default)]
    pub runner_up: Option<ErrorCategory>,
    /// The fields that the rule reads. With both type and message, they are matched as one text, `Type: message`.
    #[serde(default = "default_fields")]
    pub fields: Vec<Field>,
    /// Regular expressions, at least one of which must match. They ignore case and match anywhere.
    pub patterns: Vec<String>,
    /// A text must contain at least one of these words, ignoring case, before the patterns run. If
    /// empty, the words are extracted from the patterns, which works as well unless a pattern has no
    /// distinctive word.
    #[serde(default)]
    pub literals: Vec<String>,
    /// Whether the wording was taken from documentation only, not reproduced in an experiment.
    #[serde(default)]
    pub unprovoked: bool,
    /// What the operator should do.
    #[serde(default)]
    pub recommendation: String,
    /// Texts that the rule must and must not win.
    #[serde(default)]
    pub tests: RuleTests,
}

/// Texts that a rule must and must not win, as `Type: message` or a message alone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTests {
    /// Texts that the rule must win against all others.
    #[serde(default, rename = "match")]
    pub matching: Vec<String>,
    /// Texts that the rule must not win.
    #[serde(default)]
    pub no_match: Vec<String>,
}

/// Maximum size of a compiled pattern in bytes, limited because every pattern may run on every error.
const MAX_COMPILED: usize = 1 << 20;

/// Compiles a pattern. Patterns match bytes and use ASCII classes: the parts of log messages that
/// rules look for are ASCII, and Unicode tables would make the automata many times larger.
pub(crate) fn compile(pattern: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .unicode(false)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooLarge {
                pattern: dragline_schema::clip(pattern, 80).to_owned(),
            },
            other => PatternError::Syntax(other),
        })
}

impl Rule {
    /// Returns an error for the first unusable pattern.
    pub(crate) fn check_patterns(&self) -> Result<(), PatternError> {
        self.patterns.iter().try_for_each(|pattern| {
            if compile(pattern)?.is_match(b"") {
                let pattern = pattern.clone();
                return Err(PatternError::Empty { pattern });
            }
            Ok(())
        })
    }
}

fn default_priority() -> i32 {
    500
}

fn default_fields() -> Vec<Field> {
    vec![Field::Type, Field::Message, Field::Cause]
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    #[serde(default, rename = "rule")]
    rules: Vec<Rule>,
}

/// The text of a file with these rules.
///
/// # Errors
/// If a rule cannot be written, which would be a bug.
pub(crate) fn text_of(rules: Vec<Rule>) -> Result<String, toml::ser::Error> {
    toml::to_string(&RuleFile { rules })
}

/// Parses the rules of a file.
pub(crate) fn parse(path: &str, text: &str) -> Result<Vec<Rule>, RulesError> {
    let file: RuleFile = toml::from_str(text).map_err(|source| RulesError::Toml {
        path: path.to_owned(),
        source,
    })?;
    for rule in &file.rules {
        if rule.id.trim().is_empty() {
            return Err(RulesError::NoId {
                path: path.to_owned(),
                pattern: rule.patterns.first().cloned().unwrap_or_default(),
            });
        }
        let is_short = |word: &&String| word.len() < crate::finder::MIN_LENGTH;
        if let Some(literal) = rule.literals.iter().find(is_short) {
            return Err(RulesError::ShortLiteral {
                path: path.to_owned(),
                rule: rule.id.clone(),
                literal: literal.clone(),
            });
        }
        if rule.patterns.is_empty() || rule.fields.is_empty() {
            return Err(RulesError::Empty {
                path: path.to_owned(),
                rule: rule.id.clone(),
            });
        }
    }
    Ok(file.rules)
}

/// Converts a test's text to the input that the rule reads: a status, a URL or a traceback if the
/// rule reads only that, otherwise a type and message.
pub(crate) fn test_of<'t>(rule: &Rule, text: &'t str) -> ErrorText<'t> {
    match rule.fields.as_slice() {
        [Field::Status] => ErrorText {
            status_code: text.parse().ok(),
            ..ErrorText::default()
        },
        [Field::Url] => ErrorText {
            url: Some(text),
            ..ErrorText::default()
        },
        [Field::Traceback] => ErrorText {
            traceback: Some(text),
            ..ErrorText::default()
        },
        _ => test_error(text),
    }
}

/// Converts a test's text to an error. It is split as `Type: message` if the left part looks like a type.
pub(crate) fn test_error(text: &str) -> ErrorText<'_> {
    let (error_type, message) = match text.split_once(": ") {
        Some((left, right)) if looks_like_type(left) => (left, right),
        _ => ("", text),
    };
    ErrorText {
        error_type: error_type.into(),
        message: message.into(),
        ..ErrorText::default()
    }
}

fn looks_like_type(text: &str) -> bool {
    text.starts_with(char::is_alphabetic)
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':'))
        && text.contains(|c: char| c.is_uppercase() || c == '.')
}
