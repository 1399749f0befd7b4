//! What the pages ask: the trait [`Backend`], answered from the live view, the windows of measurements, the last
//! analysis and the database.
//!
//! Numbers of a window come from measurements, verdicts and groups from the last analysis, single lines from the files.

mod alerts;
mod capsule;
mod errors;
mod export;
mod findings;
mod fixes;
mod fleet;
mod lines;
mod metrics;
mod numbers;
mod runs;
mod service;
mod sites;

use std::sync::Arc;

use dragline_alerting::history::{AlertSummary, Entry};
use dragline_alerting::notify::Silence;
use dragline_schema::Timestamp;
use dragline_web::model::{
    AlertDetail, AlertRecord, ErrorGroup, ErrorGroupDetail, ErrorTotals, EventLine, Export,
    Finding, Fix, HealthHistory, HeldFiles, IngestAnswer, LinesAround, MetricAnswer, MetricInfo,
    Overview, Readiness, ReportInfo, ReportSchedule, RunDetail, RunSummary, ScraperDetail,
    ScraperSummary, ServiceStatus, SilenceRecord, SiteDetail, SiteSummary, WatchStatus,
};
use dragline_web::{
    AlertQuery, Answer, Backend, BackendError, ErrorQuery, EventQuery, ExportQuery, Feed,
    FindingQuery, IngestBatch, Listing, MetricQuery, Page, Place, RunKey, RunQuery, Scope,
    ScraperKey, ScraperQuery, Window,
};

pub(crate) use self::fleet::Summaries;
use crate::judge::Judged;
use crate::service::Monitor;
use crate::store::StoreError;

impl Monitor {
    /// The last analysis.
    fn analysis(&self) -> Answer<Arc<Judged>> {
        self.judged().ok_or_else(|| {
            let why = self.tasks.error_of("analyse");
            let why = why.unwrap_or_else(|| {
                "the first analysis is not finished: try again in a moment".to_owned()
            });
            BackendError::Unavailable(why)
        })
    }
}

/// An error of the store as an answer.
#[allow(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn unavailable(error: StoreError) -> BackendError {
    BackendError::Unavailable(error.to_string())
}

/// Whether a text contains another one, in any case.
fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

impl Backend for Monitor {
    fn now(&self) -> Timestamp {
        self.time()
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    fn readiness(&self) -> Readiness {
        self.answer_readiness()
    }

    fn service(&self) -> Answer<ServiceStatus> {
        Ok(self.describe_service())
    }

    fn service_metrics(&self) -> Answer<String> {
        Ok(self.own_metrics())
    }

    fn reload(&self, _by: &str) -> Answer<String> {
        self.read_configuration().map_err(BackendError::BadRequest)
    }

    fn overview(&self, window: Window) -> Answer<Overview> {
        Ok(self.find_overview(window))
    }

    fn scrapers(&self, query: &ScraperQuery) -> Answer<Listing<ScraperSummary>> {
        self.list_scrapers(query)
    }

    fn scraper(&self, key: &ScraperKey, window: Window) -> Answer<ScraperDetail> {
        self.find_scraper(key, window)
    }

    fn sites(&self, page: &Page) -> Answer<Listing<SiteSummary>> {
        Listing::cut(self.list_sites(), page)
    }

    fn site(&self, site: &str, window: Window) -> Answer<SiteDetail> {
        self.find_site(site, window)
    }

    fn runs(&self, query: &RunQuery) -> Answer<Listing<RunSummary>> {
        self.list_runs(query)
    }

    fn run(&self, key: &RunKey) -> Answer<RunDetail> {
        self.find_run(key)
    }

    fn errors(&self, scope: &Scope, window: Window) -> Answer<ErrorTotals> {
        self.count_errors(scope, window)
    }

    fn error_groups(&self, query: &ErrorQuery) -> Answer<Listing<ErrorGroup>> {
        self.list_groups(query)
    }

    fn error_group(&self, id: &str, window: Window) -> Answer<ErrorGroupDetail> {
        self.find_group(id, window)
    }

    fn error_samples(&self, id: &str, page: &Page) -> Answer<Listing<EventLine>> {
        self.list_samples(id, page)
    }

    fn lines_around(&self, place: &Place, before: u32, after: u32) -> Answer<LinesAround> {
        self.read_around(place, before, after)
    }

    fn events(&self, query: &EventQuery) -> Answer<Listing<EventLine>> {
        self.search_events(query)
    }

    fn alerts(&self, query: &AlertQuery) -> Answer<Listing<AlertRecord>> {
        self.list_alerts(query)
    }

    fn alert(&self, id: &str) -> Answer<AlertDetail> {
        self.find_alert(id)
    }

    fn alert_history(&self, window: Window, page: &Page) -> Answer<Listing<Entry>> {
        self.list_alert_history(window, page)
    }

    fn alert_summary(&self) -> Answer<AlertSummary> {
        self.summarise_alerts()
    }

    fn watch(&self) -> Answer<WatchStatus> {
        Ok(self.describe_watch())
    }

    fn acknowledge(&self, id: &str, by: &str) -> Answer<AlertRecord> {
        self.acknowledge_alert(id, by)
    }

    fn silences(&self, page: &Page) -> Answer<Listing<SilenceRecord>> {
        Listing::cut(self.list_silences(), page)
    }

    fn silence(&self, silence: Silence) -> Answer<SilenceRecord> {
        self.add_silence(silence)
    }

    fn end_silence(&self, id: &str, by: &str) -> Answer<()> {
        self.remove_silence(id, by)
    }

    fn health(&self) -> Answer<dragline_health::Report> {
        self.read_health()
    }

    fn health_check(&self, name: &str) -> Answer<HealthHistory> {
        self.find_check(name)
    }

    fn metrics(&self, search: Option<&str>, page: &Page) -> Answer<Listing<MetricInfo>> {
        self.list_metrics(search, page)
    }

    fn metric(&self, query: &MetricQuery) -> Answer<MetricAnswer> {
        self.find_metric(query)
    }

    fn findings(&self, query: &FindingQuery) -> Answer<Listing<Finding>> {
        self.list_findings(query)
    }

    fn finding(&self, id: &str) -> Answer<Finding> {
        self.find_finding(id)
    }

    fn mark_mended(&self, id: &str, by: &str) -> Answer<Fix> {
        self.mark_finding(id, by)
    }

    fn fixes(&self, page: &Page) -> Answer<Listing<Fix>> {
        Listing::cut(self.list_fixes(), page)
    }

    fn capsule(&self, id: &str) -> Answer<Vec<u8>> {
        self.make_capsule(id)
    }

    fn reports(&self, page: &Page) -> Answer<Listing<ReportInfo>> {
        Listing::cut(self.list_reports(), page)
    }

    fn report_schedules(&self) -> Answer<Vec<ReportSchedule>> {
        Ok(crate::reports::schedules(self))
    }

    fn report(&self, id: &str) -> Answer<String> {
        self.find_report(id)
    }

    fn export(&self, query: &ExportQuery) -> Answer<Export> {
        self.make_export(query)
    }

    fn ingest(&self, batch: IngestBatch, _by: &str) -> Answer<IngestAnswer> {
        self.take_batch(&batch)
    }

    fn received(&self, host: &str) -> Answer<HeldFiles> {
        self.received_from(host)
    }
}
