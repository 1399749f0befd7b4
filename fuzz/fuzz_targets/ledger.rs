//! Any bytes as the lines of a log: each is a record, a part of one, of what stands around them, blank, or reported.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    dragline_ingest::fuzzing::ledger(data);
});
