//! `dragline show`, and the details of one incident or one error group, with the log lines behind them.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use dragline_report::Report;
use dragline_report::model::{Evidence, Group, Insight};
use dragline_report::render::{self, Block, Document, Tone};

use crate::args::{ShowArgs, WrongUsage};
use crate::output;

/// Number of lines shown before and after the evidence of an incident.
const AROUND: u64 = 3;

/// `dragline show`
pub(crate) fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let place = args.place.rsplit_once(':').and_then(|(path, line)| {
        let line: u64 = line.parse().ok().filter(|line| *line > 0)?;
        Some((path, line))
    });
    let Some((path, line)) = place else {
        let sentence = format!(
            "invalid location {:?}: use FILE:LINE, as reports print it",
            args.place
        );
        return Err(WrongUsage::new(&sentence).into());
    };
    let lines = around(path, line, args.context)?;
    if !lines.iter().any(|(number, _)| *number == line) {
        let last = lines.last().map_or_else(String::new, |(last, _)| {
            format!("; its last line is {last}")
        });
        bail!("{path} has no line {line}{last}");
    }
    let shown = render::numbered_lines(&lines, line);
    output::show(&(shown.join("\n") + "\n"))
}

/// Reads a line, with `context` lines before and after it.
fn around(path: &str, line: u64, context: u64) -> anyhow::Result<Vec<(u64, String)>> {
    let first = line.saturating_sub(context).max(1);
    let last = line.saturating_add(context);
    dragline_ingest::excerpt(Path::new(path), first, last, &Arc::default())
        .with_context(|| format!("cannot read {path}"))
}

/// Returns the incident with this number (from 1) or id prefix.
pub(super) fn incident<'r>(report: &'r Report, wanted: &str) -> anyhow::Result<&'r Insight> {
    let number = wanted.parse::<usize>().ok();
    let numbered = render::numbered(report);
    let by_number = number.and_then(|number| numbered.get(number.checked_sub(1)?).copied());
    let is_called = |insight: &&Insight| wanted.len() > 3 && insight.id.starts_with(wanted);
    let found = by_number.or_else(|| report.insights.iter().find(is_called));
    if let Some(insight) = found {
        return Ok(insight);
    }
    match numbered.len() {
        0 => bail!("the report has no incidents"),
        count => bail!(
            "no incident {wanted:?}: use a number from 1 to {count}, as in the report, or an id from --format json"
        ),
    }
}

/// Renders an incident with all details.
pub(super) fn of_incident(report: &Report, insight: &Insight) -> Document {
    render::incident(report, insight, &lines)
}

/// Reads a line of evidence and the lines around it; nothing if the file no longer exists.
pub(super) fn lines(place: &Evidence) -> Vec<(u64, String)> {
    around(&place.file, place.line, AROUND).unwrap_or_default()
}

/// Returns the error group with this id or id prefix.
pub(super) fn group<'r>(report: &'r Report, wanted: &str) -> anyhow::Result<&'r Group> {
    let groups = &report.errors.groups;
    let wanted = wanted.to_ascii_lowercase();
    let mut found = groups.iter().filter(|group| group.id.starts_with(&wanted));
    match (found.next(), found.next()) {
        (Some(group), None) if !wanted.is_empty() => Ok(group),
        (Some(_), Some(_)) => {
            bail!("several error groups start with {wanted:?}: use more digits of the id")
        }
        _ => bail!(
            "no error group starts with {wanted:?}; `dragline errors` lists groups, --format json all of them"
        ),
    }
}

/// Renders an error group with all details.
pub(super) fn of_group(group: &Group) -> Document {
    let mut document = Document::default();
    let what = group
        .error_type
        .as_deref()
        .unwrap_or("error without a type");
    document
        .blocks
        .push(Block::Title(format!("{what}: {}", group.template)));
    let sub = group
        .sub_category
        .as_deref()
        .map_or_else(String::new, |sub| format!(", {sub}"));
    let seen = match (&group.first_seen, &group.last_seen) {
        (Some(first), Some(last)) => format!(", seen from {first} to {last}"),
        _ => String::new(),
    };
    let share = group.share * 100.0;
    let s = if group.count == 1 { "" } else { "s" };
    document.text(
        Tone::Plain,
        format!(
            "{} ({}{sub}), group {}: {} time{s}, {share:.0} % of all errors{seen}.",
            group.severity, group.category, group.id, group.count
        ),
    );
    let names = group
        .scrapers
        .iter()
        .map(|name| match (&name.scraper_id, &name.site) {
            (Some(scraper), Some(site)) => format!("{scraper} on {site}"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => "an unnamed scraper".to_owned(),
        });
    let names: Vec<String> = names.collect();
    document.text(Tone::Plain, format!("Seen on {}.", names.join(", ")));
    document.heading("Sample".to_owned());
    document.blocks.push(Block::Verbatim(
        group.sample.lines().map(str::to_owned).collect(),
    ));
    render::show_lines(&mut document, &group.evidence, &lines);
    document
}
