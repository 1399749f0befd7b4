//! Finds entries whose lines are already counted elsewhere.
//!
//! A truncated, joined or split log starts differently from the log in the history but contains its lines. Samples
//! of the lines reveal this.

use std::collections::HashMap;

use dragline_ingest::SAMPLED_LINES;

/// Minimum number of common lines; fewer may be a coincidence.
const LEAST: usize = 3;
/// Minimum share of common lines; less may be a coincidence.
const CHANCE: f64 = 0.05;

/// The explanation for an entry of which only `kept` of `events` are counted because a share of its lines is already
/// counted elsewhere.
pub(super) fn sentence(events: u64, kept: u64, share: f64) -> String {
    let percent = (share * 100.0).round();
    format!(
        "about {percent} % of its lines also stand in other logs; {kept} of its {events} events are counted: those of \
         runs that are in no other log and, if less than half of its lines are duplicates, those without a run"
    )
}

/// Lines that are already counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// The texts that contain a line.
    lines: HashMap<u64, Vec<usize>>,
    /// For each text, the largest hash that its sample covers.
    known_up_to: Vec<u64>,
}

impl Counted {
    /// Adds a sample of counted lines.
    pub(super) fn add(&mut self, sample: &[u64]) {
        let place = self.known_up_to.len();
        let last = sample.last().copied().unwrap_or(u64::MAX);
        let is_all = sample.len() < SAMPLED_LINES;
        self.known_up_to.push(if is_all { u64::MAX } else { last });
        for line in sample {
            self.lines.entry(*line).or_default().push(place);
        }
    }

    /// The share of a text's lines that is already counted, from 0 to 1; 0 if it may be a coincidence.
    pub(super) fn share(&self, sample: &[u64]) -> f64 {
        let places = |line: &u64| self.lines.get(line).into_iter().flatten();
        let known_up_to = sample
            .iter()
            .flat_map(places)
            .map(|place| self.known_up_to[*place])
            .min();
        let Some(known_up_to) = known_up_to else {
            return 0.0;
        };
        let told: Vec<&u64> = sample.iter().filter(|line| **line <= known_up_to).collect();
        let common = told
            .iter()
            .filter(|line| self.lines.contains_key(line))
            .count();
        let share = common as f64 / told.len().max(1) as f64;
        if common < LEAST || share < CHANCE {
            return 0.0;
        }
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample of lines with these hashes.
    fn sample(lines: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut all: Vec<u64> = lines
            .map(|line| line.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .collect();
        all.sort_unstable();
        all.truncate(SAMPLED_LINES);
        all
    }

    #[test]
    fn what_was_joined_split_or_trimmed_is_known() {
        let mut counted = Counted::default();
        // Two logs in one; one in two; one without its head.
        counted.add(&sample(0..2000));
        counted.add(&sample(5000..5500));
        counted.add(&sample(5500..6000));
        counted.add(&sample(8100..8900));
        assert!(counted.share(&sample(0..1000)) > 0.95);
        assert!(counted.share(&sample(1000..2000)) > 0.95);
        assert!(counted.share(&sample(5000..6000)) > 0.95);
        let trimmed = counted.share(&sample(8000..8500));
        assert!((0.6..0.95).contains(&trimmed), "{trimmed}");
        assert!(counted.share(&sample(20_000..21_000)) == 0.0);
        assert!(counted.share(&[]) == 0.0);
    }
}
