//! What is wrong with alert rules and notifications that no rule or section says alone: names that nothing has, and
//! conditions that no logs can meet.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use dragline_alerting::channel::ChannelKind;
use dragline_alerting::config::AlertConfig;
use dragline_alerting::notify::NotifyConfig;
use dragline_alerting::render::WEBHOOK_PLACEHOLDERS;
use dragline_alerting::rule::{self, Aggregate, Condition, MetricCondition, Rule, Selector, fill};
use dragline_alerting::state::NoDataPolicy;
use dragline_alerting::{LabelMatch, Matchers, duration};
use dragline_insights::InsightKind;
use dragline_metrics::{CrawlMetric, Kind};
use dragline_schema::{Severity, nearest};
use dragline_watch::check_names;

use crate::session::Session;

/// Labels that every alert has, or that the watch adds.
const OF_ALERTS: [&str; 9] = [
    "alertname",
    "category",
    "check",
    "finding",
    "metric",
    "no_data",
    "scraper_id",
    "severity",
    "site",
];
/// The labels of what the analyst says about runs, and of findings, checks and signs of life.
const OF_RUNS: [&str; 2] = ["scraper_id", "site"];

/// The problems, a sentence each.
pub(super) fn problems(session: &Session, config: &AlertConfig) -> Vec<String> {
    let mut problems = session.config.channels().1;
    // A channel that cannot be made is a channel all the same.
    if problems.is_empty()
        && config.notify.notify.channels.is_empty()
        && config.notify.named_channels().is_empty()
    {
        problems.push("no channel is notified: name one in [notify] channels".to_owned());
    }
    let channels = session.config.channel_configs();
    let escalations = config.rules.iter().flat_map(|rule| &rule.escalate);
    for channel in escalations.flat_map(|step| &step.channels) {
        if !channels.contains_key(channel) {
            problems.push(format!(
                "a rule escalates to {channel:?}: define [channels.{channel}]"
            ));
        }
    }
    problems.extend(problems_of_files(session));
    problems.extend(problems_of_rules(session, config));
    problems.extend(problems_of_notifications(config));
    problems.extend(problems_of_templates(session, config));
    problems
}

/// Channels that append to a file in a directory that is not there.
fn problems_of_files(session: &Session) -> Vec<String> {
    let mut problems = Vec::new();
    for (channel, config) in session.config.channel_configs() {
        let ChannelKind::File { path } = &config.kind else {
            continue;
        };
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
            problems.push(format!(
                "[channels.{channel}]: there is no directory {}: create it",
                directory.display()
            ));
        }
    }
    problems
}

/// Placeholders of webhooks that nothing fills in.
fn problems_of_templates(session: &Session, config: &AlertConfig) -> Vec<String> {
    let mut known = labels_of_all(config);
    known.extend(WEBHOOK_PLACEHOLDERS.iter().map(|(name, _)| *name));
    let mut problems = Vec::new();
    for (channel, config) in session.config.channel_configs() {
        let ChannelKind::Webhook { template, .. } = config.kind else {
            continue;
        };
        for name in unknown_placeholders(template.as_deref().unwrap_or_default(), &known) {
            let hint = hint(&name, known.iter().copied());
            problems.push(format!(
                "the template of [channels.{channel}]: nothing fills in {{{name}}}{hint}"
            ));
        }
    }
    problems
}

fn unknown_placeholders(text: &str, known: &BTreeSet<&str>) -> Vec<String> {
    let wrong = RefCell::new(Vec::new());
    fill(text, |name| {
        if !known.contains(name.strip_prefix("labels.").unwrap_or(name)) {
            wrong.borrow_mut().push(name.to_owned());
        }
        None
    });
    wrong.into_inner()
}

/// Rules that can never fire, or that cannot say what they want to say.
pub(super) fn problems_of_rules(session: &Session, config: &AlertConfig) -> Vec<String> {
    let enabled = config.rules.iter().filter(|rule| rule.enabled);
    let off = config.rules.iter().filter(|rule| !rule.enabled);
    let near_defaults = off.filter_map(|rule| {
        let defaults = rule::default_rules();
        let known = defaults.iter().map(|rule| rule.name.as_str());
        if known.clone().any(|known| known == rule.name) {
            return None;
        }
        let near = nearest(&rule.name, known)?;
        Some(format!(
            "rule {:?}: it is switched off, and no default is called so: did you mean {near:?}?",
            rule.name
        ))
    });
    let problems = enabled.flat_map(|rule| {
        let own = [
            problem_of(session, rule),
            problem_of_labels(rule),
            problem_of_values(rule),
            problem_of_texts(rule),
            problem_without_data(rule),
            problem_of_window(rule, config.watch.interval),
        ];
        let own = own.into_iter().flatten();
        own.map(|problem| format!("rule {:?}: {problem}", rule.name))
    });
    problems.chain(near_defaults).collect()
}

/// Names in braces that nothing fills in.
fn problem_of_texts(rule: &Rule) -> Option<String> {
    const VALUES: [&str; 6] = [
        "began",
        "condition",
        "expected",
        "percent",
        "threshold",
        "value",
    ];
    let mut known = labels_of(rule);
    known.extend(VALUES);
    known.extend(OF_ALERTS);
    known.extend(
        rule.labels
            .iter()
            .chain(rule.tags.iter())
            .map(|(name, _)| name),
    );
    let texts = rule.annotations.values().chain([&rule.message]);
    let wrong: BTreeSet<String> = texts
        .flat_map(|text| unknown_placeholders(text, &known))
        .collect();
    let wrong = wrong
        .iter()
        .map(|name| format!("{{{name}}}{}", hint(name, known.iter().copied())));
    let wrong: Vec<String> = wrong.collect();
    (!wrong.is_empty()).then(|| format!("nothing fills in {}", wrong.join(", ")))
}

/// What is wrong with a rule's condition.
fn problem_of(session: &Session, rule: &Rule) -> Option<String> {
    match &rule.condition {
        Condition::Metric(metric) => problem_of_metric(metric),
        Condition::Insight(selector, _) => {
            let kinds = InsightKind::ALL.iter().map(|kind| kind.name());
            unknown("kind of finding", selector, kinds, "docs/insights.md")
        }
        Condition::Health(selector, _) => {
            let checks = session.config.health().ok();
            let names = checks.as_ref().map(check_names).unwrap_or_default();
            unknown("check", selector, names.into_iter(), "[health]")
        }
        Condition::Freshness(selector) => unknown(
            "sign of life",
            selector,
            ["run"].into_iter(),
            "docs/alerting.md",
        ),
    }
}

/// A window that leaves time out between two evaluations.
fn problem_of_window(rule: &Rule, interval: Duration) -> Option<String> {
    let window = match &rule.condition {
        Condition::Metric(metric) => metric.window,
        _ => return None,
    };
    (window < interval).then(|| {
        format!(
            "it looks at the last {}, and rules are judged every {}: what happens between is not seen",
            duration::format(window),
            duration::format(interval)
        )
    })
}

/// Missing data of what is never unknown.
fn problem_without_data(rule: &Rule) -> Option<String> {
    let Condition::Metric(metric) = &rule.condition else {
        return None;
    };
    let is_asked = matches!(rule.no_data, NoDataPolicy::Alerting | NoDataPolicy::NoData);
    let mut all = taken(metric).filter(|_| is_asked);
    all.find(|known| known.kind() != Kind::Gauge)?;
    Some(format!(
        "no_data fires whenever nothing is counted or measured, also while the scraper does something else: {} is no \
         reading; to see that a scraper is silent, use increase(…) < 1, or freshness = \"run\" for runs that are due",
        metric.selector.name
    ))
}

/// The metrics that a condition takes.
fn taken(metric: &MetricCondition) -> impl Iterator<Item = &'static CrawlMetric> {
    let all = CrawlMetric::ALL.iter();
    all.filter(|known| metric.selector.takes(&known.sample_name()))
}

/// What is wrong with a metric; `None` if logs supply it.
fn problem_of_metric(metric: &MetricCondition) -> Option<String> {
    let name = &metric.selector.name;
    if name.starts_with("run_") {
        return problem_of_run_metric(&metric.selector);
    }
    let known: Vec<String> = CrawlMetric::ALL
        .iter()
        .map(|metric| metric.sample_name())
        .collect();
    let unknown = unknown(
        "metric",
        &metric.selector,
        known.iter().map(String::as_str),
        "docs/metrics.md",
    );
    if unknown.is_some() {
        return unknown;
    }
    let has = |kind: Kind| taken(metric).any(|known| known.kind() == kind);
    if has(Kind::Counter) && !metric.aggregate.is_counted() {
        return Some(format!(
            "{} of a counter depends on where the logs begin: use increase or rate",
            metric.aggregate.name()
        ));
    }
    let is_of_counters = matches!(metric.aggregate, Aggregate::Increase | Aggregate::Rate);
    if is_of_counters && !has(Kind::Counter) && !has(Kind::Histogram) {
        return Some(format!(
            "{} is for counters, and {name} goes up and down: use last, avg, min or max",
            metric.aggregate.name()
        ));
    }
    if name.ends_with("_ratio") && metric.threshold > 1.0 {
        return Some(format!(
            "a ratio is at most 1: write {} for {} %",
            metric.threshold / 100.0,
            metric.threshold
        ));
    }
    (metric.aggregate == Aggregate::Absent).then(|| {
        "absent of a metric from logs knows no earlier samples: use increase(…) < 1, or freshness = \"run\" for runs that are due".to_owned()
    })
}

/// Beginnings of the metrics of runs whose names go on with names of the user's: of statistics and of fields.
const OWN: [&str; 2] = ["run_stats_", "run_field_fill_"];

fn problem_of_run_metric(selector: &Selector) -> Option<String> {
    if OWN.iter().any(|own| selector.name.starts_with(own)) {
        return None;
    }
    let known = dragline_watch::run_metrics();
    unknown(
        "metric of runs",
        selector,
        known.iter().map(String::as_str),
        "docs/alerting.md",
    )
}

/// The labels of what a rule watches.
fn labels_of(rule: &Rule) -> BTreeSet<&str> {
    match &rule.condition {
        Condition::Metric(metric) if !metric.selector.name.starts_with("run_") => {
            let labels = taken(metric).flat_map(|metric| metric.labels());
            labels.copied().collect()
        }
        Condition::Metric(_) | Condition::Freshness(_) => OF_RUNS.into(),
        Condition::Insight(..) => ["finding", "metric", "scraper_id", "site"].into(),
        Condition::Health(..) => ["check"].into(),
    }
}

/// What is wrong with the labels that a rule asks for.
fn problem_of_labels(rule: &Rule) -> Option<String> {
    let selector = rule.selector();
    let known = labels_of(rule);
    if known.is_empty() {
        return None;
    }
    let wrong = selector
        .matchers
        .iter()
        .find(|(name, _)| !known.contains(name));
    let (name, _) = wrong?;
    let all: Vec<&str> = known.iter().copied().collect();
    Some(format!(
        "{} has no label {name:?}, so that no series is taken{}: it has {}",
        selector.name,
        hint(name, all.iter().copied()),
        all.join(", ")
    ))
}

/// A value that no series of a metric can have.
fn problem_of_values(rule: &Rule) -> Option<String> {
    let Condition::Metric(metric) = &rule.condition else {
        return None;
    };
    let mut asked = metric.selector.matchers.iter();
    asked.find_map(|(label, wanted)| {
        if label == "code" && !(100..600).any(|code: u16| wanted.takes(&code.to_string())) {
            return Some(format!(
                "code is never {wanted}, so that no series is taken: it is a number such as \"403\", and \"4*\" takes all that begin so"
            ));
        }
        let each = taken(metric).map(|metric| metric.values(label));
        let known: Vec<&str> = each.collect::<Option<Vec<_>>>()?.concat();
        if known.is_empty() || known.iter().any(|value| wanted.takes(value)) {
            return None;
        }
        let hint = match wanted {
            LabelMatch::One(value) => hint(value, known.iter().copied()),
            LabelMatch::Any(_) => String::new(),
        };
        Some(format!(
            "{label} is never {wanted}, so that no series is taken{hint}: it is {}",
            known.join(", ")
        ))
    })
}

/// Conditions of a silence that no alert can meet.
pub(super) fn problems_of_silence(config: &AlertConfig, matchers: &Matchers) -> Vec<String> {
    problems_of_matchers(
        "the silence",
        matchers,
        &labels_of_all(config),
        &config.rules,
    )
}

/// The labels that some alert can have.
fn labels_of_all(config: &AlertConfig) -> BTreeSet<&str> {
    let mut labels: BTreeSet<&str> = OF_ALERTS.into();
    for metric in CrawlMetric::ALL {
        labels.extend(metric.labels());
    }
    for rule in &config.rules {
        let own = [&rule.labels, &rule.tags];
        labels.extend(
            own.into_iter()
                .flat_map(|own| own.iter().map(|(name, _)| name)),
        );
    }
    labels
}

/// Silences and inhibitions that nothing can meet, and silences that never end.
pub(super) fn problems_of_notifications(config: &AlertConfig) -> Vec<String> {
    let notify = &config.notify;
    let labels = labels_of_all(config);
    let silences = notify
        .silence
        .iter()
        .map(|silence| ("a silence", &silence.matchers));
    let routes = notify
        .route
        .iter()
        .map(|route| ("a route", &route.matchers));
    let inhibitions = notify.inhibit.iter().flat_map(|inhibition| {
        [
            ("the source of an inhibition", &inhibition.source),
            ("the target of an inhibition", &inhibition.target),
        ]
    });
    let each = silences.chain(routes).chain(inhibitions);
    let wrong = each
        .flat_map(|(what, matchers)| problems_of_matchers(what, matchers, &labels, &config.rules));
    let groups = notify.notify.group_by.iter();
    let groups = groups
        .filter(|label| !labels.contains(&***label))
        .map(|label| {
            let hint = hint(label, labels.iter().copied());
            format!("group_by names the label {label:?}, which no alert has{hint}")
        });
    let groups: Vec<String> = groups.collect();
    let endless = notify
        .silence
        .iter()
        .filter(|silence| silence.ends.is_none() && silence.weekly.is_none());
    let endless = endless.map(|silence| {
        format!(
            "a silence never ends: {}; give it `ends`, or `weekly` hours",
            silence.matchers
        )
    });
    wrong.chain(groups).chain(endless).collect()
}

fn problems_of_matchers(
    what: &str,
    matchers: &Matchers,
    labels: &BTreeSet<&str>,
    rules: &[Rule],
) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, wanted) in matchers.iter() {
        if !labels.contains(name) {
            problems.push(format!(
                "{what} asks for the label {name:?}, which no alert has{}",
                hint(name, labels.iter().copied())
            ));
        }
        let names = || {
            rules
                .iter()
                .map(|rule| rule.name.as_str())
                .chain(["watch_lag"])
        };
        let mut severities = Severity::ALL.iter().map(|severity| severity.as_str());
        if name == "severity" && !severities.any(|severity| wanted.takes(severity)) {
            problems.push(format!(
                "{what} asks for the severity {wanted}: it is low, medium, high or critical"
            ));
        }
        if name == "alertname" && !names().any(|rule| wanted.takes(rule)) {
            problems.push(format!(
                "{what} asks for the alert {wanted}, and no rule is called so"
            ));
        }
    }
    problems
}

fn hint<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    nearest(name, known).map_or_else(String::new, |known| format!(" (did you mean {known:?}?)"))
}

/// A sentence about a name that nothing has; `None` if something has it.
fn unknown<'n>(
    what: &str,
    selector: &Selector,
    known: impl Iterator<Item = &'n str> + Clone,
    see: &str,
) -> Option<String> {
    if known.clone().any(|known| selector.takes(known)) {
        return None;
    }
    let hint = nearest(&selector.name, known);
    let hint = hint.map_or_else(String::new, |known| format!(": did you mean {known:?}?"));
    Some(format!(
        "there is no {what} {:?}{hint} ({see} lists all)",
        selector.name
    ))
}

/// The scrapers and sites that `[scrapers.NAME]` and routes name, and no log does: nothing is ever sent by them.
pub(super) fn problems_of_names(
    notify: &NotifyConfig,
    scrapers: &BTreeSet<String>,
    sites: &BTreeSet<String>,
) -> Vec<String> {
    let own = notify.scrapers.keys();
    let own = own.map(|name| (format!("[scrapers.{name}]"), "scraper", name.as_str()));
    let routes = notify.route.iter().flat_map(|route| route.matchers.iter());
    let routes = routes.flat_map(|(label, wanted)| {
        let kind = match label {
            "scraper_id" => "scraper",
            "site" => "site",
            _ => "",
        };
        let patterns = match wanted {
            LabelMatch::One(pattern) => std::slice::from_ref(pattern),
            LabelMatch::Any(patterns) => patterns,
        };
        let is_name = move |pattern: &&String| !kind.is_empty() && !pattern.contains(['*', '|']);
        let names = patterns.iter().filter(is_name);
        names.map(move |name| ("a route".to_owned(), kind, name.as_str()))
    });
    let all = own.chain(routes).filter_map(|(what, kind, name)| {
        let known = if kind == "site" { sites } else { scrapers };
        let is_unknown = !known.is_empty() && !known.contains(name);
        is_unknown.then(|| {
            let hint = hint(name, known.iter().map(String::as_str));
            format!("{what}: the logs name no {kind} {name:?}{hint}")
        })
    });
    all.collect()
}
