//! Many rules, one verdict.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use dragline_schema::{Adjustment, Cause, Classify, ErrorCategory, ErrorText, Severity, Verdict};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::rule::{self, Field, Rule, RulesError};

/// The shipped rules, in the order that decides between equals.
const SHIPPED: [(&str, &str); 8] = [
    ("network.toml", include_str!("../rules/network.toml")),
    ("rate_limit.toml", include_str!("../rules/rate_limit.toml")),
    (
        "authentication.toml",
        include_str!("../rules/authentication.toml"),
    ),
    (
        "site_change.toml",
        include_str!("../rules/site_change.toml"),
    ),
    ("parsing.toml", include_str!("../rules/parsing.toml")),
    ("database.toml", include_str!("../rules/database.toml")),
    ("system.toml", include_str!("../rules/system.toml")),
    ("unknown.toml", include_str!("../rules/unknown.toml")),
];

/// A text of this size is looked at; what follows is not.
const MAX_TEXT: usize = 8 << 10;

/// What raises severities.
#[derive(Debug, Clone)]
pub struct Context {
    /// More failures in a row than this raise a severity to high. Default 5.
    pub consecutive_failures: u64,
    /// Sites whose errors are one step worse (low → medium → high).
    pub critical_sites: BTreeSet<String>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            critical_sites: BTreeSet::new(),
        }
    }
}

/// Compiled rules.
///
/// Patterns are matched against bytes, with ASCII classes: log messages are ASCII where rules look,
/// and Unicode tables would make the automata many times as large.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// Each rule's patterns as one, to find the piece of text; compiled when first needed.
    regexes: Vec<OnceLock<Option<Regex>>>,
    /// The rules that read texts, and those that read the status.
    texts: Group,
    status: Group,
    context: Context,
}

/// Rules that are matched together.
#[derive(Debug)]
struct Group {
    set: RegexSet,
    /// For each regex in the set, its rule.
    rules: Vec<usize>,
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

/// How well a rule matched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    priority: i32,
    /// The deeper the cause the better; 0 is the error itself.
    depth: usize,
    /// Earlier rules are greater.
    order: std::cmp::Reverse<usize>,
}

impl RuleSet {
    /// The rules that come with Dragline.
    ///
    /// # Panics
    /// Never: a test compiles them.
    pub fn shipped() -> Self {
        let files = SHIPPED.map(|(name, text)| (name.to_owned(), text.to_owned()));
        Self::from_texts(&files).expect("the shipped rules compile, as a test shows")
    }

    /// Reads rule files instead of the shipped ones.
    ///
    /// # Errors
    /// When a file cannot be read or is no rule file; the error names it and the place.
    pub fn from_files(paths: &[impl AsRef<Path>]) -> Result<Self, RulesError> {
        Self::from_texts(&read_files(paths)?)
    }

    /// Reads rule files beside the shipped ones: a rule with the id of a shipped one replaces it.
    ///
    /// # Errors
    /// As [`RuleSet::from_files`].
    pub fn shipped_and(paths: &[impl AsRef<Path>]) -> Result<Self, RulesError> {
        let own = read_files(paths)?;
        let mut rules = parse_all(&own)?;
        let ids: BTreeSet<String> = rules.iter().map(|(rule, _)| rule.id.clone()).collect();
        let files = SHIPPED.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let shipped = parse_all(&files)?;
        // Among equals the user's rule wins.
        rules.extend(
            shipped
                .into_iter()
                .filter(|(rule, _)| !ids.contains(&rule.id)),
        );
        Self::compile(rules)
    }

    /// Compiles rules from `(name, text)` pairs.
    ///
    /// # Errors
    /// As [`RuleSet::from_files`].
    pub fn from_texts(files: &[(String, String)]) -> Result<Self, RulesError> {
        Self::compile(parse_all(files)?)
    }

    /// Compiles rules, each with its file.
    fn compile(rules: Vec<(Rule, String)>) -> Result<Self, RulesError> {
        let (rules, origins): (Vec<Rule>, Vec<String>) = rules.into_iter().unzip();
        let reads_text = |rule: &Rule| rule.fields.iter().any(|field| *field != Field::Status);
        let reads_status = |rule: &Rule| rule.fields.contains(&Field::Status);
        let groups = Group::new(&rules, reads_text)
            .and_then(|texts| Ok((texts, Group::new(&rules, reads_status)?)));
        let (texts, status) = groups.map_err(|error| culprit(&rules, &origins, error))?;
        Ok(Self {
            regexes: rules.iter().map(|_| OnceLock::new()).collect(),
            rules,
            texts,
            status,
            context: Context::default(),
        })
    }

    /// The same rules in another context.
    #[must_use]
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = context;
        self
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

    /// Runs the rules' own tests; gives a sentence for each that fails.
    pub fn failing_tests(&self) -> Vec<String> {
        self.faults(|_| true)
    }

    /// What is wrong with some of the rules, beside all others: a sentence for each of their tests
    /// that fails, for a rule that never wins what it is for, and for one that does not say what
    /// that is.
    pub fn faults(&self, of: impl Fn(&Rule) -> bool) -> Vec<String> {
        let winner = |text: &str| {
            self.classify(&rule::test_error(text))
                .rule
                .map(str::to_owned)
        };
        let mut failures = Vec::new();
        for rule in self.rules.iter().filter(|rule| of(rule)) {
            let tests = &rule.tests.matching;
            if tests.is_empty() {
                failures.push(format!(
                    "{}: has no text in tests.match that it must win",
                    rule.id
                ));
            }
            let lost: Vec<_> = tests
                .iter()
                .map(|text| (text, winner(text)))
                .filter(|(_, won)| won.as_deref() != Some(&rule.id))
                .collect();
            if lost.len() > 1 && lost.len() == tests.len() {
                failures.push(format!(
                    "{}: cannot be reached, others win all of its texts: raise its priority (it is {})",
                    rule.id, rule.priority
                ));
            }
            for (text, won) in lost {
                let won = won.as_deref().unwrap_or("no rule");
                failures.push(format!("{}: must win {text:?}, but {won} does", rule.id));
            }
            for text in &rule.tests.no_match {
                if winner(text).as_deref() == Some(&rule.id) {
                    failures.push(format!("{}: must not win {text:?}", rule.id));
                }
            }
        }
        failures
    }

    /// A text as an error: `Type: message` when the left part looks like a type, a message otherwise.
    pub fn error_of_text(text: &str) -> ErrorText<'_> {
        rule::test_error(text)
    }

    /// Every rule that matches, the best first, with the place that it matched.
    pub fn explain(&self, error: &ErrorText<'_>) -> Vec<Hit<'_>> {
        let mut hits: Vec<(Rank, Hit<'_>)> = Vec::new();
        self.matches(error, |index, depth, text| {
            let rule = &self.rules[index];
            let order = std::cmp::Reverse(index);
            let priority = rule.priority;
            let span = self.span(index, text).unwrap_or(0..0);
            let hit = Hit {
                rule,
                depth,
                text: text.clone().into_owned(),
                span,
            };
            hits.push((
                Rank {
                    priority,
                    depth,
                    order,
                },
                hit,
            ));
        });
        hits.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        hits.into_iter().map(|(_, hit)| hit).collect()
    }

    /// Calls `found` with each rule that matches, the depth of the cause, and the text.
    fn matches<'t>(
        &self,
        error: &'t ErrorText<'_>,
        mut found: impl FnMut(usize, usize, &Cow<'t, str>),
    ) {
        let mut look = |group: &Group, text: Cow<'t, str>, depth, reads: &dyn Fn(&Rule) -> bool| {
            for matched in group.set.matches(text.as_bytes()) {
                let rule = group.rules[matched];
                if reads(&self.rules[rule]) {
                    found(rule, depth, &text);
                }
            }
        };
        let has = |rule: &Rule, field| rule.fields.contains(&field);
        let reads = |rule: &Rule, types, messages| {
            has(rule, Field::Type) == types && has(rule, Field::Message) == messages
        };
        let whole = joined(&error.error_type, &error.message);
        if error.error_type.is_empty() {
            look(&self.texts, whole, 0, &|rule| has(rule, Field::Message));
        } else {
            look(&self.texts, whole, 0, &|rule| reads(rule, true, true));
            // Few rule files have rules that read one of the two alone.
            if self.rules.iter().any(|rule| reads(rule, true, false)) {
                let error_type = Cow::Borrowed(&*error.error_type);
                look(&self.texts, error_type, 0, &|rule| reads(rule, true, false));
            }
            if self.rules.iter().any(|rule| reads(rule, false, true)) {
                let message = Cow::Borrowed(clipped(&error.message));
                look(&self.texts, message, 0, &|rule| reads(rule, false, true));
            }
        }
        for (index, cause) in error.causes.iter().enumerate() {
            let Cause {
                error_type,
                error_message,
            } = cause;
            let text = joined(error_type, error_message);
            look(&self.texts, text, index + 1, &|rule| {
                has(rule, Field::Cause)
            });
        }
        if let Some(status) = error.status_code {
            look(&self.status, Cow::Owned(status.to_string()), 0, &|_| true);
        }
    }

    /// The piece of the text that the rule matched.
    fn matched(&self, rule: usize, text: &str) -> Option<String> {
        let span = self.span(rule, text)?;
        Some(String::from_utf8_lossy(&text.as_bytes()[span]).into_owned())
    }

    /// Where in the text the rule matches, in bytes.
    fn span(&self, rule: usize, text: &str) -> Option<Range<usize>> {
        let regex = self.regexes[rule].get_or_init(|| compile(&any_of(&self.rules[rule])).ok());
        Some(regex.as_ref()?.find(text.as_bytes())?.range())
    }

    fn adjust(&self, severity: Severity, error: &ErrorText<'_>) -> (Severity, Vec<Adjustment>) {
        let mut raised = severity;
        let mut adjustments = Vec::new();
        let failures = error.consecutive_failures.unwrap_or(0);
        if failures > self.context.consecutive_failures && raised < Severity::High {
            raised = Severity::High;
            adjustments.push(Adjustment::ConsecutiveFailures);
        }
        if error
            .site
            .is_some_and(|site| self.context.critical_sites.contains(site))
        {
            let worse = match raised {
                Severity::Low => Severity::Medium,
                Severity::Medium | Severity::High => Severity::High,
                Severity::Critical => Severity::Critical,
            };
            if worse > raised {
                raised = worse;
                adjustments.push(Adjustment::SitePriority);
            }
        }
        (raised, adjustments)
    }
}

impl Classify for RuleSet {
    fn classify(&self, error: &ErrorText<'_>) -> Verdict<'_> {
        let mut best: Option<(Rank, usize, Cow<'_, str>)> = None;
        let mut hits: Vec<(Rank, usize)> = Vec::new();
        self.matches(error, |rule, depth, text| {
            let order = std::cmp::Reverse(rule);
            let rank = Rank {
                priority: self.rules[rule].priority,
                depth,
                order,
            };
            hits.push((rank, rule));
            if best.as_ref().is_none_or(|(held, ..)| rank > *held) {
                best = Some((rank, rule, text.clone()));
            }
        });
        let Some((_, winner, text)) = best else {
            // Nobody knows it: worth a rule, and in the meantime as bad as a failed page.
            let (severity, adjustments) = self.adjust(Severity::Medium, error);
            return Verdict {
                category: ErrorCategory::Unknown,
                sub_category: "",
                severity,
                rule: None,
                matched: None,
                runner_up: None,
                adjustments,
            };
        };
        let rule = &self.rules[winner];
        let (severity, adjustments) = self.adjust(rule.severity, error);
        // What the rule's author says goes before what a weaker rule happens to match.
        let others = hits
            .iter()
            .filter(|(_, other)| self.rules[*other].category != rule.category);
        let best_other = others.max_by_key(|(rank, _)| *rank);
        let runner_up = rule
            .runner_up
            .or(best_other.map(|(_, other)| self.rules[*other].category));
        Verdict {
            category: rule.category,
            sub_category: &rule.sub_category,
            severity,
            rule: Some(&rule.id),
            matched: self.matched(winner, &text),
            runner_up,
            adjustments,
        }
    }
}

fn read_files(paths: &[impl AsRef<Path>]) -> Result<Vec<(String, String)>, RulesError> {
    let read = |path: &Path| {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Ok((name, text)),
            Err(source) => Err(RulesError::Read { path: name, source }),
        }
    };
    paths.iter().map(|path| read(path.as_ref())).collect()
}

/// The rules of all files, each with its file.
fn parse_all(files: &[(String, String)]) -> Result<Vec<(Rule, String)>, RulesError> {
    let mut rules: Vec<(Rule, String)> = Vec::new();
    let mut ids = BTreeSet::new();
    for (path, text) in files {
        for rule in rule::parse(path, text)? {
            if !ids.insert(rule.id.clone()) {
                return Err(RulesError::Duplicate {
                    path: path.clone(),
                    rule: rule.id,
                });
            }
            rules.push((rule, path.clone()));
        }
    }
    Ok(rules)
}

impl Group {
    fn new(rules: &[Rule], reads: impl Fn(&Rule) -> bool) -> Result<Self, regex::Error> {
        let members: Vec<usize> = (0..rules.len())
            .filter(|index| reads(&rules[*index]))
            .collect();
        let set = RegexSetBuilder::new(members.iter().map(|index| any_of(&rules[*index])))
            .case_insensitive(true)
            .unicode(false)
            .size_limit(64 << 20)
            .dfa_size_limit(16 << 20)
            .build()?;
        Ok(Self {
            set,
            rules: members,
        })
    }
}

/// A rule's patterns as one.
fn any_of(rule: &Rule) -> String {
    let any: Vec<String> = rule
        .patterns
        .iter()
        .map(|pattern| format!("(?:{pattern})"))
        .collect();
    any.join("|")
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    // One pattern alone needs far less; a larger one would make every scan slow.
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .unicode(false)
        .size_limit(4 << 20)
        .build()
}

/// The pattern that does not compile, told by the author's own text with a caret under the fault.
fn culprit(rules: &[Rule], origins: &[String], error: regex::Error) -> RulesError {
    let wrong = |index: usize, source| RulesError::Pattern {
        path: origins[index].clone(),
        rule: rules[index].id.clone(),
        source,
    };
    for (index, rule) in rules.iter().enumerate() {
        if let Some(source) = rule
            .patterns
            .iter()
            .find_map(|pattern| compile(pattern).err())
        {
            return wrong(index, source);
        }
    }
    // Each compiles alone, and all of them together are too large: the last one was too much.
    wrong(rules.len() - 1, error)
}

fn clipped(text: &str) -> &str {
    dragline_schema::clip(text, MAX_TEXT)
}

fn joined<'t>(error_type: &'t str, message: &'t str) -> Cow<'t, str> {
    match (error_type.is_empty(), message.is_empty()) {
        (true, _) => Cow::Borrowed(clipped(message)),
        (_, true) => Cow::Borrowed(error_type),
        _ => Cow::Owned(format!("{error_type}: {}", clipped(message))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn context_raises_and_never_lowers() {
        let rules = || {
            RuleSet::from_texts(&[(
                "r.toml".into(),
                "[[rule]]\nid='a'\ncategory='parsing'\nsub_category='x'\nseverity='low'\npatterns=['bad']\n\
                 [[rule]]\nid='b'\ncategory='system'\nsub_category='x'\nseverity='critical'\npatterns=['worse']\n"
                    .into(),
            )])
            .unwrap()
        };
        let context = Context {
            critical_sites: ["shop".to_owned()].into(),
            ..Context::default()
        };
        let severity = |message: &'static str, failures, site| {
            let error = ErrorText {
                message: message.into(),
                consecutive_failures: Some(failures),
                site,
                ..ErrorText::default()
            };
            let rules = rules().with_context(context.clone());
            let verdict = rules.classify(&error);
            (verdict.severity, verdict.adjustments)
        };
        assert_eq!(severity("bad", 5, None), (Severity::Low, vec![]));
        assert_eq!(
            severity("bad", 6, None),
            (Severity::High, vec![Adjustment::ConsecutiveFailures])
        );
        assert_eq!(
            severity("bad", 1, Some("shop")),
            (Severity::Medium, vec![Adjustment::SitePriority])
        );
        assert_eq!(
            severity("worse", 9, Some("shop")),
            (Severity::Critical, vec![])
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
