//! Flushing at the end of a program: a normal exit, a panic or a signal.

use std::sync::{Mutex, Once, PoisonError, Weak};
use std::time::Duration;

use crate::complain::complain;
use crate::run::Run;
use crate::{sys, typed};

/// How long the end of the program waits for the disk.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something that the end of the program flushes.
pub(crate) trait AtExit: Send + Sync {
    /// Writes all waiting lines, for a bounded time; an error is a sentence.
    fn flush_at_exit(&self, patience: Duration) -> Result<(), String>;
}

/// The recorders of this process.
static RECORDERS: Mutex<Vec<Weak<dyn AtExit>>> = Mutex::new(Vec::new());

/// Registers a recorder to be flushed at the end of the program, even if its guard is not dropped.
pub(crate) fn register(recorder: Weak<dyn AtExit>) {
    extern "C" fn at_exit() {
        flush_all();
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| sys::call_at_exit(at_exit));
    let mut recorders = RECORDERS.lock().unwrap_or_else(PoisonError::into_inner);
    recorders.retain(|recorder| recorder.strong_count() > 0);
    recorders.push(recorder);
}

/// Flushes every recorder, each for a bounded time.
fn flush_all() {
    // In a forked process, the lock may be held by a thread that exists only in the parent.
    let Ok(recorders) = RECORDERS.try_lock() else {
        return;
    };
    let recorders: Vec<_> = recorders.iter().filter_map(Weak::upgrade).collect();
    for recorder in recorders {
        if let Err(error) = recorder.flush_at_exit(PATIENCE) {
            complain(&format!("at the end of the program: {error}"));
        }
    }
}

/// Installs a panic hook that records a panic as an error, in the run in which it occurs, and flushes all
/// recorders before the program unwinds or aborts.
pub(crate) fn record_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info
                .payload_as_str()
                .unwrap_or("panic with a non-string payload");
            let mut place = info
                .location()
                .map(|at| format!("at {at}"))
                .unwrap_or_default();
            let backtrace = std::backtrace::Backtrace::capture();
            if let Some(backtrace) = typed::capture_panic() {
                place.push_str(&format!("\n{backtrace}"));
            } else if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
                place.push_str(&format!("\n{backtrace}"));
            }
            Run::note_panic(message);
            typed::panicked(message, &place);
            // The hook before this one prints, and blocks when nobody reads standard error. It may also log.
            flush_all();
            before(info);
            flush_all();
        }));
    });
}

/// Makes SIGTERM and SIGINT flush all recorders before they end the program.
#[cfg(unix)]
pub(crate) fn flush_on_signals() {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let watch = || -> std::io::Result<()> {
            // Signals that the program ignores stay ignored.
            let caught = [SIGTERM, SIGINT]
                .into_iter()
                .filter(|signal| !sys::is_ignored(*signal));
            let mut signals = Signals::new(caught)?;
            sys::catches_signals();
            std::thread::Builder::new()
                .name("dragline-signals".to_owned())
                .spawn(move || {
                    for signal in signals.forever() {
                        flush_all();
                        let _ = signal_hook::low_level::emulate_default_handler(signal);
                    }
                })
                .map(drop)
        };
        if let Err(error) = watch() {
            complain(&format!("cannot handle signals: {error}"));
        }
    });
}

#[cfg(not(unix))]
pub(crate) fn flush_on_signals() {}
