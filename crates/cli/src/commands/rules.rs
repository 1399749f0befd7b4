//! `dragline rules`: lists, explains, proposes and checks classification rules.

use anyhow::bail;
use dragline_classifier::{Hit, Proposal, RuleSet};
use dragline_report::render::{self, Align, Block, Document, Tone};
use dragline_schema::{Classify as _, ErrorCategory, ErrorText, Verdict};
use serde_json::{Value, json};

use crate::args::{Faulty, Format, OutputArgs, ReadArgs, RulesCommand, WrongUsage};
use crate::output;
use crate::session::Session;

/// `dragline rules …`
pub(crate) fn rules(command: &RulesCommand) -> anyhow::Result<()> {
    match command {
        RulesCommand::List { rules, output } => list(&Session::open(rules)?.rules, output),
        RulesCommand::Explain {
            text,
            status,
            rules,
            output,
        } => {
            let error = ErrorText {
                status_code: *status,
                ..RuleSet::error_of_text(text)
            };
            explain(&Session::open(rules)?.rules, &error, output)
        }
        RulesCommand::Suggest { read, limit } => suggest(read, *limit),
        RulesCommand::Check {
            files,
            no_shipped_rules,
        } => check(files, *no_shipped_rules),
    }
}

fn list(rules: &RuleSet, args: &OutputArgs) -> anyhow::Result<()> {
    let document = || {
        let headers =
            ["rule", "category", "sub-category", "severity"].map(|name| (Align::Left, name));
        let headers = [headers.as_slice(), &[(Align::Right, "priority")]].concat();
        let row = |rule: &dragline_classifier::Rule| {
            let cells = vec![
                rule.id.clone(),
                rule.category.to_string(),
                rule.sub_category.clone(),
                rule.severity.to_string(),
                rule.priority.to_string(),
            ];
            (Tone::Plain, cells)
        };
        let rows = rules.rules().iter().map(row).collect();
        Document {
            blocks: vec![
                Block::Title(format!("{} rules", rules.rules().len())),
                Block::table(&headers, rows),
            ],
        }
    };
    let rule = |rule: &dragline_classifier::Rule| {
        json!({
            "id": rule.id,
            "category": rule.category,
            "sub_category": rule.sub_category,
            "severity": rule.severity,
            "priority": rule.priority,
            "patterns": rule.patterns,
            "recommendation": rule.recommendation,
        })
    };
    let all: Vec<Value> = rules.rules().iter().map(rule).collect();
    output::write(args, document, &all)
}

fn explain(rules: &RuleSet, error: &ErrorText<'_>, args: &OutputArgs) -> anyhow::Result<()> {
    let hits = rules.explain(error);
    let verdict = Verdict {
        matched: hits.first().map(|hit| matched(hit).to_owned()),
        ..rules.classify(error)
    };
    let hit = |hit: &Hit<'_>| {
        json!({
            "rule": hit.rule.id,
            "category": hit.rule.category,
            "severity": hit.rule.severity,
            "priority": hit.rule.priority,
            "cause": hit.depth,
            "matched": matched(hit),
        })
    };
    let values: Vec<Value> = hits.iter().map(hit).collect();
    output::write(
        args,
        || explanation(rules, &verdict, &hits),
        &json!({"verdict": verdict, "hits": values}),
    )
}

fn matched<'h>(hit: &'h Hit<'_>) -> &'h str {
    hit.text.get(hit.span.clone()).unwrap_or_default()
}

fn explanation(rules: &RuleSet, verdict: &Verdict<'_>, hits: &[Hit<'_>]) -> Document {
    let mut blocks = Vec::new();
    let Some(best) = hits.first() else {
        blocks.push(Block::Title(format!(
            "{}, {}",
            verdict.category, verdict.severity
        )));
        let text = "No rule matches. `dragline rules explain --rules FILE` includes your own rules, `dragline rules suggest LOGS` proposes new ones.";
        blocks.push(Block::Text(Tone::Muted, text.to_owned()));
        return Document { blocks };
    };
    let title = format!(
        "{} ({}), {}",
        verdict.category, verdict.sub_category, verdict.severity
    );
    blocks.push(Block::Title(title));
    let place = match best.depth {
        0 => String::new(),
        depth => format!(" in cause {depth}"),
    };
    let reason = format!("matched by the rule {}{place}", best.rule.id);
    blocks.push(Block::Lines(vec![reason]));
    blocks.push(Block::Verbatim(hit_line(best).into()));
    if let Some(recommendation) = rules.recommendation(&best.rule.id) {
        blocks.push(Block::Text(Tone::Plain, recommendation.to_owned()));
    }
    if let Some(runner_up) = verdict.runner_up {
        let text = format!("Second-best category: {runner_up}.");
        blocks.push(Block::Text(Tone::Plain, text));
    }
    let others = &hits[1..];
    if !others.is_empty() {
        blocks.push(Block::Heading("Other matching rules".to_owned()));
        let headers = [
            (Align::Left, "rule"),
            (Align::Left, "category"),
            (Align::Left, "severity"),
            (Align::Right, "priority"),
            (Align::Left, "matched"),
        ];
        let row = |hit: &Hit<'_>| {
            let cells = vec![
                hit.rule.id.clone(),
                hit.rule.category.to_string(),
                hit.rule.severity.to_string(),
                hit.rule.priority.to_string(),
                matched(hit).to_owned(),
            ];
            (Tone::Plain, cells)
        };
        let rows = others.iter().map(row).collect();
        blocks.push(Block::table(&headers, rows));
    }
    Document { blocks }
}

/// Returns the text around the match, and a line of carets below the match.
fn hit_line(hit: &Hit<'_>) -> [String; 2] {
    const AROUND: usize = 40;
    let start = hit
        .text
        .floor_char_boundary(hit.span.start.saturating_sub(AROUND));
    let end = hit
        .text
        .ceil_char_boundary((hit.span.end + AROUND).min(hit.text.len()));
    let plain = dragline_report::render::clean;
    let piece = |range| plain(hit.text.get(range).unwrap_or_default());
    let (before, found) = (piece(start..hit.span.start), piece(hit.span.clone()));
    let after = piece(hit.span.end..end);
    let under = " ".repeat(before.chars().count()) + &"^".repeat(found.chars().count().max(1));
    [format!("  {before}{found}{after}"), format!("  {under}")]
}

/// `dragline rules suggest`
fn suggest(args: &ReadArgs, limit: usize) -> anyhow::Result<()> {
    if !matches!(args.output.format(), Format::Text | Format::Json) {
        let sentence = "rules suggest supports only --format text (TOML) and --format json";
        return Err(WrongUsage::new(sentence).into());
    }
    let session = Session::open(&args.input.rules)?;
    let finished = super::read::finished(&session, args)?;
    let rules = &session.rules;
    // Each group is represented by its sample.
    let messages: Vec<(String, u64)> = finished
        .groups
        .iter()
        .filter_map(|row| {
            let (_, sample) = row.group.sample.as_ref()?;
            // Errors that are already classified, by a status, a cause or the scraper itself, need no rule.
            if sample.category != ErrorCategory::Unknown || sample.rule.is_some() {
                return None;
            }
            let error_type = sample.error_type.as_str();
            let text = if error_type.is_empty() {
                sample.message.clone()
            } else {
                format!("{error_type}: {}", sample.message)
            };
            Some((text, row.group.count))
        })
        .collect();
    let texts = messages.iter().map(|(text, count)| (text.as_str(), *count));
    let proposals = dragline_classifier::suggest(rules, texts, limit);
    if args.output.format() == Format::Json {
        let object = |proposal: &Proposal| {
            json!({
                "id": proposal.id,
                "category": proposal.category,
                "pattern": proposal.pattern,
                "template": proposal.template,
                "explains": proposal.explains,
                "share": proposal.share,
                "samples": proposal.samples,
                "conflicts": proposal.conflicts.iter().map(|(text, rule)| json!({"rule": rule, "text": text})).collect::<Vec<_>>(),
            })
        };
        let all: Vec<Value> = proposals.iter().map(object).collect();
        return output::write_json(args.output.output.as_deref(), &all);
    }
    if proposals.is_empty() {
        output::tell(
            "no rule to propose: all errors are classified, or the unclassified ones have no words in common",
        );
        return Ok(());
    }
    let toml: Vec<String> = proposals.iter().map(Proposal::to_toml).collect();
    // Comments and samples contain text from logs.
    let lines = toml.join("\n");
    let lines = lines.split('\n').map(render::clean).collect::<Vec<_>>();
    output::save(args.output.output.as_deref(), &lines.join("\n"))
}

/// `dragline rules check`
fn check(files: &[std::path::PathBuf], no_shipped_rules: bool) -> anyhow::Result<()> {
    let mut broken = Vec::new();
    for file in files {
        // Each file separately, so that all broken files are reported.
        if let Err(error) = RuleSet::from_files(&[file]) {
            broken.push(error.to_string());
        }
    }
    if !broken.is_empty() {
        return Err(Faulty(broken.join("\n")).into());
    }
    let own = RuleSet::from_files(files)?;
    let all = if no_shipped_rules {
        own
    } else {
        let ids: Vec<String> = own.rules().iter().map(|rule| rule.id.clone()).collect();
        let shipped = RuleSet::shipped();
        for replaced in shipped.rules().iter().filter(|rule| ids.contains(&rule.id)) {
            let id = &replaced.id;
            output::show(&format!(
                "{id} replaces the shipped rule with the same id\n"
            ))?;
        }
        let all = RuleSet::shipped_and(files)?;
        return tell(&all.faults(|rule| ids.contains(&rule.id)), ids.len());
    };
    tell(&all.faults(|_| true), all.rules().len())
}

fn tell(faults: &[String], rules: usize) -> anyhow::Result<()> {
    if faults.is_empty() {
        let s = if rules == 1 { "" } else { "s" };
        return output::show(&format!("{rules} rule{s}, no problems found\n"));
    }
    for fault in faults {
        output::show(&(render::clean(fault) + "\n"))?;
    }
    let s = if faults.len() == 1 { "" } else { "s" };
    let of = if rules == 1 { "" } else { "s" };
    bail!("{} problem{s} in {rules} rule{of}", faults.len())
}
