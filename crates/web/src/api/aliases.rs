//! The routes of the original feature list, for programs that ask them.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use dragline_schema::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::get;
use super::queries::{convert, metric_query};
use crate::feed::Topic;
use crate::http::{Call, Problem, Reply, Route};
use crate::model::{MetricInfo, MetricPoint};
use crate::query::{AlertQuery, Listing, MetricQuery, Page, Window};
use crate::views::{AlertSummaryView, AlertView};

/// The window of the original's statistics: an hour.
const HOUR_MICROS: i64 = 3_600_000_000;

/// All metrics by name.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct OriginalMetrics {
    /// The metrics, at most 1,000.
    metrics: BTreeMap<String, MetricInfo>,
}

/// The statistics of a metric over the last hour.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct OriginalStats {
    /// Its name.
    name: String,
    /// Time of its latest value.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_updated: Option<Timestamp>,
    /// The statistics; `at` is the start of the hour.
    #[serde(flatten)]
    stats: MetricPoint,
}

/// The alerts.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct OriginalAlerts {
    /// The alerts that fire.
    active_alerts: Vec<AlertView>,
    /// The alerts in numbers.
    summary: AlertSummaryView,
}

/// Whether the service works.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct OriginalHealth {
    /// `healthy` or `unhealthy`.
    status: String,
    /// The time of the answer.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Why not, one sentence each.
    reasons: Vec<String>,
    /// Number of metrics that are kept; null when unknown.
    metrics_count: Option<u64>,
    /// Number of alerts that fire; null when unknown.
    active_alerts: Option<u64>,
    /// Seconds since the last success of each task; null when it never succeeded.
    tasks: BTreeMap<String, Option<f64>>,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route {
            topics: &[Topic::Metrics],
            ..get::<OriginalMetrics>(
                "/api/metrics",
                &[],
                "Alias of the original: all metrics",
                |call| {
                    let metrics = call.backend.metrics(None, &Page::first(Page::MAX_LIMIT))?;
                    let metrics = metrics
                        .items
                        .into_iter()
                        .map(|info| (info.name.clone(), info))
                        .collect();
                    Reply::json(&OriginalMetrics { metrics })
                },
            )
        },
        Route {
            topics: &[Topic::Metrics],
            ..get::<OriginalStats>(
                "/api/metrics/{name}",
                &[],
                "Alias of the original: a metric over the last hour",
                metric,
            )
        },
        Route {
            topics: &[Topic::Alerts],
            ..get::<OriginalAlerts>(
                "/api/alerts",
                &[],
                "Alias of the original: alerts that fire",
                |call| {
                    let query = AlertQuery {
                        page: Page::first(Page::MAX_LIMIT),
                        ..AlertQuery::default()
                    };
                    let active: Listing<AlertView> = convert(call.backend.alerts(&query)?);
                    let summary = AlertSummaryView::from(call.backend.alert_summary()?);
                    Reply::json(&OriginalAlerts {
                        active_alerts: active.items,
                        summary,
                    })
                },
            )
        },
        get::<OriginalHealth>(
            "/api/health",
            &[],
            "Alias of the original: whether the service works; 503 with the reasons when it does not",
            health,
        ),
    ]
}

fn metric(call: &Call<'_>) -> Result<Reply, Problem> {
    let window = Window {
        from: call.now.plus_micros(-HOUR_MICROS),
        to: call.now,
    };
    let query = MetricQuery {
        window,
        step_seconds: 3_600,
        limit: 1,
        ..metric_query(call)?
    };
    let answer = call.backend.metric(&query)?;
    let stats = answer.whole.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("the metric {:?} has no values in the last hour", query.name),
        )
    })?;
    Reply::json(&OriginalStats {
        name: query.name,
        last_updated: answer.info.last_updated,
        stats,
    })
}

fn health(call: &Call<'_>) -> Result<Reply, Problem> {
    let readiness = call.backend.readiness();
    let tasks = call
        .backend
        .service()
        .map(|service| service.tasks)
        .unwrap_or_default();
    let age = |at: Timestamp| call.now.since(at) as f64 / 1e6;
    let health = OriginalHealth {
        status: if readiness.is_ready {
            "healthy"
        } else {
            "unhealthy"
        }
        .to_owned(),
        timestamp: call.now,
        reasons: readiness.reasons,
        metrics_count: call
            .backend
            .metrics(None, &Page::first(1))
            .ok()
            .and_then(|list| list.total),
        active_alerts: call
            .backend
            .alert_summary()
            .ok()
            .map(|summary| summary.active as u64),
        tasks: tasks
            .into_iter()
            .map(|task| (task.name, task.last_success.map(age)))
            .collect(),
    };
    let status = if readiness.is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok(Reply::json(&health)?.with_status(status))
}
