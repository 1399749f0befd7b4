//! What an alert says: its labels, its values and its sentence.

use dragline_schema::Severity;

use super::evaluate::fixed_labels;
use super::{Change, LAG_ALERT, NO_DATA_LABEL};
use crate::Labels;
use crate::alert::{Alert, AlertId, AlertStatus};
use crate::observation::Expected;
use crate::rule::{Aggregate, Condition, Rule, condition_of_check, fill};
use crate::state::{PhaseName, Transition};

/// The built-in rule of the alert about the watch itself.
pub(super) fn lag_rule(message: &str) -> Rule {
    let text = "[[rule]]\nalert = \"watch_lag\"\nfreshness = \"watch\"\ncategory = \"watch\"";
    Rule {
        message: message.to_owned(),
        severity: Severity::High,
        ..crate::rule::load(LAG_ALERT, text).rules.remove(0)
    }
}

/// A transition, with the alert after it.
pub(super) fn change(
    rule: Option<&Rule>,
    id: &AlertId,
    transition: Transition,
    expected: Option<Expected>,
) -> Change {
    let alert = describe(rule, id, &transition, expected);
    Change {
        id: id.clone(),
        transition,
        alert,
    }
}

/// The alert after a transition.
pub(super) fn describe(
    rule: Option<&Rule>,
    id: &AlertId,
    transition: &Transition,
    expected: Option<Expected>,
) -> Option<Alert> {
    let episode = transition.episode.as_ref()?;
    let is_over = transition.to == PhaseName::Resolved;
    let threshold = rule.and_then(|rule| match &rule.condition {
        Condition::Metric(metric) => Some(metric.threshold),
        _ => None,
    });
    let mut labels = labels_of(rule, id);
    labels.insert("severity", episode.severity.as_str());
    let words = Words {
        // The worst value says more of what is over than the last.
        value: episode.worst.filter(|_| is_over).or(episode.value),
        threshold,
        expected,
        condition: rule.map_or_else(String::new, |rule| rule.condition.to_string()),
        began: format!("{} UTC", crate::notice::minute(episode.began)),
        labels,
    };
    // A series without a value fired for lack of data.
    let lacks_data = id.labels.get(NO_DATA_LABEL).is_some() || episode.value.is_none();
    let summary = words.summary(id, rule, (lacks_data, is_over));
    let annotations = rule.into_iter().flat_map(|rule| &rule.annotations);
    let annotations = annotations.map(|(name, text)| (name.clone(), words.fill(text)));
    let status = if is_over {
        AlertStatus::Resolved
    } else {
        AlertStatus::Firing
    };
    Some(Alert {
        status,
        severity: episode.severity,
        began: episode.began,
        fired_at: episode.fired_at,
        ended: is_over.then_some(transition.at),
        reason: transition.reason,
        flapping: episode.flapping,
        value: episode.value,
        worst: episode.worst,
        ended_value: transition.value.filter(|_| is_over),
        threshold,
        expected,
        summary,
        annotations: annotations.collect(),
        category: rule.map(|rule| rule.category.clone()).unwrap_or_default(),
        cooldown: rule.map(|rule| rule.cooldown).unwrap_or_default(),
        repeat: rule.and_then(|rule| rule.repeat),
        escalate: rule.map(|rule| rule.escalate.clone()).unwrap_or_default(),
        id: id.clone(),
        labels: words.labels,
        condition: words.condition,
    })
}

/// What placeholders in the texts of a rule stand for.
struct Words {
    value: Option<f64>,
    threshold: Option<f64>,
    expected: Option<Expected>,
    condition: String,
    began: String,
    labels: Labels,
}

impl Words {
    fn fill(&self, text: &str) -> String {
        fill(text, |name| match name {
            "value" => self.value.map(format_value),
            "percent" => self.value.map(|value| format!("{:.0} %", 100.0 * value)),
            "threshold" => self.threshold.map(format_value),
            "condition" => Some(self.condition.clone()),
            "began" => Some(self.began.clone()),
            "expected" => self.expected.map(|expected| format_value(expected.value)),
            _ => of_label(&self.labels, name),
        })
    }

    /// The sentence of the rule where it has one that is true, or a plain one.
    fn summary(
        &self,
        id: &AlertId,
        rule: Option<&Rule>,
        (lacks_data, is_over): (bool, bool),
    ) -> String {
        // The values of the episode may not meet a condition that was changed meanwhile.
        let is_as_then = !is_over || rule.is_none_or(|rule| meets(rule, self.value));
        match self.fill(rule.map_or("", template)) {
            summary if !lacks_data && is_as_then && !summary.is_empty() => summary,
            _ => plain_summary(id, rule, self.value.filter(|_| !lacks_data)),
        }
    }
}

/// The labels of an alert, without its severity.
fn labels_of(rule: Option<&Rule>, id: &AlertId) -> Labels {
    let mut labels = id.labels.clone();
    if let Some(rule) = rule {
        labels = rule.tags.with(&rule.labels).with(&labels);
        labels.insert("category", &rule.category);
    }
    labels.insert("alertname", &id.rule);
    labels
}

/// The sentence of a rule, with placeholders.
fn template(rule: &Rule) -> &str {
    match (&*rule.message, rule.annotations.get("summary")) {
        ("", Some(summary)) => summary,
        (message, _) => message,
    }
}

/// What a placeholder says that is called like a label.
fn of_label(labels: &Labels, name: &str) -> Option<String> {
    let name = name.strip_prefix("labels.").unwrap_or(name);
    let value = labels.get(name).filter(|value| !value.is_empty());
    value.or_else(|| nameless(name)).map(str::to_owned)
}

/// Whether a value meets the condition of a rule, where the condition compares values.
fn meets(rule: &Rule, value: Option<f64>) -> bool {
    match (&rule.condition, value) {
        (Condition::Metric(metric), Some(value)) => metric.compare.holds(value, metric.threshold),
        _ => true,
    }
}

/// What stands for a label that nothing fills.
fn nameless(label: &str) -> Option<&'static str> {
    match label {
        "scraper_id" => Some("a scraper without a name"),
        "site" => Some("all sites"),
        _ => None,
    }
}

/// The sentence of an alert whose rule has none; without a value, there are no data.
fn plain_summary(id: &AlertId, rule: Option<&Rule>, value: Option<f64>) -> String {
    let mut labels = id.labels.clone();
    labels.remove(NO_DATA_LABEL);
    let mut is = match rule.map(|rule| &rule.condition) {
        _ if value.is_none() => "there are no data".to_owned(),
        Some(Condition::Health(selector, least)) => {
            // A pattern says nothing.
            let check = labels.get("check").unwrap_or(&selector.name);
            condition_of_check(check, *least)
        }
        Some(Condition::Metric(metric)) if metric.aggregate != Aggregate::Absent => {
            let is_met = rule.is_none_or(|rule| meets(rule, value));
            let (was, now) = if is_met { ("is", "") } else { ("was", "now ") };
            format!(
                "{} {was} {} ({now}{} {})",
                metric.call(),
                format_value(value.unwrap_or_default()),
                metric.compare.symbol(),
                format_value(metric.threshold)
            )
        }
        Some(condition) => condition.to_string(),
        None => "its rule, or its check, was removed or switched off".to_owned(),
    };
    labels.remove("check");
    // What the condition names is said already.
    for (name, _) in rule
        .map(|rule| fixed_labels(rule.selector()))
        .unwrap_or_default()
        .iter()
    {
        labels.remove(name);
    }
    let whose = [
        labels.remove("scraper_id"),
        labels.remove("site"),
        labels.remove("host"),
    ];
    let whose: Vec<String> = whose.into_iter().flatten().collect();
    if !whose.is_empty() {
        is = format!("{}: {is}", whose.join(" on "));
    }
    if !labels.is_empty() {
        is += &format!(" for {labels}");
    }
    format!("{}: {is}", id.rule)
}

/// A value with at most three decimals.
pub(crate) fn format_value(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
