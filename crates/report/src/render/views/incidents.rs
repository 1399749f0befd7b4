//! Incidents and recommendations.

use dragline_insights::InsightKind;
use std::collections::BTreeSet;

use super::super::document::{Below, Document, Point, Tone};
use super::super::layout::{Layout, Section};
use super::super::words::{evidence, plural, tone_of_severity};
use crate::model::{Insight, Recommendation, Report};
use crate::runbooks::name_of;

/// Maximum number of incidents shown in full.
const TOP_INSIGHTS: usize = 5;
/// Maximum number of recommendations at the top.
const TOP_TASKS: usize = 3;
/// Maximum number of named scrapers with the same incident.
const TOP_OTHERS: usize = 4;

/// Renders the most important recommendations and their incidents.
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
        let mut below = vec![Below::Text(format!("For: {}.", what_for(&named)))];
        below.extend(quiet_hours(report, &named).map(Below::Text));
        let runbook = task.runbook.as_deref().map(name_of);
        below.extend(runbook.map(|name| Below::Runbook(name.to_owned())));
        (tone_of_severity(worst), task.text.clone(), below)
    });
    document.list(points.collect());
}

/// Returns the quiet hours of sites with incidents such as slow or refused requests.
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
                "{} is best scraped from {:02}:00 to {:02}:00 UTC.",
                quiet.site, quiet.from_hour, quiet.until_hour
            )
        })
}

/// Returns the recommendations for open incidents.
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

/// Joins the first distinct names, and the number of further names.
fn named(names: impl Iterator<Item = String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    let more = distinct.len().saturating_sub(TOP_OTHERS);
    distinct.truncate(TOP_OTHERS);
    let tail = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    distinct.join(", ") + &tail
}

/// Returns the incidents in the order of their numbers: open ones first, then closed ones.
pub fn numbered(report: &Report) -> Vec<&Insight> {
    let (open, closed) = parted(report);
    open.iter()
        .chain(&closed)
        .map(|(insight, _)| *insight)
        .collect()
}

/// An incident, and those of other scrapers that probably have the same cause.
type Folded<'r> = (&'r Insight, Vec<&'r Insight>);

/// Splits the incidents into open and closed ones.
fn parted(report: &Report) -> (Vec<Folded<'_>>, Vec<Folded<'_>>) {
    let is_open = |(insight, others): &Folded<'_>| {
        insight.is_open || others.iter().any(|other| other.is_open)
    };
    folded(&report.insights).into_iter().partition(is_open)
}

/// Renders the incidents, one per cause: the first open ones in full, the others in one line, which HTML folds.
pub(super) fn incidents(report: &Report, layout: &Layout, document: &mut Document) {
    let (open, closed) = parted(report);
    heading(open.len(), "open incident", document);
    // Recommendations that are already shown are not repeated.
    let shown: Vec<&str> = if layout.sections.contains(&Section::ToDo) {
        tasks(report)
            .iter()
            .map(|task| task.text.as_str())
            .collect()
    } else {
        Vec::new()
    };
    let points = open.iter().take(TOP_INSIGHTS).map(|(insight, others)| {
        let mut below = vec![Below::Text(insight.detail.clone())];
        below.extend(the_same(others).map(Below::Text));
        for at in insight.evidence.iter().take(2) {
            below.push(evidence("Evidence", at));
            below.extend(at.sample.clone().map(Below::Sample));
        }
        if !shown.contains(&insight.recommendation.as_str()) {
            below.push(Below::Text(insight.recommendation.clone()));
        }
        let title = format!("[{}] {}", insight.severity, insight.title);
        (tone_of_severity(&insight.severity), title, below)
    });
    document.list(points.collect());
    if open.len() > TOP_INSIGHTS {
        let more = &open[TOP_INSIGHTS..];
        let heading = format!(
            "{}, less severe or older",
            plural(more.len() as u64, "more open incident")
        );
        fold(heading, more, TOP_INSIGHTS, document);
    }
    if !closed.is_empty() {
        let heading = plural(closed.len() as u64, "closed incident");
        fold(heading, &closed, open.len(), document);
    }
    if !report.insights.is_empty() {
        let hint = "Show one with its log lines: dragline report --incident N.";
        document.text(Tone::Muted, hint.to_owned());
    }
}

/// Renders incidents in one line each below a heading; numbers start after `before`.
fn fold(heading: String, folded: &[Folded<'_>], before: usize, document: &mut Document) {
    let point = |(insight, others): &Folded<'_>| -> Point {
        let also = named(others.iter().filter_map(|other| whose(other)));
        let also = if also.is_empty() {
            String::new()
        } else {
            format!("; also on {also}")
        };
        let text = format!("[{}] {}{also}", insight.severity, insight.title);
        (Tone::Plain, text, Vec::new())
    };
    let mut inside = Document::default();
    inside.list_from(before + 1, folded.iter().map(point).collect());
    document.fold(heading, inside);
}

fn heading(count: usize, noun: &str, document: &mut Document) {
    if count > 0 {
        document.heading(plural(count as u64, noun));
    }
}

/// Groups each incident with those of other scrapers that probably have the same cause.
fn folded(insights: &[Insight]) -> Vec<Folded<'_>> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut folded = Vec::new();
    for insight in insights {
        if !seen.insert(&insight.id) {
            continue;
        }
        let others: Vec<&Insight> = insights
            .iter()
            .filter(|other| {
                insight.related.contains(&other.id) && !seen.contains(other.id.as_str())
            })
            .collect();
        seen.extend(others.iter().map(|other| other.id.as_str()));
        folded.push((insight, others));
    }
    folded
}

/// Returns a sentence about other scrapers with the same incident.
fn the_same(others: &[&Insight]) -> Option<String> {
    let names = named(others.iter().filter_map(|other| whose(other)));
    (!names.is_empty())
        .then(|| format!("Also on {names} at the same time: probably the same cause."))
}
