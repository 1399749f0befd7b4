//! A backend in memory: a fleet of any size, made by arithmetic, the same each time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use dragline_alerting::history::{AlertSummary, Entry};
use dragline_alerting::notify::{Acknowledgement, Silence};
use dragline_alerting::state::{PhaseName, Reason};
use dragline_alerting::{Alert, AlertId, AlertStatus, Labels};
use dragline_schema::{Severity, Timestamp};
use dragline_web::model::*;
use dragline_web::{
    AlertQuery, Answer, Backend, BackendError, ErrorQuery, EventQuery, ExportQuery, Feed,
    FindingQuery, IngestBatch, Listing, MetricQuery, Page, Place, RunKey, RunQuery, Scope,
    ScraperKey, ScraperQuery, Window,
};

/// 2026-12-01T14:30:00Z.
pub(crate) const NOW: i64 = 1_796_135_400;

/// Text as an attacker would log it.
pub(crate) const HOSTILE: &str = "</script><script>document.title='taken'</script><img src=x onerror=document.title='taken'>\
     '\"&{{7*7}}\u{1b}[31mred\u{202e}gnp.exe=HYPERLINK(\"http://evil.example\")";

pub(crate) struct Fleet {
    pub(crate) feed: Feed,
    pub(crate) is_hostile: bool,
    pub(crate) scrapers: Vec<ScraperSummary>,
    pub(crate) alerts: Mutex<Vec<AlertRecord>>,
    pub(crate) silences: Mutex<Vec<SilenceRecord>>,
    pub(crate) batches: Mutex<Vec<IngestBatch>>,
    pub(crate) readiness: Mutex<Readiness>,
    pub(crate) history: Mutex<Vec<Entry>>,
}

fn at(seconds_ago: i64) -> Timestamp {
    Timestamp::from_seconds(NOW - seconds_ago)
}

/// A number between 0 and 1 that looks random.
fn noise(seed: u64) -> f64 {
    let mixed = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(31)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

impl Fleet {
    pub(crate) fn new(count: usize) -> Self {
        Self::with(count, false)
    }

    pub(crate) fn hostile() -> Self {
        Self::with(3, true)
    }

    fn with(count: usize, is_hostile: bool) -> Self {
        let scrapers: Vec<_> = (0..count)
            .map(|number| scraper(number, is_hostile))
            .collect();
        let alerts = scrapers
            .iter()
            .filter(|one| one.alerts_firing > 0)
            .take(40)
            .map(|one| alert(one, is_hostile));
        let alerts: Vec<AlertRecord> = alerts.collect();
        let history = alerts.iter().map(|record| Entry::Transition {
            at: record.alert.fired_at,
            alert: record.alert.id.clone(),
            to: PhaseName::Firing,
            reason: Reason::HeldLongEnough,
            severity: Some(record.alert.severity),
            value: record.alert.value,
            began: Some(record.alert.began),
        });
        let history = history.collect();
        Self {
            feed: Feed::new(NOW as u64),
            is_hostile,
            scrapers,
            alerts: Mutex::new(alerts),
            silences: Mutex::new(Vec::new()),
            batches: Mutex::new(Vec::new()),
            readiness: Mutex::new(Readiness {
                is_ready: true,
                reasons: Vec::new(),
            }),
            history: Mutex::new(history),
        }
    }

    fn text(&self, text: &str) -> String {
        if self.is_hostile {
            format!("{text} {HOSTILE}")
        } else {
            text.to_owned()
        }
    }

    fn find(&self, key: &ScraperKey) -> Answer<&ScraperSummary> {
        let found = self.scrapers.iter().find(|one| one.key == *key);
        found.ok_or_else(|| BackendError::NotFound(format!("the scraper {key:?} is not known")))
    }
}

fn scraper(number: usize, is_hostile: bool) -> ScraperSummary {
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
        active_runs: u64::from(number % 4 == 0),
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

fn alert(scraper: &ScraperSummary, is_hostile: bool) -> AlertRecord {
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

fn place(line: u64) -> Place {
    Place {
        file: "logs/shop.20261201T000000Z.jsonl".to_owned(),
        line: Some(line),
        offset: 212 * line,
    }
}

fn figure(
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

fn figures(scale: f64, is_sick: bool) -> Vec<Figure> {
    let items = if is_sick { 0.63 } else { 1.0 } * 41_200.0 * scale;
    vec![
        figure(
            "requests",
            "requests in 24 hours",
            ValueFormat::Number,
            Some((68_000.0 * scale).round()),
            Some((61_000.0 * scale, 74_000.0 * scale)),
        ),
        figure(
            "success_rate",
            "success rate in 24 hours",
            ValueFormat::Percent,
            Some(if is_sick { 0.871 } else { 0.991 }),
            Some((0.982, 0.997)),
        ),
        figure(
            "items",
            "items in 24 hours",
            ValueFormat::Number,
            Some(items.round()),
            Some(((39_000.0 * scale).round(), (43_500.0 * scale).round())),
        ),
        figure(
            "errors",
            "errors in 24 hours",
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

fn series(
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

fn fleet_series(window: Window, scale: f64) -> Vec<Series> {
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

fn run(scraper: &ScraperSummary, number: i64, is_hostile: bool) -> RunSummary {
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

fn group(number: u64, fleet: &Fleet) -> ErrorGroup {
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

fn finding(fleet: &Fleet, scraper: &ScraperSummary, is_open: bool) -> Finding {
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
    }
}

fn not_found<T>(what: &str) -> Answer<T> {
    Err(BackendError::NotFound(format!("{what} is not known")))
}

impl Backend for Fleet {
    fn now(&self) -> Timestamp {
        at(0)
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    fn readiness(&self) -> Readiness {
        self.readiness.lock().unwrap().clone()
    }

    fn service(&self) -> Answer<ServiceStatus> {
        Ok(ServiceStatus {
            version: "0.1.0".to_owned(),
            started_at: at(5 * 86_400),
            inputs: vec![
                Input {
                    path: self.text("logs"),
                    files: 42,
                    last_event: Some(at(1)),
                    error: None,
                },
                Input {
                    path: "old-logs".to_owned(),
                    files: 0,
                    last_event: None,
                    error: Some("the directory is gone since 13:58".to_owned()),
                },
            ],
            senders: vec![
                Sender {
                    host: "crawler-1".to_owned(),
                    last_seen: at(2),
                    is_silent: false,
                    bytes: 812_000_000,
                },
                Sender {
                    host: "crawler-2".to_owned(),
                    last_seen: at(4_000),
                    is_silent: true,
                    bytes: 92_000_000,
                },
            ],
            tasks: vec![
                Task {
                    name: "judge runs".to_owned(),
                    last_success: Some(at(30)),
                    error: None,
                },
                Task {
                    name: "send notices".to_owned(),
                    last_success: Some(at(900)),
                    error: Some("slack: 503 Service Unavailable".to_owned()),
                },
            ],
            store_bytes: Some(48_000_000),
            disk_free_bytes: Some(41_000_000_000),
            config_file: Some("dragline.toml".to_owned()),
            config_read_at: at(3_600),
            config_error: None,
            problems: vec!["The directory old-logs is gone since 13:58".to_owned()],
        })
    }

    fn service_metrics(&self) -> Answer<String> {
        Ok("# HELP dragline_monitor_lines_total Lines read.\n# TYPE dragline_monitor_lines_total counter\ndragline_monitor_lines_total 184100\n".to_owned())
    }

    fn reload(&self, by: &str) -> Answer<String> {
        self.feed.publish(&[dragline_web::Topic::Service]);
        Ok(format!("read anew by {by}: nothing changed"))
    }

    fn overview(&self, window: Window) -> Answer<Overview> {
        let mut scrapers = BTreeMap::new();
        for scraper in &self.scrapers {
            *scrapers.entry(scraper.verdict).or_default() += 1;
        }
        let sick: Vec<&ScraperSummary> = self
            .scrapers
            .iter()
            .filter(|one| one.verdict.needs_attention())
            .collect();
        let attention = sick.iter().take(10).map(|one| Attention {
            kind: AttentionKind::Finding,
            id: finding(self, one, true).id,
            severity: if one.verdict == ScraperVerdict::Degraded { Severity::Medium } else { Severity::Critical },
            title: finding(self, one, true).title,
            since: one.since,
            scraper: Some(one.key.clone()),
            place: Some(place(1_841)),
            sample: Some(self.text("{\"level\":\"WARN\",\"status_code\":403,\"url\":\"https://shop-0.example.com/p/1841\"}")),
            recommendation: Some("Slow down, rotate the proxy, and compare with a browser on the same address.".to_owned()),
            command: Some("dragline report logs --since 1h --scraper shop-0".to_owned()),
        });
        let runs: Vec<RunSummary> = self
            .scrapers
            .iter()
            .filter(|one| one.active_runs > 0)
            .map(|one| run(one, 0, self.is_hostile))
            .collect();
        Ok(Overview {
            at: at(0),
            window,
            scrapers,
            attention: attention.collect(),
            attention_total: sick.len() as u64,
            active_runs_total: runs.len() as u64,
            active_runs: runs.into_iter().take(10).collect(),
            alerts_firing: self.alerts.lock().unwrap().len() as u64,
            figures: figures(self.scrapers.len() as f64 / 14.0, !sick.is_empty()),
            series: if self.scrapers.is_empty() {
                Vec::new()
            } else {
                fleet_series(window, self.scrapers.len() as f64 / 14.0)
            },
            data: DataState {
                last_event: (!self.scrapers.is_empty()).then(|| at(1)),
                lag_seconds: Some(0.3),
                files: if self.scrapers.is_empty() { 0 } else { 42 },
                lines: 184_100,
                bad_lines: 12,
                problems: if self.scrapers.len() > 1 {
                    vec![self.text("The machine crawler-2 sends nothing since 13:23")]
                } else {
                    Vec::new()
                },
            },
        })
    }

    fn scrapers(&self, query: &ScraperQuery) -> Answer<Listing<ScraperSummary>> {
        let search = query.search.as_deref().unwrap_or_default().to_lowercase();
        let mut found: Vec<ScraperSummary> = self
            .scrapers
            .iter()
            .filter(|one| {
                query
                    .scope
                    .matches(one.key.scraper_id.as_deref(), one.key.site.as_deref())
            })
            .filter(|one| query.verdicts.is_empty() || query.verdicts.contains(&one.verdict))
            .filter(|one| format!("{:?}", one.key).to_lowercase().contains(&search))
            .cloned()
            .collect();
        match query.sort {
            dragline_web::ScraperSort::Attention => {
                found.sort_by_key(|one| (one.verdict, one.key.clone()))
            }
            dragline_web::ScraperSort::Requests => {
                found.sort_by_key(|one| std::cmp::Reverse(one.numbers.requests))
            }
            _ => found.sort_by_key(|one| one.key.clone()),
        }
        Listing::cut(found, &query.page)
    }

    fn scraper(&self, key: &ScraperKey, window: Window) -> Answer<ScraperDetail> {
        let summary = self.find(key)?.clone();
        let is_sick = summary.verdict.needs_attention();
        Ok(ScraperDetail {
            figures: figures(0.07, is_sick),
            series: fleet_series(window, 0.07),
            summary,
            window,
            baseline_days: Some(21),
        })
    }

    fn sites(&self, page: &Page) -> Answer<Listing<SiteSummary>> {
        let mut sites: BTreeMap<Option<String>, Vec<&ScraperSummary>> = BTreeMap::new();
        for scraper in &self.scrapers {
            sites
                .entry(scraper.key.site.clone())
                .or_default()
                .push(scraper);
        }
        let summary = |(site, scrapers): (Option<String>, Vec<&ScraperSummary>)| {
            let mut verdicts = BTreeMap::new();
            for scraper in &scrapers {
                *verdicts.entry(scraper.verdict).or_default() += 1;
            }
            SiteSummary {
                site,
                verdict: scrapers
                    .iter()
                    .map(|one| one.verdict)
                    .min()
                    .unwrap_or(ScraperVerdict::NoData),
                scrapers: verdicts,
                numbers: scrapers[0].numbers.clone(),
            }
        };
        let mut sites: Vec<SiteSummary> = sites.into_iter().map(summary).collect();
        sites.sort_by_key(|site| site.verdict);
        Listing::cut(sites, page)
    }

    fn site(&self, site: &str, window: Window) -> Answer<SiteDetail> {
        let sites = self.sites(&Page::first(1_000))?.items;
        let Some(summary) = sites.iter().find(|one| one.site.as_deref() == Some(site)) else {
            return not_found("the site");
        };
        let others: Vec<String> = sites
            .iter()
            .filter_map(|one| one.site.clone())
            .filter(|one| one != site)
            .take(20)
            .collect();
        let mut series = fleet_series(window, 0.07);
        for one in &mut series {
            let values = one.lines[0]
                .values
                .iter()
                .map(|value| value.map(|value| value * 1.03))
                .collect();
            one.lines.push(Line {
                label: "control group".to_owned(),
                values,
            });
        }
        Ok(SiteDetail {
            scrapers: self.scrapers.iter().filter(|one| one.key.site.as_deref() == Some(site)).cloned().collect(),
            summary: summary.clone(),
            window,
            figures: figures(0.07, summary.verdict.needs_attention()),
            series,
            control: (!others.is_empty()).then(|| ControlGroup {
                total: sites.len() as u64 - 1,
                sites: others,
                conclusion: "The site: 2 of 2 scrapers on it fail, and the same proxy works on 12 of 12 other sites.".to_owned(),
                figures: figures(1.0, false),
            }),
            status_codes: BTreeMap::from([("200".to_owned(), 2_516), ("403".to_owned(), 4_284), ("429".to_owned(), 12)]),
            quiet_hours: Some("02:00 to 06:00 UTC: a third of the refusals of the other hours".to_owned()),
        })
    }

    fn runs(&self, query: &RunQuery) -> Answer<Listing<RunSummary>> {
        let scrapers = self.scrapers.iter().filter(|one| {
            query
                .scope
                .matches(one.key.scraper_id.as_deref(), one.key.site.as_deref())
        });
        let mut runs: Vec<RunSummary> = scrapers
            .flat_map(|one| (0..6).map(|number| run(one, number, self.is_hostile)))
            .filter(|run| query.outcome.is_none() || run.outcome == query.outcome)
            .filter(|run| {
                query
                    .window
                    .is_none_or(|window| run.start.is_some_and(|start| window.contains(start)))
            })
            .collect();
        runs.sort_by_key(|run| (std::cmp::Reverse(run.start), run.key.clone()));
        Listing::cut(runs, &query.page)
    }

    fn run(&self, key: &RunKey) -> Answer<RunDetail> {
        let scraper = self.find(&ScraperKey {
            scraper_id: key.scraper_id.clone(),
            site: key.site.clone(),
        })?;
        let runs: Vec<RunSummary> = (0..6)
            .map(|number| run(scraper, number, self.is_hostile))
            .collect();
        let Some(place_of) = runs.iter().position(|run| run.key == *key) else {
            return not_found("the run");
        };
        let summary = runs[place_of].clone();
        let window = Window {
            from: summary.start.unwrap(),
            to: at(0),
        };
        Ok(RunDetail {
            figures: figures(0.02 * (place_of as f64 + 1.0), place_of == 0),
            series: fleet_series(window, 0.02),
            status_codes: BTreeMap::from([
                ("200".to_owned(), 2_516),
                ("403".to_owned(), 84 * place_of as u64),
            ]),
            config: BTreeMap::from([
                ("concurrency".to_owned(), serde_json::json!(8 + place_of)),
                (
                    "start_url".to_owned(),
                    serde_json::json!(self.text("https://shop-0.example.com/")),
                ),
            ]),
            stats: BTreeMap::from([("captchas".to_owned(), 4.0)]),
            error_groups: vec![(group(0, self).id, 12), (group(1, self).id, 3)],
            last_line: Some(place(9_000)),
            previous: runs.get(place_of + 1).map(|run| run.key.clone()),
            summary,
        })
    }

    fn errors(&self, _scope: &Scope, window: Window) -> Answer<ErrorTotals> {
        let steps = 48;
        let step = window.seconds() / steps;
        let layer = |(place, category): (usize, &str)| ErrorLayer {
            category: category.to_owned(),
            values: (0..steps as u64)
                .map(|number| Some((12.0 * noise(number * 5 + place as u64)).round()))
                .collect(),
        };
        let is_empty = self.scrapers.is_empty();
        Ok(ErrorTotals {
            window,
            total: Some(if is_empty { 0 } else { 1_204 }),
            by_category: BTreeMap::from([
                ("network".to_owned(), 812),
                ("parsing".to_owned(), 240),
                ("rate_limit".to_owned(), 152),
            ]),
            by_severity: BTreeMap::from([(Severity::High, 812), (Severity::Medium, 392)]),
            times: (0..steps)
                .map(|number| window.from.plus_micros(number * step * 1_000_000))
                .collect(),
            step_seconds: step as u64,
            layers: ["network", "parsing", "rate_limit"]
                .into_iter()
                .enumerate()
                .map(layer)
                .collect(),
            marks: vec![Mark {
                at: at(1_680),
                label: "blocked".to_owned(),
            }],
        })
    }

    fn error_groups(&self, query: &ErrorQuery) -> Answer<Listing<ErrorGroup>> {
        let count = if self.scrapers.is_empty() { 0 } else { 18 };
        let groups = (0..count).map(|number| group(number, self));
        let groups = groups
            .filter(|group| {
                query
                    .category
                    .as_ref()
                    .is_none_or(|category| *category == group.category)
            })
            .filter(|group| query.state.is_none() || group.state == query.state)
            .filter(|group| {
                query
                    .severity
                    .is_none_or(|severity| severity == group.severity)
            });
        Listing::cut(groups.collect(), &query.page)
    }

    fn error_group(&self, id: &str, window: Window) -> Answer<ErrorGroupDetail> {
        let Some(group) = (0..18)
            .map(|number| group(number, self))
            .find(|group| group.id == id)
        else {
            return not_found("the group");
        };
        let series = series(
            "Errors of this group rose at 14:02",
            "errors",
            "errors per half hour",
            ValueFormat::Number,
            window,
            12.0,
            3.0,
        );
        Ok(ErrorGroupDetail {
            group,
            window,
            series: Some(series),
            advice: Some("The host does not answer: check whether it answers others.".to_owned()),
            runbook: Some("network".to_owned()),
        })
    }

    fn error_samples(&self, id: &str, page: &Page) -> Answer<Listing<EventLine>> {
        self.error_group(
            id,
            Window {
                from: at(86_400),
                to: at(0),
            },
        )?;
        self.lines("ERROR", "scraper_error", page)
    }

    fn lines_around(&self, place: &Place, before: u32, after: u32) -> Answer<LinesAround> {
        if place.file != "logs/shop.20261201T000000Z.jsonl" {
            return Err(BackendError::NotFound(format!(
                "the file {:?} is not followed",
                place.file
            )));
        }
        let target = place.line.unwrap_or(place.offset / 212);
        let first = target.saturating_sub(u64::from(before)).max(1);
        let line = |number: u64| {
            LineAround {
            line: Some(number),
            offset: 212 * number,
            text: self.text(&format!("{{\"timestamp\":\"2026-12-01T14:02:{:02}.123456Z\",\"level\":\"{}\",\"scraper_id\":\"shop-0\",\"site\":\"shop-0.example.com\",\"event_type\":\"request\",\"url\":\"https://shop-0.example.com/p/{number}\",\"status_code\":{}}}", number % 60, if number == target { "ERROR" } else { "INFO" }, if number == target { 403 } else { 200 })),
            level: Some(if number == target { "ERROR" } else { "INFO" }.to_owned()),
            is_target: number == target,
        }
        };
        Ok(LinesAround {
            file: place.file.clone(),
            lines: (first..=target + u64::from(after)).map(line).collect(),
            has_before: first > 1,
            has_after: true,
            note: None,
        })
    }

    fn events(&self, query: &EventQuery) -> Answer<Listing<EventLine>> {
        self.lines(
            "INFO",
            query.event_type.as_deref().unwrap_or("request"),
            &query.page,
        )
    }

    fn alerts(&self, query: &AlertQuery) -> Answer<Listing<AlertRecord>> {
        let alerts = self.alerts.lock().unwrap();
        let fits = |record: &&AlertRecord| {
            let labels = &record.alert.labels;
            query
                .scope
                .matches(labels.get("scraper_id"), labels.get("site"))
                && query
                    .severity
                    .is_none_or(|severity| record.alert.severity >= severity)
        };
        Listing::cut(alerts.iter().filter(fits).cloned().collect(), &query.page)
    }

    fn alert(&self, id: &str) -> Answer<AlertDetail> {
        let alerts = self.alerts.lock().unwrap();
        let Some(record) = alerts.iter().find(|record| record.alert.id.short() == id) else {
            return not_found("the alert");
        };
        let history = self.history.lock().unwrap().clone();
        let is_of = |entry: &Entry| matches!(entry, Entry::Transition { alert, .. } if *alert == record.alert.id);
        Ok(AlertDetail {
            record: record.clone(),
            history: history.into_iter().filter(is_of).collect(),
            series: Some(series(
                "The share of refusals rose to 63 % at 14:02",
                "refused_share",
                "share of requests",
                ValueFormat::Percent,
                Window {
                    from: at(86_400),
                    to: at(0),
                },
                0.01,
                60.0,
            )),
        })
    }

    fn alert_history(&self, window: Window, page: &Page) -> Answer<Listing<Entry>> {
        let mut entries: Vec<Entry> = self
            .history
            .lock()
            .unwrap()
            .iter()
            .filter(|entry| window.contains(entry.at()))
            .cloned()
            .collect();
        entries.reverse();
        Listing::cut(entries, page)
    }

    fn alert_summary(&self) -> Answer<AlertSummary> {
        let active = self.alerts.lock().unwrap().len();
        Ok(AlertSummary {
            active,
            last_hour: active,
            last_day: active,
            ..AlertSummary::default()
        })
    }

    fn watch(&self) -> Answer<WatchStatus> {
        let rule = |(name, condition, firing): (&str, &str, u64)| RuleSummary {
            name: name.to_owned(),
            condition: condition.to_owned(),
            severity: Severity::High,
            enabled: name != "queue_backup",
            error: None,
            firing,
        };
        let rules = [
            ("block_wave", "finding block_wave is open", 2),
            ("high_cpu_usage", "dragline_cpu_usage_ratio > 0.9 for 5m", 0),
            ("queue_backup", "queue_size > 1000 for 5m", 0),
        ];
        Ok(WatchStatus {
            evaluated_until: Some(at(30)),
            lag_seconds: Some(30.0),
            rules: rules.map(rule).into(),
        })
    }

    fn acknowledge(&self, id: &str, by: &str) -> Answer<AlertRecord> {
        let mut alerts = self.alerts.lock().unwrap();
        let Some(record) = alerts
            .iter_mut()
            .find(|record| record.alert.id.short() == id)
        else {
            return not_found("the alert");
        };
        record.acknowledged = Some(Acknowledgement {
            by: by.to_owned(),
            at: at(0),
            severity: record.alert.severity,
        });
        self.history.lock().unwrap().push(Entry::Action {
            at: at(1),
            by: by.to_owned(),
            text: format!("acknowledged {id}"),
        });
        self.feed.publish(&[dragline_web::Topic::Alerts]);
        Ok(record.clone())
    }

    fn silences(&self, page: &Page) -> Answer<Listing<SilenceRecord>> {
        Listing::cut(self.silences.lock().unwrap().clone(), page)
    }

    fn silence(&self, silence: Silence) -> Answer<SilenceRecord> {
        let mut silences = self.silences.lock().unwrap();
        let record = SilenceRecord {
            id: format!("s{}", silences.len() + 1),
            silence,
            is_of_page: true,
            is_in_force: true,
            muted: 1,
        };
        silences.push(record.clone());
        self.feed.publish(&[dragline_web::Topic::Alerts]);
        Ok(record)
    }

    fn end_silence(&self, id: &str, _by: &str) -> Answer<()> {
        let mut silences = self.silences.lock().unwrap();
        let before = silences.len();
        silences.retain(|silence| silence.id != id);
        self.feed.publish(&[dragline_web::Topic::Alerts]);
        if silences.len() == before {
            not_found("the silence")
        } else {
            Ok(())
        }
    }

    fn health(&self) -> Answer<dragline_health::Report> {
        let check = |name: &str, kind: &str, status: &str| {
            serde_json::json!({
                "name": self.text(name), "kind": kind, "target": "https://shop-0.example.com/", "status": status,
                "since": at(7_000), "last_level": null, "checked_at": at(40), "source": "probe", "last_result": status,
                "message": if status == "healthy" { None } else { Some("status is 503 (condition: status == 200)") },
                "failure": null, "values": {"response_time": 0.412, "certificate_days": 61.0}, "results_in_a_row": 0,
                "results_needed": 3, "availability_percent": 98.7, "change": null,
            })
        };
        let checks = if self.scrapers.is_empty() {
            Vec::new()
        } else {
            vec![
                check("shop", "site", "critical"),
                check("news", "site", "healthy"),
                check("disk of the logs", "disk", "healthy"),
            ]
        };
        let report = serde_json::json!({
            "generated_at": at(40), "status": "critical", "sites_accessible_percent": 50.0, "database_status": null,
            "notices": [], "checks": checks,
        });
        Ok(serde_json::from_value(report).unwrap())
    }

    fn health_check(&self, name: &str) -> Answer<HealthHistory> {
        let report = self.health()?;
        let Some(check) = report.checks.into_iter().find(|check| check.name == name) else {
            return not_found("the check");
        };
        let result = |number: i64| dragline_health::HistoryEntry {
            at: at(300 * (60 - number)),
            status: dragline_health::Status::Healthy,
            response_time: Some(0.3 + 0.2 * noise(number as u64)),
            message: None,
        };
        Ok(HealthHistory {
            check,
            results: (0..60).map(result).collect(),
            changes: Vec::new(),
        })
    }

    fn metrics(&self, search: Option<&str>, page: &Page) -> Answer<Listing<MetricInfo>> {
        let names = [
            "dragline_items_total",
            "dragline_requests_total",
            "dragline_response_time_seconds",
            "dragline_cpu_usage_ratio",
            "dragline_memory_used_bytes",
            "dragline_queue_size",
        ];
        let names = if self.scrapers.is_empty() {
            &names[..0]
        } else {
            &names[..]
        };
        let found = names
            .iter()
            .filter(|name| name.contains(search.unwrap_or_default()));
        Listing::cut(found.map(|name| info(name)).collect(), page)
    }

    fn metric(&self, query: &MetricQuery) -> Answer<MetricAnswer> {
        if !query.name.starts_with("dragline_") {
            return not_found(&format!("the metric {:?}", query.name));
        }
        let step = query.step_seconds.max(1);
        let steps = query.window.seconds() as u64 / step;
        let point = |number: u64, seed: u64| {
            let value = 10.0 + seed as f64 + 4.0 * noise(number * 13 + seed);
            MetricPoint {
                at: query
                    .window
                    .from
                    .plus_micros((number * step) as i64 * 1_000_000),
                count: 30,
                min: Some(value * 0.5),
                max: Some(value * 2.0),
                mean: Some(value),
                median: Some(value * 0.9),
                p95: Some(value * 1.7),
                p99: Some(value * 1.9),
                last: Some(value),
                rate: Some(value / 60.0),
                increase: Some(value),
            }
        };
        let scrapers = self.scrapers.iter().take(query.limit.min(9)).enumerate();
        let series = scrapers.map(|(place, one)| MetricSeries {
            labels: BTreeMap::from([("site".to_owned(), one.key.site.clone().unwrap_or_default())]),
            points: (0..steps)
                .map(|number| point(number, place as u64))
                .collect(),
        });
        Ok(MetricAnswer {
            info: info(&query.name),
            window: query.window,
            step_seconds: step,
            whole: Some(point(0, 1)),
            series: series.collect(),
            series_total: self.scrapers.len() as u64,
        })
    }

    fn findings(&self, query: &FindingQuery) -> Answer<Listing<Finding>> {
        let sick = self
            .scrapers
            .iter()
            .filter(|one| one.verdict.needs_attention());
        let sick = sick.filter(|one| {
            query
                .scope
                .matches(one.key.scraper_id.as_deref(), one.key.site.as_deref())
        });
        let findings = sick.flat_map(|one| [finding(self, one, true), finding(self, one, false)]);
        let mut findings: Vec<Finding> = findings
            .filter(|one| query.is_open.is_none_or(|open| open == one.is_open))
            .collect();
        findings.sort_by_key(|finding| !finding.is_open);
        Listing::cut(findings, &query.page)
    }

    fn finding(&self, id: &str) -> Answer<Finding> {
        let all = self.findings(&FindingQuery {
            page: Page::first(1_000),
            ..FindingQuery::default()
        })?;
        all.items
            .into_iter()
            .find(|finding| finding.id == id)
            .map_or_else(|| not_found("the finding"), Ok)
    }

    fn reports(&self, page: &Page) -> Answer<Listing<ReportInfo>> {
        let report = ReportInfo {
            id: "2026-12-01".to_owned(),
            title: self.text("Prices, Tuesday"),
            made_at: at(30_000),
            period: Some(Window {
                from: at(7 * 86_400),
                to: at(0),
            }),
            note: Some("sent to prices@example.com".to_owned()),
        };
        Listing::cut(
            if self.scrapers.is_empty() {
                Vec::new()
            } else {
                vec![report]
            },
            page,
        )
    }

    fn report(&self, id: &str) -> Answer<String> {
        if id != "2026-12-01" {
            return not_found("the report");
        }
        Ok(
            "<!doctype html><title>Report</title><style>p{color:green}</style><p>A report</p>"
                .to_owned(),
        )
    }

    fn export(&self, query: &ExportQuery) -> Answer<Export> {
        let rows: String = self
            .scrapers
            .iter()
            .map(|one| format!("{:?},{}\n", one.key.scraper_id, one.verdict.name()))
            .collect();
        Ok(Export {
            media_type: "text/csv; charset=utf-8".to_owned(),
            file_name: format!("{}.csv", query.table.name()),
            bytes: rows.into_bytes(),
        })
    }

    fn ingest(&self, batch: IngestBatch, _by: &str) -> Answer<IngestAnswer> {
        let mut batches = self.batches.lock().unwrap();
        let next: u64 = batches
            .iter()
            .filter(|other| other.identity == batch.identity)
            .map(|other| other.offset + other.body.len() as u64)
            .max()
            .unwrap_or(0);
        if batch.offset > next {
            return Err(BackendError::Conflict(format!(
                "bytes {next} to {} are missing: send them first",
                batch.offset
            )));
        }
        let end = batch.offset + batch.body.len() as u64;
        batches.push(batch);
        Ok(IngestAnswer {
            next_offset: end.max(next),
            new_bytes: end.saturating_sub(next),
        })
    }
}

impl Fleet {
    fn lines(&self, level: &str, event_type: &str, page: &Page) -> Answer<Listing<EventLine>> {
        let Some(first) = self.scrapers.first() else {
            return Ok(Listing {
                items: Vec::new(),
                total: Some(0),
                next: None,
                note: None,
            });
        };
        let line = |number: u64| {
            EventLine {
            place: place(1_841 + number),
            at: Some(at(1_680 - number as i64)),
            level: Some(level.to_owned()),
            event_type: Some(event_type.to_owned()),
            key: first.key.clone(),
            run_id: Some("2026-12-01-0000".to_owned()),
            text: self.text(&format!("{{\"level\":\"{level}\",\"event_type\":\"{event_type}\",\"url\":\"https://shop-0.example.com/p/{number}\",\"status_code\":403}}")),
        }
        };
        Listing::cut((0..250).map(line).collect(), page)
    }
}

fn info(name: &str) -> MetricInfo {
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
