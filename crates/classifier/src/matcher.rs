//! Finds the patterns that match a text: literals select candidates, and only candidates run.
//!
//! One pass over a text finds every literal that some pattern requires ([`crate::finder`],
//! [`crate::literal`]). A pattern whose literals are absent cannot match and does not run; a pattern
//! that is equivalent to its literals need not run either. A pattern is compiled at its first use, so
//! a program that sees ten kinds of errors compiles only the patterns for those. `docs/benchmarks.md`
//! compares this with running every pattern and with one `RegexSet`.

use std::ops::Range;
use std::sync::OnceLock;

use regex::bytes::Regex;

use crate::finder::{Finder, Literal};
use crate::literal::{self, Parsed};
use crate::rule::Rule;

/// The patterns of many rules, best first.
#[derive(Debug)]
pub(crate) struct Matcher {
    patterns: Vec<Pattern>,
    literals: Finder,
    /// For each literal, the start of its range in `needed`; the final element is the end of the last.
    starts: Vec<u32>,
    /// The patterns that require each literal.
    needed: Vec<Need>,
    /// For each pattern, one bit per set of literals of which it requires a member.
    needs: Vec<u8>,
    /// Patterns that require no literal and always run.
    always: Vec<u32>,
}

/// A pattern that requires a literal.
#[derive(Clone, Copy, Debug)]
struct Need {
    pattern: u32,
    /// The bit of the set that contains the literal.
    set: u8,
}

#[derive(Debug)]
struct Pattern {
    rule: usize,
    text: String,
    ignores_case: bool,
    /// Whether it matches whenever it is a candidate.
    is_proved: bool,
    /// Maximum length of a text that can match.
    longest: usize,
    regex: OnceLock<Option<Regex>>,
}

/// Patterns that may match a text; reused between texts to avoid allocation.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    lowered: Vec<u8>,
    /// For each pattern, the sets of which no literal was found yet.
    lacks: Vec<u8>,
    found: Vec<u32>,
}

impl Matcher {
    /// Builds a matcher for the rules whose indices are in `order`, best first; `parsed` holds the
    /// parsed patterns of each rule.
    pub(crate) fn new(rules: &[Rule], parsed: &[Vec<Parsed>], order: &[usize]) -> Self {
        let mut patterns = Vec::new();
        let mut needed_by: Vec<(Literal, Need)> = Vec::new();
        let mut needs = Vec::new();
        for &rule in order {
            for alternative in parsed[rule].iter().flat_map(Parsed::alternatives) {
                let pattern = patterns.len() as u32;
                let own: Vec<Literal> = rules[rule]
                    .literals
                    .iter()
                    .map(|text| plain(text))
                    .collect();
                patterns.push(Pattern {
                    rule,
                    is_proved: alternative.is_proved && own.is_empty(),
                    longest: alternative.longest,
                    text: alternative.text,
                    ignores_case: alternative.ignores_case,
                    regex: OnceLock::new(),
                });
                let needed = if own.is_empty() {
                    alternative.literals
                } else {
                    vec![own]
                };
                needs.push((1 << needed.len()) - 1);
                for (number, literals) in needed.into_iter().enumerate() {
                    let set = 1 << number;
                    let need = Need { pattern, set };
                    needed_by.extend(literals.into_iter().map(|literal| (literal, need)));
                }
            }
        }
        needed_by.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (mut literals, mut starts) = (Vec::<Literal>::new(), Vec::new());
        for (place, (literal, _)) in (0..).zip(&needed_by) {
            if literals.last() != Some(literal) {
                literals.push(literal.clone());
                starts.push(place);
            }
        }
        starts.push(needed_by.len() as u32);
        let runs_always = |(pattern, needs): (u32, &u8)| (*needs == 0).then_some(pattern);
        Self {
            patterns,
            literals: Finder::new(&literals),
            starts,
            needed: needed_by.into_iter().map(|(_, need)| need).collect(),
            always: (0..).zip(&needs).filter_map(runs_always).collect(),
            needs,
        }
    }

    /// Collects the patterns that may match the text.
    pub(crate) fn candidates(&self, text: &[u8], into: &mut Candidates) {
        let Candidates {
            lowered,
            lacks,
            found,
        } = into;
        lowered.clear();
        lowered.extend_from_slice(text);
        lowered.make_ascii_lowercase();
        lacks.clear();
        lacks.extend_from_slice(&self.needs);
        found.clear();
        self.literals.find(lowered, |literal| {
            let (first, stop) = (self.starts[literal], self.starts[literal + 1]);
            for need in &self.needed[first as usize..stop as usize] {
                let lacks = &mut lacks[need.pattern as usize];
                if *lacks & need.set != 0 {
                    *lacks &= !need.set;
                    if *lacks == 0 {
                        found.push(need.pattern);
                    }
                }
            }
        });
        found.extend(&self.always);
    }

    /// The index of the pattern's rule.
    pub(crate) fn rule_of(&self, pattern: usize) -> usize {
        self.patterns[pattern].rule
    }

    /// The byte range of the pattern's first match.
    pub(crate) fn find(&self, pattern: usize, text: &[u8]) -> Option<Range<usize>> {
        Some(self.regex(pattern)?.find(text)?.range())
    }

    /// Whether the pattern, which must be a candidate, matches the text.
    pub(crate) fn is_match(&self, pattern: usize, text: &[u8]) -> bool {
        let Pattern {
            is_proved, longest, ..
        } = self.patterns[pattern];
        let runs = || self.regex(pattern).map(|regex| regex.is_match(text));
        text.len() <= longest && (is_proved || runs() == Some(true))
    }

    fn regex(&self, pattern: usize) -> Option<&Regex> {
        let pattern = &self.patterns[pattern];
        pattern
            .regex
            .get_or_init(|| literal::compile(&pattern.text, pattern.ignores_case).ok())
            .as_ref()
    }
}

impl Candidates {
    /// The candidates, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.found.iter().map(|pattern| *pattern as usize)
    }
}

/// A literal listed in the rule file.
fn plain(text: &str) -> Literal {
    Literal {
        text: text.to_ascii_lowercase().into_bytes(),
        edge_before: false,
        edge_after: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    /// All texts of the rules' tests and of the open half of the labelled errors.
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

    fn matcher(rules: &[Rule]) -> Matcher {
        let of = |rule: &Rule| rule.patterns.iter().map(|text| Parsed::of(text)).collect();
        let parsed: Vec<Vec<Parsed>> = rules.iter().map(of).collect();
        let order: Vec<usize> = (0..rules.len()).collect();
        Matcher::new(rules, &parsed, &order)
    }

    #[test]
    fn what_matches_is_a_candidate_and_what_is_proved_matches() {
        let rules = load::shipped().unwrap();
        let matcher = matcher(&rules);
        let mut candidates = Candidates::default();
        let (mut matches, mut tried) = (0, 0);
        for text in texts(&rules) {
            matcher.candidates(text.as_bytes(), &mut candidates);
            let candidates: Vec<usize> = candidates.iter().collect();
            for pattern in 0..matcher.patterns.len() {
                let is_candidate = candidates.contains(&pattern);
                let told = &matcher.patterns[pattern].text;
                if matcher.find(pattern, text.as_bytes()).is_some() {
                    assert!(is_candidate, "{told:?} on {text:?}");
                    matches += 1;
                } else if is_candidate {
                    let is_proved = matcher.patterns[pattern].is_proved;
                    assert!(!is_proved, "{told:?} on {text:?}");
                }
            }
            tried += candidates.len();
        }
        assert!(matches > 2000);
        // The purpose of the literals: of hundreds of patterns, only a few run.
        assert!(tried < 4 * matches, "{tried} tried, {matches} matched");
    }

    #[test]
    fn almost_every_shipped_pattern_has_a_literal() {
        let rules = load::shipped().unwrap();
        let matcher = matcher(&rules);
        let always = matcher.always.len();
        assert!(always < 5, "{always} of {}", matcher.patterns.len());
    }
}
