//! JSON lines as they are, which the fast paths may take, and with blanks in front, another number of them
//! before each line, so that no shape comes twice and only the general parser takes them: both read alike.

#![no_main]

mod common;

use common::{FILE, read};
use libfuzzer_sys::fuzz_target;

/// Blanks make no line too long that is shorter, in bytes: the reader of these targets takes 4,096, and 6,000 bytes
/// hold at most 2,000 objects, before the last of which so many blanks are written.
const LONGEST: usize = 2096;

/// Whether a line is JSON, or what JavaScript and Python write as if it were. Anything else is text.
fn is_json(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let text = text.replace("-Infinity", "0").replace("Infinity", "0").replace("NaN", "0");
    serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok()
}

/// Whether the same was told, but for what a blank changes: a bad line is shown as it is, and cut.
fn is_alike(one: &str, other: &str) -> bool {
    let bare = |text: &str| text.replace([' ', '\t'], "");
    let (one, other) = (bare(one), bare(other));
    one.starts_with(&other)
}

fuzz_target!(|data: &[u8]| {
    let is_object = |line: &&[u8]| {
        // Over many lines, and Docker's, objects begin at a line's first byte.
        line.starts_with(b"{\"")
            && !line.starts_with(b"{\"log\"")
            && !line.contains(&b'\r')
            // Where a line was cut depends on what stands before its NUL bytes.
            && !line.contains(&0)
            // What is torn may look like a line of text, where blanks mean something.
            && line.ends_with(b"}")
            && line.len() < LONGEST
            && is_json(line)
    };
    let lines: Vec<&[u8]> = data
        .split(|byte| *byte == b'\n')
        .filter(is_object)
        .collect();
    if lines.is_empty() {
        return;
    }
    let joined = |blanks: usize| -> Vec<u8> {
        let line = |(at, line): (usize, &&[u8])| {
            [b" ".repeat(blanks * (at + 1)).as_slice(), line, b"\n"].concat()
        };
        lines.iter().enumerate().flat_map(line).collect()
    };
    FILE.with_borrow(|path| {
        let fast = read(path, &joined(0)).told;
        let general = read(path, &joined(1)).told;
        let is_same = fast.len() == general.len()
            && fast
                .iter()
                .zip(&general)
                .all(|(fast, general)| is_alike(fast, general));
        assert!(is_same, "{fast:#?}\n{general:#?}");
    });
});
