//! Pages and API of the monitor.

mod backend;
mod feed;
pub mod model;
mod query;

pub use backend::{Answer, Backend, BackendError};
pub use feed::{Changes, Feed, Revision, Topic};
pub use query::{
    AlertQuery, ErrorQuery, EventQuery, ExportFormat, ExportQuery, ExportTable, FindingQuery,
    IngestBatch, Listing, MetricQuery, Page, Place, RunKey, RunQuery, Scope, ScraperKey,
    ScraperQuery, ScraperSort, Window,
};
