//! A rule as it stands in a file.

use regex::bytes::{Regex, RegexBuilder};

use dragline_schema::{ErrorCategory, ErrorText, Severity};
use serde::Deserialize;

/// A rule file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// The file cannot be read.
    #[error("cannot read the rule file {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the file system says.
        source: std::io::Error,
    },
    /// The file is no TOML, or has keys that no rule has.
    #[error("{path} is no rule file: {source}")]
    Toml {
        /// The file.
        path: String,
        /// What is wrong, with its line.
        source: toml::de::Error,
    },
    /// A pattern is no regular expression.
    #[error("{path}: rule {rule}: {source}")]
    Pattern {
        /// The file.
        path: String,
        /// The rule's id.
        rule: String,
        /// What is wrong, with a caret under it.
        source: PatternError,
    },
    /// A rule has no pattern or no field, so that it could never win.
    #[error("{path}: rule {rule} has no patterns or reads no fields, so it could never win")]
    Empty {
        /// The file.
        path: String,
        /// The rule's id.
        rule: String,
    },
    /// A rule has no name, by which verdicts and overrides could speak of it.
    #[error("{path}: the rule with the pattern {pattern:?} has an empty id")]
    NoId {
        /// The file.
        path: String,
        /// Its first pattern.
        pattern: String,
    },
    /// A literal is too short to be looked for.
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
    #[error("{path}: there is a rule {rule} already")]
    Duplicate {
        /// The file of the second.
        path: String,
        /// The id.
        rule: String,
    },
}

/// A pattern that is no regular expression, or one that would make every scan slow.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It cannot be parsed, or look-around and back-references are used, which are not there.
    #[error("{0}")]
    Syntax(regex::Error),
    /// It matches the empty text, so that it would win every error.
    #[error(
        "the pattern {pattern:?} matches the empty text, so that the rule would win every error: make a part of it mandatory"
    )]
    Empty {
        /// The pattern.
        pattern: String,
    },
    /// Compiled, it takes more memory than a pattern may.
    #[error(
        "the pattern {pattern:?} is too large when compiled: repetitions of repetitions such as (a{{1,100}}){{1,100}} multiply; make the counts smaller"
    )]
    TooLarge {
        /// Its beginning.
        pattern: String,
    },
}

/// What a rule reads of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// The error's type.
    Type,
    /// The error's message.
    Message,
    /// Types and messages of the causes.
    Cause,
    /// The HTTP status, as text.
    Status,
    /// The traceback or stack: the frames, with paths and functions.
    Traceback,
    /// The URL of the page.
    Url,
}

/// A rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, such as `network.timeout`.
    pub id: String,
    /// The category of the errors that it wins.
    pub category: ErrorCategory,
    /// The finer kind.
    pub sub_category: String,
    /// Their severity.
    pub severity: Severity,
    /// The higher wins.
    #[serde(default = "default_priority")]
    pub priority: i32,
    /// Another category that the error could well have, when no other rule says one.
    #[serde(default)]
    pub runner_up: Option<ErrorCategory>,
    /// What it reads. Type and message together are one text, `Type: message`.
    #[serde(default = "default_fields")]
    pub fields: Vec<Field>,
    /// Regular expressions, of which one suffices. They ignore case and match anywhere.
    pub patterns: Vec<String>,
    /// A text without any of these words is not looked at further; case is ignored. Empty: they are
    /// found in the patterns themselves, which is as good unless a pattern has no telling word.
    #[serde(default)]
    pub literals: Vec<String>,
    /// The wording is known from documentation, not from having been provoked here.
    #[serde(default)]
    pub unprovoked: bool,
    /// What the operator should do.
    #[serde(default)]
    pub recommendation: String,
    /// Texts that say what the rule is for.
    #[serde(default)]
    pub tests: RuleTests,
}

/// Texts that a rule must and must not win, as `Type: message` or a message alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTests {
    /// Texts that the rule must win against all others.
    #[serde(default, rename = "match")]
    pub matching: Vec<String>,
    /// Texts that the rule must not win.
    #[serde(default)]
    pub no_match: Vec<String>,
}

/// A pattern may not take more bytes than this when it is compiled: each of a rule's patterns
/// may run on every error.
const MAX_COMPILED: usize = 1 << 20;

/// Compiles a pattern. Patterns are matched against bytes, with ASCII classes: log messages are
/// ASCII where rules look, and Unicode tables would make the automata many times as large.
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
    /// An error for the first pattern that cannot be used.
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    #[serde(default, rename = "rule")]
    rules: Vec<Rule>,
}

/// Reads the rules of a file.
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

/// A test's text as what the rule reads: a status, a URL or a traceback, for a rule that reads
/// nothing else, and an error otherwise.
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

/// A test's text as an error: `Type: message` when the left part looks like a type.
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
