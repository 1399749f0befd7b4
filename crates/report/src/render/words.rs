//! Formatting of numbers, times and names, and the tones of verdicts and severities.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Below, Tone};
use crate::model::{Evidence, Report, Scraper};

pub(super) fn tone_of_severity(severity: &str) -> Tone {
    match severity {
        "critical" | "high" => Tone::Critical,
        "medium" => Tone::Warning,
        _ => Tone::Plain,
    }
}

pub(super) fn tone_of_verdict(verdict: &str) -> Tone {
    match verdict {
        "healthy" | "finished" | "running" => Tone::Good,
        "degraded" | "cancelled" | "truncated" | "missed" => Tone::Warning,
        "no_data" | "?" => Tone::Muted,
        _ => Tone::Critical,
    }
}

pub(super) fn who(scraper: &Scraper) -> String {
    match (&scraper.scraper_id, &scraper.site) {
        (Some(scraper), Some(site)) => format!("{scraper} on {site}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => "An unnamed scraper".to_owned(),
    }
}

/// A log line below a point of a list.
pub(super) fn evidence(label: &str, at: &Evidence) -> Below {
    Below::Evidence {
        label: label.to_owned(),
        file: at.file.clone(),
        line: at.line,
    }
}

/// The shortest names by which the scrapers of a report can be told apart.
#[derive(Default)]
pub(super) struct ShortNames<'r> {
    /// The sites of each scraper id.
    sites: BTreeMap<&'r str, BTreeSet<Option<&'r str>>>,
}

impl<'r> ShortNames<'r> {
    pub(super) fn of(report: &'r Report) -> Self {
        let mut sites: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
        for scraper in &report.scrapers {
            if let Some(id) = scraper.scraper_id.as_deref() {
                sites.entry(id).or_default().insert(scraper.site.as_deref());
            }
        }
        Self { sites }
    }

    /// The scraper's id, or its site if it has no id; both if the id belongs to several scrapers.
    pub(super) fn name(&self, scraper_id: Option<&String>, site: Option<&String>) -> String {
        let is_shared = |id: &String| self.sites.get(&**id).is_some_and(|sites| sites.len() > 1);
        match (scraper_id, site) {
            (Some(id), Some(site)) if is_shared(id) => format!("{id} on {site}"),
            (id, site) => known(id.or(site)),
        }
    }
}

pub(super) fn unknown() -> String {
    "?".to_owned()
}

pub(super) fn known(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(unknown)
}

pub(super) fn some(value: Option<u64>) -> String {
    value.map_or_else(unknown, count)
}

/// `1 host`, `12 hosts`
pub(super) fn plural(value: u64, noun: &str) -> String {
    let s = if value == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(value))
}

/// Returns a type without its modules: `ScrapeError::Status`.
pub(super) fn short_type(name: &str) -> String {
    let parts: Vec<&str> = name.split("::").collect();
    let begins = parts
        .iter()
        .position(|part| part.starts_with(char::is_uppercase));
    parts[begins.unwrap_or(0)..].join("::")
}

/// `12,345`
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(unknown, |share| format!("{:.1} %", share * 100.0))
}

/// Formats a number with about three significant digits.
pub(super) fn number(value: f64) -> String {
    if value.abs() >= 100.0 {
        count(value.abs().round() as u64)
    } else if value.abs() >= 10.0 || value == 0.0 {
        format!("{value:.1}").trim_end_matches(".0").to_owned()
    } else {
        format!("{value:.2}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
    }
}

pub(super) fn bytes(value: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = value as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", number(value), UNITS[unit])
}

/// Formats a time to the minute.
pub(super) fn minute(time: Option<&String>) -> String {
    time.map_or_else(unknown, |time| {
        dragline_schema::clip(time, 16).replace('T', " ")
    })
}

/// Formats a time to the minute without the year: `03-04 11:22`.
pub(super) fn short_minute(time: Option<&String>) -> String {
    let text = minute(time);
    text.get(5..).map_or(text.clone(), str::to_owned)
}
