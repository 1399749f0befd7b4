//! What goes wrong, and what is said about it.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use dragline_schema::Timestamp;
use dragline_ship::{Outcome, Refusal, Ship, ShipError, Step};

use crate::link::Link;
use crate::schedules::options;

/// A sender with a clock.
struct Sender {
    dir: tempfile::TempDir,
    ship: Ship<Link>,
    now: i64,
    said: Vec<String>,
}

impl Sender {
    fn new(is_once: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        let ship = Ship::open(options(dir.path(), is_once), Link::new(1, 0)).unwrap();
        Self {
            dir,
            ship,
            now: 1_772_623_353_000_000,
            said: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("logs").join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn link(&mut self) -> &mut Link {
        self.ship.transport_mut()
    }

    /// Steps for this many seconds.
    fn run(&mut self, seconds: i64) -> Result<(), ShipError> {
        let end = self.now + seconds * 1_000_000;
        while self.now < end {
            let step = self.ship.step(Timestamp::from_micros(self.now));
            self.said.extend(self.ship.said());
            match step? {
                Step::Again => self.now += 1_000,
                Step::Wait(time) => self.now += time.as_micros() as i64,
                Step::Done => return Ok(()),
            }
        }
        Ok(())
    }

    fn text(&mut self) -> String {
        self.link().service.text()
    }

    fn refuse(&mut self, status: u16, times: usize) {
        let refusal = Outcome::Refused(Refusal {
            status,
            detail: "no".to_owned(),
            retry_after: None,
        });
        self.link().answers.extend(vec![refusal; times]);
    }

    fn restart(self) -> Self {
        let Self { dir, ship, now, .. } = self;
        let ship = Ship::open(options(dir.path(), false), ship.into_transport()).unwrap();
        Self {
            dir,
            ship,
            now,
            said: Vec::new(),
        }
    }
}

fn lines(count: usize) -> String {
    let line = |n| format!("2026-03-04 11:22:33 INFO: line {n} of them\n");
    (0..count).map(line).collect::<Vec<_>>().concat()
}

#[test]
fn a_quiet_machine_gives_signs_of_life() {
    let mut sender = Sender::new(false);
    sender.write("app.log", lines(3));
    sender.run(600).unwrap();
    let seen = &sender.link().seen;
    let signs = seen
        .iter()
        .filter(|(batch, _)| batch.file.is_none())
        .count();
    assert!((9..=11).contains(&signs), "{signs}");
    assert!(seen.iter().all(|(batch, _)| batch.every == 60));
    assert_eq!(sender.text(), lines(3));
    assert!(sender.said.is_empty(), "{:?}", sender.said);
}

#[test]
fn a_file_that_is_deleted_before_it_was_sent_is_named_and_counted() {
    let mut sender = Sender::new(false);
    sender.run(5).unwrap();
    sender.link().bad = 100;
    sender.link().down = u32::MAX;
    sender.write("app.log", lines(50));
    sender.run(30).unwrap();
    fs::remove_file(sender.path("app.log")).unwrap();
    sender.link().bad = 0;
    sender.link().down = 0;
    sender.write("other.log", lines(2));
    sender.run(300).unwrap();
    // The batch that was under way is not lost.
    assert_eq!(sender.text(), lines(50) + &lines(2));
    assert_eq!(sender.ship.counts().lost_files, 0);

    sender.link().down = u32::MAX;
    sender.write("third.log", lines(70_000));
    sender.run(30).unwrap();
    fs::remove_file(sender.path("third.log")).unwrap();
    sender.link().down = 0;
    sender.run(300).unwrap();
    let (counts, text) = (sender.ship.counts(), lines(70_000));
    let sent = sender
        .link()
        .service
        .files
        .values()
        .map(Vec::len)
        .max()
        .unwrap();
    assert_eq!(
        (counts.lost_files, counts.lost_bytes as usize),
        (1, text.len() - sent)
    );
    let named = sender
        .said
        .iter()
        .filter(|said| said.contains("third.log was deleted"));
    assert_eq!(named.count(), 1, "{:?}", sender.said);
}

#[test]
fn a_refusal_ends_the_start_and_is_waited_for_later() {
    let mut sender = Sender::new(false);
    sender
        .link()
        .answers
        .push(Outcome::Taken { next_offset: 0 });
    sender.run(3).unwrap();
    sender.write("app.log", lines(5));
    sender.refuse(401, 3);
    sender.run(150).unwrap();
    assert_eq!(sender.text(), "");
    assert!(sender.said[0].contains("role ship"), "{:?}", sender.said);
    assert_eq!(sender.said.len(), 1);
    sender.run(120).unwrap();
    assert_eq!(sender.text(), lines(5));

    let mut once = Sender::new(true);
    once.write("app.log", lines(5));
    once.refuse(403, 1);
    let error = once.run(10).unwrap_err();
    assert!(
        matches!(error, ShipError::Refused { status: 403, .. }),
        "{error}"
    );
}

#[test]
fn a_service_that_takes_only_small_batches_gets_small_ones() {
    let mut sender = Sender::new(true);
    let text = lines(60_000);
    sender.write("app.log", &text);
    sender.refuse(413, 3);
    sender.run(100).unwrap();
    assert_eq!(sender.text(), text);
    let largest = sender
        .link()
        .seen
        .iter()
        .skip(3)
        .map(|(batch, _)| batch.length)
        .max();
    assert_eq!(largest, Some(256 << 10));
    assert_eq!(sender.said.len(), 1, "{:?}", sender.said);
}

#[test]
fn once_gives_up_after_a_minute_and_says_what_waits() {
    let mut sender = Sender::new(true);
    sender.write("app.log", lines(5));
    sender.link().down = u32::MAX;
    let error = sender.run(600).unwrap_err().to_string();
    assert!(error.contains("does not answer"), "{error}");
    assert!(sender.now < 1_772_623_353_000_000 + 150_000_000);
}

#[test]
fn what_the_service_asks_for_is_obeyed() {
    let mut sender = Sender::new(false);
    sender.run(3).unwrap();
    sender.write("app.log", lines(5));
    sender.link().answers.push(Outcome::Refused(Refusal {
        status: 503,
        detail: "later".to_owned(),
        retry_after: Some(Duration::from_secs(100)),
    }));
    sender.run(90).unwrap();
    assert_eq!(sender.text(), "");
    sender.run(20).unwrap();
    assert_eq!(sender.text(), lines(5));
}

#[test]
fn space_that_a_writer_only_reserved_is_not_sent() {
    let mut sender = Sender::new(false);
    let path = sender.path("app.log");
    let mut file = File::create(&path).unwrap();
    file.write_all(lines(3).as_bytes()).unwrap();
    file.set_len(1 << 20).unwrap();
    sender.run(5).unwrap();
    assert_eq!(sender.text(), lines(3));
    file.seek(SeekFrom::Start(lines(3).len() as u64)).unwrap();
    file.write_all(lines(4).as_bytes()).unwrap();
    sender.run(5).unwrap();
    assert_eq!(sender.text(), lines(3) + &lines(4));
}

#[test]
fn what_is_no_log_is_named_once_and_the_own_state_never_sent() {
    let mut sender = Sender::new(false);
    sender.write("core.log", b"\x7fELF\0\0\0\x01\0\0\0\x02\0\0\0\x03\n");
    sender.write("app.log", lines(1));
    sender.run(5).unwrap();
    let state = fs::read_to_string(sender.dir.path().join("ship.state")).unwrap();
    sender.write("ship.state", state + "\n");
    sender.run(20).unwrap();
    assert_eq!(sender.text(), lines(1));
    assert_eq!(sender.said.len(), 2, "{:?}", sender.said);
    assert!(
        sender.said[0].contains("core.log: contains NUL bytes"),
        "{:?}",
        sender.said
    );
}

#[test]
fn a_recorders_files_keep_their_names_and_its_error_copies_stay() {
    let mut sender = Sender::new(false);
    let name = "shop.20260304T112233Z.a1b2c3d4e5f6.0.jsonl";
    sender.write(name, lines(9));
    sender.write("shop.error.20260304T112233Z.a1b2c3d4e5f6.0.jsonl", lines(1));
    sender.run(5).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder
        .write_all((lines(9) + "the last one\n").as_bytes())
        .unwrap();
    sender.write(&format!("{name}.gz"), encoder.finish().unwrap());
    fs::remove_file(sender.path(name)).unwrap();
    let mut sender = sender.restart();
    sender.run(5).unwrap();
    assert_eq!(sender.text(), lines(9) + "the last one\n");
    let files: Vec<_> = sender.link().service.files.keys().cloned().collect();
    assert!(
        matches!(&files[..], [file] if file.ends_with(&format!("/{name}"))),
        "{files:?}"
    );
}

#[test]
fn the_state_of_another_service_says_nothing_about_this_one() {
    let mut sender = Sender::new(false);
    sender.write("app.log", lines(9));
    sender.run(5).unwrap();
    let mut other = options(sender.dir.path(), false);
    other.to = "https://other.example.com".to_owned();
    sender.ship = Ship::open(other, Link::new(2, 0)).unwrap();
    sender.run(5).unwrap();
    assert_eq!(sender.text(), lines(9));
}

#[test]
fn a_state_file_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let write = |text: &str| fs::write(dir.path().join("ship.state"), text).unwrap();
    for text in ["", "{}", "a log line\n"] {
        write(text);
        let error = Ship::open(options(dir.path(), false), Link::new(1, 0)).unwrap_err();
        assert!(error.to_string().contains("is not a state file"), "{error}");
    }
    let lock = dragline_ship::lock(Path::new(&dir.path().join("ship.state"))).unwrap();
    let error = dragline_ship::lock(&dir.path().join("ship.state")).unwrap_err();
    assert!(
        error.to_string().contains("another dragline ship"),
        "{error}"
    );
    drop(lock);
}
