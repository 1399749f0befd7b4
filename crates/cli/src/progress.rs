//! Long work: a bar on a terminal, Ctrl-C, and a bound on memory.
//!
//! A sentinel looks after the process from the first long work on. It is a thread of its own, so that it
//! does not matter what the others are busy with: a query that cannot be stopped, a large report that is
//! being made. What was told to stop and does not is ended, without leaving temporary files behind.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dragline_scan::Watch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);
/// How often the sentinel looks.
const LOOK: Duration = Duration::from_millis(10);
/// What is told to stop has so long.
const GRACE: Duration = Duration::from_secs(1);
/// What a shell says of a program that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// More memory than the process may take would be needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMuchMemory(usize);

impl std::fmt::Display for TooMuchMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let limit = bytesize::ByteSize::b(self.0 as u64).display().iec();
        write!(
            f,
            "this needs more than {limit} of memory, which is the limit: ask for less at once (fewer files, \
             --since, a LIMIT, fewer columns), or give more with --memory"
        )
    }
}

impl std::error::Error for TooMuchMemory {}

/// What the sentinel and the work say to each other.
#[derive(Default)]
struct Sentinel {
    /// Work that can be told to stop.
    work: Mutex<Option<Arc<Watch>>>,
    /// In bytes; 0 is no limit.
    limit: AtomicUsize,
    is_too_much: AtomicBool,
}

static SENTINEL: OnceLock<Arc<Sentinel>> = OnceLock::new();

/// Does the work, and shows meanwhile how far it is. Ctrl-C stops it cleanly; pressed again, it ends
/// the program at once. So does work that takes more memory than the limit in bytes.
pub(crate) fn watched<T>(
    watch: &Arc<Watch>,
    memory: usize,
    work: impl FnOnce() -> T,
) -> Result<T, TooMuchMemory> {
    let sentinel = sentinel();
    sentinel.limit.store(memory, Ordering::Relaxed);
    let _told = sentinel.tell(watch);
    let bar = Bar::start(watch);
    let result = work();
    drop(bar);
    if sentinel.is_too_much.load(Ordering::Relaxed) {
        return Err(TooMuchMemory(memory));
    }
    Ok(result)
}

/// The work was stopped, and has nothing more to say.
#[derive(Debug)]
pub(crate) struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}

/// Looks after work that goes on until it is stopped, while this is there.
pub(crate) struct Guard {
    _told: Told,
    memory: usize,
}

/// Lets the sentinel look after work that has no end of its own.
pub(crate) fn guard(watch: &Arc<Watch>, memory: usize) -> Guard {
    let sentinel = sentinel();
    sentinel.limit.store(memory, Ordering::Relaxed);
    Guard {
        _told: sentinel.tell(watch),
        memory,
    }
}

impl Guard {
    /// An error when the work took too much memory.
    pub(crate) fn check(&self) -> Result<(), TooMuchMemory> {
        if sentinel().is_too_much.load(Ordering::Relaxed) {
            return Err(TooMuchMemory(self.memory));
        }
        Ok(())
    }
}

/// The sentinel, which begins to look.
fn sentinel() -> Arc<Sentinel> {
    let sentinel = SENTINEL.get_or_init(|| {
        let sentinel = Arc::new(Sentinel::default());
        let (own, interrupted) = (Arc::clone(&sentinel), interrupts());
        // Without a thread to spare there is no sentinel, and everything else works.
        let _ = std::thread::Builder::new()
            .name("sentinel".to_owned())
            .spawn(move || own.look(&interrupted));
        sentinel
    });
    Arc::clone(sentinel)
}

impl Sentinel {
    /// Tells it whom to stop, until what is given back is dropped.
    fn tell(self: &Arc<Self>, watch: &Arc<Watch>) -> Told {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(watch));
        Told(Arc::clone(self))
    }

    fn stop_work(&self) {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = &*work {
            watch.cancel();
        }
    }

    fn look(&self, interrupted: &AtomicBool) {
        let mut since: Option<Instant> = None;
        loop {
            std::thread::park_timeout(LOOK);
            let limit = self.limit.load(Ordering::Relaxed);
            let taken = if limit > 0 { memory_in_use() } else { 0 };
            // What is told to stop needs some more to do so.
            if taken > limit - limit / 8 {
                self.is_too_much.store(true, Ordering::Relaxed);
            }
            let is_too_much = self.is_too_much.load(Ordering::Relaxed);
            if !is_too_much && !interrupted.load(Ordering::Relaxed) {
                continue;
            }
            self.stop_work();
            let told = *since.get_or_insert_with(Instant::now);
            // What stops in time says so itself.
            if told.elapsed() < GRACE && taken <= limit {
                continue;
            }
            dragline_files::remove_temporaries();
            if is_too_much {
                let sentence = TooMuchMemory(limit);
                let _ = writeln!(std::io::stderr(), "dragline: {sentence}");
                std::process::exit(1);
            }
            std::process::exit(i32::from(INTERRUPTED));
        }
    }
}

/// The sentinel knows whom to stop.
struct Told(Arc<Sentinel>);

impl Drop for Told {
    fn drop(&mut self) {
        *self.0.work.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// How much memory the process has of its own, in bytes; 0 where nobody tells.
fn memory_in_use() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.unwrap_or(0) << 10
}

/// Becomes true at the first Ctrl-C, or when the program is told to end; the second Ctrl-C ends it.
pub(crate) fn interrupts() -> Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let flag = FLAG.get_or_init(|| {
        let flag = Arc::new(AtomicBool::new(false));
        // The order matters: the first asks whether the flag is set, the second sets it.
        let second = signal_hook::flag::register_conditional_shutdown(
            SIGINT,
            i32::from(INTERRUPTED),
            Arc::clone(&flag),
        );
        // Without a handler Ctrl-C ends the program, as ever.
        let _ = second.and_then(|_| signal_hook::flag::register(SIGINT, Arc::clone(&flag)));
        // Services are stopped like this.
        let _ = signal_hook::flag::register(SIGTERM, Arc::clone(&flag));
        flag
    });
    Arc::clone(flag)
}

/// A bar that moves on its own until it is dropped.
struct Bar {
    shown: ProgressBar,
    is_done: Arc<AtomicBool>,
    ticker: Option<std::thread::JoinHandle<()>>,
}

impl Bar {
    fn start(watch: &Arc<Watch>) -> Self {
        let bar = progress_bar();
        let is_done = Arc::new(AtomicBool::new(false));
        let ticker = (!bar.is_hidden()).then(|| {
            let (bar, watch, is_done) = (bar.clone(), Arc::clone(watch), Arc::clone(&is_done));
            std::thread::spawn(move || {
                while !is_done.load(Ordering::Acquire) {
                    bar.set_length(watch.total());
                    bar.set_position(watch.done());
                    std::thread::park_timeout(TICK);
                }
            })
        });
        Self {
            shown: bar,
            is_done,
            ticker,
        }
    }
}

impl Drop for Bar {
    /// Also when the work panics: nobody waits for a bar.
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::Release);
        if let Some(ticker) = self.ticker.take() {
            ticker.thread().unpark();
            // It does nothing that could panic.
            let _ = ticker.join();
        }
        self.shown.finish_and_clear();
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar() -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_passed_on_and_nobody_waits() {
        let watch = Arc::default();
        let panicked = std::panic::catch_unwind(|| watched(&watch, 0, || panic!("as planned")));
        assert!(panicked.is_err());
        assert!(!watch.is_cancelled());
        assert_eq!(watched(&watch, 0, || 7), Ok(7));
    }
}
