//! Lines in whatever stands around records: what is inside is never longer than the whole.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        dragline_ingest::fuzzing::envelopes(text);
    }
});
