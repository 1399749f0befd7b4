//! Applies many rules to an error and returns one verdict.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeSet;
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

/// Maximum number of bytes read of each text.
const MAX_TEXT: usize = 8 << 10;
/// Maximum number of causes read, outermost first.
const MAX_CAUSES: usize = 32;

/// A set of rules. They are compiled at the first error, because a report on unchanged logs classifies none.
#[derive(Debug)]
pub struct RuleSet {
    /// Unique id of this rule set within the process.
    id: u64,
    rules: Vec<Rule>,
    compiled: OnceLock<Compiled>,
    context: Context,
}

#[derive(Debug)]
struct Compiled {
    /// The sources that each rule reads.
    reads: Vec<Sources>,
    /// The sources that at least one rule reads.
    any_reads: Sources,
    texts: Matcher,
    /// The numbers that the patterns of `texts` distinguish.
    numbers: Numbers,
    /// The patterns of the rules that read the HTTP status.
    statuses: Matcher,
    /// For each HTTP status, the rules that match it, best first; computed at the first status.
    by_status: OnceLock<Vec<Box<[usize]>>>,
}

/// A rule that matched.
#[derive(Clone, Debug)]
pub struct Hit<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// The number of the matched cause, from 1; 0 is the error itself.
    pub depth: usize,
    /// The text that the rule was matched against.
    pub text: String,
    /// The byte range of the match in the text.
    pub span: Range<usize>,
}

/// A bit set of the parts of an error that texts come from.
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

/// An error's texts, concatenated in a buffer that is reused between errors.
#[derive(Debug, Default)]
struct Scratch {
    buffer: String,
    /// The buffer with zeros in place of the numbers that no pattern distinguishes; patterns run on this.
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

/// A rule that may match. The greatest candidate is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    priority: i32,
    /// The depth of the cause, where deeper is better; 0 is the error itself.
    depth: usize,
    /// The rule and pattern indices; earlier ones compare as greater.
    order: Reverse<(usize, usize)>,
    /// The index in [`Scratch::texts`]; `None` for the status.
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

/// Parses the patterns of each rule, on two threads.
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

/// Runs two functions in parallel. When two threads read logs, both meet their first error at about the same time,
/// and one would otherwise sit idle while the other compiles the rules.
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
    /// Never: a test parses and compiles them.
    pub fn shipped() -> Self {
        Self::new(load::shipped().expect("a test parses the shipped rules"))
    }

    /// Reads rule files instead of the shipped ones.
    ///
    /// # Errors
    /// If a file cannot be read or is not a valid rule file, or if a pattern is invalid or too large.
    /// The error names the file and the position.
    pub fn from_files(paths: &[impl AsRef<Path>]) -> Result<Self, RulesError> {
        Ok(Self::new(load::files(paths)?))
    }

    /// Reads rule files in addition to the shipped ones. A user's rule replaces the shipped rule with
    /// the same id and wins against shipped rules of equal priority.
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

    /// Replaces the context.
    #[must_use]
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// A hash of the rules and the context, that is, of everything that determines verdicts.
    pub fn identity(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(format!("{:?}\n{:?}", self.rules, self.context).as_bytes())
    }

    /// The rules, in file order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules with these ids as the text of a rule file, without their tests; for [`RuleSet::from_texts`].
    ///
    /// # Errors
    /// If a rule cannot be written, which would be a bug.
    pub fn text_of(&self, ids: &BTreeSet<&str>) -> Result<String, toml::ser::Error> {
        let wanted = self.rules.iter().filter(|rule| ids.contains(&*rule.id));
        let bare = |rule: &Rule| Rule {
            tests: rule::RuleTests::default(),
            ..rule.clone()
        };
        rule::text_of(wanted.map(bare).collect())
    }

    /// The recommendation of the rule with this id, if it has one.
    pub fn recommendation(&self, rule: &str) -> Option<&str> {
        let rule = self.rules.iter().find(|candidate| candidate.id == rule)?;
        Some(rule.recommendation.as_str()).filter(|text| !text.is_empty())
    }

    /// Converts a text to an error: `Type: message` if the left part looks like a type, otherwise a message.
    pub fn error_of_text(text: &str) -> ErrorText<'_> {
        rule::test_error(text)
    }

    /// Every rule that matches, best first, with the matched text.
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

    /// Collects the rules that may match, best first.
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

    /// The rules that match a status, best first.
    fn of_status(&self, status: u16) -> Option<&[usize]> {
        let all = self
            .compiled()
            .by_status
            .get_or_init(|| statuses(&self.compiled().statuses));
        all.get(usize::from(status)).map(Box::as_ref)
    }

    /// Finds the best candidate that matches, and the best other category.
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
            // The runner-up from the rule file takes precedence over a match of a weaker rule.
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

    /// Returns the cached decision for the error, or makes a new one.
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
    /// Copies those of the error's texts into the buffer that at least one rule reads.
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
        // No rule matched. Until a rule exists, treat the error like a failed page.
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

/// Precomputes the matching rules for each of the few possible statuses.
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

/// The part of a traceback where the error was raised: the end in Python, the start in other languages.
fn innermost(traceback: &str) -> &str {
    if traceback.trim_start().starts_with("Traceback") {
        &traceback[traceback.ceil_char_boundary(traceback.len().saturating_sub(MAX_TEXT))..]
    } else {
        clipped(traceback)
    }
}

#[cfg(test)]
mod tests;
