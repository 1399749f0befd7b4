//! Long work: a bar on a terminal, and Ctrl-C.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dragline_scan::Watch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);
/// What a shell says of a program that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// Does the work, and shows meanwhile how far it is. Ctrl-C stops it cleanly; pressed again, it ends
/// the program at once.
pub(crate) fn watched<T>(watch: &Watch, work: impl FnOnce() -> T) -> T {
    let interrupted = interrupts();
    let bar = progress_bar();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ticker = scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                if interrupted.load(Ordering::Relaxed) {
                    watch.cancel();
                }
                bar.set_length(watch.total());
                bar.set_position(watch.done());
                std::thread::park_timeout(TICK);
            }
        });
        let result = work();
        is_done.store(true, Ordering::Release);
        ticker.thread().unpark();
        // It does nothing that could panic.
        let _ = ticker.join();
        bar.finish_and_clear();
        result
    })
}

/// Becomes true at the first Ctrl-C, or when the program is told to end; the second Ctrl-C ends it.
pub(crate) fn interrupts() -> Arc<AtomicBool> {
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
