//! The limits of the control groups around this process, in both versions of Linux' interface.
//!
//! Limits hold for all groups above, too: the one that leaves the least counts, with the usage of its own
//! group. In a container, the group's path may be that of the host while the tree shows only the container's
//! part; the levels that are not there are skipped.

use std::path::{Path, PathBuf};

/// The limits, and what they limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cgroup {
    /// The memory of the group that leaves the least; `None` without a limit.
    pub(crate) memory: Option<Memory>,
    /// The CPU of the group with the smallest quota; `None` without a quota.
    pub(crate) cpu: Option<Cpu>,
}

/// A group's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Used, without the page cache that can be dropped.
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

/// A group's CPU time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cpu {
    /// Total CPU time used so far, in microseconds.
    pub(crate) used_micros: u64,
    /// Number of cores that the quota is worth.
    pub(crate) cores: f64,
}

/// Reads the limits of this process from the tree at `root`, which is `/` except in tests.
pub(crate) fn read(root: &Path) -> Cgroup {
    let groups = text(&root.join("proc/self/cgroup")).unwrap_or_default();
    let mount = root.join("sys/fs/cgroup");
    let mut cgroup = Cgroup::default();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let has = |name| controllers.split(',').any(|controller| controller == name);
        if controllers.is_empty() {
            cgroup.add(levels(&mount, path), memory_v2, cpu_v2);
        }
        if has("memory") {
            cgroup.add(levels(&mount.join("memory"), path), memory_v1, |_| None);
        }
        // The controllers of CPU are usually mounted together, under both names.
        if has("cpu") {
            cgroup.add(levels(&mount.join("cpu"), path), |_| None, cpu_v1);
        }
    }
    cgroup
}

impl Cgroup {
    /// Adds the limits of the groups.
    fn add(
        &mut self,
        levels: impl Iterator<Item = PathBuf>,
        memory: impl Fn(&Path) -> Option<Memory>,
        cpu: impl Fn(&Path) -> Option<Cpu>,
    ) {
        let rest = |memory: &Memory| memory.limit.saturating_sub(memory.used);
        for level in levels {
            self.memory = self
                .memory
                .into_iter()
                .chain(memory(&level))
                .min_by_key(rest);
            let quotas = self.cpu.into_iter().chain(cpu(&level));
            self.cpu = quotas.min_by(|a, b| a.cores.total_cmp(&b.cores));
        }
    }
}

/// The directory of a group and those of the groups above it.
fn levels(mount: &Path, path: &str) -> impl Iterator<Item = PathBuf> {
    // A group outside of the part that the process sees has a path with `..`.
    let path = if path.split('/').any(|part| part == "..") {
        ""
    } else {
        path.trim_matches('/')
    };
    Path::new(path).ancestors().map(|level| mount.join(level))
}

fn memory_v2(group: &Path) -> Option<Memory> {
    let limit = number(&text(&group.join("memory.max"))?)?;
    let used = number(&text(&group.join("memory.current"))?)?;
    Some(without_cache(group, "inactive_file", used, limit))
}

fn memory_v1(group: &Path) -> Option<Memory> {
    let limit = number(&text(&group.join("memory.limit_in_bytes"))?)?;
    let used = number(&text(&group.join("memory.usage_in_bytes"))?)?;
    Some(without_cache(group, "total_inactive_file", used, limit))
}

fn without_cache(group: &Path, name: &str, used: u64, limit: u64) -> Memory {
    let stat = text(&group.join("memory.stat")).unwrap_or_default();
    let cache = entry(&stat, name).unwrap_or(0);
    let used = used.saturating_sub(cache);
    Memory { used, limit }
}

fn cpu_v2(group: &Path) -> Option<Cpu> {
    let quota = text(&group.join("cpu.max"))?;
    let (quota, period) = quota.trim().split_once(' ')?;
    let stat = text(&group.join("cpu.stat"))?;
    Some(Cpu {
        used_micros: entry(&stat, "usage_usec")?,
        cores: cores(number(quota)?, number(period)?)?,
    })
}

fn cpu_v1(group: &Path) -> Option<Cpu> {
    // -1: no quota.
    let quota = number(&text(&group.join("cpu.cfs_quota_us"))?)?;
    let period = number(&text(&group.join("cpu.cfs_period_us"))?)?;
    let nanos = number(&text(&group.join("cpuacct.usage"))?)?;
    Some(Cpu {
        used_micros: nanos / 1000,
        cores: cores(quota, period)?,
    })
}

fn cores(quota: u64, period: u64) -> Option<f64> {
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

fn text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The number after a name, in lines of both.
fn entry(stat: &str, name: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ').and_then(number);
    stat.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree with the given files.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        root
    }

    fn read_tree(files: &[(&str, &str)]) -> Cgroup {
        read(tree(files).path())
    }

    #[test]
    fn version_2_with_the_limit_of_a_group_above() {
        let cgroup = read_tree(&[
            ("proc/self/cgroup", "0::/shop.slice/scraper.service\n"),
            ("sys/fs/cgroup/shop.slice/memory.max", "1000000\n"),
            ("sys/fs/cgroup/shop.slice/memory.current", "900000\n"),
            (
                "sys/fs/cgroup/shop.slice/memory.stat",
                "anon 5\ninactive_file 100000\n",
            ),
            (
                "sys/fs/cgroup/shop.slice/scraper.service/memory.max",
                "max\n",
            ),
            (
                "sys/fs/cgroup/shop.slice/scraper.service/memory.current",
                "7\n",
            ),
            (
                "sys/fs/cgroup/shop.slice/scraper.service/cpu.max",
                "150000 100000\n",
            ),
            (
                "sys/fs/cgroup/shop.slice/scraper.service/cpu.stat",
                "usage_usec 123\nuser_usec 1\n",
            ),
            ("sys/fs/cgroup/shop.slice/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/shop.slice/cpu.stat", "usage_usec 456\n"),
        ]);
        let memory = Memory {
            used: 800_000,
            limit: 1_000_000,
        };
        let cpu = Cpu {
            used_micros: 123,
            cores: 1.5,
        };
        assert_eq!((cgroup.memory, cgroup.cpu), (Some(memory), Some(cpu)));
    }

    #[test]
    fn the_group_that_leaves_the_least_counts() {
        let cgroup = read_tree(&[
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/memory.max", "1000\n"),
            ("sys/fs/cgroup/a/memory.current", "990\n"),
            ("sys/fs/cgroup/a/b/memory.max", "500\n"),
            ("sys/fs/cgroup/a/b/memory.current", "100\n"),
        ]);
        let memory = cgroup.memory.unwrap();
        assert_eq!((memory.used, memory.limit), (990, 1000));
    }

    #[test]
    fn version_1_in_a_container_whose_path_is_that_of_the_host() {
        let cgroup = read_tree(&[
            (
                "proc/self/cgroup",
                "5:cpu,cpuacct:/docker/0a1b\n4:memory:/docker/0a1b\n1:name=systemd:/docker/0a1b\n",
            ),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "300\n"),
            (
                "sys/fs/cgroup/memory/memory.stat",
                "inactive_file 1\ntotal_inactive_file 100\n",
            ),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/cpuacct.usage", "7000000\n"),
        ]);
        let memory = Memory {
            used: 200,
            limit: 536_870_912,
        };
        let cpu = Cpu {
            used_micros: 7_000,
            cores: 0.5,
        };
        assert_eq!((cgroup.memory, cgroup.cpu), (Some(memory), Some(cpu)));
    }

    #[test]
    fn no_limit_no_group_and_odd_files_are_no_limits() {
        let none = Cgroup::default();
        assert_eq!(read_tree(&[]), none);
        assert_eq!(
            read_tree(&[("proc/self/cgroup", "odd\n0::/../x\n:\n")]),
            none
        );
        let unlimited = read_tree(&[
            ("proc/self/cgroup", "4:memory:/\n3:cpu:/\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "odd"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/cpuacct.usage", "7000000\n"),
            ("sys/fs/cgroup/memory.max", "max\n"),
            ("sys/fs/cgroup/memory.current", "5\n"),
            ("sys/fs/cgroup/cpu.max", "max 100000\n"),
        ]);
        assert_eq!(unlimited, none);
    }
}
