//! The data of the fleet, by arithmetic.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_alerting::state::Reason;
use dragline_alerting::{Alert, AlertId, AlertStatus, Labels};
use dragline_schema::{Severity, Timestamp};
use dragline_web::model::*;
use dragline_web::{Place, RunKey, ScraperKey, Window};

use super::{Fleet, HOSTILE, NOW};

pub(super) fn at(seconds_ago: i64) -> Timestamp {
    Timestamp::from_seconds(NOW - seconds_ago)
}

/// A number between 0 and 1 that looks random.
pub(super) fn noise(seed: u64) -> f64 {
    let mixed = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(31)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

pub(super) fn scraper(number: usize, is_hostile: bool) -> ScraperSummary {
    let kinds = ["shop", "news", "jobs", "flats", "prices"];
    let kind = kinds[number % kinds.len()];
    let group = number / kinds.len();
    let (mut scraper_id, mut site) = (
        format!("{kind}-{group}"),
        format!("{kind}-{}.example.com", group / 2),
    );
    if is_hostile {
        scraper_id = format!("{scraper_id}{HOSTILE}");
        site = format!("{site}/../{HOSTILE}{}", "x".repeat(300));
    }
    let verdict = match number % 14 {
        0 => ScraperVerdict::Blocked,
        5 if number > 14 => ScraperVerdict::LayoutChanged,
        7 => ScraperVerdict::Degraded,
        11 => ScraperVerdict::NoData,
        _ => ScraperVerdict::Healthy,
    };
    let seed = number as u64 + 1;
    let requests = 800 + (9_000.0 * noise(seed)) as u64;
    let is_sick = verdict.needs_attention();
    let rate = if verdict == ScraperVerdict::Blocked {
        0.37
    } else {
        0.985 + 0.01 * noise(seed + 7)
    };
    let items = (requests as f64 * if is_sick { 0.2 } else { 0.6 }) as u64;
    let is_known = verdict != ScraperVerdict::NoData;
    let days = (0..14).map(|day| {
        let usual = requests as f64 * 0.6 * (0.9 + 0.2 * noise(seed * 31 + day));
        Some(if is_sick && day == 13 {
            usual * 0.3
        } else {
            usual
        })
    });
    ScraperSummary {
        key: ScraperKey {
            scraper_id: Some(scraper_id),
            site: Some(site),
        },
        verdict,
        reasons: match verdict {
            ScraperVerdict::Blocked => {
                vec!["63 % of the requests since 14:02 were refused with status 403".to_owned()]
            }
            ScraperVerdict::LayoutChanged => {
                vec!["Pages answer 200, but the field price is empty since 09:40".to_owned()]
            }
            ScraperVerdict::Degraded => {
                vec!["Response times are three times as long as usual".to_owned()]
            }
            ScraperVerdict::NoData => vec!["Only one run is known".to_owned()],
            _ => Vec::new(),
        },
        since: is_sick.then(|| at(1_680 + 60 * number as i64 % 5_000)),
        last_event: Some(at(number as i64 % 600)),
        next_run_due: is_known.then(|| at(-3_600)),
        active_runs: u64::from(number.is_multiple_of(4)),
        alerts_firing: u64::from(
            verdict == ScraperVerdict::Blocked || verdict == ScraperVerdict::LayoutChanged,
        ),
        numbers: if is_known {
            ScraperNumbers {
                requests: Some(requests),
                success_rate: Some(rate),
                items: Some(items),
                errors: Some(if is_sick {
                    (requests as f64 * (1.0 - rate)) as u64
                } else {
                    number as u64 % 9
                }),
                response_time_ms_p95: Some(220.0 + 900.0 * noise(seed + 3)),
            }
        } else {
            ScraperNumbers::default()
        },
        items_per_day: is_known.then(|| Sparkline {
            label: "items per day, last 14 days".to_owned(),
            values: days.collect(),
        }),
    }
}

pub(super) fn alert(scraper: &ScraperSummary, is_hostile: bool) -> AlertRecord {
    let labels: Labels = [
        (
            "scraper_id",
            scraper.key.scraper_id.clone().unwrap_or_default(),
        ),
        ("site", scraper.key.site.clone().unwrap_or_default()),
    ]
    .into_iter()
    .collect();
    let rule = if scraper.verdict == ScraperVerdict::Blocked {
        "block_wave"
    } else {
        "layout_change"
    };
    let site = scraper.key.site.as_deref().unwrap_or_default();
    let alert = Alert {
        id: AlertId {
            rule: rule.to_owned(),
            labels: labels.clone(),
        },
        labels,
        status: AlertStatus::Firing,
        severity: if rule == "block_wave" {
            Severity::Critical
        } else {
            Severity::High
        },
        began: at(1_680),
        fired_at: at(1_620),
        ended: None,
        reason: Reason::HeldLongEnough,
        flapping: false,
        value: Some(0.63),
        worst: Some(0.63),
        ended_value: None,
        condition: "refused_share > 0.3 for 1m".to_owned(),
        threshold: Some(0.3),
        expected: Some(dragline_alerting::Expected {
            value: 0.01,
            low: 0.0,
            high: 0.02,
        }),
        summary: format!("{site} refuses 63 % of the requests since 14:02"),
        annotations: BTreeMap::from([("runbook".to_owned(), "block_wave".to_owned())]),
        category: "scraping".to_owned(),
        cooldown: Duration::from_mins(5),
        repeat: None,
        escalate: Vec::new(),
    };
    let line = if is_hostile {
        format!("403 {HOSTILE}")
    } else {
        "{\"level\":\"WARN\",\"status_code\":403,\"url\":\"https://shop-0.example.com/p/1841\"}"
            .to_owned()
    };
    AlertRecord {
        alert,
        acknowledged: None,
        silenced_until: None,
        silenced_by: None,
        place: Some(place(1_841)),
        evidence: vec![line],
        verdict: None,
        owner: Some("price team".to_owned()),
        command: Some("dragline report logs --since 1h".to_owned()),
        channels: vec!["slack".to_owned(), "mail".to_owned()],
    }
}

pub(super) fn place(line: u64) -> Place {
    Place {
        file: "logs/shop.20261201T000000Z.jsonl".to_owned(),
        line: Some(line),
        offset: 212 * line,
    }
}

pub(super) fn figure(
    metric: &str,
    label: &str,
    format: ValueFormat,
    value: Option<f64>,
    expected: Option<(f64, f64)>,
) -> Figure {
    Figure {
        metric: metric.to_owned(),
        label: label.to_owned(),
        format,
        value,
        expected: expected.map(|(lower, upper)| Range { lower, upper }),
    }
}

pub(super) fn figures(scale: f64, is_sick: bool) -> Vec<Figure> {
    let items = if is_sick { 0.63 } else { 1.0 } * 41_200.0 * scale;
    vec![
        figure(
            "requests",
            "requests",
            ValueFormat::Number,
            Some((68_000.0 * scale).round()),
            Some((61_000.0 * scale, 74_000.0 * scale)),
        ),
        figure(
            "success_rate",
            "success rate",
            ValueFormat::Percent,
            Some(if is_sick { 0.871 } else { 0.991 }),
            Some((0.982, 0.997)),
        ),
        figure(
            "items",
            "items",
            ValueFormat::Number,
            Some(items.round()),
            Some(((39_000.0 * scale).round(), (43_500.0 * scale).round())),
        ),
        figure(
            "errors",
            "errors",
            ValueFormat::Number,
            Some(1_204.0),
            Some((80.0, 320.0)),
        ),
        figure(
            "response_time_ms.p95",
            "95th percentile of response times",
            ValueFormat::Milliseconds,
            Some(612.0),
            Some((380.0, 690.0)),
        ),
        figure(
            "rate_limits",
            "times asked to slow down",
            ValueFormat::Number,
            None,
            None,
        ),
    ]
}

pub(super) fn series(
    title: &str,
    metric: &str,
    unit: &str,
    format: ValueFormat,
    window: Window,
    level: f64,
    fall: f64,
) -> Series {
    let steps = 48_u64;
    let step = (window.seconds() / steps as i64).max(1);
    let times: Vec<Timestamp> = (0..steps)
        .map(|number| window.from.plus_micros(number as i64 * step * 1_000_000))
        .collect();
    let value = |number: u64| {
        let wave = level
            * (1.0 + 0.15 * (number as f64 / 7.6).sin() + 0.06 * noise(number + level as u64));
        if number > 40 { wave * fall } else { wave }
    };
    Series {
        metric: metric.to_owned(),
        title: title.to_owned(),
        unit: unit.to_owned(),
        format,
        step_seconds: step as u64,
        lines: vec![Line {
            label: metric.replace('_', " "),
            values: (0..steps)
                .map(|number| (!(18..20).contains(&number)).then(|| value(number)))
                .collect(),
        }],
        expected: (0..steps)
            .map(|number| {
                Some(Range {
                    lower: level * 0.8,
                    upper: level * (1.2 + 0.05 * (number as f64 / 7.6).sin()),
                })
            })
            .collect(),
        marks: vec![Mark {
            at: times[41],
            label: "blocked".to_owned(),
        }],
        times,
    }
}

pub(super) fn fleet_series(window: Window, scale: f64) -> Vec<Series> {
    vec![
        series(
            "Items fell 63 % at 14:02",
            "items",
            "items per half hour",
            ValueFormat::Number,
            window,
            858.0 * scale,
            0.37,
        ),
        series(
            "Success rate fell to 37 % at 14:02",
            "success_rate",
            "success rate",
            ValueFormat::Percent,
            window,
            0.8,
            0.45,
        ),
        series(
            "Requests as usual",
            "requests",
            "requests per half hour",
            ValueFormat::Number,
            window,
            1_416.0 * scale,
            1.0,
        ),
        series(
            "Response times as usual",
            "p95",
            "95th percentile",
            ValueFormat::Milliseconds,
            window,
            500.0,
            1.1,
        ),
    ]
}

pub(super) fn run(scraper: &ScraperSummary, number: i64, is_hostile: bool) -> RunSummary {
    let is_active = number == 0 && scraper.active_runs > 0;
    let outcome = match number {
        0 if is_active => RunOutcome::Running,
        3 => RunOutcome::Killed,
        _ => RunOutcome::Finished,
    };
    let start = at(1_800 + 6 * 3_600 * number);
    let requests = scraper.numbers.requests.map(|requests| requests / 4);
    let items = scraper.numbers.items.map(|items| items / 4);
    RunSummary {
        key: RunKey {
            scraper_id: scraper.key.scraper_id.clone(),
            site: scraper.key.site.clone(),
            run_id: if is_hostile {
                format!("r{number}{HOSTILE}")
            } else {
                format!("2026-12-01-{number:04}")
            },
        },
        start: Some(start),
        end: (!is_active).then(|| start.plus_micros(2_710_000_000)),
        last_seen: Some(if is_active {
            at(4)
        } else {
            start.plus_micros(2_710_000_000)
        }),
        duration_seconds: Some(if is_active { 1_796.0 } else { 2_710.0 }),
        outcome: Some(outcome),
        finish_reason: (outcome == RunOutcome::Finished).then(|| "finished".to_owned()),
        host: Some("crawler-1".to_owned()),
        numbers: RunNumbers {
            requests,
            requests_failed: requests.map(|requests| requests / 50),
            success_rate: scraper.numbers.success_rate,
            items,
            errors: Some(3 * number as u64),
            rate_limits: None,
            bytes: requests.map(|requests| requests * 18_234),
            response_time_ms_p50: Some(140.0),
            response_time_ms_p95: scraper.numbers.response_time_ms_p95,
        },
        items_expected: items.map(|items| Range {
            lower: items as f64 * 0.9,
            upper: items as f64 * 1.1,
        }),
        no_forecast: None,
        forecast: is_active.then(|| Forecast {
            end: at(-900),
            end_lower: at(-720),
            end_upper: at(-1_260),
            items: items.map(|items| items as f64 * 1.5),
            items_range: items.map(|items| Range {
                lower: items as f64 * 1.4,
                upper: items as f64 * 1.6,
            }),
        }),
    }
}

pub(super) fn group(number: u64, fleet: &Fleet) -> ErrorGroup {
    let kinds = [
        (
            "network",
            "ConnectTimeout",
            "connect to <host>:<n> timed out after <n> s",
        ),
        (
            "parsing",
            "SelectorError",
            "selector \".price\" matched nothing on <url>",
        ),
        (
            "rate_limit",
            "HttpError",
            "429 Too Many Requests from <host>",
        ),
        ("site_change", "KeyError", "KeyError: 'offers'"),
        (
            "database",
            "OperationalError",
            "could not connect to server: Connection refused",
        ),
        ("unknown", "", "something odd happened: <text>"),
    ];
    let (category, kind, template) = kinds[number as usize % kinds.len()];
    let count = 700 / (number + 1);
    ErrorGroup {
        id: format!(
            "{:016x}",
            0xc8a4_9173_6c67_364b_u64.wrapping_mul(2 * number + 1)
        ),
        category: category.to_owned(),
        sub_category: Some("connection timeout".to_owned()),
        severity: [Severity::High, Severity::Medium, Severity::Low][number as usize % 3],
        rule: Some("network.timeout".to_owned()),
        template: fleet.text(template),
        error_type: (!kind.is_empty()).then(|| kind.to_owned()),
        count,
        share: Some(count as f64 / 1_204.0),
        first_seen: Some(at(3 * 86_400)),
        last_seen: Some(at(60 * number as i64)),
        state: Some(ErrorState::ALL[number as usize % 4]),
        scrapers: fleet
            .scrapers
            .iter()
            .take(3)
            .map(|one| GroupScraper {
                key: one.key.clone(),
                count: Some(count / 3),
            })
            .collect(),
        scrapers_total: fleet.scrapers.len().min(12) as u64,
        sample: fleet.text("connect to shop-0.example.com:443 timed out after 30 s"),
        place: Some(place(1_841 + number)),
        muted: (number == 4).then(|| "the database moves, ticket 123".to_owned()),
        over_time: Some(Sparkline {
            label: "errors per hour".to_owned(),
            values: (0..24)
                .map(|hour| Some((count as f64 / 24.0 * noise(hour + number * 7)).round()))
                .collect(),
        }),
    }
}

pub(super) fn finding(fleet: &Fleet, scraper: &ScraperSummary, is_open: bool) -> Finding {
    let site = scraper.key.site.as_deref().unwrap_or_default();
    let suffix = if is_open { "open" } else { "over" };
    Finding {
        id: format!("{}-{suffix}", scraper.key.scraper_id.as_deref().unwrap_or_default()),
        kind: if scraper.verdict == ScraperVerdict::Blocked { "block_wave" } else { "layout_change" }.to_owned(),
        severity: if scraper.verdict == ScraperVerdict::Blocked { Severity::Critical } else { Severity::High },
        title: format!("{site} refuses 63 % of the requests of {} since 14:02", scraper.key.scraper_id.as_deref().unwrap_or_default()),
        detail: fleet.text("Before, 0.4 % were refused. The refusals are answers with status 403 and the same page of 1,841 bytes."),
        since: Some(at(1_680)),
        until: (!is_open).then(|| at(600)),
        is_open,
        scraper: Some(scraper.key.clone()),
        metric: Some("success_rate".to_owned()),
        expected: Some(Range { lower: 0.982, upper: 0.997 }),
        observed: Some(0.37),
        sequence: vec![Moved { at: at(1_680), metric: "success_rate".to_owned() }, Moved { at: at(1_500), metric: "items".to_owned() }],
        evidence: vec![(place(1_841), Some(fleet.text("{\"status_code\":403,\"url\":\"https://shop-0.example.com/p/1841\"}")))],
        recommendation: "Slow down, rotate the proxy, and compare with a browser on the same address.".to_owned(),
        runbook: Some("block_wave".to_owned()),
        related: Vec::new(),
        fix: None,
    }
}

pub(super) fn info(name: &str) -> MetricInfo {
    let kind = if name.ends_with("_total") {
        MetricKind::Counter
    } else if name.ends_with("_seconds") {
        MetricKind::Histogram
    } else {
        MetricKind::Gauge
    };
    MetricInfo {
        name: name.to_owned(),
        kind,
        unit: ["seconds", "bytes", "ratio"]
            .into_iter()
            .find(|unit| name.ends_with(unit))
            .map(str::to_owned),
        help: format!("What {name} measures."),
        series: 12,
        labels: vec!["scraper_id".to_owned(), "site".to_owned()],
        last_updated: Some(at(5)),
        last: Some(0.42),
    }
}
