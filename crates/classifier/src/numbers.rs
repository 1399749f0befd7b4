//! Finds the numbers that patterns distinguish, so that all others can be replaced by zeros.
//!
//! `page 17: timed out` and `page 4711: timed out` are the same error, but `HTTP 429` and `HTTP 404`
//! are not. The difference is whether any pattern depends on the digits: `\b429\b` does, `\d+` accepts
//! all digits. The patterns' syntax trees yield the runs of digits that can matter, written as globs
//! (`429`, `5??`, `12*`). Every other run can be replaced by zeros of the same length without changing
//! which patterns match. A cached verdict therefore serves all texts that differ only in such numbers.
//!
//! Digits directly after a letter (`psycopg2`, `x509`, `p17`) are part of a name and are kept.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, ClassBytesRange, Hir, HirKind, Look};

use crate::literal::Parsed;

/// Maximum number of globs tracked for one part of an expression.
const MAX_GLOBS: usize = 400;
/// Counted repetitions above this are treated as unbounded.
const MAX_COUNT: u32 = 8;
/// Minimum length of a run of hexadecimal digits, some of them decimal, to count as an id. Rules ignore ids.
const ID_LENGTH: usize = 12;

/// Globs over digits: `?` is any one digit, `*` any number of digits, a leading `@` marks a run after a letter.
type Globs = BTreeSet<String>;

/// Maximum length of runs that are looked up in the table.
const TABLE_LENGTH: usize = 5;

/// The runs of digits that patterns distinguish.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// One bit per run of up to [`TABLE_LENGTH`] digits: first all runs of one digit, then of two, …
    table: Vec<u64>,
    /// The globs that longer runs can match.
    long: Vec<String>,
    /// Some pattern distinguishes digits in a way that was not analysed: all digits are kept.
    all_matter: bool,
}

impl Numbers {
    pub(crate) fn of<'p>(patterns: impl Iterator<Item = &'p Parsed>) -> Self {
        let mut globs = Globs::new();
        for part in patterns.flat_map(|pattern| &pattern.parts) {
            match of_part(part) {
                Some(own) => globs.extend(own),
                None => {
                    return Self {
                        all_matter: true,
                        ..Self::default()
                    };
                }
            }
        }
        let mut table = vec![0; 111_110_usize.div_ceil(64)];
        globs
            .iter()
            .for_each(|glob| mark(&mut table, glob.as_bytes(), &mut Vec::new()));
        globs.retain(|glob| glob.contains('*') || glob.len() > TABLE_LENGTH);
        Self {
            table,
            long: globs.into_iter().collect(),
            all_matter: false,
        }
    }

    fn matters(&self, run: &[u8]) -> bool {
        match place(run) {
            Some(place) => self.table[place / 64] & (1 << (place % 64)) != 0,
            None => self.long.iter().any(|glob| fits(glob.as_bytes(), run)),
        }
    }

    /// Overwrites the numbers that no pattern distinguishes with zeros.
    pub(crate) fn level(&self, text: &mut [u8]) {
        if self.all_matter {
            return;
        }
        let mut at = 0;
        while at < text.len() {
            if !text[at].is_ascii_digit() {
                at += 1;
                continue;
            }
            if let Some(id) = id_around(text, at) {
                text[id.clone()]
                    .iter_mut()
                    .filter(|byte| byte.is_ascii_alphanumeric())
                    .for_each(|byte| *byte = b'0');
                at = id.end;
                continue;
            }
            let length = text[at..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            let is_name = at > 0 && (text[at - 1].is_ascii_alphabetic() || text[at - 1] == b'_');
            let run = &mut text[at..at + length];
            if !is_name && !self.matters(run) {
                run.fill(b'0');
            }
            at += length;
        }
    }
}

/// The range of the id that contains the digit: hexadecimal digits and hyphens.
fn id_around(text: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || **byte == b'-';
    let end = at + text[at..].iter().take_while(is_part).count();
    let begin = at - text[..at].iter().rev().take_while(is_part).count();
    let digits = text[begin..end]
        .iter()
        .filter(|byte| byte.is_ascii_hexdigit())
        .count();
    let is_word = |place: usize| {
        text.get(place)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let is_apart =
        !is_word(end) && (begin == 0 || !is_word(begin - 1) || text[..begin].ends_with(b"0x"));
    (digits >= ID_LENGTH && is_apart).then_some(begin..end)
}

/// The index of the run's bit in the table.
fn place(run: &[u8]) -> Option<usize> {
    let shorter = [0, 0, 10, 110, 1_110, 11_110].get(run.len())?;
    Some(
        run.iter()
            .fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
            + shorter,
    )
}

/// Sets the bits of the runs that start with `run` and continue with a match of the glob.
fn mark(table: &mut [u64], glob: &[u8], run: &mut Vec<u8>) {
    let Some((first, rest)) = glob.split_first() else {
        if let Some(place) = place(run) {
            table[place / 64] |= 1 << (place % 64);
        }
        return;
    };
    if *first == b'*' {
        mark(table, rest, run);
    }
    if run.len() == TABLE_LENGTH {
        return;
    }
    let digits = if first.is_ascii_digit() {
        *first..=*first
    } else {
        b'0'..=b'9'
    };
    for digit in digits {
        run.push(digit);
        mark(table, if *first == b'*' { glob } else { rest }, run);
        run.pop();
    }
}

fn fits(glob: &[u8], run: &[u8]) -> bool {
    match (glob.split_first(), run.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=run.len()).any(|skipped| fits(rest, &run[skipped..])),
        (Some((digit, glob)), Some((first, run))) => {
            (*digit == b'?' || digit == first) && fits(glob, run)
        }
        _ => false,
    }
}

/// The globs that the expression distinguishes; `None` if its digits cannot be analysed.
fn of_part(hir: &Hir) -> Option<Globs> {
    if !tells_digits(hir) {
        return Some(Globs::new());
    }
    let Runs {
        whole,
        left,
        right,
        mut inner,
    } = runs(hir)?;
    // The text may have more digits before and after the match.
    inner.extend(left.iter().map(|glob| format!("*{glob}")));
    inner.extend(right.iter().map(|glob| format!("{glob}*")));
    inner.extend(whole.iter().map(|glob| format!("*{glob}*")));
    inner.retain(|glob| glob.bytes().any(|byte| byte.is_ascii_digit()) && !glob.starts_with('@'));
    Some(
        inner
            .into_iter()
            .map(|glob| glob.replace("**", "*"))
            .collect(),
    )
}

/// Whether the expression contains a digit or a class with only some of the digits.
fn tells_digits(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.iter().any(u8::is_ascii_digit),
        HirKind::Class(class) => !matches!(digits_of(class).len(), 0 | 10),
        HirKind::Repetition(repetition) => tells_digits(&repetition.sub),
        HirKind::Capture(capture) => tells_digits(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(tells_digits),
    }
}

/// The runs of digits in the texts that an expression matches.
#[derive(Clone, Debug, Default)]
struct Runs {
    /// The whole match is one run, or empty.
    whole: Globs,
    /// The match starts with this run, followed by something else.
    left: Globs,
    /// The match ends with this run, preceded by something else.
    right: Globs,
    /// Complete runs inside the match.
    inner: Globs,
}

impl Runs {
    fn empty() -> Self {
        Self {
            whole: [String::new()].into(),
            ..Self::default()
        }
    }

    /// A non-digit, or a position that separates runs of digits.
    fn apart() -> Self {
        Self {
            left: [String::new()].into(),
            right: [String::new()].into(),
            ..Self::default()
        }
    }

    /// Like [`Runs::apart`], but the digits that follow belong to a name.
    fn letter() -> Self {
        Self {
            right: ["@".to_owned()].into(),
            ..Self::apart()
        }
    }

    fn digits(glob: &str) -> Self {
        Self {
            whole: [glob.to_owned()].into(),
            ..Self::default()
        }
    }

    fn or(mut self, other: Self) -> Self {
        self.whole.extend(other.whole);
        self.left.extend(other.left);
        self.right.extend(other.right);
        self.inner.extend(other.inner);
        self
    }

    fn then(self, next: &Self) -> Option<Self> {
        let mut inner = self.inner;
        inner.extend(next.inner.iter().cloned());
        inner.extend(
            join(&self.right, &next.left)
                .into_iter()
                .filter(|glob| glob.bytes().any(|byte| byte.is_ascii_digit())),
        );
        let mut left = join(&self.whole, &next.left);
        left.extend(self.left);
        let mut right = join(&self.right, &next.whole);
        right.extend(next.right.iter().cloned());
        let joined = Self {
            whole: join(&self.whole, &next.whole),
            left,
            right,
            inner,
        };
        let all = [&joined.whole, &joined.left, &joined.right, &joined.inner];
        all.iter()
            .all(|globs| globs.len() <= MAX_GLOBS)
            .then_some(joined)
    }

    /// Whether all digits are treated alike.
    fn is_indifferent(&self) -> bool {
        let all = [&self.whole, &self.left, &self.right, &self.inner];
        !all.iter().any(|globs| {
            globs
                .iter()
                .any(|glob| glob.bytes().any(|byte| byte.is_ascii_digit()))
        })
    }
}

fn join(left: &Globs, right: &Globs) -> Globs {
    left.iter()
        .flat_map(|a| {
            right
                .iter()
                .map(move |b| format!("{a}{b}").replace("**", "*"))
        })
        .collect()
}

fn runs(hir: &Hir) -> Option<Runs> {
    Some(match hir.kind() {
        HirKind::Empty | HirKind::Look(Look::WordAsciiNegate | Look::WordUnicodeNegate) => {
            Runs::empty()
        }
        // A word, line or text boundary is never between two digits.
        HirKind::Look(_) => Runs::apart(),
        HirKind::Literal(literal) => of_literal(&literal.0)?,
        HirKind::Class(class) => of_class(class),
        HirKind::Capture(capture) => runs(&capture.sub)?,
        HirKind::Concat(parts) => parts
            .iter()
            .try_fold(Runs::empty(), |all, part| all.then(&runs(part)?))?,
        HirKind::Alternation(parts) => {
            let mut all = Runs::default();
            for part in parts {
                all = all.or(runs(part)?);
            }
            all
        }
        HirKind::Repetition(repetition) => {
            let sub = runs(&repetition.sub)?;
            match repetition.max {
                Some(max) if max <= MAX_COUNT => {
                    let mut all = Runs::empty();
                    for count in 0..max {
                        let next = if count < repetition.min {
                            sub.clone()
                        } else {
                            sub.clone().or(Runs::empty())
                        };
                        all = all.then(&next)?;
                    }
                    all
                }
                _ if sub.is_indifferent() => endless(&sub),
                _ => return None,
            }
        }
    })
}

/// Any number of repetitions of an expression that treats all digits alike.
fn endless(sub: &Runs) -> Runs {
    let takes_digits = [&sub.whole, &sub.left, &sub.right]
        .iter()
        .any(|globs| globs.iter().any(|glob| !glob.is_empty()));
    let run = if takes_digits { "*" } else { "" };
    let all = Runs::digits(run);
    if sub.left.is_empty() && sub.right.is_empty() {
        return all;
    }
    all.or(Runs {
        left: [run.to_owned()].into(),
        right: [run.to_owned()].into(),
        ..Runs::default()
    })
}

fn of_literal(bytes: &[u8]) -> Option<Runs> {
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let of = |stretch: &[u8]| match stretch.last() {
        Some(b'0'..=b'9') => Runs::digits(&String::from_utf8_lossy(stretch)),
        Some(last) if is_letter(last) => Runs::letter(),
        _ => Runs::apart(),
    };
    bytes
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        .try_fold(Runs::empty(), |all, stretch| all.then(&of(stretch)))
}

/// The digits in a byte class; empty for a Unicode class, which the parser settings exclude.
fn digits_of(class: &Class) -> Vec<u8> {
    let Class::Bytes(class) = class else {
        return Vec::new();
    };
    let has = |byte: &u8| {
        let mut ranges = class.ranges().iter();
        ranges.any(|range| (range.start()..=range.end()).contains(byte))
    };
    (b'0'..=b'9').filter(has).collect()
}

fn of_class(class: &Class) -> Runs {
    let digits = digits_of(class);
    let Class::Bytes(class) = class else {
        return Runs::apart().or(Runs::digits("*"));
    };
    let has = |byte: u8| {
        class
            .ranges()
            .iter()
            .any(|range| (range.start()..=range.end()).contains(&byte))
    };
    let count: usize = class.ranges().iter().map(ClassBytesRange::len).sum();
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let letters = (0..128)
        .filter(is_letter)
        .filter(|letter| has(*letter))
        .count();
    let mut all = if letters > 0 {
        Runs::letter()
    } else {
        Runs::default()
    };
    if count > digits.len() + letters {
        all = all.or(Runs::apart());
    }
    if digits.len() == 10 {
        all = all.or(Runs::digits("?"));
    } else {
        all.whole
            .extend(digits.iter().map(|digit| char::from(*digit).to_string()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;
    use crate::rule::compile;
    use proptest::prelude::*;

    fn of_pattern(pattern: &str) -> Option<Globs> {
        let of: Option<Vec<Globs>> = Parsed::of(pattern).parts.iter().map(of_part).collect();
        Some(of?.into_iter().flatten().collect())
    }

    fn globs(pattern: &str) -> String {
        of_pattern(pattern).map_or("all".to_owned(), |globs| Vec::from_iter(globs).join(" "))
    }

    #[test]
    fn the_runs_that_a_pattern_tells_apart() {
        for (pattern, expected) in [
            (r"\bHTTP[ /](?:429|403)\b", "403 429"),
            (r"\b5\d\d\b", "5??"),
            (r"\b40(?:3 forbidden|1 unauthorized)", "401 403"),
            (r"code 12", "12*"),
            (r"[^\n]{0,40}429", "*429*"),
            (r"[^\n]{0,40}\b429\b", "429"),
            (r"took \d+ ms", ""),
            (r"\bpsycopg2\b|\bx509\b", ""),
            (r"\bORA-0*1\b", "all"),
            (r"\b\d{5}\b", ""),
            (r"\b08[0-9A-Z]{3}\b", "08 08? 08?? 08???"),
            (r"^404$", "404"),
        ] {
            assert_eq!(globs(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn numbers_that_nobody_reads_look_alike() {
        let numbers = Numbers::of([Parsed::of(r"\b(?:404|5\d\d)\b")].iter());
        let level = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            numbers.level(&mut bytes);
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(
            level("404 on page 17 of 503, v2"),
            "404 on page 00 of 503, v2"
        );
        assert_eq!(
            level("item 4e6f7720-6973-4865-8c2d-1f2e3d4c5b6a at 0x7f3e12345678"),
            "item 00000000-0000-0000-0000-000000000000 at 0x000000000000"
        );
        assert_eq!(level("unfaced404 4040"), "unfaced404 0000");
    }

    #[test]
    fn the_shipped_rules_let_most_numbers_look_alike() {
        let rules = load::shipped().unwrap();
        let mut loose = Vec::new();
        for rule in &rules {
            for pattern in &rule.patterns {
                let globs = of_pattern(pattern).unwrap();
                let short: Vec<String> = globs
                    .into_iter()
                    .filter(|glob| glob.contains('*'))
                    .collect();
                if !short.is_empty() {
                    loose.push(format!(
                        "{}: {pattern}: add \\b to distinguish {short:?} from longer numbers",
                        rule.id
                    ));
                }
            }
        }
        assert!(loose.is_empty(), "{}", loose.join("\n"));
    }

    proptest! {
        /// The purpose of this module: replacing numbers does not change which patterns match.
        #[test]
        fn no_pattern_notices(
            parts in prop::collection::vec("(HTTP |status=|code |error |\\(|\\.|x|/|-|page | on |: |ORA-|socks)[0-9]{0,6}", 1..8),
            pattern in prop::sample::select(vec![
                r"\bHTTP[ /](?:429|403)\b", r"\b5\d\d\b", "code 12", r"[^\n]{0,5}429", r"code (?:1[0-3]|9)\d?\b",
                r"ORA-\d+", r"x[24]|/7", r"\(\d{3}\b", r"(?:[3-5]\.){1,3}", r"socks[45]", r"[0-9]\B5", "^error [1-9]",
            ]),
        ) {
            let text = parts.concat();
            let mut levelled = text.clone().into_bytes();
            Numbers::of([Parsed::of(pattern)].iter()).level(&mut levelled);
            let regex = compile(pattern).unwrap();
            let span = |bytes: &[u8]| regex.find(bytes).map(|found| found.range());
            // Ids are always replaced, whatever the patterns require.
            if text.bytes().filter(u8::is_ascii_digit).count() < ID_LENGTH {
                prop_assert_eq!(span(text.as_bytes()), span(&levelled), "{} on {}", pattern, text);
            }
        }
    }
}
