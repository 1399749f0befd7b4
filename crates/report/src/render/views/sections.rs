//! Days, hosts, and sections for events that only some scrapers log.

use super::super::document::{Align, Document, Tone};
use super::super::words::{bytes, count, known, number, percent, plural, some, unknown};
use crate::model::{Day, Domain, Host, Operation, Report, Spread};

/// Number of days shown; the latest ones.
const LAST_DAYS: usize = 14;
/// Maximum number of hosts, languages and operations shown.
const TOP: usize = 10;

type Row = (Tone, Vec<String>);

/// Renders the days, the latest last.
pub(super) fn days(report: &Report, document: &mut Document) {
    let days = report.daily.as_deref().unwrap_or_default();
    // For a single day, the totals suffice.
    if days.len() < 2 {
        return;
    }
    document.heading("Days");
    let row = |day: &Day| -> Row {
        let totals = &day.totals;
        let time = totals.response_time_ms.as_ref();
        let partial = if day.partial { ", partial" } else { "" };
        let cells = vec![
            format!("{}{partial}", day.date),
            some(totals.requests),
            percent(totals.success_rate),
            some(totals.items),
            count(totals.errors),
            count(totals.rate_limits),
            time.map_or_else(unknown, |time| number(time.p95)),
        ];
        (Tone::Plain, cells)
    };
    let shown = &days[days.len().saturating_sub(LAST_DAYS)..];
    document.table(
        &[
            (Align::Fixed, "day (UTC)"),
            (Align::Right, "requests"),
            (Align::Right, "ok"),
            (Align::Right, "items"),
            (Align::Right, "errors"),
            (Align::SpareRight, "rate limits"),
            (Align::SpareRight, "p95 ms"),
        ],
        shown.iter().map(row).collect(),
    );
    rest(days.len() - shown.len(), "earlier day", document);
}

/// Renders the requested hosts; most requests first.
pub(super) fn hosts(report: &Report, document: &mut Document) {
    let Some(domains) = report
        .domains
        .as_ref()
        .filter(|domains| domains.distinct > 1)
    else {
        return;
    };
    let urls = domains.urls.map_or_else(String::new, |urls| {
        format!(", {}{}", about(urls), plural(urls, "different URL"))
    });
    document.heading(format!(
        "{}{} requested{urls}",
        about(domains.distinct),
        plural(domains.distinct, "host")
    ));
    // Logs that name few hosts name mostly those of failed requests.
    let all = report.totals.requests;
    let is_partial = all.is_some_and(|all| (domains.requests as f64) < NEARLY_ALL * all as f64);
    let row = |host: &Domain| -> Row {
        let good = host.requests.saturating_sub(host.requests_failed);
        let share = (host.requests > 0).then(|| good as f64 / host.requests as f64);
        let share = share.filter(|_| !is_partial);
        let cells = vec![
            host.domain.clone(),
            count(host.requests),
            count(host.requests_failed),
            percent(share),
            host.bytes.map_or_else(unknown, bytes),
        ];
        (Tone::Plain, cells)
    };
    document.table(
        &[
            (Align::Cut, "host"),
            (Align::Right, "requests"),
            (Align::Right, "failed"),
            (Align::Right, "ok"),
            (Align::SpareRight, "bytes"),
        ],
        domains.top.iter().take(TOP).map(row).collect(),
    );
    let shown = domains.top.len().min(TOP);
    let more = (domains.distinct as usize).saturating_sub(shown);
    match domains.sample {
        Some(sample) => document.text(Tone::Muted, sampled(sample, domains.distinct)),
        None => rest(more, "other host", document),
    }
    if let Some(all) = all.filter(|_| is_partial) {
        let text = format!(
            "{} of {} name a host: the table covers only these.",
            count(domains.requests),
            plural(all, "request")
        );
        document.text(Tone::Muted, text);
    }
}

/// Below this share of the requests, the hosts are those of a part of the requests.
const NEARLY_ALL: f64 = 0.95;

/// Says what the table of hosts is drawn from.
fn sampled(sample: u64, distinct: u64) -> String {
    format!(
        "Counted for a random sample of {} of about {}: the largest of the sample are shown; there may be larger ones. \
         `dragline sql` counts all.",
        count(sample),
        plural(distinct, "host")
    )
}

/// Counts above this limit are estimates of a sketch.
fn about(count: u64) -> &'static str {
    const EXACT: u64 = 4096;
    if count > EXACT { "about " } else { "" }
}

/// Renders the articles by language.
pub(super) fn articles(report: &Report, document: &mut Document) {
    let Some(articles) = &report.articles else {
        return;
    };
    document.heading(plural(articles.stored, "article"));
    let rows = [
        measured("words", articles.word_count.as_ref(), number),
        measured(
            "processing time, ms",
            articles.processing_time_ms.as_ref(),
            number,
        ),
    ];
    spreads(rows, document);
    let mut languages: Vec<(&String, &u64)> = articles.languages.iter().collect();
    languages.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let all: u64 = articles.languages.values().sum();
    let row = |(name, n): &(&String, &u64)| -> Row {
        let share = Some(**n as f64 / all.max(1) as f64);
        (
            Tone::Plain,
            vec![(*name).clone(), count(**n), percent(share)],
        )
    };
    document.table(
        &[
            (Align::Left, "language"),
            (Align::Right, "articles"),
            (Align::Right, "share"),
        ],
        languages.iter().take(TOP).map(row).collect(),
    );
    rest(
        languages.len().saturating_sub(TOP),
        "other language",
        document,
    );
}

/// Renders the searches.
pub(super) fn search(report: &Report, document: &mut Document) {
    let Some(search) = &report.search else {
        return;
    };
    document.heading(plural(search.searches, "search request"));
    let rows = [
        measured("results", search.result_count.as_ref(), number),
        measured(
            "response time, ms",
            search.response_time_ms.as_ref(),
            number,
        ),
        measured(
            "query length, characters",
            search.query_length.as_ref(),
            number,
        ),
    ];
    spreads(rows, document);
}

/// Renders the queues of the scrapers.
pub(super) fn queue(report: &Report, document: &mut Document) {
    let Some(queue) = &report.queue else {
        return;
    };
    document.heading("Queue");
    spreads(
        [measured("entries waiting", Some(&queue.queue_size), number)],
        document,
    );
}

/// Renders the databases of the scrapers, by operation.
pub(super) fn database(report: &Report, document: &mut Document) {
    let Some(database) = &report.database else {
        return;
    };
    document.heading(plural(database.operations, "database operation"));
    let mut operations: Vec<(&String, &Operation)> = database.by_operation.iter().collect();
    operations.sort_by_key(|(_, operation)| std::cmp::Reverse(operation.count));
    let row = |(name, operation): &(&String, &Operation)| -> Row {
        let took = operation.duration_ms.as_ref();
        let time = |of: fn(&Spread) -> f64| took.map_or_else(unknown, |took| number(of(took)));
        let cells = vec![
            (*name).clone(),
            count(operation.count),
            time(|took| took.mean),
            time(|took| took.max),
        ];
        (Tone::Plain, cells)
    };
    document.table(
        &[
            (Align::Left, "operation"),
            (Align::Right, "count"),
            (Align::Right, "mean ms"),
            (Align::Right, "max ms"),
        ],
        operations.iter().take(TOP).map(row).collect(),
    );
    rest(
        operations.len().saturating_sub(TOP),
        "other operation",
        document,
    );
    let connections = database.connections_active.as_ref();
    spreads(
        [measured("open connections", connections, number)],
        document,
    );
}

/// Renders the machines.
pub(super) fn system(report: &Report, document: &mut Document) {
    let hosts = report
        .system
        .as_ref()
        .map_or(&[][..], |system| &system.hosts);
    if hosts.is_empty() {
        return;
    }
    document.heading(plural(hosts.len() as u64, "machine"));
    let share = |spread: &Option<Spread>| {
        spread.as_ref().map_or_else(unknown, |spread| {
            format!("{} % (max {})", number(spread.mean), number(spread.max))
        })
    };
    let row = |host: &Host| -> Row {
        let free = host.disk_free_bytes.as_ref();
        let rate = |rate: Option<f64>| {
            rate.map_or_else(unknown, |rate| format!("{}/s", bytes(rate.round() as u64)))
        };
        let cells = vec![
            known(host.host.as_ref()),
            share(&host.cpu_percent),
            share(&host.memory_percent),
            share(&host.disk_percent),
            free.map_or_else(unknown, |free| bytes(free.min as u64)),
            rate(host.network_sent_bytes_per_second),
            rate(host.network_received_bytes_per_second),
        ];
        (Tone::Plain, cells)
    };
    document.table(
        &[
            (Align::Cut, "machine"),
            (Align::Right, "CPU"),
            (Align::Right, "memory"),
            (Align::Right, "disk"),
            (Align::SpareRight, "min free"),
            (Align::SpareRight, "sent"),
            (Align::SpareRight, "received"),
        ],
        hosts.iter().map(row).collect(),
    );
}

/// Returns the row of a measure: count, mean, minimum and maximum; `None` if it was never logged.
fn measured(name: &str, spread: Option<&Spread>, show: fn(f64) -> String) -> Option<Row> {
    let spread = spread?;
    let cells = vec![
        name.to_owned(),
        count(spread.count),
        show(spread.mean),
        show(spread.min),
        show(spread.max),
    ];
    Some((Tone::Plain, cells))
}

fn spreads<const N: usize>(rows: [Option<Row>; N], document: &mut Document) {
    document.table(
        &[
            (Align::Left, "measure"),
            (Align::Right, "count"),
            (Align::Right, "mean"),
            (Align::Right, "min"),
            (Align::Right, "max"),
        ],
        rows.into_iter().flatten().collect(),
    );
}

fn rest(more: usize, what: &str, document: &mut Document) {
    if more > 0 {
        let text = format!("… and {}.", plural(more as u64, what));
        document.text(Tone::Muted, text);
    }
}
