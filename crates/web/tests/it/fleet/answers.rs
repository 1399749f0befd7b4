//! The longer answers of the backend.

#![allow(clippy::unnecessary_wraps, reason = "the signatures of the backend")]

use std::collections::BTreeMap;

use dragline_schema::Severity;
use dragline_web::model::*;
use dragline_web::{
    Answer, BackendError, Listing, MetricQuery, Page, Place, RunKey, Scope, ScraperKey, Window,
};

use super::data::*;
use super::{Fleet, not_found};

impl Fleet {
    pub(super) fn answer_service(&self) -> Answer<ServiceStatus> {
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

    pub(super) fn answer_overview(&self, window: Window) -> Answer<Overview> {
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
            handled: None,
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

    pub(super) fn answer_site(&self, site: &str, window: Window) -> Answer<SiteDetail> {
        let sites = self.answer_sites(&Page::first(1_000))?.items;
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

    pub(super) fn answer_run(&self, key: &RunKey) -> Answer<RunDetail> {
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
            error_groups: [(0, Some(12)), (1, None)]
                .map(|(nth, count)| RunErrors {
                    id: group(nth, self).id,
                    template: group(nth, self).template,
                    count,
                })
                .to_vec(),
            last_line: Some(place(9_000)),
            previous: runs.get(place_of + 1).map(|run| run.key.clone()),
            summary,
        })
    }

    pub(super) fn answer_errors(&self, _scope: &Scope, window: Window) -> Answer<ErrorTotals> {
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

    pub(super) fn answer_lines_around(
        &self,
        place: &Place,
        before: u32,
        after: u32,
    ) -> Answer<LinesAround> {
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

    pub(super) fn answer_metric(&self, query: &MetricQuery) -> Answer<MetricAnswer> {
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

    pub(super) fn answer_sites(&self, page: &Page) -> Answer<Listing<SiteSummary>> {
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

    pub(super) fn answer_health(&self) -> Answer<dragline_health::Report> {
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

    pub(super) fn lines(
        &self,
        level: &str,
        event_type: &str,
        page: &Page,
    ) -> Answer<Listing<EventLine>> {
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
