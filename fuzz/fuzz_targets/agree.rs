//! JSON lines as they are, which the fast path may take, and with a blank in front, which only the
//! general parser takes: both read alike.

#![no_main]

mod common;

use common::{FILE, read};
use libfuzzer_sys::fuzz_target;

/// A blank more makes no line too long that is shorter, in bytes.
const LONGEST: usize = 4096;

/// Whether the same was told, but for what a blank changes: a bad line is shown as it is, and cut.
fn is_alike(one: &str, other: &str) -> bool {
    let (one, other) = (one.replace(' ', ""), other.replace(' ', ""));
    one.starts_with(&other)
}

fuzz_target!(|data: &[u8]| {
    let is_object = |line: &&[u8]| {
        // Over many lines, and Docker's, objects begin at a line's first byte.
        line.starts_with(b"{\"")
            && !line.starts_with(b"{\"log\"")
            && !line.contains(&b'\r')
            && line.len() < LONGEST
    };
    let lines: Vec<&[u8]> = data
        .split(|byte| *byte == b'\n')
        .filter(is_object)
        .collect();
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
        let is_same = fast.len() == general.len()
            && fast
                .iter()
                .zip(&general)
                .all(|(fast, general)| is_alike(fast, general));
        assert!(is_same, "{fast:#?}\n{general:#?}");
    });
});
