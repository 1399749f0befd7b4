//! Answers of a store.

use dragline_schema::Timestamp;

use super::query::{SeriesId, Stats, Values, Window};
use super::retention::floor;
use super::series::Series;
use super::store::Store;

impl Store {
    /// The statistics of every series with this name whose labels contain all of the given ones, by labels.
    /// A series without values in the window is included, with a count of 0.
    pub fn query(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        window: Window,
    ) -> Vec<(SeriesId, Stats)> {
        self.each(window, |series| is_matched(series, name, labels))
    }

    /// The statistics of every series.
    pub fn query_all(&self, window: Window) -> Vec<(SeriesId, Stats)> {
        self.each(window, |_| true)
    }

    fn each(&self, window: Window, is_wanted: impl Fn(&Series) -> bool) -> Vec<(SeriesId, Stats)> {
        let (window, seconds) = self.widen(window);
        let series = self.table.iter().filter(|series| is_wanted(series));
        let mut answers: Vec<_> = series
            .map(|series| {
                let mut values = Values::default();
                fill(&mut values, series, window);
                let id = SeriesId {
                    name: series.name.clone(),
                    labels: series.labels.clone(),
                    kind: series.kind,
                };
                (id, values.finish(series.kind, window, seconds))
            })
            .collect();
        answers.sort_by(|a, b| a.0.cmp(&b.0));
        answers
    }

    /// The statistics of all matching series together; `None` when there is no such series. The latest value
    /// is that of the series that was updated last; totals and increases are added.
    pub fn summarise(&self, name: &str, labels: &[(&str, &str)], window: Window) -> Option<Stats> {
        let (window, seconds) = self.widen(window);
        let series = self.table.iter();
        let is_wanted = |series: &&Series| is_matched(series, name, labels);
        let mut series: Vec<&Series> = series.filter(is_wanted).collect();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        let kind = series.first()?.kind;
        let mut values = Values::default();
        for series in series.into_iter().filter(|series| series.kind == kind) {
            fill(&mut values, series, window);
        }
        Some(values.finish(kind, window, seconds))
    }

    /// [`Store::summarise`] for consecutive windows of `seconds`, for charts: at most 10,000 of them. They
    /// overlap where they are narrower than the slots.
    pub fn points(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        window: Window,
        seconds: u32,
    ) -> Vec<Stats> {
        let step = i64::from(seconds.max(1)) * 1_000_000;
        let starts = (0..10_000).map(|index| window.from.plus_micros(index * step));
        starts
            .take_while(|from| *from < window.to)
            .filter_map(|from| {
                let to = from.plus_micros(step).min(window.to);
                self.summarise(name, labels, Window { from, to })
            })
            .collect()
    }

    /// When a series with this name and these labels was last updated.
    pub fn last_updated(&self, name: &str, labels: &[(&str, &str)]) -> Option<Timestamp> {
        let series = self
            .table
            .iter()
            .filter(|series| is_matched(series, name, labels));
        series.filter_map(Series::updated).max()
    }

    /// A window in whole slots that are kept, and its length in seconds since the first value.
    fn widen(&self, window: Window) -> (Window, Option<f64>) {
        let level = |at: i64| self.level_of(at).unwrap_or(self.retention.len() - 1);
        let (from, to) = (window.from.as_micros(), window.to.as_micros());
        let from = floor(from, self.retention.width(level(from))).max(self.dropped_before);
        // After the newest value there is nothing that a slot could add.
        let is_past = self.newest.is_some_and(|newest| to <= newest);
        let width = if is_past {
            self.retention.width(level(to - 1))
        } else {
            1
        };
        let to = floor(to.saturating_add(width - 1), width).max(from);
        let seconds = (to - from.max(self.since)) as f64 / 1e6;
        let widened = Window {
            from: Timestamp::from_micros(from),
            to: Timestamp::from_micros(to),
        };
        (widened, (seconds > 0.0).then_some(seconds))
    }
}

fn fill(values: &mut Values, series: &Series, window: Window) {
    let (from, to) = (window.from.as_micros(), window.to.as_micros());
    series.range(from, to).for_each(|slot| values.add(slot));
    let after: f64 = series.range(to, i64::MAX).map(|slot| slot.increase).sum();
    values.total += series.total - after;
}

fn is_matched(series: &Series, name: &str, labels: &[(&str, &str)]) -> bool {
    let has = |(name, value): &(&str, &str)| {
        let mut held = series.labels.iter();
        held.any(|(held, held_value)| held == name && held_value == value)
    };
    series.name == name && labels.iter().all(has)
}
