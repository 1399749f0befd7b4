//! What is read: one handler for each call of the backend.

use dragline_schema::Level;

use super::params::{
    AFTER, BEFORE, CATEGORY, CURSOR, EVENT_TYPE, FILE, FORMAT, FROM, KIND, LABELS, LEVEL, LIMIT,
    LINE, METRIC, OFFSET, OPEN, OUTCOME, RUN, SCRAPER, SEARCH, SEVERITY, SITE, SORT, STATE, STEP,
    TEXT, TO, VERDICT,
};
use super::{get, list};
use crate::feed::Topic;
use crate::http::{Call, Problem, Reply, Route};
use crate::model::{
    ErrorGroup, ErrorGroupDetail, ErrorState, ErrorTotals, EventLine, Finding, LinesAround,
    MetricAnswer, MetricInfo, Overview, ReportInfo, RunDetail, RunOutcome, RunSummary,
    ScraperDetail, ScraperSummary, ScraperVerdict, SiteDetail, SiteSummary, WatchStatus,
};
use crate::query::{
    AlertQuery, ErrorQuery, EventQuery, ExportFormat, ExportQuery, ExportTable, FindingQuery,
    Listing, MetricQuery, Page, RunQuery, ScraperQuery, ScraperSort,
};
use crate::views::{
    AlertDetailView, AlertEvent, AlertSummaryView, AlertView, HealthHistoryView, HealthView,
    SilenceView,
};

/// Maximum number of lines on each side of a place.
const MAX_AROUND: u64 = 200;

/// Number of series of a metric that are answered.
const MAX_SERIES: usize = 50;

pub(super) fn routes() -> Vec<Route> {
    let mut routes = fleet();
    routes.extend(errors());
    routes.extend(watch());
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
                "What needs a hand, active runs, numbers of the fleet",
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
        about(
            &[Runs],
            list::<RunSummary>(
                "/api/v1/runs",
                &[SCRAPER, SITE, OUTCOME, FROM, TO, LIMIT, CURSOR],
                "Runs, the latest start first; without a window all of them",
                |call| Reply::json(&call.backend.runs(&run_query(call)?)?),
            ),
        ),
        about(
            &[Runs],
            get::<RunDetail>(
                "/api/v1/run",
                &[SCRAPER, SITE, RUN],
                "One run with its numbers",
                |call| Reply::json(&call.backend.run(&call.params.run_key()?)?),
            ),
        ),
        about(
            &[Findings],
            list::<Finding>(
                "/api/v1/findings",
                &[SCRAPER, SITE, OPEN, KIND, FROM, TO, LIMIT, CURSOR],
                "Findings of the analyst, open ones first",
                |call| Reply::json(&call.backend.findings(&finding_query(call)?)?),
            ),
        ),
        about(
            &[Findings],
            get::<Finding>(
                "/api/v1/findings/{id}",
                &[],
                "One finding with its evidence",
                |call| Reply::json(&call.backend.finding(call.params.required("id")?)?),
            ),
        ),
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
            |call| Reply::json(&call.backend.events(&event_query(call)?)?),
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

/// A list with other items.
pub(crate) fn convert<A, B: From<A>>(list: Listing<A>) -> Listing<B> {
    Listing {
        items: list.items.into_iter().map(B::from).collect(),
        total: list.total,
        next: list.next,
        note: list.note,
    }
}

pub(crate) fn scraper_query(call: &Call<'_>) -> Result<ScraperQuery, Problem> {
    let params = &call.params;
    let names: Vec<&str> = ScraperVerdict::ALL
        .iter()
        .map(|verdict| verdict.name())
        .collect();
    let parse = |words: &str| {
        words
            .split(',')
            .map(|word| ScraperVerdict::parse(word.trim()))
            .collect::<Option<Vec<_>>>()
    };
    Ok(ScraperQuery {
        scope: params.scope(),
        search: params.text("search").map(str::to_owned),
        verdicts: params.word("verdict", parse, &names)?.unwrap_or_default(),
        sort: params
            .word(
                "sort",
                ScraperSort::parse,
                &ScraperSort::ALL.map(ScraperSort::name),
            )?
            .unwrap_or_default(),
        page: params.page(Page::DEFAULT_LIMIT)?,
    })
}

pub(crate) fn run_query(call: &Call<'_>) -> Result<RunQuery, Problem> {
    let params = &call.params;
    Ok(RunQuery {
        scope: params.scope(),
        outcome: params.word(
            "outcome",
            RunOutcome::parse,
            &RunOutcome::ALL.map(RunOutcome::name),
        )?,
        window: params.optional_window(call.now)?,
        page: params.page(Page::DEFAULT_LIMIT)?,
    })
}

pub(crate) fn finding_query(call: &Call<'_>) -> Result<FindingQuery, Problem> {
    let params = &call.params;
    Ok(FindingQuery {
        scope: params.scope(),
        is_open: params.word("open", |word| word.parse::<bool>().ok(), &["true", "false"])?,
        kind: params.text("kind").map(str::to_owned),
        window: params.optional_window(call.now)?,
        page: params.page(Page::DEFAULT_LIMIT)?,
    })
}

pub(crate) fn error_query(call: &Call<'_>) -> Result<ErrorQuery, Problem> {
    let params = &call.params;
    Ok(ErrorQuery {
        scope: params.scope(),
        category: params.text("category").map(str::to_owned),
        severity: params.severity()?,
        state: params.word(
            "state",
            ErrorState::parse,
            &ErrorState::ALL.map(ErrorState::name),
        )?,
        search: params.text("search").map(str::to_owned),
        window: params.window(call.now)?,
        page: params.page(Page::DEFAULT_LIMIT)?,
    })
}

pub(crate) fn event_query(call: &Call<'_>) -> Result<EventQuery, Problem> {
    let params = &call.params;
    let level = |word: &str| Level::from_word(word);
    Ok(EventQuery {
        scope: params.scope(),
        run_id: params.text("run_id").map(str::to_owned),
        level: params.word(
            "level",
            level,
            &["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"],
        )?,
        event_type: params.text("event_type").map(str::to_owned),
        text: params.text("text").map(str::to_owned),
        window: params.window(call.now)?,
        page: params.page(Page::DEFAULT_LIMIT)?,
    })
}

pub(crate) fn alert_query(call: &Call<'_>) -> Result<AlertQuery, Problem> {
    Ok(AlertQuery {
        scope: call.params.scope(),
        severity: call.params.severity()?,
        page: call.params.page(Page::DEFAULT_LIMIT)?,
    })
}

pub(crate) fn metric_query(call: &Call<'_>) -> Result<MetricQuery, Problem> {
    let params = &call.params;
    let window = params.window(call.now)?;
    let labels = params.text("labels").unwrap_or_default();
    let labels = labels
        .split(',')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| {
            let pair = pair.split_once('=').ok_or_else(|| {
                Problem::bad_request(format!(
                    "invalid labels {pair:?}: write name=value, separated by commas"
                ))
            })?;
            Ok((pair.0.trim().to_owned(), pair.1.trim().to_owned()))
        });
    let usual = (window.seconds() / 120).max(1) as u64;
    Ok(MetricQuery {
        name: params.required("name")?.to_owned(),
        labels: labels.collect::<Result<_, Problem>>()?,
        window,
        step_seconds: params.number("step")?.unwrap_or(usual).max(1),
        limit: MAX_SERIES,
    })
}

pub(crate) fn lines_around(call: &Call<'_>, default: u64) -> Result<LinesAround, Problem> {
    let number = |name| {
        Ok::<_, Problem>(call.params.number(name)?.unwrap_or(default).min(MAX_AROUND) as u32)
    };
    let (before, after) = (number("before")?, number("after")?);
    Ok(call
        .backend
        .lines_around(&call.params.place()?, before, after)?)
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
