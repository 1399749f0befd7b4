//! Free space and inodes.

use std::path::Path;

use crate::field::Field;
use crate::measurement::{Failure, FailureKind, Measurement, Probed};

/// Measures the file system of a path.
#[cfg(unix)]
pub(crate) fn measure(path: &Path) -> Probed {
    let statistics = rustix::fs::statvfs(path).map_err(|error| {
        let error = std::io::Error::from(error);
        let message = format!("cannot read the file system of {}: {error}", path.display());
        Failure::new(FailureKind::File, message)
    })?;
    let used = statistics.f_blocks.saturating_sub(statistics.f_bfree);
    let free = statistics.f_bavail;
    let mut measurement = Measurement::default();
    // As `df` counts: blocks that are reserved for root are neither used nor free.
    if let Some(percent) = percent_of(free, used.saturating_add(free)) {
        measurement = measurement.with(Field::FreePercent, percent);
        let bytes = free as f64 * statistics.f_frsize as f64;
        measurement = measurement.with(Field::FreeBytes, bytes);
    }
    // Some file systems make inodes as they need them, and report none: they cannot run out.
    let inodes = percent_of(statistics.f_favail, statistics.f_files).unwrap_or(100.0);
    Ok(measurement.with(Field::FreeInodesPercent, inodes))
}

/// Measures the file system of a path.
#[cfg(not(unix))]
pub(crate) fn measure(path: &Path) -> Probed {
    let message = format!(
        "the free space of {} cannot be read on this system",
        path.display()
    );
    Err(Failure::new(FailureKind::File, message))
}

#[cfg(unix)]
fn percent_of(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_measured_and_a_missing_path_is_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let measurement = measure(dir.path()).unwrap();
        for field in [Field::FreePercent, Field::FreeInodesPercent] {
            let percent = measurement.get(field).unwrap();
            assert!((0.0..=100.0).contains(&percent), "{percent}");
        }
        assert!(measurement.get(Field::FreeBytes).unwrap() >= 0.0);
        let failure = measure(&dir.path().join("gone")).unwrap_err();
        assert_eq!(failure.kind, FailureKind::File);
    }
}
