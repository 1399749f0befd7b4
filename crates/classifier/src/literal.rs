//! Extracts the literals that a pattern requires: a text without them cannot match.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Look};

use crate::finder::{Literal, MIN_LENGTH, is_edge};

/// Maximum members of a set of literals; a larger one costs more than it saves.
const MAX_SET: usize = 128;
/// Maximum number of sets searched for per alternative; the rarest are kept.
const MAX_SETS: usize = 2;
/// Words that most error messages contain. A pattern that also requires something rarer is found by that instead.
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

/// One of a pattern's top-level alternatives, itself a pattern. It is found by its own literals and runs alone.
#[derive(Debug)]
pub(crate) struct Alternative {
    /// The pattern.
    pub(crate) text: String,
    /// Whether to compile it as case-insensitive; if not, the pattern text itself encodes where case is ignored.
    pub(crate) ignores_case: bool,
    /// Sets of literals: every match contains at least one literal of each set. Sound but not
    /// complete: a set is included only if it is certainly required.
    ///
    /// Derived from the pattern's syntax tree alone. `regex-syntax` extracts only prefixes and
    /// suffixes of a match, but a log pattern's distinctive words are often in its middle.
    pub(crate) literals: Vec<Vec<Literal>>,
    /// Whether every text that contains a literal of each set matches, so the pattern need not run.
    pub(crate) is_proved: bool,
    /// Maximum length in bytes of a text that can match.
    pub(crate) longest: usize,
}

/// A pattern's syntax tree, split at its top-level alternatives.
pub(crate) struct Parsed {
    reader: Reader,
    /// Empty if the pattern is invalid.
    pub(crate) parts: Vec<Hir>,
}

impl Parsed {
    pub(crate) fn of(pattern: &str) -> Self {
        let reader = Reader {
            ignores_case: !minds_case(pattern),
        };
        let mut parser = ParserBuilder::new()
            .case_insensitive(!reader.ignores_case)
            .unicode(false)
            .utf8(false)
            .build();
        let mut parts = Vec::new();
        if let Ok(hir) = parser.parse(pattern) {
            split(hir, &mut parts);
        }
        Self { reader, parts }
    }

    /// The alternatives with their required literals.
    pub(crate) fn alternatives(&self) -> impl Iterator<Item = Alternative> {
        self.parts.iter().map(|hir| self.reader.alternative(hir))
    }
}

/// Whether case cannot be ignored uniformly: part of the pattern may switch that off or exclude
/// letters from a class. Errs on the side of `true`.
fn minds_case(pattern: &str) -> bool {
    let has_flag = pattern.split("(?").skip(1).any(|rest| {
        let flags = rest.split(|c: char| !c.is_ascii_alphabetic() && c != '-');
        flags.take(1).any(|flags| flags.contains('i'))
    });
    let takes_letters = pattern.split("[^").skip(1).any(|rest| {
        let members = rest.split(']').next().unwrap_or(rest);
        let mut before = '[';
        members.chars().any(|member| {
            let is_letter = member.is_ascii_alphabetic() && before != '\\';
            before = member;
            is_letter
        })
    });
    let is_odd = ["\\x", "\\u", "\\U", "\\p", "\\P", "[:", "&&", "--", "~~"];
    has_flag || takes_letters || is_odd.iter().any(|odd| pattern.contains(odd))
}

fn split(hir: Hir, into: &mut Vec<Hir>) {
    if let HirKind::Concat(parts) = hir.kind() {
        // The parser writes `\ba|\bb` as `\b(?:a|b)`.
        if let Some(place) = one_between_boundaries(parts) {
            let first = into.len();
            split(parts[place].clone(), into);
            for part in &mut into[first..] {
                let (before, after) = (&parts[..place], &parts[place + 1..]);
                let part_of = std::slice::from_ref(&*part);
                *part = Hir::concat([before, part_of, after].concat());
            }
            return;
        }
    }
    if !matches!(hir.kind(), HirKind::Alternation(_) | HirKind::Capture(_)) {
        return into.push(hir);
    }
    match hir.into_kind() {
        HirKind::Alternation(parts) => parts.into_iter().for_each(|part| split(part, into)),
        HirKind::Capture(capture) => split(*capture.sub, into),
        _ => {}
    }
}

/// The index of the only part with a width, if it can be split further.
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

/// Extracts literals from syntax trees.
struct Reader {
    /// Whether a letter in the tree stands for both cases. If not, the tree contains both where case is ignored.
    ignores_case: bool,
}

/// The maximum length of a text that an expression anchored by `^` and `$` can match.
fn longest(hir: &Hir) -> Option<usize> {
    let properties = hir.properties();
    let is_anchored = properties.look_set_prefix().contains(Look::Start)
        && properties.look_set_suffix().contains(Look::End);
    is_anchored.then(|| properties.maximum_len())?
}

/// Compiles an [`Alternative`].
pub(crate) fn compile(text: &str, ignores_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .case_insensitive(ignores_case)
        .unicode(false)
        .build()
}

/// A literal extracted from an expression.
#[derive(Clone, Debug)]
struct Piece {
    literal: Literal,
    /// Whether it is equivalent to the expression: nothing was left out, such as `^` or the case.
    is_whole: bool,
}

type Set = Vec<Piece>;

impl Piece {
    fn new(text: Vec<u8>, is_whole: bool) -> Self {
        let literal = Literal {
            text,
            edge_before: false,
            edge_after: false,
        };
        Self { literal, is_whole }
    }

    fn empty() -> Self {
        Self::new(Vec::new(), true)
    }

    /// The piece for `\b`.
    fn edge() -> Self {
        let mut piece = Self::empty();
        piece.literal.edge_before = true;
        piece.literal.edge_after = true;
        piece
    }

    /// This piece followed by `next`.
    fn then(&self, next: &Self) -> Self {
        let (a, b) = (&self.literal, &next.literal);
        let within = !a.text.is_empty() && !b.text.is_empty();
        let text = [a.text.as_slice(), &b.text].concat();
        // A boundary between two texts either always holds, or the piece is not whole.
        let is_true = !within || !(a.edge_after || b.edge_before) || is_edge(&text, a.text.len());
        Self {
            is_whole: self.is_whole && next.is_whole && is_true,
            literal: Literal {
                edge_before: a.edge_before || (a.text.is_empty() && b.edge_before),
                edge_after: b.edge_after || (b.text.is_empty() && a.edge_after),
                text,
            },
        }
    }

    /// Whether every occurrence of this piece contains `other`.
    fn implies(&self, other: &Self) -> bool {
        let (own, other) = (&self.literal, &other.literal);
        match (other.edge_before, other.edge_after) {
            (false, false) => contains(&own.text, &other.text),
            (true, false) => own.edge_before && own.text.starts_with(&other.text),
            (false, true) => own.edge_after && own.text.ends_with(&other.text),
            (true, true) => own == other,
        }
    }
}

impl Reader {
    fn alternative(&self, hir: &Hir) -> Alternative {
        let exact = self.exact(hir);
        let is_whole = |set: &Set| set.iter().all(|piece| piece.is_whole);
        let is_proved = exact.as_ref().is_some_and(is_whole);
        let mut sets = match exact {
            Some(set) => usable(set).into_iter().collect(),
            None => self.needed_by_parts(hir),
        };
        sets.sort_by_cached_key(|set| std::cmp::Reverse(worth(set)));
        sets.truncate(MAX_SETS);
        let literals = |set: Set| set.into_iter().map(|piece| piece.literal).collect();
        Alternative {
            ignores_case: self.ignores_case,
            text: hir.to_string(),
            is_proved: is_proved && !sets.is_empty(),
            literals: sets.into_iter().map(literals).collect(),
            longest: longest(hir).unwrap_or(usize::MAX),
        }
    }

    /// All sets that the expression requires.
    fn needed(&self, hir: &Hir) -> Vec<Set> {
        match self.exact(hir) {
            Some(set) => usable(set).into_iter().collect(),
            None => self.needed_by_parts(hir),
        }
    }

    fn needed_by_parts(&self, hir: &Hir) -> Vec<Set> {
        match hir.kind() {
            HirKind::Capture(capture) => self.needed(&capture.sub),
            HirKind::Repetition(repetition) if repetition.min > 0 => self.needed(&repetition.sub),
            HirKind::Concat(parts) => self.needed_by_concat(parts),
            HirKind::Alternation(parts) => {
                // The union of the best set of each part.
                let best = |part| self.needed(part).into_iter().max_by_key(worth);
                let sets: Option<Vec<Set>> = parts.iter().map(best).collect();
                let together = sets.and_then(|sets| usable(sets.concat()));
                together.into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Joins adjacent literals into one.
    fn needed_by_concat(&self, parts: &[Hir]) -> Vec<Set> {
        let mut sets = Vec::new();
        let mut run = vec![Piece::empty()];
        for part in parts {
            let Some(own) = self.exact(part) else {
                sets.extend(usable(std::mem::replace(&mut run, vec![Piece::empty()])));
                sets.extend(self.needed_by_parts(part));
                continue;
            };
            match product(&run, &own) {
                Some(longer) => run = longer,
                // The joined set would be too large: this part starts a new run.
                None => sets.extend(usable(std::mem::replace(&mut run, own))),
            }
        }
        sets.extend(usable(run));
        sets
    }

    /// All strings that the expression matches, in lower case, if there are few.
    fn exact(&self, hir: &Hir) -> Option<Set> {
        match hir.kind() {
            HirKind::Empty => Some(vec![Piece::empty()]),
            HirKind::Look(Look::WordAscii) => Some(vec![Piece::edge()]),
            HirKind::Look(_) => Some(vec![Piece::new(Vec::new(), false)]),
            HirKind::Literal(literal) => {
                let is_whole = self.ignores_case || !literal.0.iter().any(u8::is_ascii_alphabetic);
                Some(vec![Piece::new(literal.0.to_ascii_lowercase(), is_whole)])
            }
            HirKind::Class(Class::Bytes(class)) => self.exact_class(class),
            HirKind::Class(Class::Unicode(_)) => None,
            HirKind::Capture(capture) => self.exact(&capture.sub),
            HirKind::Repetition(repetition) => match (repetition.min, repetition.max) {
                (0, Some(1)) => {
                    let mut set = self.exact(&repetition.sub)?;
                    set.push(Piece::empty());
                    (set.len() <= MAX_SET).then_some(set)
                }
                (1, Some(1)) => self.exact(&repetition.sub),
                _ => None,
            },
            HirKind::Concat(parts) => {
                let one_more = |set: Set, part| product(&set, &self.exact(part)?);
                parts.iter().try_fold(vec![Piece::empty()], one_more)
            }
            HirKind::Alternation(parts) => {
                let sets: Option<Vec<Set>> = parts.iter().map(|part| self.exact(part)).collect();
                Some(sets?.concat()).filter(|set| set.len() <= MAX_SET)
            }
        }
    }

    /// The distinct bytes of a small class, in lower case.
    fn exact_class(&self, class: &ClassBytes) -> Option<Set> {
        let count: usize = class.ranges().iter().map(ClassBytesRange::len).sum();
        if count > 10 {
            return None;
        }
        let bytes = || {
            let ranges = class.ranges().iter();
            ranges.flat_map(|range| range.start()..=range.end())
        };
        let has_other_case = |byte: u8| {
            let other = byte ^ 0x20;
            !byte.is_ascii_alphabetic() || bytes().any(|byte| byte == other)
        };
        let mut set: Vec<u8> = bytes().map(|byte| byte.to_ascii_lowercase()).collect();
        set.sort_unstable();
        set.dedup();
        let is_whole = self.ignores_case || bytes().all(has_other_case);
        let pieces = set.iter().map(|byte| Piece::new(vec![*byte], is_whole));
        // All ten digits, or a few other bytes.
        let is_small = set.len() <= 4 || set.iter().all(u8::is_ascii_digit);
        is_small.then(|| pieces.collect())
    }
}

fn product(left: &Set, right: &Set) -> Option<Set> {
    if left.len() * right.len() > MAX_SET {
        return None;
    }
    let both = |a: &Piece| right.iter().map(|b| a.then(b)).collect::<Set>();
    Some(left.iter().flat_map(both).collect())
}

/// The set without members that imply another; `None` if a member is too short or too many remain.
fn usable(mut set: Set) -> Option<Set> {
    set.sort_by_key(|Piece { literal, .. }| {
        (
            literal.text.len(),
            literal.edge_before || literal.edge_after,
        )
    });
    let mut kept: Set = Vec::new();
    for piece in set {
        if !kept.iter().any(|shorter| piece.implies(shorter)) {
            kept.push(piece);
        }
    }
    let is_long = |piece: &Piece| piece.literal.text.len() >= MIN_LENGTH;
    (kept.len() <= MAX_SET && kept.iter().all(is_long)).then_some(kept)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// Ranks a set by how rarely a text that does not match contains one of its literals: long literals
/// and digits rank high, common words last.
fn worth(set: &Set) -> (usize, std::cmp::Reverse<usize>) {
    let telling = |piece: &Piece| {
        let literal = &piece.literal.text;
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
    use proptest::prelude::*;

    /// The literals of each alternative; `=` marks those that prove a match.
    fn told(pattern: &str) -> String {
        let literal = |literal: &Literal| {
            let edge = |is: bool| if is { "'" } else { "" };
            let text = String::from_utf8_lossy(&literal.text);
            let (before, after) = (edge(literal.edge_before), edge(literal.edge_after));
            format!("{before}{text}{after}")
        };
        let set = |set: &Vec<Literal>| set.iter().map(literal).collect::<Vec<_>>().join("|");
        let literals = |alternative: Alternative| {
            let sets: Vec<String> = alternative.literals.iter().map(set).collect();
            let proved = if alternative.is_proved { "=" } else { "" };
            format!("{proved}{}", sets.join(" & "))
        };
        Parsed::of(pattern)
            .alternatives()
            .map(literals)
            .collect::<Vec<_>>()
            .join(" / ")
    }

    #[test]
    fn the_rarest_literals_that_a_match_needs() {
        for (pattern, literals) in [
            (
                r"\bgetaddrinfo (?:failed|ENOTFOUND)",
                "='getaddrinfo failed|'getaddrinfo enotfound",
            ),
            (
                r"\bDNS\b[^\n]{0,40}\b(?:fail(?:ed|ure|s)?|errors?)\b",
                "'dns' & 'fail'|'fails'|'error'|'failed'|'errors'|'failure'",
            ),
            (
                r"\bERR_(?:PROXY|TUNNEL)_[A-Z_]+\b",
                "'err_proxy_|'err_tunnel_",
            ),
            (r"(?i:Captcha)s?", "=captcha"),
            (r"(?-i:Captcha)s?", "captcha"),
            (r"(?-i:[Tt]oo [Mm]any)", "too many"),
            (r"[Tt]oo [Mm]any", "=too many"),
            (r"^too many$", "too many"),
            (r"a+b|cde", " / =cde"),
            (
                r"\bcode\b: 4\d",
                "='code: 40|'code: 41|'code: 42|'code: 43|'code: 44|'code: 45|'code: 46|'code: 47|'code: 48|'code: 49",
            ),
            (r"\d{3}", ""),
            (r"(?:abc)*", ""),
            (r"x[a-z]+(?:lock(?:ed)?|busy)", "lock|busy"),
            ("unbalanced(", ""),
        ] {
            assert_eq!(told(pattern), literals, "{pattern}");
        }
    }

    proptest! {
        /// The alternatives together match what the pattern matches, with case ignored or not.
        #[test]
        fn alternatives_match_what_the_pattern_matches(text in "[abAB _1]{0,8}|.{0,8}") {
            for pattern in [
                "ab|[^a]b", "(?-i:aB)|b1", r"\b(?:a|bb)\b", "^(?:ab|b+)$", "[a-b&&[^a]]{2}",
                r"\x41b", "[[:upper:]]1", r"(?:a|b_)? [^\s:]", "(?i)a(?-i)b", r"(a(b|1))|\Bb",
            ] {
                let whole = crate::rule::compile(pattern).unwrap().is_match(text.as_bytes());
                let parts = Parsed::of(pattern).alternatives().any(|part| {
                    let regex = compile(&part.text, part.ignores_case).unwrap();
                    text.len() <= part.longest && regex.is_match(text.as_bytes())
                });
                prop_assert_eq!(whole, parts, "{:?}", pattern);
            }
        }
    }
}
