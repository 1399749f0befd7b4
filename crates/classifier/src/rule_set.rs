//! Many rules, one verdict.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use dragline_schema::{Classify, ErrorCategory, ErrorText, Severity, Verdict};

use crate::context::Context;
use crate::literal::Parsed;
use crate::load;
use crate::matcher::{Candidates, Matcher};
use crate::memory::{self, Decision, Memory};
use crate::numbers::Numbers;
use crate::rule::{self, Field, Rule, RulesError};

/// Of each text so many bytes are looked at; what follows is not.
const MAX_TEXT: usize = 8 << 10;
/// So many causes are looked at, the outermost first.
const MAX_CAUSES: usize = 32;

/// Rules, compiled when the first error is met: a report on logs that did not change meets none.
#[derive(Debug)]
pub struct RuleSet {
    /// Which rule set this is, of all in the process.
    id: u64,
    rules: Vec<Rule>,
    compiled: OnceLock<Compiled>,
    context: Context,
}

#[derive(Debug)]
struct Compiled {
    /// What each rule reads.
    reads: Vec<Sources>,
    /// What any rule reads.
    any_reads: Sources,
    texts: Matcher,
    /// The numbers that the texts' patterns tell apart.
    numbers: Numbers,
    /// The patterns of the rules that read the status.
    statuses: Matcher,
    /// For each HTTP status, the rules that match it, the best first; known when one is met first.
    by_status: OnceLock<Vec<Box<[usize]>>>,
}

/// A rule that matched.
#[derive(Clone, Debug)]
pub struct Hit<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Which cause it matched, from 1; 0 is the error itself.
    pub depth: usize,
    /// The text that it looked at.
    pub text: String,
    /// The piece of it that matched, in bytes.
    pub span: Range<usize>,
}

/// Places where texts of an error come from, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sources(u8);

impl Sources {
    const NONE: Self = Self(0);
    /// `Type: message`.
    const WHOLE: Self = Self(1);
    const TYPE: Self = Self(2);
    const MESSAGE: Self = Self(4);
    const CAUSE: Self = Self(8);
    const STATUS: Self = Self(16);
    const TRACEBACK: Self = Self(32);
    const URL: Self = Self(64);

    fn of(rule: &Rule) -> Self {
        let has = |field| rule.fields.contains(&field);
        let of_error = match (has(Field::Type), has(Field::Message)) {
            (true, true) => Self::WHOLE,
            (true, false) => Self::TYPE,
            (false, true) => Self::MESSAGE,
            (false, false) => Self::NONE,
        };
        let others = [
            (Field::Cause, Self::CAUSE),
            (Field::Status, Self::STATUS),
            (Field::Traceback, Self::TRACEBACK),
            (Field::Url, Self::URL),
        ];
        let others = others.into_iter().filter(|(field, _)| has(*field));
        others.fold(of_error, |all, (_, source)| all.and(source))
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// An error's texts, one after the other in a buffer that is kept between errors.
#[derive(Debug, Default)]
struct Scratch {
    buffer: String,
    /// The buffer with zeros for numbers that no pattern tells apart; this is what is matched.
    levelled: Vec<u8>,
    texts: Vec<Text>,
    candidates: Candidates,
    found: Vec<Candidate>,
    memory: Memory,
}

#[derive(Clone, Debug)]
struct Text {
    range: Range<usize>,
    sources: Sources,
    depth: usize,
}

/// A rule that may have matched; the greatest is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    priority: i32,
    /// The deeper the cause the better; 0 is the error itself.
    depth: usize,
    /// Earlier rules are greater, earlier patterns of a rule too.
    order: Reverse<(usize, usize)>,
    /// The place in [`Scratch::texts`]; `None` is the status.
    text: Option<usize>,
}

impl Candidate {
    fn rule(self) -> usize {
        self.order.0.0
    }

    fn pattern(self) -> usize {
        self.order.0.1
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Compiled {
    fn of(rules: &[Rule]) -> Self {
        let reads: Vec<Sources> = rules.iter().map(Sources::of).collect();
        let mut order: Vec<usize> = (0..rules.len()).collect();
        order.sort_by_key(|rule| (Reverse(rules[*rule].priority), *rule));
        let of = |sources: Sources| -> Vec<usize> {
            let takes = |rule: &usize| reads[*rule].meets(sources);
            order.iter().copied().filter(takes).collect()
        };
        let not_status = Sources(!Sources::STATUS.0);
        let parsed = parsed(rules);
        let (texts, (numbers, statuses)) = both(
            || Matcher::new(rules, &parsed, &of(not_status)),
            || {
                let statuses = Matcher::new(rules, &parsed, &of(Sources::STATUS));
                (Numbers::of(parsed.iter().flatten()), statuses)
            },
        );
        Self {
            numbers,
            texts,
            statuses,
            by_status: OnceLock::new(),
            any_reads: reads.iter().fold(Sources::NONE, |all, own| all.and(*own)),
            reads,
        }
    }
}

/// The patterns of each rule.
fn parsed(rules: &[Rule]) -> Vec<Vec<Parsed>> {
    let of = |rules: &[Rule]| -> Vec<Vec<Parsed>> {
        let patterns = rules.iter().map(|rule| rule.patterns.iter());
        let each = patterns.map(|patterns| patterns.map(|text| Parsed::of(text)).collect());
        each.collect()
    };
    let (first, second) = rules.split_at(rules.len() / 2);
    let (mut first, second) = both(|| of(first), || of(second));
    first.extend(second);
    first
}

/// Does two things at once: whoever reads logs in two threads meets the first error in both, and one would wait
/// for the other to compile the rules.
fn both<A, B: Send>(first: impl FnOnce() -> A, second: impl FnOnce() -> B + Send) -> (A, B) {
    std::thread::scope(|scope| {
        let second = scope.spawn(second);
        let first = first();
        let second = second.join();
        (
            first,
            second.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    })
}

impl RuleSet {
    /// The rules that come with Dragline.
    ///
    /// # Panics
    /// Never: a test reads and compiles them.
    pub fn shipped() -> Self {
        Self::new(load::shipped().expect("the shipped rules are rule files, as a test shows"))
    }

    /// Reads rule files instead of the shipped ones.
    ///
    /// # Errors
    /// When a file cannot be read or is no rule file, or a pattern no regular expression or too
    /// large; the error names the file and the place.
    pub fn from_files(paths: &[impl AsRef<Path>]) -> Result<Self, RulesError> {
        Ok(Self::new(load::files(paths)?))
    }

    /// Reads rule files beside the shipped ones: a rule with the id of a shipped one replaces it,
    /// and among rules of equal priority the user's wins.
    ///
    /// # Errors
    /// As [`RuleSet::from_files`].
    pub fn shipped_and(paths: &[impl AsRef<Path>]) -> Result<Self, RulesError> {
        Ok(Self::new(load::shipped_beside(load::files(paths)?)?))
    }

    /// Reads rules from `(name, text)` pairs.
    ///
    /// # Errors
    /// As [`RuleSet::from_files`].
    pub fn from_texts(files: &[(String, String)]) -> Result<Self, RulesError> {
        Ok(Self::new(load::texts(files)?))
    }

    fn new(rules: Vec<Rule>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            rules,
            compiled: OnceLock::new(),
            context: Context::default(),
        }
    }

    fn compiled(&self) -> &Compiled {
        self.compiled.get_or_init(|| Compiled::of(&self.rules))
    }

    /// The same rules in another context.
    #[must_use]
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// A hash of everything that verdicts depend on.
    pub fn identity(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(format!("{:?}\n{:?}", self.rules, self.context).as_bytes())
    }

    /// The rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What the operator should do about errors of that rule.
    pub fn recommendation(&self, rule: &str) -> Option<&str> {
        let rule = self.rules.iter().find(|candidate| candidate.id == rule)?;
        Some(rule.recommendation.as_str()).filter(|text| !text.is_empty())
    }

    /// A text as an error: `Type: message` when the left part looks like a type, a message otherwise.
    pub fn error_of_text(text: &str) -> ErrorText<'_> {
        rule::test_error(text)
    }

    /// Every rule that matches, the best first, with the place that it matched.
    pub fn explain(&self, error: &ErrorText<'_>) -> Vec<Hit<'_>> {
        let mut hits: Vec<Hit<'_>> = Vec::new();
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.read(error, self.compiled().any_reads, &self.compiled().numbers);
            self.collect(scratch, error.status_code);
            for candidate in &scratch.found {
                let rule = &self.rules[candidate.rule()];
                let depth = candidate.depth;
                if hits
                    .iter()
                    .any(|hit| hit.rule.id == rule.id && hit.depth == depth)
                {
                    continue;
                }
                let (text, span) = if let Some(index) = candidate.text {
                    let range = scratch.texts[index].range.clone();
                    let levelled = &scratch.levelled[range.clone()];
                    let Some(span) = self.compiled().texts.find(candidate.pattern(), levelled)
                    else {
                        continue;
                    };
                    (scratch.buffer[range].to_owned(), span)
                } else {
                    let text = error.status_code.unwrap_or_default().to_string();
                    let whole = 0..text.len();
                    (text, whole)
                };
                hits.push(Hit {
                    rule,
                    depth,
                    text,
                    span,
                });
            }
        });
        hits
    }

    /// What may match, the best first.
    fn collect(&self, scratch: &mut Scratch, status: Option<u16>) {
        let Scratch {
            levelled,
            texts,
            candidates,
            found,
            ..
        } = scratch;
        found.clear();
        for (index, text) in texts.iter().enumerate() {
            self.compiled()
                .texts
                .candidates(&levelled[text.range.clone()], candidates);
            let reads = |pattern: &usize| {
                self.compiled().reads[self.compiled().texts.rule_of(*pattern)].meets(text.sources)
            };
            found.extend(candidates.iter().filter(reads).map(|pattern| {
                let rule = self.compiled().texts.rule_of(pattern);
                Candidate {
                    priority: self.rules[rule].priority,
                    depth: text.depth,
                    order: Reverse((rule, pattern)),
                    text: Some(index),
                }
            }));
        }
        let matching = status.and_then(|status| self.of_status(status));
        found.extend(matching.unwrap_or_default().iter().map(|rule| Candidate {
            priority: self.rules[*rule].priority,
            depth: 0,
            order: Reverse((*rule, 0)),
            text: None,
        }));
        found.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// The rules that match a status, the best first.
    fn of_status(&self, status: u16) -> Option<&[usize]> {
        let all = self
            .compiled()
            .by_status
            .get_or_init(|| statuses(&self.compiled().statuses));
        all.get(usize::from(status)).map(Box::as_ref)
    }

    /// The best of the candidates that match, and the category of the best other one.
    fn decide(&self, scratch: &Scratch) -> Decision {
        let mut decision = Decision::default();
        for candidate in &scratch.found {
            let rule = &self.rules[candidate.rule()];
            let best = decision.rule.map(|best| self.rules[best as usize].category);
            if best == Some(rule.category) {
                continue;
            }
            let matches = |index: usize| {
                let text = &scratch.levelled[scratch.texts[index].range.clone()];
                self.compiled().texts.is_match(candidate.pattern(), text)
            };
            if !candidate.text.is_none_or(matches) {
                continue;
            }
            if best.is_some() {
                decision.runner_up = Some(rule.category);
                break;
            }
            // What the rule's author says goes before what a weaker rule happens to match.
            decision = Decision {
                rule: Some(candidate.rule() as u32),
                runner_up: rule.runner_up,
            };
            if decision.runner_up.is_some() {
                break;
            }
        }
        decision
    }

    /// What was decided of the error, now or lately.
    fn decision(&self, error: &ErrorText<'_>) -> Decision {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.read(error, self.compiled().any_reads, &self.compiled().numbers);
            scratch.memory.for_rules(self.id);
            let lengths = scratch
                .texts
                .iter()
                .map(|text| (text.sources.0, text.range.len()));
            let key = memory::key(&scratch.levelled, lengths, error.status_code);
            if let Some(decision) = scratch.memory.get(key) {
                return decision;
            }
            self.collect(scratch, error.status_code);
            let decision = self.decide(scratch);
            scratch.memory.put(key, decision);
            decision
        })
    }
}

impl Scratch {
    /// Lays out those of the error's texts that are read by anyone.
    fn read(&mut self, error: &ErrorText<'_>, read: Sources, numbers: &Numbers) {
        self.buffer.clear();
        self.texts.clear();
        let (error_type, message) = (clipped(&error.error_type), clipped(&error.message));
        if error_type.is_empty() {
            self.add(Sources::WHOLE.and(Sources::MESSAGE), 0, "", message);
        } else {
            self.add(Sources::WHOLE, 0, error_type, message);
            if read.meets(Sources::TYPE) {
                self.add(Sources::TYPE, 0, "", error_type);
            }
            if read.meets(Sources::MESSAGE) {
                self.add(Sources::MESSAGE, 0, "", message);
            }
        }
        if read.meets(Sources::CAUSE) {
            for (index, cause) in error.causes.iter().take(MAX_CAUSES).enumerate() {
                let (error_type, message) =
                    (clipped(&cause.error_type), clipped(&cause.error_message));
                self.add(Sources::CAUSE, index + 1, error_type, message);
            }
        }
        if read.meets(Sources::TRACEBACK)
            && let Some(traceback) = error.traceback
        {
            self.add(Sources::TRACEBACK, 0, "", innermost(traceback));
        }
        if read.meets(Sources::URL)
            && let Some(url) = error.url
        {
            self.add(Sources::URL, 0, "", clipped(url));
        }
        self.levelled.clear();
        self.levelled.extend_from_slice(self.buffer.as_bytes());
        numbers.level(&mut self.levelled);
    }

    fn add(&mut self, sources: Sources, depth: usize, error_type: &str, message: &str) {
        let start = self.buffer.len();
        self.buffer.push_str(error_type);
        if !error_type.is_empty() && !message.is_empty() {
            self.buffer.push_str(": ");
        }
        self.buffer.push_str(message);
        let range = start..self.buffer.len();
        self.texts.push(Text {
            range,
            sources,
            depth,
        });
    }
}

impl Classify for RuleSet {
    fn classify(&self, error: &ErrorText<'_>) -> Verdict<'_> {
        let decided = self.decision(error);
        let rule = decided.rule.map(|rule| &self.rules[rule as usize]);
        // Nobody knows it: worth a rule, and in the meantime as bad as a failed page.
        let severity = rule.map_or(Severity::Medium, |rule| rule.severity);
        let (severity, adjustments) = self.context.adjust(severity, error);
        Verdict {
            category: rule.map_or(ErrorCategory::Unknown, |rule| rule.category),
            sub_category: rule.map_or("", |rule| rule.sub_category.as_str()),
            severity,
            rule: rule.map(|rule| rule.id.as_str()),
            runner_up: decided.runner_up,
            matched: None,
            adjustments,
        }
    }
}

/// Statuses are few, so what matches them is known beforehand.
fn statuses(matcher: &Matcher) -> Vec<Box<[usize]>> {
    let mut candidates = Candidates::default();
    let mut matching = |status: u16| -> Box<[usize]> {
        let text = status.to_string();
        matcher.candidates(text.as_bytes(), &mut candidates);
        let matches = |pattern: &usize| matcher.find(*pattern, text.as_bytes()).is_some();
        let mut rules: Vec<usize> = candidates
            .iter()
            .filter(matches)
            .map(|pattern| matcher.rule_of(pattern))
            .collect();
        rules.dedup();
        rules.into()
    };
    (0..1000)
        .map(|status| {
            if status < 100 {
                Box::default()
            } else {
                matching(status)
            }
        })
        .collect()
}

fn clipped(text: &str) -> &str {
    dragline_schema::clip(text, MAX_TEXT)
}

/// The part of a traceback where the error was raised: Python's end, other languages' beginning.
fn innermost(traceback: &str) -> &str {
    if traceback.trim_start().starts_with("Traceback") {
        &traceback[traceback.ceil_char_boundary(traceback.len().saturating_sub(MAX_TEXT))..]
    } else {
        clipped(traceback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dragline_schema::{Adjustment, Cause};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::shipped);

    #[test]
    fn the_shipped_rules_pass_their_own_tests() {
        let failures = RULES.failing_tests();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        let tested = RULES
            .rules()
            .iter()
            .filter(|rule| !rule.tests.matching.is_empty())
            .count();
        assert_eq!(
            tested,
            RULES.rules().len(),
            "every rule says what it is for"
        );
    }

    #[test]
    fn the_shipped_patterns_compile() {
        for rule in load::shipped().unwrap() {
            if let Err(error) = rule.check_patterns() {
                panic!("{}: {error}", rule.id);
            }
        }
    }

    #[test]
    fn a_root_cause_outranks_its_symptom() {
        let error = ErrorText {
            error_type: "shop.errors.PageError".into(),
            message: "page 3 could not be read".into(),
            causes: vec![Cause {
                error_type: "httpcore.ReadTimeout".into(),
                error_message: "The read operation timed out".into(),
            }],
            ..ErrorText::default()
        };
        let verdict = RULES.classify(&error);
        assert_eq!(
            (verdict.category, verdict.sub_category),
            (ErrorCategory::Network, "timeout")
        );
    }

    #[test]
    fn a_rule_reads_only_its_fields() {
        let rule = |id: &str, fields: &str| {
            format!(
                "[[rule]]\nid='{id}'\ncategory='network'\nsub_category='x'\nseverity='low'\nfields=[{fields}]\npatterns=['bad']\n"
            )
        };
        let winner = |fields: &str, error: &ErrorText<'_>| {
            let rules = RuleSet::from_texts(&[("r".into(), rule("a", fields))]).unwrap();
            rules.classify(error).rule.is_some()
        };
        let error =
            |error_type: &'static str, message: &'static str, cause: &'static str| ErrorText {
                error_type: error_type.into(),
                message: message.into(),
                causes: vec![Cause {
                    error_message: cause.into(),
                    ..Cause::default()
                }],
                ..ErrorText::default()
            };
        for (fields, in_type, in_message, in_cause) in [
            ("'type','message','cause'", true, true, true),
            ("'type'", true, false, false),
            ("'message'", false, true, false),
            ("'cause'", false, false, true),
            ("'status'", false, false, false),
            ("'url','traceback'", false, false, false),
        ] {
            assert_eq!(winner(fields, &error("Bad", "x", "x")), in_type, "{fields}");
            assert_eq!(
                winner(fields, &error("X", "bad", "x")),
                in_message,
                "{fields}"
            );
            assert_eq!(
                winner(fields, &error("", "bad", "x")),
                in_message,
                "{fields}"
            );
            assert_eq!(
                winner(fields, &error("X", "x", "bad")),
                in_cause,
                "{fields}"
            );
        }
    }

    #[test]
    fn context_reaches_the_verdict() {
        let context = Context {
            critical_sites: ["shop".to_owned()].into(),
            ..Context::default()
        };
        let rules = RuleSet::shipped().with_context(context);
        let error = ErrorText {
            message: "nobody knows what".into(),
            site: Some("shop"),
            ..ErrorText::default()
        };
        let verdict = rules.classify(&error);
        assert_eq!(verdict.severity, Severity::High);
        assert_eq!(verdict.adjustments, [Adjustment::SitePriority]);
    }

    #[test]
    fn rules_read_urls_tracebacks_and_statuses() {
        let rule = |id: &str, field: &str, pattern: &str| {
            format!(
                "[[rule]]\nid='{id}'\ncategory='network'\nsub_category='x'\nseverity='low'\nfields=['{field}']\npatterns=['{pattern}']\n"
            )
        };
        let text = [
            rule("u", "url", "/login\\b"),
            rule("t", "traceback", "in parse_price"),
            rule("s", "status", "^5\\d\\d$"),
        ];
        let rules = RuleSet::from_texts(&[("r".into(), text.concat())]).unwrap();
        let winner = |error: ErrorText<'_>| rules.classify(&error).rule.map(str::to_owned);
        let error = ErrorText::default;
        assert_eq!(
            winner(ErrorText {
                url: Some("https://x.test/login?a"),
                ..error()
            })
            .as_deref(),
            Some("u")
        );
        let frames = "Traceback (most recent call last):\n  File \"a.py\", line 3, in parse_price\nValueError: x";
        assert_eq!(
            winner(ErrorText {
                traceback: Some(frames),
                ..error()
            })
            .as_deref(),
            Some("t")
        );
        assert_eq!(
            winner(ErrorText {
                status_code: Some(503),
                ..error()
            })
            .as_deref(),
            Some("s")
        );
        assert_eq!(
            winner(ErrorText {
                status_code: Some(404),
                message: "503 in parse_price /login".into(),
                ..error()
            }),
            None
        );
    }

    #[test]
    fn faults_in_rule_files_are_named_with_their_place() {
        let error = |text: &str| {
            RuleSet::from_texts(&[("mine.toml".into(), text.into())])
                .unwrap_err()
                .to_string()
        };
        let rule = |rest: &str| {
            format!(
                "[[rule]]\nid='x'\ncategory='network'\nsub_category='y'\nseverity='low'\n{rest}"
            )
        };
        assert!(error(&rule("patterns=['a(b']")).contains("unclosed group"));
        assert!(error(&rule("patterns=['a']\npriorty=3")).contains("priorty"));
        assert!(error(&rule("patterns=[]")).contains("could never win"));
        assert!(error("[[rule]]\nid='x'\ncategory='nature'").contains("nature"));
        let twice = format!("{0}patterns=['a']\n{0}patterns=['b']\n", rule(""));
        assert!(error(&twice).contains("a rule x already"));
    }

    proptest! {
        #[test]
        fn digits_and_hex_in_a_benign_message_change_nothing(
            number in 0u64..100_000,
            hex in "[0-9a-f]{3,40}",
            status in 100u16..600,
        ) {
            for message in [
                format!("order {number} was moved to shelf {status}"),
                format!("price is {number}.{status} for sku {status}-{number}"),
                format!("listening on 127.0.0.1:{status}"),
                format!("object {hex} was seen"),
            ] {
                let error = ErrorText { message: message.clone().into(), ..ErrorText::default() };
                prop_assert_eq!(RULES.classify(&error).rule, None, "{}", message);
            }
        }
    }
}
