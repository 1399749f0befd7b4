//! Finds stretches of units that chance does not explain.
//!
//! Every unit is compared with the units before it, for each metric, both alone and together with the two
//! preceding units, so that a small lasting change is detected as well as a large one. Suspect units are
//! not learned from. With many comparisons, some deviate by chance, so the significance threshold is
//! computed over all of them (Benjamini and Hochberg 1995).

use std::collections::{BTreeMap, BTreeSet};

use crate::metric::Metric;
use crate::normal::{Comparison, Normal, Point, surprise};
use crate::onset::onset;
use crate::series::DAY;
use crate::series::Series;

/// Maximum share of false discoveries.
const FALSE_SHARE: f64 = 0.05;
/// A unit with a probability up to this is suspect and is not learned from.
const SUSPECT: f64 = 3e-3;
/// Number of consecutive units that are also judged together.
const TOGETHER: usize = 3;

/// A stretch of unusual units.
#[derive(Clone, Debug)]
pub(crate) struct Episode {
    pub(crate) metric: Metric,
    pub(crate) is_up: bool,
    /// The first and the last unit.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The onset, in microseconds.
    pub(crate) since: i64,
    /// The expected range of the first unit, and the mean of the expected values.
    pub(crate) expected: (f64, f64),
    pub(crate) usual: f64,
    /// The mean of the observed values.
    pub(crate) observed: f64,
}

/// The comparison of one unit.
struct Test {
    unit: usize,
    comparison: Comparison,
    raw: f64,
    usual: f64,
    expected: (f64, f64),
    /// The probability of the deviation, alone or together, whichever is less likely; the sign is the direction.
    surprise: f64,
    is_suspect: bool,
}

/// All comparisons of one metric of one scraper.
pub(crate) struct Track {
    series: usize,
    metric: Metric,
    tests: Vec<Test>,
    /// The model for the next unit.
    pub(crate) normal: Option<Normal>,
}

impl Track {
    /// The series of the scraper.
    pub(crate) fn series<'a, 'f>(&self, all: &'a [Series<'f>]) -> &'a Series<'f> {
        &all[self.series]
    }

    /// The units with unusual values, as indexes in the series.
    pub(crate) fn unusual_units(&self) -> impl Iterator<Item = usize> + '_ {
        self.tests
            .iter()
            .filter(|test| test.is_suspect)
            .map(|test| test.unit)
    }

    /// The metric.
    pub(crate) fn metric(&self) -> &Metric {
        &self.metric
    }
}

/// Maximum number of missing item fields examined per scraper.
const MAX_FIELDS: usize = 64;

/// Maximum number of custom statistics examined per scraper.
const MAX_OWN: usize = 100;

/// Compares all units of all series.
pub(crate) fn tracks(all: &[Series<'_>]) -> Vec<Track> {
    let mut tracks = Vec::new();
    for (place, series) in all.iter().enumerate() {
        let mut fields: BTreeMap<&str, usize> = BTreeMap::new();
        for field in series.units.iter().flat_map(|unit| unit.lacking.keys()) {
            *fields.entry(field).or_default() += 1;
        }
        // Names that vary from run to run are not real fields; keep those that are missing in most runs.
        let mut fields: Vec<(usize, &str)> =
            fields.into_iter().map(|(name, n)| (n, name)).collect();
        fields.sort_by(|a, b| (b.0, a.1).cmp(&(a.0, b.1)));
        fields.truncate(MAX_FIELDS);
        let mut fields: Vec<&str> = fields.into_iter().map(|(_, name)| name).collect();
        fields.sort_unstable();
        let own = series.units.iter().filter_map(|unit| unit.own);
        let own: BTreeSet<&str> = own.flat_map(|own| own.keys()).map(String::as_str).collect();
        let own = own.into_iter().take(MAX_OWN);
        for metric in Metric::all(fields.into_iter(), own) {
            let track = track(place, series, metric);
            if track.normal.is_some() {
                tracks.push(track);
            }
        }
    }
    tracks
}

fn track(place: usize, series: &Series<'_>, metric: Metric) -> Track {
    let points = series.units.iter().enumerate().filter_map(|(index, unit)| {
        let sample = metric.of(unit)?;
        Some((
            index,
            Point {
                at: unit.start,
                sample,
            },
        ))
    });
    let mut clean: Vec<Point> = Vec::new();
    let mut normal: Option<Normal> = None;
    let mut tests: Vec<Test> = Vec::new();
    for (unit, point) in points {
        let Some(known) = &normal else {
            clean.push(point);
            normal = Normal::learn(&metric, &clean);
            continue;
        };
        let test = compare(&metric, known, unit, &point, &tests);
        if !test.is_suspect {
            clean.push(point);
            normal = Normal::learn(&metric, &clean);
        }
        tests.push(test);
    }
    Track {
        series: place,
        metric,
        tests,
        normal,
    }
}

fn compare(metric: &Metric, known: &Normal, unit: usize, point: &Point, before: &[Test]) -> Test {
    let comparison = known.compare(point);
    let usual = metric.scale().raw(comparison.expected);
    let raw = point.sample.raw;
    let alone = surprise(&[comparison]).unwrap_or(1.0);
    let mut test = Test {
        unit,
        comparison,
        raw,
        usual,
        expected: known.range(metric, point.at),
        surprise: alone,
        is_suspect: false,
    };
    let is_worth = |test: &Test| metric.is_worth_saying(test.usual, test.raw);
    let row = before
        .len()
        .checked_sub(TOGETHER - 1)
        .map(|from| &before[from..]);
    if let Some(row) = row.filter(|row| row.iter().chain([&test]).all(is_worth)) {
        let mut comparisons: Vec<Comparison> = row.iter().map(|test| test.comparison).collect();
        comparisons.push(comparison);
        let together = surprise(&comparisons).unwrap_or(1.0);
        // Two tests double the probability of a false alarm.
        if together.abs() * 2.0 < alone.abs() {
            test.surprise = (together.abs() * 2.0).copysign(together);
        }
    }
    test.is_suspect = is_worth(&test) && test.surprise.abs() <= SUSPECT;
    test
}

/// Maximum probability of a comparison that counts as significant.
fn threshold(tracks: &[Track]) -> f64 {
    let mut all: Vec<f64> = tracks
        .iter()
        .flat_map(|track| track.tests.iter().map(|test| test.surprise.abs()))
        .collect();
    all.sort_by(f64::total_cmp);
    let count = all.len() as f64;
    let allowed = |rank: usize| FALSE_SHARE * (rank + 1) as f64 / count;
    let last = (0..all.len())
        .rev()
        .find(|rank| all[*rank] <= allowed(*rank));
    last.map_or(0.0, |rank| all[rank].min(SUSPECT))
}

/// The episodes of each series.
pub(crate) fn episodes(all: &[Series<'_>], tracks: &[Track]) -> Vec<Vec<Episode>> {
    let threshold = threshold(tracks);
    let mut found: Vec<Vec<Episode>> = all.iter().map(|_| Vec::new()).collect();
    for track in tracks.iter().filter(|track| track.metric.is_told()) {
        let suspects: Vec<usize> = (0..track.tests.len())
            .filter(|test| track.tests[*test].is_suspect)
            .collect();
        let is_up = |test: &usize| track.tests[*test].surprise > 0.0;
        let goes_on = |a: &usize, b: &usize| b - a <= 2 && is_up(a) == is_up(b);
        for stretch in suspects.chunk_by(goes_on) {
            let tests: Vec<&Test> = stretch.iter().map(|test| &track.tests[*test]).collect();
            let least = tests
                .iter()
                .map(|test| test.surprise.abs())
                .fold(1.0, f64::min);
            let is_long = tests.len() >= track.metric.least_units();
            if is_long && least <= threshold && !is_everybodys(track, &tests, tracks, all) {
                let series = &all[track.series];
                found[track.series].push(episode(track, series, &tests));
            }
        }
    }
    for episodes in &mut found {
        episodes.sort_by_key(|episode| episode.since);
    }
    found
}

fn episode(track: &Track, series: &Series<'_>, tests: &[&Test]) -> Episode {
    let (first, last) = (tests[0], tests[tests.len() - 1]);
    let mean = |value: fn(&Test) -> f64| {
        tests.iter().map(|test| value(test)).sum::<f64>() / tests.len() as f64
    };
    Episode {
        metric: track.metric.clone(),
        is_up: first.surprise > 0.0,
        from: first.unit,
        to: last.unit,
        since: onset(&track.metric, series, first.unit, first.usual),
        expected: first.expected,
        usual: mean(|test| test.usual),
        observed: mean(|test| test.raw),
    }
}

/// Whether most other scrapers had a similar day too: a holiday is not an incident.
fn is_everybodys(track: &Track, tests: &[&Test], tracks: &[Track], all: &[Series<'_>]) -> bool {
    // Only a drop in requests can be a holiday.
    if track.metric != Metric::Requests || tests[0].surprise > 0.0 {
        return false;
    }
    let at = |track: &Track, test: &Test| all[track.series].units[test.unit].start;
    let is_shared = |own: &&Test| {
        let day = at(track, own).div_euclid(DAY);
        let mut others = 0;
        let mut alike = 0;
        for other in tracks {
            if other.metric != track.metric || other.series == track.series {
                continue;
            }
            let same_day = |test: &&Test| at(other, test).div_euclid(DAY) == day;
            let residuals: Vec<f64> = other
                .tests
                .iter()
                .filter(same_day)
                .map(|test| test.comparison.residual)
                .collect();
            if let Some(middle) = crate::stats::median(&residuals) {
                others += 1;
                alike += usize::from(middle / own.comparison.residual > 0.4);
            }
        }
        alike > 0 && alike * 2 >= others
    };
    tests.iter().all(is_shared)
}
