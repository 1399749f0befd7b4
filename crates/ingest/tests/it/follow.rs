//! The follower against a model: a log that is written, rotated in every way, packed, deleted and
//! made anew, and a reader that dies. Every record comes exactly once.
//!
//! `DRAGLINE_SCHEDULES` is how many random schedules are tried; each has its number as its seed.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use dragline_ingest::{Begin, Checkpoint, Follower, ReadOptions};
use dragline_schema::{Position, Problem, Record, Sink, SourceFile};

/// Schedules that are tried by default.
const SCHEDULES: u64 = 40;
/// Steps of each.
const STEPS: usize = 60;

#[derive(Debug, Default, Clone)]
struct Seen {
    messages: Vec<String>,
    problems: Vec<String>,
}

impl Sink for Seen {
    fn file(&mut self, _: &SourceFile) {}

    fn record(&mut self, record: &Record<'_>, _: Position) {
        self.messages
            .push(record.message.as_deref().unwrap_or_default().to_owned());
    }

    fn problem(&mut self, problem: &Problem<'_>) {
        self.problems
            .push(format!("{:?} {}", problem.kind, problem.detail));
    }
}

/// How the log is rotated.
#[derive(Debug, Clone, Copy)]
enum Rotation {
    Rename,
    CopyTruncate,
}

struct World {
    random: fastrand::Rng,
    dir: tempfile::TempDir,
    rotation: Rotation,
    /// Whether records go on over lines.
    is_text: bool,
    /// Whether lines say when: without that, files begin alike.
    has_times: bool,
    written: Vec<String>,
    /// The rest of a record whose beginning was written.
    rest: Option<String>,
    /// An archive that is half written.
    half: Option<(PathBuf, Vec<u8>)>,
    follower: Follower,
    seen: Seen,
    /// What was seen when the checkpoint was taken.
    kept: Seen,
    log: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let inputs = [dir.path().join("logs").display().to_string()];
        fs::create_dir(&inputs[0]).unwrap();
        let mut world = Self {
            rotation: if random.bool() {
                Rotation::Rename
            } else {
                Rotation::CopyTruncate
            },
            is_text: random.bool(),
            has_times: random.bool(),
            random,
            written: Vec::new(),
            rest: None,
            half: None,
            follower: Follower::new(&inputs, &ReadOptions::default(), Begin::Start),
            seen: Seen::default(),
            kept: Seen::default(),
            log: Vec::new(),
            dir,
        };
        world.commit();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("logs").join(name)
    }

    fn record(&mut self) -> String {
        let message = format!("m{}", self.written.len());
        let minute = self.written.len() / 60 % 60;
        let second = self.written.len() % 60;
        self.written.push(message.clone());
        let time = format!("2026-03-04 11:{minute:02}:{second:02}");
        match (self.is_text, self.has_times) {
            (true, _) if self.random.bool() => {
                format!("{time} [shop] ERROR: {message}\n  {message} goes on\n\n  and ends\n")
            }
            (true, _) => format!("{time} [shop] INFO: {message}\n"),
            (false, true) => {
                format!("{{\"time\":\"{time}\",\"level\":\"info\",\"msg\":\"{message}\"}}\n")
            }
            (false, false) => format!("{{\"level\":\"info\",\"msg\":\"{message}\"}}\n"),
        }
    }

    fn append(&self, text: &str) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("app.log"))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn write(&mut self) {
        let rest = self.rest.take().unwrap_or_default();
        self.append(&rest);
        for _ in 0..self.random.usize(1..40) {
            let record = self.record();
            self.append(&record);
        }
    }

    /// The beginning of a record, cut anywhere.
    fn begin(&mut self) {
        if self.rest.is_some() {
            return self.write();
        }
        let record = self.record();
        let cut = self.random.usize(1..record.len());
        self.append(&record[..cut]);
        self.rest = Some(record[cut..].to_owned());
    }

    /// Rotated files by number.
    fn rotated(&self) -> Vec<(u32, PathBuf)> {
        let entries = fs::read_dir(self.dir.path().join("logs")).unwrap();
        let mut rotated: Vec<(u32, PathBuf)> = entries
            .map(|entry| entry.unwrap().path())
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?.to_owned();
                let number = name.strip_prefix("app.log.")?.trim_end_matches(".gz");
                Some((number.parse().ok()?, path))
            })
            .collect();
        rotated.sort();
        rotated
    }

    fn rotate(&mut self) {
        if self.rest.is_some() || self.half.is_some() || !self.path("app.log").exists() {
            return;
        }
        for (number, path) in self.rotated().into_iter().rev() {
            let packed = if path.extension().is_some_and(|e| e == "gz") {
                ".gz"
            } else {
                ""
            };
            fs::rename(&path, self.path(&format!("app.log.{}{packed}", number + 1))).unwrap();
        }
        let (log, first) = (self.path("app.log"), self.path("app.log.1"));
        match self.rotation {
            Rotation::Rename => fs::rename(log, first).unwrap(),
            Rotation::CopyTruncate => {
                fs::copy(&log, first).unwrap();
                // A look at the copy beside the original.
                if self.random.bool() {
                    self.poll();
                }
                File::create(log).unwrap();
            }
        }
    }

    /// Packs a rotated file, or begins to.
    fn compress(&mut self) {
        if let Some((path, rest)) = self.half.take() {
            let packed = self.path(&format!(
                "{}.gz",
                path.file_name().unwrap().to_str().unwrap()
            ));
            let mut file = OpenOptions::new().append(true).open(packed).unwrap();
            file.write_all(&rest).unwrap();
            fs::remove_file(path).unwrap();
            return;
        }
        let plain = self.rotated().into_iter().map(|(_, path)| path);
        let plain: Vec<PathBuf> = plain
            .filter(|p| p.extension().is_some_and(|e| e != "gz"))
            .collect();
        let Some(path) = self.random.choice(&plain).cloned() else {
            return;
        };
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&fs::read(&path).unwrap()).unwrap();
        let bytes = encoder.finish().unwrap();
        let cut = self.random.usize(0..=bytes.len());
        let mut packed = path.clone().into_os_string();
        packed.push(".gz");
        fs::write(packed, &bytes[..cut]).unwrap();
        if cut == bytes.len() {
            fs::remove_file(path).unwrap();
        } else {
            self.half = Some((path, bytes[cut..].to_vec()));
        }
    }

    /// Deletes what was read: the oldest file, or the log itself.
    fn delete(&mut self) {
        if self.rest.is_some() || self.half.is_some() {
            return;
        }
        self.poll();
        self.follower.settle(&mut self.seen);
        self.commit();
        match self.rotated().last() {
            Some((_, path)) if self.random.bool() => fs::remove_file(path).unwrap(),
            _ => {
                let _ = fs::remove_file(self.path("app.log"));
            }
        }
    }

    fn poll(&mut self) {
        self.follower.poll(&mut self.seen);
    }

    fn checkpoint(&self) -> PathBuf {
        self.dir.path().join("checkpoint")
    }

    /// Keeps how far everything was read, and what came of it.
    fn commit(&mut self) {
        self.follower.checkpoint().save(&self.checkpoint()).unwrap();
        self.kept = self.seen.clone();
    }

    /// The process dies: what was not kept is no more.
    fn kill(&mut self) {
        let checkpoint = Checkpoint::load(&self.checkpoint()).unwrap().unwrap();
        let inputs = [self.dir.path().join("logs").display().to_string()];
        self.follower = Follower::resume(&inputs, &ReadOptions::default(), checkpoint);
        self.seen = self.kept.clone();
    }

    fn step(&mut self) {
        let (name, act): (&str, fn(&mut Self)) = match self.random.u32(0..100) {
            0..30 => ("write", Self::write),
            30..38 => ("begin", Self::begin),
            38..60 => ("poll", Self::poll),
            60..72 => ("rotate", Self::rotate),
            72..84 => ("compress", Self::compress),
            84..90 => ("commit", Self::commit),
            90..96 => ("kill", Self::kill),
            _ => ("delete", Self::delete),
        };
        self.log.push(format!("{name}@{}", self.written.len()));
        act(self);
    }

    fn end(mut self, seed: u64) {
        if self.rest.is_some() {
            self.write();
        }
        if self.half.is_some() {
            self.compress();
        }
        // An archive that was cut is waited for before it is taken as it is.
        (0..6).for_each(|_| self.poll());
        self.follower.settle(&mut self.seen);
        let story = format!(
            "seed {seed}, {:?}, text {}, times {}: {}",
            self.rotation,
            self.is_text,
            self.has_times,
            self.log.join(" ")
        );
        let times = |message: &String| self.seen.messages.iter().filter(|m| *m == message).count();
        let wrong: Vec<(&String, usize)> = self
            .written
            .iter()
            .map(|message| (message, times(message)))
            .filter(|(_, times)| *times != 1)
            .collect();
        let few = (wrong.first(), wrong.last());
        assert!(wrong.is_empty(), "{} {few:?} {story}", wrong.len());
        assert_eq!(self.seen.messages.len(), self.written.len(), "{story}");
        let unknown: Vec<&String> = self
            .seen
            .problems
            .iter()
            .filter(|problem| !problem.starts_with("NoTimestamp"))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?} {story}");
    }
}

#[test]
fn every_line_comes_exactly_once_whatever_happens_to_the_files() {
    let count = std::env::var("DRAGLINE_SCHEDULES").ok();
    let count = count.map_or(SCHEDULES, |text| text.parse().unwrap());
    for seed in 0..count {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        world.end(seed);
    }
}

fn follow(dir: &Path, begin: Begin) -> (Follower, Seen) {
    let inputs = [dir.display().to_string()];
    let mut follower = Follower::new(&inputs, &ReadOptions::default(), begin);
    let mut seen = Seen::default();
    follower.poll(&mut seen);
    (follower, seen)
}

fn line(message: &str) -> String {
    format!("{{\"time\":1772623353,\"level\":\"info\",\"msg\":\"{message}\"}}\n")
}

#[test]
fn what_was_there_before_is_passed_over_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    fs::write(dir.path().join("app.log.1"), line("old")).unwrap();
    fs::write(&log, line("a") + &line("b")).unwrap();
    let (mut follower, mut seen) = follow(dir.path(), Begin::Before(line("b").len() as u64));
    assert_eq!(seen.messages, ["b"]);
    fs::write(&log, line("a") + &line("b") + &line("c")).unwrap();
    follower.poll(&mut seen);
    assert_eq!(seen.messages, ["b", "c"]);
}

#[test]
fn what_is_moved_among_the_files_of_another_log_comes_once() {
    let dir = tempfile::tempdir().unwrap();
    let (log, old) = (dir.path().join("app.log"), dir.path().join("old"));
    fs::write(&log, line("a") + &line("b")).unwrap();
    let (mut follower, mut seen) = follow(dir.path(), Begin::Start);
    // logrotate's `olddir`, and what its program still wrote.
    fs::create_dir(&old).unwrap();
    fs::rename(&log, old.join("app.log.1")).unwrap();
    let mut file = OpenOptions::new()
        .append(true)
        .open(old.join("app.log.1"))
        .unwrap();
    file.write_all(line("c").as_bytes()).unwrap();
    fs::write(&log, line("d")).unwrap();
    follower.poll(&mut seen);
    follower.poll(&mut seen);
    seen.messages.sort();
    assert_eq!(seen.messages, ["a", "b", "c", "d"]);
    // `copytruncate`, and one that is packed at once.
    fs::copy(&log, old.join("app.log.2")).unwrap();
    fs::write(&log, line("e")).unwrap();
    follower.poll(&mut seen);
    follower.poll(&mut seen);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&fs::read(&log).unwrap()).unwrap();
    packed.write_all(line("f").as_bytes()).unwrap();
    fs::write(old.join("app.log.3.gz"), packed.finish().unwrap()).unwrap();
    fs::write(&log, line("g")).unwrap();
    for _ in 0..10 {
        follower.poll(&mut seen);
    }
    seen.messages.sort();
    assert_eq!(seen.messages, ["a", "b", "c", "d", "e", "f", "g"]);
}

#[test]
fn a_last_line_without_an_end_comes_when_nothing_more_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let torn = line("a") + line("b").trim_end();
    fs::write(dir.path().join("app.log"), torn).unwrap();
    let (mut follower, mut seen) = follow(dir.path(), Begin::Start);
    assert_eq!(seen.messages, ["a"]);
    follower.finish(&mut seen);
    assert_eq!(seen.messages, ["a", "b"]);
}

#[test]
fn a_line_that_is_too_long_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let options = ReadOptions {
        max_line: 10_000,
        ..ReadOptions::default()
    };
    let log = dir.path().join("app.log");
    let inputs = [log.display().to_string()];
    let mut follower = Follower::new(&inputs, &options, Begin::Start);
    let mut seen = Seen::default();
    for part in [
        line("a"),
        "x".repeat(1_000_000),
        "y".repeat(9) + "\n",
        line("b"),
    ] {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        file.write_all(part.as_bytes()).unwrap();
        follower.poll(&mut seen);
    }
    assert_eq!(seen.messages, ["a", "b"]);
    assert_eq!(seen.problems.len(), 1, "{:?}", seen.problems);
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    assert_eq!(Checkpoint::load(&path).unwrap(), None);
    for text in ["", "{}", "{\"version\":99,\"families\":[]}"] {
        fs::write(&path, text).unwrap();
        let error = Checkpoint::load(&path).unwrap_err().to_string();
        assert!(error.contains("remove it to begin anew"), "{error}");
    }
}
