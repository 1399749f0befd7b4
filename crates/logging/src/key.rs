//! Appends the keys of a line.

use dragline_schema::wire;

/// Appends `,"key":`. A key that collides with a key of the format gets the prefix.
pub(crate) fn push_key(key: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    if wire::HEAD.contains(&key) {
        out.extend_from_slice(wire::USER_PREFIX.as_bytes());
    }
    // A raw identifier (`r#type`) is written without `r#`.
    wire::push_escaped(key.strip_prefix("r#").unwrap_or(key), out);
    out.extend_from_slice(b"\":");
}

/// Appends `,"target":"…"`.
pub(crate) fn push_target(target: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"target\":");
    wire::push_text(target, out);
}
