//! What happens to lines for which there is no room.

use dragline_logging::{Compression, Patience};
use tracing::Level;

use super::*;

#[test]
fn quiet_levels_are_dropped_first_and_what_was_dropped_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let config = Config::new(&logs)
        .name("shop")
        .compression(Compression::None)
        .error_copy(false)
        .queue_bytes(8_000)
        .queue_patience(Patience::NONE);
    let (layer, guard) = layer(&config).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        // Nothing can be written: where the directory was is a file.
        std::fs::remove_dir(&logs).unwrap();
        std::fs::write(&logs, "in the way").unwrap();
        let mut infos = 0;
        while guard.status().dropped_lines == 0 {
            tracing::info!(infos, "quiet");
            // The first batch is in the hands of the thread, and out of the queue.
            let _ = guard.flush();
            infos += 1;
            assert!(infos < 1_000);
        }
        // There is an eighth left for these.
        tracing::error!("loud");
        tracing::debug!("quieter");
        let status = guard.status();
        assert_eq!(status.dropped_by_level, [0, 1, 1, 0, 0]);
        assert!(status.last_error.unwrap().contains("cannot create"));
        std::fs::remove_file(&logs).unwrap();
        guard.flush().unwrap();
        tracing::info!("after");
    });
    drop(guard);
    let objects = objects(&logs);
    let told: Vec<&Value> = objects
        .iter()
        .filter(|line| line["event_type"] == "log_dropped")
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["dropped"], 2);
    assert_eq!(
        told[0]["dropped_by_level"],
        serde_json::json!({"DEBUG": 1, "INFO": 1})
    );
    assert!(objects.iter().any(|line| line["message"] == "loud"));
    assert_eq!(objects.last().unwrap()["message"], "after");
    for (seq, line) in objects.iter().enumerate() {
        assert_eq!(line["seq"], seq, "what is dropped gets no number");
    }
}

#[test]
fn patience_waits_for_room_and_gives_up_once_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let patience = Patience::NONE.with(Level::WARN, Duration::from_millis(30));
    let config = Config::new(&logs)
        .name("shop")
        .queue_bytes(2_000)
        .queue_patience(patience);
    let (layer, guard) = layer(&config).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        std::fs::remove_dir(&logs).unwrap();
        std::fs::write(&logs, "in the way").unwrap();
        let started = std::time::Instant::now();
        for n in 0..500 {
            tracing::warn!(n, "patient");
        }
        let status = guard.status();
        assert!(status.dropped_by_level[3] > 400, "{status:?}");
        // The first waited; the other hundreds did not.
        assert!(started.elapsed() >= Duration::from_millis(30));
        assert!(started.elapsed() < Duration::from_secs(5));
    });
    // The end does not wait for a disk that never comes back, and says what is lost.
    let recorder = guard.recorder();
    drop(guard);
    assert!(recorder.status().lost_lines > 0);
}

#[test]
fn a_queue_that_is_too_small_loses_nothing_when_everybody_waits() {
    let dir = record(
        |config| config.queue_bytes(300).queue_patience(Patience::FOREVER),
        |_| {
            std::thread::scope(|scope| {
                for worker in 0..3 {
                    let dispatch = tracing::dispatcher::get_default(Clone::clone);
                    scope.spawn(move || {
                        tracing::dispatcher::with_default(&dispatch, || {
                            (0..300).for_each(|n| tracing::info!(worker, n, "a line"));
                        });
                    });
                }
            });
        },
    );
    assert_eq!(lines(dir.path()).len(), 900);
}

#[test]
fn errors_have_a_copy_that_is_kept_longer() {
    let clock = clock("2026-03-01T12:00:00Z");
    let dir = record(
        |config| {
            config
                .clock(clock.clone())
                .retention(Retention::days(3))
                .error_retention(Retention::days(9))
        },
        |guard| {
            for day in 0..6 {
                tracing::info!(day, "fine");
                tracing::error!(day, "broken");
                clock.advance(Duration::from_hours(24));
                guard.flush().unwrap();
            }
        },
    );
    assert_eq!(family(dir.path(), false).len(), 3);
    let copies = family(dir.path(), true);
    assert_eq!(copies.len(), 6);
    let copied: String = copies.iter().map(|path| text(path)).collect();
    assert_eq!(copied.lines().count(), 6);
    let logged: String = files(dir.path()).iter().map(|path| text(path)).collect();
    assert!(
        logged
            .lines()
            .filter(|line| line.contains("ERROR"))
            .all(|line| copied.contains(line))
    );
}
