//! Errors by category and in groups.

use super::super::document::{Align, Below, Document, Point, Tone};
use super::super::words::{
    ShortNames, count, evidence, minute, percent, short_type, tone_of_severity, unknown,
};
use crate::model::{Errors, Group, GroupScraper, Mute, Report};

/// Maximum number of scrapers named for each group.
const TOP_SCRAPERS: usize = 3;

pub(super) fn categories(errors: &Errors, document: &mut Document) {
    let mut sorted: Vec<(&String, &u64)> =
        errors.by_category.iter().filter(|(_, n)| **n > 0).collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1));
    let list = |pairs: &[(&String, &u64)]| {
        let parts: Vec<String> = pairs
            .iter()
            .map(|(name, n)| format!("{} {}", name.replace('_', " "), count(**n)))
            .collect();
        parts.join(", ")
    };
    let severities: Vec<(&String, &u64)> = ["critical", "high", "medium", "low"]
        .iter()
        .filter_map(|name| errors.by_severity.get_key_value(*name))
        .filter(|(_, n)| **n > 0)
        .collect();
    document.text(
        Tone::Plain,
        format!(
            "By category: {}. By severity: {}.",
            list(&sorted),
            list(&severities)
        ),
    );
}

pub(super) fn cells(errors: &Errors, limit: usize, document: &mut Document) {
    let headers = [
        (Align::Left, "category"),
        (Align::Left, "severity"),
        (Align::Cut, "type"),
        (Align::Right, "errors"),
    ];
    let rows = errors.cells.iter().take(limit).map(|cell| {
        let cells = vec![
            cell.category.replace('_', " "),
            cell.severity.clone(),
            cell.error_type.as_deref().map_or_else(unknown, short_type),
            count(cell.count),
        ];
        (tone_of_severity(&cell.severity), cells)
    });
    document.table(&headers, rows.collect());
}

/// Renders the largest groups. Muted ones are named in their place, without details.
pub(super) fn groups(report: &Report, limit: usize, document: &mut Document) {
    let groups = &report.errors.groups;
    let names = ShortNames::of(report);
    let mut points: Vec<Point> = Vec::new();
    let mut shown = 0;
    for group in groups {
        if shown == limit {
            break;
        }
        if let Some(mute) = &group.mute {
            points.push(muted(group, mute));
        } else {
            shown += 1;
            points.push(point(group, &names));
        }
    }
    let rest = groups.len() - points.len();
    document.list(points);
    if rest > 0 {
        document.text(
            Tone::Muted,
            format!("… and {} more groups.", count(rest as u64)),
        );
    }
}

/// `12 × network/timeout`
fn kind(group: &Group) -> String {
    let sub = group.sub_category.as_ref();
    let sub = sub.map_or_else(String::new, |sub| format!("/{sub}"));
    let category = group.category.replace('_', " ");
    format!("{} × {category}{sub}", count(group.count))
}

fn muted(group: &Group, mute: &Mute) -> Point {
    let until = mute.until.as_ref();
    let until = until.map_or_else(String::new, |until| {
        format!(" until {}", minute(Some(until)))
    });
    let text = format!(
        "{}: muted{until}, {} [group {}]",
        kind(group),
        mute.reason.trim_end_matches('.'),
        group.id
    );
    (Tone::Muted, text, Vec::new())
}

fn point(group: &Group, names: &ShortNames<'_>) -> Point {
    let state = group
        .state
        .as_ref()
        .map_or_else(String::new, |state| format!(", {state}"));
    let head = format!(
        "{}, up to {} severity{state}: {}",
        kind(group),
        group.severity,
        match &group.error_type {
            Some(name) => format!("{}: {}", short_type(name), group.template),
            None => group.template.clone(),
        }
    );
    let seen = format!(
        "{} to {}, seen on {} (group {})",
        minute(group.first_seen.as_ref()),
        minute(group.last_seen.as_ref()),
        scrapers(group, names),
        group.id
    );
    let mut below = vec![Below::Text(seen)];
    if let Some(at) = group.evidence.first() {
        // With one scraper, the sample can only be from it.
        let of = group
            .sample_of
            .as_ref()
            .filter(|_| group.scrapers.len() > 1);
        let label = of.map_or_else(
            || "Sample".to_owned(),
            |of| {
                let name = names.name(of.scraper_id.as_ref(), of.site.as_ref());
                format!("Sample from {name}")
            },
        );
        below.push(evidence(&label, at));
        let sample = dragline_schema::clip(&group.sample, 200);
        let line = sample.lines().next().unwrap_or_default();
        below.push(Below::Sample(line.to_owned()));
    }
    (tone_of_severity(&group.severity), head, below)
}

/// `mint 61.0 %, coin 35.0 % and 2 more`, the largest share first.
fn scrapers(group: &Group, names: &ShortNames<'_>) -> String {
    let mut all: Vec<&GroupScraper> = group.scrapers.iter().collect();
    all.sort_by_key(|scraper| std::cmp::Reverse(scraper.count));
    let is_alone = all.len() == 1;
    let names_and_shares = all.iter().take(TOP_SCRAPERS).map(|scraper| {
        let name = names.name(scraper.scraper_id.as_ref(), scraper.site.as_ref());
        match scraper.share.filter(|_| !is_alone) {
            Some(share) => format!("{name} {}", percent(Some(share))),
            None => name,
        }
    });
    let names_and_shares: Vec<String> = names_and_shares.collect();
    match all.len().saturating_sub(TOP_SCRAPERS) {
        0 => names_and_shares.join(", "),
        more => format!("{} and {more} more", names_and_shares.join(", ")),
    }
}
