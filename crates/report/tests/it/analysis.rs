//! What the analyst says of real logs and of settings.

use dragline_classifier::RuleSet;
use dragline_report::diff::{self, Gate};
use dragline_report::{Mute, Prices, Report, ReportOptions, activity, model, render, report};
use dragline_rollup::Finished;
use dragline_scan::{ScanOptions, scan};
use dragline_schema::Timestamp;

use super::schema_path;

fn finished(pattern: &str) -> Finished {
    let inputs = [format!("../../fixtures/logs/{pattern}")];
    let rollup = scan(&inputs, &RuleSet::shipped(), &ScanOptions::default())
        .unwrap()
        .rollup;
    rollup.finish(now())
}

fn now() -> Timestamp {
    Timestamp::parse("2040-01-01T00:00:00Z").unwrap()
}

fn with(pattern: &str, set: impl FnOnce(&mut ReportOptions)) -> Report {
    let mut options = ReportOptions::at(now());
    set(&mut options);
    report(&finished(pattern), None, &RuleSet::shipped(), &options).unwrap()
}

fn of(pattern: &str) -> Report {
    with(pattern, |_| {})
}

fn truth() -> serde_json::Value {
    let text = std::fs::read_to_string("../../fixtures/logs/history/truth.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Three runs of real scrapers; at the third the site changed its pages and began to block. Both are
/// named, dated to the minute where the log has times, and shown by a line of the third run.
#[test]
fn real_scrapers_that_meet_a_changed_and_blocking_site() {
    let truth = truth();
    for (name, has_times) in [
        ("scrapy", true),
        ("crawlee-py", true),
        ("structlog", true),
        ("crawlee-js", false),
    ] {
        let report = of(&format!("history/{name}-*"));
        let site = &truth[name][2]["site"];
        for (kinds, cause) in [
            (&["block_wave"][..], "refused"),
            (&["layout_change", "silent_failure"], "changed"),
        ] {
            let found = report
                .insights
                .iter()
                .find(|insight| kinds.contains(&insight.kind.as_str()));
            let insight = found.unwrap_or_else(|| panic!("{name}: no {kinds:?}"));
            assert!(insight.is_open, "{name} {kinds:?}");
            assert_eq!(insight.since.is_some(), has_times, "{name} {kinds:?}");
            if let Some(since) = &insight.since {
                let began = site[cause]["first"]["time"].as_str().unwrap();
                let off = Timestamp::parse(since)
                    .unwrap()
                    .since(Timestamp::parse(began).unwrap());
                assert!(
                    off.abs() <= 60_000_000,
                    "{name} {kinds:?}: {since}, not {began}"
                );
            }
            let place = &insight.evidence[0];
            assert!(
                place.file.contains(&format!("{name}-3")),
                "{name}: {place:?}"
            );
            assert!(place.sample.is_some(), "{name}: {place:?}");
        }
        assert_eq!(report.scrapers[0].verdict, "blocked", "{name}");
        // The first two runs are like each other.
        let quiet = of(&format!("history/{name}-[12]*"));
        assert!(quiet.insights.is_empty(), "{name}: {:?}", quiet.insights);
    }
}

/// The same input gives the same bytes, however many threads read it.
#[test]
fn every_format_is_the_same_every_time() {
    let rules = RuleSet::shipped();
    let make = |jobs| {
        let options = ScanOptions {
            jobs,
            ..ScanOptions::default()
        };
        let inputs = ["../../fixtures/logs/history".to_owned()];
        let finished = scan(&inputs, &rules, &options)
            .unwrap()
            .rollup
            .finish(now());
        let report = report(&finished, None, &rules, &ReportOptions::at(now())).unwrap();
        let layout = render::Layout::default();
        let document = render::report(&report, &layout);
        [
            render::text(&document, &render::Terminal::default()),
            render::markdown(&document),
            render::page(&report, &activity(&finished), &layout),
            serde_json::to_string_pretty(&report).unwrap(),
        ]
    };
    assert!(make(1) == make(3));
}

#[test]
fn a_page_as_browsers_read_it() {
    let report = of("scrapy/debug.log");
    let finished = finished("scrapy/debug.log");
    let page = render::page(&report, &activity(&finished), &render::Layout::default());
    // Style and script have tests of their own.
    let body = page.split_once("<body>").unwrap().1;
    let body = body.split_once("<script>").unwrap().0;
    insta::assert_snapshot!("page", body.replace("><", ">\n<"));
}

#[test]
fn what_is_known_is_counted_and_not_shown() {
    let loud = of("history/scrapy-*");
    let group = &loud.errors.groups[0];
    let mute = |until: Option<&str>| Mute {
        group: group.id[..8].to_owned(),
        until: until.map(|until| Timestamp::parse(until).unwrap()),
        reason: "ticket 7".to_owned(),
    };
    let muted = with("history/scrapy-*", |options| {
        options.mutes = vec![mute(None)];
    });
    let own = muted
        .errors
        .groups
        .iter()
        .find(|other| other.id == group.id)
        .unwrap();
    assert_eq!(own.count, group.count);
    assert_eq!(muted.errors.total, loud.errors.total);
    assert_eq!(own.mute.as_ref().unwrap().reason, "ticket 7");
    let text = |report: &Report| {
        let document = render::report(report, &render::Layout::default());
        render::text(&document, &render::Terminal::default())
    };
    assert!(
        text(&loud).contains(&group.id) && !text(&muted).contains(&format!("(group {})", group.id))
    );
    assert!(text(&muted).contains("ticket 7"), "{}", text(&muted));
    // A mute that is over hides nothing.
    let over = with("history/scrapy-*", |options| {
        options.mutes = vec![mute(Some("2020-01-01T00:00:00Z"))];
    });
    assert_eq!(over, loud);
}

#[test]
fn prices_add_up() {
    let prices = Prices {
        currency: "EUR".to_owned(),
        per_thousand_requests: 2.0,
        per_gib: 0.0,
        per_proxy_gib: 0.0,
        per_hour: 0.5,
    };
    let report = with("pino/scrape.ndjson", |options| {
        options.prices = Some(prices);
    });
    let cost = report.cost.unwrap();
    let requests = report.totals.requests.unwrap() as f64;
    assert!((cost.requests - requests * 0.002).abs() < 1e-9);
    assert!((cost.total - cost.requests - cost.time).abs() < 1e-9);
    let failed = report.totals.requests_failed.unwrap() as f64;
    assert!((cost.wasted - failed * 0.002).abs() < 1e-9);
    let items = report.totals.items.unwrap() as f64;
    assert!((cost.per_thousand_items.unwrap() - cost.total * 1000.0 / items).abs() < 1e-9);
    assert_eq!(cost.by_scraper.len(), 1);
    // A month cannot be forecast from a day.
    assert_eq!(cost.next_30_days, None);
    assert_eq!(of("pino/scrape.ndjson").cost, None);
}

#[test]
fn a_layout_shows_what_it_names_in_its_order() {
    let report = of("scrapy/debug.log");
    let layout = render::Layout {
        title: Some("Monday".to_owned()),
        sections: ["runs", "scrapers"]
            .map(|name| name.parse().unwrap())
            .to_vec(),
        metrics: vec!["bytes".parse().unwrap()],
    };
    let text = render::text(
        &render::report(&report, &layout),
        &render::Terminal::default(),
    );
    assert!(text.starts_with("Monday\n"), "{text}");
    let place = |part: &str| text.find(part).unwrap_or(usize::MAX);
    assert!(place("1 run") < place("Scrapers"), "{text}");
    assert!(
        text.contains("bytes") && !text.contains("Totals") && !text.contains("p95"),
        "{text}"
    );
}

/// The schema of a comparison in `docs/` is made from the types, as that of the report.
#[test]
fn a_comparison_satisfies_its_schema() {
    let path = schema_path().with_file_name("diff.schema.json");
    let text = serde_json::to_string_pretty(&schemars::schema_for!(diff::Diff)).unwrap() + "\n";
    if std::env::var_os("DRAGLINE_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == text,
        "docs/diff.schema.json is stale: run with DRAGLINE_BLESS=1"
    );
    let schema = serde_json::from_str(&written).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let gates: Vec<Gate> = ["items>-10%", "errors.site_change<=0"]
        .map(|gate| gate.parse().unwrap())
        .to_vec();
    let finished = finished("history/scrapy-*");
    for a in ["previous", "baseline"] {
        let Ok(diff) = diff::diff(&finished, a, "last", &gates) else {
            assert_eq!(a, "baseline");
            continue;
        };
        let value = serde_json::to_value(&diff).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{a}: {errors:?}");
        assert!(
            diff.gates.iter().all(|gate| !gate.passes),
            "{:?}",
            diff.gates
        );
    }
}

/// Where the time of real runs went, and their failed work, are shares of all they did.
#[test]
fn time_and_waste_are_parts_of_the_whole() {
    let report = of("history/structlog-*");
    let scraper = &report.scrapers[0];
    let budget = scraper.time_budget.as_ref().unwrap();
    assert!(budget.run_seconds > 0.0 && budget.fetching_seconds > Some(0.0));
    assert!(["fetching", "waiting", "processing", "database", "other"].contains(&&*budget.most));
    let waste: &model::Waste = scraper.waste.as_ref().unwrap();
    let failed = scraper.totals.requests_failed.unwrap() as f64;
    let requests = scraper.totals.requests.unwrap() as f64;
    assert!((waste.requests_share - failed / requests).abs() < 1e-9);
    assert!(waste.amplification > 1.0 && waste.bytes_share.is_some_and(|share| share <= 1.0));
    let gap = scraper.gap.as_ref().unwrap();
    assert!(gap.median_seconds > 60.0 && gap.mean_seconds > 60.0);
}

#[test]
fn statistics_of_an_authors_own_are_shown_compared_and_gated() {
    let dir = tempfile::tempdir().unwrap();
    let run = |n: u32, captchas: u32| {
        let line = |seq: u32, more: &str| {
            format!(
                "{{\"timestamp\":\"2026-03-{n:02}T06:00:0{seq}Z\",\"level\":\"INFO\",\"scraper_id\":\"mint\",\"site\":\"mint.example.org\",\
                 \"run_id\":\"r{n}\",\"writer_id\":\"w{n}\",\"seq\":{seq},{more}}}\n"
            )
        };
        line(0, "\"event_type\":\"scraper_start\"")
            + &line(
                1,
                &format!(
                    "\"event_type\":\"scraper_end\",\"status\":\"success\",\"stats\":{{\"captchas\":{captchas},\"budget\":0.5,\"name\":\"x\"}}"
                ),
            )
    };
    std::fs::write(dir.path().join("mint.log"), run(1, 2) + &run(2, 9)).unwrap();
    let inputs = [dir.path().display().to_string()];
    let rollup = scan(&inputs, &RuleSet::shipped(), &ScanOptions::default())
        .unwrap()
        .rollup;
    let finished = rollup.finish(now());
    let told = report(
        &finished,
        None,
        &RuleSet::shipped(),
        &ReportOptions::at(now()),
    )
    .unwrap();
    assert!((told.runs[1].stats["captchas"] - 9.0).abs() < 1e-9);
    assert_eq!(told.runs[1].stats.len(), 2);
    let shown = render::markdown(&render::runs(&told));
    assert!(
        shown.contains("| run | start | budget | captchas |"),
        "{shown}"
    );
    assert!(shown.contains("| r2 | 03-02 06:00 | 0.5 | 9 |"), "{shown}");
    let gate: Gate = "stats.captchas<=3".parse().unwrap();
    let diff = diff::diff(&finished, "previous", "last", &[gate]).unwrap();
    let change = diff
        .metrics
        .iter()
        .find(|metric| metric.metric == "stats.captchas")
        .unwrap();
    assert!(
        change
            .change
            .is_some_and(|change| (change - 7.0).abs() < 1e-9)
    );
    assert!(!diff.gates[0].passes);
}
