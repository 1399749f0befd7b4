//! Rules in TOML. A rule with an error is left out and reported; the others are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dragline_schema::Severity;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    Condition, DEFAULT_CATEGORY, DEFAULT_COOLDOWN, Escalation, MetricCondition, Raise, Rule,
    Selector,
};
use crate::observation::{HealthStatus, finding_value};
use crate::state::{FlapPolicy, NoDataPolicy};
use crate::{LabelMatch, Labels, Matchers, duration, severity, suggest};

/// A key of a rule, for the documentation.
#[derive(Clone, Copy, Debug)]
pub struct RuleKey {
    /// The key.
    pub name: &'static str,
    /// The default, as documented; empty for none.
    pub default: &'static str,
    /// What it sets.
    pub text: &'static str,
}

macro_rules! keys {
    ($($name:literal = $default:literal, $text:literal;)*) => {
        /// Every key of a rule, in the order of the documentation.
        pub const RULE_KEYS: &[RuleKey] = &[$(RuleKey { name: $name, default: $default, text: $text },)*];
    };
}

keys! {
    "alert" = "", "The name. A rule with the name of an earlier one replaces it.";
    "expr" = "", "The condition on a metric: `min(dragline_cpu_usage_ratio{host=\"a\"}[5m]) > 0.9`.";
    "insight" = "", "Instead of `expr`: a finding of this kind is open.";
    "health" = "", "Instead of `expr`: this health check has at least the status that `status` names.";
    "freshness" = "", "Instead of `expr`: this sign of life is overdue.";
    "status" = "critical", "With `health`: `degraded` or `critical`.";
    "least" = "low", "With `insight`: the least severity of the finding.";
    "match" = "{}", "With `insight`, `health` and `freshness`: conditions on labels.";
    "clear" = "", "The value at which a firing alert clears, where that is not the threshold.";
    "for" = "0s", "How long the condition must be true before the alert fires.";
    "keep_firing_for" = "0s", "How long it must be false before the alert resolves.";
    "labels" = "{ severity = \"medium\" }", "Labels of the alert, and its severity. With `insight`: the finding's own severity if none is named.";
    "annotations" = "{}", "Templates of texts: `summary`, `description`, `runbook` and your own.";
    "message" = "", "The template of the notice's sentence. Default: `annotations.summary`, or a sentence made of the condition.";
    "description" = "", "What the rule is for.";
    "category" = "general", "A word to group rules by.";
    "tags" = "{}", "Free key-value pairs, for filters and routing.";
    "raise" = "[]", "Higher severities of higher values: `[{ severity = \"critical\", at = 98 }]`.";
    "cooldown" = "5m", "The least time between notices of new episodes.";
    "repeat" = "", "How often a notice is repeated. Default: as `[notify]` says.";
    "escalate" = "[]", "Further channels while nobody acknowledges: `[{ after = \"30m\", channels = [\"phone\"] }]`.";
    "no_data" = "keep_last", "Without data: `keep_last`, `ok`, `alerting` or `no_data` (a second alert says so).";
    "flapping" = "{ transitions = 3, within = \"1h\" }", "When the alert flaps; `false`: never.";
    "enabled" = "true", "Whether the rule is evaluated.";
}

/// An alert about a finding has the finding's severity.
fn severities_of_findings() -> Vec<Raise> {
    [Severity::Medium, Severity::High, Severity::Critical]
        .map(|severity| Raise {
            severity,
            at: finding_value(severity),
        })
        .to_vec()
}

/// What is wrong in a file of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {rule}{key}{}: {problem}", self.value.as_deref().map(|value| format!(" = {value}")).unwrap_or_default())]
pub struct RuleError {
    /// The file.
    pub file: String,
    /// `rule "NAME": ` or `rule 3: `; empty when the file is no TOML.
    pub rule: String,
    /// The key.
    pub key: String,
    /// Its value, as far as it helps.
    pub value: Option<String>,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

/// The rules of a file, and what is wrong in it.
#[derive(Clone, Debug, Default)]
pub struct LoadedRules {
    /// The rules without errors, in the order of the file.
    pub rules: Vec<Rule>,
    /// The errors of the others.
    pub errors: Vec<RuleError>,
}

/// Reads rules: `[[rule]]` tables in TOML. `file` is the name for error messages.
///
/// ```
/// let loaded = dragline_alerting::rule::load("rules.toml", r#"
///     [[rule]]
///     alert = "slow"
///     expr = "avg(response_seconds[10m]) > 30"
///     fro = "5m"
/// "#);
/// assert_eq!(
///     loaded.errors[0].to_string(),
///     r#"rules.toml: rule "slow": fro = "5m": unknown key: did you mean "for"?"#,
/// );
/// ```
pub fn load(file: &str, text: &str) -> LoadedRules {
    let mut loaded = LoadedRules::default();
    let fail = |key: &str, problem: String| RuleError {
        file: file.to_owned(),
        rule: String::new(),
        key: key.to_owned(),
        value: None,
        problem,
    };
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => {
            loaded.errors.push(fail(
                "invalid TOML",
                error.to_string().trim().replace('\n', " "),
            ));
            return loaded;
        }
    };
    for (key, value) in &table {
        if key == "rule" {
            let rules = from_value(file, value);
            loaded.rules.extend(rules.rules);
            loaded.errors.extend(rules.errors);
        } else {
            loaded.errors.push(fail(
                key,
                "unknown key: a file of rules holds [[rule]] tables".to_owned(),
            ));
        }
    }
    loaded
}

/// Reads the `[[rule]]` tables of a larger document: the value of its key `rule`.
pub fn from_value(file: &str, value: &Value) -> LoadedRules {
    let mut loaded = LoadedRules::default();
    let Value::Array(rules) = value else {
        loaded.errors.push(RuleError {
            file: file.to_owned(),
            rule: String::new(),
            key: "rule".to_owned(),
            value: None,
            problem: "write [[rule]] with two brackets".to_owned(),
        });
        return loaded;
    };
    let mut names = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        read_rule(file, index, rule, &mut loaded);
        let name = rule.get("alert").and_then(Value::as_str);
        if let Some(name) = name.filter(|name| !names.insert(*name)) {
            loaded.errors.push(RuleError {
                file: file.to_owned(),
                rule: format!("rule {name:?}: "),
                key: "alert".to_owned(),
                value: None,
                problem: "two rules of this file have this name: the first would have no effect"
                    .to_owned(),
            });
        }
    }
    loaded
}

fn read_rule(file: &str, index: usize, value: &Value, loaded: &mut LoadedRules) {
    let empty = Table::new();
    let table = value.as_table().unwrap_or(&empty);
    let name = table
        .get("alert")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let rule = if name.is_empty() {
        format!("rule {}: ", index + 1)
    } else {
        format!("rule {name:?}: ")
    };
    let mut fields = Fields {
        file,
        rule,
        table,
        errors: Vec::new(),
    };
    let read = fields.rule(name);
    match read {
        Some(rule) if fields.errors.is_empty() => {
            loaded.rules.retain(|earlier| earlier.name != rule.name);
            loaded.rules.push(rule);
        }
        _ => loaded.errors.append(&mut fields.errors),
    }
}

/// The keys of one rule, and the errors found in them.
struct Fields<'t> {
    file: &'t str,
    rule: String,
    table: &'t Table,
    errors: Vec<RuleError>,
}

impl Fields<'_> {
    fn fail(&mut self, key: &str, problem: impl Into<String>) {
        self.errors.push(RuleError {
            file: self.file.to_owned(),
            rule: self.rule.clone(),
            key: key.to_owned(),
            value: self.table.get(key).map(ToString::to_string),
            problem: problem.into(),
        });
    }

    fn rule(&mut self, name: &str) -> Option<Rule> {
        for key in self.table.keys() {
            let known = RULE_KEYS.iter().map(|known| known.name);
            if known.clone().any(|known| known == key) {
                continue;
            }
            // As in Prometheus, it is a label, which many look for as a key.
            if key == "severity" {
                self.fail(
                    key,
                    "unknown key: the severity is a label: labels = { severity = \"high\" }",
                );
            } else {
                let meant = suggest::sentence(key, known);
                self.fail(key, format!("unknown key: {meant}"));
            }
        }
        if name.is_empty() {
            self.fail("alert", "a rule needs a name: alert = \"high_cpu_usage\"");
        }
        if let Some(rule) = self.default_switched_off(name) {
            return Some(rule);
        }
        let condition = self.condition();
        let (named, labels) = self.labels();
        let is_finding = matches!(condition, Some(Condition::Insight(..)));
        let follows_finding = is_finding && named.is_none();
        let severity = if follows_finding {
            Severity::Low
        } else {
            named.unwrap_or(Severity::Medium)
        };
        let mut raise = self.raises(severity, condition.as_ref());
        if follows_finding {
            raise = severities_of_findings();
        }
        let annotations: BTreeMap<String, String> = self.typed("annotations", "a table of texts");
        let message = self.text("message");
        let repeat = self
            .table
            .contains_key("repeat")
            .then(|| self.duration("repeat", Duration::ZERO));
        Some(Rule {
            name: name.to_owned(),
            condition: condition?,
            hold: self.duration("for", Duration::ZERO),
            keep_firing_for: self.duration("keep_firing_for", Duration::ZERO),
            severity,
            raise,
            labels,
            annotations,
            message,
            description: self.text("description"),
            category: Some(self.text("category"))
                .filter(|category| !category.is_empty())
                .unwrap_or_else(|| DEFAULT_CATEGORY.to_owned()),
            tags: self.typed("tags", "a table of texts"),
            cooldown: self.duration("cooldown", DEFAULT_COOLDOWN),
            repeat,
            escalate: self.typed::<Vec<Escalation>>(
                "escalate",
                "a list such as [{ after = \"30m\", channels = [\"phone\"] }]",
            ),
            no_data: self.no_data(),
            flapping: self.flapping(),
            enabled: self.enabled(),
        })
    }

    fn text(&mut self, key: &str) -> String {
        match self.table.get(key) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => {
                self.fail(key, "expected a text in quotation marks");
                String::new()
            }
        }
    }

    fn duration(&mut self, key: &str, default: Duration) -> Duration {
        let parsed = match self.table.get(key) {
            None => return default,
            Some(Value::String(text)) => duration::parse(text),
            Some(Value::Integer(number)) => duration::parse(&number.to_string()),
            Some(_) => Err("expected a duration such as \"5m\"".to_owned()),
        };
        parsed.unwrap_or_else(|problem| {
            self.fail(key, problem);
            default
        })
    }

    fn number(&mut self, key: &str) -> Option<f64> {
        let value = self.table.get(key)?;
        let number = value
            .as_float()
            .or_else(|| value.as_integer().map(|number| number as f64));
        if number.is_none_or(|number| !number.is_finite()) {
            self.fail(key, "expected a number");
            return None;
        }
        number
    }

    fn typed<T: DeserializeOwned + Default>(&mut self, key: &str, expected: &str) -> T {
        let Some(value) = self.table.get(key) else {
            return T::default();
        };
        value
            .clone()
            .try_into()
            .unwrap_or_else(|error: toml::de::Error| {
                let problem = error.message().to_owned();
                self.fail(key, format!("expected {expected}: {problem}"));
                T::default()
            })
    }

    /// A default rule that is only switched off: there is no need to repeat its condition.
    fn default_switched_off(&self, name: &str) -> Option<Rule> {
        let is_off = self.table.get("enabled").and_then(toml::Value::as_bool) == Some(false);
        let is_bare = self
            .table
            .keys()
            .all(|key| matches!(&**key, "alert" | "enabled"));
        let mut defaults = (is_off && is_bare).then(super::default_rules)?.into_iter();
        let rule = defaults.find(|rule| rule.name == name)?;
        Some(Rule {
            enabled: false,
            ..rule
        })
    }

    fn condition(&mut self) -> Option<Condition> {
        let kinds = ["expr", "insight", "health", "freshness"];
        let given: Vec<&str> = kinds
            .into_iter()
            .filter(|kind| self.table.contains_key(*kind))
            .collect();
        let [kind] = given[..] else {
            let problem = format!(
                "a rule has exactly one of expr, insight, health and freshness; this one has {}",
                given.len()
            );
            self.fail("alert", problem);
            return None;
        };
        let text = self.text(kind);
        if kind != "expr" && self.table.contains_key("clear") {
            self.fail(
                "clear",
                "only a condition on a metric (expr) has a threshold to clear",
            );
        }
        if kind != "insight" && self.table.contains_key("least") {
            self.fail(
                "least",
                "only a finding (insight) has a severity of its own",
            );
        }
        let selector = self.selector(kind, &text);
        match kind {
            "expr" => self.expression(&text),
            "insight" => Some(Condition::Insight(selector, self.least())),
            "health" => Some(Condition::Health(selector, self.status())),
            _ => Some(Condition::Freshness(selector)),
        }
    }

    fn expression(&mut self, text: &str) -> Option<Condition> {
        let mut metric = MetricCondition::parse(text)
            .map_err(|problem| self.fail("expr", problem))
            .ok()?;
        metric.clear = self.number("clear");
        if let Some(clear) = metric.clear
            && !metric.compare.is_stricter(metric.threshold, clear)
            && (clear - metric.threshold).abs() > f64::EPSILON
        {
            let side = if metric.compare.is_stricter(1.0, 0.0) {
                "below"
            } else {
                "above"
            };
            self.fail(
                "clear",
                format!(
                    "the alert clears {side} its threshold of {}",
                    metric.threshold
                ),
            );
        }
        Some(Condition::Metric(metric))
    }

    fn selector(&mut self, kind: &str, name: &str) -> Selector {
        if name.is_empty() && kind != "expr" {
            self.fail(kind, "expected a name; * stands for any");
        }
        if kind == "expr" && self.table.contains_key("match") {
            self.fail(
                "match",
                "expr has its own conditions on labels: metric{site=\"shop\"}",
            );
        }
        let conditions: BTreeMap<String, LabelMatch> =
            self.typed("match", "a table such as { site = \"shop\" }");
        let mut matchers = Matchers::default();
        for (label, wanted) in conditions {
            matchers.insert(label, wanted);
        }
        Selector {
            name: name.to_owned(),
            matchers,
        }
    }

    fn status(&mut self) -> HealthStatus {
        match self.text("status").as_str() {
            "" | "critical" => HealthStatus::Critical,
            "degraded" | "warning" => HealthStatus::Degraded,
            other => {
                let words = ["degraded", "critical"];
                self.fail(
                    "status",
                    format!("unknown status: {}", suggest::sentence(other, words)),
                );
                HealthStatus::Critical
            }
        }
    }

    fn least(&mut self) -> Severity {
        match self.text("least").as_str() {
            "" => Severity::Low,
            word => severity::parse(word).unwrap_or_else(|problem| {
                self.fail("least", problem);
                Severity::Low
            }),
        }
    }

    /// The labels of the alert, and its severity if one is named.
    fn labels(&mut self) -> (Option<Severity>, Labels) {
        let mut labels: Labels = self.typed("labels", "a table of texts");
        let named = labels.get("severity").map(severity::parse);
        labels.remove("severity");
        let severity = named.map(|parsed| {
            parsed.unwrap_or_else(|problem| {
                self.fail("labels", problem);
                Severity::Medium
            })
        });
        (severity, labels)
    }

    fn raises(&mut self, base: Severity, condition: Option<&Condition>) -> Vec<Raise> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Step {
            #[serde(deserialize_with = "crate::severity::deserialize")]
            severity: Severity,
            at: f64,
        }
        let steps: Vec<Step> = self.typed(
            "raise",
            "a list such as [{ severity = \"critical\", at = 98 }]",
        );
        let Some(Condition::Metric(metric)) = condition else {
            if !steps.is_empty() {
                self.fail(
                    "raise",
                    "only a condition on a metric (expr) has values to compare",
                );
            }
            return Vec::new();
        };
        for step in &steps {
            if step.severity <= base {
                self.fail(
                    "raise",
                    format!(
                        "{} is no higher than the rule's severity, {base}",
                        step.severity
                    ),
                );
            }
            if !metric.compare.is_stricter(step.at, metric.threshold) {
                self.fail(
                    "raise",
                    format!(
                        "{} is not beyond the threshold of {}",
                        step.at, metric.threshold
                    ),
                );
            }
        }
        steps
            .into_iter()
            .map(|step| Raise {
                severity: step.severity,
                at: step.at,
            })
            .collect()
    }

    fn no_data(&mut self) -> NoDataPolicy {
        match self.text("no_data").as_str() {
            "" | "keep_last" => NoDataPolicy::KeepLast,
            "ok" => NoDataPolicy::Ok,
            "alerting" => NoDataPolicy::Alerting,
            "no_data" => NoDataPolicy::NoData,
            other => {
                let words = ["keep_last", "ok", "alerting", "no_data"];
                self.fail(
                    "no_data",
                    format!("unknown policy: {}", suggest::sentence(other, words)),
                );
                NoDataPolicy::KeepLast
            }
        }
    }

    fn flapping(&mut self) -> Option<FlapPolicy> {
        match self.table.get("flapping") {
            None | Some(Value::Boolean(true)) => Some(FlapPolicy::default()),
            Some(Value::Boolean(false)) => None,
            Some(_) => {
                let policy: FlapPolicy =
                    self.typed("flapping", "false, or { transitions = 3, within = \"1h\" }");
                if policy.transitions < 2 || policy.within.is_zero() {
                    self.fail(
                        "flapping",
                        "at least two transitions within a time are flapping",
                    );
                }
                Some(policy)
            }
        }
    }

    fn enabled(&mut self) -> bool {
        match self.table.get("enabled") {
            None => true,
            Some(Value::Boolean(enabled)) => *enabled,
            Some(_) => {
                self.fail("enabled", "expected true or false");
                true
            }
        }
    }
}
