//! Trends, forecasts, time breakdown and cost.

use schemars::JsonSchema;
use serde::Serialize;

/// Cost, in the currency of the price table.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Cost {
    /// Currency.
    pub currency: String,
    /// Total cost.
    pub total: f64,
    /// Cost of requests.
    pub requests: f64,
    /// Cost of traffic without a proxy.
    pub traffic: f64,
    /// Cost of traffic through proxies.
    pub proxy_traffic: f64,
    /// Cost of run time.
    pub time: f64,
    /// Cost per 1,000 items; null without items.
    pub per_thousand_items: Option<f64>,
    /// Cost of failed requests.
    pub wasted: f64,
    /// Share of the total cost spent on failed requests; null if the total is zero.
    pub waste_share: Option<f64>,
    /// Cost by scraper and site; highest first.
    pub by_scraper: Vec<ScraperCost>,
    /// Forecast cost of the next 30 days; null with fewer than 21 whole days of data.
    pub next_30_days: Option<CostForecast>,
}

/// Cost of a scraper on a site.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ScraperCost {
    /// Scraper id.
    pub scraper_id: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// Total cost.
    pub total: f64,
    /// Cost per 1,000 items; null without items.
    pub per_thousand_items: Option<f64>,
    /// Share of the cost spent on failed requests; null if the cost is zero.
    pub waste_share: Option<f64>,
}

/// A forecast sum.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CostForecast {
    /// Expected value.
    pub mean: f64,
    /// Lower bound of the 95 % prediction range.
    pub lower: f64,
    /// Upper bound of the 95 % prediction range.
    pub upper: f64,
}

/// Failed work: requests, bytes and time spent on failed requests.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Waste {
    /// Share of failed requests.
    pub requests_share: f64,
    /// Share of bytes in responses to failed requests, over the runs that log the size of each response; null if none
    /// does.
    pub bytes_share: Option<f64>,
    /// Share of response time spent on failed requests; null if no response times were logged.
    pub seconds_share: Option<f64>,
    /// Requests per wanted page: 1.2 means that one page in five was requested twice. Retries are counted like the
    /// requests: from a run's own statistics if it has them.
    pub amplification: f64,
}

/// Time breakdown of runs. Concurrent requests each count their own waiting time, so that the parts can
/// exceed the run time.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TimeBudget {
    /// Seconds from start to end.
    pub run_seconds: f64,
    /// Seconds waiting for responses; null if no response times were logged.
    pub fetching_seconds: Option<f64>,
    /// Seconds waiting because the site asked to slow down; null if not logged.
    pub waiting_seconds: Option<f64>,
    /// Seconds processing pages until they were stored; null if not logged.
    pub processing_seconds: Option<f64>,
    /// Seconds waiting for the scraper's database; null if not logged.
    pub database_seconds: Option<f64>,
    /// Mean number of concurrent requests.
    pub parallel_requests: Option<f64>,
    /// Largest part: `fetching`, `waiting`, `processing`, `database`, or `other` if the known parts make up
    /// less than half.
    pub most: String,
}

/// Hours of the day in which a site is best scraped.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct QuietHours {
    /// Site.
    pub site: String,
    /// First hour of the day (UTC).
    pub from_hour: u8,
    /// Hour at which they end (exclusive); smaller than the first hour if they include midnight.
    pub until_hour: u8,
    /// Share of refused requests in these hours.
    pub refused_share: f64,
    /// The same at other times.
    pub refused_share_otherwise: f64,
    /// Median response time in these hours; null if not logged.
    pub response_time_ms: Option<f64>,
    /// The same at other times.
    pub response_time_ms_otherwise: Option<f64>,
    /// Number of days that it was learned from.
    pub days: u64,
    /// Probability that the difference is due to chance.
    pub p_value: f64,
}

/// Trend of a metric over whole days.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Trend {
    /// `requests`, `items`, `errors` (per day), `success_rate`, …
    pub metric: String,
    /// `all` for all scrapers together, otherwise `scraper`.
    pub scope: String,
    /// Scraper id.
    pub scraper_id: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// Number of whole days analysed.
    pub days: u64,
    /// `up`, `down`, `flat`, or `not_enough_data` with fewer than eight days.
    pub direction: String,
    /// Change per day; null with too little data, like the fields after it.
    pub slope_per_day: Option<f64>,
    /// Probability that the difference is due to chance.
    pub p_value: Option<f64>,
    /// Change per week according to the slope, relative to the level at the start, or in the middle if the
    /// start level is not above zero.
    pub growth_per_week: Option<f64>,
    /// Last seven days compared with the seven before; null with fewer than 14 days.
    pub week_over_week: Option<f64>,
    /// Level changes, oldest first.
    pub change_points: Vec<ChangePoint>,
    /// Differences between the days of the week; null with fewer than 21 days, or if there are none.
    pub seasonality: Option<Seasonality>,
    /// Forecast of the next seven days; empty with fewer than 21 days, for errors and shares, and for
    /// scrapers beyond the 20 largest.
    pub forecast: Vec<ForecastPoint>,
    /// Backtest error of seven-day forecasts: sum of the daily errors relative to the weekly sum; null
    /// without a forecast.
    pub backtest_error: Option<f64>,
}

/// A level change.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ChangePoint {
    /// First day of the new level.
    pub at: String,
    /// Median of the days before, back to the previous level change.
    pub before: f64,
    /// Median of the days after, up to the next level change.
    pub after: f64,
}

/// A weekly pattern.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Seasonality {
    /// Share of the variation that it explains, 0 to 1.
    pub strength: f64,
    /// Weekday with the highest value: `Monday` to `Sunday`.
    pub highest: String,
    /// Weekday with the lowest value.
    pub lowest: String,
}

/// Forecast of one day.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ForecastPoint {
    /// Start of the day.
    pub at: String,
    /// Expected value.
    pub mean: f64,
    /// Lower bound of the 95 % prediction range.
    pub lower: f64,
    /// Upper bound of the 95 % prediction range.
    pub upper: f64,
}

/// Result of an SQL panel of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Panel {
    /// Title.
    pub title: String,
    /// SQL query.
    pub sql: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows in the order of the query; at most the panel's limit.
    pub rows: Vec<Vec<serde_json::Value>>,
    /// Chart of the rows in HTML; null for a table only.
    pub chart: Option<PanelChart>,
    /// Error message if the query failed; null otherwise.
    pub error: Option<String>,
}

/// Chart of a panel.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PanelChart {
    /// `line`, `bar` or `heatmap`.
    pub kind: String,
    /// Column with the times, or with the names of the bars.
    pub x: String,
    /// Columns with the values; bar charts and heat maps have one.
    pub y: Vec<String>,
}

/// Mute of a known error group, which is counted but not shown.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Mute {
    /// Reason.
    pub reason: String,
    /// End of the mute; null if permanent.
    pub until: Option<String>,
}

/// Intervals between the starts of consecutive runs, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Gap {
    /// Median.
    pub median_seconds: f64,
    /// Mean.
    pub mean_seconds: f64,
}
