//! The console when its reader is slow, stops, or is gone: nothing is lost but lines on the console, and
//! those are counted and reported.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use dragline_logging::{Compression, ConsoleMode};

use super::*;
use crate::faults::child_command;

/// More lines than the console's buffer and a pipe hold.
const EVENTS: u64 = 12_000;

fn start(dir: &Path) -> Guard {
    let config = Config::new(dir)
        .name("shop")
        .console(ConsoleMode::Compact)
        .compression(Compression::None)
        .queue_patience(dragline_logging::Patience::FOREVER);
    let (layer, guard) = layer(&config).unwrap();
    tracing_subscriber::registry().with(layer).init();
    guard
}

fn log(events: std::ops::Range<u64>) {
    for n in events {
        tracing::info!(n, padding = "................................", "a line");
    }
}

/// Says when everything is logged, and ends.
pub(crate) fn logs_much(dir: &Path) {
    let guard = start(dir);
    log(0..EVENTS);
    println!("logged");
    drop(guard);
}

/// Also complains about its disk, on the standard error that nobody reads.
pub(crate) fn is_not_read(dir: &Path) {
    let logs = dir.join("logs");
    let guard = start(&logs);
    log(0..EVENTS);
    guard.flush().unwrap();
    let dropped = guard.status().console_dropped_lines;
    assert!(dropped > 0);
    let moved = dir.join("moved");
    std::fs::rename(&logs, &moved).unwrap();
    std::fs::write(&logs, "in the way").unwrap();
    log(EVENTS..EVENTS + 1);
    assert!(guard.flush().is_err());
    std::fs::remove_file(&logs).unwrap();
    std::fs::rename(&moved, &logs).unwrap();
    guard.flush().unwrap();
    println!("dropped {dropped}");
    drop(guard);
}

pub(crate) fn panics(dir: &Path) {
    let _guard = start(dir);
    tracing::info!("the last words");
    let worker = std::thread::spawn(|| panic!("an odd page"));
    assert!(worker.join().is_err());
    std::process::abort();
}

fn spawn(mode: &str, dir: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = child_command(mode, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

/// Reads up to the line with the word. The reader stays open: the child may print more.
fn wait_for(stdout: &mut BufReader<ChildStdout>, word: &str) -> String {
    let mut lines = stdout.lines().map(Result::unwrap);
    lines.find(|line| line.contains(word)).unwrap()
}

/// The numbers of the events in the files, and the message about lines that are not on the console.
fn recorded(dir: &Path) -> (Vec<u64>, Option<String>) {
    let objects = objects(dir);
    let note = objects
        .iter()
        .filter_map(|line| line["message"].as_str())
        .find(|message| message.contains("not on the console"));
    let numbers = objects.iter().filter_map(|line| line["n"].as_u64());
    (numbers.collect(), note.map(str::to_owned))
}

/// The numbers of the events on the console.
fn shown(text: &str) -> Vec<u64> {
    let number = |line: &str| line.split(" n=").nth(1)?.split(' ').next()?.parse().ok();
    text.lines().filter_map(number).collect()
}

fn first_number(text: &str) -> u64 {
    let digits = |c: char| !c.is_ascii_digit();
    text.split(digits)
        .find_map(|word| word.parse().ok())
        .unwrap()
}

#[test]
fn a_slow_reader_gets_what_fits_in_order_and_the_number_of_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, mut stdout) = spawn("console", dir.path());
    // The pipe and the buffer are full by then; the child waits for its reader.
    wait_for(&mut stdout, "logged");
    let mut text = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    let all: Vec<u64> = (0..EVENTS).collect();
    assert_eq!(recorded(dir.path()), (all, None));
    let shown = shown(&text);
    assert!(shown.is_sorted_by(|a, b| a < b));
    let notes = text.lines().filter(|line| line.starts_with("dragline: "));
    let reported: u64 = notes.map(first_number).sum();
    assert!(reported > 0);
    assert_eq!(shown.len() as u64 + reported, EVENTS);
}

#[test]
fn a_reader_that_stops_blocks_nothing_and_is_reported_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, mut stdout) = spawn("console-stuck", dir.path());
    let dropped = first_number(&wait_for(&mut stdout, "dropped"));
    assert!(child.wait().unwrap().success());
    let (numbers, note) = recorded(&dir.path().join("logs"));
    assert_eq!(numbers, (0..=EVENTS).collect::<Vec<_>>());
    let note = note.unwrap();
    assert!(note.ends_with("nobody reads it"), "{note}");
    let mut text = Vec::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_end(&mut text).unwrap();
    let shown = shown(&String::from_utf8_lossy(&text)).len() as u64;
    let unshown = first_number(&note);
    assert!(
        unshown >= dropped && unshown + shown >= EVENTS,
        "{note}, {shown} shown"
    );
}

#[test]
fn a_closed_pipe_is_reported_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, mut stdout) = spawn("console", dir.path());
    drop(child.stderr.take());
    wait_for(&mut stdout, "logged");
    assert!(child.wait().unwrap().success());
    let (numbers, note) = recorded(dir.path());
    assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>());
    let note = note.unwrap();
    assert!(note.contains("pipe"), "{note}");
}

#[test]
fn the_last_lines_are_on_the_console_before_a_panic_is() {
    let dir = tempfile::tempdir().unwrap();
    let (child, _stdout) = spawn("console-panic", dir.path());
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    let place = |words: &str| {
        text.find(words)
            .unwrap_or_else(|| panic!("{words}: {text}"))
    };
    assert!(place("the last words") < place("panicked at"));
    // The event of the panic, as recorded.
    assert!(place("error_message=\"an odd page\"") < place("panicked at"));
}
