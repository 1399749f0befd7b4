//! A mergeable summary of many values.
//!
//! The values are counted in the logarithmic bins of a DDSketch, with the mapping of the crate
//! `sketches-ddsketch`. The bins are stored sparsely: the crate's own store allocates 1 KiB for a single
//! value, and a series has hundreds of slots, most of them with a few values.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sketches_ddsketch::Config;

/// The relative error of quantiles.
pub const RELATIVE_ERROR: f64 = 0.01;

/// Maximum number of bins. If all of them are next to each other, they span four orders of magnitude; what
/// is below is counted in the lowest one.
pub const MAX_BINS: usize = 512;

/// Absolute values up to this count as 0.
const LEAST: f64 = 1e-9;

static MAPPING: LazyLock<Config> =
    LazyLock::new(|| Config::new(RELATIVE_ERROR, MAX_BINS as u32, LEAST));

/// A mergeable summary of values: count, sum, least and greatest value, and quantiles with a relative error
/// of at most [`RELATIVE_ERROR`].
///
/// Merging is associative and commutative (apart from the rounding of the sum), so that slots of time can be
/// joined in any order. The size is bounded by [`MAX_BINS`], at 16 bytes each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    /// Index and count, ascending by index. The order of the indices is that of the values.
    bins: Vec<(i32, u64)>,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Default for Sketch {
    fn default() -> Self {
        Self {
            bins: Vec::new(),
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

/// The bin of a value: 0 for 0, positive for positive values, negative for negative ones.
fn index_of(value: f64) -> i32 {
    let size = value.abs();
    if size <= LEAST {
        return 0;
    }
    // Above the lowest possible key, so that the index is at least 1.
    let index = MAPPING.key(size) + MAPPING.offset + 1;
    if value < 0.0 { -index } else { index }
}

/// The value that represents a bin.
fn value_of(index: i32) -> f64 {
    match index {
        0 => 0.0,
        1.. => MAPPING.value(index - MAPPING.offset - 1),
        _ => -MAPPING.value(-index - MAPPING.offset - 1),
    }
}

impl Sketch {
    /// Adds a finite value. NaN and infinities are ignored.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let index = index_of(value);
        match self.bins.binary_search_by_key(&index, |bin| bin.0) {
            Ok(at) => self.bins[at].1 += 1,
            Err(at) => {
                self.bins.insert(at, (index, 1));
                self.collapse();
            }
        }
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds all values of another sketch.
    pub fn merge(&mut self, other: &Self) {
        let mut merged = Vec::with_capacity(self.bins.len() + other.bins.len());
        let (mut ours, mut theirs) = (self.bins.as_slice(), other.bins.as_slice());
        while let ([(our, more), after @ ..], [(their, plus), next @ ..]) = (ours, theirs) {
            match our.cmp(their) {
                std::cmp::Ordering::Less => {
                    merged.push((*our, *more));
                    ours = after;
                }
                std::cmp::Ordering::Greater => {
                    merged.push((*their, *plus));
                    theirs = next;
                }
                std::cmp::Ordering::Equal => {
                    merged.push((*our, more + plus));
                    (ours, theirs) = (after, next);
                }
            }
        }
        merged.extend_from_slice(ours);
        merged.extend_from_slice(theirs);
        merged.shrink_to_fit();
        self.bins = merged;
        self.collapse();
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Joins the lowest bins until there are at most [`MAX_BINS`]. A bin that survives in the whole survives
    /// in every part, so that the result does not depend on the order of merging.
    fn collapse(&mut self) {
        let surplus = self.bins.len().saturating_sub(MAX_BINS);
        let lower: u64 = self.bins.drain(..surplus).map(|(_, count)| count).sum();
        if let Some(lowest) = self.bins.first_mut() {
            lowest.1 += lower;
        }
    }

    /// The value at rank ⌊q · (count − 1)⌋, within the relative error; `None` without values. `q` is clamped to 0 to 1.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = (q.clamp(0.0, 1.0) * (self.count.checked_sub(1)? as f64)) as u64;
        let mut seen = 0;
        let bin = self.bins.iter().find(|(_, count)| {
            seen += count;
            seen > rank
        });
        // Rounding of large counts may put the rank past the last bin.
        let value = bin.map_or(self.max, |(index, _)| value_of(*index));
        Some(value.clamp(self.min, self.max))
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Sum of the values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The least value; `None` without values.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest value; `None` without values.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// The arithmetic mean; `None` without values.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The memory that the bins use, in bytes.
    pub(crate) fn bin_bytes(&self) -> usize {
        self.bins.capacity() * size_of::<(i32, u64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch_of(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.add(*value));
        sketch
    }

    fn merged(a: &Sketch, b: &Sketch) -> Sketch {
        let mut both = a.clone();
        both.merge(b);
        both
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![
            -1e3..1e6_f64,
            Just(0.0),
            any::<f64>().prop_filter("finite", |v| v.is_finite() && v.abs() < 1e300),
        ];
        prop::collection::vec(value, 0..60)
    }

    /// Values in many different bins, so that the lowest are joined.
    fn wide() -> impl Strategy<Value = Vec<f64>> {
        let value = (-2_000..2_000_i32).prop_map(|power| 1.03_f64.powi(power));
        prop::collection::vec(value, 0..1200)
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_commutative(
            (a, b, c) in prop_oneof![
                (values(), values(), values()),
                (wide(), wide(), wide()),
            ],
        ) {
            let size: f64 = a.iter().chain(&b).chain(&c).map(|value| value.abs()).sum();
            let [a, b, c] = [&a, &b, &c].map(|values| sketch_of(values));
            let left = merged(&merged(&a, &b), &c);
            let right = merged(&a, &merged(&c, &b));
            prop_assert_eq!(&left.bins, &right.bins);
            prop_assert_eq!((left.count, left.min, left.max), (right.count, right.min, right.max));
            prop_assert!((left.sum - right.sum).abs() <= size * 1e-9);
            prop_assert!(left.bins.len() <= MAX_BINS);
        }

        #[test]
        fn quantiles_are_within_the_error(mut values in prop::collection::vec(-1e6..1e6_f64, 1..200), q in 0.0..=1.0_f64) {
            let sketch = sketch_of(&values);
            values.sort_by(f64::total_cmp);
            let exact = values[(q * (values.len() - 1) as f64) as usize];
            let found = sketch.quantile(q).unwrap();
            prop_assert!((found - exact).abs() <= exact.abs() * RELATIVE_ERROR * 1.000_001 + LEAST, "{found} {exact}");
        }

        /// The library's dense sketch gives the same answers.
        #[test]
        fn the_library_agrees(values in prop::collection::vec(1e-6..1e6_f64, 1..200), q in 0.01..0.99_f64) {
            let mut peer = sketches_ddsketch::DDSketch::new(Config::new(RELATIVE_ERROR, 4096, LEAST));
            values.iter().for_each(|value| peer.add(*value));
            let theirs = peer.quantile(q).unwrap().unwrap();
            let ours = sketch_of(&values).quantile(q).unwrap();
            // Ours does not leave the range of the values.
            let theirs = theirs.clamp(peer.min().unwrap(), peer.max().unwrap());
            prop_assert!((ours - theirs).abs() <= theirs * 1e-12, "{ours} {theirs}");
        }
    }

    #[test]
    fn an_empty_sketch_has_no_values() {
        let empty = Sketch::default();
        assert_eq!(empty.quantile(0.5), None);
        assert_eq!((empty.min(), empty.max(), empty.mean()), (None, None, None));
        assert_eq!(sketch_of(&[f64::NAN, f64::INFINITY]), empty);
    }
}
