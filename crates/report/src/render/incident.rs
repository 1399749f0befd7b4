//! One incident with all details.

use std::path::Path;

use super::document::{Block, Document, Tone};
use super::terminal::clean;
use crate::model::{Evidence, Insight, Report};
use crate::runbooks::runbook;

/// Maximum length of a line, in characters; longer lines are cut.
const LONGEST: usize = 2000;

/// Renders an incident with all details. `lines` reads a line of evidence and the lines around it, with their numbers;
/// without any, the short text of the line is shown.
pub fn incident(
    report: &Report,
    insight: &Insight,
    lines: &dyn Fn(&Evidence) -> Vec<(u64, String)>,
) -> Document {
    let mut document = Document::default();
    document.blocks.push(Block::Title(insight.title.clone()));
    let state = match (&insight.since, &insight.until) {
        (Some(since), Some(until)) => format!("{}, from {since} to {until}.", insight.severity),
        (Some(since), None) if insight.is_open => {
            format!("{}, open since {since}.", insight.severity)
        }
        (Some(since), None) => format!("{}, at {since}.", insight.severity),
        (None, _) => format!("{}.", insight.severity),
    };
    let kind = insight.kind.replace('_', " ");
    let text = format!("{kind}: {state} {}", insight.detail);
    document.text(Tone::Plain, text);
    show_lines(&mut document, &insight.evidence, lines);
    document.heading("What to do".to_owned());
    document.text(Tone::Plain, insight.recommendation.clone());
    if !insight.related.is_empty() {
        let text = format!(
            "Related incidents at the same time, probably with the same cause: {}.",
            insight.related.join(", ")
        );
        document.text(Tone::Muted, text);
    }
    let task = report
        .recommendations
        .iter()
        .find(|task| task.insights.contains(&insight.id));
    let path = task.and_then(|task| task.runbook.as_deref());
    let name = path.and_then(|path| Path::new(path).file_stem()?.to_str());
    if let Some(name) = name.filter(|name| runbook(name).is_some()) {
        document.text(Tone::Muted, format!("More: dragline runbook {name}"));
    }
    document
}

/// Adds lines of evidence with the lines around them; without any, the short text of the line.
pub fn show_lines(
    document: &mut Document,
    evidence: &[Evidence],
    lines: &dyn Fn(&Evidence) -> Vec<(u64, String)>,
) {
    for place in evidence {
        document.heading(format!("{}:{}", place.file, place.line));
        let lines = lines(place);
        if lines.is_empty() {
            let sample = place.sample.as_deref();
            let text = sample.unwrap_or("The file no longer exists.");
            document.text(Tone::Muted, text.to_owned());
        } else {
            let lines = numbered_lines(&lines, place.line);
            document.blocks.push(Block::Verbatim(lines));
        }
    }
}

/// Formats lines with their numbers, and marks one of them.
pub fn numbered_lines(lines: &[(u64, String)], marked: u64) -> Vec<String> {
    let width = lines
        .last()
        .map_or(1, |(number, _)| number.to_string().len());
    let line = |(number, text): &(u64, String)| {
        let mark = if *number == marked { '>' } else { ' ' };
        let text: String = text.chars().take(LONGEST).collect();
        format!("{mark} {number:>width$}  {}", clean(&text))
    };
    lines.iter().map(line).collect()
}
