//! `dragline alerts check | test | send-test | export`: rules and channels without logs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use dragline_alerting::channel::Outcome;
use dragline_alerting::export::{alertmanager_config, prometheus_rules};
use dragline_alerting::notice::Notice;
use dragline_alerting::testing;
use dragline_metrics::{CrawlMetric, Kind};

use super::{clean, lint, load};
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
    let problems = lint::problems(&session, &config);
    text += &format!("{} rules\n", config.rules.len());
    output::show(&clean(&text))?;
    if problems.is_empty() {
        return Ok(());
    }
    Err(Faulty(problems.join("\n")).into())
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
    output::save(to, &export.yaml)
}
