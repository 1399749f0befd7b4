//! `dragline alerts backtest | suggest`: rules over the history in the logs.

use std::time::Duration;

use dragline_alerting::backtest::{BacktestResult, Variation, backtest as run_backtest};
use dragline_alerting::config::AlertConfig;
use dragline_alerting::duration;
use dragline_alerting::replay::{ReplayedNotice, most_within, replay};
use dragline_alerting::rule::{Condition, Rule};
use dragline_report::render;
use dragline_schema::Severity;
use dragline_watch::Scene;
use dragline_watch::suggest::{Suggestion, suggest as propose};
use serde_json::{Value, json};

use super::{Context, clean, load, read_logs};
use crate::args::{AlertLogs, BacktestArgs, Format, OutputArgs, WrongUsage};
use crate::output;
use crate::session::Session;

/// `dragline alerts backtest`
pub(super) fn backtest(args: &BacktestArgs) -> anyhow::Result<()> {
    check_format(&args.output)?;
    let session = Session::open(&args.logs.rules.session())?;
    let mut config = load(&session, &args.logs.rules)?;
    choose(&mut config, &args.rule)?;
    let context = Context::of(&session);
    let wanted = context.wanted(&config, &session).of_history();
    let scene = read_logs(&session, &args.logs, &wanted)?;
    let variations = variations(args);
    let results: Vec<(&Rule, Vec<BacktestResult>)> = config
        .rules
        .iter()
        .map(|rule| {
            // A threshold of a finding does not exist: such variations would be the same again.
            let has_threshold = matches!(rule.condition, Condition::Metric(_));
            let own: Vec<Variation> = variations
                .iter()
                .copied()
                .filter(|variation| has_threshold || variation.threshold.is_none())
                .collect();
            (
                rule,
                run_backtest(rule, config.watch, &scene.observations, &own),
            )
        })
        .collect();
    let sent = replay(
        &config.rules,
        config.watch,
        &config.notify,
        &scene.observations,
    );
    if args.output.format() == Format::Json {
        let value = json!({
            "period": period(&scene),
            "rules": results.iter().map(|(rule, results)| of_rule(rule, results)).collect::<Vec<_>>(),
            "notices": channels(&config, &sent),
        });
        return output::write_json(&args.output, &value);
    }
    let mut text = heading(&scene);
    for (rule, results) in &results {
        text += &told(rule, results);
    }
    text += &told_notices(&config, &sent);
    output::save(&args.output, &clean(&text))
}

fn check_format(output: &OutputArgs) -> anyhow::Result<()> {
    if matches!(output.format(), Format::Text | Format::Json) {
        return Ok(());
    }
    Err(WrongUsage::new("only --format text and --format json are supported here").into())
}

/// Keeps the rules with the given names; all of them without names.
fn choose(config: &mut AlertConfig, names: &[String]) -> anyhow::Result<()> {
    for name in names {
        if !config.rules.iter().any(|rule| rule.name == *name) {
            let known = config.rules.iter().map(|rule| rule.name.as_str());
            let known: Vec<&str> = known.collect();
            let sentence = format!(
                "there is no rule {name:?}; the rules are {}",
                known.join(", ")
            );
            return Err(WrongUsage::new(&sentence).into());
        }
    }
    config
        .rules
        .retain(|rule| names.is_empty() || names.contains(&rule.name));
    Ok(())
}

/// The rule as it is, and each combination that was asked for.
fn variations(args: &BacktestArgs) -> Vec<Variation> {
    let holds = args.holds.iter().copied().map(Some);
    let holds: Vec<Option<Duration>> = if args.holds.is_empty() {
        vec![None]
    } else {
        holds.collect()
    };
    let thresholds = args.threshold.iter().copied().map(Some);
    let thresholds: Vec<Option<f64>> = if args.threshold.is_empty() {
        vec![None]
    } else {
        thresholds.collect()
    };
    let mut all = vec![Variation::default()];
    for hold in &holds {
        for threshold in &thresholds {
            let one = Variation {
                hold: *hold,
                threshold: *threshold,
            };
            if one != Variation::default() {
                all.push(one);
            }
        }
    }
    all
}

fn period(scene: &Scene) -> Value {
    let show = |time: dragline_schema::Timestamp| time.to_string();
    let (first, last) = scene.finished.period.unzip();
    json!({"start": first.map(show), "end": last.map(show)})
}

fn heading(scene: &Scene) -> String {
    let Some((first, last)) = scene.finished.period else {
        return "The logs have no times: no rule can be judged.\n".to_owned();
    };
    let days = last.since(first) as f64 / 86_400e6;
    format!(
        "Over {days:.1} days, {} to {}.\nFindings are dated by their onset; the analyst sees most of them only when a run ends.\n\n",
        &first.to_string()[..10],
        &last.to_string()[..10]
    )
}

fn told(rule: &Rule, results: &[BacktestResult]) -> String {
    let mut text = format!("{}: {}\n", rule.name, rule.condition);
    for result in results {
        let last = result.episodes.last().map_or_else(String::new, |episode| {
            format!(
                ", the last {} UTC",
                episode.began.to_string()[..16].replace('T', " ")
            )
        });
        let times = match result.episodes.len() {
            0 => "never".to_owned(),
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        let length = duration::format(Duration::from_secs(result.firing.as_secs() / 60 * 60));
        let firing = if result.firing.is_zero() {
            String::new()
        } else {
            format!(", for {length} in all")
        };
        text += &format!(
            "  {:<28} {times}{firing}{last}\n",
            variation(result.variation)
        );
    }
    text.push('\n');
    text
}

fn variation(variation: Variation) -> String {
    let hold = variation
        .hold
        .map(|hold| format!("for = {}", duration::format(hold)));
    let threshold = variation
        .threshold
        .map(|threshold| format!("threshold {threshold}"));
    let parts: Vec<String> = hold.into_iter().chain(threshold).collect();
    if parts.is_empty() {
        "as it is".to_owned()
    } else {
        parts.join(", ")
    }
}

fn of_rule(rule: &Rule, results: &[BacktestResult]) -> Value {
    let episode = |episode: &dragline_alerting::backtest::BacktestEpisode| {
        json!({
            "alert": episode.alert.short(),
            "labels": episode.alert.labels,
            "began": episode.began.to_string(),
            "fired_at": episode.fired_at.to_string(),
            "ended": episode.ended.map(|ended| ended.to_string()),
        })
    };
    let results: Vec<Value> = results
        .iter()
        .map(|result| {
            json!({
                "for": result.variation.hold.map(duration::format),
                "threshold": result.variation.threshold,
                "firing_seconds": result.firing.as_secs(),
                "episodes": result.episodes.iter().map(episode).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({"alert": rule.name, "condition": rule.condition.to_string(), "variations": results})
}

/// Notices by channel, beside the budget.
fn channels(config: &AlertConfig, sent: &[ReplayedNotice]) -> Vec<Value> {
    let mut names: Vec<&str> = sent.iter().map(|notice| notice.channel.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let budget = config.notify.notify.budget;
    names
        .into_iter()
        .map(|name| {
            let own = || sent.iter().filter(|notice| notice.channel == name);
            json!({
                "channel": name,
                "notices": own().count(),
                "critical": own().filter(|notice| notice.severity == Severity::Critical).count(),
                "budget": budget.map(|budget| budget.notices),
                "budget_seconds": budget.map(|budget| budget.period.as_secs()),
                "most_within_budget_period": budget.map(|budget| most_within(sent, name, budget.period)),
            })
        })
        .collect()
}

fn told_notices(config: &AlertConfig, sent: &[ReplayedNotice]) -> String {
    let all = channels(config, sent);
    if all.is_empty() {
        return "No notice: no rule fires, or [notify] names no channel.\n".to_owned();
    }
    let mut text = String::from("Notices, with the ends of alerts\n");
    for one in all {
        let number = |name: &str| one[name].as_u64();
        let channel = one["channel"].as_str().unwrap_or_default();
        let (count, critical) = (
            number("notices").unwrap_or(0),
            number("critical").unwrap_or(0),
        );
        text += &format!("  {channel}: {count}, of which {critical} critical");
        if let (Some(budget), Some(most)) = (
            config.notify.notify.budget,
            number("most_within_budget_period"),
        ) {
            text += &format!(
                "; the others at most {most} in any {} (budget {})",
                duration::format(budget.period),
                budget.notices
            );
        }
        text.push('\n');
    }
    text
}

/// `dragline alerts suggest`
pub(super) fn suggest(logs: &AlertLogs, output: &OutputArgs) -> anyhow::Result<()> {
    check_format(output)?;
    let session = Session::open(&logs.rules.session())?;
    let config = AlertConfig {
        rules: dragline_watch::suggest::candidates(),
        ..load(&session, &logs.rules)?
    };
    let context = Context::of(&session);
    let wanted = context.wanted(&config, &session).of_history();
    let scene = read_logs(&session, logs, &wanted)?;
    let suggestions = propose(&scene);
    if output.format() == Format::Json {
        let all: Vec<Value> = suggestions.iter().map(of_suggestion).collect();
        return output::write_json(output, &all);
    }
    let mut text = format!("# Proposed for {} days of logs.\n", days(&scene));
    for suggestion in &suggestions {
        text += &format!(
            "\n# {}\n{}",
            render::clean(&suggestion.reason),
            suggestion.toml
        );
    }
    output::save(output, &text)
}

fn days(scene: &Scene) -> String {
    let days = scene
        .finished
        .period
        .map(|(first, last)| last.since(first) as f64 / 86_400e6);
    days.map_or_else(|| "?".to_owned(), |days| format!("{days:.0}"))
}

fn of_suggestion(suggestion: &Suggestion) -> Value {
    json!({
        "alert": suggestion.name,
        "rule": suggestion.toml,
        "reason": suggestion.reason,
        "episodes": suggestion.episodes,
        "incidents": suggestion.incidents,
        "incidents_found": suggestion.found,
        "episodes_outside_incidents": suggestion.outside,
    })
}
