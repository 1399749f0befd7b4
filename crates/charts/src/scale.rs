//! Maps values to positions: the domain of an axis, its ticks, and a linear scale.

/// Larger values are clamped to this, so that differences cannot overflow.
const HUGE: f64 = 1e300;

/// Clamps a value so that arithmetic cannot overflow; `None` (a gap) if it is not finite.
pub(crate) fn clean(value: Option<f64>) -> Option<f64> {
    value
        .filter(|value| value.is_finite())
        .map(|value| value.clamp(-HUGE, HUGE))
}

/// The range of a value axis, extended to round numbers, and the step between its ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Domain {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) step: f64,
    /// Whether equal factors have equal lengths; then all values of the axis are positive.
    pub(crate) is_log: bool,
}

/// Maximum number of ticks of a logarithmic axis.
const MOST_LOG_TICKS: usize = 7;

impl Domain {
    /// The domain of clean values with about `count` ticks. Integer values get integer ticks.
    pub(crate) fn of(values: impl Iterator<Item = f64>, from_zero: bool, count: f64) -> Self {
        let (mut low, mut high, mut whole) = (f64::INFINITY, f64::NEG_INFINITY, true);
        for value in values {
            (low, high) = (low.min(value), high.max(value));
            whole &= value.fract() == 0.0;
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if from_zero {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        let size = low.abs().max(high.abs());
        if high - low <= size * 1e-9 || size < 1e-290 {
            // A constant line is in the middle of the axis; a line of zeros at the bottom.
            let pad = if size < 1e-290 { 1.0 } else { size * 0.1 };
            high += pad;
            low -= if size < 1e-290 { 0.0 } else { pad };
        }
        let least = if whole { 1.0 } else { 0.0 };
        let step = round_step((high - low) / count.max(1.0)).max(least);
        Self {
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            step,
            is_log: false,
        }
    }

    /// The logarithmic domain of clean values; `None` if none of them is positive.
    pub(crate) fn log(values: impl Iterator<Item = f64>) -> Option<Self> {
        let positive = values.filter(|value| *value > 1e-290);
        let (low, high) = positive.fold((f64::INFINITY, 0.0), |(low, high), value| {
            (value.min(low), value.max(high))
        });
        (low <= high).then(|| {
            let low = round_down(low);
            Self {
                low,
                // At least one step above, so that a constant line has an axis.
                high: round_step(high).max(round_step(low * 1.5)),
                step: 0.0,
                is_log: true,
            }
        })
    }

    /// 1, 2 and 5 times each power of ten within the domain; of many, only the powers.
    fn log_ticks(&self) -> Vec<f64> {
        let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let within = |tick: &f64| (self.low * 0.999..=self.high * 1.001).contains(tick);
        let ticks = |steps: &'static [f64], every: usize| -> Vec<f64> {
            let powers = powers.clone().map(|power| 10_f64.powi(power));
            let all = powers.flat_map(|power| steps.iter().map(move |step| step * power));
            all.filter(within).step_by(every).collect()
        };
        let fine = ticks(&[1.0, 2.0, 5.0], 1);
        if fine.len() <= MOST_LOG_TICKS {
            return fine;
        }
        let coarse = ticks(&[1.0], 1).len();
        ticks(&[1.0], coarse.div_ceil(MOST_LOG_TICKS).max(1))
    }

    /// The ticks in ascending order.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            return self.log_ticks();
        }
        let count = ((self.high - self.low) / self.step)
            .round()
            .clamp(0.0, 50.0) as u32;
        (0..=count)
            .map(|i| self.low + f64::from(i) * self.step)
            .collect()
    }

    /// The largest absolute value of the axis, which determines its unit.
    pub(crate) fn top(&self) -> f64 {
        self.low.abs().max(self.high.abs())
    }

    /// Maps a value from the domain to a position between `start` and `end`.
    pub(crate) fn place(&self, value: f64, start: f64, end: f64) -> f64 {
        let share = if self.is_log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        start + share.clamp(0.0, 1.0) * (end - start)
    }
}

/// The largest 1, 2 or 5 times a power of ten that is at most the value.
fn round_down(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [5.0, 2.0, 1.0].map(|n| n * power);
    let fitting = steps.into_iter().find(|step| *step <= value * 1.000_001);
    fitting.unwrap_or(power)
}

/// The next 1, 2 or 5 times a power of ten.
fn round_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|n| n * power);
    steps
        .into_iter()
        .find(|step| *step >= raw * 0.999_999)
        .unwrap_or(10.0 * power)
}

/// Moves labels apart: each as close to its wanted position as `gap` allows, all between `top` and `bottom`.
pub(crate) fn spread(wishes: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by(|a, b| wishes[*a].total_cmp(&wishes[*b]));
    let gap = gap.min((bottom - top) / wishes.len().max(2) as f64);
    let mut places = wishes.to_vec();
    let mut least = top;
    for &i in &order {
        places[i] = places[i].max(least);
        least = places[i] + gap;
    }
    let mut most = bottom;
    for &i in order.iter().rev() {
        places[i] = places[i].min(most);
        most = places[i] - gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(values: &[f64], from_zero: bool) -> Vec<f64> {
        Domain::of(values.iter().copied(), from_zero, 4.0).ticks()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(&[612.0, 1010.0], true), [0.0, 500.0, 1000.0, 1500.0]);
        assert_eq!(
            ticks(&[612.0, 1010.0], false),
            [600.0, 700.0, 800.0, 900.0, 1000.0, 1100.0]
        );
        assert_eq!(ticks(&[0.0, 2.0], true), [0.0, 1.0, 2.0]);
        assert_eq!(ticks(&[0.0, 0.0], true), [0.0, 1.0]);
        assert_eq!(ticks(&[], false), [0.0, 1.0]);
    }

    #[test]
    fn a_logarithmic_axis_has_round_ticks() {
        let ticks = |values: [f64; 2]| Domain::log(values.into_iter()).unwrap().ticks();
        assert_eq!(
            ticks([30.0, 900.0]),
            [20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]
        );
        assert_eq!(
            ticks([30.0, 90_000.0]),
            [100.0, 1000.0, 10_000.0, 100_000.0]
        );
        assert_eq!(ticks([3.0, 3.0]), [2.0, 5.0]);
        assert!(Domain::log([0.0, -1.0].into_iter()).is_none());
        let domain = Domain::log([10.0, 1000.0].into_iter()).unwrap();
        let places =
            [0.0, 10.0, 100.0, 1000.0].map(|value| domain.place(value, 0.0, 8.0).round() as i64);
        assert_eq!(places, [0, 0, 4, 8]);
        for values in [[5e-324, HUGE], [1e-280, 1e-279], [HUGE, HUGE]] {
            let domain = Domain::log(values.into_iter()).unwrap();
            assert!(domain.low < domain.high, "{values:?} {domain:?}");
            assert!(
                domain.ticks().iter().all(|tick| tick.is_finite()),
                "{values:?}"
            );
            assert!(domain.place(values[0], 0.0, 1.0).is_finite());
        }
    }

    #[test]
    fn extremes_have_a_domain() {
        for values in [
            [-HUGE, HUGE],
            [5e-324, 1e-310],
            [1e300, 1e300],
            [-1e-9, 1e-9],
            [1e15, 1e15],
        ] {
            let domain = Domain::of(values.into_iter(), false, 4.0);
            assert!(
                domain.low < domain.high && domain.step > 0.0,
                "{values:?} {domain:?}"
            );
            assert!(
                domain.ticks().iter().all(|tick| tick.is_finite()),
                "{values:?}"
            );
        }
    }

    #[test]
    fn labels_move_apart_and_stay_inside() {
        assert_eq!(
            spread(&[50.0, 52.0, 10.0], 15.0, 0.0, 60.0),
            [45.0, 60.0, 10.0]
        );
    }
}
