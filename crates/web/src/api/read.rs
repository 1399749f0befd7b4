//! What is read: one handler for each call of the backend.

use super::params::{
    AFTER, BEFORE, CATEGORY, CURSOR, EVENT_TYPE, FILE, FORMAT, FROM, KIND, LABELS, LEVEL, LIMIT,
    LINE, METRIC, OFFSET, OPEN, OUTCOME, RUN, SCRAPER, SEARCH, SEVERITY, SITE, SORT, STATE, STEP,
    TEXT, TO, VERDICT,
};
use super::queries::{
    alert_query, convert, error_query, event_query, find_events, finding_query, lines_around,
    metric_query, run_query, scraper_query,
};
use super::{get, list};
use crate::feed::Topic;
use crate::http::{Call, Problem, Reply, Route};
use crate::model::{
    ErrorGroup, ErrorGroupDetail, ErrorTotals, EventLine, Finding, Fix, LinesAround, MetricAnswer,
    MetricInfo, Overview, ReportInfo, ReportSchedule, RunDetail, RunSummary, ScraperDetail,
    ScraperSummary, SiteDetail, SiteSummary, WatchStatus,
};
use crate::query::{ExportFormat, ExportQuery, ExportTable, Listing, Page};
use crate::views::{
    AlertDetailView, AlertEvent, AlertSummaryView, AlertView, HealthHistoryView, HealthView,
    SilenceView,
};

pub(super) fn routes() -> Vec<Route> {
    let mut routes = fleet();
    routes.extend(errors());
    routes.extend(runs());
    routes.extend(findings());
    routes.extend(watch());
    routes.extend(silences_and_health());
    routes.extend(metrics());
    routes
}

fn about(topics: &'static [Topic], route: Route) -> Route {
    Route { topics, ..route }
}

fn fleet() -> Vec<Route> {
    use Topic::{Alerts, Findings, Overview as Fleet, Runs, Scrapers, Service};
    let scrapers = [SCRAPER, SITE, SEARCH, VERDICT, SORT, LIMIT, CURSOR];
    vec![
        about(
            &[Fleet, Scrapers, Runs, Alerts, Findings, Service],
            get::<Overview>(
                "/api/v1/overview",
                &[FROM, TO],
                "What needs attention, active runs, numbers of the fleet",
                |call| Reply::json(&call.backend.overview(call.params.window(call.now)?)?),
            ),
        ),
        about(
            &[Scrapers, Runs, Alerts],
            list::<ScraperSummary>(
                "/api/v1/scrapers",
                &scrapers,
                "Scrapers on sites, those that need attention first",
                |call| Reply::json(&call.backend.scrapers(&scraper_query(call)?)?),
            ),
        ),
        about(
            &[Scrapers, Runs, Alerts],
            get::<ScraperDetail>(
                "/api/v1/scraper",
                &[SCRAPER, SITE, FROM, TO],
                "One scraper on one site",
                |call| {
                    let window = call.params.window(call.now)?;
                    Reply::json(&call.backend.scraper(&call.params.scraper_key(), window)?)
                },
            ),
        ),
        about(
            &[Scrapers],
            list::<SiteSummary>(
                "/api/v1/sites",
                &[LIMIT, CURSOR],
                "Sites, those that need attention first",
                |call| {
                    Reply::json(
                        &call
                            .backend
                            .sites(&call.params.page(Page::DEFAULT_LIMIT)?)?,
                    )
                },
            ),
        ),
        about(
            &[Scrapers],
            get::<SiteDetail>(
                "/api/v1/site",
                &[SITE, FROM, TO],
                "One site with its control group",
                |call| {
                    let window = call.params.window(call.now)?;
                    Reply::json(&call.backend.site(call.params.required("site")?, window)?)
                },
            ),
        ),
    ]
}

fn runs() -> Vec<Route> {
    vec![
        about(
            &[Topic::Runs],
            list::<RunSummary>(
                "/api/v1/runs",
                &[SCRAPER, SITE, OUTCOME, FROM, TO, LIMIT, CURSOR],
                "Runs, the latest start first; without a window all of them",
                |call| Reply::json(&call.backend.runs(&run_query(call)?)?),
            ),
        ),
        about(
            &[Topic::Runs],
            get::<RunDetail>(
                "/api/v1/run",
                &[SCRAPER, SITE, RUN],
                "One run with its numbers",
                |call| Reply::json(&call.backend.run(&call.params.run_key()?)?),
            ),
        ),
    ]
}

fn findings() -> Vec<Route> {
    vec![
        about(
            &[Topic::Findings],
            list::<Finding>(
                "/api/v1/findings",
                &[SCRAPER, SITE, OPEN, KIND, FROM, TO, LIMIT, CURSOR],
                "Findings of the analyst, open ones first",
                |call| Reply::json(&call.backend.findings(&finding_query(call)?)?),
            ),
        ),
        about(
            &[Topic::Findings],
            get::<Finding>(
                "/api/v1/findings/{id}",
                &[],
                "One finding with its evidence",
                |call| Reply::json(&call.backend.finding(call.params.required("id")?)?),
            ),
        ),
        about(
            &[Topic::Findings],
            list::<Fix>(
                "/api/v1/fixes",
                &[LIMIT, CURSOR],
                "Findings that were marked as mended, and whether they are",
                |call| {
                    let page = call.params.page(Page::DEFAULT_LIMIT)?;
                    Reply::json(&call.backend.fixes(&page)?)
                },
            ),
        ),
        Route {
            answer: Some(("application/octet-stream", None)),
            ..get::<Finding>(
                "/api/v1/findings/{id}/capsule",
                &[],
                "The incident capsule of a finding, for `dragline explain`",
                capsule,
            )
        },
        about(
            &[Topic::Reports],
            list::<ReportInfo>(
                "/api/v1/reports",
                &[LIMIT, CURSOR],
                "Reports that were made, the latest first",
                |call| {
                    Reply::json(
                        &call
                            .backend
                            .reports(&call.params.page(Page::DEFAULT_LIMIT)?)?,
                    )
                },
            ),
        ),
        about(
            &[Topic::Reports],
            list::<ReportSchedule>(
                "/api/v1/reports/schedules",
                &[],
                "Reports that are sent regularly: when, to whom, and what became of the last one",
                |call| {
                    let schedules = call.backend.report_schedules()?;
                    Reply::json(&Listing::cut(schedules, &Page::first(usize::MAX))?)
                },
            ),
        ),
    ]
}

fn errors() -> Vec<Route> {
    let groups = [
        SCRAPER, SITE, CATEGORY, SEVERITY, STATE, SEARCH, FROM, TO, LIMIT, CURSOR,
    ];
    let events = [
        SCRAPER, SITE, RUN, LEVEL, EVENT_TYPE, TEXT, FROM, TO, LIMIT, CURSOR,
    ];
    vec![
        about(
            &[Topic::Errors],
            get::<ErrorTotals>(
                "/api/v1/errors",
                &[SCRAPER, SITE, FROM, TO],
                "Errors over time and by category",
                |call| {
                    let window = call.params.window(call.now)?;
                    Reply::json(&call.backend.errors(&call.params.scope(), window)?)
                },
            ),
        ),
        about(
            &[Topic::Errors],
            list::<ErrorGroup>(
                "/api/v1/errors/groups",
                &groups,
                "Groups of errors, the largest first",
                |call| Reply::json(&call.backend.error_groups(&error_query(call)?)?),
            ),
        ),
        about(
            &[Topic::Errors],
            get::<ErrorGroupDetail>(
                "/api/v1/errors/groups/{id}",
                &[FROM, TO],
                "One group of errors",
                |call| {
                    let window = call.params.window(call.now)?;
                    Reply::json(
                        &call
                            .backend
                            .error_group(call.params.required("id")?, window)?,
                    )
                },
            ),
        ),
        list::<EventLine>(
            "/api/v1/errors/groups/{id}/samples",
            &[LIMIT, CURSOR],
            "Lines of a group, the latest first",
            |call| {
                let page = call.params.page(Page::DEFAULT_LIMIT)?;
                Reply::json(
                    &call
                        .backend
                        .error_samples(call.params.required("id")?, &page)?,
                )
            },
        ),
        get::<LinesAround>(
            "/api/v1/lines",
            &[FILE, LINE, OFFSET, BEFORE, AFTER],
            "The lines around a place in a log",
            |call| Reply::json(&lines_around(call, 10)?),
        ),
        list::<EventLine>(
            "/api/v1/events",
            &events,
            "The raw lines behind a number, read from the files",
            |call| Reply::json(&find_events(call, &event_query(call)?)?),
        ),
    ]
}

fn watch() -> Vec<Route> {
    vec![
        about(
            &[Topic::Alerts],
            list::<AlertView>(
                "/api/v1/alerts",
                &[SCRAPER, SITE, SEVERITY, LIMIT, CURSOR],
                "Alerts that fire, the most severe first",
                |call| {
                    let alerts = call.backend.alerts(&alert_query(call)?)?;
                    Reply::json(&convert::<_, AlertView>(alerts))
                },
            ),
        ),
        about(
            &[Topic::Alerts],
            get::<AlertDetailView>(
                "/api/v1/alerts/{id}",
                &[],
                "One alert with its history",
                |call| {
                    let alert = call.backend.alert(call.params.required("id")?)?;
                    Reply::json(&AlertDetailView::from(alert))
                },
            ),
        ),
        about(
            &[Topic::Alerts],
            list::<AlertEvent>(
                "/api/v1/alerts/history",
                &[FROM, TO, LIMIT, CURSOR],
                "What happened to alerts, the latest first",
                |call| {
                    let (window, page) = (
                        call.params.window(call.now)?,
                        call.params.page(Page::DEFAULT_LIMIT)?,
                    );
                    Reply::json(&convert::<_, AlertEvent>(
                        call.backend.alert_history(window, &page)?,
                    ))
                },
            ),
        ),
        about(
            &[Topic::Alerts],
            get::<AlertSummaryView>(
                "/api/v1/alerts/summary",
                &[],
                "The alerts in numbers",
                |call| Reply::json(&AlertSummaryView::from(call.backend.alert_summary()?)),
            ),
        ),
        about(
            &[Topic::Alerts],
            get::<WatchStatus>(
                "/api/v1/alerts/rules",
                &[],
                "The rules, and how far they were evaluated",
                |call| Reply::json(&call.backend.watch()?),
            ),
        ),
    ]
}

fn silences_and_health() -> Vec<Route> {
    vec![
        about(
            &[Topic::Alerts],
            list::<SilenceView>(
                "/api/v1/silences",
                &[LIMIT, CURSOR],
                "Silences, those in force first",
                |call| {
                    let silences = call
                        .backend
                        .silences(&call.params.page(Page::DEFAULT_LIMIT)?)?;
                    Reply::json(&convert::<_, SilenceView>(silences))
                },
            ),
        ),
        about(
            &[Topic::Health],
            get::<HealthView>("/api/v1/health", &[], "The health checks", |call| {
                Reply::json(&HealthView::from(call.backend.health()?))
            }),
        ),
        about(
            &[Topic::Health],
            get::<HealthHistoryView>(
                "/api/v1/health/{name}",
                &[],
                "One health check with its history",
                |call| {
                    let history = call.backend.health_check(call.params.required("name")?)?;
                    Reply::json(&HealthHistoryView::from(history))
                },
            ),
        ),
    ]
}

fn metrics() -> Vec<Route> {
    vec![
        about(
            &[Topic::Metrics],
            list::<MetricInfo>(
                "/api/v1/metrics",
                &[SEARCH, LIMIT, CURSOR],
                "The metrics that are kept, by name",
                |call| {
                    let page = call.params.page(Page::DEFAULT_LIMIT)?;
                    Reply::json(&call.backend.metrics(call.params.text("search"), &page)?)
                },
            ),
        ),
        about(
            &[Topic::Metrics],
            get::<MetricAnswer>(
                "/api/v1/metrics/{name}",
                &[LABELS, STEP, FROM, TO],
                "One metric over a window",
                |call| Reply::json(&call.backend.metric(&metric_query(call)?)?),
            ),
        ),
        Route {
            answer: Some(("application/octet-stream", None)),
            ..get::<ReportInfo>(
                "/api/v1/export/{table}",
                &[FORMAT, SCRAPER, SITE, METRIC, FROM, TO],
                "A table as a file: scrapers, runs, days, errors, findings, alerts or metric",
                export,
            )
        },
    ]
}

fn capsule(call: &Call<'_>) -> Result<Reply, Problem> {
    let id = call.params.required("id")?;
    let mut reply = Reply::new("application/octet-stream", call.backend.capsule(id)?);
    reply.file_name = Some(format!("{id}.capsule"));
    Ok(reply)
}

fn export(call: &Call<'_>) -> Result<Reply, Problem> {
    let params = &call.params;
    let table = params.word(
        "table",
        ExportTable::parse,
        &ExportTable::ALL.map(ExportTable::name),
    )?;
    let format = params.word(
        "format",
        ExportFormat::parse,
        &ExportFormat::ALL.map(ExportFormat::name),
    )?;
    let query = ExportQuery {
        table: table.ok_or_else(|| Problem::bad_request("the table is missing"))?,
        format: format.unwrap_or(ExportFormat::Csv),
        scope: params.scope(),
        window: params.window(call.now)?,
        metric: params.text("metric").map(str::to_owned),
    };
    if query.table == ExportTable::Metric {
        params.required("metric")?;
    }
    let export = call.backend.export(&query)?;
    let mut reply = Reply::new(&export.media_type, export.bytes);
    reply.file_name = Some(export.file_name);
    Ok(reply)
}
