//! What is still written when a program ends: normally, in a panic, by a signal.

use std::sync::{Mutex, Once, PoisonError, Weak};
use std::time::Duration;

use crate::recorder::Shared;
use crate::run::Run;
use crate::{sys, typed};

/// So long an end waits for the disk.
const PATIENCE: Duration = Duration::from_secs(2);

/// The recorders of this process.
static RECORDERS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// From now on the end of the program flushes that recorder, even when nobody drops its guard.
pub(crate) fn register(recorder: Weak<Shared>) {
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
    // In a process that was forked the lock may be held by a thread that is not there.
    let Ok(recorders) = RECORDERS.try_lock() else {
        return;
    };
    let recorders: Vec<_> = recorders.iter().filter_map(Weak::upgrade).collect();
    for recorder in recorders {
        if let Err(error) = recorder.flush(PATIENCE) {
            sys::complain(&format!("at the end of the program: {error}"));
        }
    }
}

/// From now on a panic is recorded as an error, in the run in which it happens, and everything is
/// flushed before the program goes on unwinding, or ends.
pub(crate) fn record_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info.payload_as_str().unwrap_or("a value that is no text");
            let mut place = info
                .location()
                .map(|at| format!("at {at}"))
                .unwrap_or_default();
            let backtrace = std::backtrace::Backtrace::capture();
            if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
                place.push_str(&format!("\n{backtrace}"));
            }
            Run::note_panic();
            typed::panicked(message, &place);
            before(info);
            flush_all();
        }));
    });
}

/// From now on SIGTERM and SIGINT flush everything before they end the program.
#[cfg(unix)]
pub(crate) fn flush_on_signals() {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let watch = || -> std::io::Result<()> {
            // What the program was told to ignore, it goes on ignoring.
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
            sys::complain(&format!("cannot watch for signals: {error}"));
        }
    });
}

#[cfg(not(unix))]
pub(crate) fn flush_on_signals() {}
