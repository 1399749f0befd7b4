//! Proposes rules for messages that no rule matches.
//!
//! Unclassified messages are mined for templates. Each template becomes a proposal with the number of
//! messages it explains, samples, and its conflicts with existing rules. The category is a guess from
//! the words in the rules' own tests; the author of the rule decides.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dragline_schema::{Classify as _, ErrorCategory, ErrorText, Severity};

use crate::mine::{Miner, Template};
use crate::rule::{Rule, compile};
use crate::rule_set::RuleSet;

/// Minimum number of words in a pattern, unless one of them is long.
const LEAST_WORDS: usize = 2;
/// Maximum number of the template's words in a pattern.
const MOST_WORDS: usize = 8;
/// Maximum length of the variable part between two words.
const LONGEST_GAP: usize = 80;

/// A proposed rule for messages that no rule matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The proposed id, made of the guessed category and the template's words.
    pub id: String,
    /// The guessed category.
    pub category: ErrorCategory,
    /// The proposed regular expression.
    pub pattern: String,
    /// The template that the messages share.
    pub template: String,
    /// Number of unclassified messages that the pattern matches.
    pub explains: u64,
    /// `explains` as a share of all unclassified messages, 0 to 1.
    pub share: f64,
    /// Sample messages, at most three.
    pub samples: Vec<String>,
    /// Texts won by an existing rule that the pattern matches too, each with that rule's id. The
    /// existing rule still wins them, because the proposal's priority is low; a conflict shows that
    /// the pattern is broader than the template.
    pub conflicts: Vec<(String, String)>,
}

/// Proposes at most `limit` rules for those of the messages that no rule matches; each message comes
/// with its number of occurrences. The proposals that explain the most messages come first.
pub fn suggest<'m>(
    rules: &RuleSet,
    messages: impl Iterator<Item = (&'m str, u64)>,
    limit: usize,
) -> Vec<Proposal> {
    let mut miner = Miner::default();
    let mut left = Vec::new();
    let mut known = tests(rules);
    for (message, count) in messages {
        if let Some(rule) = rules.classify(&text(message)).rule {
            known.push((message, rule));
        } else {
            miner.observe_many(message, count);
            left.push((message, count));
        }
    }
    let total: u64 = left.iter().map(|(_, count)| count).sum();
    let words = Words::of(rules);
    let mut proposals: Vec<Proposal> = Vec::new();
    for template in miner.templates() {
        // Collect a few more than `limit`: a later one may explain more.
        if proposals.len() >= limit.saturating_add(20) {
            break;
        }
        let Some(proposal) = propose(&words, &template, &left, &known, total) else {
            continue;
        };
        let Ok(pattern) = compile(&proposal.pattern) else {
            continue;
        };
        left.retain(|(message, _)| !pattern.is_match(message.as_bytes()));
        if proposal.explains > 0 {
            proposals.push(proposal);
        }
    }
    proposals.sort_by_key(|proposal| std::cmp::Reverse(proposal.explains));
    proposals.truncate(limit);
    name_apart(&mut proposals);
    proposals
}

fn text(message: &str) -> ErrorText<'_> {
    RuleSet::error_of_text(message)
}

/// The texts of the rules' own tests, each with its rule's id.
fn tests(rules: &RuleSet) -> Vec<(&str, &str)> {
    fn of(rule: &Rule) -> impl Iterator<Item = (&str, &str)> {
        rule.tests
            .matching
            .iter()
            .map(|test| (test.as_str(), rule.id.as_str()))
    }
    rules.rules().iter().flat_map(of).collect()
}

fn propose(
    words: &Words,
    template: &Template,
    left: &[(&str, u64)],
    known: &[(&str, &str)],
    total: u64,
) -> Option<Proposal> {
    let pattern = pattern_of(&template.text)?;
    let regex = compile(&pattern).ok()?;
    let matched: Vec<&(&str, u64)> = left
        .iter()
        .filter(|(message, _)| regex.is_match(message.as_bytes()))
        .collect();
    let explains = matched.iter().map(|(_, count)| count).sum();
    let conflicts = known
        .iter()
        .filter(|(text, _)| regex.is_match(text.as_bytes()));
    let conflicts = conflicts.map(|(text, rule)| ((*text).to_owned(), (*rule).to_owned()));
    let category = words.guess(&template.text);
    let name: Vec<String> = constants(&template.text)
        .take(3)
        .map(str::to_ascii_lowercase)
        .collect();
    Some(Proposal {
        id: format!("{category}.{}", slug(&name.join("_"))),
        category,
        explains,
        share: explains as f64 / total.max(1) as f64,
        samples: matched
            .iter()
            .take(3)
            .map(|(message, _)| (*message).to_owned())
            .collect(),
        conflicts: conflicts.take(5).collect(),
        template: template.text.clone(),
        pattern,
    })
}

/// The words of the template: tokens with at least two letters.
fn constants(template: &str) -> impl Iterator<Item = &str> {
    let is_word = |word: &&str| word.chars().filter(|c| c.is_alphabetic()).count() > 1;
    template.split(' ').filter(is_word)
}

fn slug(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let parts: Vec<&str> = plain.split('_').filter(|part| !part.is_empty()).collect();
    parts.join("_")
}

/// A pattern of the template's words in order, with gaps between them that stay within a line.
fn pattern_of(template: &str) -> Option<String> {
    let tokens: Vec<&str> = template.split(' ').collect();
    let is_constant = |token: &&str| constants(token).next().is_some();
    let count = tokens.iter().filter(|token| is_constant(token)).count();
    let longest = tokens
        .iter()
        .filter(|token| is_constant(token))
        .map(|token| token.len())
        .max()
        .unwrap_or(0);
    if count < LEAST_WORDS && longest < 12 {
        return None;
    }
    let mut pattern = String::new();
    let (mut taken, mut gap) = (0, false);
    for token in &tokens {
        if !is_constant(token) {
            gap = true;
            continue;
        }
        if taken == MOST_WORDS {
            break;
        }
        if taken > 0 {
            // Adjacent words are separated by a space or punctuation, others by a variable part.
            let between = if gap {
                format!(r"[^\n]{{0,{LONGEST_GAP}}}?")
            } else {
                r"[^\n\w]{1,3}".to_owned()
            };
            pattern.push_str(&between);
        }
        let edge = |c: Option<char>| {
            if c.is_some_and(|c| c.is_ascii_alphanumeric()) {
                r"\b"
            } else {
                ""
            }
        };
        let _ = write!(
            pattern,
            "{}{}{}",
            edge(token.chars().next()),
            regex::escape(token),
            edge(token.chars().last())
        );
        (taken, gap) = (taken + 1, false);
    }
    Some(pattern)
}

/// How often each word occurs in the tests of each category's rules.
struct Words {
    by_word: BTreeMap<String, BTreeMap<ErrorCategory, f64>>,
}

impl Words {
    fn of(rules: &RuleSet) -> Self {
        let mut by_word: BTreeMap<String, BTreeMap<ErrorCategory, f64>> = BTreeMap::new();
        for rule in rules.rules() {
            for test in &rule.tests.matching {
                for word in words(test) {
                    *by_word
                        .entry(word)
                        .or_default()
                        .entry(rule.category)
                        .or_default() += 1.0;
                }
            }
        }
        Self { by_word }
    }

    /// The category whose tests share the most distinctive words; unknown if none is close enough.
    fn guess(&self, template: &str) -> ErrorCategory {
        let mut scores: BTreeMap<ErrorCategory, f64> = BTreeMap::new();
        for word in words(template) {
            let Some(counts) = self.by_word.get(&word) else {
                continue;
            };
            let all: f64 = counts.values().sum();
            for (category, count) in counts {
                // A word that occurs in a single category counts more than one that occurs in many.
                *scores.entry(*category).or_default() += (count / all).powi(2);
            }
        }
        let best = scores.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        best.filter(|(_, score)| *score >= 0.5)
            .map_or(ErrorCategory::Unknown, |(category, _)| category)
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let all = text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| word.len() > 3);
    all.map(str::to_lowercase)
}

/// Makes duplicate ids unique by appending a number.
fn name_apart(proposals: &mut [Proposal]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for proposal in proposals {
        let count = seen.entry(proposal.id.clone()).or_default();
        *count += 1;
        if *count > 1 {
            let _ = write!(proposal.id, "_{count}");
        }
    }
}

impl Proposal {
    /// Formats the proposal as an entry of a rule file, with its statistics in comments.
    pub fn to_toml(&self) -> String {
        let mut toml = format!(
            "# Explains {} messages, {:.1} % of the unclassified ones: {}\n",
            self.explains,
            self.share * 100.0,
            one_line(&self.template)
        );
        for (text, rule) in &self.conflicts {
            let _ = writeln!(
                toml,
                "# Also matches a text that {rule} wins: {}",
                one_line(text)
            );
        }
        let quoted = |text: &str| toml::Value::String(one_line(text)).to_string();
        let tests: Vec<String> = self.samples.iter().map(|sample| quoted(sample)).collect();
        let _ = writeln!(toml, "[[rule]]");
        let _ = writeln!(toml, "id = {}", quoted(&self.id));
        let _ = writeln!(
            toml,
            "category = \"{}\"       # a guess: who has to act?",
            self.category
        );
        let _ = writeln!(toml, "sub_category = \"other\"");
        let _ = writeln!(toml, "severity = \"{}\"", Severity::Medium);
        let _ = writeln!(toml, "priority = 60");
        let _ = writeln!(
            toml,
            "patterns = [{}]",
            toml::Value::String(self.pattern.clone())
        );
        let _ = writeln!(toml, "recommendation = \"\"");
        let _ = writeln!(toml, "[rule.tests]\nmatch = [{}]", tests.join(", "));
        toml
    }
}

fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposals(messages: &[(&str, u64)]) -> Vec<Proposal> {
        suggest(&RuleSet::shipped(), messages.iter().copied(), 10)
    }

    #[test]
    fn what_no_rule_knows_becomes_a_rule() {
        let messages = [
            ("the flux of widget 17 turned sour in hall A", 5),
            ("the flux of widget 4 turned sour in hall B", 3),
            ("connection refused", 100),
            ("gremlins", 1),
        ];
        let proposals = proposals(&messages);
        assert_eq!(proposals.len(), 1, "{proposals:?}");
        let proposal = &proposals[0];
        assert_eq!((proposal.explains, proposal.samples.len()), (8, 2));
        assert!((proposal.share - 8.0 / 9.0).abs() < 1e-9);
        let rules = RuleSet::from_texts(&[("new.toml".into(), proposal.to_toml())]).unwrap();
        assert!(
            rules.failing_tests().is_empty(),
            "{:?}",
            rules.failing_tests()
        );
        assert!(
            rules
                .classify(&text("the flux of widget 99 turned sour in hall C"))
                .rule
                .is_some()
        );
    }

    #[test]
    fn a_proposal_says_what_it_would_take_from_others() {
        let rules = "[[rule]]\nid='known'\ncategory='parsing'\nsub_category='x'\nseverity='low'\npatterns=['hall Z']\n\
                     [rule.tests]\nmatch=['the flux of widget 1 turned sour in hall Z']\n";
        let rules = RuleSet::from_texts(&[("r".into(), rules.into())]).unwrap();
        let messages = [
            ("the flux of widget 17 turned sour in hall A", 5),
            ("the flux of widget 18 turned sour in hall B", 5),
        ];
        let proposals = suggest(&rules, messages.into_iter(), 10);
        assert_eq!(
            proposals[0].conflicts,
            [(
                "the flux of widget 1 turned sour in hall Z".to_owned(),
                "known".to_owned()
            )]
        );
        assert_eq!(proposals[0].category, ErrorCategory::Parsing);
        assert!(
            proposals[0]
                .to_toml()
                .contains("# Also matches a text that known wins")
        );
    }
}
