//! Errors by category and in groups.

use std::collections::BTreeSet;

use super::super::document::{Align, Document, Tone};
use super::super::words::{
    count, known, minute, place, plural, short_type, tone_of_severity, unknown,
};
use crate::model::{Errors, Group};

pub(super) fn categories(errors: &Errors, document: &mut Document) {
    let mut sorted: Vec<(&String, &u64)> =
        errors.by_category.iter().filter(|(_, n)| **n > 0).collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1));
    let list = |pairs: &[(&String, &u64)]| {
        let told: Vec<String> = pairs
            .iter()
            .map(|(name, n)| format!("{} {}", name.replace('_', " "), count(**n)))
            .collect();
        told.join(", ")
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

pub(super) fn groups(groups: &[Group], limit: usize, document: &mut Document) {
    let muted = groups.iter().filter(|group| group.mute.is_some()).count();
    let shown = || groups.iter().filter(|group| group.mute.is_none());
    let points = shown().take(limit).map(|group| {
        let sub = group
            .sub_category
            .as_ref()
            .map_or_else(String::new, |sub| format!("/{sub}"));
        let state = group
            .state
            .as_ref()
            .map_or_else(String::new, |state| format!(", {state}"));
        let head = format!(
            "{} × {}{sub}, up to {} severity{state}: {}",
            count(group.count),
            group.category.replace('_', " "),
            group.severity,
            match &group.error_type {
                Some(name) => format!("{}: {}", short_type(name), group.template),
                None => group.template.clone(),
            }
        );
        let names: BTreeSet<String> = group
            .scrapers
            .iter()
            .map(|name| known(name.scraper_id.as_ref().or(name.site.as_ref())))
            .collect();
        let more = if names.len() > 3 { ", …" } else { "" };
        let names: Vec<String> = names.into_iter().take(3).collect();
        let seen = format!(
            "{} to {}, seen on {}{more} (group {})",
            minute(group.first_seen.as_ref()),
            minute(group.last_seen.as_ref()),
            names.join(", "),
            group.id
        );
        let mut below = vec![seen];
        if let Some(at) = group.evidence.first() {
            let sample = dragline_schema::clip(&group.sample, 200);
            below.push(format!(
                "{}: {}",
                place(at),
                sample.lines().next().unwrap_or_default()
            ));
        }
        (tone_of_severity(&group.severity), head, below)
    });
    document.list(points.collect());
    if muted > 0 {
        let sentence = format!(
            "{} muted by the configuration (counted, not shown).",
            plural(muted as u64, "group")
        );
        document.text(Tone::Muted, sentence);
    }
    if groups.len() - muted > limit {
        let rest = groups.len() - muted - limit;
        document.text(
            Tone::Muted,
            format!("… and {} more groups.", count(rest as u64)),
        );
    }
}
