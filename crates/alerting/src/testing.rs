//! Tests of rules, as `promtool test rules` has them: series of values, and which alerts fire at what time.
//!
//! ```toml
//! [[test]]
//! name = "a long queue"
//! interval = "1m"
//! series = [{ metric = 'dragline_queue_size{scraper_id="shop"}', values = "10x2 5000x10" }]
//! expect = [
//!     { at = "4m", alert = "queue_backup", firing = [] },
//!     { at = "12m", alert = "queue_backup", firing = [{ scraper_id = "shop" }] },
//! ]
//! ```
//!
//! `values` are separated by blanks: `7`; `7x3` is 7 and three more of it; `0+10x3` is 0, 10, 20, 30; `_` is a missing
//! value, `_x3` are three. Instead of `metric`, a series may be a `finding` (1 while it is open), a `health` check (0
//! healthy, 1 degraded, 2 critical), or a sign of life, `freshness` (the seconds until the next one is due).

use std::time::Duration;

use dragline_schema::Timestamp;
use serde::Deserialize;

use crate::duration::after;
use crate::observation::{Observation, Topic};
use crate::rule::{MetricCondition, Rule};
use crate::watch::{Watch, WatchConfig, WatchState};
use crate::{LabelMatch, Labels};

/// Maximum number of values of one series.
const MAX_VALUES: usize = 100_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    test: Vec<Test>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    name: String,
    #[serde(default = "minute", with = "crate::duration")]
    interval: Duration,
    #[serde(default)]
    series: Vec<Series>,
    expect: Vec<Expectation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Series {
    metric: Option<String>,
    finding: Option<String>,
    health: Option<String>,
    freshness: Option<String>,
    values: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    #[serde(with = "crate::duration")]
    at: Duration,
    alert: String,
    firing: Vec<Labels>,
}

fn minute() -> Duration {
    Duration::from_mins(1)
}

/// The result of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// The name of the test.
    pub name: String,
    /// What was otherwise, in sentences; empty if the test passed.
    pub failures: Vec<String>,
}

/// Runs the tests in a TOML text against rules. `file` is the name for error messages.
///
/// ```
/// use dragline_alerting::{rule, testing};
///
/// let results = testing::run("tests.toml", r#"
///     [[test]]
///     name = "a long queue"
///     series = [{ metric = 'dragline_queue_size{scraper_id="shop"}', values = "10x2 5000x10" }]
///     expect = [
///         { at = "4m", alert = "queue_backup", firing = [] },
///         { at = "12m", alert = "queue_backup", firing = [{ scraper_id = "shop" }] },
///         { at = "12m", alert = "queue_backup", firing = [] },
///     ]
/// "#, &rule::default_rules()).unwrap();
/// assert_eq!(results[0].failures, [r#"at 12m: queue_backup fires for {scraper_id="shop"}, expected: does not fire"#]);
/// ```
///
/// # Errors
/// When the file is no such TOML, a series cannot be parsed, or an expectation names an unknown rule.
pub fn run(file: &str, text: &str, rules: &[Rule]) -> Result<Vec<TestResult>, String> {
    let parsed: File = toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        format!("{file}:{line}: {}", error.message())
    })?;
    parsed
        .test
        .iter()
        .map(|test| {
            test.run(rules)
                .map_err(|problem| format!("{file}: test {:?}: {problem}", test.name))
        })
        .collect()
}

impl Test {
    fn run(&self, rules: &[Rule]) -> Result<TestResult, String> {
        // A round number of days since 1970, so that times of day are easy to read.
        let start = Timestamp::from_seconds(1_767_225_600);
        let config = WatchConfig {
            lateness: Duration::ZERO,
            ..WatchConfig::default()
        };
        let mut watch = Watch::new(config, rules.to_vec(), WatchState::default());
        watch.start_at(start);
        for series in &self.series {
            let (topic, name, labels) = series.id()?;
            let is_taken = |rule: &Rule| rule.topic() == topic && rule.selector().takes(&name);
            if !rules.iter().any(is_taken) {
                return Err(format!(
                    "no rule takes the series {name}: is its name written otherwise in the rules?"
                ));
            }
            let mut time = start;
            for value in values(&series.values)? {
                if let Some(value) = value {
                    watch.observe(Observation {
                        topic,
                        name: name.clone(),
                        labels: labels.clone(),
                        time,
                        value: Some(value),
                        count: 1,
                        expected: None,
                        since: None,
                    });
                }
                time = after(time, self.interval);
            }
        }
        let mut expectations: Vec<&Expectation> = self.expect.iter().collect();
        expectations.sort_by_key(|expected| expected.at);
        let mut failures = Vec::new();
        for expected in expectations {
            if !rules.iter().any(|rule| rule.name == expected.alert) {
                let known = rules.iter().map(|rule| rule.name.as_str());
                let hint = crate::suggest::sentence(&expected.alert, known);
                return Err(format!("there is no rule {:?}: {hint}", expected.alert));
            }
            if !expected.at.as_secs().is_multiple_of(60) {
                return Err(format!(
                    "at = {:?}: rules are judged at whole minutes",
                    crate::duration::format(expected.at)
                ));
            }
            watch.advance(after(start, expected.at));
            failures.extend(expected.compare(&watch));
        }
        Ok(TestResult {
            name: self.name.clone(),
            failures,
        })
    }
}

impl Expectation {
    fn compare(&self, watch: &Watch) -> Option<String> {
        let alerts = watch.alerts();
        let own = alerts
            .iter()
            .filter(|alert| alert.id.rule == self.alert && alert.is_firing());
        let mut firing: Vec<&Labels> = own.map(|alert| &alert.id.labels).collect();
        let mut wanted: Vec<&Labels> = self.firing.iter().collect();
        firing.sort();
        wanted.sort();
        (firing != wanted).then(|| {
            format!(
                "at {}: {} {}, expected: {}",
                crate::duration::format(self.at),
                self.alert,
                told(&firing),
                told(&wanted)
            )
        })
    }
}

fn told(labels: &[&Labels]) -> String {
    if labels.is_empty() {
        return "does not fire".to_owned();
    }
    let each: Vec<String> = labels.iter().map(ToString::to_string).collect();
    format!("fires for {}", each.join(", "))
}

impl Series {
    fn id(&self) -> Result<(Topic, String, Labels), String> {
        let named = [
            (Topic::Metric, &self.metric),
            (Topic::Finding, &self.finding),
            (Topic::Health, &self.health),
            (Topic::Freshness, &self.freshness),
        ];
        let mut given = named
            .into_iter()
            .filter_map(|(topic, text)| Some((topic, text.as_ref()?)));
        let (Some((topic, text)), None) = (given.next(), given.next()) else {
            return Err(
                "a series is exactly one of metric, finding, health and freshness".to_owned(),
            );
        };
        // A condition has the same form of a series.
        let condition = MetricCondition::parse(&format!("{text} > 0"))
            .map_err(|problem| format!("series {text:?}: {problem}"))?;
        let selector = condition.selector;
        let labels = selector.matchers.iter().map(|(name, wanted)| match wanted {
            LabelMatch::One(value) if !value.contains('*') => Ok((name, value.clone())),
            _ => Err(format!(
                "series {text:?}: a label of a series has one value"
            )),
        });
        Ok((topic, selector.name, labels.collect::<Result<_, _>>()?))
    }
}

/// The values of a series; `None`: missing.
fn values(text: &str) -> Result<Vec<Option<f64>>, String> {
    let mut all = Vec::new();
    for word in text.split_whitespace() {
        let fail = || format!("values: {word:?} is none of 7, 7x3, 0+10x3, 9-1x3, _, _x3");
        let (one, more) = match word.split_once('x') {
            Some((one, more)) => (one, more.parse::<usize>().map_err(|_| fail())?),
            None => (word, 0),
        };
        if more >= MAX_VALUES || all.len() + more >= MAX_VALUES {
            return Err(format!("values: more than {MAX_VALUES}"));
        }
        if one == "_" {
            all.extend(std::iter::repeat_n(None, more.max(1)));
            continue;
        }
        // A sign at the beginning belongs to the first number.
        let step = one
            .get(1..)
            .and_then(|rest| rest.find(['+', '-']))
            .map(|at| at + 1);
        let (first, step) = match step {
            Some(at) => (&one[..at], &one[at..]),
            None => (one, "0"),
        };
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let (first, step) = number(first).zip(number(step)).ok_or_else(fail)?;
        all.extend((0..=more).map(|nth| Some(first + nth as f64 * step)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_notation_of_promtool() {
        let some = |numbers: &[f64]| numbers.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(values("7").unwrap(), some(&[7.0]));
        assert_eq!(
            values("7x2 _ 1").unwrap(),
            [some(&[7.0, 7.0, 7.0]), vec![None], some(&[1.0])].concat()
        );
        assert_eq!(values("0+10x3").unwrap(), some(&[0.0, 10.0, 20.0, 30.0]));
        assert_eq!(
            values("-2-1.5x1 _x2").unwrap(),
            [some(&[-2.0, -3.5]), vec![None, None]].concat()
        );
        for wrong in ["x3", "7x", "seven", "1+x2", "1e400", "_y", "1x9999999999"] {
            assert!(values(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mistakes_name_the_test_and_what_to_write() {
        let rules = crate::rule::default_rules();
        for (text, expected) in [
            ("[[test]]\nnmae = \"a\"", "t.toml:2: unknown field"),
            (
                "[[test]]\nname = \"a\"\nexpect = [{ at = \"1m\", alert = \"queue_bakup\", firing = [] }]",
                "did you mean \"queue_backup\"?",
            ),
            (
                "[[test]]\nname = \"a\"\nseries = [{ values = \"1\" }]\nexpect = []",
                "exactly one of metric",
            ),
            (
                "[[test]]\nname = \"a\"\nseries = [{ metric = \"queue_size\", values = \"1\" }]\nexpect = []",
                "no rule takes the series queue_size",
            ),
            (
                "[[test]]\nname = \"a\"\nexpect = [{ at = \"90s\", alert = \"queue_backup\", firing = [] }]",
                "whole minutes",
            ),
            (
                "[[test]]\nname = \"a\"\nseries = [{ metric = \"a{b='*'}\", values = \"1\" }]\nexpect = []",
                "series",
            ),
        ] {
            let error = run("t.toml", text, &rules).unwrap_err();
            assert!(
                error.starts_with("t.toml") && error.contains(expected),
                "{error}"
            );
        }
    }
}
