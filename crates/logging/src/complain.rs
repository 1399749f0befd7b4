//! Reports of the recorder's own problems. Tracing would lead back to the recorder.

use std::io::{self, Write as _};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::console::write_patiently;
use crate::outlet::{Outlet, Sink};
use crate::sys;

/// How long a report may delay its caller, which may be the thread that writes the logs.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reports a problem of the recorder on standard error, at most for [`PATIENCE`]: a standard error that is
/// not read must not stop the recorder.
pub(crate) fn complain(sentence: &str) {
    let line = format!("dragline: {sentence}\n");
    match outlet() {
        Some(outlet) => {
            outlet.push(&[line.as_bytes()]);
            outlet.flush(PATIENCE);
        }
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// The outlet of this process; `None` when it cannot be started.
fn outlet() -> Option<Arc<Outlet>> {
    static OUTLET: Mutex<Option<(u64, Arc<Outlet>)>> = Mutex::new(None);
    // In a forked process, the lock may be held by a thread that exists only in the parent.
    let mut held = OUTLET.try_lock().ok()?;
    if let Some((generation, outlet)) = &*held
        && *generation == sys::generation()
    {
        return Some(Arc::clone(outlet));
    }
    let outlet = Arc::new(Outlet::start(Stderr).ok()?);
    let of_parent = held.replace((sys::generation(), Arc::clone(&outlet)));
    // Its lock may be held, too.
    std::mem::forget(of_parent);
    Some(outlet)
}

struct Stderr;

impl Sink for Stderr {
    fn write(&mut self, lines: &[u8], _written: &AtomicU64) -> io::Result<()> {
        write_patiently(lines)
    }

    fn note(&self, dropped: u64) -> Option<String> {
        Some(format!(
            "dragline: {dropped} reports of problems are not shown here\n"
        ))
    }
}
