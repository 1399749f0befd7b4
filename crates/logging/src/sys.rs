//! What only the operating system can do. All of the crate's `unsafe` is here.

use std::io::Write as _;

/// The recorder's own troubles go to stderr; tracing would lead back here.
pub(crate) fn complain(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "dragline: {sentence}");
}

#[cfg(unix)]
pub(crate) use unix::{call_at_exit, generation, lower_priority, watch_forks};

#[cfg(not(unix))]
pub(crate) use other::{call_at_exit, generation, lower_priority, watch_forks};

#[cfg(unix)]
#[allow(unsafe_code, reason = "the C library has no other door")]
mod unix {
    use std::sync::Once;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    static GENERATION: AtomicU64 = AtomicU64::new(0);

    /// How often the process was forked before it became what it is. One load: callers ask at
    /// every event.
    pub(crate) fn generation() -> u64 {
        GENERATION.load(Relaxed)
    }

    /// From now on [`generation`] counts.
    pub(crate) fn watch_forks() {
        extern "C" fn in_child() {
            // One store: nothing else is safe here.
            GENERATION.fetch_add(1, Relaxed);
        }
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the handler lives as long as the program and only stores into an atomic. A
            // failure (no memory) leaves forks unnoticed.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
    }

    /// Calls the function when the program ends by `exit` or by returning from `main`.
    pub(crate) fn call_at_exit(function: extern "C" fn()) {
        // SAFETY: the function lives as long as the program. A failure (no memory) means that it is
        // not called.
        unsafe { libc::atexit(function) };
    }

    /// Gives this thread the lowest priority.
    pub(crate) fn lower_priority() {
        // On Linux the priority is the thread's; elsewhere it would be the process's.
        #[cfg(target_os = "linux")]
        // SAFETY: changes nothing but the calling thread's niceness; a failure changes nothing.
        unsafe {
            let thread = libc::gettid();
            libc::setpriority(libc::PRIO_PROCESS, thread.unsigned_abs(), 19);
        }
    }
}

#[cfg(not(unix))]
mod other {
    pub(crate) fn generation() -> u64 {
        0
    }
    pub(crate) fn watch_forks() {}
    pub(crate) fn call_at_exit(_function: extern "C" fn()) {}
    pub(crate) fn lower_priority() {}
}
