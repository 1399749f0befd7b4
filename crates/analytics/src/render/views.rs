//! What of a report is shown, and in which order: the verdict first, then what needs a hand, then
//! numbers, then tables, then what could not be trusted.

use super::document::{Align, Block, Document, Tone};
use super::words::{
    bytes, count, known, minute, number, percent, place, plural, short_minute, short_type, some,
    tone_of_severity, tone_of_verdict, unknown, who,
};
use crate::model::{Errors, Group, Report, Run, Scraper, Totals, Trust};

/// So many incidents are told in full.
const TOP_INSIGHTS: usize = 5;
/// So many error groups are shown in a report.
const TOP_GROUPS: usize = 10;
/// So many runs are shown in a report: those that did not finish first.
const TOP_RUNS: usize = 12;

/// The whole report.
pub fn report(report: &Report) -> Document {
    with_figures(report, Vec::new())
}

/// The whole report, with charts behind the numbers.
pub(super) fn with_figures(report: &Report, figures: Vec<String>) -> Document {
    let mut document = Document::default();
    document.title(headline(report));
    let (start, end) = (
        minute(report.period.start.as_ref()),
        minute(report.period.end.as_ref()),
    );
    document.text(
        Tone::Muted,
        format!("{start} to {end} UTC. {}", trust_line(&report.trust)),
    );
    needs_a_hand(report, &mut document);
    document.heading("Scrapers");
    let shown = report.insights.iter().take(TOP_INSIGHTS);
    let told: Vec<&str> = shown.map(|insight| insight.title.as_str()).collect();
    scrapers(&report.scrapers, &told, &mut document);
    document.heading("Totals");
    totals(&report.totals, &mut document);
    let figures = figures.into_iter().map(Block::Figure);
    document.blocks.extend(figures);
    sections(report, &mut document);
    if report.errors.total > 0 {
        document.heading(plural(report.errors.total, "error"));
        categories(&report.errors, &mut document);
        groups(&report.errors.groups, TOP_GROUPS, &mut document);
    }
    run_table(report, &mut document);
    trends(report, &mut document);
    trust(&report.trust, &mut document);
    document
}

/// The errors alone.
pub fn errors(report: &Report, limit: usize) -> Document {
    let mut document = Document::default();
    let total = report.errors.total;
    document.title(format!(
        "{} in {}, {} to {} UTC",
        plural(total, "error"),
        plural(report.errors.groups.len() as u64, "group"),
        minute(report.period.start.as_ref()),
        minute(report.period.end.as_ref()),
    ));
    if total > 0 {
        categories(&report.errors, &mut document);
        cells(&report.errors, limit, &mut document);
        groups(&report.errors.groups, limit, &mut document);
    }
    document
}

/// The runs alone, oldest first.
pub fn runs(report: &Report) -> Document {
    let mut document = Document::default();
    document.title(plural(report.runs.len() as u64, "run"));
    table_of_runs(&report.runs.iter().collect::<Vec<_>>(), &mut document);
    document
}

fn headline(report: &Report) -> String {
    let bad: Vec<String> = report
        .scrapers
        .iter()
        .filter(|scraper| !matches!(scraper.verdict.as_str(), "healthy" | "no_data"))
        .map(|scraper| format!("{}: {}", who(scraper), scraper.verdict.replace('_', " ")))
        .collect();
    let all = report.scrapers.len();
    match (bad.len(), all) {
        (_, 0) => "Nothing to report: no event was read".to_owned(),
        (0, 1) => format!(
            "{}: no trouble at the end of the period",
            who(&report.scrapers[0])
        ),
        (0, _) => format!("All {all} scrapers: no trouble at the end of the period"),
        (n, _) if n <= 2 => bad.join("; "),
        (n, _) => format!(
            "{n} of {all} scrapers need a hand: {}; …",
            bad[..2].join("; ")
        ),
    }
}

fn needs_a_hand(report: &Report, document: &mut Document) {
    let insights = &report.insights;
    if insights.is_empty() {
        return;
    }
    document.heading(match insights.len() {
        1 => "1 incident".to_owned(),
        n if n <= TOP_INSIGHTS => format!("{n} incidents"),
        n => format!("The first {TOP_INSIGHTS} of {n} incidents"),
    });
    let points = insights.iter().take(TOP_INSIGHTS).map(|insight| {
        let mut below = vec![insight.detail.clone()];
        below.extend(
            insight
                .evidence
                .first()
                .map(|at| format!("Evidence: {}", place(at))),
        );
        below.push(insight.recommendation.clone());
        (
            tone_of_severity(&insight.severity),
            insight.title.clone(),
            below,
        )
    });
    document.list(points.collect());
}

fn scrapers(scrapers: &[Scraper], told: &[&str], document: &mut Document) {
    let headers = [
        (Align::Fixed, "verdict"),
        (Align::Cut, "scraper"),
        (Align::Cut, "site"),
        (Align::Right, "runs"),
        (Align::Right, "requests"),
        (Align::Right, "ok"),
        (Align::Right, "items"),
        (Align::Right, "errors"),
        (Align::SpareRight, "p95 ms"),
    ];
    let rows = scrapers.iter().map(|scraper| {
        let totals = &scraper.totals;
        let cells = vec![
            scraper.verdict.replace('_', " "),
            known(scraper.scraper_id.as_ref()),
            known(scraper.site.as_ref()),
            some(totals.runs),
            some(totals.requests),
            percent(totals.success_rate),
            some(totals.items),
            count(totals.errors),
            totals
                .response_time_ms
                .as_ref()
                .map_or_else(unknown, |time| number(time.p95)),
        ];
        (tone_of_verdict(&scraper.verdict), cells)
    });
    document.table(&headers, rows.collect());
    let reasons = scrapers.iter().flat_map(|scraper| {
        // What an incident says already is not said again.
        let is_new = |reason: &&String| !told.iter().any(|title| reason.starts_with(title));
        let who = who(scraper);
        scraper
            .reasons
            .iter()
            .filter(is_new)
            .map(move |reason| (who.clone(), reason))
            .collect::<Vec<_>>()
    });
    for (who, reason) in reasons {
        let told = if reason.contains(&who) {
            reason.clone()
        } else {
            format!("{who}: {reason}")
        };
        document.text(Tone::Plain, told);
    }
}

fn totals(totals: &Totals, document: &mut Document) {
    let mut lines: Vec<String> = Vec::new();
    let mut row = |name: &str, value: String, more: String| {
        let gap = if value.is_empty() || more.is_empty() {
            ""
        } else {
            ": "
        };
        lines.push(format!("{name:<14}{value}{gap}{more}"));
    };
    let rate = |value: Option<f64>| value.map(|n| format!("{} a minute of run time", number(n)));
    let parts =
        |parts: [Option<String>; 3]| parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    row(
        "requests",
        some(totals.requests),
        parts([
            totals
                .requests_failed
                .map(|n| format!("{} failed", count(n))),
            totals
                .success_rate
                .map(|share| format!("{} succeeded", percent(Some(share)))),
            rate(totals.requests_per_minute),
        ]),
    );
    let found = totals.items_found.map(|n| {
        format!(
            "{} found, of which {} became items",
            count(n),
            percent(totals.item_yield)
        )
    });
    row(
        "items",
        some(totals.items),
        parts([
            totals.items_failed.map(|n| format!("{} failed", count(n))),
            found,
            rate(totals.items_per_minute),
        ]),
    );
    if let Some(time) = &totals.response_time_ms {
        row(
            "response time",
            format!("{} ms", number(time.p50)),
            format!(
                "median; p95 {} ms, p99 {} ms, at most {} ms",
                number(time.p95),
                number(time.p99),
                number(time.max)
            ),
        );
    }
    let codes: Vec<String> = totals
        .status_codes
        .iter()
        .map(|(status, n)| format!("{status}: {}", count(*n)))
        .collect();
    if !codes.is_empty() {
        row("status codes", String::new(), codes.join("  "));
    }
    row("rate limits", count(totals.rate_limits), String::new());
    row(
        "bytes",
        totals.bytes.map_or_else(unknown, bytes),
        String::new(),
    );
    document.lines(lines);
}

/// One line for each section that was logged.
fn sections(report: &Report, document: &mut Document) {
    let mut lines = Vec::new();
    if let Some(domains) = &report.domains {
        lines.push(format!("{} asked", plural(domains.distinct, "host")));
    }
    if let Some(articles) = &report.articles {
        let words = articles.word_count.as_ref();
        let words = words.map_or_else(String::new, |w| {
            format!(", {} words on average", number(w.mean))
        });
        lines.push(format!("{}{words}", plural(articles.stored, "article")));
    }
    if let Some(search) = &report.search {
        lines.push(format!(
            "{} made",
            plural(search.searches, "search request")
        ));
    }
    if let Some(queue) = &report.queue {
        lines.push(format!(
            "a queue of at most {}",
            number(queue.queue_size.max)
        ));
    }
    if let Some(duplicates) = &report.duplicates {
        lines.push(plural(duplicates.detected, "duplicate"));
    }
    if let Some(database) = &report.database {
        let took = database.duration_ms.as_ref();
        let took = took.map_or_else(String::new, |t| {
            format!(", {} ms on average", number(t.mean))
        });
        lines.push(format!(
            "{}{took}",
            plural(database.operations, "database operation")
        ));
    }
    if let Some(cpu) = report
        .system
        .as_ref()
        .and_then(|system| system.cpu_percent.as_ref())
    {
        lines.push(format!(
            "CPU {} % on average, {} % at most",
            number(cpu.mean),
            number(cpu.max)
        ));
    }
    if !lines.is_empty() {
        document.text(Tone::Plain, format!("{}.", lines.join("; ")));
    }
}

fn categories(errors: &Errors, document: &mut Document) {
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

fn cells(errors: &Errors, limit: usize, document: &mut Document) {
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

fn groups(groups: &[Group], limit: usize, document: &mut Document) {
    let points = groups.iter().take(limit).map(|group| {
        let sub = group
            .sub_category
            .as_ref()
            .map_or_else(String::new, |sub| format!("/{sub}"));
        let state = group
            .state
            .as_ref()
            .map_or_else(String::new, |state| format!(", {state}"));
        let head = format!(
            "{} × {}{sub}, at worst {}{state}: {}",
            count(group.count),
            group.category.replace('_', " "),
            group.severity,
            match &group.error_type {
                Some(name) => format!("{}: {}", short_type(name), group.template),
                None => group.template.clone(),
            }
        );
        let names: Vec<String> = group
            .scrapers
            .iter()
            .take(3)
            .map(|name| known(name.scraper_id.as_ref().or(name.site.as_ref())))
            .collect();
        let seen = format!(
            "{} to {} at {}{}",
            minute(group.first_seen.as_ref()),
            minute(group.last_seen.as_ref()),
            names.join(", "),
            if group.scrapers.len() > 3 {
                ", …"
            } else {
                ""
            }
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
    if groups.len() > limit {
        let rest = groups.len() - limit;
        document.text(
            Tone::Muted,
            format!("… and {} more groups.", count(rest as u64)),
        );
    }
}

/// Runs that did not finish, then the latest.
fn run_table(report: &Report, document: &mut Document) {
    if report.runs.is_empty() {
        return;
    }
    let is_well = |run: &Run| matches!(run.verdict.as_deref(), Some("finished" | "running") | None);
    let unwell: Vec<&Run> = report.runs.iter().filter(|run| !is_well(run)).collect();
    let room = TOP_RUNS.saturating_sub(unwell.len());
    let mut shown: Vec<&Run> = unwell.iter().rev().take(TOP_RUNS).rev().copied().collect();
    let latest: Vec<&Run> = report
        .runs
        .iter()
        .filter(|run| is_well(run))
        .rev()
        .take(room)
        .collect();
    shown.extend(latest.into_iter().rev());
    let (all, bad) = (report.runs.len() as u64, unwell.len() as u64);
    document.heading(match bad {
        0 => plural(all, "run"),
        _ => format!(
            "{}, of which {} did not finish",
            plural(all, "run"),
            count(bad)
        ),
    });
    table_of_runs(&shown, document);
    if report.runs.len() > shown.len() {
        document.text(Tone::Muted, "All of them: dragline runs.");
    }
}

fn table_of_runs(runs: &[&Run], document: &mut Document) {
    let headers = [
        (Align::Fixed, "verdict"),
        (Align::Left, "scraper"),
        (Align::Cut, "run"),
        (Align::Fixed, "start"),
        (Align::Spare, "last seen"),
        (Align::Right, "requests"),
        (Align::Right, "ok"),
        (Align::Right, "items"),
        (Align::Right, "errors"),
        (Align::Spare, "reason"),
    ];
    let rows = runs.iter().map(|run| {
        let verdict = run.verdict.clone().unwrap_or_else(unknown);
        let cells = vec![
            verdict.clone(),
            known(run.scraper_id.as_ref().or(run.site.as_ref())),
            run.run_id.clone(),
            short_minute(run.start.as_ref()),
            short_minute(run.last_seen.as_ref()),
            some(run.totals.requests),
            percent(run.totals.success_rate),
            some(run.totals.items),
            count(run.totals.errors),
            reason(run),
        ];
        (tone_of_verdict(&verdict), cells)
    });
    document.table(&headers, rows.collect());
}

/// The first words of why a run ended.
fn reason(run: &Run) -> String {
    dragline_schema::clip(run.finish_reason.as_deref().unwrap_or_default(), 24).to_owned()
}

fn trends(report: &Report, document: &mut Document) {
    let points = report.trends.iter().map(|trend| {
        let name = known(trend.scraper_id.as_ref().or(trend.site.as_ref()));
        let growth = trend.growth_per_week.unwrap_or(0.0) * 100.0;
        let text = format!(
            "{} of {name} go {}: {growth:+.0} % a week ({:+.1} a day, p = {:.3})",
            trend.metric, trend.direction, trend.slope_per_day, trend.p_value
        );
        (Tone::Plain, text, Vec::new())
    });
    let points: Vec<_> = points.collect();
    if !points.is_empty() {
        document.heading("Trends");
        document.list(points);
    }
}

fn trust_line(trust: &Trust) -> String {
    format!(
        "{} from {} ({}); {}.",
        plural(trust.events, "event"),
        plural(trust.files, "file"),
        bytes(trust.bytes),
        unread_of(trust).unwrap_or_else(|| "everything could be read".to_owned())
    )
}

/// What could not be read, in a sentence's part; `None` when everything could.
pub fn unread(report: &Report) -> Option<String> {
    unread_of(&report.trust)
}

fn unread_of(trust: &Trust) -> Option<String> {
    let count_of = |kinds: &[&str]| -> u64 {
        let matching = trust
            .problems
            .iter()
            .filter(|problem| kinds.contains(&problem.kind.as_str()));
        matching.map(|problem| problem.count).sum()
    };
    let files = count_of(&["unreadable_file", "binary_file"]);
    let cut = count_of(&["truncated_file", "corrupt_file"]);
    let timeless = count_of(&["no_timestamp"]);
    let told: Vec<String> = [
        (files, "file", "could not be read"),
        (cut, "archive", "could not be read to the end"),
        (trust.bad_lines, "line", "could not be read"),
        (timeless, "event", "without a time that can be read"),
    ]
    .into_iter()
    .filter(|(n, ..)| *n > 0)
    .map(|(n, noun, what)| format!("{} {what}", plural(n, noun)))
    .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn trust(trust: &Trust, document: &mut Document) {
    document.heading("What could be read");
    let dialects: Vec<String> = trust
        .dialects
        .iter()
        .map(|(name, n)| format!("{name} {}", count(*n)))
        .collect();
    let read = if dialects.is_empty() {
        "nothing".to_owned()
    } else {
        dialects.join(", ")
    };
    let mut told = vec![format!("Events by dialect: {read}.")];
    if trust.missing_seq > 0 {
        told.push(format!(
            "{} missing by the numbers of the others.",
            plural(trust.missing_seq, "line")
        ));
    }
    if trust.unclassified_errors > 0 {
        told.push(format!(
            "{} that no rule knows.",
            plural(trust.unclassified_errors, "error")
        ));
    }
    document.text(Tone::Plain, told.join(" "));
    let headers = [
        (Align::Left, "problem"),
        (Align::Right, "count"),
        (Align::Cut, "first place"),
        (Align::Cut, "detail"),
    ];
    let rows = trust.problems.iter().map(|problem| {
        let first = match problem.line {
            Some(line) => format!("{}:{line}", problem.file),
            None => problem.file.clone(),
        };
        let tone = match problem.kind.as_str() {
            "not_a_log" | "duplicate_file" | "empty_file" => Tone::Muted,
            _ => Tone::Warning,
        };
        (
            tone,
            vec![
                problem.kind.replace('_', " "),
                count(problem.count),
                first,
                problem.detail.clone(),
            ],
        )
    });
    document.table(&headers, rows.collect());
    for note in &trust.notes {
        document.text(Tone::Muted, note.clone());
    }
}
