//! Random schedules: whatever happens to the files, to the link and to the sender, the service has what was written.
//!
//! `DRAGLINE_SCHEDULES` is how many are tried; each has its number as its seed.

use std::path::{Path, PathBuf};

use dragline_schema::Timestamp;
use dragline_ship::{Options, Ship, Step};

use crate::files::Files;
use crate::link::{Link, Service};

/// Schedules that are tried by default.
const SCHEDULES: u64 = 20;
/// Steps of each.
const STEPS: usize = 100;

pub(crate) fn options(dir: &Path, is_once: bool) -> Options {
    Options {
        inputs: vec![dir.join("logs").display().to_string()],
        to: "https://dragline.example.com".to_owned(),
        host: "crawler-1".to_owned(),
        state: dir.join("ship.state"),
        is_once,
        every: 60,
        seed: 1,
    }
}

struct World {
    random: fastrand::Rng,
    dir: tempfile::TempDir,
    files: Files,
    /// The sender, while it lives. The link outlives it.
    ship: Option<Ship<Link>>,
    link: Option<Link>,
    now: i64,
    /// An older state of the service that may come back, while all files still exist.
    backup: Option<Service>,
    log: Vec<&'static str>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let bad = [0, 20, 60][random.usize(..3)];
        Self {
            files: Files::new(&dir.path().join("logs"), seed),
            link: Some(Link::new(seed, bad)),
            random,
            dir,
            ship: None,
            now: 1_772_623_353_000_000,
            backup: None,
            log: Vec::new(),
        }
    }

    fn service(&mut self) -> &mut Service {
        &mut self.link().service
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("ship.state")
    }

    fn ship(&mut self) -> &mut Ship<Link> {
        if let Some(link) = self.link.take() {
            self.ship = Some(Ship::open(options(self.dir.path(), false), link).unwrap());
        }
        self.ship.as_mut().unwrap()
    }

    fn link(&mut self) -> &mut Link {
        match (&mut self.ship, &mut self.link) {
            (Some(ship), _) => ship.transport_mut(),
            (None, Some(link)) => link,
            (None, None) => unreachable!("the link is with the sender or here"),
        }
    }

    /// Up to `most` steps of the sender.
    fn send(&mut self, most: usize) {
        for _ in 0..most {
            let now = Timestamp::from_micros(self.now);
            match self.ship().step(now).unwrap() {
                Step::Again => self.now += 1_000,
                Step::Wait(time) => self.now += time.as_micros() as i64,
                Step::Done => unreachable!("it follows"),
            }
        }
    }

    /// The sender is killed: what it did not write is no more.
    fn kill(&mut self) {
        if let Some(ship) = self.ship.take() {
            self.link = Some(ship.into_transport());
        }
    }

    fn lose_state(&mut self) {
        self.kill();
        // Somebody has to do it, so it is later, and what was under way has arrived: after the service said what it has, it
        // would be another file.
        self.now += 1_000_000;
        self.link().arrive();
        let _ = std::fs::remove_file(self.state());
    }

    fn send_all(&mut self) {
        for _ in 0..10_000 {
            self.send(1);
            let has = self.service().files.values().map(Vec::len).sum::<usize>();
            if has == self.files.written.len() {
                return;
            }
        }
    }

    /// Files are deleted when they are sent.
    fn delete(&mut self) {
        if self.files.is_calm() {
            self.send_all();
            self.files.delete();
            self.backup = None;
        }
    }

    /// The service is restored from a backup, or makes one.
    fn restore(&mut self) {
        match self.backup.take() {
            Some(backup) => self.link().restore(backup),
            None => self.backup = Some(self.service().clone()),
        }
    }

    /// What the service has must be what was written, in this order.
    fn compare(&mut self, seed: u64) {
        let received = self.service().clone();
        let text = received.text();
        let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
        let (mut got, mut wanted) = (lines(&text), lines(&self.files.written));
        if self.log.contains(&"lose state") {
            // An archive that was half written when the state was lost gets its name later than newer files.
            got.sort();
            wanted.sort();
        } else if text == self.files.written {
            return;
        }
        let same = got.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
        let files: Vec<_> = received
            .files
            .iter()
            .map(|(name, bytes)| (name, bytes.len()))
            .collect();
        assert!(
            got == wanted && text.len() == self.files.written.len(),
            "seed {seed}: {} of {} lines; line {same} is {:?} and not {:?}\n{files:?}\n{}",
            got.len(),
            wanted.len(),
            got.get(same),
            wanted.get(same),
            self.log.join(" ")
        );
    }

    fn step(&mut self) {
        let (name, act): (&str, fn(&mut Self)) = match self.random.u32(0..100) {
            0..25 => ("write", |world| world.files.write()),
            25..32 => ("begin", |world| world.files.begin()),
            32..60 => ("send", |world| {
                let most = world.random.usize(1..6);
                world.send(most);
            }),
            60..72 => ("rotate", |world| world.files.rotate()),
            72..84 => ("compress", |world| world.files.compress()),
            84..92 => ("kill", Self::kill),
            92..94 => ("lose state", Self::lose_state),
            94..97 => ("restore", Self::restore),
            _ => ("delete", Self::delete),
        };
        self.log.push(name);
        act(self);
    }
}

#[test]
fn the_service_has_every_byte_once_whatever_happens() {
    let count = std::env::var("DRAGLINE_SCHEDULES").ok();
    let count = count.map_or(SCHEDULES, |text| text.parse().unwrap());
    let first = std::env::var("DRAGLINE_SEED").map_or(0, |text| text.parse().unwrap());
    for seed in first..first + count {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        world.files.calm();
        world.send_all();
        world.compare(seed);
        let story = format!("seed {seed}: {}", world.log.join(" "));
        let ship = world.ship();
        let lost = ship.counts().lost_files;
        assert_eq!(lost, 0, "{story}\n{:?}", ship.said());
    }
}
