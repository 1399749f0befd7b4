//! The backend over the fleet.

use dragline_alerting::history::{AlertSummary, Entry};
use dragline_alerting::notify::{Acknowledgement, Silence};
use dragline_schema::{Severity, Timestamp};
use dragline_web::model::*;
use dragline_web::{
    AlertQuery, Answer, Backend, BackendError, ErrorQuery, EventQuery, ExportQuery, Feed,
    FindingQuery, IngestBatch, Listing, MetricQuery, Page, Place, RunKey, RunQuery, Scope,
    ScraperKey, ScraperQuery, ScraperSort, Window,
};

use super::data::*;
use super::{Fleet, not_found};

/// A part of a list, of which only the items are copied.
fn part<T: Clone>(found: Vec<&T>, page: &Page) -> Answer<Listing<T>> {
    let part = Listing::cut(found, page)?;
    Ok(Listing {
        items: part.items.into_iter().cloned().collect(),
        total: part.total,
        next: part.next,
        note: part.note,
    })
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
        self.answer_service()
    }

    fn service_metrics(&self) -> Answer<String> {
        std::thread::sleep(self.delay);
        Ok("# HELP dragline_monitor_lines_total Lines read.\n# TYPE dragline_monitor_lines_total counter\ndragline_monitor_lines_total 184100\n".to_owned())
    }

    fn reload(&self, by: &str) -> Answer<String> {
        self.feed.publish(&[dragline_web::Topic::Service]);
        Ok(format!("read anew by {by}: nothing changed"))
    }

    fn overview(&self, window: Window) -> Answer<Overview> {
        self.answer_overview(window)
    }

    fn scrapers(&self, query: &ScraperQuery) -> Answer<Listing<ScraperSummary>> {
        let search = query.search.as_deref().unwrap_or_default().to_lowercase();
        let contains = |name: &Option<String>| {
            name.as_deref()
                .is_some_and(|name| name.to_lowercase().contains(&search))
        };
        let fits = |one: &&ScraperSummary| {
            query
                .scope
                .matches(one.key.scraper_id.as_deref(), one.key.site.as_deref())
                && (query.verdicts.is_empty() || query.verdicts.contains(&one.verdict))
                && (search.is_empty() || contains(&one.key.scraper_id) || contains(&one.key.site))
        };
        let mut found: Vec<&ScraperSummary> = self.scrapers.iter().filter(fits).collect();
        match query.sort {
            ScraperSort::Attention => found.sort_by_key(|one| one.verdict),
            ScraperSort::Requests => {
                found.sort_by_key(|one| std::cmp::Reverse(one.numbers.requests));
            }
            _ => found.sort_by(|a, b| a.key.cmp(&b.key)),
        }
        part(found, &query.page)
    }

    fn scraper(&self, key: &ScraperKey, window: Window) -> Answer<ScraperDetail> {
        let summary = self.find(key)?.clone();
        let is_sick = summary.verdict.needs_attention();
        Ok(ScraperDetail {
            figures: figures(0.07, is_sick),
            series: fleet_series(window, 0.07),
            summary,
            window,
            baseline_runs: Some(21),
        })
    }

    fn sites(&self, page: &Page) -> Answer<Listing<SiteSummary>> {
        self.answer_sites(page)
    }

    fn site(&self, site: &str, window: Window) -> Answer<SiteDetail> {
        self.answer_site(site, window)
    }

    fn runs(&self, query: &RunQuery) -> Answer<Listing<RunSummary>> {
        let fits = |run: &&RunSummary| {
            let key = &run.key;
            let is_in = |window: Window| run.start.is_some_and(|start| window.contains(start));
            query
                .scope
                .matches(key.scraper_id.as_deref(), key.site.as_deref())
                && (query.outcome.is_none() || run.outcome == query.outcome)
                && query.window.is_none_or(is_in)
        };
        part(self.runs.iter().filter(fits).collect(), &query.page)
    }

    fn run(&self, key: &RunKey) -> Answer<RunDetail> {
        self.answer_run(key)
    }

    fn errors(&self, scope: &Scope, window: Window) -> Answer<ErrorTotals> {
        self.answer_errors(scope, window)
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
        self.answer_lines_around(place, before, after)
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
        self.answer_health()
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
        self.answer_metric(query)
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
            .map(|finding| {
                let fixes = self.fixes.lock().unwrap();
                let fix = fixes.iter().rfind(|fix| fix.finding == id).cloned();
                Finding { fix, ..finding }
            })
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

    fn report_schedules(&self) -> Answer<Vec<ReportSchedule>> {
        Ok(vec![ReportSchedule {
            name: "weekly".to_owned(),
            cron: "0 8 * * mon".to_owned(),
            zone: "Europe/Berlin".to_owned(),
            days: 7,
            channels: vec!["mail".to_owned(), "chat".to_owned()],
            next_due: Some(at(-86_400)),
            last_due: Some(at(30_100)),
            made_at: Some(at(30_000)),
            title: Some(self.text("Prices, Tuesday")),
            period: None,
            late: Some("due on 2026-12-01 08:00 Europe/Berlin, sent late because the service was not running".to_owned()),
            deliveries: vec![
                ReportDelivery {
                    channel: "mail".to_owned(),
                    sent_at: Some(at(29_900)),
                    has_failed: false,
                    state: "sent".to_owned(),
                },
                ReportDelivery {
                    channel: "chat".to_owned(),
                    sent_at: None,
                    has_failed: true,
                    state: self.text("failed and is tried again: no answer within 15s"),
                },
            ],
            error: None,
        }])
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

    fn mark_mended(&self, id: &str, by: &str) -> Answer<Fix> {
        let finding = self.finding(id)?;
        let fix = Fix {
            finding: finding.id,
            title: finding.title,
            scraper: finding.scraper,
            marked_at: self.now(),
            marked_by: by.to_owned(),
            state: FixState::Watched,
            sentence: self.text(
                "12 pages were counted, about 40 decide (usual 0.02 per page, broken 0.4, since the mark 0).",
            ),
            counted: Some("pages".to_owned()),
            seen: Some(12),
            decides: Some(40),
            usual: Some(0.02),
            broken: Some(0.4),
            observed: Some(0.0),
            decided_at: None,
        };
        self.fixes.lock().unwrap().push(fix.clone());
        self.feed.publish(&[dragline_web::Topic::Findings]);
        Ok(fix)
    }

    fn fixes(&self, page: &Page) -> Answer<Listing<Fix>> {
        Listing::cut(self.fixes.lock().unwrap().clone(), page)
    }

    fn capsule(&self, id: &str) -> Answer<Vec<u8>> {
        let finding = self.finding(id)?;
        Ok(format!("dragline-capsule 1\n{}", finding.title).into_bytes())
    }

    fn export(&self, query: &ExportQuery) -> Answer<Export> {
        let rows = self.scrapers.iter().fold(String::new(), |rows, one| {
            rows + &format!(
                "{:?},{}
",
                one.key.scraper_id,
                one.verdict.name()
            )
        });
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
            .filter(|other| other.file == batch.file)
            .map(|other| other.offset + other.body.len() as u64)
            .max()
            .unwrap_or(0);
        if batch.offset > next {
            return Err(BackendError::Gap {
                next_offset: next,
                detail: format!(
                    "bytes {next} to {} are missing: send them first",
                    batch.offset
                ),
            });
        }
        let end = batch.offset + batch.body.len() as u64;
        batches.push(batch);
        Ok(IngestAnswer {
            next_offset: end.max(next),
            new_bytes: end.saturating_sub(next),
        })
    }

    fn received(&self, host: &str) -> Answer<HeldFiles> {
        let batches = self.batches.lock().unwrap();
        let own = batches.iter().filter(|batch| batch.host == host);
        let held = |batch: &IngestBatch| {
            Some(HeldFile {
                file: batch.file.clone()?,
                length: batch.offset + batch.body.len() as u64,
                head_length: 0,
                head: "0".repeat(16),
                tail_length: 0,
                tail: "0".repeat(16),
            })
        };
        Ok(HeldFiles {
            files: own.filter_map(held).collect(),
        })
    }
}
