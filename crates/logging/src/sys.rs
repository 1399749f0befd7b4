//! What only the operating system can do. All of the crate's `unsafe` is here.

use std::io::Write as _;

/// The name of this machine; `None` when it has none.
pub(crate) fn host() -> Option<&'static str> {
    static HOST: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let host = HOST.get_or_init(|| machine_name().filter(|name| !name.is_empty()));
    host.as_deref()
}

/// The recorder's own troubles go to stderr; tracing would lead back here.
pub(crate) fn complain(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "dragline: {sentence}");
}

#[cfg(unix)]
pub(crate) use unix::{
    call_at_exit, catches_signals, generation, is_ignored, lower_priority, machine_name,
    watch_forks,
};

#[cfg(not(unix))]
pub(crate) use other::{call_at_exit, generation, lower_priority, machine_name, watch_forks};

#[cfg(unix)]
#[allow(unsafe_code, reason = "the C library has no other door")]
mod unix {
    use std::sync::Once;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

    static GENERATION: AtomicU64 = AtomicU64::new(0);
    static CATCHES_SIGNALS: AtomicBool = AtomicBool::new(false);

    /// From now on a forked process is told that it catches no signals.
    pub(crate) fn catches_signals() {
        CATCHES_SIGNALS.store(true, Relaxed);
    }

    /// Whether somebody has the process ignore the signal.
    pub(crate) fn is_ignored(signal: i32) -> bool {
        // SAFETY: asks only; a failure leaves the zeroes, which say "no".
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut action);
            action.sa_sigaction == libc::SIG_IGN
        }
    }

    /// How often the process was forked before it became what it is. One load: callers ask at
    /// every event.
    pub(crate) fn generation() -> u64 {
        GENERATION.load(Relaxed)
    }

    /// From now on [`generation`] counts.
    pub(crate) fn watch_forks() {
        extern "C" fn in_child() {
            GENERATION.fetch_add(1, Relaxed);
            if CATCHES_SIGNALS.load(Relaxed) {
                for signal in [libc::SIGTERM, libc::SIGINT] {
                    // SAFETY: one of the few calls that are allowed here. The thread that the
                    // signals were passed on to is not in this process.
                    unsafe { libc::signal(signal, libc::SIG_DFL) };
                }
            }
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

    /// What the system calls this machine.
    pub(crate) fn machine_name() -> Option<String> {
        let mut name = [0u8; 256];
        // SAFETY: the call writes at most so many bytes into the buffer, which lives longer than it.
        let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
        let name = std::ffi::CStr::from_bytes_until_nul(&name).ok()?;
        (failed == 0).then(|| name.to_string_lossy().into_owned())
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
    pub(crate) fn machine_name() -> Option<String> {
        std::env::var("COMPUTERNAME").ok()
    }
    pub(crate) fn watch_forks() {}
    pub(crate) fn call_at_exit(_function: extern "C" fn()) {}
    pub(crate) fn lower_priority() {}
}
