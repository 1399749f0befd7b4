//! Numbers of windows of time, from measurements.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use dragline_metrics::{Stats, Store as Windows, Window as Span};
use dragline_schema::Timestamp;
use dragline_web::model::{Figure, Line, ScraperNumbers, Series, ValueFormat};
use dragline_web::{Answer, ScraperKey, Window};

use super::unavailable;
use crate::service::Monitor;
use crate::store::Level;

/// Number of points of a chart, at most.
const POINTS: i64 = 120;
/// Possible distances of points, in seconds.
const STEPS: [i64; 8] = [60, 300, 600, 1_800, 3_600, 21_600, 86_400, 604_800];
/// Measurements within this time are in memory, in microseconds.
const IN_MEMORY: i64 = 7 * 86_400_000_000;
/// How long reading older ones may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The names of metrics that pages show.
pub(super) const REQUESTS: &str = "dragline_requests";
pub(super) const ERRORS: &str = "dragline_errors";
pub(super) const TIMES: &str = "dragline_request_duration_seconds";
pub(super) const PRODUCTS: &str = "dragline_products";
pub(super) const ARTICLES: &str = "dragline_articles";
/// The actions that make a product an item.
const STORED: [&str; 3] = ["added", "updated", "saved"];

/// Labels that select series.
pub(super) type Selected<'l> = Vec<(&'static str, &'l str)>;

/// The labels of a scraper and site that are named.
pub(super) fn labels_of<'l>(scraper: Option<&'l str>, site: Option<&'l str>) -> Selected<'l> {
    let pairs = [("scraper_id", scraper), ("site", site)];
    pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

pub(super) fn span(window: Window) -> Span {
    Span {
        from: window.from,
        to: window.to,
    }
}

/// The distance of points for a window, in seconds: as fine as is kept, and at most 120 points.
pub(super) fn step_of(window: Window, now: Timestamp) -> i64 {
    let age = now.since(window.from) / 1_000_000;
    let finest = match age {
        ..=7_200 => 60,
        7_201..=129_600 => 600,
        129_601..=691_200 => 3_600,
        _ => 86_400,
    };
    let wanted = (window.seconds() / POINTS).max(finest);
    STEPS
        .into_iter()
        .find(|step| *step >= wanted)
        .unwrap_or(604_800)
}

/// The window in whole steps.
pub(super) fn stepped(window: Window, step: i64) -> Window {
    let micros = step * 1_000_000;
    let floor = |time: Timestamp| time.as_micros().div_euclid(micros) * micros;
    let end = floor(window.to.plus_micros(micros - 1));
    Window {
        from: Timestamp::from_micros(floor(window.from)),
        to: Timestamp::from_micros(end),
    }
}

impl Monitor {
    /// Asks the measurements of a window: those in memory, or for an older window those of the database.
    pub(super) fn ask<T>(&self, window: Window, question: impl FnOnce(&Windows) -> T) -> Answer<T> {
        if self.time().since(window.from) <= IN_MEMORY {
            let windows = self
                .shared
                .windows
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            return Ok(question(&windows));
        }
        let kept = self.settings().monitor.retention();
        let age = self.time().since(window.from) / 86_400_000_000;
        let level = if age < i64::from(kept.hours) {
            Level::Hours
        } else {
            Level::Days
        };
        let seconds = level.slot();
        // Records are loaded whole: those at both ends reach beyond the window, and must not push its slots out.
        let loaded = window.seconds() + 2 * i64::from(level.record());
        let slots = u32::try_from(loaded / i64::from(seconds) + 2).unwrap_or(10_000);
        let resolution = dragline_metrics::Resolution {
            seconds,
            slots: slots.clamp(2, 10_000),
        };
        let retention = dragline_metrics::Retention::new(vec![resolution]).unwrap_or_default();
        let mut windows = Windows::new(retention.max_series(20_000).max_bytes(64 << 20));
        self.store
            .load_metrics(level, window.from, window.to, LIMIT, &mut windows)
            .map_err(unavailable)?;
        Ok(question(&windows))
    }
}

/// The number of items of some series.
pub(super) fn items_of(windows: &Windows, labels: &Selected<'_>, span: Span) -> Option<f64> {
    let stored = STORED.iter().filter_map(|action| {
        let mut labels = labels.clone();
        labels.push(("action", action));
        increase(windows, PRODUCTS, &labels, span)
    });
    stored
        .chain(increase(windows, ARTICLES, labels, span))
        .reduce(|a, b| a + b)
}

/// By how much a counter rose; `None` if nothing was measured.
pub(super) fn increase(
    windows: &Windows,
    name: &str,
    labels: &Selected<'_>,
    span: Span,
) -> Option<f64> {
    let stats = windows.summarise(name, labels, span)?;
    stats.increase.filter(|_| stats.count > 0)
}

/// The share of requests that did not fail.
pub(super) fn success_rate(windows: &Windows, labels: &Selected<'_>, span: Span) -> Option<f64> {
    let of = |outcome| {
        let mut labels = labels.clone();
        labels.push(("outcome", outcome));
        increase(windows, REQUESTS, &labels, span).unwrap_or(0.0)
    };
    let (success, failed) = (of("success"), of("failed"));
    (success + failed > 0.0).then(|| success / (success + failed))
}

/// The numbers of a scope in a window.
pub(super) fn figures(windows: &Windows, labels: &Selected<'_>, span: Span) -> Vec<Figure> {
    let figure = |metric: &str, label: &str, format, value| Figure {
        metric: metric.to_owned(),
        label: label.to_owned(),
        format,
        value,
        expected: None,
    };
    let times = windows
        .summarise(TIMES, labels, span)
        .and_then(|stats| stats.p95);
    let number = ValueFormat::Number;
    let requests = increase(windows, REQUESTS, labels, span);
    vec![
        figure("requests", "requests", number, requests),
        figure(
            "success_rate",
            "success rate",
            ValueFormat::Percent,
            success_rate(windows, labels, span),
        ),
        figure("items", "items", number, items_of(windows, labels, span)),
        // Where requests are measured and no error, there was none.
        figure(
            "errors",
            "errors",
            number,
            increase(windows, ERRORS, labels, span).or(requests.map(|_| 0.0)),
        ),
        figure(
            "response_time_ms.p95",
            "95th percentile of response times",
            ValueFormat::Milliseconds,
            times.map(|seconds| seconds * 1e3),
        ),
    ]
}

/// Values over time.
pub(super) struct Chart<'w> {
    pub(super) windows: &'w Windows,
    pub(super) window: Window,
    pub(super) step: i64,
}

impl Chart<'_> {
    fn times(&self) -> Vec<Timestamp> {
        let micros = self.step * 1_000_000;
        let count = (self.window.to.since(self.window.from) / micros).clamp(0, 1_000);
        (0..count)
            .map(|nth| self.window.from.plus_micros(nth * micros))
            .collect()
    }

    fn points(
        &self,
        name: &str,
        labels: &Selected<'_>,
        pick: impl Fn(&Stats) -> Option<f64>,
    ) -> Vec<Option<f64>> {
        let count = self.times().len();
        let points = self
            .windows
            .points(name, labels, span(self.window), self.step as u32);
        let mut values: Vec<Option<f64>> = points
            .iter()
            .map(|stats| pick(stats).filter(|_| stats.count > 0))
            .collect();
        values.resize(count, None);
        values
    }

    /// By how much a counter rose in each step.
    pub(super) fn increases(&self, name: &str, labels: &Selected<'_>) -> Vec<Option<f64>> {
        self.points(name, labels, |stats| stats.increase)
    }

    fn items(&self, labels: &Selected<'_>) -> Vec<Option<f64>> {
        let mut sum = self.increases(ARTICLES, labels);
        for action in STORED {
            let mut labels = labels.clone();
            labels.push(("action", action));
            for (sum, more) in sum.iter_mut().zip(self.increases(PRODUCTS, &labels)) {
                *sum = match (*sum, more) {
                    (Some(a), Some(b)) => Some(a + b),
                    (a, b) => a.or(b),
                };
            }
        }
        sum
    }

    fn success(&self, labels: &Selected<'_>) -> Vec<Option<f64>> {
        let of = |outcome| {
            let mut labels = labels.clone();
            labels.push(("outcome", outcome));
            self.increases(REQUESTS, &labels)
        };
        let share = |(success, failed): (Option<f64>, Option<f64>)| {
            let (success, failed) = (success.unwrap_or(0.0), failed.unwrap_or(0.0));
            (success + failed > 0.0).then(|| success / (success + failed))
        };
        of("success")
            .into_iter()
            .zip(of("failed"))
            .map(share)
            .collect()
    }

    /// One series with one line.
    pub(super) fn series(
        &self,
        metric: &str,
        what: &str,
        format: ValueFormat,
        values: Vec<Option<f64>>,
    ) -> Series {
        let unit = format!("{what} per {}", period_text(self.step));
        Series {
            metric: metric.to_owned(),
            title: title_of(what, &values, format),
            unit,
            format,
            times: self.times(),
            step_seconds: self.step as u64,
            lines: vec![Line {
                label: what.to_owned(),
                values,
            }],
            expected: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// The usual series of a scope; those without any value are left out.
    pub(super) fn usual(&self, labels: &Selected<'_>) -> Vec<Series> {
        let p95 = self.points(TIMES, labels, |stats| {
            stats.p95.map(|seconds| seconds * 1e3)
        });
        let requests = self.increases(REQUESTS, labels);
        let items = zero_where(self.items(labels), &requests);
        let all = [
            self.series("items", "items", ValueFormat::Number, items),
            self.series("requests", "requests", ValueFormat::Number, requests),
            self.series(
                "success_rate",
                "success rate",
                ValueFormat::Percent,
                self.success(labels),
            ),
            self.series(
                "response_time_ms.p95",
                "95th percentile of response times",
                ValueFormat::Milliseconds,
                p95,
            ),
        ];
        let has_values = |series: &Series| {
            series
                .lines
                .iter()
                .any(|line| line.values.iter().any(Option::is_some))
        };
        all.into_iter().filter(has_values).collect()
    }
}

/// Where others were counted and these not, there were none; unless none were ever counted, and nothing is known.
pub(super) fn zero_where(mut values: Vec<Option<f64>>, others: &[Option<f64>]) -> Vec<Option<f64>> {
    if values.iter().any(Option::is_some) {
        for (value, other) in values.iter_mut().zip(others) {
            *value = value.or(other.map(|_| 0.0));
        }
    }
    values
}

/// What a line shows, in words: the last part of the window compared with the part before it.
fn title_of(what: &str, values: &[Option<f64>], format: ValueFormat) -> String {
    let mean = |values: &[Option<f64>]| {
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        (known.len() >= 3).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    // The last step is not over yet.
    let known = &values[..values.len().saturating_sub(1)];
    let (before, after) = known.split_at(known.len() / 2);
    let what = dragline_insights::capital(what);
    let Some((before, after)) = mean(before)
        .zip(mean(after))
        .filter(|(before, _)| *before > 0.0)
    else {
        return what;
    };
    if format == ValueFormat::Percent {
        let points = (after - before) * 100.0;
        return match points {
            ..-2.0 => format!("{what} fell by {:.0} points", -points),
            2.0.. => format!("{what} rose by {points:.0} points"),
            _ => format!("{what} stayed at {:.0} %", after * 100.0),
        };
    }
    let percent = (after / before - 1.0) * 100.0;
    match percent {
        ..-15.0 => format!("{what} fell by {:.0} %", -percent),
        15.0.. => format!("{what} rose by {percent:.0} %"),
        _ => format!("{what} stayed about the same"),
    }
}

/// A period in words: `10 minutes`.
pub(super) fn period_text(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..3_600 => ((seconds / 60).max(1), "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    match count {
        1 => unit.to_owned(),
        _ => format!("{count} {unit}s"),
    }
}

/// A scraper's numbers, and its requests that are known to have succeeded and failed.
type Sum = (ScraperNumbers, f64, f64);

/// Adds the statistics of a series with some labels to a scraper's numbers.
type Take<'t> = &'t dyn Fn(&mut Sum, &dyn Fn(&str) -> String, &Stats);

/// The numbers of all scrapers in a window, by scraper and site.
pub(super) fn by_scraper(windows: &Windows, span: Span) -> BTreeMap<ScraperKey, ScraperNumbers> {
    let mut all = BTreeMap::<ScraperKey, Sum>::new();
    let mut each = |name: &str, take: Take<'_>| {
        for (id, stats) in windows.query(name, &[], span) {
            if stats.count == 0 {
                continue;
            }
            let label = |name: &str| {
                let held = id.labels.iter().find(|(held, _)| held == name);
                held.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            let part = |name: &str| Some(label(name)).filter(|value| !value.is_empty());
            let key = ScraperKey {
                scraper_id: part("scraper_id"),
                site: part("site"),
            };
            take(all.entry(key).or_default(), &label, &stats);
        }
    };
    each(REQUESTS, &|held, label, stats| {
        let count = stats.increase.unwrap_or(0.0);
        *held.0.requests.get_or_insert(0) += count as u64;
        match label("outcome").as_str() {
            "success" => held.1 += count,
            "failed" => held.2 += count,
            _ => {}
        }
    });
    each(PRODUCTS, &|held, label, stats| {
        if STORED.contains(&label("action").as_str()) {
            *held.0.items.get_or_insert(0) += stats.increase.unwrap_or(0.0) as u64;
        }
    });
    each(ARTICLES, &|held, _, stats| {
        *held.0.items.get_or_insert(0) += stats.increase.unwrap_or(0.0) as u64;
    });
    each(ERRORS, &|held, _, stats| {
        *held.0.errors.get_or_insert(0) += stats.increase.unwrap_or(0.0) as u64;
    });
    each(TIMES, &|held, _, stats| {
        held.0.response_time_ms_p95 = stats.p95.map(|seconds| seconds * 1e3);
    });
    let finish = |(key, (mut numbers, success, failed)): (ScraperKey, Sum)| {
        numbers.success_rate = (success + failed > 0.0).then(|| success / (success + failed));
        // Where requests are measured and no error, there was none.
        numbers.errors = numbers.errors.or(numbers.requests.map(|_| 0));
        (key, numbers)
    };
    all.into_iter().map(finish).collect()
}
