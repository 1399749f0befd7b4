//! `dragline alerts backtest | suggest`: rules over the history in the logs.

use std::time::Duration;

use dragline_alerting::backtest::{BacktestResult, Variation, backtest as run_backtest};
use dragline_alerting::config::AlertConfig;
use dragline_alerting::duration::{self, elapsed};
use dragline_alerting::notice::length;
use dragline_alerting::replay::{ReplayedNotice, most_within, replay};
use dragline_alerting::rule::{Condition, Rule};
use dragline_report::render::{self, Align, Block, Document, Tone};
use dragline_schema::Severity;
use dragline_watch::Scene;
use dragline_watch::suggest::{Suggestion, suggest as propose};
use serde_json::{Value, json};

use super::{Context, load, read_logs};
use crate::args::{BacktestArgs, SuggestArgs, WrongUsage};
use crate::output;
use crate::session::Session;

/// `dragline alerts backtest`
pub(super) fn backtest(args: &BacktestArgs) -> anyhow::Result<()> {
    let session = Session::open(&args.logs.rules.session())?;
    let mut config = load(&session, &args.logs.rules)?;
    choose(&mut config, &args.rule)?;
    let context = Context::of(&session);
    let wanted = context.wanted(&config, &session).of_history();
    let scene = read_logs(&session, &args.logs, &args.logs.logs, &wanted)?;
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
    let value = json!({
        "period": period(&scene),
        "rules": results.iter().map(|(rule, results)| of_rule(rule, results)).collect::<Vec<_>>(),
        "notices": channels(&config, &sent),
    });
    let document = || document(&scene, &results, &config, &sent);
    output::write(&args.output, document, &value)
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

fn document(
    scene: &Scene,
    results: &[(&Rule, Vec<BacktestResult>)],
    config: &AlertConfig,
    sent: &[ReplayedNotice],
) -> Document {
    let mut document = Document::default();
    let title = match results {
        [(rule, _)] => format!("What the rule {} would have done", rule.name),
        _ => format!("What {} rules would have done", results.len()),
    };
    document.blocks.push(Block::Title(title));
    let Some((first, last)) = scene.finished.period else {
        document.text(
            Tone::Warning,
            "The logs have no times: no rule can be judged.",
        );
        return document;
    };
    let length = length(elapsed(last, first));
    let (first, last) = (first.to_string(), last.to_string());
    document.text(
        Tone::Plain,
        format!(
            "Over {length}, {} to {}. Findings are dated by their onset; the analyst sees most of them only when a run ends.",
            &first[..10],
            &last[..10]
        ),
    );
    document.heading("Rules");
    let headers = [
        (Align::Left, "rule"),
        (Align::Left, "variation"),
        (Align::Right, "fired"),
        (Align::Right, "in all"),
        (Align::Left, "last (UTC)"),
    ];
    let rows = results.iter().flat_map(|(rule, results)| {
        let row = |result: &BacktestResult| (Tone::Plain, cells(rule, result));
        results.iter().map(row)
    });
    document.blocks.push(Block::table(&headers, rows.collect()));
    document.heading("Conditions");
    let conditions = results
        .iter()
        .map(|(rule, _)| format!("{}: {}", rule.name, rule.condition));
    document.blocks.push(Block::Lines(conditions.collect()));
    document.heading("Notices, with repetitions and the ends of alerts");
    document.blocks.push(of_notices(config, sent));
    document
}

/// A row of the table of rules.
fn cells(rule: &Rule, result: &BacktestResult) -> Vec<String> {
    let times = match result.episodes.len() {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let firing = Duration::from_secs(result.firing.as_secs() / 60 * 60);
    let is_open = result.episodes.iter().any(|one| one.ended.is_none());
    let last = result.episodes.last();
    let last = last.map(|episode| episode.began.to_string()[..16].replace('T', " "));
    vec![
        rule.name.clone(),
        variation(result.variation),
        times,
        match (firing.is_zero(), is_open) {
            (true, false) => String::new(),
            (false, false) => duration::format(firing),
            (_, true) => format!("{}, goes on", duration::format(firing)),
        },
        last.unwrap_or_default(),
    ]
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

fn of_notices(config: &AlertConfig, sent: &[ReplayedNotice]) -> Block {
    let all = channels(config, sent);
    if all.is_empty() {
        let none = "No notice: no rule fires, or [notify] names no channel.";
        return Block::Text(Tone::Plain, none.to_owned());
    }
    let lines = all.iter().map(|one| {
        let number = |name: &str| one[name].as_u64();
        let channel = one["channel"].as_str().unwrap_or_default();
        let (count, critical) = (
            number("notices").unwrap_or(0),
            number("critical").unwrap_or(0),
        );
        let within = number("most_within_budget_period");
        let budget = config.notify.notify.budget.zip(within);
        let budget = budget.map_or_else(String::new, |(budget, most)| {
            format!(
                "; the others at most {most} in any {} (budget {})",
                duration::format(budget.period),
                budget.notices
            )
        });
        format!("{channel}: {count}, of which {critical} critical{budget}")
    });
    Block::Lines(lines.collect())
}

/// `dragline alerts suggest`
pub(super) fn suggest(args: &SuggestArgs) -> anyhow::Result<()> {
    let (logs, output) = (&args.logs, args.output.as_deref());
    let session = Session::open(&logs.rules.session())?;
    let config = AlertConfig {
        rules: dragline_watch::suggest::candidates(),
        ..load(&session, &logs.rules)?
    };
    let context = Context::of(&session);
    let wanted = context.wanted(&config, &session).of_history();
    let scene = read_logs(&session, logs, &logs.logs, &wanted)?;
    let suggestions = propose(&scene);
    if args.is_json() {
        let all: Vec<Value> = suggestions.iter().map(of_suggestion).collect();
        return output::write_json(output, &all);
    }
    let period = scene.finished.period;
    let length = period.map_or_else(
        || "logs without times".to_owned(),
        |(first, last)| format!("{} of logs", length(elapsed(last, first))),
    );
    let mut text = format!("# Proposed for {length}.\n");
    for suggestion in &suggestions {
        text += &format!(
            "\n# {}\n{}",
            render::clean(&suggestion.reason),
            suggestion.toml
        );
    }
    output::save(output, &text)
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
