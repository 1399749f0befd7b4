//! Cost of runs, from a price table.

use std::collections::BTreeMap;

use dragline_rollup::{Counters, Finished, RunRow};
use dragline_schema::Timestamp;

use crate::lookup::by_scraper;
use crate::model::{Cost, CostForecast, ScraperCost};
use dragline_analytics::{forecast, whole_days};
use dragline_insights::DAY;

const GIB: f64 = 1_073_741_824.0;
/// Number of days in the cost forecast.
const MONTH: usize = 30;

/// Price table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prices {
    /// Currency, as displayed.
    pub currency: String,
    /// Price of 1,000 HTTP attempts.
    pub per_thousand_requests: f64,
    /// Price of a GiB of responses without a proxy.
    pub per_gib: f64,
    /// Price of a GiB of responses through a proxy.
    pub per_proxy_gib: f64,
    /// Price of an hour of run time.
    pub per_hour: f64,
}

/// Cost of some runs.
#[derive(Clone, Copy, Default)]
struct Bill {
    requests: f64,
    traffic: f64,
    proxy: f64,
    time: f64,
    wasted: f64,
    items: u64,
}

impl Bill {
    fn total(&self) -> f64 {
        self.requests + self.traffic + self.proxy + self.time
    }

    fn per_thousand_items(&self) -> Option<f64> {
        (self.items > 0).then(|| self.total() * 1000.0 / self.items as f64)
    }

    fn waste_share(&self) -> Option<f64> {
        (self.total() > 0.0).then(|| self.wasted / self.total())
    }
}

/// Computes the total cost and the cost of each scraper.
pub(super) fn cost(
    finished: &Finished,
    prices: &Prices,
    period: Option<(Timestamp, Timestamp)>,
) -> Cost {
    let whole = bill(&finished.runs.iter().collect::<Vec<_>>(), prices);
    let mut by_scraper: Vec<ScraperCost> = by_scraper(finished)
        .into_iter()
        .map(|((scraper_id, site), runs)| {
            let rows: Vec<&RunRow> = runs.iter().map(|run| &finished.runs[*run]).collect();
            let bill = bill(&rows, prices);
            ScraperCost {
                scraper_id,
                site,
                total: bill.total(),
                per_thousand_items: bill.per_thousand_items(),
                waste_share: bill.waste_share(),
            }
        })
        .collect();
    by_scraper.sort_by(|a, b| b.total.total_cmp(&a.total));
    Cost {
        currency: prices.currency.clone(),
        total: whole.total(),
        requests: whole.requests,
        traffic: whole.traffic,
        proxy_traffic: whole.proxy,
        time: whole.time,
        per_thousand_items: whole.per_thousand_items(),
        wasted: whole.wasted,
        waste_share: whole.waste_share(),
        by_scraper,
        next_30_days: period.and_then(|period| next(finished, prices, period)),
    }
}

/// Returns the cost of requests, of direct traffic and of proxy traffic.
fn priced(counters: &Counters, prices: &Prices) -> (f64, f64, f64) {
    let direct = counters.bytes.saturating_sub(counters.proxied_bytes);
    (
        counters.requests as f64 / 1000.0 * prices.per_thousand_requests,
        direct as f64 / GIB * prices.per_gib,
        counters.proxied_bytes as f64 / GIB * prices.per_proxy_gib,
    )
}

fn bill(rows: &[&RunRow], prices: &Prices) -> Bill {
    let mut bill = Bill::default();
    for row in rows {
        let counters = &row.counters;
        let (requests, traffic, proxy) = priced(counters, prices);
        let per_byte = (traffic + proxy) / (counters.bytes.max(1) as f64);
        bill.requests += requests;
        bill.traffic += traffic;
        bill.proxy += proxy;
        bill.time += hours(row) * prices.per_hour;
        bill.wasted += counters.requests_failed as f64 / 1000.0 * prices.per_thousand_requests
            + counters.failed_bytes as f64 * per_byte;
        bill.items += counters.items();
    }
    bill
}

fn hours(row: &RunRow) -> f64 {
    let is_whole = row.key.is_run() && !row.is_partial;
    row.duration_seconds.filter(|_| is_whole).unwrap_or(0.0) / 3600.0
}

/// Forecasts the cost of the coming days from past whole days.
fn next(
    finished: &Finished,
    prices: &Prices,
    period: (Timestamp, Timestamp),
) -> Option<CostForecast> {
    let (first, last) = whole_days(period).filter(|_| finished.bucket_micros <= DAY)?;
    let mut days: BTreeMap<i64, f64> = (first..last).map(|day| (day, 0.0)).collect();
    for row in &finished.activity {
        let (requests, traffic, proxy) = priced(&row.counters, prices);
        if let Some(day) = days.get_mut(&row.start.div_euclid(DAY)) {
            *day += requests + traffic + proxy;
        }
    }
    for row in &finished.runs {
        let start = row.start.map(Timestamp::as_micros);
        if let Some(day) = start.and_then(|at| days.get_mut(&at.div_euclid(DAY))) {
            *day += hours(row) * prices.per_hour;
        }
    }
    // The forecast uses log(1 + x); small amounts are scaled up so that the 1 does not dominate.
    let most = days.values().copied().fold(0.0, f64::max);
    let scale = if most > 0.0 { 1000.0 / most } else { 1.0 };
    let days: Vec<f64> = days.into_values().map(|day| day * scale).collect();
    let made = forecast(&days, MONTH)?.days;
    let sum = |of: &dyn Fn(usize) -> f64| (0..made.len()).map(of).sum::<f64>() / scale;
    Some(CostForecast {
        mean: sum(&|day| made[day].mean),
        // Forecast errors of days are correlated when the level changes, so the bounds are summed.
        lower: sum(&|day| made[day].lower),
        upper: sum(&|day| made[day].upper),
    })
}
