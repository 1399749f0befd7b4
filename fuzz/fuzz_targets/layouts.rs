//! Lines as heads of text: by what was learned of those before, and each by itself, they are the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        dragline_ingest::fuzzing::layouts(text);
    }
});
