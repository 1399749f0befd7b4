//! Pages and API of the monitor.

mod api;
mod backend;
mod config;
mod feed;
mod http;
pub mod model;
mod pages;
mod query;
mod session;
mod token;
mod views;

pub use api::openapi;
pub use backend::{Answer, Backend, BackendError};
pub use config::{Limits, TlsFiles, WebConfig, WebConfigError};
pub use feed::{Changes, Feed, Revision, Topic};
pub use http::{Server, StartError};
pub use query::{
    AlertQuery, ErrorQuery, EventQuery, ExportFormat, ExportQuery, ExportTable, FindingQuery,
    IngestBatch, Listing, MetricQuery, Page, Place, RunKey, RunQuery, Scope, ScraperKey,
    ScraperQuery, ScraperSort, Window,
};
pub use token::{Role, Token, TokenEntry, TokenError, Tokens};
pub use views::{
    AlertDetailView, AlertEvent, AlertSummaryView, AlertView, CheckView, HealthChange,
    HealthHistoryView, HealthResult, HealthView, SilenceView,
};
