//! A log that is written, rotated in every way, packed, deleted and made anew.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// How the log is rotated.
#[derive(Debug, Clone, Copy)]
enum Rotation {
    Rename,
    CopyTruncate,
}

/// The files, and everything that was ever written into them.
pub(crate) struct Files {
    random: fastrand::Rng,
    dir: PathBuf,
    rotation: Rotation,
    /// Whether lines say when: without that, files begin alike.
    has_times: bool,
    count: usize,
    pub(crate) written: String,
    /// The rest of a line whose beginning was written.
    rest: Option<String>,
    /// An archive that is half written.
    half: Option<(PathBuf, Vec<u8>)>,
    /// A copy of the log that is not truncated yet.
    is_copied: bool,
}

impl Files {
    pub(crate) fn new(dir: &Path, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        fs::create_dir_all(dir).unwrap();
        Self {
            rotation: [Rotation::Rename, Rotation::CopyTruncate][random.usize(..2)],
            has_times: random.bool(),
            random,
            dir: dir.to_owned(),
            count: 0,
            written: String::new(),
            rest: None,
            half: None,
            is_copied: false,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn line(&mut self) -> String {
        self.count += 1;
        let (n, second) = (self.count, self.count % 60);
        let pad = "x".repeat(self.random.usize(..200));
        if self.has_times {
            format!(
                "2026-03-04 11:{:02}:{second:02} INFO: m{n} {pad}\n",
                n / 60 % 60
            )
        } else {
            format!("{{\"level\":\"info\",\"msg\":\"m{n} {pad}\"}}\n")
        }
    }

    fn append(&mut self, text: &str) {
        let path = self.path("app.log");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.written.push_str(text);
    }

    pub(crate) fn write(&mut self) {
        if self.is_copied {
            return;
        }
        let rest = self.rest.take().unwrap_or_default();
        self.append(&rest);
        for _ in 0..self.random.usize(1..40) {
            let line = self.line();
            self.append(&line);
        }
    }

    /// The beginning of a line, cut anywhere.
    pub(crate) fn begin(&mut self) {
        if self.rest.is_some() || self.is_copied {
            return self.write();
        }
        let line = self.line();
        let cut = self.random.usize(1..line.len());
        self.append(&line[..cut]);
        self.rest = Some(line[cut..].to_owned());
    }

    /// Rotated files by number.
    fn rotated(&self) -> Vec<(u32, PathBuf)> {
        let entries = fs::read_dir(&self.dir).unwrap();
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

    pub(crate) fn rotate(&mut self) {
        let (log, first) = (self.path("app.log"), self.path("app.log.1"));
        if std::mem::take(&mut self.is_copied) {
            File::create(log).unwrap();
            return;
        }
        if self.rest.is_some() || self.half.is_some() || !log.exists() {
            return;
        }
        for (number, path) in self.rotated().into_iter().rev() {
            let is_packed = path.extension().is_some_and(|e| e == "gz");
            let packed = if is_packed { ".gz" } else { "" };
            fs::rename(&path, self.path(&format!("app.log.{}{packed}", number + 1))).unwrap();
        }
        match self.rotation {
            Rotation::Rename => fs::rename(log, first).unwrap(),
            Rotation::CopyTruncate => {
                fs::copy(&log, first).unwrap();
                self.is_copied = true;
            }
        }
    }

    /// Packs a rotated file, or begins to.
    pub(crate) fn compress(&mut self) {
        if let Some((path, rest)) = self.half.take() {
            let name = format!("{}.gz", path.file_name().unwrap().to_str().unwrap());
            let mut file = OpenOptions::new()
                .append(true)
                .open(self.path(&name))
                .unwrap();
            file.write_all(&rest).unwrap();
            fs::remove_file(path).unwrap();
            return;
        }
        if self.is_copied {
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

    /// Whether nothing is half done.
    pub(crate) fn is_calm(&self) -> bool {
        self.rest.is_none() && self.half.is_none() && !self.is_copied
    }

    /// Deletes what was sent: the oldest file, or the log itself.
    pub(crate) fn delete(&mut self) {
        match self.rotated().last() {
            Some((_, path)) if self.random.bool() => fs::remove_file(path).unwrap(),
            _ => {
                let _ = fs::remove_file(self.path("app.log"));
            }
        }
    }

    /// Ends what is half done.
    pub(crate) fn calm(&mut self) {
        if self.is_copied {
            self.rotate();
        }
        if self.rest.is_some() {
            self.write();
        }
        if self.half.is_some() {
            self.compress();
        }
    }
}
