//! The report as a document: headline, what needs attention, totals, tables, and data quality.

mod errors;
mod incidents;
mod numbers;
mod outlook;
mod runs;
mod scrapers;
mod sections;
mod trust;

pub use self::incidents::numbered;
use super::document::{Block, Document, Tone};
use super::layout::{Layout, Section};
use super::words::{minute, plural, who};
use crate::model::{Report, Scraper, Trust};

/// Maximum number of error groups shown in a report.
const TOP_GROUPS: usize = 10;

/// Renders the whole report.
pub fn report(report: &Report, layout: &Layout) -> Document {
    with_figures(report, layout, &super::figures::Figures::default())
}

/// Renders only the sections of a layout, without a title and without what was read.
pub fn sections(report: &Report, layout: &Layout) -> Document {
    let mut document = Document::default();
    for section in &layout.sections {
        let figures = super::figures::Figures::default();
        show(*section, report, layout, &figures, &mut document);
    }
    document
}

/// Renders the whole report, with charts.
pub(super) fn with_figures(
    report: &Report,
    layout: &Layout,
    figures: &super::figures::Figures,
) -> Document {
    let mut document = Document::default();
    document.title(layout.title.clone().unwrap_or_else(|| headline(report)));
    let (start, end) = (
        minute(report.period.start.as_ref()),
        minute(report.period.end.as_ref()),
    );
    let trust_line = trust::trust_line(&report.trust);
    let period = match &report.period.start {
        Some(_) => format!("{start} to {end} UTC. "),
        None => String::new(),
    };
    document.text(Tone::Muted, format!("{period}{trust_line}"));
    if layout.title.is_some() {
        document.text(Tone::Plain, format!("{}.", headline(report)));
    }
    for section in &layout.sections {
        show(*section, report, layout, figures, &mut document);
    }
    document
}

fn show(
    section: Section,
    report: &Report,
    layout: &Layout,
    figures: &super::figures::Figures,
    document: &mut Document,
) {
    match section {
        Section::ToDo => incidents::to_do(report, document),
        Section::Scrapers => {
            scrapers::scrapers(report, layout, &figures.sparklines, document);
            let blocks = figures.blocks.iter().cloned().map(Block::Figure);
            document.blocks.extend(blocks);
        }
        Section::Incidents => incidents::incidents(report, layout, document),
        Section::Totals => {
            document.heading("Totals");
            numbers::totals(report, document);
        }
        Section::Charts => {
            let charts = figures.charts.iter().cloned().map(Block::Figure);
            document.blocks.extend(charts);
        }
        Section::Panels => outlook::panels(report, document),
        Section::Errors => {
            if report.errors.total > 0 {
                document.heading(plural(report.errors.total, "error"));
                errors::categories(&report.errors, document);
                errors::groups(report, TOP_GROUPS, document);
            }
        }
        Section::Runs => runs::run_table(report, document),
        Section::Days => sections::days(report, document),
        Section::Hosts => sections::hosts(report, document),
        Section::Articles => sections::articles(report, document),
        Section::Search => sections::search(report, document),
        Section::Queue => sections::queue(report, document),
        Section::Database => sections::database(report, document),
        Section::System => sections::system(report, document),
        Section::Trends => outlook::trends(report, figures.forecast.as_ref(), document),
        Section::Time => outlook::time(report, document),
        Section::Cost => outlook::cost(report, document),
        Section::Trust => trust::trust(&report.trust, document),
    }
}

/// Renders only the errors.
pub fn errors(report: &Report, limit: usize) -> Document {
    let mut document = Document::default();
    let total = report.errors.total;
    let period = report
        .period
        .start
        .as_ref()
        .map_or_else(String::new, |start| {
            format!(
                ", {} to {} UTC",
                minute(Some(start)),
                minute(report.period.end.as_ref())
            )
        });
    document.title(format!(
        "{} in {}{period}",
        plural(total, "error"),
        plural(report.errors.groups.len() as u64, "group"),
    ));
    if total > 0 {
        errors::categories(&report.errors, &mut document);
        errors::cells(&report.errors, limit, &mut document);
        errors::groups(report, limit, &mut document);
    }
    document
}

/// Renders only the runs, oldest first.
pub fn runs(report: &Report) -> Document {
    let mut document = Document::default();
    document.title(plural(report.runs.len() as u64, "run"));
    runs::table_of_runs(
        report,
        &report.runs.iter().collect::<Vec<_>>(),
        &mut document,
    );
    document
}

/// Returns a clause that says what could not be read; `None` if everything could.
pub fn unread(trust: &Trust) -> Option<String> {
    trust::unread_of(trust)
}

/// Returns the headline: the most severe open incident, and the state of the other scrapers. Nothing is called healthy of
/// which nothing is known.
pub fn headline(report: &Report) -> String {
    let line = state(report);
    let (lines, bad) = (report.trust.lines, report.trust.bad_lines);
    if bad > 0 && bad * 2 >= lines {
        return format!("{line}. {bad} of {lines} lines could not be read");
    }
    line
}

fn state(report: &Report) -> String {
    let needs_hand = |verdict: &str| !matches!(verdict, "healthy" | "no_data");
    let bad: Vec<&Scraper> = report
        .scrapers
        .iter()
        .filter(|scraper| needs_hand(&scraper.verdict))
        .collect();
    let count = |verdict: &str| {
        let same = report.scrapers.iter().filter(|one| one.verdict == verdict);
        same.count()
    };
    let (healthy, unknown) = (count("healthy"), count("no_data"));
    let worst = report.insights.iter().find(|insight| {
        let is_of = |scraper: &&Scraper| {
            scraper.scraper_id == insight.scraper_id && scraper.site == insight.site
        };
        insight.is_open && bad.iter().any(is_of)
    });
    let well = match healthy {
        0 => String::new(),
        1 => "1 is healthy".to_owned(),
        n => format!("{n} are healthy"),
    };
    let nothing = match unknown {
        0 => String::new(),
        n => format!("of {n} nothing is known"),
    };
    if let Some(worst) = worst {
        let others = match bad.len() - 1 {
            0 => String::new(),
            1 => "1 other scraper needs attention".to_owned(),
            n => format!("{n} other scrapers need attention"),
        };
        return sentence(&worst.title, &[others, well, nothing]);
    }
    let named = |one: &&Scraper| format!("{}: {}", who(one), one.verdict.replace('_', " "));
    let all = report.scrapers.len();
    match (bad.len(), all) {
        (_, 0) => "Nothing to report: no events read".to_owned(),
        (0, 1) if unknown == 1 => format!(
            "{}: no requests and no items were logged",
            who(&report.scrapers[0])
        ),
        (0, 1) => format!("{}: healthy in the latest run", who(&report.scrapers[0])),
        (0, _) if unknown == 0 => format!("All {all} scrapers: healthy in the latest run"),
        (0, _) if healthy == 0 => {
            format!("None of {all} scrapers logged any requests or items")
        }
        (0, _) => format!("{healthy} of {all} scrapers healthy; {nothing}"),
        (n, _) if n <= 2 => bad.iter().map(named).collect::<Vec<_>>().join("; "),
        (n, _) => {
            let first: Vec<String> = bad.iter().take(2).map(named).collect();
            format!(
                "{n} of {all} scrapers need attention: {}; …",
                first.join("; ")
            )
        }
    }
}

/// A title, and further facts as a second sentence.
fn sentence(title: &str, facts: &[String]) -> String {
    let facts: Vec<&str> = facts
        .iter()
        .map(String::as_str)
        .filter(|fact| !fact.is_empty())
        .collect();
    if facts.is_empty() {
        return title.to_owned();
    }
    let mut facts = facts.join(", ");
    if let Some(first) = facts.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    format!("{title}. {facts}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_behind_a_title_are_a_sentence() {
        let facts = ["", "of 1 nothing is known"].map(str::to_owned);
        assert_eq!(
            sentence("It failed", &facts),
            "It failed. Of 1 nothing is known"
        );
        let facts = ["1 is healthy", "of 2 nothing is known"].map(str::to_owned);
        assert_eq!(
            sentence("It failed", &facts),
            "It failed. 1 is healthy, of 2 nothing is known"
        );
        assert_eq!(sentence("It failed", &[String::new()]), "It failed");
    }
}
