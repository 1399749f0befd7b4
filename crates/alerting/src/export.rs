//! The rules for Prometheus, and the routes for Alertmanager: for those who run them.
//!
//! What has no counterpart there is left out, and said in the notes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dragline_schema::Severity;

use crate::channel::{ChannelConfig, ChannelKind, MaybeSecret, SecretRef, SmtpTls};
use crate::duration::format;
use crate::labels::LabelMatch;
use crate::notify::{NotifyConfig, Route};
use crate::render::label_name;
use crate::rule::{Aggregate, Compare, Condition, MetricCondition, Rule, TOLERANCE};
use crate::{Matchers, rule};

/// A file for another program, and what it cannot express.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// The file, in YAML.
    pub yaml: String,
    /// What was left out, in sentences.
    pub notes: Vec<String>,
}

/// The rules as a file of Prometheus. `is_histogram` says which metrics are histograms there, by name.
pub fn prometheus_rules(rules: &[Rule], is_histogram: impl Fn(&str) -> bool) -> Export {
    let mut export = Export::default();
    let mut yaml = String::from(
        "# `cooldown` and `flapping` have no counterpart here: Alertmanager's group_interval and repeat_interval are the \
         nearest.\ngroups:\n  - name: dragline\n    rules:\n",
    );
    let mut count = 0;
    for rule in rules.iter().filter(|rule| rule.enabled) {
        let Condition::Metric(metric) = &rule.condition else {
            export.notes.push(format!(
                "{}: left out: Prometheus knows nothing of: {}",
                rule.name, rule.condition
            ));
            continue;
        };
        let steps = rule.raise.iter().map(|raise| (raise.severity, raise.at));
        for (severity, threshold) in [(rule.severity, metric.threshold)].into_iter().chain(steps) {
            match expression(metric, threshold, is_histogram(&metric.selector.name)) {
                Ok(expression) => {
                    yaml.push_str(&prometheus_rule(rule, severity, threshold, &expression));
                    count += 1;
                }
                Err(reason) => export
                    .notes
                    .push(format!("{}: left out: {reason}", rule.name)),
            }
        }
        if metric.clear.is_some() {
            export.notes.push(format!(
                "{}: `clear` has no counterpart; keep_firing_for is the nearest",
                rule.name
            ));
        }
        if rule.no_data != crate::state::NoDataPolicy::KeepLast {
            export.notes.push(format!(
                "{}: `no_data` has no counterpart; add a rule with absent_over_time",
                rule.name
            ));
        }
    }
    for rule in rules.iter().filter(|rule| rule.enabled) {
        let own = [
            ("escalate", !rule.escalate.is_empty()),
            ("repeat", rule.repeat.is_some()),
        ];
        for (key, _) in own.iter().filter(|(_, is_set)| *is_set) {
            export.notes.push(format!(
                "{}: `{key}` has no counterpart in a rule: give it a route of Alertmanager",
                rule.name
            ));
        }
    }
    export.yaml = if count == 0 {
        "groups: []\n".to_owned()
    } else {
        yaml
    };
    export
}

fn prometheus_rule(rule: &Rule, severity: Severity, threshold: f64, expression: &str) -> String {
    let mut yaml = format!(
        "      - alert: {}\n        expr: {}\n",
        quote(&rule.name),
        quote(expression)
    );
    for (key, duration) in [
        ("for", rule.hold),
        ("keep_firing_for", rule.keep_firing_for),
    ] {
        if !duration.is_zero() {
            yaml.push_str(&format!("        {key}: {}\n", format(duration)));
        }
    }
    yaml.push_str("        labels:\n");
    let mut labels: BTreeMap<String, &str> = rule
        .tags
        .iter()
        .chain(rule.labels.iter())
        .map(|(name, value)| (label_name(name), value))
        .collect();
    labels.insert("category".to_owned(), &rule.category);
    labels.insert("severity".to_owned(), severity.as_str());
    for (name, value) in labels {
        yaml.push_str(&format!(
            "          {name}: {}\n",
            quote(&escape_template(value))
        ));
    }
    let mut annotations: BTreeMap<String, String> = rule
        .annotations
        .iter()
        .map(|(name, text)| (label_name(name), translate(text, threshold)))
        .collect();
    if !rule.message.is_empty() {
        annotations.insert("summary".to_owned(), translate(&rule.message, threshold));
    }
    if !rule.description.is_empty() {
        annotations
            .entry("description".to_owned())
            .or_insert_with(|| escape_template(&rule.description));
    }
    if !annotations.is_empty() {
        yaml.push_str("        annotations:\n");
        for (name, text) in annotations {
            yaml.push_str(&format!("          {name}: {}\n", quote(&text)));
        }
    }
    yaml
}

/// A condition in `PromQL`.
fn expression(
    metric: &MetricCondition,
    threshold: f64,
    is_histogram: bool,
) -> Result<String, String> {
    let name = &metric.selector.name;
    let is_name = |name: &str| {
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    if !is_name(name) {
        return Err(format!("{name:?} is no metric name of Prometheus"));
    }
    let series = |suffix: &str| {
        format!(
            "{name}{suffix}{}[{}]",
            matchers(&metric.selector.matchers),
            format(metric.window)
        )
    };
    let value = if is_histogram {
        of_histogram(metric.aggregate, series)?
    } else {
        of_samples(metric, &series(""))?
    };
    if metric.aggregate == Aggregate::Absent {
        return Ok(value);
    }
    Ok(match metric.compare {
        // The value stays the result, so that `$value` shows it.
        Compare::Equal => format!(
            "{value} > {} < {}",
            threshold - TOLERANCE,
            threshold + TOLERANCE
        ),
        Compare::NotEqual => format!(
            "{value} <= {0} or {value} >= {1}",
            threshold - TOLERANCE,
            threshold + TOLERANCE
        ),
        compare => format!("{value} {} {threshold}", compare.symbol()),
    })
}

/// The value of gauges and counters.
fn of_samples(metric: &MetricCondition, series: &str) -> Result<String, String> {
    Ok(match metric.aggregate {
        Aggregate::Last => format!("last_over_time({series})"),
        Aggregate::Avg => format!("avg_over_time({series})"),
        Aggregate::Min => format!("min_over_time({series})"),
        Aggregate::Max => format!("max_over_time({series})"),
        Aggregate::Percentile(percentile) => {
            format!("quantile_over_time(0.{percentile:02}, {series})")
        }
        Aggregate::Rate => format!("sum by ({}) (rate({series}))", sources(metric)),
        Aggregate::Increase => format!("sum by ({}) (increase({series}))", sources(metric)),
        Aggregate::Count => format!("count_over_time({series})"),
        Aggregate::Absent => format!("absent_over_time({series})"),
        Aggregate::Change => {
            return Err("a change against the baseline needs the baseline".to_owned());
        }
    })
}

/// The labels by which counters are added up, as the watch does it.
fn sources(metric: &MetricCondition) -> String {
    let fixed = metric.selector.matchers.iter();
    let mut names: Vec<String> = fixed.map(|(name, _)| label_name(name)).collect();
    names.extend(crate::watch::SOURCE.map(str::to_owned));
    names.sort();
    names.dedup();
    names.join(", ")
}

/// The value of a histogram, of which Prometheus has the sum, the count and buckets.
fn of_histogram(aggregate: Aggregate, series: impl Fn(&str) -> String) -> Result<String, String> {
    Ok(match aggregate {
        Aggregate::Avg => format!(
            "increase({}) / increase({})",
            series("_sum"),
            series("_count")
        ),
        Aggregate::Percentile(percentile) => {
            format!(
                "histogram_quantile(0.{percentile:02}, increase({}))",
                series("_bucket")
            )
        }
        Aggregate::Count => format!("increase({})", series("_count")),
        Aggregate::Absent => format!("absent_over_time({})", series("_count")),
        other => {
            return Err(format!(
                "{} of single values is not in a histogram: use avg or a percentile",
                other.name()
            ));
        }
    })
}

fn matchers(matchers: &Matchers) -> String {
    if matchers.is_empty() {
        return String::new();
    }
    let each = matchers
        .iter()
        .map(|(name, wanted)| format!("{}{}", label_name(name), matcher(wanted)));
    format!("{{{}}}", each.collect::<Vec<_>>().join(","))
}

/// `="value"` or `=~"pattern"`, as both programs write it.
fn matcher(wanted: &LabelMatch) -> String {
    let pattern = |value: &str| {
        let parts: Vec<String> = value.split('*').map(regex::escape).collect();
        parts.join(".*")
    };
    match wanted {
        LabelMatch::One(value) if !value.contains('*') => format!("={}", quote(value)),
        LabelMatch::One(value) => format!("=~{}", quote(&pattern(value))),
        LabelMatch::Any(values) => {
            let each: Vec<String> = values.iter().map(|value| pattern(value)).collect();
            format!("=~{}", quote(&each.join("|")))
        }
    }
}

/// Our placeholders as those of Prometheus.
fn translate(template: &str, threshold: f64) -> String {
    // Marks stand for the braces of Prometheus until those of the text are out of the way.
    let (open, close) = ('\u{1}', '\u{2}');
    let marked = rule::fill(template, |name| {
        Some(match name {
            "value" => format!("{open} $value {close}"),
            "percent" => format!("{open} $value | humanizePercentage {close}"),
            "threshold" => threshold.to_string(),
            other => {
                let label = other.strip_prefix("labels.").unwrap_or(other);
                format!("{open} $labels.{} {close}", label_name(label))
            }
        })
    });
    let text = marked.replace(&format!("{{{open}"), &format!("{{ {open}"));
    let text = escape_template(&text).replace(&format!("{close}}}"), &format!("{close} }}"));
    text.replace(open, "{{").replace(close, "}}")
}

/// Text that must not be taken for a template.
fn escape_template(text: &str) -> String {
    text.replace("{{", "{ {")
}

/// A string of YAML: that of JSON is one.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The routes, receivers and inhibitions as a configuration of Alertmanager.
pub fn alertmanager_config(
    config: &NotifyConfig,
    channels: &BTreeMap<String, ChannelConfig>,
) -> Export {
    let mut export = Export::default();
    let settings = &config.notify;
    let group_by: Vec<String> = settings
        .group_by
        .iter()
        .map(|name| quote(&label_name(name)))
        .collect();
    let mut yaml = format!(
        "route:\n  receiver: {}\n  group_by: [{}]\n  group_wait: {}\n  group_interval: {}\n",
        quote(&receiver_name(&settings.channels)),
        group_by.join(", "),
        format(settings.group_wait),
        format(settings.group_interval.max(Duration::from_secs(1))),
    );
    let repeat = if settings.repeat.is_zero() {
        Duration::from_hours(365 * 24)
    } else {
        settings.repeat
    };
    yaml.push_str(&format!("  repeat_interval: {}\n", format(repeat)));
    let mut receivers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    receivers.insert(receiver_name(&settings.channels), settings.channels.clone());
    write_routes(&routes(config), 2, &mut yaml, &mut receivers);
    yaml.push_str(&inhibitions(config));
    yaml.push_str("receivers:\n");
    for (name, of) in receivers {
        yaml.push_str(&receiver(&name, &of, channels, &mut export.notes));
    }
    // A channel may be in several receivers.
    export.notes.sort();
    export.notes.dedup();
    note_differences(config, &mut export.notes);
    export.yaml = yaml;
    export
}

/// A route of Alertmanager: the first that matches takes the alert, unless it says that others may follow.
struct Branch {
    /// Conditions, all of which must hold.
    matchers: Vec<String>,
    /// The channels, if no child takes the alert.
    channels: Vec<String>,
    is_continued: bool,
    children: Vec<Branch>,
}

/// The routes below the root.
///
/// With us, the channels of an alert are a set: those of its scraper or the default, those of every route that it
/// matches, and an exclusive route discards what came before it. So the last exclusive route stands first, each with
/// the joining routes behind it.
fn routes(config: &NotifyConfig) -> Vec<Branch> {
    let mut branches = Vec::new();
    for (index, route) in config.route.iter().enumerate().rev() {
        if route.only {
            let later = joining(&config.route[index + 1..]);
            branches.push(branch(conditions(route), &route.channels, &later));
        }
    }
    let joining = joining(&config.route);
    for (name, scraper) in &config.scrapers {
        if !scraper.channels.is_empty() {
            let matchers = vec![format!("scraper_id={}", quote(name))];
            branches.push(branch(matchers, &scraper.channels, &joining));
        }
    }
    // Without joining routes the root does it.
    if !joining.is_empty() {
        branches.push(branch(Vec::new(), &config.notify.channels, &joining));
    }
    branches
}

fn joining(routes: &[Route]) -> Vec<&Route> {
    routes.iter().filter(|route| !route.only).collect()
}

/// The conditions of a route.
fn conditions(route: &Route) -> Vec<String> {
    let mut conditions: Vec<String> = route
        .matchers
        .iter()
        .map(|(name, wanted)| format!("{}{}", label_name(name), matcher(wanted)))
        .collect();
    if let Some(least) = route.severity {
        let above: Vec<&str> = Severity::ALL
            .iter()
            .filter(|severity| **severity >= least)
            .map(|severity| severity.as_str())
            .collect();
        conditions.push(format!("severity=~{}", quote(&above.join("|"))));
    }
    conditions
}

/// Alerts that go to `channels`, and to those of the joining routes that they match: to each channel once.
fn branch(matchers: Vec<String>, channels: &[String], joining: &[&Route]) -> Branch {
    let mut children = Vec::new();
    let further: BTreeSet<&String> = joining
        .iter()
        .flat_map(|route| &route.channels)
        .filter(|channel| !channels.contains(channel))
        .collect();
    if !further.is_empty() && !channels.is_empty() {
        children.push(Branch::to(Vec::new(), channels, true));
    }
    for channel in further {
        let with_it = joining
            .iter()
            .filter(|route| route.channels.contains(channel));
        let mut ways: Vec<Branch> = with_it
            .map(|route| Branch::to(conditions(route), std::slice::from_ref(channel), false))
            .collect();
        // One of several ways is enough: below a branch of its own the first ends the search.
        children.push(if ways.len() == 1 {
            Branch {
                is_continued: true,
                ..ways.remove(0)
            }
        } else {
            Branch {
                children: ways,
                ..Branch::to(Vec::new(), &[], true)
            }
        });
    }
    Branch {
        children,
        ..Branch::to(matchers, channels, false)
    }
}

impl Branch {
    fn to(matchers: Vec<String>, channels: &[String], is_continued: bool) -> Self {
        Self {
            matchers,
            channels: channels.to_vec(),
            is_continued,
            children: Vec::new(),
        }
    }
}

/// Writes routes at an indentation, and notes the receivers that they name.
fn write_routes(
    branches: &[Branch],
    indent: usize,
    yaml: &mut String,
    receivers: &mut BTreeMap<String, Vec<String>>,
) {
    if branches.is_empty() {
        return;
    }
    let blank = " ".repeat(indent);
    yaml.push_str(&format!("{blank}routes:\n"));
    for branch in branches {
        let name = receiver_name(&branch.channels);
        yaml.push_str(&format!("{blank}  - receiver: {}\n", quote(&name)));
        receivers.insert(name, branch.channels.clone());
        if !branch.matchers.is_empty() {
            let each: Vec<String> = branch.matchers.iter().map(|each| quote(each)).collect();
            yaml.push_str(&format!("{blank}    matchers: [{}]\n", each.join(", ")));
        }
        yaml.push_str(&format!("{blank}    continue: {}\n", branch.is_continued));
        write_routes(&branch.children, indent + 4, yaml, receivers);
    }
}

fn inhibitions(config: &NotifyConfig) -> String {
    if config.inhibit.is_empty() {
        return String::new();
    }
    let list = |matchers: &Matchers| {
        let each = matchers
            .iter()
            .map(|(name, wanted)| quote(&format!("{}{}", label_name(name), matcher(wanted))));
        each.collect::<Vec<_>>().join(", ")
    };
    let mut yaml = String::from("inhibit_rules:\n");
    for inhibition in &config.inhibit {
        let equal: Vec<String> = inhibition
            .equal
            .iter()
            .map(|name| quote(&label_name(name)))
            .collect();
        yaml.push_str(&format!(
            "  - source_matchers: [{}]\n    target_matchers: [{}]\n    equal: [{}]\n",
            list(&inhibition.source),
            list(&inhibition.target),
            equal.join(", ")
        ));
    }
    yaml
}

/// A receiver sends to several channels at once, so each set of channels is one.
fn receiver_name(channels: &[String]) -> String {
    if channels.is_empty() {
        "nobody".to_owned()
    } else {
        channels.join("+")
    }
}

fn receiver(
    name: &str,
    of: &[String],
    channels: &BTreeMap<String, ChannelConfig>,
    notes: &mut Vec<String>,
) -> String {
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    for channel in of {
        match channels
            .get(channel)
            .map(|config| receiver_section(channel, &config.kind))
        {
            Some(Some((section, text))) => sections.entry(section).or_default().push_str(&text),
            Some(None) => notes.push(format!(
                "channel {channel}: left out: Alertmanager has no receiver of its kind"
            )),
            None => notes.push(format!("channel {channel}: left out: it is not defined")),
        }
    }
    let mut yaml = format!("  - name: {}\n", quote(name));
    for (section, text) in sections {
        yaml.push_str(&format!("    {section}:\n{text}"));
    }
    yaml
}

/// The file in which Alertmanager finds a secret. Those of the environment have to be written to one.
fn secret_file(channel: &str, reference: &SecretRef) -> String {
    match reference {
        SecretRef::File { file } => quote(&file.display().to_string()),
        SecretRef::Env { env } => quote(&format!(
            "/etc/alertmanager/secrets/{channel}-{}",
            env.to_lowercase()
        )),
    }
}

fn receiver_section(channel: &str, kind: &ChannelKind) -> Option<(&'static str, String)> {
    Some(match kind {
        ChannelKind::Email(email) => {
            let host = quote(&format!("{}:{}", email.host, email.port));
            let (from, to) = (quote(&email.from), quote(&email.to.join(", ")));
            let tls = email.tls != SmtpTls::None;
            let mut text = format!(
                "      - to: {to}\n        from: {from}\n        smarthost: {host}\n        require_tls: {tls}\n        send_resolved: true\n"
            );
            if let (Some(user), Some(password)) = (&email.user, &email.password) {
                let (user, file) = (quote(user), secret_file(channel, password));
                text.push_str(&format!(
                    "        auth_username: {user}\n        auth_password_file: {file}\n"
                ));
            }
            ("email_configs", text)
        }
        ChannelKind::Slack { url, channel: to } => {
            let file = secret_file(channel, url);
            let to = to
                .as_deref()
                .map(|to| format!("        channel: {}\n", quote(to)))
                .unwrap_or_default();
            (
                "slack_configs",
                format!("      - api_url_file: {file}\n{to}        send_resolved: true\n"),
            )
        }
        ChannelKind::Discord { url } => {
            let file = secret_file(channel, url);
            (
                "discord_configs",
                format!("      - webhook_url_file: {file}\n        send_resolved: true\n"),
            )
        }
        ChannelKind::Webhook { url, .. } => {
            let url = match url {
                MaybeSecret::Plain(url) => format!("url: {}", quote(url)),
                MaybeSecret::Ref(reference) => {
                    format!("url_file: {}", secret_file(channel, reference))
                }
            };
            (
                "webhook_configs",
                format!("      - {url}\n        send_resolved: true\n"),
            )
        }
        ChannelKind::Telegram { token, chat_id, .. } => {
            let chat: i64 = chat_id.parse().ok()?;
            let file = secret_file(channel, token);
            let text = format!(
                "      - bot_token_file: {file}\n        chat_id: {chat}\n        parse_mode: \"\"\n        send_resolved: true\n"
            );
            ("telegram_configs", text)
        }
        ChannelKind::Ntfy { .. }
        | ChannelKind::Alertmanager { .. }
        | ChannelKind::File { .. }
        | ChannelKind::Stderr {} => {
            return None;
        }
    })
}

fn note_differences(config: &NotifyConfig, notes: &mut Vec<String>) {
    if config.notify.budget.is_some() {
        notes.push("budget: left out: Alertmanager has none".to_owned());
    }
    if !config.notify.escalate.is_empty() {
        notes.push("escalate: left out: Alertmanager has no escalation".to_owned());
    }
    if !config.silence.is_empty() {
        notes.push("silence: left out: set silences with `amtool silence add`".to_owned());
    }
}
