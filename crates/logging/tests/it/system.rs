//! Samples of this machine, as they are in the files.

use std::time::Instant;

use super::*;
use crate::faults::child_command;

/// Waits for a sample.
fn wait_for(guard: &Guard, lines: u64) {
    let started = Instant::now();
    while guard.status().written_lines < lines {
        assert!(started.elapsed() < Duration::from_mins(1));
        guard.flush().unwrap();
    }
}

fn samples(dir: &Path) -> Vec<Value> {
    let is_sample = |line: &Value| line["event_type"] == "system_sample";
    objects(dir).into_iter().filter(is_sample).collect()
}

#[test]
fn samples_of_this_machine_are_recorded() {
    let dir = record(
        |config| config.system_sample("1s"),
        |guard| wait_for(guard, 1),
    );
    let samples = samples(dir.path());
    let sample = &samples[0];
    let number = |key: &str| {
        sample[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key}: {sample}"))
    };
    for key in ["cpu_percent", "memory_percent"] {
        assert!((0.0..=100.0).contains(&number(key)), "{sample}");
    }
    assert!(number("memory_used_bytes") > 0.0 && number("memory_available_bytes") > 0.0);
    assert!(sample["host"].is_string(), "{sample}");
    assert_eq!(
        (&sample["level"], &sample["target"]),
        (&"INFO".into(), &"dragline".into())
    );
    // In the order of the table.
    let keys: Vec<&str> = sample
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let table = dragline_schema::wire::HEAD.iter();
    let table = table.chain(dragline_schema::EventType::SystemSample.fields());
    let table: Vec<&str> = table.copied().filter(|key| keys.contains(key)).collect();
    assert_eq!(keys, table);
}

#[allow(unsafe_code, reason = "there is no other way to fork")]
pub(crate) fn forks(dir: &Path) {
    let config = Config::new(dir)
        .name("shop")
        .writer_id("w1")
        .system_sample("1s");
    let (layer, guard) = layer(&config).unwrap();
    tracing_subscriber::registry().with(layer).init();
    // SAFETY: the child only logs, as any program may, and ends by `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            tracing::info!("in the child");
            wait_for(&guard, 2);
            drop(guard);
            unsafe { libc::_exit(0) };
        }
        child => {
            let mut status = 0;
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0, "the child could not write");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_forked_process_samples_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let output = child_command("system-fork", dir.path()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let of_child = |line: &Value| line["writer_id"].as_str().unwrap().starts_with("w1-");
    assert!(samples(dir.path()).iter().any(of_child));
}
