//! Where the numbers are going, what the time went into, and what it all cost.

use schemars::JsonSchema;
use serde::Serialize;

/// What it cost, in the currency of the price table.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Cost {
    /// The currency.
    pub currency: String,
    /// Everything.
    pub total: f64,
    /// Of it, for requests.
    pub requests: f64,
    /// Of it, for traffic without a proxy.
    pub traffic: f64,
    /// Of it, for traffic through proxies.
    pub proxy_traffic: f64,
    /// Of it, for the time that runs took.
    pub time: f64,
    /// For 1,000 items; null without items.
    pub per_thousand_items: Option<f64>,
    /// What was paid for requests that failed.
    pub wasted: f64,
    /// Of everything, the share that was wasted; null when nothing was paid.
    pub waste_share: Option<f64>,
    /// By scraper and site, the dearest first.
    pub by_scraper: Vec<ScraperCost>,
    /// What the next 30 days will cost; null with fewer than 21 whole days.
    pub next_30_days: Option<CostForecast>,
}

/// What a scraper on a site cost.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ScraperCost {
    /// Which scraper.
    pub scraper_id: Option<String>,
    /// Which site.
    pub site: Option<String>,
    /// Everything.
    pub total: f64,
    /// For 1,000 items; null without items.
    pub per_thousand_items: Option<f64>,
    /// The share that was wasted; null when nothing was paid.
    pub waste_share: Option<f64>,
}

/// A sum that is to come.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CostForecast {
    /// The most likely.
    pub mean: f64,
    /// 95 of 100 such sums lie from here
    pub lower: f64,
    /// to here.
    pub upper: f64,
}

/// What was done in vain.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Waste {
    /// Of the requests, the share that failed.
    pub requests_share: f64,
    /// Of the bytes, the share in answers to them; null when no bytes were logged.
    pub bytes_share: Option<f64>,
    /// Of the time spent on answers, the share spent on theirs; null when no times were logged.
    pub seconds_share: Option<f64>,
    /// How many requests were made for each page that was wanted: 1.2 means that every fifth was
    /// tried again.
    pub amplification: f64,
}

/// What a run's time went into. Answers that are waited for at the same time count each for itself,
/// so that the parts can be more than the whole.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TimeBudget {
    /// From start to end.
    pub run_seconds: f64,
    /// Waiting for answers; null when no line tells how long they took.
    pub fetching_seconds: Option<f64>,
    /// Waiting because the site asked to slow down; null when no line tells of it.
    pub waiting_seconds: Option<f64>,
    /// From page to storage; null when no line tells.
    pub processing_seconds: Option<f64>,
    /// Waiting for the scraper's database; null when no line tells.
    pub database_seconds: Option<f64>,
    /// How many answers were waited for at the same time, on average.
    pub parallel_requests: Option<f64>,
    /// `fetching`, `waiting`, `processing`, `database`, or `other` when these make less than half.
    pub most: String,
}

/// When a site is best asked.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct QuietHours {
    /// The site.
    pub site: String,
    /// From this hour of the day (UTC) on.
    pub from_hour: u8,
    /// Until this one begins; smaller than the first where midnight lies between.
    pub until_hour: u8,
    /// Of the requests in these hours, the share that was refused.
    pub refused_share: f64,
    /// The same at other times.
    pub refused_share_otherwise: f64,
    /// The median answer time in these hours; null when no line tells.
    pub response_time_ms: Option<f64>,
    /// The same at other times.
    pub response_time_ms_otherwise: Option<f64>,
    /// How many days it was learned from.
    pub days: u64,
    /// How likely chance alone does this.
    pub p_value: f64,
}

/// Where a metric is going, by whole days.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Trend {
    /// `requests`, `items`, `errors` (by day) or `success_rate`.
    pub metric: String,
    /// `all` for all scrapers together, else `scraper`.
    pub scope: String,
    /// Which scraper.
    pub scraper_id: Option<String>,
    /// Which site.
    pub site: Option<String>,
    /// How many whole days it was looked for in.
    pub days: u64,
    /// `up`, `down`, `flat`, or `not_enough_data` with fewer than eight days.
    pub direction: String,
    /// By how much a day; null without enough data, as all that follows.
    pub slope_per_day: Option<f64>,
    /// How likely chance alone does this.
    pub p_value: Option<f64>,
    /// By the slope, relative to the level at the start, or in the middle where that is not above zero.
    pub growth_per_week: Option<f64>,
    /// The last seven days against the seven before; null with fewer than 14 days.
    pub week_over_week: Option<f64>,
    /// When the level jumped, oldest first.
    pub change_points: Vec<ChangePoint>,
    /// How the days of the week differ; null with fewer than 21 days, or when they do not.
    pub seasonality: Option<Seasonality>,
    /// The next seven days; empty with fewer than 21, for errors and shares, and beyond the 20 largest scrapers.
    pub forecast: Vec<ForecastPoint>,
    /// How wrong such forecasts of a week would have been: the sum of the errors of its days, relative
    /// to their sum; null without one.
    pub backtest_error: Option<f64>,
}

/// A jump of a level.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ChangePoint {
    /// The first day of the new level.
    pub at: String,
    /// The median of the days before, back to the change point before.
    pub before: f64,
    /// The median of the days after, up to the next change point.
    pub after: f64,
}

/// A pattern that comes again every week.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Seasonality {
    /// How much of the movement it explains, 0 to 1.
    pub strength: f64,
    /// The day with the most: `Monday` to `Sunday`.
    pub highest: String,
    /// The day with the least.
    pub lowest: String,
}

/// A forecast for a day.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ForecastPoint {
    /// The day's begin.
    pub at: String,
    /// The most likely.
    pub mean: f64,
    /// 95 of 100 lie from here
    pub lower: f64,
    /// to here.
    pub upper: f64,
}

/// An answer to a question of the report's own.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Panel {
    /// Its title.
    pub title: String,
    /// The question, in SQL.
    pub sql: String,
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows, as they were sorted by the question; at most as many as the panel asks for.
    pub rows: Vec<Vec<serde_json::Value>>,
    /// How the rows are drawn in HTML; null when they are a table alone.
    pub chart: Option<PanelChart>,
    /// Why there is no answer; null when there is one.
    pub error: Option<String>,
}

/// How the rows of a panel are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PanelChart {
    /// `line`, `bar` or `heatmap`.
    pub kind: String,
    /// The column of times, or of the bars' names.
    pub x: String,
    /// The columns of values; bars and heat maps have one.
    pub y: Vec<String>,
}

/// A known error that is not shown, but counted.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Mute {
    /// Why.
    pub reason: String,
    /// Until when; null for good.
    pub until: Option<String>,
}

/// The median and the mean of the times between two starts, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Gap {
    /// Half are shorter.
    pub median_seconds: f64,
    /// Their mean.
    pub mean_seconds: f64,
}
