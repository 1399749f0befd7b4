//! Chance: seeds, and what is drawn from a generator beside whole numbers.

use fastrand::Rng;

/// A generator of its own for each thing, so that what is drawn for one changes no other.
pub(crate) fn seeded(seed: u64, stream: u64) -> Rng {
    Rng::with_seed(mixed(seed, stream))
}

/// The seed of a run. The first run's is the attack's own: so every run can be made the first of
/// another attack, which is how it is repeated by itself.
pub(crate) fn of_run(seed: u64, run: u64) -> u64 {
    if run == 0 { seed } else { mixed(seed, run) }
}

/// `SplitMix64`'s finaliser: neighbouring seeds and streams share nothing.
fn mixed(seed: u64, stream: u64) -> u64 {
    let mut mixed = seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What is drawn.
pub(crate) trait Dice {
    /// Whether something of this probability happens.
    fn chance(&mut self, probability: f64) -> bool;
    /// One of several, of which there is one at least.
    fn pick<T: Copy>(&mut self, of: &[T]) -> T;
    /// One of several, each as often as its weight says.
    fn weighted<T: Copy>(&mut self, of: &[(u32, T)]) -> T;
    /// Usually one of the first, now and then one of the second.
    fn usual<T: Copy>(&mut self, usual: &[T], odd: &[T]) -> T;
    /// So many random bytes.
    fn junk(&mut self, length: usize) -> Vec<u8>;
    /// Hexadecimal digits.
    fn hex(&mut self, digits: usize) -> String;
}

impl Dice for Rng {
    fn chance(&mut self, probability: f64) -> bool {
        self.f64() < probability
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.usize(..of.len())]
    }

    fn weighted<T: Copy>(&mut self, of: &[(u32, T)]) -> T {
        let total: u32 = of.iter().map(|(weight, _)| weight).sum();
        let mut left = self.u32(..total);
        for (weight, thing) in of {
            if left < *weight {
                return *thing;
            }
            left -= weight;
        }
        of[0].1
    }

    fn usual<T: Copy>(&mut self, usual: &[T], odd: &[T]) -> T {
        let is_odd = self.chance(0.2);
        self.pick(if is_odd { odd } else { usual })
    }

    fn junk(&mut self, length: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.u8(..))
            .take(length)
            .collect()
    }

    fn hex(&mut self, digits: usize) -> String {
        std::iter::repeat_with(|| self.digit(16))
            .take(digits)
            .collect()
    }
}
