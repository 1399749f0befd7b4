//! What an error is, how bad it is, and why.
//!
//! A [`RuleSet`] is read from TOML: the shipped one ([`RuleSet::shipped`]), with a user's rules beside
//! them ([`RuleSet::shipped_and`]) or in their place.
//! Each rule has patterns, the fields that it reads, a category, a severity and a priority, and texts
//! that it must and must not win, which are tested whenever rules are. An error's type and message,
//! each of its causes and its HTTP status are looked at; the rule with the highest priority wins,
//! among equals the one that matched the innermost cause, because a root cause says more than its
//! symptom. The [`Verdict`](dragline_schema::Verdict) names the rule, the piece of text that decided, and the runner-up.
//!
//! A severity is the rule's own unless its context raises it ([`Context`]): more failures in a row
//! than five, or a site of critical priority. Nothing lowers it.
//!
//! [`mask()`] replaces what differs between two occurrences of the same error (numbers, ids, quoted
//! words, addresses); [`fingerprint`] turns the masked text into a group's id. Both are pure
//! functions, so that groups made on different machines merge.
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
