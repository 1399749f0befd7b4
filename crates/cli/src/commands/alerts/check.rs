//! `dragline alerts check | test | send-test | export`: rules and channels without logs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use dragline_alerting::channel::Outcome;
use dragline_alerting::config::AlertConfig;
use dragline_alerting::export::{alertmanager_config, prometheus_rules};
use dragline_alerting::notice::Notice;
use dragline_alerting::rule::{Aggregate, Condition, MetricCondition, Selector};
use dragline_alerting::testing;
use dragline_insights::InsightKind;
use dragline_metrics::{CrawlMetric, Kind};
use dragline_schema::nearest;

use super::{clean, load};
use crate::args::{AlertRules, ExportFor, Faulty, RulesArgs, WrongUsage};
use crate::output;
use crate::session::Session;

/// `dragline alerts check`
pub(super) fn check(rules: &AlertRules) -> anyhow::Result<()> {
    let session = Session::open(&rules.session())?;
    let config = load(&session, rules)?;
    let mut text = String::new();
    for rule in &config.rules {
        let state = if rule.enabled { "" } else { " (disabled)" };
        text += &format!(
            "{:<24} {:<8} {}{state}\n",
            rule.name, rule.severity, rule.condition
        );
    }
    let problems = problems(&session, &config);
    text += &format!("{} rules\n", config.rules.len());
    output::show(&clean(&text))?;
    if problems.is_empty() {
        return Ok(());
    }
    Err(Faulty(problems.join("\n")).into())
}

/// What no rule or section says alone.
fn problems(session: &Session, config: &AlertConfig) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(session.config.channels().1);
    if config.notify.notify.channels.is_empty() && config.notify.named_channels().is_empty() {
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
    for rule in config.rules.iter().filter(|rule| rule.enabled) {
        let problem = match &rule.condition {
            Condition::Metric(metric) => problem_of_metric(metric),
            Condition::Insight(selector, _) => {
                let kinds = InsightKind::ALL.iter().map(|kind| kind.name());
                unknown("kind of finding", selector, kinds, "docs/insights.md")
            }
            Condition::Health(selector, _) => {
                let checks = session.config.health().ok();
                let names: Vec<String> = checks
                    .iter()
                    .flat_map(|checks| checks.checks.iter().map(|check| check.name.clone()))
                    .collect();
                unknown(
                    "check",
                    selector,
                    names.iter().map(String::as_str),
                    "[health]",
                )
            }
            Condition::Freshness(selector) => unknown(
                "sign of life",
                selector,
                ["run"].into_iter(),
                "docs/alerting.md",
            ),
        };
        problems.extend(problem.map(|problem| format!("rule {:?}: {problem}", rule.name)));
    }
    problems
}

/// What is wrong with a metric; `None` if logs supply it.
fn problem_of_metric(metric: &MetricCondition) -> Option<String> {
    let name = &metric.selector.name;
    if name.starts_with("run_") {
        return None;
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
    let taken = CrawlMetric::ALL
        .iter()
        .filter(|known| metric.selector.takes(&known.sample_name()));
    let has_counter = taken.clone().any(|known| known.kind() == Kind::Counter);
    if has_counter && !metric.aggregate.is_counted() {
        return Some(format!(
            "{} of a counter depends on where the logs begin: use increase or rate",
            metric.aggregate.name()
        ));
    }
    let is_absence = metric.aggregate == Aggregate::Absent;
    is_absence.then(|| {
        "absent of a metric from logs knows no earlier samples: use freshness = \"run\"".to_owned()
    })
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

/// `dragline alerts test`
pub(super) fn test(files: &[PathBuf], rules: &AlertRules) -> anyhow::Result<()> {
    let session = Session::open(&rules.session())?;
    let config = load(&session, rules)?;
    let (mut passed, mut failed) = (0, 0);
    let mut text = String::new();
    for path in files {
        let name = path.display().to_string();
        let tests = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let results = testing::run(&name, &tests, &config.rules)
            .map_err(|problem| WrongUsage::new(&problem))?;
        for result in results {
            if result.failures.is_empty() {
                passed += 1;
                continue;
            }
            failed += 1;
            text += &format!("{name}: {} failed\n", result.name);
            result
                .failures
                .iter()
                .for_each(|failure| text += &format!("  {failure}\n"));
        }
    }
    text += &format!("{passed} passed, {failed} failed\n");
    output::show(&clean(&text))?;
    if failed > 0 {
        bail!("{failed} of {} tests failed", passed + failed);
    }
    Ok(())
}

/// `dragline alerts send-test`
pub(super) fn send_test(channel: &str, config: Option<&PathBuf>) -> anyhow::Result<()> {
    let session = Session::open(&RulesArgs::of_config(config))?;
    let (channels, _) = session.config.channels();
    if let Some(why) = channels.why_broken(channel) {
        return Err(WrongUsage::new(why).into());
    }
    let Some(channel) = channels.get(channel) else {
        return Err(WrongUsage::new(&channels.find_unknown([channel]).join("\n")).into());
    };
    let notice = Notice::test(session.now);
    match channel.send(&notice, session.now) {
        Outcome::Delivered => output::show(&format!(
            "sent to {}: look whether it arrived\n",
            channel.name()
        )),
        Outcome::Retry { error, .. } | Outcome::Refused { error } => {
            bail!("not sent to {}: {error}", channel.name())
        }
    }
}

/// `dragline alerts export`
pub(super) fn export(
    program: ExportFor,
    rules: &AlertRules,
    to: Option<&Path>,
) -> anyhow::Result<()> {
    let session = Session::open(&rules.session())?;
    let config = load(&session, rules)?;
    let is_histogram = |name: &str| {
        CrawlMetric::from_name(name).is_some_and(|metric| metric.kind() == Kind::Histogram)
    };
    let export = match program {
        ExportFor::Prometheus => prometheus_rules(&config.rules, is_histogram),
        ExportFor::Alertmanager => {
            alertmanager_config(&config.notify, &session.config.channel_configs())
        }
    };
    for note in &export.notes {
        output::tell(&clean(note));
    }
    match to {
        Some(path) => output::write_file(path, &export.yaml),
        None => output::show(&export.yaml),
    }
}
