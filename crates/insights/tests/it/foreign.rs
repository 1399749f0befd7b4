//! What is found in the logs of other programs, from their lines to the finding.

use std::fmt::Write as _;

use dragline_classifier::RuleSet;
use dragline_insights::{Analysis, ErrorGroup, Finding, InsightKind, Limits, Whole, unseen};
use dragline_rollup::{Finished, Rollup};
use dragline_scan::{ScanOptions, scan};
use dragline_schema::Timestamp;

/// What is known of logs, each with a name and a text.
fn read(logs: &[(String, String)]) -> Finished {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in logs {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let rules = RuleSet::shipped();
    let logs = [dir.path().display().to_string()];
    let rollup = scan(&logs, &rules, &ScanOptions::default()).unwrap().rollup;
    rollup.finish(Timestamp::parse("2026-05-01T00:00:00Z").unwrap())
}

/// The findings at the end of the logs.
fn findings(logs: &[(String, String)]) -> Vec<Finding> {
    let finished = read(logs);
    let end = finished.period.map(|(_, last)| last.plus_micros(1));
    let groups: Vec<ErrorGroup> = finished.groups.iter().filter_map(ErrorGroup::of).collect();
    let limits = (&Limits::default(), &Whole::default());
    let rules = RuleSet::shipped();
    Analysis::of(&finished, end).findings(&finished, &groups, &rules, limits)
}

/// The only finding.
fn only(logs: &[(String, String)]) -> Finding {
    let found = findings(logs);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap()
}

fn since(finding: &Finding) -> String {
    let text = finding.since.unwrap().to_string();
    text[..16].replace('T', " ")
}

/// A structlog run of 60 pages with an item each, on a day of March; `item` and `more` are further members of an
/// item's line and further lines of a page.
fn structlog(
    day: u32,
    item: impl Fn(u32, u32) -> String,
    more: impl Fn(u32, u32) -> String,
) -> String {
    let mut text = String::new();
    for page in 0..60 {
        let at = |second: u32| format!("2026-03-{day:02}T06:{:02}:{second:02}Z", page / 2);
        let head = |second: u32, level: &str, event: &str| {
            format!(
                r#"{{"timestamp":"{}","level":"{level}","logger":"shop","run_id":"r{day}","event":"{event}""#,
                at(second)
            )
        };
        let first = page % 2 * 30;
        let url = format!("https://shop.example.org/{page}");
        let _ = writeln!(
            text,
            r#"{},"url":"{url}","status":200,"elapsed_ms":80}}"#,
            head(first, "info", "page fetched")
        );
        let _ = writeln!(
            text,
            r#"{},"url":"{url}"{}}}"#,
            head(first + 1, "info", "item scraped"),
            item(day, page)
        );
        let more = more(day, page);
        if !more.is_empty() {
            let _ = writeln!(
                text,
                "{},{more}}}",
                head(first + 2, "warning", "page looks odd")
            );
        }
    }
    text
}

/// One log of structlog a day, from the first to the 14th of March.
fn fortnight(
    item: impl Fn(u32, u32) -> String,
    more: impl Fn(u32, u32) -> String,
) -> Vec<(String, String)> {
    let day = |day| (format!("shop-{day:02}.log"), structlog(day, &item, &more));
    (1..15).map(day).collect()
}

fn priced(day: u32, page: u32) -> String {
    format!(
        r#","sku":"p{page}","price":{}.5,"discount":null"#,
        10 + (day + page) % 9
    )
}

fn nothing(_: u32, _: u32) -> String {
    String::new()
}

#[test]
fn a_field_that_vanishes_is_a_changed_page() {
    let item = |day: u32, page: u32| {
        // From the twelfth on, in the middle of the run.
        let is_gone = day > 12 || (day == 12 && page >= 30);
        if is_gone && !page.is_multiple_of(10) {
            format!(r#","sku":"p{page}","price":null,"discount":null"#)
        } else {
            priced(day, page)
        }
    };
    let found = only(&fortnight(item, nothing));
    assert_eq!(found.kind, InsightKind::LayoutChange);
    assert_eq!(found.metric.as_deref(), Some("field_fill.price"));
    assert!(found.is_open);
    assert!(since(&found).starts_with("2026-03-12 06:"), "{found:#?}");
    // What never had a value is nothing new.
    assert_eq!(findings(&fortnight(priced, nothing)), []);
}

#[test]
fn many_warnings_of_one_template_are_a_finding() {
    let more = |day: u32, page: u32| {
        let is_odd = page.is_multiple_of(if day >= 11 { 2 } else { 20 });
        let text = format!(r#""page":{page},"took":{}"#, page * 3);
        if is_odd { text } else { String::new() }
    };
    let found = only(&fortnight(priced, more));
    assert_eq!(found.kind, InsightKind::WarningSurge);
    assert!(found.title.contains("page looks odd"), "{}", found.title);
    assert_eq!(since(&found), "2026-03-11 06:00");
    assert_eq!(found.evidence.len(), 1);
    assert!(
        found.evidence[0].file.ends_with("shop-11.log"),
        "{found:#?}"
    );
}

/// A Scrapy job at INFO, in which each page takes `before` seconds until the page `at`, and `after` seconds from then on.
fn scrapy(day: u32, pages: u32, (before, at, after): (f64, u32, f64)) -> (String, String) {
    let mut text = String::new();
    let time = |seconds: f64| {
        let (minutes, second) = (seconds as u32 / 60, seconds as u32 % 60);
        format!(
            "2026-03-{day:02} {:02}:{:02}:{second:02}",
            6 + minutes / 60,
            minutes % 60
        )
    };
    let done =
        |page: u32| f64::from(page.min(at)) * before + f64::from(page.saturating_sub(at)) * after;
    let mut say = |seconds: f64, logger: &str, message: &str| {
        let _ = writeln!(text, "{} [{logger}] INFO: {message}", time(seconds));
    };
    say(
        0.0,
        "scrapy.utils.log",
        "Scrapy 2.13.0 started (bot: crawl)",
    );
    say(0.0, "scrapy.core.engine", "Spider opened");
    let mut minute = 0;
    for page in 0..pages {
        while done(page) >= f64::from(minute) * 60.0 {
            let told = format!(
                "Crawled {page} pages (at 9 pages/min), scraped {page} items (at 9 items/min)"
            );
            say(
                f64::from(minute) * 60.0,
                "scrapy.extensions.logstats",
                &told,
            );
            minute += 1;
        }
    }
    let end = done(pages);
    say(end, "shop", "All pages are read");
    say(end, "scrapy.core.engine", "Closing spider (finished)");
    let stats = format!(
        "Dumping Scrapy stats:\n{{'downloader/request_count': {pages},\n 'downloader/response_count': {pages},\n \
         'downloader/response_status_count/200': {pages},\n 'response_received_count': {pages},\n \
         'item_scraped_count': {pages}}}"
    );
    say(end, "scrapy.statscollectors", &stats);
    say(end, "scrapy.core.engine", "Spider closed (finished)");
    (format!("crawl/shop/{day}.log"), text)
}

#[test]
fn scrapy_without_response_times_slows_down() {
    let usual = |day: u32| scrapy(day, 300 + day % 5 * 3, (4.0, 400, 4.0));
    let mut logs: Vec<(String, String)> = (1..13).map(usual).collect();
    assert_eq!(findings(&logs), []);
    // 600 seconds after its start.
    logs.push(scrapy(13, 300, (4.0, 150, 12.0)));
    let found = only(&logs);
    assert_eq!(found.kind, InsightKind::SlowDown);
    assert_eq!(found.metric.as_deref(), Some("seconds_per_request"));
    let since = since(&found);
    assert!(
        ("2026-03-13 06:05".."2026-03-13 06:16").contains(&&*since),
        "{since}"
    );
    assert!(
        found.title.contains("2.0 times as long per request"),
        "{}",
        found.title
    );
}

#[test]
fn a_killed_scrapy_run_has_what_it_told_last() {
    let usual = |day: u32| scrapy(day, 300, (4.0, 400, 4.0));
    let mut logs: Vec<(String, String)> = (1..13).map(usual).collect();
    let (name, text) = usual(13);
    let until = text.find("All pages are read").unwrap();
    let cut = text[..until].rfind('\n').unwrap() + 1;
    logs.push((name, text[..cut].to_owned()));
    let found = only(&logs);
    assert_eq!(found.kind, InsightKind::RunKilled);
    assert!(
        found.detail.starts_with("285 requests, 285 items"),
        "{}",
        found.detail
    );
}

/// A Crawlee run of 40 minutes with ten pages a minute that take so long until a minute and so long from it on.
fn crawlee(day: u32, (before, at, after): (f64, u32, f64)) -> (String, String) {
    let mut text = String::new();
    let mut say = |minute: u32, message: &str, more: &str| {
        let time = format!("2026-03-{day:02}T06:{minute:02}:00.000Z");
        let _ = writeln!(
            text,
            r#"{{"time":"{time}","level":"INFO","msg":"CheerioCrawler:{message}"{more}}}"#
        );
    };
    say(0, " Starting the crawler.", "");
    let told = |minute: u32| {
        let (pages, slow) = (minute * 10, minute.saturating_sub(at) * 10);
        let sum = f64::from(pages - slow) * before + f64::from(slow) * after;
        let mean = sum / f64::from(pages.max(1));
        format!(
            r#","requestAvgFailedDurationMillis":null,"requestAvgFinishedDurationMillis":{mean:.0},"requestsTotal":{pages},"retryHistogram":[{pages}]"#
        )
    };
    for minute in 1..=40 {
        let message = "Statistics: CheerioCrawler request statistics:";
        say(minute, message, &told(minute));
    }
    say(41, " Final request statistics:", &told(40));
    say(
        41,
        " Finished! Total 400 requests: 400 succeeded, 0 failed.",
        r#","terminal":true"#,
    );
    (format!("shop-2026-03-{day:02}.log"), text)
}

#[test]
fn crawlees_means_show_when_it_slowed_down() {
    let mut logs: Vec<(String, String)> = (1..13)
        .map(|day| crawlee(day, (300.0 + f64::from(day % 3) * 9.0, 40, 0.0)))
        .collect();
    assert_eq!(findings(&logs), []);
    logs.push(crawlee(13, (300.0, 20, 1500.0)));
    let found = only(&logs);
    assert_eq!(found.kind, InsightKind::SlowDown);
    assert_eq!(found.metric.as_deref(), Some("response_time_ms.mean"));
    let since = since(&found);
    assert!(
        ("2026-03-13 06:15".."2026-03-13 06:26").contains(&&*since),
        "{since}"
    );
}

#[test]
fn a_new_error_begins_where_it_is_frequent() {
    let failing = |day: u32, page: u32| (day == 3 && page == 7) || (day >= 20 && page % 12 == 5);
    let mut logs: Vec<(String, String)> = (1..25)
        .map(|day| {
            (
                format!("shop-{day:02}.log"),
                structlog(day, priced, nothing),
            )
        })
        .collect();
    for (day, (_, text)) in (1..).zip(&mut logs) {
        for page in (0..60).filter(|page| failing(day, *page)) {
            let _ = writeln!(
                text,
                r#"{{"timestamp":"2026-03-{day:02}T06:{:02}:59Z","level":"error","logger":"shop","run_id":"r{day}","event":"item lost","exception":"KeyError: 'price'"}}"#,
                page / 2
            );
        }
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_by_key(|line| &line[..34]);
        *text = lines.join("\n") + "\n";
    }
    let found = only(&logs);
    assert_eq!(found.kind, InsightKind::NewError);
    assert!(
        found.evidence[0].file.ends_with("shop-20.log"),
        "{found:#?}"
    );
    assert_eq!(since(&found), "2026-03-20 06:02");
    let told = "A single one occurred before, at 2026-03-03 06:03.";
    assert!(found.detail.ends_with(told), "{}", found.detail);
}

#[test]
fn what_the_logs_cannot_show_is_said() {
    let scrapy = read(&[scrapy(1, 300, (4.0, 400, 4.0))]);
    let told = "These logs cannot show: slow responses (no response times; seconds per request are compared instead), \
                growing queues (no lengths of queues), lost lines and changed clocks (no line numbers).";
    assert_eq!(unseen(&scrapy).as_deref(), Some(told));
    let structlog = read(&fortnight(priced, nothing)[..1]);
    let told = unseen(&structlog).unwrap();
    assert!(told.contains("killed runs (no ends of runs)"), "{told}");
    let nothing = Rollup::default().finish(Timestamp::from_seconds(0));
    assert_eq!(unseen(&nothing), None);
}

/// A hundred and twenty hourly runs of one log, each of two pages; from the thirtieth on every second page is not understood.
fn small_runs() -> Vec<(String, String)> {
    let mut text = String::new();
    for run in 0..120 {
        let (day, hour) = (1 + run / 24, run % 24);
        for page in 0..2 {
            let head = |level: &str, event: &str| {
                format!(
                    r#"{{"timestamp":"2026-03-{day:02}T{hour:02}:00:0{page}Z","level":"{level}","logger":"shop","run_id":"r{run:03}","event":"{event}""#
                )
            };
            let url = format!(r#""url":"https://shop.example.org/{page}""#);
            let _ = writeln!(
                text,
                r#"{},{url},"status":200}}"#,
                head("info", "page fetched")
            );
            let _ = if run >= 30 && page == 1 {
                let error = r#""exc_type":"KeyError","exception":"KeyError: 'price'""#;
                writeln!(
                    text,
                    "{},{url},{error}}}",
                    head("error", "page not understood")
                )
            } else {
                writeln!(
                    text,
                    r"{},{url}{}}}",
                    head("info", "item scraped"),
                    priced(day, page)
                )
            };
        }
    }
    vec![("shop.log".to_owned(), text)]
}

#[test]
fn errors_of_many_small_runs_are_news_and_all_are_counted() {
    let logs = small_runs();
    let found = only(&logs);
    let is_it = [InsightKind::NewError, InsightKind::LayoutChange].contains(&found.kind);
    assert!(is_it && found.is_open, "{found:#?}");
    assert_eq!(since(&found), "2026-03-02 06:00");
    let finished = read(&logs);
    let group = &finished.groups[0];
    assert_eq!(group.runs, None, "too many to list");
    assert_eq!(group.counts.values().sum::<u64>(), 90);
}
