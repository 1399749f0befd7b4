//! What the backend answers: the data of the pages and of the API.
//!
//! Times are RFC 3339 in UTC. Shares and rates are between 0 and 1. Unknown is null, never 0.

mod alerts;
mod errors;
mod figures;
mod fleet;
mod metrics;
mod runs;
mod service;

pub use alerts::{
    AlertDetail, AlertRecord, Finding, Fix, FixState, HealthHistory, Moved, RuleSummary,
    SilenceRecord, WatchStatus,
};
pub use errors::{
    ErrorGroup, ErrorGroupDetail, ErrorLayer, ErrorState, ErrorTotals, EventLine, GroupScraper,
    LineAround, LinesAround,
};
pub use figures::{Figure, Line, Mark, Range, Series, Sparkline, ValueFormat};
pub use fleet::{
    Attention, AttentionKind, ControlGroup, DataState, Overview, ScraperDetail, ScraperNumbers,
    ScraperSummary, ScraperVerdict, SiteDetail, SiteSummary,
};
pub use metrics::{MetricAnswer, MetricInfo, MetricKind, MetricPoint, MetricSeries};
pub use runs::{Forecast, RunDetail, RunErrors, RunNumbers, RunOutcome, RunSummary};
pub use service::{
    Export, HeldFile, HeldFiles, IngestAnswer, Input, Readiness, ReportDelivery, ReportInfo,
    ReportSchedule, Sender, ServiceStatus, Task,
};
