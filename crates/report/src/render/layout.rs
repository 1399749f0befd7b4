//! Sections and columns of a report, and their order.

use std::str::FromStr;

use super::document::Align;
use super::words::{bytes, count, number, percent, some, unknown};
use crate::model::Totals;

macro_rules! sections {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal;)*) => {
        /// A section of a report.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Section {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Section {
            /// All sections, in default order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the name used in configurations.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

// In default order. A section that is declared here is in `ALL`, has a name and must be rendered.
sections! {
    /// Incidents.
    Incidents "incidents";
    /// The most important recommendations.
    ToDo "to_do";
    /// Scrapers and their verdicts.
    Scrapers "scrapers";
    /// Totals.
    Totals "totals";
    /// Charts, in HTML.
    Charts "charts";
    /// SQL panels of the configuration.
    Panels "panels";
    /// Errors by category and in groups.
    Errors "errors";
    /// Runs.
    Runs "runs";
    /// Day by day.
    Days "days";
    /// Requested hosts.
    Hosts "hosts";
    /// Articles: languages, words.
    Articles "articles";
    /// Searches.
    Search "search";
    /// Queues of the scrapers.
    Queue "queue";
    /// Databases of the scrapers, by operation.
    Database "database";
    /// Machines.
    System "system";
    /// Trends, level changes and forecasts.
    Trends "trends";
    /// Time breakdown, failed work and quiet hours.
    Time "time";
    /// Cost.
    Cost "cost";
    /// Data quality.
    Trust "trust";
}

/// A name in the configuration is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {name:?}; use one of: {}", all.join(", "))]
pub struct UnknownName {
    name: String,
    what: &'static str,
    all: Vec<&'static str>,
}

impl FromStr for Section {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.iter().find(|section| section.name() == name);
        found.copied().ok_or_else(|| UnknownName {
            name: name.to_owned(),
            what: "report section",
            all: Self::ALL.iter().map(|section| section.name()).collect(),
        })
    }
}

/// A column of the scraper table.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    name: &'static str,
    pub(super) header: &'static str,
    pub(super) align: Align,
    pub(super) show: fn(&Totals) -> String,
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

const fn metric(name: &'static str, header: &'static str, show: fn(&Totals) -> String) -> Metric {
    Metric {
        name,
        header,
        align: Align::Right,
        show,
    }
}

fn time(totals: &Totals, of: fn(&crate::model::ResponseTime) -> f64) -> String {
    let time = totals.response_time_ms.as_ref();
    time.map_or_else(unknown, |time| number(of(time)))
}

fn rate(value: Option<f64>) -> String {
    value.map_or_else(unknown, number)
}

const METRICS: [Metric; 18] = [
    metric("runs", "runs", |t| some(t.runs)),
    metric("requests", "requests", |t| some(t.requests)),
    metric("requests_failed", "failed", |t| some(t.requests_failed)),
    metric("success_rate", "ok", |t| percent(t.success_rate)),
    metric("items", "items", |t| some(t.items)),
    metric("items_found", "found", |t| some(t.items_found)),
    metric("items_failed", "lost", |t| some(t.items_failed)),
    metric("item_yield", "yield", |t| percent(t.item_yield)),
    metric("errors", "errors", |t| count(t.errors)),
    metric("warnings", "warnings", |t| count(t.warnings)),
    metric("rate_limits", "rate limits", |t| count(t.rate_limits)),
    metric("bytes", "bytes", |t| t.bytes.map_or_else(unknown, bytes)),
    metric("requests_per_minute", "requests/min", |t| {
        rate(t.requests_per_minute)
    }),
    metric("items_per_minute", "items/min", |t| {
        rate(t.items_per_minute)
    }),
    metric("response_time_ms.mean", "mean ms", |t| {
        time(t, |time| time.mean)
    }),
    metric("response_time_ms.p50", "p50 ms", |t| {
        time(t, |time| time.p50)
    }),
    metric("response_time_ms.p95", "p95 ms", |t| {
        time(t, |time| time.p95)
    }),
    metric("response_time_ms.p99", "p99 ms", |t| {
        time(t, |time| time.p99)
    }),
];

impl FromStr for Metric {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = METRICS.into_iter().find(|metric| metric.name == name);
        found.ok_or_else(|| UnknownName {
            name: name.to_owned(),
            what: "scraper metric",
            all: METRICS.iter().map(|metric| metric.name).collect(),
        })
    }
}

/// Layout of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Title; by default the most important finding.
    pub title: Option<String>,
    /// Sections, in this order.
    pub sections: Vec<Section>,
    /// Columns of the scraper table, after verdict, scraper and site.
    pub metrics: Vec<Metric>,
}

impl Default for Layout {
    fn default() -> Self {
        let names = [
            "runs",
            "requests",
            "success_rate",
            "items",
            "errors",
            "response_time_ms.p95",
        ];
        let named = |metric: &Metric| names.contains(&metric.name);
        let mut metrics: Vec<Metric> = METRICS.into_iter().filter(named).collect();
        // On a narrow terminal, this column is dropped first.
        if let Some(last) = metrics.last_mut() {
            last.align = Align::SpareRight;
        }
        Self {
            title: None,
            sections: Section::ALL.to_vec(),
            metrics,
        }
    }
}
