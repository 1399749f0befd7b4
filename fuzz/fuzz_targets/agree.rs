//! JSON lines as they are, which the fast path may take, and with a blank in front, which only the
//! general parser takes: both read alike.

#![no_main]

mod common;

use common::{FILE, read};
use libfuzzer_sys::fuzz_target;

/// What was told, but for what a blank changes: a bad line is shown as it is.
fn without_blanks(told: &[String]) -> Vec<String> {
    told.iter().map(|text| text.replace(' ', "")).collect()
}

fuzz_target!(|data: &[u8]| {
    let is_object = |line: &&[u8]| {
        // Over many lines, and Docker's, objects begin at a line's first byte.
        line.starts_with(b"{\"") && !line.starts_with(b"{\"log\"") && !line.contains(&b'\r')
    };
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').filter(is_object).collect();
    if lines.is_empty() {
        return;
    }
    let joined = |blank: &[u8]| -> Vec<u8> {
        let line = |line: &&[u8]| [blank, line, b"\n"].concat();
        lines.iter().flat_map(line).collect()
    };
    FILE.with_borrow(|path| {
        let fast = read(path, &joined(b"")).told;
        let general = read(path, &joined(b" ")).told;
        assert_eq!(without_blanks(&fast), without_blanks(&general));
    });
});
