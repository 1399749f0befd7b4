//! What goes wrong around a recorder, and that it goes on.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use dragline_logging::{Compression, ConsoleMode, Patience, RollingWriter};

use super::*;

/// Runs [`child`] in a process of its own, in one of its modes, with a directory.
pub(crate) fn child_command(mode: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "faults::child", "--nocapture"])
        .env("DRAGLINE_TEST_CHILD", mode)
        .env("DRAGLINE_TEST_DIR", dir)
        .stdin(Stdio::null());
    command
}

/// Not a test: what other tests run as a process, which then dies in one way or another.
#[test]
fn child() {
    let Ok(mode) = std::env::var("DRAGLINE_TEST_CHILD") else {
        return;
    };
    let dir = std::path::PathBuf::from(std::env::var_os("DRAGLINE_TEST_DIR").unwrap());
    match mode.as_str() {
        "busy" => kills::busy(&dir),
        "full" => disk_full(&dir),
        "exit" => lives_on(&dir, |_| std::process::exit(0)),
        "panic" => lives_on(&dir, |run| {
            let run = run.clone();
            let worker = move || run.in_scope(|| panic!("the page {} is odd", 7));
            assert!(std::thread::spawn(worker).join().is_err());
            let run = Run::current();
            assert_eq!(run.run_id(), "", "this thread is in no run");
            std::process::abort();
        }),
        "signal" => lives_on(&dir, |_| {
            println!("ready");
            std::thread::park_timeout(Duration::from_secs(20));
        }),
        "fork" => fork(&dir),
        "appender-exit" => appender::exits(&dir),
        "backtraces" => backtraces::fails(&dir),
        #[cfg(feature = "system")]
        "system-fork" => system::forks(&dir),
        "console" => console::logs_much(&dir),
        "console-stuck" => console::is_not_read(&dir),
        "console-panic" => console::panics(&dir),
        mode => panic!("no mode {mode}"),
    }
}

/// Logs a line that nothing but the end of the process writes, and ends.
fn lives_on(dir: &Path, end: impl FnOnce(&Run)) {
    let config = Config::new(dir)
        .name("shop")
        .flush_interval(Duration::from_hours(1))
        .flush_on_signal(true);
    let (layer, guard) = layer(&config).unwrap();
    tracing_subscriber::registry().with(layer).init();
    std::mem::forget(guard);
    let run = Run::start("shop", "shop.example.com");
    tracing::info!("the last words");
    end(&run);
}

fn run(mode: &str, dir: &Path) -> Output {
    child_command(mode, dir).output().unwrap()
}

#[test]
fn a_program_that_exits_without_its_guard_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(run("exit", dir.path()).status.success());
    let lines = lines(dir.path());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("the last words"));
}

#[test]
fn a_panic_is_recorded_in_its_run_and_written_at_once() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!run("panic", dir.path()).status.success());
    let objects = objects(dir.path());
    let last = objects.last().unwrap();
    assert_eq!(last["error_type"], "panic", "{objects:?}");
    assert_eq!(last["error_message"], "the page 7 is odd");
    assert_eq!(last["scraper_id"], "shop");
    assert!(last["traceback"].as_str().unwrap().starts_with("at "));
    assert!(
        objects
            .iter()
            .any(|line| line["message"] == "the last words")
    );
}

#[cfg(unix)]
#[test]
fn sigterm_writes_what_waits_and_ends_the_program() {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::ExitStatusExt as _;
    let dir = tempfile::tempdir().unwrap();
    let mut child = child_command("signal", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let is_ready = |line: &std::io::Result<String>| line.as_ref().unwrap().contains("ready");
    stdout.lines().find(is_ready).unwrap().unwrap();
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    assert!(lines(dir.path())[1].contains("the last words"));
}

#[allow(unsafe_code, reason = "there is no other way to fork")]
fn fork(dir: &Path) {
    let config = Config::new(dir)
        .name("shop")
        .writer_id("w1")
        .console(ConsoleMode::Compact);
    let (layer, guard) = layer(&config).unwrap();
    tracing_subscriber::registry().with(layer).init();
    let run = Run::builder("shop", "shop.example.com")
        .run_id("r1")
        .start();
    run.in_scope(|| tracing::info!("before"));
    // SAFETY: the child only logs, as any program may, and ends by `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            run.in_scope(|| tracing::info!("in the child"));
            let flushed = guard.flush();
            drop(guard);
            unsafe { libc::_exit(i32::from(flushed.is_err())) };
        }
        child => {
            let mut status = 0;
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0, "the child could not write");
        }
    }
    run.in_scope(|| tracing::info!("after"));
    run.finish();
    drop(guard);
}

#[cfg(unix)]
#[test]
fn a_forked_process_has_a_writer_and_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let output = run("fork", dir.path());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let mut by_writer: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in objects(dir.path()) {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        by_writer
            .entry(text("writer_id"))
            .or_default()
            .push(text("message"));
        assert_eq!(text("run_id"), "r1");
    }
    let writers: Vec<_> = by_writer.into_iter().collect();
    assert_eq!(writers[0].0, "w1");
    assert_eq!(
        writers[0].1,
        ["run started", "before", "after", "run ended"]
    );
    assert!(writers[1].0.starts_with("w1-"));
    assert_eq!(writers[1].1, ["in the child"]);
    // Both are on the console.
    let shown = String::from_utf8_lossy(&output.stderr);
    for message in ["before", "in the child", "after"] {
        assert!(shown.contains(message), "{shown}");
    }
}

#[test]
fn a_directory_that_is_removed_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let (layer, guard) = layer(&Config::new(&logs).name("shop")).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!(n = 0, "lost with the directory");
        guard.flush().unwrap();
        std::fs::remove_dir_all(&logs).unwrap();
        tracing::info!(n = 1, "saved");
        guard.flush().unwrap();
    });
    drop(guard);
    let objects = objects(&logs);
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0]["n"], 1);
}

#[test]
fn a_file_that_logrotate_moves_or_empties_is_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let (layer, guard) = layer(&Config::new(dir.path()).name("shop")).unwrap();
    let moved = dir.path().join("moved.1");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!(n = 0);
        guard.flush().unwrap();
        std::fs::rename(&files(dir.path())[0], &moved).unwrap();
        tracing::info!(n = 1);
        guard.flush().unwrap();
        // Copied and emptied, the other way of logrotate.
        let open = &files(dir.path())[0];
        assert_eq!(text(open).lines().count(), 1);
        std::fs::File::options()
            .write(true)
            .open(open)
            .unwrap()
            .set_len(0)
            .unwrap();
        tracing::info!(n = 2);
        guard.flush().unwrap();
    });
    drop(guard);
    let numbers = |text: String| -> Vec<Value> {
        let line = |line: &str| serde_json::from_str::<Value>(line).unwrap()["n"].clone();
        text.lines().map(line).collect()
    };
    assert_eq!(numbers(text(&moved)), [0]);
    assert_eq!(numbers(lines(dir.path()).join("\n")), [2]);
}

#[test]
fn a_clock_that_goes_back_an_hour_begins_no_file_and_loses_no_line() {
    let clock = clock("2026-03-05T00:30:00Z");
    let dir = record(
        |config| config.clock(clock.clone()).compression(Compression::None),
        |_| {
            tracing::info!(n = 0);
            clock.set(Timestamp::parse("2026-03-04T23:30:00Z").unwrap());
            tracing::info!(n = 1);
            clock.set(Timestamp::parse("2026-03-05T00:10:00Z").unwrap());
            tracing::info!(n = 2);
        },
    );
    assert_eq!(files(dir.path()).len(), 1);
    assert_eq!(lines(dir.path()).len(), 3);
}

#[test]
fn the_files_of_an_idle_program_end_in_time() {
    let clock = clock("2026-03-04T12:00:00Z");
    let dir = record(
        |config| config.clock(clock.clone()),
        |guard| {
            tracing::info!("the only line");
            guard.flush().unwrap();
            clock.advance(Duration::from_hours(24));
            // The thread looks around, as it does at every interval.
            guard.flush().unwrap();
        },
    );
    let names: Vec<_> = files(dir.path())
        .iter()
        .map(|path| path.extension().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["gz"]);
    // Nothing dangles.
    assert!(std::fs::symlink_metadata(dir.path().join("shop.current")).is_err());
}

/// In a file system of 2 MiB that nobody else sees.
fn disk_full(dir: &Path) {
    let filler = dir.join("filler");
    // All but some 40 KiB.
    std::fs::write(&filler, vec![0; 2_000_000]).unwrap();
    let config = Config::new(dir.join("logs"))
        .name("shop")
        .compression(Compression::None)
        .queue_bytes(50_000)
        .queue_patience(Patience::NONE);
    let (layer, guard) = layer(&config).unwrap();
    let mut logged = 0;
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let log = |lines: std::ops::Range<u64>| {
            for n in lines {
                tracing::info!(
                    n,
                    padding = "................................................",
                    "a line"
                );
            }
        };
        // Until the disk is full, however fast that is; a caller that checks gets the error.
        let error = (0..100)
            .find_map(|round| {
                log(round * 200..(round + 1) * 200);
                logged = (round + 1) * 200;
                guard.flush().err()
            })
            .unwrap()
            .to_string();
        assert!(error.contains("No space left"), "{error}");
        // And more than the queue holds.
        log(logged..logged + 3_000);
        logged += 3_000;
        let status = guard.status();
        assert!(
            status.dropped_lines > 0 && status.queued_bytes > 0,
            "{status:?}"
        );
        std::fs::remove_file(&filler).unwrap();
        guard.flush().unwrap();
        tracing::info!(n = logged, "there is room again");
        guard.flush().unwrap();
    });
    let status = guard.status();
    drop(guard);
    let objects = objects(&dir.join("logs"));
    let dropped: u64 = objects
        .iter()
        .filter_map(|line| line["dropped"].as_u64())
        .sum();
    let written = objects.iter().filter(|line| line["n"].is_number()).count() as u64;
    assert_eq!(dropped, status.dropped_lines);
    assert_eq!(written + dropped, logged + 1);
    assert_eq!(status.lost_lines, 0);
    // No line is torn, doubled or out of order, and none that was taken is missing.
    for (seq, line) in objects.iter().enumerate() {
        assert_eq!(line["seq"], seq);
    }
    println!("{dropped} dropped, {written} written");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_waited_for_and_what_was_dropped_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let child = child_command("full", dir.path());
    let script =
        "mount -t tmpfs -o size=2m none \"$DRAGLINE_TEST_DIR\" || exit 77; exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .arg(child.get_program())
        .args(child.get_args())
        .envs(
            child
                .get_envs()
                .filter_map(|(key, value)| Some((key, value?))),
        )
        .output();
    let Ok(output) = output else {
        return crate::skip("this machine has no `unshare`");
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || said.contains("unshare failed") {
        return crate::skip("this machine lets nobody mount a file system");
    }
    assert!(output.status.success(), "{said}");
}

#[test]
fn files_are_rolled_by_call_and_by_other_formatters() {
    let dir = record(
        |config| config,
        |guard| {
            guard.roll();
            tracing::info!(n = 0);
            guard.roll();
            guard.roll();
            tracing::info!(n = 1);
        },
    );
    assert_eq!(files(dir.path()).len(), 2);

    let dir = tempfile::tempdir().unwrap();
    let config = Config::new(dir.path()).name("plain").max_file_bytes(300);
    let files_writer = RollingWriter::new(&config).unwrap();
    let (writer, worker) = tracing_appender::non_blocking(files_writer.clone());
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(writer)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        for n in 0..20 {
            tracing::info!(n, "by another formatter");
        }
    });
    drop(worker);
    drop(files_writer);
    assert!(files(dir.path()).len() > 3);
    assert_eq!(lines(dir.path()).len(), 20);
}
