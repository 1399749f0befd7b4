//! What a command finds: logs of every kind, things that are none, and other people's files.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use fastrand::Rng;

use crate::dice::Dice as _;
use crate::inputs::{Pen, bombs, craft, honest, name};
use crate::place::{CLOSED, Place, age, fifo, link, mode, put, socket, with_end};

/// A place with something in it.
pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) rng: Rng,
    /// The current directory of commands.
    pub(crate) cwd: PathBuf,
    /// Logs, as far as they are files.
    pub(crate) files: Vec<PathBuf>,
    /// Where the configuration has the cache.
    pub(crate) cache: Option<PathBuf>,
}

impl Scene {
    /// An empty place.
    pub(crate) fn new(base: &Path, mut rng: Rng) -> Result<Self> {
        let place = Place::new(base)?;
        let cwd = match rng.u8(..10) {
            0 => place.logs.clone(),
            1 => place.root().to_owned(),
            _ => place.work.clone(),
        };
        Ok(Self {
            place,
            rng,
            cwd,
            files: Vec::new(),
            cache: None,
        })
    }

    /// Crafted logs, and what stands among logs.
    pub(crate) fn grow(&mut self) -> Result<()> {
        for _ in 0..self.rng.usize(1..8) {
            let most = self.rng.pick(&[5, 40, 40, 150]);
            let crafted = craft(&mut self.rng, most)?;
            let logs = &self.place.logs;
            let dir = match self.rng.u8(..8) {
                0 => logs.join("old"),
                1 => logs.join("a/b/c/d"),
                2 => logs.join("app.log.d"),
                _ => logs.clone(),
            };
            self.add(&dir, &crafted.name, &crafted.bytes)?;
        }
        if self.rng.chance(0.5) {
            self.add_odd_files()?;
        }
        if self.rng.chance(0.2) {
            self.copy_one()?;
        }
        Ok(())
    }

    /// A log that is long enough to be kept by a cache.
    pub(crate) fn add_honest(&mut self, least: usize) -> Result<PathBuf> {
        let log = honest(&mut self.rng, least);
        let name = format!("log{}.jsonl", self.files.len());
        let dir = self.place.logs.clone();
        self.add(&dir, name.as_ref(), &log)?;
        let path = dir.join(name);
        age(&path, 1_772_668_800)?;
        Ok(path)
    }

    /// A small archive of much.
    pub(crate) fn add_bomb(&mut self) -> Result<PathBuf> {
        let (ending, bytes, _) = bombs::bomb(&mut Pen::new(self.rng.fork()))?;
        let path = self.place.logs.join(format!("bomb.log{ending}"));
        put(&path, &bytes)?;
        self.files.push(path.clone());
        Ok(path)
    }

    fn add(&mut self, dir: &Path, name: &std::ffi::OsStr, bytes: &[u8]) -> Result<()> {
        let path = dir.join(name);
        if path.symlink_metadata().is_ok() || name.as_bytes() == b"." {
            return Ok(());
        }
        put(&path, bytes)?;
        let written = self
            .rng
            .pick(&[0, 946_684_800, 1_772_668_800, 1_772_668_800, 4_102_444_800]);
        age(&path, written)?;
        self.files.push(path);
        Ok(())
    }

    /// Links in circles and into nothing, FIFOs, sockets, files that may not be read.
    fn add_odd_files(&mut self) -> Result<()> {
        let (logs, outside) = (self.place.logs.clone(), self.place.outside.clone());
        let mut kinds: Vec<u8> = (0..12).collect();
        self.rng.shuffle(&mut kinds);
        for kind in &kinds[..self.rng.usize(1..6)] {
            match kind {
                0 => link(Path::new("."), &logs.join("loop")),
                1 => link(Path::new("../.."), &logs.join("up")),
                2 => link(Path::new("nowhere"), &logs.join("dangling.log")),
                3 => link(Path::new("self.log"), &logs.join("self.log")),
                4 => {
                    put(&outside.join("linked.log"), &honest(&mut self.rng, 2000))?;
                    link(&outside.join("linked.log"), &logs.join("linked.log"));
                }
                5 => link(&outside, &logs.join("outside")),
                6 => fifo(&logs.join("fifo.log")),
                7 => socket(&logs.join("s.log")),
                8 => link(Path::new("/dev/null"), &logs.join("null.log")),
                9 => {
                    let secret = logs.join("secret.log");
                    put(&secret, &honest(&mut self.rng, 2000))?;
                    mode(&secret, 0o000)?;
                    self.files.push(secret);
                }
                10 => {
                    let closed = logs.join(CLOSED);
                    put(&closed.join("a.log"), &honest(&mut self.rng, 2000))?;
                    mode(&closed, 0o000)?;
                }
                _ => link(Path::new("/proc/self/fd/0"), &logs.join("input.log")),
            }
        }
        Ok(())
    }

    /// A copy under another name, whole or longer: which of the two is read must not matter.
    fn copy_one(&mut self) -> Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        let original = self.files[self.rng.usize(..self.files.len())].clone();
        let mut bytes = fs::read(&original).unwrap_or_default();
        if self.rng.bool() {
            bytes.extend(honest(&mut self.rng, 500));
        }
        let name = name(&mut self.rng, "");
        let dir = self.place.logs.clone();
        self.add(&dir, &name, &bytes)
    }

    /// Other people's files, in the places where the program writes.
    pub(crate) fn add_strangers(&mut self) -> Result<()> {
        let work = self.place.work.clone();
        self.plant(&work)?;
        let places = [
            self.place.logs.clone(),
            self.place.tmp.clone(),
            self.place.home.clone(),
            self.place.kept(),
            self.place.outside.clone(),
        ];
        for dir in places {
            if self.rng.chance(0.3) {
                self.plant(&dir)?;
            }
        }
        if self.rng.chance(0.05) {
            let disk = self.place.outside.join("disk");
            fs::create_dir_all(&disk)?;
            link(&disk, &self.place.kept());
        }
        Ok(())
    }

    /// Files in a directory that look as if they were the program's, and are not.
    pub(crate) fn plant(&mut self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir)?;
        let precious = self.place.outside.join("precious.txt");
        put(&precious, b"years of work")?;
        put(&self.place.outside.join("dir/precious.txt"), b"more years")?;
        for _ in 0..self.rng.usize(1..10) {
            match self.rng.u8(..16) {
                0 => put(&dir.join("thesis.txt"), b"years of work")?,
                1 => put(
                    &dir.join(format!("{}.rollup", self.rng.hex(32))),
                    b"not yours",
                )?,
                2 => put(&dir.join("x.rollup"), b"not yours")?,
                3 => put(&dir.join(format!(".tmp{}", self.rng.hex(6))), b"not yours")?,
                4 => put(&dir.join("report.md.tmp"), b"not yours")?,
                5 => put(&dir.join("CACHEDIR.TAG"), CACHEDIR)?,
                6 => {
                    let spool = dir.join("dragline-sql-abc");
                    put(&spool.join("thesis.txt"), b"years of work")?;
                    age(&spool, 946_684_800)?;
                }
                7 => put(&dir.join(RECORDED), b"half an archive")?,
                8 => put(
                    &dir.join("2026-03-04/0123456789abcdef.rollup"),
                    b"not yours",
                )?,
                9 => put(&dir.join("truth.json"), b"{\"format\":\"mine\"}")?,
                10 => link(&precious, &dir.join("report.md.tmp")),
                11 => link(&precious, &dir.join(format!("{}.rollup", self.rng.hex(32)))),
                12 => {
                    let outside = self.place.outside.join("dir");
                    link(&outside, &dir.join("dragline-sql-link"));
                }
                13 => fifo(&dir.join("pipe")),
                14 => put(&dir.join("report.html"), b"a page of somebody's")?,
                _ => put(&with_end(&dir.join("tail.state"), ".tmp"), b"not yours")?,
            }
        }
        Ok(())
    }

    /// A path as it is typed: from the current directory where it is below that, else whole.
    pub(crate) fn typed(&mut self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.cwd) {
            Ok(below) if !below.as_os_str().is_empty() && !self.rng.chance(0.15) => {
                below.to_owned()
            }
            _ => path.to_owned(),
        }
    }
}

/// What marks a cache of somebody else's.
const CACHEDIR: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n# of another program\n";
/// As the recorder names an archive that is not complete.
const RECORDED: &str = "shop.20260101T000000Z.abcdefabcdef.0.jsonl.gz.tmp";
