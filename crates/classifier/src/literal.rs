//! Which literals a pattern needs: a text without one of them cannot match.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytesRange, Hir, HirKind};

/// A set of literals with more members costs more than it spares.
const MAX_SET: usize = 64;
/// Shorter literals are in every text.
const MIN_LENGTH: usize = 3;

/// So many sets are looked for, the rarest.
const MAX_SETS: usize = 2;
/// Words that most error messages have; a pattern that needs something else too is better found by that.
const COMMON: [&str; 26] = [
    " error code",
    "exception",
    "failed",
    "failure",
    "timeout",
    "timed out",
    "connection ",
    "connect",
    "request",
    "response",
    "invalid",
    "could not",
    "cannot ",
    "not found",
    " https://",
    "status",
    "expected ",
    "element",
    "product",
    "article",
    "item",
    "page ",
    "number",
    "listing",
    "because ",
    "exceeded",
];

/// One of a pattern's alternatives, itself a pattern: what is found by literals of its own runs alone.
#[derive(Debug)]
pub(crate) struct Alternative {
    /// The pattern.
    pub(crate) text: String,
    /// Sets of literals in lower case: every match has at least one of each set. Sound, not
    /// complete: a set is only given when it is needed for sure.
    ///
    /// Wholly a function of the pattern's syntax tree. `regex-syntax` extracts prefixes and
    /// suffixes of a match, while a log pattern's telling words often stand in its middle.
    pub(crate) literals: Vec<Vec<String>>,
}

/// The alternatives of a pattern; none when it is no pattern.
pub(crate) fn alternatives(pattern: &str) -> Vec<Alternative> {
    // With the case already ignored in the syntax tree.
    let mut parser = ParserBuilder::new()
        .case_insensitive(true)
        .unicode(false)
        .utf8(false)
        .build();
    let mut into = Vec::new();
    if let Ok(hir) = parser.parse(pattern) {
        split(&hir, &mut into);
    }
    into
}

fn split(hir: &Hir, into: &mut Vec<Alternative>) {
    match hir.kind() {
        HirKind::Alternation(parts) => parts.iter().for_each(|part| split(part, into)),
        HirKind::Capture(capture) => split(&capture.sub, into),
        HirKind::Concat(parts) => match one_between_boundaries(parts) {
            // The parser writes `\ba|\bb` as `\b(?:a|b)`.
            Some(place) => {
                let around = |parts: &[Hir]| Hir::concat(parts.to_vec()).to_string();
                let (before, after) = (around(&parts[..place]), around(&parts[place + 1..]));
                let first = into.len();
                split(&parts[place], into);
                for alternative in &mut into[first..] {
                    alternative.text = format!("{before}(?:{}){after}", alternative.text);
                }
            }
            None => into.push(alternative(hir)),
        },
        _ => into.push(alternative(hir)),
    }
}

/// The place of the only part that has a width, when it can be split further.
fn one_between_boundaries(parts: &[Hir]) -> Option<usize> {
    let has_width = |part: &Hir| !matches!(part.kind(), HirKind::Look(_));
    let place = parts.iter().position(has_width)?;
    let is_alone = !parts[place + 1..].iter().any(has_width);
    let splits = matches!(
        parts[place].kind(),
        HirKind::Alternation(_) | HirKind::Capture(_)
    );
    (is_alone && splits).then_some(place)
}

fn alternative(hir: &Hir) -> Alternative {
    let texts = |set: Set| {
        set.into_iter()
            .map(|literal| String::from_utf8(literal).ok())
            .collect()
    };
    let mut sets = needed(hir);
    sets.sort_by_key(|set| std::cmp::Reverse(worth(set)));
    sets.truncate(MAX_SETS);
    Alternative {
        text: hir.to_string(),
        literals: sets.into_iter().filter_map(texts).collect(),
    }
}

/// Compiles one of [`alternatives`], which says itself where case is ignored.
pub(crate) fn compile(alternative: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(alternative).unicode(false).build()
}

type Set = Vec<Vec<u8>>;

/// All sets that the expression needs.
fn needed(hir: &Hir) -> Vec<Set> {
    if let Some(set) = exact(hir) {
        return usable(set).into_iter().collect();
    }
    match hir.kind() {
        HirKind::Capture(capture) => needed(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => needed(&repetition.sub),
        HirKind::Concat(parts) => needed_by_concat(parts),
        HirKind::Alternation(parts) => {
            // Of each part its best set, all together one.
            let best = |part| needed(part).into_iter().max_by_key(worth);
            let sets: Option<Vec<Set>> = parts.iter().map(best).collect();
            sets.and_then(|sets| usable(sets.concat()))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Neighbours that are literals are one literal; zero-width assertions between them change nothing.
fn needed_by_concat(parts: &[Hir]) -> Vec<Set> {
    let mut sets = Vec::new();
    let mut run: Set = vec![Vec::new()];
    for part in parts {
        match exact(part).map(|set| product(&run, &set)) {
            Some(Some(longer)) => run = longer,
            joined => {
                sets.extend(usable(std::mem::replace(&mut run, vec![Vec::new()])));
                if joined.is_some() {
                    // Too many together; this part begins the next run.
                    run = exact(part).unwrap_or_else(|| vec![Vec::new()]);
                } else {
                    sets.extend(needed(part));
                }
            }
        }
    }
    sets.extend(usable(run));
    sets
}

/// All strings that the expression matches, in lower case, when they are few.
fn exact(hir: &Hir) -> Option<Set> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => Some(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Class(Class::Bytes(class)) => {
            let count: usize = class.ranges().iter().map(ClassBytesRange::len).sum();
            if count > 8 {
                return None;
            }
            let mut set: Set = class
                .ranges()
                .iter()
                .flat_map(|range| range.start()..=range.end())
                .map(|byte| vec![byte.to_ascii_lowercase()])
                .collect();
            set.sort();
            set.dedup();
            (set.len() <= 4).then_some(set)
        }
        HirKind::Class(Class::Unicode(_)) => None,
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Repetition(repetition) => {
            let sub = exact(&repetition.sub)?;
            match (repetition.min, repetition.max) {
                (0, Some(1)) => {
                    let mut set = sub;
                    set.push(Vec::new());
                    (set.len() <= MAX_SET).then_some(set)
                }
                (1, Some(1)) => Some(sub),
                _ => None,
            }
        }
        HirKind::Concat(parts) => parts
            .iter()
            .try_fold(vec![Vec::new()], |set, part| product(&set, &exact(part)?)),
        HirKind::Alternation(parts) => {
            let sets: Option<Vec<Set>> = parts.iter().map(exact).collect();
            Some(sets?.concat()).filter(|set| set.len() <= MAX_SET)
        }
    }
}

fn product(left: &Set, right: &Set) -> Option<Set> {
    if left.len() * right.len() > MAX_SET {
        return None;
    }
    let both = |a: &Vec<u8>| {
        right
            .iter()
            .map(move |b| [a.as_slice(), b].concat())
            .collect::<Set>()
    };
    Some(left.iter().flat_map(both).collect())
}

/// The set without members that hold another; `None` when one is too short to tell anything.
fn usable(mut set: Set) -> Option<Set> {
    set.sort_by_key(Vec::len);
    let mut kept: Set = Vec::new();
    for literal in set {
        if !kept.iter().any(|short| contains(&literal, short)) {
            kept.push(literal);
        }
    }
    (kept.len() <= MAX_SET && kept.iter().all(|literal| literal.len() >= MIN_LENGTH))
        .then_some(kept)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// How seldom a text that does not match has one of the set: long literals before short ones, and
/// numbers, common words last.
fn worth(set: &Set) -> (usize, std::cmp::Reverse<usize>) {
    let telling = |literal: &Vec<u8>| {
        let is_common = COMMON.iter().any(|word| contains(word.as_bytes(), literal));
        let digits = literal.iter().filter(|byte| byte.is_ascii_digit()).count();
        if is_common {
            2
        } else {
            (literal.len() + digits).min(6)
        }
    };
    (
        set.iter().map(telling).min().unwrap_or(0),
        std::cmp::Reverse(set.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The literals of each alternative.
    fn told(pattern: &str) -> String {
        let literals = |alternative: Alternative| {
            alternative
                .literals
                .iter()
                .map(|set| set.join("|"))
                .collect::<Vec<_>>()
                .join(" & ")
        };
        alternatives(pattern)
            .into_iter()
            .map(literals)
            .collect::<Vec<_>>()
            .join(" / ")
    }

    #[test]
    fn the_rarest_literals_that_a_match_needs() {
        for (pattern, literals) in [
            (
                r"\bgetaddrinfo (?:failed|ENOTFOUND)",
                "getaddrinfo failed|getaddrinfo enotfound",
            ),
            (
                r"\bDNS\b[^\n]{0,40}\b(?:fail(?:ed|ure|s)?|errors?)\b",
                "dns & fail|error",
            ),
            (
                r"\bERR_(?:PROXY|TUNNEL)_[A-Z_]+\b",
                "err_proxy_|err_tunnel_",
            ),
            (r"(?i:Captcha)s?", "captcha"),
            (r"[Tt]oo [Mm]any", "too many"),
            (r"a+b|cde", " / cde"),
            (r"\d{3}", ""),
            (r"(?:abc)*", ""),
            (r"x[a-z]+(?:lock(?:ed)?|busy)", "lock|busy"),
            ("unbalanced(", ""),
        ] {
            assert_eq!(told(pattern), literals, "{pattern}");
        }
    }
}
