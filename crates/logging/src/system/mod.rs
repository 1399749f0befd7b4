//! Samples of the machine's resource usage, with the feature `system`.
//!
//! A [`Probe`] reads the counters of the machine and of the control groups around the process. [`sample()`] is
//! the pure part: it turns two readings into the values of an event. The [`Sampler`] is a thread that does
//! both at an interval.

mod cgroup;
mod machine;
mod sample;
mod sampler;

pub(crate) use machine::Machine;
pub(crate) use sampler::Sampler;

use self::cgroup::Cgroup;
use self::sample::{HostUsage, Reading, sample};

/// Reads the counters of a machine.
pub(crate) trait Probe {
    /// The counters now.
    fn read(&mut self) -> Reading;
}
