//! What happened, and what to do.

use dragline_insights::InsightKind;
use std::collections::BTreeSet;

use super::super::document::{Document, Tone};
use super::super::layout::{Layout, Section};
use super::super::words::{place, tone_of_severity};
use crate::model::{Insight, Recommendation, Report};
use crate::runbooks::name_of;

/// So many incidents are told in full.
const TOP_INSIGHTS: usize = 5;
/// So many things to do stand at the top.
const TOP_TASKS: usize = 3;
/// So many scrapers that had the same are named.
const TOP_OTHERS: usize = 4;

/// The first things to do, and what for.
pub(super) fn to_do(report: &Report, document: &mut Document) {
    let tasks = tasks(report);
    if tasks.is_empty() {
        return;
    }
    document.heading(match tasks.len() {
        1 => "What to do".to_owned(),
        _ => "What to do first".to_owned(),
    });
    let points = tasks.iter().map(|task| {
        let named: Vec<&Insight> = task
            .insights
            .iter()
            .filter_map(|id| report.insights.iter().find(|insight| insight.id == *id))
            .filter(|insight| insight.is_open)
            .collect();
        let worst = named
            .first()
            .map_or("", |insight| insight.severity.as_str());
        let mut below = vec![format!("For: {}.", what_for(&named))];
        below.extend(quiet_hours(report, &named));
        below.extend(task.runbook.as_deref().map(runbook));
        (tone_of_severity(worst), task.text.clone(), below)
    });
    document.list(points.collect());
}

/// When the sites that are slow, or refuse, are best asked.
fn quiet_hours<'r>(
    report: &'r Report,
    insights: &'r [&Insight],
) -> impl Iterator<Item = String> + 'r {
    let is_of_pace = |insight: &&&Insight| {
        let kind = insight.kind.parse::<InsightKind>();
        kind.is_ok_and(InsightKind::is_of_site)
    };
    let sites: BTreeSet<&str> = insights
        .iter()
        .filter(is_of_pace)
        .filter_map(|insight| insight.site.as_deref())
        .collect();
    let quiet = report.quiet_hours.iter();
    quiet
        .filter(move |quiet| sites.contains(quiet.site.as_str()))
        .map(|quiet| {
            format!(
                "{} is best asked from {:02}:00 to {:02}:00 UTC.",
                quiet.site, quiet.from_hour, quiet.until_hour
            )
        })
}

/// What to do about what is not over.
fn tasks(report: &Report) -> Vec<&Recommendation> {
    let is_open = |task: &&Recommendation| {
        let mut own = task.insights.iter();
        own.any(|id| {
            let mut all = report.insights.iter();
            all.any(|insight| insight.id == *id && insight.is_open)
        })
    };
    let all = report.recommendations.iter();
    all.filter(is_open).take(TOP_TASKS).collect()
}

/// `block wave of books on books.example.com, …`
fn what_for(insights: &[&Insight]) -> String {
    named(insights.iter().map(|insight| {
        let kind = insight.kind.replace('_', " ");
        match whose(insight) {
            Some(who) => format!("{kind} of {who}"),
            None => kind,
        }
    }))
}

fn whose(insight: &Insight) -> Option<String> {
    let name = (insight.scraper_id.clone(), insight.site.clone());
    (name != (None, None)).then(|| dragline_insights::name(&name))
}

/// The first of some names, each once, and how many more there are.
fn named(names: impl Iterator<Item = String>) -> String {
    let mut told: Vec<String> = Vec::new();
    for name in names {
        if !told.contains(&name) {
            told.push(name);
        }
    }
    let more = told.len().saturating_sub(TOP_OTHERS);
    told.truncate(TOP_OTHERS);
    let tail = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    told.join(", ") + &tail
}

/// `docs/runbooks/blocked.md` is shown by a command, too.
fn runbook(path: &str) -> String {
    format!("Runbook: dragline runbook {}", name_of(path))
}

/// The incidents in the order in which they are numbered: those that are open, then those that are over.
pub fn numbered(report: &Report) -> Vec<&Insight> {
    let (open, closed) = parted(report);
    open.iter()
        .chain(&closed)
        .map(|(insight, _)| *insight)
        .collect()
}

/// An incident, and those of other scrapers that have most likely the same cause.
type Folded<'r> = (&'r Insight, Vec<&'r Insight>);

/// What is open, and what is over.
fn parted(report: &Report) -> (Vec<Folded<'_>>, Vec<Folded<'_>>) {
    let is_open = |(insight, others): &Folded<'_>| {
        insight.is_open || others.iter().any(|other| other.is_open)
    };
    folded(&report.insights).into_iter().partition(is_open)
}

/// The incidents, each cause once: at length those that are open, in a line those that are over.
pub(super) fn incidents(report: &Report, layout: &Layout, document: &mut Document) {
    let (open, closed) = parted(report);
    heading(open.len(), "open incident", document);
    // What to do is not said twice.
    let shown: Vec<&str> = if layout.sections.contains(&Section::ToDo) {
        tasks(report)
            .iter()
            .map(|task| task.text.as_str())
            .collect()
    } else {
        Vec::new()
    };
    let points = open.iter().take(TOP_INSIGHTS).map(|(insight, others)| {
        let mut below = vec![insight.detail.clone()];
        below.extend(the_same(others));
        for at in insight.evidence.iter().take(2) {
            below.push(format!("Evidence: {}", place(at)));
            below.extend(at.sample.as_ref().map(|sample| format!("› {sample}")));
        }
        if !shown.contains(&insight.recommendation.as_str()) {
            below.push(insight.recommendation.clone());
        }
        let title = format!("[{}] {}", insight.severity, insight.title);
        (tone_of_severity(&insight.severity), title, below)
    });
    document.list(points.collect());
    if open.len() > TOP_INSIGHTS {
        document.text(Tone::Muted, "Further:".to_owned());
        document.lines(short(&open[TOP_INSIGHTS..], TOP_INSIGHTS));
    }
    heading(closed.len(), "closed incident", document);
    document.lines(short(&closed, open.len()));
    if !report.insights.is_empty() {
        let hint = "One of them with the lines that show it: dragline report --incident N.";
        document.text(Tone::Muted, hint.to_owned());
    }
}

/// Incidents in a line each, numbered from behind `before`.
fn short(folded: &[Folded<'_>], before: usize) -> Vec<String> {
    let line = |(nth, (insight, others)): (usize, &Folded<'_>)| {
        let also = named(others.iter().filter_map(|other| whose(other)));
        let also = if also.is_empty() {
            String::new()
        } else {
            format!("; the same at {also}")
        };
        format!(
            "{}. [{}] {}{also}",
            nth + 1,
            insight.severity,
            insight.title
        )
    };
    (before..).zip(folded).map(line).collect()
}

fn heading(count: usize, noun: &str, document: &mut Document) {
    match count {
        0 => {}
        1 => document.heading(format!("1 {noun}")),
        n => document.heading(format!("{n} {noun}s")),
    }
}

/// Each incident with those of other scrapers that have most likely the same cause.
fn folded(insights: &[Insight]) -> Vec<Folded<'_>> {
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut folded = Vec::new();
    for insight in insights {
        if !told.insert(&insight.id) {
            continue;
        }
        let others: Vec<&Insight> = insights
            .iter()
            .filter(|other| {
                insight.related.contains(&other.id) && !told.contains(other.id.as_str())
            })
            .collect();
        told.extend(others.iter().map(|other| other.id.as_str()));
        folded.push((insight, others));
    }
    folded
}

/// Who else had it.
fn the_same(others: &[&Insight]) -> Option<String> {
    let names = named(others.iter().filter_map(|other| whose(other)));
    (!names.is_empty())
        .then(|| format!("At the same time the same at {names}: most likely one cause."))
}
