//! The windows in which a metric is judged: units, or several small units together.
//!
//! A unit with enough requests, pages or items is a window of its own. Smaller ones are added up until there are
//! enough, as in a loop that asks for two pages every ten minutes. Small runs that are hours apart are judged one by
//! one, with the caution that so little evidence needs ([`crate::normal`]).

use crate::metric::{ENOUGH, LEAST, Metric};
use crate::normal::Point;
use crate::series::{HOUR, Series};

/// Units that start later than this after the first one of a window are judged apart from it, if that one has enough.
const SPAN: i64 = 6 * HOUR;

/// A window: the first and the last unit, and the value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) point: Point,
    /// Whether its units are too small to be judged alone.
    pub(crate) is_small: bool,
}

/// Small units that are added up.
struct Pool {
    from: usize,
    to: usize,
    start: i64,
    part: u64,
    whole: u64,
}

/// The windows of a metric, in order of time.
pub(crate) fn windows(series: &Series<'_>, metric: &Metric) -> Vec<Window> {
    let mut found: Vec<Window> = Vec::new();
    let mut held: Option<Pool> = None;
    let close = |held: &mut Option<Pool>, found: &mut Vec<Window>| {
        let window = held.take().and_then(|pool| {
            let sample = metric.sample((pool.part, pool.whole))?;
            let point = Point {
                at: pool.start,
                sample,
            };
            Some(Window {
                from: pool.from,
                to: pool.to,
                point,
                is_small: pool.from < pool.to || pool.whole < ENOUGH,
            })
        });
        found.extend(window);
    };
    for (index, unit) in series.units.iter().enumerate() {
        let Some((part, whole)) = metric.counts(unit) else {
            let point = |sample| Point {
                at: unit.start,
                sample,
            };
            let point = metric.of(unit).map(point);
            found.extend(point.map(|point| Window {
                from: index,
                to: index,
                point,
                is_small: false,
            }));
            continue;
        };
        let is_apart = |pool: &Pool| {
            let is_far = unit.start - pool.start > SPAN;
            whole >= ENOUGH || (is_far && pool.whole >= LEAST)
        };
        if held.as_ref().is_some_and(is_apart) {
            close(&mut held, &mut found);
        }
        if whole > 0 {
            let pool = held.get_or_insert(Pool {
                from: index,
                to: index,
                start: unit.start,
                part: 0,
                whole: 0,
            });
            pool.to = index;
            pool.part += part;
            pool.whole += whole;
        }
        if held.as_ref().is_some_and(|pool| pool.whole >= ENOUGH) {
            close(&mut held, &mut found);
        }
    }
    close(&mut held, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use dragline_rollup::Counters;

    use super::*;
    use crate::series::Unit;

    /// The spans and trials of the windows of units with these starts in hours and numbers of requests.
    fn told(units: &[(i64, u64)]) -> Vec<(usize, usize, f64)> {
        let unit = |(hour, requests): &(i64, u64)| {
            let mut counters = Counters::default();
            counters.requests = *requests;
            Unit {
                start: hour * HOUR,
                counters,
                ..Unit::default()
            }
        };
        let series = Series {
            name: (None, None),
            width: 1,
            units: units.iter().map(unit).collect(),
        };
        let windows = windows(&series, &Metric::Blocked).into_iter();
        windows
            .map(|window| {
                let trials = window.point.sample.trials;
                (window.from, window.to, trials.unwrap_or_default())
            })
            .collect()
    }

    #[test]
    fn large_units_and_small_ones_that_are_far_apart_are_windows() {
        let units = [(0, 30), (24, 12), (48, 20), (72, 6)];
        let expected = [(0, 0, 30.0), (1, 1, 12.0), (2, 2, 20.0), (3, 3, 6.0)];
        assert_eq!(told(&units), expected);
    }

    #[test]
    fn small_units_are_added_up() {
        let loops: Vec<(i64, u64)> = (0..8).map(|hour| (hour, 6)).collect();
        assert_eq!(told(&loops), [(0, 3, 24.0), (4, 7, 24.0)]);
        // Two pages a day, a unit that does nothing, and too few at the end.
        let daily = [(0, 2), (24, 0), (48, 2), (72, 2), (96, 2)];
        assert_eq!(told(&daily), [(0, 3, 6.0)]);
        // A large unit is not mixed with small ones.
        assert_eq!(
            told(&[(0, 7), (1, 50), (2, 4), (3, 50)]),
            [(0, 0, 7.0), (1, 1, 50.0), (3, 3, 50.0)]
        );
    }
}
