//! Classifies errors: assigns each a category and a severity, and reports which rule decided.
//!
//! A [`RuleSet`] is read from TOML: the shipped rules alone ([`RuleSet::shipped`]), the shipped rules
//! plus a user's ([`RuleSet::shipped_and`]), or only a user's ([`RuleSet::from_files`]).
//! Each rule has patterns, the fields it reads, a category, a severity, a priority, and test texts
//! that it must and must not match, which are checked whenever the rules are tested. The classifier
//! reads an error's type and message, each of its causes and its HTTP status. The rule with the
//! highest priority wins; among rules of equal priority, the one that matched the innermost cause
//! wins, because a root cause is more informative than its symptom. The
//! [`Verdict`](dragline_schema::Verdict) names the rule, the matched text and the runner-up.
//!
//! The severity is the rule's own unless the [`Context`] raises it: more than five consecutive
//! failures, a burst of errors, or a critical site. Nothing lowers it.
//!
//! [`mask()`] replaces the parts that differ between two occurrences of the same error (numbers, ids,
//! quoted words, addresses); [`fingerprint`] turns the masked text into a group id. Both are pure
//! functions, so groups computed on different machines can be merged.
//!
//! ```
//! use dragline_classifier::RuleSet;
//! use dragline_schema::{Classify, ErrorCategory, ErrorText};
//!
//! let rules = RuleSet::shipped();
//! let verdict = rules.classify(&ErrorText {
//!     error_type: "httpx.ConnectTimeout".into(),
//!     message: "timed out".into(),
//!     ..ErrorText::default()
//! });
//! assert_eq!(verdict.category, ErrorCategory::Network);
//! assert!(verdict.rule.is_some());
//! ```

mod check;
mod context;
mod finder;
mod literal;
mod load;
mod mask;
mod matcher;
mod memory;
mod mine;
mod numbers;
mod rule;
mod rule_set;
mod suggest;

pub use context::Context;
pub use mask::{fingerprint, mask};
pub use mine::{Miner, Template};
pub use rule::{Field, PatternError, Rule, RuleTests, RulesError};
pub use rule_set::{Hit, RuleSet};
pub use suggest::{Proposal, suggest};
