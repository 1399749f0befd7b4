//! Any text as a literal of Python's, pairs, a duration, a time: nothing panics, nothing hangs.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        dragline_ingest::fuzzing::literals(text);
    }
});
