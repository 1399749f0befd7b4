//! The distributions that chance follows here.

use std::f64::consts::TAU;

use fastrand::Rng;

/// A generator of its own for each thing, so that what befalls one run changes no other.
pub(crate) fn seeded(seed: u64, stream: u64) -> Rng {
    // SplitMix64's finaliser: neighbouring seeds and streams share nothing.
    let mut mixed = seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Rng::with_seed(mixed ^ (mixed >> 31))
}

/// What is drawn from a generator beside whole numbers.
pub(crate) trait Dice {
    /// Evenly between two numbers.
    fn between(&mut self, low: f64, high: f64) -> f64;
    /// Evenly between two numbers on a logarithmic scale.
    fn log_between(&mut self, low: f64, high: f64) -> f64;
    /// Log-normal around 1.
    fn noise(&mut self, sigma: f64) -> f64;
    /// Whether something of this probability happens.
    fn chance(&mut self, probability: f64) -> bool;
}

impl Dice for Rng {
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.f64()
    }

    fn log_between(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.f64())
    }

    fn noise(&mut self, sigma: f64) -> f64 {
        // Box and Muller; 1 - u is never zero.
        let radius = (-2.0 * (1.0 - self.f64()).ln()).sqrt();
        (sigma * radius * (TAU * self.f64()).cos()).exp()
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.f64() < probability
    }
}
