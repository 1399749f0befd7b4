//! Backtraces of errors, from the call that records the error.
//!
//! On stable Rust an error value cannot be asked for the place where it came from, so the place where it is
//! recorded has to do.

use std::backtrace::Backtrace;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Maximum number of frames in a backtrace.
const MOST: usize = 50;

/// The function of the standard library in which a program or thread begins.
const BEGIN: &str = "__rust_begin_short_backtrace";

static ENABLED: AtomicBool = AtomicBool::new(false);

/// Captures the backtraces of all errors of the process from now on.
pub(crate) fn enable() {
    ENABLED.store(true, Relaxed);
}

/// The backtrace of the caller; `None` when backtraces are off, or when the program has no symbols.
pub(crate) fn capture() -> Option<String> {
    text().and_then(|text| trim(&frames(&text)))
}

/// The backtrace of the panic whose hook calls this; `None` as in [`capture`].
pub(crate) fn capture_panic() -> Option<String> {
    let text = text()?;
    let frames = frames(&text);
    let handler = |frame: &Frame<'_>| frame.function.ends_with("rust_begin_unwind");
    let start = frames.iter().position(handler).map_or(0, |at| at + 1);
    trim(&frames[start..])
}

fn text() -> Option<String> {
    let is_enabled = ENABLED.load(Relaxed);
    is_enabled.then(|| Backtrace::force_capture().to_string())
}

/// A frame: its function, and the lines with its place.
struct Frame<'t> {
    function: &'t str,
    places: Vec<&'t str>,
}

/// The program's own frames of a backtrace: without those of the recorder at its top, and those of the
/// standard library below the start of the program or thread.
fn trim(frames: &[Frame<'_>]) -> Option<String> {
    let start = frames
        .iter()
        .position(|frame| !is_recorder(frame.function))?;
    let end = frames
        .iter()
        .position(|frame| frame.function.contains(BEGIN));
    let frames = frames.get(start..end.unwrap_or(frames.len()))?;
    if frames.iter().all(|frame| frame.function == "<unknown>") {
        return None;
    }
    let mut out = String::new();
    for (index, frame) in frames.iter().take(MOST).enumerate() {
        out.push_str(&format!("{index:>4}: {}\n", frame.function));
        for place in &frame.places {
            out.push_str(&format!("             {place}\n"));
        }
    }
    if frames.len() > MOST {
        out.push_str(&format!("      … {} more frames\n", frames.len() - MOST));
    }
    out.truncate(out.trim_end().len());
    Some(out)
}

fn frames(text: &str) -> Vec<Frame<'_>> {
    let mut frames: Vec<Frame<'_>> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let numbered = line.split_once(": ");
        match numbered.filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit())) {
            Some((_, function)) => frames.push(Frame {
                function,
                places: Vec::new(),
            }),
            None => {
                if let Some(frame) = frames.last_mut() {
                    frame.places.push(line);
                }
            }
        }
    }
    frames
}

/// Whether a frame at the top of a backtrace belongs to its capture, or to the start of a panic.
fn is_recorder(function: &str) -> bool {
    // Debug information names functions that were inlined without their module.
    let name = function.split('<').next().unwrap_or_default();
    if ["capture", "from_text", "from_error", "error", "error_text"].contains(&name) {
        return true;
    }
    let function = function.trim_start_matches('<');
    let prefixes = [
        "dragline_logging::",
        "dragline::",
        "std::",
        "core::",
        "alloc::",
    ];
    prefixes.iter().any(|prefix| function.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trimmed(text: &str) -> Option<String> {
        trim(&frames(text))
    }

    const TEXT: &str = "   0: std::backtrace::Backtrace::force_capture
   1: dragline_logging::typed::backtrace::capture
             at /src/typed/backtrace.rs:28:5
   2: from_error<std::io::error::Error>
             at /src/typed/error.rs:46:25
   3: <dragline_logging::run::Run>::error::<std::io::error::Error>
   4: shop::price
             at ./src/shop.rs:12:9
   5: core::iter::traits::iterator::Iterator::for_each
   6: shop::main
   7: std::sys::backtrace::__rust_begin_short_backtrace
   8: std::rt::lang_start
   9: main
  10: <unknown>
";

    #[test]
    fn only_the_programs_own_frames_are_left() {
        assert_eq!(
            trimmed(TEXT).unwrap(),
            "   0: shop::price
             at ./src/shop.rs:12:9
   1: core::iter::traits::iterator::Iterator::for_each
   2: shop::main"
        );
    }

    #[test]
    fn a_program_without_symbols_has_none() {
        assert_eq!(trimmed("   0: <unknown>\n   1: <unknown>\n"), None);
        assert_eq!(trimmed(""), None);
        assert_eq!(trimmed("disabled backtrace"), None);
        assert_eq!(trimmed("   0: std::x\n   1: dragline::y\n"), None);
    }

    #[test]
    fn a_deep_recursion_is_cut() {
        let text = "   7: shop::walk\n".repeat(900);
        let trimmed = trimmed(&text).unwrap();
        assert_eq!(trimmed.lines().count(), MOST + 1);
        assert!(trimmed.ends_with("  49: shop::walk\n      … 850 more frames"));
    }
}
