//! Every section in every format: on a fleet that records everything, and on logs that record little.

use std::path::Path;

use dragline_classifier::RuleSet;
use dragline_report::{Mute, Prices, Report, ReportOptions, activity, model, render, report};
use dragline_rollup::Finished;
use dragline_scan::{ScanOptions, scan};
use dragline_schema::Timestamp;

use super::fleet;

fn now() -> Timestamp {
    Timestamp::parse("2026-03-25T00:00:00Z").unwrap()
}

/// Reads a log, or the logs in a directory.
fn finished(dir: &Path) -> Finished {
    let inputs = [dir.display().to_string()];
    let rules = RuleSet::shipped();
    let options = ScanOptions::default();
    scan(&inputs, &rules, &options)
        .unwrap()
        .rollup
        .finish(now())
}

fn report_of(finished: &Finished, options: &ReportOptions) -> Report {
    report(finished, None, &RuleSet::shipped(), options).unwrap()
}

/// The fleet, with prices, a panel and a muted error.
fn fleet() -> (tempfile::TempDir, Finished, Report) {
    let dir = tempfile::tempdir().unwrap();
    fleet::write(dir.path());
    let finished = finished(dir.path());
    let mut options = ReportOptions::at(now());
    let plain = report_of(&finished, &options);
    let groups = plain.errors.groups.iter();
    let image = groups.filter(|group| group.template.contains("image"));
    options.mutes = image
        .map(|group| Mute {
            group: group.id.clone(),
            until: None,
            reason: "the site rebuilds its images".to_owned(),
        })
        .collect();
    assert_eq!(options.mutes.len(), 1);
    options.prices = Some(Prices {
        currency: "EUR".to_owned(),
        per_thousand_requests: 2.0,
        per_gib: 1.0,
        per_proxy_gib: 8.0,
        per_hour: 0.5,
    });
    let mut report = report_of(&finished, &options);
    report.panels.push(model::Panel {
        title: "The slowest hosts".to_owned(),
        sql: "SELECT host, ms FROM requests".to_owned(),
        columns: vec!["host".to_owned(), "ms".to_owned()],
        rows: vec![vec!["mint.example.org".into(), 240.5.into()]],
        chart: None,
        error: None,
    });
    (dir, finished, report)
}

fn text(report: &Report, width: usize) -> String {
    let document = render::report(report, &render::Layout::default());
    let terminal = render::Terminal {
        width,
        color: false,
    };
    render::text(&document, &terminal)
}

/// The logs are in a directory of another name each time.
fn masked(text: &str, dir: &Path) -> String {
    text.replace(&dir.display().to_string(), "logs")
}

#[test]
fn every_section_in_every_format_on_a_fleet_that_records_everything() {
    let (dir, finished, mut report) = fleet();
    let json = serde_json::to_value(&report).unwrap();
    for (section, value) in json.as_object().unwrap() {
        let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        // The fleet's sites have no quiet hours.
        assert!(!is_empty || section == "quiet_hours", "{section} is empty");
    }
    for insight in &mut report.insights {
        insight
            .evidence
            .iter_mut()
            .for_each(|at| at.file = masked(&at.file, dir.path()));
    }
    for group in &mut report.errors.groups {
        group
            .evidence
            .iter_mut()
            .for_each(|at| at.file = masked(&at.file, dir.path()));
    }
    insta::assert_snapshot!("fleet_80", text(&report, 80));
    insta::assert_snapshot!("fleet_200", text(&report, 200));
    let document = render::report(&report, &render::Layout::default());
    insta::assert_snapshot!("fleet_markdown", render::markdown(&document));
    let page = render::page(&report, &activity(&finished), &render::Layout::default());
    let headings = document.blocks.iter().filter_map(|block| match block {
        render::Block::Heading(text) => Some(text),
        _ => None,
    });
    let mut count = 0;
    for heading in headings {
        assert!(page.contains(&format!("<h2>{heading}</h2>")), "{heading}");
        count += 1;
    }
    assert!(count >= 16, "{count}");
    for row in text(&report, 80).lines() {
        assert!(row.chars().count() <= 80, "{row}");
    }
}

#[test]
fn a_failed_run_is_explained_by_its_last_error() {
    let (_dir, _, report) = fleet();
    let failed: Vec<&model::Insight> = report
        .insights
        .iter()
        .filter(|insight| insight.kind == "run_failed")
        .collect();
    // Three failures of one scraper are one finding.
    let [failed] = &failed[..] else {
        panic!("{failed:?}")
    };
    assert!(
        failed
            .title
            .starts_with("3 runs of harbour_lights_and_buoys_daily"),
        "{}",
        failed.title
    );
    assert!(failed.is_open && failed.since.as_deref().unwrap().starts_with("2026-03-22"));
    assert!(
        failed.detail.contains("Its last error") && failed.detail.contains("system/disk"),
        "{}",
        failed.detail
    );
    assert!(
        failed
            .recommendation
            .starts_with("The last error was system/disk: "),
        "{}",
        failed.recommendation
    );
    let advice = report
        .recommendations
        .iter()
        .find(|advice| advice.insights.contains(&failed.id));
    assert_eq!(
        advice.unwrap().runbook.as_deref(),
        Some("docs/runbooks/disk.md")
    );
    let line = &failed.evidence[0];
    let log = std::fs::read_to_string(&line.file).unwrap();
    assert!(
        log.lines()
            .nth(line.line as usize - 1)
            .unwrap()
            .contains("Errno 28")
    );
}

#[test]
fn a_run_that_was_refused_is_not_green() {
    let (_dir, finished, report) = fleet();
    let shown = render::text(&render::runs(&report), &render::Terminal::default());
    let row = |run: &str| {
        shown
            .lines()
            .find(|row| row.contains(run))
            .unwrap()
            .to_owned()
    };
    assert!(row("mint-24").starts_with("finished, blocked"), "{shown}");
    assert!(row("mint-10").starts_with("finished  "), "{shown}");
    let page = render::page(&report, &activity(&finished), &render::Layout::default());
    assert!(page.contains("<td class=\"critical\">finished, blocked</td>"));
    assert!(page.contains("<td class=\"good\">finished</td>"));
}

#[test]
fn a_group_tells_the_share_of_each_scraper_and_where_its_sample_is_from() {
    let (_dir, _, report) = fleet();
    let group = report
        .errors
        .groups
        .iter()
        .find(|group| group.scrapers.len() == 2)
        .unwrap();
    let counts: u64 = group
        .scrapers
        .iter()
        .filter_map(|scraper| scraper.count)
        .sum();
    assert_eq!(counts, group.count);
    let shares: f64 = group
        .scrapers
        .iter()
        .filter_map(|scraper| scraper.share)
        .sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    let of = group.sample_of.as_ref().unwrap();
    let at = &group.evidence[0];
    let log = std::fs::read_to_string(&at.file).unwrap();
    let line = log.lines().nth(at.line as usize - 1).unwrap();
    assert!(line.contains(of.scraper_id.as_ref().unwrap()), "{line}");
    let shown = text(&report, 120);
    let label = format!("Sample from {}: ", of.scraper_id.as_ref().unwrap());
    assert!(shown.contains(&label), "{shown}");
    assert!(
        shown.contains("muted, the site rebuilds its images [group "),
        "{shown}"
    );
}

#[test]
fn names_and_columns_are_never_confused_on_a_narrow_terminal() {
    let (_dir, _, report) = fleet();
    let shown = text(&report, 80);
    let scrapers = shown.split("\nScrapers\n").nth(1).unwrap();
    let table = scrapers.trim_start().split("\n\n").next().unwrap();
    let rows: Vec<&str> = table
        .lines()
        .filter(|row| row.contains("  720   96.7"))
        .collect();
    assert_eq!(rows.len(), 2, "{shown}");
    let name = |row: &str| row.split_whitespace().nth(1).unwrap().to_owned();
    assert!(name(rows[0]).contains('…'), "{shown}");
    assert_ne!(name(rows[0]), name(rows[1]));
    assert!(
        shown.contains("Not shown at this width: ok, last seen, reason."),
        "{shown}"
    );
    assert!(!text(&report, 200).contains("Not shown at this width"));
}

/// A fleet of one line per request that names a host, many hosts, and no sizes.
#[test]
fn of_very_many_hosts_a_sample_is_shown_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let line = |n: u32| {
        format!(
            "{{\"timestamp\":\"2026-03-04T11:{:02}:{:02}Z\",\"level\":\"INFO\",\"scraper_id\":\"wide\",\"run_id\":\"r\",\
             \"event_type\":\"request\",\"url\":\"https://h{n}.example.org/\",\"status_code\":200}}\n",
            n / 60 % 60,
            n % 60
        )
    };
    std::fs::write(
        dir.path().join("wide.log"),
        (0..6000).map(line).collect::<String>(),
    )
    .unwrap();
    let report = report_of(&finished(dir.path()), &ReportOptions::at(now()));
    let domains = report.domains.as_ref().unwrap();
    assert_eq!((domains.sample, domains.requests), (Some(4096), 6000));
    assert!(
        (5400..6600).contains(&domains.distinct),
        "{}",
        domains.distinct
    );
    assert!(domains.top.iter().all(|host| host.bytes.is_none()));
    let shown = text(&report, 120);
    assert!(
        shown.contains("a random sample of 4,096 of about "),
        "{shown}"
    );
}

/// Scrapy at INFO names only the pages that failed, and counts the rest in its statistics.
#[test]
fn logs_that_record_little_leave_null_what_they_do_not_say() {
    let finished = finished(Path::new("../../fixtures/logs/scrapy/info.log"));
    let report = report_of(&finished, &ReportOptions::at(now()));
    let json = serde_json::to_value(&report).unwrap();
    for unknown in [
        "/articles",
        "/search",
        "/queue",
        "/database",
        "/system",
        "/cost",
        "/baselines",
        "/waste/bytes_share",
        "/waste/seconds_share",
        "/totals/response_time_ms",
        "/totals/items_found",
        "/totals/item_yield",
        "/runs/0/host",
    ] {
        assert!(
            json.pointer(unknown).unwrap().is_null(),
            "{unknown}: {:?}",
            json.pointer(unknown)
        );
    }
    let requests = report.totals.requests.unwrap();
    if let Some(domains) = &report.domains {
        assert!(domains.requests < requests);
        assert!(
            domains.top.iter().all(|host| host.bytes.is_none()),
            "{domains:?}"
        );
    }
    // The statistics count retries that no line names.
    assert!(report.waste.as_ref().unwrap().amplification > 1.0);
    insta::assert_snapshot!("little_80", text(&report, 80));
}

#[test]
fn the_page_folds_what_is_over_and_opens_its_evidence() {
    let (_dir, finished, report) = fleet();
    let page = render::page(&report, &activity(&finished), &render::Layout::default());
    for part in [
        "<table class=\"sortable stacked\">",
        " data-label=\"requests\"",
        ">Copy command</button>",
        "data-copy=\"dragline show ",
        ">Open file</a>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // The forecast is among the trends, below the first page.
    let place = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part}"));
    assert!(place("in the next 7 days") > place("<h2>Trends</h2>"));
}

/// Nothing is called healthy of which nothing is known.
#[test]
fn the_headline_follows_the_verdicts() {
    let (_dir, _, mut report) = fleet();
    report.insights.clear();
    let one = report.scrapers[0].clone();
    let mut say = |verdicts: &[&str], (lines, bad_lines): (u64, u64)| {
        let scrapers = verdicts.iter().map(|verdict| model::Scraper {
            scraper_id: Some("shop".to_owned()),
            site: None,
            verdict: (*verdict).to_owned(),
            ..one.clone()
        });
        report.scrapers = scrapers.collect();
        (report.trust.lines, report.trust.bad_lines) = (lines, bad_lines);
        render::headline(&report)
    };
    for (verdicts, expected) in [
        (&["healthy"][..], "shop: healthy in the latest run"),
        (&["no_data"], "shop: no requests and no items were logged"),
        (&["down"], "shop: down"),
        (
            &["healthy", "healthy"],
            "All 2 scrapers: healthy in the latest run",
        ),
        (
            &["no_data", "no_data"],
            "None of 2 scrapers logged any requests or items",
        ),
        (
            &["healthy", "healthy", "no_data"],
            "2 of 3 scrapers healthy; of 1 nothing is known",
        ),
    ] {
        assert_eq!(say(verdicts, (100, 3)), expected);
    }
    assert_eq!(
        say(&["no_data"], (24, 23)),
        "shop: no requests and no items were logged. 23 of 24 lines could not be read"
    );
}
