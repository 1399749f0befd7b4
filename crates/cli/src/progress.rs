//! Long-running work: progress bar, Ctrl-C, and the memory limit.
//!
//! A sentinel thread monitors the process from the first long-running work on. It runs independently of the
//! other threads, so that it can also end a query that cannot be cancelled or a large report in progress.
//! Work that does not stop when cancelled is ended by exiting the process, after temporary files are removed.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use dragline_scan::Watch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Update interval of the progress bar.
const TICK: Duration = Duration::from_millis(100);
/// Polling interval of the sentinel.
const LOOK: Duration = Duration::from_millis(10);
/// Time that cancelled work has to stop.
const GRACE: Duration = Duration::from_secs(1);
/// Exit code of a program that Ctrl-C ended, as shells report it.
pub(crate) const INTERRUPTED: u8 = 130;

/// The work would need more memory than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMuchMemory(usize);

impl std::fmt::Display for TooMuchMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let limit = bytesize::ByteSize::b(self.0 as u64).display().iec();
        write!(
            f,
            "this needs more than {limit} of memory, the limit: read less at once (fewer files, --since, \
             a LIMIT, fewer columns), or raise the limit with --memory"
        )
    }
}

impl std::error::Error for TooMuchMemory {}

/// State shared by the sentinel and the work.
#[derive(Default)]
struct Sentinel {
    /// The work that can be cancelled.
    work: Mutex<Option<Arc<Watch>>>,
    /// Memory limit in bytes; 0 for none.
    limit: AtomicUsize,
    is_too_much: AtomicBool,
}

static SENTINEL: OnceLock<Arc<Sentinel>> = OnceLock::new();

/// Runs the work and shows its progress. The first Ctrl-C stops it cleanly, the second ends the program
/// immediately. Work that exceeds the memory limit (in bytes) is stopped, too.
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

/// The work was stopped by the user; there is no message.
#[derive(Debug)]
pub(crate) struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}

/// Monitors work that runs until it is stopped, for as long as this value exists.
pub(crate) struct Guard {
    _told: Told,
    memory: usize,
}

/// Lets the sentinel monitor work that does not end by itself.
pub(crate) fn guard(watch: &Arc<Watch>, memory: usize) -> Guard {
    let sentinel = sentinel();
    sentinel.limit.store(memory, Ordering::Relaxed);
    Guard {
        _told: sentinel.tell(watch),
        memory,
    }
}

impl Guard {
    /// Returns an error if the work exceeded the memory limit.
    pub(crate) fn check(&self) -> Result<(), TooMuchMemory> {
        if sentinel().is_too_much.load(Ordering::Relaxed) {
            return Err(TooMuchMemory(self.memory));
        }
        Ok(())
    }
}

/// Returns the sentinel; the first call starts its thread.
fn sentinel() -> Arc<Sentinel> {
    let sentinel = SENTINEL.get_or_init(|| {
        let sentinel = Arc::new(Sentinel::default());
        let (own, interrupted) = (Arc::clone(&sentinel), interrupts());
        // If the thread cannot be started, there is no sentinel; everything else works.
        let _ = std::thread::Builder::new()
            .name("sentinel".to_owned())
            .spawn(move || own.look(&interrupted));
        sentinel
    });
    Arc::clone(sentinel)
}

impl Sentinel {
    /// Registers the work to stop, until the returned value is dropped.
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
            // Cancelled work needs some memory to stop, so the limit has a margin.
            if taken > limit - limit / 8 {
                self.is_too_much.store(true, Ordering::Relaxed);
            }
            let is_too_much = self.is_too_much.load(Ordering::Relaxed);
            if !is_too_much && !interrupted.load(Ordering::Relaxed) {
                continue;
            }
            self.stop_work();
            let told = *since.get_or_insert_with(Instant::now);
            // Work that stops in time reports the error itself.
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

/// Registration of the work to stop.
struct Told(Arc<Sentinel>);

impl Drop for Told {
    fn drop(&mut self) {
        *self.0.work.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Returns the private memory of the process in bytes; 0 where the system does not report it.
fn memory_in_use() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.unwrap_or(0) << 10
}

/// Returns a flag that becomes true at the first Ctrl-C or SIGTERM; the second Ctrl-C ends the program.
pub(crate) fn interrupts() -> Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let flag = FLAG.get_or_init(|| {
        let flag = Arc::new(AtomicBool::new(false));
        // The order matters: the first handler checks the flag, the second sets it.
        let second = signal_hook::flag::register_conditional_shutdown(
            SIGINT,
            i32::from(INTERRUPTED),
            Arc::clone(&flag),
        );
        // If the handler cannot be installed, Ctrl-C ends the program as usual.
        let _ = second.and_then(|_| signal_hook::flag::register(SIGINT, Arc::clone(&flag)));
        // Service managers stop processes with SIGTERM.
        let _ = signal_hook::flag::register(SIGTERM, Arc::clone(&flag));
        flag
    });
    Arc::clone(flag)
}

/// A progress bar that updates itself until it is dropped.
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
    /// Also runs when the work panics, so that nothing waits for the bar.
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::Release);
        if let Some(ticker) = self.ticker.take() {
            ticker.thread().unpark();
            // The ticker thread cannot panic.
            let _ = ticker.join();
        }
        self.shown.finish_and_clear();
    }
}

/// Returns a progress bar that is hidden unless stderr is a terminal.
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
