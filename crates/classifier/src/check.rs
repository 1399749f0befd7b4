//! Checks rules that compile: runs their own tests and finds rules that cannot win.

use dragline_schema::Classify as _;

use crate::rule::{self, Rule};
use crate::rule_set::RuleSet;

impl RuleSet {
    /// Runs the rules' own tests and returns one message per failed test.
    pub fn failing_tests(&self) -> Vec<String> {
        self.faults(|_| true)
    }

    /// Checks the selected rules against the whole set and returns one message for each of their
    /// tests that fails, for each rule that wins none of its own test texts, and for each rule
    /// without such texts.
    pub fn faults(&self, of: impl Fn(&Rule) -> bool) -> Vec<String> {
        let winner = |rule: &Rule, text: &str| {
            self.classify(&rule::test_of(rule, text))
                .rule
                .map(str::to_owned)
        };
        let mut failures = Vec::new();
        for rule in self.rules().iter().filter(|rule| of(rule)) {
            let tests = &rule.tests.matching;
            if tests.is_empty() {
                failures.push(format!("{}: has no text in tests.match", rule.id));
            }
            let lost: Vec<_> = tests
                .iter()
                .map(|text| (text, winner(rule, text)))
                .filter(|(_, won)| won.as_deref() != Some(&rule.id))
                .collect();
            if lost.len() > 1 && lost.len() == tests.len() {
                failures.push(format!(
                    "{}: cannot be reached: other rules win all of its test texts; raise its priority (now {})",
                    rule.id, rule.priority
                ));
            }
            for (text, won) in lost {
                let won = won.as_deref().unwrap_or("no rule");
                failures.push(format!("{}: must win {text:?}, but {won} wins it", rule.id));
            }
            for text in &rule.tests.no_match {
                if winner(rule, text).as_deref() == Some(&rule.id) {
                    failures.push(format!("{}: must not win {text:?}", rule.id));
                }
            }
        }
        failures
    }
}
