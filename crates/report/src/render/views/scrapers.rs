//! Scrapers and their verdicts.

use std::collections::BTreeMap;

use super::super::document::{Align, Block, Document, Tone};
use super::super::layout::Layout;
use super::super::words::{known, plural, tone_of_verdict, who};
use crate::lookup::Name;
use crate::model::{Report, Scraper};

/// Minimum number of runs for a baseline.
const LEAST_RUNS: u64 = 4;

/// Renders the table, and the reasons that no incident contains.
pub(super) fn scrapers(
    report: &Report,
    layout: &Layout,
    sparklines: &BTreeMap<Name, String>,
    document: &mut Document,
) {
    if report.scrapers.is_empty() {
        return;
    }
    document.heading("Scrapers");
    let mut headers: Vec<(Align, String)> = vec![
        (Align::Fixed, "verdict".to_owned()),
        (Align::Cut, "scraper".to_owned()),
        (Align::Cut, "site".to_owned()),
    ];
    let metrics = layout.metrics.iter();
    headers.extend(metrics.map(|metric| (metric.align, metric.header.to_owned())));
    let rows = report.scrapers.iter().map(|scraper| {
        let mut cells = vec![
            scraper.verdict.replace('_', " "),
            known(scraper.scraper_id.as_ref()),
            known(scraper.site.as_ref()),
        ];
        let metrics = layout.metrics.iter();
        cells.extend(metrics.map(|metric| (metric.show)(&scraper.totals)));
        (tone_of_verdict(&scraper.verdict), cells)
    });
    let figures = report.scrapers.iter().map(|scraper| {
        let name = (scraper.scraper_id.clone(), scraper.site.clone());
        sparklines.get(&name).cloned().unwrap_or_default()
    });
    document.blocks.push(Block::Table {
        headers,
        rows: rows.collect(),
        figures: figures.filter(|_| !sparklines.is_empty()).collect(),
        is_stacked: true,
    });
    reasons(report, document);
    if let Some(text) = too_few(report) {
        document.text(Tone::Muted, text);
    }
}

/// Returns a note on the number of scrapers with too few runs for a baseline and without incidents.
fn too_few(report: &Report) -> Option<String> {
    let is_short = |scraper: &&Scraper| {
        let runs = scraper.totals.runs.unwrap_or(0);
        let name = (&scraper.scraper_id, &scraper.site);
        let mut insights = report.insights.iter();
        let is_reported = insights.any(|insight| (&insight.scraper_id, &insight.site) == name);
        runs > 0 && runs < LEAST_RUNS && !is_reported
    };
    let short = report.scrapers.iter().filter(is_short).count() as u64;
    (short > 0).then(|| {
        format!(
            "{} with fewer than {LEAST_RUNS} runs: too few for a baseline.",
            plural(short, "scraper")
        )
    })
}

/// Renders the reasons for the verdicts that no incident contains.
fn reasons(report: &Report, document: &mut Document) {
    for scraper in &report.scrapers {
        let who = who(scraper);
        let is_new = |reason: &&String| {
            let mut insights = report.insights.iter();
            !insights.any(|insight| reason.starts_with(&insight.title))
        };
        for reason in scraper.reasons.iter().filter(is_new) {
            let sentence = if reason.contains(&who) {
                reason.clone()
            } else {
                format!("{who}: {reason}")
            };
            document.text(Tone::Plain, sentence);
        }
    }
}
