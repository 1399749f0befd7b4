//! Processes that are killed while they write, rotate and compress.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use super::*;

const INTERVAL: Duration = Duration::from_millis(100);
/// How much later than promised a thread may run on a machine that has other things to do.
const SLACK_MICROS: i64 = 1_000_000;

fn config(dir: &Path) -> Config {
    // Small files, so that something is always being rotated and compressed.
    Config::new(dir)
        .name("shop")
        .max_file_bytes(20_000)
        .flush_interval(INTERVAL)
        .retention(Retention::FOREVER)
}

/// Writes until it is killed, and says on standard output how far it is.
pub(crate) fn busy(dir: &Path) {
    let (layer, _guard) = layer(&config(dir)).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let run = Run::start("shop", "shop.example.com");
        let started = std::time::Instant::now();
        let mut n = 0_u64;
        while started.elapsed() < Duration::from_secs(20) {
            run.in_scope(|| tracing::info!(n, "busy"));
            if n.is_multiple_of(50) {
                println!("logged {n}");
                std::thread::sleep(Duration::from_micros(500));
            }
            n += 1;
        }
    });
}

/// Kills a process after that time; gives the last number that it said it had logged.
fn kill_one(dir: &Path, after: Duration) -> Option<u64> {
    let mut child = faults::child_command("busy", dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let lines = stdout.lines().map_while(Result::ok);
        lines
            .filter_map(|line| line.rsplit_once("logged ")?.1.parse().ok())
            .last()
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// `DRAGLINE_KILLS` says how many; `just kills` asks for 200.
#[test]
fn a_killed_process_loses_no_archive_and_nothing_older_than_the_interval() {
    let kills: u64 = std::env::var("DRAGLINE_KILLS").map_or(8, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut torn = 0;
    let mut late = 0;
    let mut lines_before = 0;
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for kill in 0..kills {
        let after = Duration::from_millis(30 + fastrand::u64(..250));
        let said = kill_one(dir.path(), after);
        // Before anybody mends anything: what is there now, in whatever form, is whole.
        for (writer, lines) in read(dir.path(), &seen) {
            late += check(&writer, &lines, said);
            torn += u64::from(lines.torn);
            lines_before += lines.seqs.len();
            seen.insert(writer);
        }
        assert!(seen.len() as u64 <= kill + 1);
    }
    assert!(torn <= kills, "{torn} torn lines after {kills} kills");
    // The next process finishes what these left, while it lives.
    let is_unfinished = |name: &str| matches!(name.rsplit('.').next(), Some("tmp" | "jsonl"));
    let unfinished = || -> usize {
        let names = std::fs::read_dir(dir.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| is_unfinished(name)).count()
    };
    let (_, guard) = layer(&config(dir.path())).unwrap();
    let started = std::time::Instant::now();
    while unfinished() > 0 {
        let waited = started.elapsed();
        assert!(
            waited < Duration::from_mins(10),
            "{} files are never finished",
            unfinished()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(guard);
    let after = read(dir.path(), &BTreeSet::new());
    let after: usize = after.values().map(|lines| lines.seqs.len()).sum();
    assert_eq!(
        lines_before, after,
        "finishing what was left lost or doubled lines"
    );
    eprintln!(
        "{kills} kills, {after} lines, {torn} torn, {late} lines younger than the interval lost"
    );
}

#[derive(Default)]
struct Lines {
    /// In the order of the files.
    seqs: Vec<u64>,
    last: Option<(u64, i64)>,
    torn: bool,
}

/// What the files of each writer hold that was not seen yet. A plain file whose compressed form is
/// there too counts once.
fn read(dir: &Path, seen: &BTreeSet<String>) -> BTreeMap<String, Lines> {
    let mut writers: BTreeMap<String, Lines> = BTreeMap::new();
    let paths = files(dir);
    for path in &paths {
        let name: FileName = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        if seen.contains(&name.writer_id) {
            continue;
        }
        let compressed = path.with_extension("jsonl.gz");
        if name.codec.is_none() && compressed.exists() {
            assert_eq!(
                text(path),
                text(&compressed),
                "killed between rename and removal"
            );
            continue;
        }
        let lines = writers.entry(name.writer_id).or_default();
        for line in text(path).split_inclusive('\n') {
            assert!(!lines.torn, "only the last line of a writer may be torn");
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                lines.torn = true;
                continue;
            };
            lines.seqs.push(line["seq"].as_u64().unwrap());
            if let Some(n) = line["n"].as_u64() {
                let time = Timestamp::parse(line["timestamp"].as_str().unwrap()).unwrap();
                lines.last = Some((n, time.as_micros()));
            }
        }
    }
    writers
}

/// Gives how many lines were logged and are not there.
fn check(writer: &str, lines: &Lines, said: Option<u64>) -> u64 {
    let expected: Vec<u64> = (0..lines.seqs.len() as u64).collect();
    assert_eq!(
        lines.seqs, expected,
        "{writer}: lines are missing, doubled or out of order"
    );
    let Some(said) = said else { return 0 };
    let (last, _) = lines.last.unwrap_or((0, 0));
    let lost = said.saturating_sub(last);
    // It logs some 50 lines in half a millisecond at most.
    let most = (INTERVAL.as_micros() as i64 + SLACK_MICROS) / 500 * 50;
    assert!(
        (lost as i64) < most,
        "{writer}: {lost} lines older than the interval are lost"
    );
    lost
}
