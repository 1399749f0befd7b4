//! Which entries have lines that count already.
//!
//! A log whose head is cut off, two logs that are joined, one that is split: none of them begins as the log
//! that the history knows, and all of them have its lines. The samples of their lines tell.

use std::collections::HashMap;

use dragline_ingest::SAMPLED_LINES;

/// An entry with so few lines in common, or so small a part of them, shares them by chance.
const LEAST: usize = 3;
const CHANCE: f64 = 0.05;

/// What is said of an entry of so many events of which so many count, when such a share of its lines counts
/// already.
pub(super) fn sentence(events: u64, kept: u64, share: f64) -> String {
    let percent = (share * 100.0).round();
    format!(
        "about {percent} % of its lines stand in other logs, too; of its {events} events {kept} count: those of \
         runs that no other log has, and those that name no run where less than half of its lines stand there"
    )
}

/// Lines that count already.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// The texts in which a line stands.
    lines: HashMap<u64, Vec<usize>>,
    /// Of each text the largest hash that its sample tells of.
    known_up_to: Vec<u64>,
}

impl Counted {
    /// The lines of this sample count.
    pub(super) fn add(&mut self, sample: &[u64]) {
        let place = self.known_up_to.len();
        let last = sample.last().copied().unwrap_or(u64::MAX);
        let is_all = sample.len() < SAMPLED_LINES;
        self.known_up_to.push(if is_all { u64::MAX } else { last });
        for line in sample {
            self.lines.entry(*line).or_default().push(place);
        }
    }

    /// The part of a text's lines that counts already, from 0 to 1; 0 when that can be chance.
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

    /// What a sampler keeps of lines with these hashes.
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
