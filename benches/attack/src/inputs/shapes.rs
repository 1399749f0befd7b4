//! What befalls the bytes of a log: holes, other encodings, other line ends, damage.

use super::pen::Pen;
use crate::dice::Dice as _;

/// The longest line, in bytes: more than any reader needs to take.
const LONGEST: usize = 20 << 20;

/// Bytes that mean something to somebody.
const DAMAGE: &[u8] = &[0, 0xff, 0x80, b'\n', b'"', b'{', 0x1b, b'\\'];

/// Bends a whole log into another shape.
pub(crate) fn shaped(pen: &mut Pen, log: Vec<u8>) -> Vec<u8> {
    match pen.rng.u8(..40) {
        0 => Vec::new(),
        1 => holed(pen, &log),
        2 => replaced(&log, b"\n", b"\r\n"),
        3 => replaced(&log, b"\n", b"\r"),
        4 => trimmed(log),
        5 => wide(pen, &log),
        6 => latin(&log),
        7 => [b"\xef\xbb\xbf".as_slice(), &log].concat(),
        8 => replaced(&log, b"\n", b"\n\xef\xbb\xbf"),
        9 => replaced(&log, b"\n", b" "),
        10 => replaced(&log, b" ", b"\n"),
        11 => [log.clone(), log].concat(),
        12 => replaced(&log, b"\n", b"\n\n\n"),
        13 => tiny(pen),
        14 if pen.rng.chance(0.1) => long(pen, &log),
        15..=19 => damaged(pen, log),
        20..=22 => cut(pen, log),
        _ => log,
    }
}

/// NULs where a file was truncated while its writer kept its place.
fn holed(pen: &mut Pen, log: &[u8]) -> Vec<u8> {
    let hole = vec![0; pen.rng.usize(1..200_000)];
    let place = if pen.rng.chance(0.5) {
        0
    } else {
        pen.rng.usize(0..=log.len())
    };
    [&log[..place], &hole, &log[place..]].concat()
}

fn replaced(log: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(log.len());
    for byte in log {
        if from == [*byte] {
            text.extend_from_slice(to);
        } else {
            text.push(*byte);
        }
    }
    text
}

fn trimmed(mut log: Vec<u8>) -> Vec<u8> {
    while log.last() == Some(&b'\n') {
        log.pop();
    }
    log
}

/// UTF-16 of either end, with its mark or without.
fn wide(pen: &mut Pen, log: &[u8]) -> Vec<u8> {
    let is_big = pen.rng.bool();
    let mut text = if pen.rng.chance(0.7) {
        vec![0xfeff]
    } else {
        Vec::new()
    };
    text.extend(String::from_utf8_lossy(log).encode_utf16());
    let units = text.into_iter();
    if is_big {
        units.flat_map(u16::to_be_bytes).collect()
    } else {
        units.flat_map(u16::to_le_bytes).collect()
    }
}

/// Every second byte above ASCII goes, so that the rest is no UTF-8.
fn latin(log: &[u8]) -> Vec<u8> {
    let mut text: Vec<u8> = log.iter().copied().filter(|byte| *byte < 0xa0).collect();
    for byte in text.iter_mut().step_by(97) {
        if byte.is_ascii_lowercase() {
            *byte = 0xe4;
        }
    }
    text
}

fn tiny(pen: &mut Pen) -> Vec<u8> {
    let line = pen.rng.pick(&[
        "\n", "{}\n", "a\n", "0\n", "\"\n", "{\n", "\u{1b}\n", "[\n", "=\n",
    ]);
    line.as_bytes().repeat(pen.rng.usize(1..40_000))
}

/// One line that does not end for megabytes, between the log's others.
fn long(pen: &mut Pen, log: &[u8]) -> Vec<u8> {
    let (open, fill, close): (&[u8], &[u8], &[u8]) = pen.rng.pick(&[
        (
            b"{\"message\":\"".as_slice(),
            b"x".as_slice(),
            b"\",\"level\":\"info\"}\n".as_slice(),
        ),
        (b"", b"[", b"\n"),
        (b"{\"a\":[", b"1,", b"1]}\n"),
        (b"2026-03-04 11:22:33 INFO ", b"\xff", b"\n"),
        (b"a=1 ", b"b=2 ", b"\n"),
    ]);
    let size = pen.rng.usize(1 << 20..LONGEST);
    [log, open, &fill.repeat(size / fill.len()), close, log].concat()
}

/// Damage at a few places.
pub(crate) fn damaged(pen: &mut Pen, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..pen.rng.usize(1..12) {
        if bytes.is_empty() {
            break;
        }
        let place = pen.rng.usize(..bytes.len());
        let until = bytes.len().min(place + pen.rng.usize(1..40));
        match pen.rng.u8(..7) {
            0 => bytes[place] ^= 1 << pen.rng.u8(..8),
            1 => bytes[place] = pen.rng.pick(DAMAGE),
            2 => drop(bytes.drain(place..until)),
            3 => {
                let length = pen.rng.usize(1..60);
                let junk = pen.rng.junk(length);
                bytes.splice(place..place, junk);
            }
            4 => {
                let twice = bytes[place..until].to_vec();
                bytes.splice(place..place, twice);
            }
            5 => bytes[place..until].fill(0),
            _ => bytes[place..until].reverse(),
        }
    }
    bytes
}

/// The beginning alone: up to anywhere, or to just before, at or behind a line's end or the last byte.
pub(crate) fn cut(pen: &mut Pen, mut bytes: Vec<u8>) -> Vec<u8> {
    let ends: Vec<usize> = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(place, _)| place)
        .collect();
    let length = match pen.rng.u8(..4) {
        0 if !ends.is_empty() => pen.rng.pick(&ends) + pen.rng.usize(..3),
        1 => bytes.len().saturating_sub(pen.rng.usize(1..12)),
        2 => pen.rng.usize(..40),
        _ => pen.rng.usize(0..=bytes.len()),
    };
    bytes.truncate(length);
    bytes
}
