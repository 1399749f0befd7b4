//! Quiet hours: the four hours of the day in which a site refuses the fewest requests, or answers fastest.
//!
//! On each day, these hours are compared with the other hours of the same day, so that a bad week does not
//! look like a bad hour. Under the null hypothesis each day is a coin toss (sign test, Arbuthnot 1710).
//! Because 24 start hours and two measures are tried, the significance level is divided by 48 (Bonferroni).

use std::collections::{BTreeMap, BTreeSet};

use dragline_rollup::{ActivityRow, Counters, Finished, Latency};
use dragline_schema::Timestamp;
use statrs::distribution::{Binomial, DiscreteCDF};

use crate::model::QuietHours;
use dragline_insights::DAY;
use dragline_insights::{HOUR, hour, refused};

/// Number of consecutive hours.
const WINDOW: usize = 4;
/// Maximum p-value that is reported.
const SIGNIFICANT: f64 = 0.01;
/// Minimum difference between the shares of refused requests.
const FEWER: f64 = 0.02;
/// Maximum ratio between the response times inside and outside of the hours.
const FASTER: f64 = 0.8;
/// Number of hypotheses: 24 start hours, for refusals and for response times.
const TRIES: f64 = 48.0;
/// Minimum number of requests to compare hours.
const ENOUGH: u64 = 20;

/// Counts of a site in an hour of a day.
#[derive(Clone, Copy, Default)]
struct Cell {
    requests: u64,
    refused: u64,
    micros: u64,
    timed: u64,
}

impl Cell {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.refused += other.refused;
        self.micros += other.micros;
        self.timed += other.timed;
    }

    fn of(counters: &Counters) -> Self {
        Self {
            requests: counters.requests,
            refused: refused(counters),
            micros: counters.response_time.sum,
            timed: counters.response_time.count,
        }
    }

    fn refused_share(&self) -> f64 {
        self.refused as f64 / self.requests.max(1) as f64
    }

    fn mean(&self) -> Option<f64> {
        (self.timed >= ENOUGH).then(|| self.micros as f64 / self.timed as f64)
    }
}

type Days = BTreeMap<i64, [Cell; 24]>;

/// Returns the quiet hours of every site in the filtered rollup, using data until the end of the period.
pub(super) fn quiet_hours(
    asked: &Finished,
    everything: &Finished,
    end: Option<Timestamp>,
) -> Vec<QuietHours> {
    if everything.bucket_micros > HOUR {
        return Vec::new();
    }
    let named = asked.runs.iter().filter_map(|row| row.key.site.as_deref());
    let named: BTreeSet<&str> = named.collect();
    let mut sites: BTreeMap<&str, Days> = BTreeMap::new();
    let is_known = |row: &&ActivityRow| end.is_none_or(|end| row.start < end.as_micros());
    for row in everything.activity.iter().filter(is_known) {
        let site = everything.runs[row.run].key.site.as_deref();
        let Some(site) = site.filter(|site| named.contains(site)) else {
            continue;
        };
        let days = sites.entry(site).or_default();
        let day = days.entry(row.start.div_euclid(DAY)).or_default();
        day[hour(row.start) as usize].add(&Cell::of(&row.counters));
    }
    let found = sites
        .iter()
        .filter_map(|(site, days)| best(everything, site, days));
    found.collect()
}

/// A window of four hours compared with the other hours.
struct Choice {
    from: usize,
    inside: Cell,
    outside: Cell,
    days: u64,
    p_value: f64,
}

fn best(finished: &Finished, site: &str, days: &Days) -> Option<QuietHours> {
    let choices = (0..24).filter_map(|from| choice(days, from));
    let best = choices.min_by(|a, b| {
        let key = |choice: &Choice| (choice.inside.refused_share(), choice.inside.mean());
        key(a)
            .partial_cmp(&key(b))
            .unwrap_or(std::cmp::Ordering::Equal)
    })?;
    let (inside, outside) = latency(finished, site, best.from);
    Some(QuietHours {
        site: site.to_owned(),
        from_hour: best.from as u8,
        until_hour: ((best.from + WINDOW) % 24) as u8,
        refused_share: best.inside.refused_share(),
        refused_share_otherwise: best.outside.refused_share(),
        response_time_ms: inside.quantile(0.5),
        response_time_ms_otherwise: outside.quantile(0.5),
        days: best.days,
        p_value: best.p_value,
    })
}

fn is_inside(from: usize, hour: usize) -> bool {
    (hour + 24 - from) % 24 < WINDOW
}

/// Evaluates the four hours that start at `from`; `None` if they are no better than the others.
fn choice(days: &Days, from: usize) -> Option<Choice> {
    let (mut inside, mut outside) = (Cell::default(), Cell::default());
    let (mut by_refusals, mut by_times) = (Coins::default(), Coins::default());
    for cells in days.values() {
        let (mut own, mut others) = (Cell::default(), Cell::default());
        for (hour, cell) in cells.iter().enumerate() {
            let part = if is_inside(from, hour) {
                &mut own
            } else {
                &mut others
            };
            part.add(cell);
        }
        if own.requests < ENOUGH || others.requests < ENOUGH {
            continue;
        }
        by_refusals.toss(own.refused_share(), others.refused_share());
        if let (Some(own), Some(others)) = (own.mean(), others.mean()) {
            by_times.toss(own, others);
        }
        inside.add(&own);
        outside.add(&others);
    }
    let is_let_in = outside.refused_share() - inside.refused_share() >= FEWER
        && outside.refused_share() >= 2.0 * inside.refused_share();
    let is_faster = inside
        .mean()
        .zip(outside.mean())
        .is_some_and(|(own, others)| own <= FASTER * others)
        && inside.refused_share() <= outside.refused_share() + 0.001;
    let criteria = [(is_let_in, by_refusals), (is_faster, by_times)];
    let mut criteria = criteria.into_iter().filter(|(is_better, _)| *is_better);
    criteria.find_map(|(_, coins)| {
        let p_value = coins.p_value().filter(|p| *p <= SIGNIFICANT)?;
        Some(Choice {
            from,
            inside,
            outside,
            days: coins.days,
            p_value,
        })
    })
}

/// Number of days, and of days with the lower value inside the window.
#[derive(Default)]
struct Coins {
    days: u64,
    won: u64,
}

impl Coins {
    fn toss(&mut self, inside: f64, outside: f64) {
        // Days without a difference are ignored.
        if inside.total_cmp(&outside).is_ne() {
            self.days += 1;
            self.won += u64::from(inside < outside);
        }
    }

    fn p_value(&self) -> Option<f64> {
        let lost = self.days - self.won;
        let coins = Binomial::new(0.5, self.days.max(1)).ok()?;
        (self.days > 0).then(|| (coins.cdf(lost) * TRIES).min(1.0))
    }
}

/// Returns the response times of a site inside and outside of the four hours.
fn latency(finished: &Finished, site: &str, from: usize) -> (Latency, Latency) {
    let (mut inside, mut outside) = (Latency::default(), Latency::default());
    for ((at, run), sketch) in &finished.latency {
        if finished.runs[*run].key.site.as_deref() == Some(site) {
            let is_own = is_inside(from, hour(*at) as usize);
            if is_own { &mut inside } else { &mut outside }.merge(sketch);
        }
    }
    (inside, outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates days with 100 requests per hour, of which `refused` returns the refused number.
    fn days(count: i64, refused: impl Fn(i64, usize) -> u64) -> Days {
        let cells = |day: i64| {
            std::array::from_fn(|hour| Cell {
                requests: 100,
                refused: refused(day, hour),
                micros: 100_000,
                timed: 100,
            })
        };
        (0..count).map(|day| (day, cells(day))).collect()
    }

    #[test]
    fn hours_without_refusals_are_found() {
        let busy = |day: i64, hour: usize| {
            if hour < 4 {
                0
            } else {
                5 + (day as u64 + hour as u64) % 7
            }
        };
        let found = choice(&days(21, busy), 0).unwrap();
        assert_eq!((found.days, found.inside.refused), (21, 0));
        assert!(found.p_value < 1e-4);
        assert!(choice(&days(21, busy), 10).is_none());
        // One week is too short to be significant.
        assert!(choice(&days(7, busy), 0).is_none());
    }

    #[test]
    fn chance_and_a_bad_week_are_no_hours() {
        let noise = |day: i64, hour: usize| (day as u64 * 31 + hour as u64 * 17) % 11;
        let bad_week = |day: i64, _: usize| if day < 7 { 40 } else { 0 };
        for from in 0..24 {
            assert!(choice(&days(28, noise), from).is_none(), "{from}");
            assert!(choice(&days(28, bad_week), from).is_none(), "{from}");
        }
    }
}
