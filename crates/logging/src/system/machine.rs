//! Reads this machine's counters, by `sysinfo` and from the control groups.

use std::path::Path;
use std::time::Instant;

use sysinfo::{Disk, DiskRefreshKind, Disks, MemoryRefreshKind, Networks, System};

use super::{HostUsage, Probe, Reading, cgroup};

/// This machine. One instance is kept: CPU usage is the difference between two readings.
#[derive(Debug)]
pub(crate) struct Machine {
    system: System,
    networks: Networks,
    /// The disk with the log files, if known.
    disk: Option<Disk>,
    started: Instant,
    is_first: bool,
}

impl Machine {
    /// The machine, and the disk with the directory.
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            system: System::new(),
            networks: Networks::new(),
            disk: disk_of(dir),
            started: Instant::now(),
            is_first: true,
        }
    }
}

impl Probe for Machine {
    fn read(&mut self) -> Reading {
        self.system.refresh_cpu_usage();
        self.system
            .refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        self.networks.refresh(true);
        #[cfg(not(unix))]
        if let Some(disk) = &mut self.disk {
            disk.refresh_specifics(DiskRefreshKind::nothing().with_storage());
        }
        let has_earlier = !std::mem::take(&mut self.is_first);
        let disk = self.disk.as_ref();
        Reading {
            at: self.started.elapsed(),
            host: HostUsage {
                cpu_percent: has_earlier.then(|| f64::from(self.system.global_cpu_usage())),
                cores: self.system.cpus().len(),
                memory_total: self.system.total_memory(),
                memory_available: self.system.available_memory(),
                disk: disk.and_then(space_of),
                network: total(&self.networks),
            },
            cgroup: cgroup::read(Path::new("/")),
        }
    }
}

/// Used and available bytes of a file system.
#[cfg(unix)]
fn space_of(disk: &Disk) -> Option<(u64, u64)> {
    // `sysinfo` does not tell what is reserved for root.
    let space = rustix::fs::statvfs(disk.mount_point()).ok()?;
    let used = space.f_blocks.saturating_sub(space.f_bfree);
    let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
    Some((bytes(used), bytes(space.f_bavail)))
}

#[cfg(not(unix))]
fn space_of(disk: &Disk) -> Option<(u64, u64)> {
    let available = disk.available_space();
    Some((disk.total_space().saturating_sub(available), available))
}

/// Bytes sent and received by the interfaces that count; `None` without such an interface.
fn total(networks: &Networks) -> Option<(u64, u64)> {
    let counted = networks.iter().filter(|(name, _)| is_counted(name));
    let bytes = counted.map(|(_, data)| (data.total_transmitted(), data.total_received()));
    bytes.reduce(|sum, more| (sum.0.saturating_add(more.0), sum.1.saturating_add(more.1)))
}

/// Whether the traffic of an interface leaves the machine. That of bridges and of the ends of virtual cables
/// is counted once more by the interface behind them.
fn is_counted(name: &str) -> bool {
    let virtual_ones = [
        "lo", "docker", "br-", "veth", "virbr", "cni", "flannel", "cali",
    ];
    // macOS has `lo0`; `lo…` is nothing else anywhere.
    !virtual_ones.iter().any(|prefix| name.starts_with(prefix))
}

/// The disk with the directory, or with its closest ancestor that exists; `None` when it is not one of those
/// that `sysinfo` lists. It leaves out network file systems, which can block for ever.
fn disk_of(dir: &Path) -> Option<Disk> {
    let dir = dir.ancestors().find_map(|dir| dir.canonicalize().ok())?;
    let disks = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing());
    let holds = |disk: &Disk| dir.starts_with(disk.mount_point());
    let disk = Vec::from(disks)
        .into_iter()
        .filter(holds)
        .max_by_key(|disk| disk.mount_point().as_os_str().len())?;
    is_same_device(&dir, disk.mount_point()).then_some(disk)
}

/// Whether no other file system is mounted between the two.
#[cfg(unix)]
fn is_same_device(dir: &Path, mount_point: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| std::fs::metadata(path).map(|data| data.dev()).ok();
    device(dir) == device(mount_point)
}

#[cfg(not(unix))]
fn is_same_device(_dir: &Path, _mount_point: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traffic_of_virtual_interfaces_is_not_counted_twice() {
        for name in ["eth0", "enp3s0", "wlan0", "en0", "wg0", "bond0"] {
            assert!(is_counted(name), "{name}");
        }
        for name in ["lo", "lo0", "docker0", "br-1a2b3c", "veth12ab", "cali12"] {
            assert!(!is_counted(name), "{name}");
        }
    }

    #[test]
    fn this_machine_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut machine = Machine::new(&dir.path().join("not/yet"));
        let first = machine.read();
        assert_eq!(
            first.host.cpu_percent, None,
            "there is nothing to compare with"
        );
        assert!(first.host.memory_total > 0 && first.host.cores > 0);
        let second = machine.read();
        assert!((0.0..=100.0).contains(&second.host.cpu_percent.unwrap()));
        assert!(second.at >= first.at);
    }
}
