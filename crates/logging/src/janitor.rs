//! Compresses closed files and removes old ones.
//!
//! Compression runs in its own thread with the lowest priority. No writer and no caller waits for it. Old
//! files are removed whenever a file is closed, before the next one is written, so that the limits hold
//! even when compression cannot keep up. Files that wait for compression or are being compressed can be
//! removed as well.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::complain::complain;
use crate::compress;
use crate::config::Compression;
use crate::family::Family;
use crate::file_name::{Codec, FileName};
use crate::retention::{self, Retention};
use crate::rolling::ClosedFile;
use crate::sys;

/// How often an idle program checks for files that have become too old.
const SWEEP_INTERVAL: Duration = Duration::from_hours(1);
/// Maximum number of files waiting for compression that are kept open.
const MAX_OPEN: usize = 32;
/// How long the end of the program waits for compression. Remaining files stay plain, and the next process
/// with the same family compresses them.
const GRACE: Duration = Duration::from_secs(10);

/// Manages the closed files of a recorder.
#[derive(Debug)]
pub(crate) struct Janitor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    families: Vec<(Family, Retention)>,
    compression: Compression,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct State {
    /// Files waiting for compression.
    pending: VecDeque<ClosedFile>,
    /// The file that is being compressed. Set to `None` when it is removed in the meantime.
    active: Option<Active>,
    closing: bool,
    /// Whether the leftovers of earlier processes have been found.
    has_looked: bool,
    /// After the end: when to stop compressing the process's own files.
    until: Option<Instant>,
}

impl Janitor {
    /// Starts the thread, which first processes the leftovers of earlier processes.
    pub(crate) fn start(
        families: Vec<(Family, Retention)>,
        compression: Compression,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            families,
            compression,
            clock,
        });
        let its = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("dragline-janitor".to_owned())
            .spawn(move || its.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Takes over a closed file, and removes files that exceed the limits.
    pub(crate) fn take(&self, mut file: ClosedFile) {
        let errors = file.errors;
        if self.shared.compression != Compression::None {
            let mut state = self.shared.lock();
            if state.pending.len() >= MAX_OPEN {
                // Close the file, to save file descriptors for the program.
                file.file = None;
            }
            state.pending.push_back(file);
            drop(state);
            self.shared.work.notify_one();
        }
        for (family, keep) in &self.shared.families {
            if family.errors == errors {
                self.shared.sweep(family, keep);
            }
        }
    }

    /// Removes the oldest closed file of all families. Returns whether there was one.
    pub(crate) fn remove_oldest(&self) -> bool {
        let mut state = self.shared.lock();
        let mut files = Vec::new();
        for (family, _) in &self.shared.families {
            let found = retention::closed_files(family, &state.ours());
            files.extend(found.unwrap_or_default().0);
        }
        let oldest = files
            .into_iter()
            .min_by_key(|file| (file.name.began, file.name.number));
        oldest.is_some_and(|oldest| state.remove(&oldest.path).is_ok())
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.closing = true;
            state.until = Some(Instant::now() + GRACE);
            state.pending.retain(|file| !file.is_leftover);
            state.active.take_if(|active| active.is_leftover);
        }
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // The panic hook has already printed a panic of the thread.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Active {
    path: PathBuf,
    is_leftover: bool,
}

impl State {
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    /// The locked files of this process that are already closed.
    fn ours(&self) -> Vec<&Path> {
        let pending = self.pending.iter().map(|file| &*file.path);
        let active = self.active.as_ref().map(|active| &*active.path);
        pending.chain(active).collect()
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.pending.retain(|file| file.path != path);
        self.active.take_if(|active| active.path == path);
        match fs::remove_file(path) {
            // Another process with the same family has removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        sys::lower_priority();
        for (family, keep) in &self.families {
            if let Err(error) = self.find_leftovers(family) {
                complain(&format!("cannot read {}: {error}", family.dir.display()));
            }
            self.sweep(family, keep);
        }
        self.lock().has_looked = true;
        loop {
            let mut state = self.lock();
            if state.closing && (state.pending.is_empty() || state.is_over()) {
                return;
            }
            match state.pending.pop_front() {
                Some(file) => {
                    state.active = Some(Active {
                        path: file.path.clone(),
                        is_leftover: file.is_leftover,
                    });
                    drop(state);
                    self.compress(&file);
                }
                None => self.idle(state),
            }
        }
    }

    /// Waits for something to do.
    fn idle(&self, state: MutexGuard<'_, State>) {
        let has_nothing = |state: &mut State| state.pending.is_empty() && !state.closing;
        let waited = self
            .work
            .wait_timeout_while(state, SWEEP_INTERVAL, has_nothing);
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(state);
        if waited.timed_out() {
            for (family, keep) in &self.families {
                self.sweep(family, keep);
            }
        }
    }

    fn compress(&self, file: &ClosedFile) {
        let mut goes_on = || {
            let state = self.lock();
            state.active.is_some() && !state.is_over()
        };
        let result = match &file.file {
            Some(held) => compress::compress(held, &file.path, self.compression, &mut goes_on),
            None => open_and_hold(&file.path).map_or(Ok(()), |held| {
                compress::compress(&held, &file.path, self.compression, &mut goes_on)
            }),
        };
        let was_removed = self.lock().active.take().is_none();
        match result {
            Err(error) if !was_removed => {
                let path = file.path.display();
                complain(&format!(
                    "cannot compress {path}: {error}; the file stays uncompressed"
                ));
            }
            _ => {}
        }
        for (family, keep) in &self.families {
            if family.errors == file.errors {
                family.drop_links_to(&file.path);
                self.sweep(family, keep);
            }
        }
    }

    /// Removes files according to the retention.
    fn sweep(&self, family: &Family, keep: &Retention) {
        if *keep == Retention::FOREVER {
            return;
        }
        let mut state = self.lock();
        let mut keep = *keep;
        let dir = family.dir.display();
        let (files, held) = match retention::closed_files(family, &state.ours()) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return complain(&format!("cannot read {dir}: {error}")),
        };
        // Reserve space for the open files of this and other processes and for the next file.
        let open = (held + 1).saturating_mul(family.max_file_bytes);
        keep.max_bytes = keep.max_bytes.map(|bytes| bytes.saturating_sub(open));
        for file in retention::plan(files, &keep, self.clock.now()) {
            if let Err(error) = state.remove(&file.path) {
                let path = file.path.display();
                complain(&format!("cannot remove old log file {path}: {error}"));
            }
        }
    }

    /// Finds the leftovers of killed processes: removes incomplete compressed files and compresses plain
    /// files. Ignores files that a running process has locked.
    fn find_leftovers(&self, family: &Family) -> io::Result<()> {
        let mut plain = Vec::new();
        for entry in fs::read_dir(&family.dir)? {
            let Ok(entry) = entry else { continue };
            let path = entry.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let (name, is_temporary) = match name.strip_suffix(".tmp") {
                Some(name) => (name, true),
                None => (name, false),
            };
            let Ok(name) = name.parse::<FileName>() else {
                continue;
            };
            let is_regular = path.symlink_metadata().is_ok_and(|held| held.is_file());
            if !is_regular || !family.owns(&name) || retention::is_held(&path) {
                continue;
            }
            match name.codec {
                Some(_) if is_temporary => {
                    let _ = fs::remove_file(&path);
                }
                None if !is_temporary => plain.push((name, path)),
                _ => {}
            }
        }
        plain.sort_by_key(|(name, _)| (name.began, name.number));
        for (_, path) in plain {
            self.take_leftover(family, path);
        }
        Ok(())
    }

    fn take_leftover(&self, family: &Family, path: PathBuf) {
        let Some(file) = open_and_hold(&path) else {
            return;
        };
        let archive = Codec::ALL
            .into_iter()
            .map(|codec| (codec, compress::compressed_path(&path, codec)))
            .find(|(_, archive)| archive.exists());
        if let Some((codec, archive)) = archive {
            // The process was killed before it removed the plain file. The archive got its name only when it
            // was complete, so it is kept. A plain file with other content is one that a user has unpacked or
            // is unpacking.
            if compress::is_whole(&archive, codec, &path) {
                let _ = fs::remove_file(&path);
                family.drop_links_to(&path);
            }
            return;
        }
        if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            // The process was killed before the first line.
            let _ = fs::remove_file(&path);
            family.drop_links_to(&path);
            return;
        }
        if self.compression != Compression::None && path.exists() {
            let errors = family.errors;
            let mut state = self.lock();
            if !state.closing {
                state.pending.push_back(ClosedFile {
                    file: None,
                    path,
                    errors,
                    is_leftover: true,
                });
            }
        }
    }
}

/// Opens and locks a file, if no process has locked it. The owner of the lock may process the file.
fn open_and_hold(path: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    let file = retention::open_regular(path, options.read(true).append(true)).ok()?;
    (retention::try_hold(&file) && path.exists()).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::rolling::tests::family;
    use dragline_schema::Timestamp;

    const DAY: i64 = 86_400;

    /// Runs a janitor on a directory until its queue is empty.
    fn look_after(dir: &Path, keep: Retention, compression: Compression, now: i64) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(now)));
        let families = vec![(family(dir, 1 << 20), keep)];
        let janitor = Janitor::start(families, compression, clock).unwrap();
        // Leftovers are processed only while the janitor runs, so wait here.
        loop {
            let state = janitor.shared.lock();
            if state.has_looked && state.pending.is_empty() && state.active.is_none() {
                break;
            }
            drop(state);
            std::thread::yield_now();
        }
    }

    fn old(dir: &Path, day: i64, rest: &str) -> PathBuf {
        let name = format!("t.1970010{day}T000000Z.w.{rest}");
        dir.join(name)
    }

    fn left(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn strangers_and_files_that_are_held_stay() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let strangers = [
            "t.error.19700101T000000Z.w.0.jsonl",
            "other.19700101T000000Z.w.0.jsonl",
            "t.19700102T000000Z.w.1.jsonl.bak",
            "t.log",
            "notes.txt",
        ];
        for path in strangers.map(|name| dir.join(name)) {
            fs::write(path, "x\n").unwrap();
        }
        for (day, rest) in [
            (1, "0.jsonl"),
            (2, "1.jsonl.gz"),
            (3, "2.log"),
            (9, "3.jsonl"),
        ] {
            fs::write(old(dir, day, rest), "x\n").unwrap();
        }
        let held = File::open(old(dir, 2, "1.jsonl.gz")).unwrap();
        retention::hold(&held);
        look_after(dir, Retention::days(5), Compression::None, 10 * DAY);
        let mut expected: Vec<String> = strangers.map(str::to_owned).to_vec();
        expected.push("t.19700102T000000Z.w.1.jsonl.gz".into());
        expected.push("t.19700109T000000Z.w.3.jsonl".into());
        expected.sort();
        assert_eq!(left(dir), expected);
        drop(held);
        look_after(dir, Retention::days(5), Compression::None, 10 * DAY);
        assert_eq!(left(dir).len(), strangers.len() + 1);
    }

    #[test]
    fn what_a_killed_process_left_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let line = "a line\n".repeat(100);
        // Processes killed during the compression, before removing the plain file, and before compressing.
        for (day, rest) in [
            (1, "0.jsonl"),
            (1, "0.jsonl.gz.tmp"),
            (2, "1.jsonl"),
            (3, "2.jsonl"),
            (4, "3.jsonl"),
        ] {
            fs::write(old(dir, day, rest), &line).unwrap();
        }
        let mut whole = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut whole, line.as_bytes()).unwrap();
        let whole = whole.finish().unwrap();
        fs::write(old(dir, 5, "4.jsonl"), "").unwrap();
        fs::write(old(dir, 2, "1.jsonl.gz"), &whole).unwrap();
        fs::write(old(dir, 3, "2.jsonl.gz"), &whole[..20]).unwrap();
        let held = File::open(old(dir, 4, "3.jsonl")).unwrap();
        retention::hold(&held);
        look_after(dir, Retention::FOREVER, Compression::Gzip(6), 10 * DAY);
        // A truncated archive was not written by us: neither the archive nor the plain file is touched.
        let names = [
            (1, "0.jsonl.gz"),
            (2, "1.jsonl.gz"),
            (3, "2.jsonl"),
            (3, "2.jsonl.gz"),
            (4, "3.jsonl"),
        ];
        let expected: Vec<PathBuf> = names.map(|(day, rest)| old(dir, day, rest)).to_vec();
        let paths: Vec<PathBuf> = left(dir).iter().map(|name| dir.join(name)).collect();
        assert_eq!(paths, expected);
        assert_eq!(fs::read_to_string(&expected[2]).unwrap(), line);
        for path in &expected[..2] {
            let packed = flate2::read::MultiGzDecoder::new(File::open(path).unwrap());
            assert_eq!(io::read_to_string(packed).unwrap(), line);
        }
    }

    /// A user who unpacks an archive next to it, even partly, loses neither file.
    #[test]
    fn an_archive_is_never_removed_for_what_stands_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let line = "a line\n".repeat(100);
        let mut whole = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut whole, line.as_bytes()).unwrap();
        let whole = whole.finish().unwrap();
        for (day, plain) in [(1, ""), (2, "a line\n"), (3, "another\n")] {
            fs::write(old(dir, day, "0.jsonl"), plain).unwrap();
            fs::write(old(dir, day, "0.jsonl.gz"), &whole).unwrap();
        }
        look_after(dir, Retention::FOREVER, Compression::Gzip(6), 10 * DAY);
        for day in 1..=3 {
            assert_eq!(fs::read(old(dir, day, "0.jsonl.gz")).unwrap(), whole);
            assert!(old(dir, day, "0.jsonl").exists());
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_neither_followed_nor_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("logs");
        fs::create_dir(&inside).unwrap();
        let secret = dir.path().join("secret");
        fs::write(&secret, "mine\n").unwrap();
        let link = old(&inside, 1, "0.jsonl");
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        let planted = old(&inside, 2, "1.jsonl.gz.tmp");
        std::os::unix::fs::symlink(&secret, &planted).unwrap();
        fs::write(old(&inside, 2, "1.jsonl"), "a line\n").unwrap();
        let fifo = old(&inside, 3, "2.jsonl");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        fs::create_dir(old(&inside, 4, "3.jsonl")).unwrap();
        let before = left(&inside);
        look_after(&inside, Retention::days(5), Compression::Gzip(6), 5 * DAY);
        assert_eq!(left(&inside), before);
        assert!(link.is_symlink() && planted.is_symlink());
        assert_eq!(fs::read_to_string(&secret).unwrap(), "mine\n");
    }

    #[test]
    fn many_files_are_compressed_with_few_open() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for number in 0..200 {
            fs::write(old(dir, 1, &format!("{number}.jsonl")), "a line\n").unwrap();
        }
        look_after(dir, Retention::FOREVER, Compression::Gzip(6), 10 * DAY);
        let names = left(dir);
        assert!(names.len() == 200 && names.iter().all(|name| name.ends_with(".jsonl.gz")));
    }
}
