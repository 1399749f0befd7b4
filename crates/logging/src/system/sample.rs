//! What the values of a sample are, given two readings of the counters.

use std::time::Duration;

use dragline_schema::SystemSample;

use super::Cgroup;

/// The counters of a machine at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Time since any fixed moment, by a clock that never goes backwards.
    pub(crate) at: Duration,
    pub(crate) host: HostUsage,
    pub(crate) cgroup: Cgroup,
}

/// The usage of the whole machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct HostUsage {
    /// CPU usage since the previous reading, from 0 to 100.
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) cores: usize,
    /// Memory, in bytes; a total of 0 is unknown.
    pub(crate) memory_total: u64,
    pub(crate) memory_available: u64,
    /// Used and available bytes of the file system with the log files. What is reserved for root is neither.
    pub(crate) disk: Option<(u64, u64)>,
    /// Bytes sent and received since the machine started.
    pub(crate) network: Option<(u64, u64)>,
}

/// The values of a sample. CPU and memory are shares of what the process may use: a limit of a control group
/// counts where it is below what the machine has.
pub(crate) fn sample(reading: &Reading, earlier: &Reading) -> SystemSample<'static> {
    let host = &reading.host;
    let mut sample = SystemSample {
        cpu_percent: cpu_percent(reading, earlier),
        ..SystemSample::default()
    };
    if let Some((used, available, total)) = memory(reading) {
        sample.memory_percent = Some(percent(used, total));
        sample.memory_used_bytes = Some(used);
        sample.memory_available_bytes = Some(available);
    }
    if let Some((used, available)) = host.disk
        && used.saturating_add(available) > 0
    {
        // As `df` counts.
        sample.disk_percent = Some(percent(used, used.saturating_add(available)));
        sample.disk_used_bytes = Some(used);
        sample.disk_free_bytes = Some(available);
    }
    sample.network_sent_bytes = host.network.map(|(sent, _)| sent);
    sample.network_received_bytes = host.network.map(|(_, received)| received);
    sample
}

fn cpu_percent(reading: &Reading, earlier: &Reading) -> Option<f64> {
    let limited = |cpu: &super::cgroup::Cpu| cpu.cores < reading.host.cores as f64;
    let Some(cpu) = reading.cgroup.cpu.filter(limited) else {
        return reading.host.cpu_percent.map(round);
    };
    let used = cpu
        .used_micros
        .checked_sub(earlier.cgroup.cpu?.used_micros)?;
    let possible = reading.at.saturating_sub(earlier.at).as_micros() as f64 * cpu.cores;
    // A quota may be exceeded for a moment.
    (possible > 0.0).then(|| round((used as f64 / possible * 100.0).clamp(0.0, 100.0)))
}

/// Memory used and available, and the total.
fn memory(reading: &Reading) -> Option<(u64, u64, u64)> {
    let (total, available) = (reading.host.memory_total, reading.host.memory_available);
    if total == 0 {
        return None;
    }
    match reading.cgroup.memory.filter(|memory| memory.limit < total) {
        Some(memory) => {
            let rest = memory.limit.saturating_sub(memory.used);
            Some((memory.used, rest.min(available), memory.limit))
        }
        None => Some((total.saturating_sub(available), available, total)),
    }
}

fn percent(part: u64, total: u64) -> f64 {
    round(part as f64 / total as f64 * 100.0)
}

/// Rounds to hundredths: more digits are noise.
fn round(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::super::cgroup::{Cpu, Memory};
    use super::*;

    const GIB: u64 = 1 << 30;

    fn reading(seconds: u64) -> Reading {
        Reading {
            at: Duration::from_secs(seconds),
            host: HostUsage {
                cpu_percent: Some(12.345),
                cores: 8,
                memory_total: 16 * GIB,
                memory_available: 12 * GIB,
                disk: Some((75 * GIB, 25 * GIB)),
                network: Some((7, 9)),
            },
            cgroup: Cgroup::default(),
        }
    }

    #[test]
    fn without_limits_the_machine_counts() {
        let sample = sample(&reading(30), &reading(0));
        assert_eq!(sample.cpu_percent, Some(12.35));
        assert_eq!(sample.memory_percent, Some(25.0));
        assert_eq!(sample.memory_used_bytes, Some(4 * GIB));
        assert_eq!(sample.memory_available_bytes, Some(12 * GIB));
        assert_eq!(sample.disk_percent, Some(75.0));
        assert_eq!(sample.disk_used_bytes, Some(75 * GIB));
        assert_eq!(sample.disk_free_bytes, Some(25 * GIB));
        assert_eq!(sample.network_sent_bytes, Some(7));
        assert_eq!(sample.network_received_bytes, Some(9));
    }

    #[test]
    fn a_limit_below_the_machine_counts() {
        let with = |seconds, used_micros| {
            let mut reading = reading(seconds);
            reading.cgroup.cpu = Some(Cpu {
                used_micros,
                cores: 0.5,
            });
            reading.cgroup.memory = Some(Memory {
                used: GIB,
                limit: 2 * GIB,
            });
            reading
        };
        // 6 of 30 s on half a core.
        let limited = sample(&with(40, 106_000_000), &with(10, 100_000_000));
        assert_eq!(limited.cpu_percent, Some(40.0));
        assert_eq!(limited.memory_percent, Some(50.0));
        assert_eq!(limited.memory_used_bytes, Some(GIB));
        assert_eq!(limited.memory_available_bytes, Some(GIB));
        // More than the quota is all of it; a counter that went back says nothing.
        let more = sample(&with(40, 900_000_000), &with(10, 100_000_000));
        assert_eq!(more.cpu_percent, Some(100.0));
        let back = sample(&with(40, 50), &with(10, 100_000_000));
        assert_eq!(back.cpu_percent, None);
        // No time has passed.
        assert_eq!(sample(&with(10, 5), &with(10, 5)).cpu_percent, None);
    }

    #[test]
    fn a_limit_above_the_machine_is_none() {
        let mut limited = reading(30);
        limited.cgroup.cpu = Some(Cpu {
            used_micros: 5,
            cores: 8.0,
        });
        limited.cgroup.memory = Some(Memory {
            used: GIB,
            limit: 64 * GIB,
        });
        assert_eq!(
            sample(&limited, &reading(0)),
            sample(&reading(30), &reading(0))
        );
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let nothing = Reading::default();
        assert_eq!(sample(&nothing, &nothing), SystemSample::default());
    }
}
