//! Which patterns match a text: literals pick candidates, only candidates run.
//!
//! One case-insensitive Aho–Corasick automaton finds, in a single pass over a text, every literal
//! that some pattern needs ([`crate::literal`]); a pattern whose literals are absent cannot match
//! and does not run. Patterns compile when they run first, so that a program that meets ten kinds
//! of errors compiles ten kinds of patterns. `docs/classification.md` has the measurements against
//! running every pattern and against one `RegexSet`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::Regex;

use crate::literal;
use crate::rule::Rule;

/// Patterns of many rules, in the order in which they win.
#[derive(Debug)]
pub(crate) struct Matcher {
    patterns: Vec<Pattern>,
    /// Finds literals; `None` when no pattern has any or they are too many.
    literals: Option<AhoCorasick>,
    /// For each literal, the sets that it is in.
    sets: Vec<Box<[u32]>>,
    /// For each set, the pattern that needs one of it.
    needed_by: Vec<u32>,
    /// For each pattern, how many sets it needs one each of. Those that need none always run.
    needs: Vec<u8>,
    always: Vec<u32>,
}

#[derive(Debug)]
struct Pattern {
    rule: usize,
    text: String,
    regex: OnceLock<Option<Regex>>,
}

/// Patterns that may match a text; kept between texts, so that nothing is allocated.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// A bit for each set of which the text has one.
    seen: Vec<u64>,
    /// What each pattern still lacks.
    lacks: Vec<u8>,
    found: Vec<u32>,
}

impl Matcher {
    /// The patterns of the rules at those places, which are the best first.
    pub(crate) fn new(rules: &[Rule], order: &[usize]) -> Self {
        let mut patterns = Vec::new();
        let mut sets: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut needed_by = Vec::new();
        let mut needs = Vec::new();
        for &rule in order {
            for alternative in rules[rule]
                .patterns
                .iter()
                .flat_map(|text| literal::alternatives(text))
            {
                let pattern = patterns.len() as u32;
                patterns.push(Pattern {
                    rule,
                    text: alternative.text,
                    regex: OnceLock::new(),
                });
                let own: Vec<String> = rules[rule]
                    .literals
                    .iter()
                    .map(|word| word.to_ascii_lowercase())
                    .collect();
                let needed = if own.is_empty() {
                    alternative.literals
                } else {
                    vec![own]
                };
                needs.push(needed.len() as u8);
                for literals in needed {
                    let set = needed_by.len() as u32;
                    needed_by.push(pattern);
                    literals
                        .into_iter()
                        .for_each(|literal| sets.entry(literal).or_default().push(set));
                }
            }
        }
        let literals = automaton(sets.keys());
        if literals.is_none() {
            needs.fill(0);
        }
        Self {
            patterns,
            literals,
            sets: sets.into_values().map(Vec::into_boxed_slice).collect(),
            needed_by,
            always: (0..)
                .zip(&needs)
                .filter(|(_, needs)| **needs == 0)
                .map(|(pattern, _)| pattern)
                .collect(),
            needs,
        }
    }

    /// Which patterns may match the text.
    pub(crate) fn candidates(&self, text: &[u8], into: &mut Candidates) {
        let Candidates { seen, lacks, found } = into;
        seen.clear();
        seen.resize(self.needed_by.len().div_ceil(64), 0);
        lacks.clear();
        lacks.extend_from_slice(&self.needs);
        found.clear();
        if let Some(literals) = &self.literals {
            for hit in literals.find_overlapping_iter(text) {
                for &set in &self.sets[hit.pattern().as_usize()] {
                    let (word, bit) = (set as usize / 64, 1 << (set % 64));
                    if seen[word] & bit == 0 {
                        seen[word] |= bit;
                        let pattern = self.needed_by[set as usize];
                        let lacks = &mut lacks[pattern as usize];
                        *lacks -= 1;
                        if *lacks == 0 {
                            found.push(pattern);
                        }
                    }
                }
            }
        }
        found.extend(&self.always);
    }

    /// The rule of a pattern.
    pub(crate) fn rule_of(&self, pattern: usize) -> usize {
        self.patterns[pattern].rule
    }

    /// Where the pattern matches the text, in bytes.
    pub(crate) fn find(&self, pattern: usize, text: &[u8]) -> Option<Range<usize>> {
        Some(self.regex(pattern)?.find(text)?.range())
    }

    /// Whether the pattern matches the text.
    pub(crate) fn is_match(&self, pattern: usize, text: &[u8]) -> bool {
        self.regex(pattern)
            .is_some_and(|regex| regex.is_match(text))
    }

    fn regex(&self, pattern: usize) -> Option<&Regex> {
        let pattern = &self.patterns[pattern];
        pattern
            .regex
            .get_or_init(|| literal::compile(&pattern.text).ok())
            .as_ref()
    }
}

impl Candidates {
    /// The candidates, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.found.iter().map(|pattern| *pattern as usize)
    }
}

/// `None` without literals, and when they are too many for an automaton.
fn automaton<'l>(literals: impl ExactSizeIterator<Item = &'l String>) -> Option<AhoCorasick> {
    if literals.len() == 0 {
        return None;
    }
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        // A tenth of the size of the DFA, which does not fit a cache and is slower for it.
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(literals)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    /// Every text of the rules' tests and of the open half of the labelled errors.
    fn texts(rules: &[Rule]) -> Vec<String> {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../fixtures/errors/open.jsonl"
        );
        let labelled = std::fs::read_to_string(path).unwrap();
        let messages = labelled.lines().map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            let part = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
            format!("{}: {}", part("error_type"), part("error_message"))
        });
        let tests = rules.iter().flat_map(|rule| {
            rule.tests
                .matching
                .iter()
                .chain(&rule.tests.no_match)
                .cloned()
        });
        messages.chain(tests).collect()
    }

    #[test]
    fn a_pattern_that_matches_is_always_a_candidate() {
        let rules = load::shipped().unwrap();
        let order: Vec<usize> = (0..rules.len()).collect();
        let matcher = Matcher::new(&rules, &order);
        let mut candidates = Candidates::default();
        let (mut matches, mut tried) = (0, 0);
        for text in texts(&rules) {
            matcher.candidates(text.as_bytes(), &mut candidates);
            let candidates: Vec<usize> = candidates.iter().collect();
            for pattern in 0..matcher.patterns.len() {
                if matcher.find(pattern, text.as_bytes()).is_some() {
                    assert!(
                        candidates.contains(&pattern),
                        "{:?} on {text:?}",
                        matcher.patterns[pattern].text
                    );
                    matches += 1;
                }
            }
            tried += candidates.len();
        }
        assert!(matches > 2000);
        // What the literals are for: of some hundred patterns, a handful runs.
        assert!(tried < 4 * matches, "{tried} tried, {matches} matched");
    }

    #[test]
    fn almost_every_shipped_pattern_has_a_literal() {
        let rules = load::shipped().unwrap();
        let order: Vec<usize> = (0..rules.len()).collect();
        let matcher = Matcher::new(&rules, &order);
        let always = matcher.always.len();
        assert!(always < 5, "{always} of {}", matcher.patterns.len());
    }
}
