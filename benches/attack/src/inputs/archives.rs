//! Archives: whole ones of unusual make, broken ones, and what only begins like one.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::pen::Pen;
use super::shapes::{cut, damaged};
use crate::dice::Dice as _;

/// What gzip members begin with.
const GZIP: &[u8] = b"\x1f\x8b\x08";
/// What zstd frames begin with.
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// Packs a log; gives the end of its name.
pub(crate) fn packed(pen: &mut Pen, log: &[u8]) -> Result<(&'static str, Vec<u8>)> {
    let (ending, archive) = match pen.rng.u8(..12) {
        0..=2 => (".gz", gzip(log, Compression::fast())?),
        3 | 4 => (".gz", members(pen, log)?),
        5 => (".gz", stored(log)?),
        6 => (".gz", labelled(pen, log)?),
        7 => (
            ".gz",
            gzip(&gzip(log, Compression::fast())?, Compression::none())?,
        ),
        8 | 9 => (".zst", zstd::encode_all(log, 1)?),
        10 => (".zst", frames(pen, log)?),
        _ => return Ok(pretended(pen)),
    };
    let archive = match pen.rng.u8(..8) {
        0 => cut(pen, archive),
        1 => damaged(pen, archive),
        2 => trailed(pen, archive),
        3 => wrong_sum(archive),
        _ => archive,
    };
    Ok((ending, archive))
}

pub(crate) fn gzip(bytes: &[u8], level: Compression) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes)?;
    encoder.finish().context("a log cannot be compressed")
}

/// Pieces of a log at any place, not only between lines.
fn pieces<'l>(pen: &mut Pen, log: &'l [u8]) -> Vec<&'l [u8]> {
    let mut rest = log;
    let mut pieces = Vec::new();
    for _ in 0..pen.rng.usize(1..40) {
        let (piece, after) = rest.split_at(pen.rng.usize(0..=rest.len()) / 2);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Many members, empty ones too, with what should not be between them.
fn members(pen: &mut Pen, log: &[u8]) -> Result<Vec<u8>> {
    let mut archive = Vec::new();
    for piece in pieces(pen, log) {
        archive.extend(gzip(piece, Compression::fast())?);
        if pen.is_wild() {
            archive.extend(vec![0; pen.rng.usize(1..600)]);
        }
    }
    Ok(archive)
}

/// Blocks that are not compressed, in which members seem to begin.
fn stored(log: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = log.to_vec();
    bytes.extend_from_slice(GZIP);
    bytes.extend_from_slice(&gzip(
        b"{\"level\":\"info\",\"msg\":\"not here\"}\n",
        Compression::none(),
    )?);
    bytes.extend_from_slice(ZSTD);
    gzip(&bytes, Compression::none())
}

/// A header with everything that a header can have.
fn labelled(pen: &mut Pen, log: &[u8]) -> Result<Vec<u8>> {
    let length = pen.rng.pick(&[0, 1, 4, 300, 65_535]);
    let mut builder = GzBuilder::new().extra(pen.rng.junk(length)).mtime(u32::MAX);
    if pen.rng.bool() {
        builder = builder
            .filename("\u{1b}[2J../../x.log")
            .comment("\u{9b}31m");
    }
    let mut encoder = builder.write(Vec::new(), Compression::fast());
    encoder.write_all(log)?;
    let mut archive = encoder.finish().context("a log cannot be compressed")?;
    if pen.is_wild() {
        // A checksum of the header that is not there, text, reserved bits.
        archive[3] |= pen.rng.pick(&[0x02, 0x01, 0xe0]);
    }
    Ok(archive)
}

/// Several frames, skippable ones between them, which say that they are longer than the file.
fn frames(pen: &mut Pen, log: &[u8]) -> Result<Vec<u8>> {
    let mut archive = Vec::new();
    for piece in pieces(pen, log) {
        archive.extend(zstd::encode_all(piece, 1)?);
        if pen.rng.chance(0.3) {
            let length = pen.rng.u32(..300);
            let said = if pen.is_wild() { u32::MAX } else { length };
            archive.extend([0x50 + pen.rng.u8(..16), 0x2a, 0x4d, 0x18]);
            archive.extend(said.to_le_bytes());
            archive.extend(pen.rng.junk(length as usize));
        }
    }
    Ok(archive)
}

fn trailed(pen: &mut Pen, mut archive: Vec<u8>) -> Vec<u8> {
    let length = pen.rng.usize(1..900);
    let end = match pen.rng.u8(..5) {
        0 => vec![0; length],
        1 => GZIP.to_vec(),
        2 => ZSTD.to_vec(),
        3 => b"{\"level\":\"info\",\"msg\":\"behind the archive\"}\n".to_vec(),
        _ => pen.rng.junk(length),
    };
    archive.extend(end);
    archive
}

/// Every other byte is right.
fn wrong_sum(mut archive: Vec<u8>) -> Vec<u8> {
    let place = archive.len().saturating_sub(6);
    if let Some(byte) = archive.get_mut(place) {
        *byte ^= 0x55;
    }
    archive
}

/// Junk behind the first bytes of a format.
fn pretended(pen: &mut Pen) -> (&'static str, Vec<u8>) {
    let (ending, magic): (&str, &[u8]) = pen.rng.pick(&[
        (".bz2", b"BZh91AY&SY".as_slice()),
        (".xz", b"\xfd7zXZ\0"),
        (".zip", b"PK\x03\x04"),
        (".lz4", b"\x04\x22\x4d\x18"),
        (".gz", GZIP),
        (".gz", b"\x1f\x8b"),
        (".gz", b"\x1f\x8b\x09\xff"),
        (".zst", ZSTD),
        (".zst", b"\x50\x2a\x4d\x18\xff\xff\xff\xff"),
        (".log", b"\x7fELF\x02\x01\x01"),
        (".log", b"SQLite format 3\0"),
        (".log", b"PAR1"),
    ]);
    let length = pen.rng.pick(&[0, 1, 7, 400, 70_000]);
    let junk = pen.rng.junk(length);
    (ending, [magic, &junk].concat())
}
