//! The four scrapers, and when their incidents occur.

use dragline_logging::Timestamp;

use crate::DemoOptions;

pub(crate) const DAY: i64 = 86_400_000_000;
pub(crate) const HOUR: i64 = DAY / 24;

/// A scraper to simulate.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) scraper_id: &'static str,
    pub(crate) site: &'static str,
    /// Hours of the day (UTC) at which a run starts.
    pub(crate) hours: &'static [i64],
    /// Pages of a run on a weekday.
    pub(crate) pages: u32,
    pub(crate) stores: Stores,
    /// Maximum size of a log file.
    pub(crate) max_file_bytes: u64,
    pub(crate) planted: Planted,
    pub(crate) start: Timestamp,
    pub(crate) days: u32,
    pub(crate) seed: u64,
}

/// What a scraper stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stores {
    Products,
    Articles,
    /// Products found by searches, written to a database.
    Searched,
}

/// What goes wrong with a scraper, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// The site refuses most requests.
    BlockWave { from: Timestamp, to: Timestamp },
    /// Pages lose the elements that the selectors match, but still answer 200.
    LayoutChange { from: Timestamp },
    /// The first run after this time is killed.
    Kill { after: Timestamp },
    /// The database is locked from this time on.
    NewError { from: Timestamp },
}

pub(crate) fn plan(options: &DemoOptions) -> Vec<Plan> {
    let end = options.end.as_micros().div_euclid(DAY) * DAY;
    let span = i64::from(options.days) * DAY;
    // The full hour at a given share of the period.
    let at = |share: f64| {
        let offset = (span as f64 * share) as i64 / HOUR * HOUR;
        Timestamp::from_micros(end - span + offset)
    };
    let plan = |index: u64, scraper_id, site, hours, pages, stores, kib: u64, planted| Plan {
        scraper_id,
        site,
        hours,
        pages,
        stores,
        max_file_bytes: kib << 10,
        planted,
        start: Timestamp::from_micros(end - span),
        days: options.days,
        // Differs between the scrapers of a fleet and between seeds.
        seed: options
            .seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(index),
    };
    vec![
        plan(
            0,
            "shop-prices",
            "shop.example.com",
            &[0, 4, 8, 12, 16, 20],
            110,
            Stores::Products,
            256,
            Planted::LayoutChange { from: at(0.78) },
        ),
        plan(
            1,
            "market-watch",
            "market.example.net",
            &[2, 8, 14, 20],
            130,
            Stores::Products,
            1024,
            Planted::BlockWave {
                from: at(0.56),
                to: at(0.66),
            },
        ),
        plan(
            2,
            "news-crawler",
            "news.example.org",
            &[5, 11, 17],
            90,
            Stores::Articles,
            1024,
            Planted::Kill { after: at(0.42) },
        ),
        plan(
            3,
            "jobs-board",
            "jobs.example.com",
            &[3, 15],
            80,
            Stores::Searched,
            1024,
            Planted::NewError { from: at(0.9) },
        ),
    ]
}
