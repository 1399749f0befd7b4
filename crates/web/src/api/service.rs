//! What probes, Prometheus and programs ask about the service itself.

use axum::http::{Method, StatusCode};

use super::{get, openapi, shape};
use crate::feed::Topic;
use crate::http::{ChangeEvent, Kind, Problem, Reply, Route};
use crate::model::{Readiness, ServiceStatus};

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route {
            topics: &[Topic::Service],
            ..get::<ServiceStatus>(
                "/api/v1/service",
                &[],
                "The service: inputs, tasks, store, configuration",
                |call| Reply::json(&call.backend.service()?),
            )
        },
        Route {
            summary: "Changes as server-sent events: `change` and `resync` with revision and topics, from `Last-Event-ID` on",
            answer: Some(("text/event-stream", Some(shape::<ChangeEvent>))),
            ..Route::new(Method::GET, "/api/v1/stream", Kind::Stream, |_| {
                Err(Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "a stream is not answered by a handler",
                ))
            })
        },
        Route {
            answer: Some(("application/json", None)),
            ..get::<Readiness>("/api/v1/openapi.json", &[], "This description", |_| {
                Reply::json(&openapi())
            })
        },
        Route {
            kind: Kind::Public,
            summary: "Whether the process answers",
            answer: Some((TEXT, None)),
            ..Route::new(Method::GET, "/livez", Kind::Public, |_| {
                Ok(Reply::new(TEXT, "ok\n"))
            })
        },
        Route {
            summary: "Whether the service works; 503 with the reasons when it does not. Reasons need a token",
            answer: Some(("application/json", Some(shape::<Readiness>))),
            ..Route::new(Method::GET, "/readyz", Kind::Public, |call| {
                let mut readiness = call.backend.readiness();
                let status = if readiness.is_ready {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                // Who is not known learns whether, but not why.
                if call.caller.name.is_empty() {
                    readiness.reasons.clear();
                }
                Ok(Reply::json(&readiness)?.with_status(status))
            })
        },
        Route {
            summary: "Metrics of the service in Prometheus' text format",
            answer: Some((TEXT, None)),
            ..Route::new(Method::GET, "/metrics", Kind::Api, |call| {
                Ok(Reply::new(
                    "text/plain; version=0.0.4; charset=utf-8",
                    call.backend.service_metrics()?,
                ))
            })
        },
    ]
}
