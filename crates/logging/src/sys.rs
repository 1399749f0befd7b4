//! Calls to the operating system. All `unsafe` code of the crate is here.

/// The name of this machine; `None` when it is unknown.
pub(crate) fn host() -> Option<&'static str> {
    static HOST: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let host = HOST.get_or_init(|| machine_name().filter(|name| !name.is_empty()));
    host.as_deref()
}

#[cfg(unix)]
pub(crate) use unix::{
    call_at_exit, catches_signals, generation, is_ignored, lower_priority, machine_name,
    watch_forks,
};

#[cfg(not(unix))]
pub(crate) use other::{call_at_exit, generation, lower_priority, machine_name, watch_forks};

#[cfg(unix)]
#[allow(unsafe_code, reason = "calls into the C library need it")]
mod unix {
    use std::sync::Once;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

    static GENERATION: AtomicU64 = AtomicU64::new(0);
    static CATCHES_SIGNALS: AtomicBool = AtomicBool::new(false);

    /// Makes forked processes restore the default signal handlers.
    pub(crate) fn catches_signals() {
        CATCHES_SIGNALS.store(true, Relaxed);
    }

    /// Whether the process ignores the signal.
    pub(crate) fn is_ignored(signal: i32) -> bool {
        // SAFETY: only reads the current action. On failure the action stays zeroed, which means "not ignored".
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut action);
            action.sa_sigaction == libc::SIG_IGN
        }
    }

    /// The number of forks between the original process and this one. A single load, because it is called
    /// for every event.
    pub(crate) fn generation() -> u64 {
        GENERATION.load(Relaxed)
    }

    /// Makes [`generation`] count forks.
    pub(crate) fn watch_forks() {
        extern "C" fn in_child() {
            GENERATION.fetch_add(1, Relaxed);
            if CATCHES_SIGNALS.load(Relaxed) {
                for signal in [libc::SIGTERM, libc::SIGINT] {
                    // SAFETY: `signal` is async-signal-safe. The thread that handles the signals does not
                    // exist in the forked process.
                    unsafe { libc::signal(signal, libc::SIG_DFL) };
                }
            }
        }
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the handler lives as long as the program, only stores to an atomic and makes
            // async-signal-safe calls. On failure (no memory), forks go unnoticed.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
    }

    /// Registers a function to be called when the program ends through `exit` or by returning from `main`.
    pub(crate) fn call_at_exit(function: extern "C" fn()) {
        // SAFETY: the function lives as long as the program. On failure (no memory), it is not called.
        unsafe { libc::atexit(function) };
    }

    /// The host name of this machine.
    pub(crate) fn machine_name() -> Option<String> {
        let mut name = [0u8; 256];
        // SAFETY: the call writes at most `name.len()` bytes into the buffer, which outlives the call.
        let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
        let name = std::ffi::CStr::from_bytes_until_nul(&name).ok()?;
        (failed == 0).then(|| name.to_string_lossy().into_owned())
    }

    /// Gives this thread the lowest priority.
    pub(crate) fn lower_priority() {
        // On Linux the priority belongs to the thread; elsewhere it would apply to the whole process.
        #[cfg(target_os = "linux")]
        // SAFETY: changes only the niceness of the calling thread; a failure changes nothing.
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
