//! Finds stretches of units that chance does not explain.
//!
//! Every unit is compared with the units before it, for each metric, both alone and together with the two
//! preceding units, so that a small lasting change is detected as well as a large one. Suspect units are
//! not learned from, and neither are units of an episode of trouble, for any metric: how many items a blocked run
//! stored is no example. With many comparisons, some deviate by chance, so the significance threshold is
//! computed over all of them (Benjamini and Hochberg 1995).

use std::collections::{BTreeMap, BTreeSet};

use dragline_schema::Timestamp;

use crate::finding::{RunValue, ScraperKey};
use crate::fleet::Fleet;
use crate::metric::{Metric, Scale};
use crate::normal::{Comparison, Normal, Point, surprise};
use crate::onset::onset;
use crate::series::DAY;
use crate::series::{Series, Unit};
use crate::windows::{Window, windows};

/// Maximum share of false discoveries.
const FALSE_SHARE: f64 = 0.05;
/// A unit with a probability up to this is suspect and is not learned from.
const SUSPECT: f64 = 3e-3;
/// A single unit with up to this many times its usual requests, or as many times fewer, is no incident.
const MUCH: f64 = 1.9;
/// A habit deviates at least twice in each of this number of parts of the history, …
const PARTS: usize = 4;
/// … begins or ends this number of times, …
const TURNS: usize = 8;
/// … and is not larger than this many times its usual size.
const LARGER: f64 = 1.5;
/// A deviation of at least this part of another one is like it.
const ALIKE: f64 = 0.6;
/// Number of consecutive units that are also judged together.
const TOGETHER: usize = 3;

/// A stretch of unusual units.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Episode {
    pub(crate) metric: Metric,
    pub(crate) is_up: bool,
    /// The first and the last unit.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The last unit until which nothing else was seen: the units after `to` say too little to be judged.
    pub(crate) seen: usize,
    /// The onset, in microseconds.
    pub(crate) since: i64,
    /// The expected range of the first unit, and the mean of the expected values.
    pub(crate) expected: (f64, f64),
    pub(crate) usual: f64,
    /// The mean of the observed values.
    pub(crate) observed: f64,
}

/// The comparison of one window.
struct Test {
    /// The first and the last unit.
    unit: usize,
    to: usize,
    comparison: Comparison,
    raw: f64,
    usual: f64,
    expected: (f64, f64),
    /// The probability of the deviation, alone or together, whichever is less likely; the sign is the direction.
    surprise: f64,
    is_suspect: bool,
    is_small: bool,
}

/// All comparisons of one metric of one scraper.
pub(crate) struct Track {
    series: usize,
    metric: Metric,
    tests: Vec<Test>,
    /// The units that it was learned from.
    learned: BTreeSet<usize>,
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
            .flat_map(|test| test.unit..=test.to)
    }

    /// The stretches of consecutive suspect units that deviate in one direction.
    fn stretches(&self) -> Vec<Vec<&Test>> {
        let suspects: Vec<usize> = (0..self.tests.len())
            .filter(|test| self.tests[*test].is_suspect)
            .collect();
        let is_up = |test: &usize| self.tests[*test].surprise > 0.0;
        let goes_on = |a: &usize, b: &usize| b - a <= 2 && is_up(a) == is_up(b);
        let stretches = suspects.chunk_by(goes_on);
        let tests = |stretch: &[usize]| stretch.iter().map(|test| &self.tests[*test]).collect();
        stretches.map(tests).collect()
    }

    /// Whether the size of runs deviates like this again and again over the whole history, between usual runs: the
    /// scraper has runs of two sizes, for instance on two sites that its log does not name.
    fn is_habit(&self, stretch: &[&Test]) -> bool {
        let is_up = stretch[0].surprise > 0.0;
        let is_alike = |test: &Test| test.is_suspect && (test.surprise > 0.0) == is_up;
        let alike: Vec<bool> = self.tests.iter().map(is_alike).collect();
        let turns = alike.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let part = alike.len().div_ceil(PARTS).max(1);
        let has_two = |part: &[bool]| part.iter().filter(|is| **is).count() >= 2;
        let is_everywhere = alike.len() >= PARTS && alike.chunks(part).all(has_two);
        let sizes = self.tests.iter().filter(|test| is_alike(test));
        let sizes: Vec<f64> = sizes.map(|test| test.comparison.residual.abs()).collect();
        let usual = crate::stats::median(&sizes).unwrap_or(0.0);
        let largest = stretch.iter().map(|test| test.comparison.residual.abs());
        let is_usual = largest.fold(0.0, f64::max) <= LARGER * usual;
        self.metric.is_size() && turns >= TURNS && is_everywhere && is_usual
    }

    /// Whether runs had this size on the same day of the week one and two weeks before, too: what happens every Sunday is
    /// usual, also where it is never learned from.
    fn is_weekly(&self, stretch: &[&Test], series: &Series<'_>) -> bool {
        let start = |test: &Test| series.units[test.unit].start;
        let is_before = |test: &Test, weeks: i64| {
            let then = start(test) - weeks * 7 * DAY;
            let is_alike = |other: &&Test| {
                let times = other.raw / test.raw.max(1e-9);
                (start(other) - then).abs() <= DAY / 8 && (1.0 / LARGER..LARGER).contains(&times)
            };
            self.tests.iter().any(|other| is_alike(&other))
        };
        let mut each = stretch.iter();
        self.metric.is_size() && each.all(|test| is_before(test, 1) && is_before(test, 2))
    }

    /// Whether small units deviated like this at other times, too, after which all was as usual: so often that it may be
    /// chance again.
    fn is_familiar(&self, stretch: &[&Test]) -> bool {
        let is_up = stretch[0].surprise > 0.0;
        let size = |test: &Test| {
            let usual = match self.metric.scale() {
                Scale::Share => 1.0,
                Scale::Log => test.usual.max(1e-9),
            };
            (test.raw - test.usual) * if is_up { 1.0 } else { -1.0 } / usual
        };
        let sizes = stretch.iter().map(|test| size(test));
        let least = sizes.fold(f64::INFINITY, f64::min);
        let own = stretch[0].unit..=stretch[stretch.len() - 1].unit;
        let is_alike = |test: &&Test| size(test) >= ALIKE * least && !own.contains(&test.unit);
        let others = self.tests.iter().filter(is_alike).count();
        let are_enough = others + usize::from(stretch.len() == 1) >= 2;
        let share = (others + 1) as f64 / (self.tests.len() + 1) as f64;
        let chance = share.powf(stretch.len() as f64);
        let are_small = stretch.iter().all(|test| test.is_small);
        are_small && others > 0 && are_enough && chance > SUSPECT
    }

    /// The metric's value in each run that was last active at or after `from`, beside what was normal for it.
    pub(crate) fn run_values(&self, all: &[Series<'_>], from: i64) -> Vec<RunValue> {
        let series = self.series(all);
        let value = |(index, unit): (usize, &Unit<'_>)| {
            let is_wanted = unit.run.is_some() && unit.end >= from;
            let sample = self.metric.of(unit).filter(|_| is_wanted)?;
            // The tests are in the order of the units.
            let test = self.tests.partition_point(|test| test.to < index);
            let test = self.tests.get(test).filter(|test| test.unit <= index);
            Some(RunValue {
                scraper: ScraperKey::from(&series.name),
                at: Timestamp::from_micros(unit.end),
                metric: self.metric.name(),
                value: self.metric.shown(sample.raw),
                usual: test.map(|test| {
                    let range = crate::told::expected(&self.metric, test.expected);
                    (self.metric.shown(test.usual), range)
                }),
            })
        };
        series.units.iter().enumerate().filter_map(value).collect()
    }

    fn learned_from_any(&self, units: &BTreeSet<usize>) -> bool {
        !self.learned.is_disjoint(units)
    }

    /// Whether it compares numbers of requests.
    pub(crate) fn is_of_requests(&self) -> bool {
        self.metric == Metric::Requests
    }

    /// How far the values of a day (days since 1970-01-01 UTC) deviated from what was expected: their median.
    pub(crate) fn deviation_on(&self, all: &[Series<'_>], day: i64) -> Option<f64> {
        let units = &self.series(all).units;
        let tests = self.tests.iter();
        let own = tests.filter(|test| units[test.unit].start.div_euclid(DAY) == day);
        let deviations: Vec<f64> = own.map(|test| test.comparison.residual).collect();
        crate::stats::median(&deviations)
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

/// Maximum number of warning templates examined per scraper.
const MAX_WARNINGS: usize = 32;

/// The units of each series that show trouble.
pub(crate) type Troubled = Vec<BTreeSet<usize>>;

/// Compares all units of all series. Returns the comparisons, the units that show trouble and were not learned from,
/// and the thresholds before and after that was known. A part of a fleet takes the thresholds of the fleet.
pub(crate) fn tracks(
    all: &[Series<'_>],
    fleet: Option<&Fleet>,
) -> (Vec<Track>, Troubled, (f64, f64)) {
    let none = BTreeSet::new();
    let metrics = all.iter().enumerate().flat_map(|(place, series)| {
        let metrics = metrics(series).into_iter();
        metrics.map(move |metric| (place, metric))
    });
    let mut tracks: Vec<Track> = metrics
        .map(|(place, metric)| track(place, &all[place], metric, &none))
        .filter(|track| track.normal.is_some())
        .collect();
    let first = fleet.map_or_else(|| threshold(&tracks), |fleet| fleet.thresholds.0);
    let troubled: Troubled = episodes(all, &tracks, first, fleet)
        .iter()
        .map(|episodes| {
            let troubles = episodes.iter().filter(|e| e.metric.is_trouble());
            troubles
                .flat_map(|episode| episode.from..=episode.to)
                .collect()
        })
        .collect();
    for held in &mut tracks {
        let skipped = &troubled[held.series];
        if held.learned_from_any(skipped) {
            *held = track(held.series, &all[held.series], held.metric.clone(), skipped);
        }
    }
    tracks.retain(|track| track.normal.is_some());
    let last = fleet.map_or_else(|| threshold(&tracks), |fleet| fleet.thresholds.1);
    (tracks, troubled, (first, last))
}

/// The metrics to examine for a series.
fn metrics(series: &Series<'_>) -> Vec<Metric> {
    let mut fields: BTreeMap<&str, u64> = BTreeMap::new();
    for field in series.units.iter().flat_map(|unit| unit.lacking.keys()) {
        *fields.entry(field).or_default() += 1;
    }
    let mut warnings: BTreeMap<&str, u64> = BTreeMap::new();
    for (template, count) in series.units.iter().flat_map(|unit| &unit.warned) {
        *warnings.entry(template).or_default() += count;
    }
    // Names that vary from run to run are not real fields; keep those that are missing in most runs.
    let (fields, warnings) = (most(fields, MAX_FIELDS), most(warnings, MAX_WARNINGS));
    let own = series.units.iter().filter_map(|unit| unit.own);
    let own: BTreeSet<&str> = own.flat_map(|own| own.keys()).map(String::as_str).collect();
    let own = own.into_iter().take(MAX_OWN);
    Metric::all(fields.into_iter(), warnings.into_iter(), own)
}

/// The most frequent names, sorted by name.
fn most(counts: BTreeMap<&str, u64>, limit: usize) -> Vec<&str> {
    let mut counts: Vec<(u64, &str)> = counts.into_iter().map(|(name, n)| (n, name)).collect();
    counts.sort_by(|a, b| (b.0, a.1).cmp(&(a.0, b.1)));
    counts.truncate(limit);
    let mut names: Vec<&str> = counts.into_iter().map(|(_, name)| name).collect();
    names.sort_unstable();
    names
}

/// Compares all units of a series in one metric; learns from none of the skipped ones.
fn track(place: usize, series: &Series<'_>, metric: Metric, skipped: &BTreeSet<usize>) -> Track {
    let mut clean: Vec<Point> = Vec::new();
    let mut learned: BTreeSet<usize> = BTreeSet::new();
    let mut normal: Option<Normal> = None;
    let mut tests: Vec<Test> = Vec::new();
    for window in windows(series, &metric) {
        let test = normal
            .as_ref()
            .map(|known| compare(&metric, known, &window, &tests));
        let is_skipped = skipped.range(window.from..=window.to).next().is_some();
        if test.as_ref().is_none_or(|test| !test.is_suspect) && !is_skipped {
            clean.push(window.point);
            learned.extend(window.from..=window.to);
            normal = Normal::learn(&metric, &clean);
        }
        tests.extend(test);
    }
    Track {
        series: place,
        metric,
        tests,
        learned,
        normal,
    }
}

fn compare(metric: &Metric, known: &Normal, window: &Window, before: &[Test]) -> Test {
    let point = &window.point;
    let comparison = known.compare(point);
    let usual = known.usual(point.at);
    let raw = point.sample.raw;
    let alone = surprise(&[comparison]).unwrap_or(1.0);
    let mut test = Test {
        unit: window.from,
        to: window.to,
        comparison,
        raw,
        usual,
        expected: known.range(metric, point.at),
        surprise: alone,
        is_suspect: false,
        is_small: window.is_small,
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

/// Maximum probability of a comparison that counts as significant. A stretch of unusual units counts as one discovery:
/// a long incident must not make what happens elsewhere significant.
fn threshold(tracks: &[Track]) -> f64 {
    let mut all: Vec<f64> = Vec::new();
    let mut count = 0;
    for track in tracks {
        count += track.tests.len();
        all.extend(track.stretches().iter().map(|stretch| {
            let surprises = stretch.iter().map(|test| test.surprise.abs());
            surprises.fold(1.0, f64::min)
        }));
    }
    all.sort_by(f64::total_cmp);
    let allowed = |rank: usize| FALSE_SHARE * (rank + 1) as f64 / count as f64;
    let last = (0..all.len())
        .rev()
        .find(|rank| all[*rank] <= allowed(*rank));
    last.map_or(0.0, |rank| all[rank].min(SUSPECT))
}

/// The episodes of each series, with comparisons that are at most as probable as the threshold.
pub(crate) fn episodes(
    all: &[Series<'_>],
    tracks: &[Track],
    threshold: f64,
    fleet: Option<&Fleet>,
) -> Vec<Vec<Episode>> {
    let mut found: Vec<Vec<Episode>> = all.iter().map(|_| Vec::new()).collect();
    for track in tracks.iter().filter(|track| track.metric.is_told()) {
        for tests in track.stretches() {
            let least = tests
                .iter()
                .map(|test| test.surprise.abs())
                .fold(1.0, f64::min);
            let is_long = tests.len() >= track.metric.least_units() && is_lasting(track, &tests);
            let is_usual = track.is_habit(&tests)
                || track.is_familiar(&tests)
                || track.is_weekly(&tests, &all[track.series]);
            let is_long = is_long && !is_usual;
            if is_long && least <= threshold && !is_everybodys(track, &tests, (tracks, all), fleet)
            {
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

/// Whether a volume is unusual in several units, or very unusual in one.
fn is_lasting(track: &Track, tests: &[&Test]) -> bool {
    let one = match tests {
        [one] if track.metric == Metric::Requests => one,
        _ => return true,
    };
    let times = one.raw / one.usual.max(1e-9);
    !(1.0 / MUCH..MUCH).contains(&times)
}

fn episode(track: &Track, series: &Series<'_>, tests: &[&Test]) -> Episode {
    let (first, last) = (tests[0], tests[tests.len() - 1]);
    let next = track.tests.iter().find(|test| test.unit > last.to);
    let is_count = last.comparison.is_count;
    let mean = |value: fn(&Test) -> f64| {
        tests.iter().map(|test| value(test)).sum::<f64>() / tests.len() as f64
    };
    Episode {
        metric: track.metric.clone(),
        is_up: first.surprise > 0.0,
        from: first.unit,
        to: last.to,
        seen: match next {
            Some(next) if is_count => next.unit - 1,
            None if is_count => series.units.len() - 1,
            _ => last.to,
        },
        since: onset(&track.metric, series, (first.unit, first.to), first.usual),
        expected: first.expected,
        usual: mean(|test| test.usual),
        observed: mean(|test| test.raw),
    }
}

/// Whether most other scrapers had a similar day too: a holiday is not an incident.
fn is_everybodys(
    track: &Track,
    tests: &[&Test],
    (tracks, all): (&[Track], &[Series<'_>]),
    fleet: Option<&Fleet>,
) -> bool {
    // Only a drop in requests can be a holiday.
    if track.metric != Metric::Requests || tests[0].surprise > 0.0 {
        return false;
    }
    let is_shared = |own: &&Test| {
        let day = track.series(all).units[own.unit].start.div_euclid(DAY);
        let is_other = |other: &&Track| other.is_of_requests() && other.series != track.series;
        let here = tracks.iter().filter(is_other);
        let here = here.filter_map(|other| other.deviation_on(all, day));
        let elsewhere = fleet.and_then(|fleet| fleet.requests.get(&day));
        let (mut others, mut alike) = (0, 0);
        for deviation in here.chain(elsewhere.into_iter().flatten().copied()) {
            others += 1;
            alike += usize::from(deviation / own.comparison.residual > 0.4);
        }
        alike > 0 && alike * 2 >= others
    };
    tests.iter().all(is_shared)
}
