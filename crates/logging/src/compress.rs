//! Compression of closed files. At every moment, either the plain or the compressed file is complete.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek as _, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;

use crate::config::Compression;
use crate::file_name::Codec;
use crate::retention;

/// Uncompressed size of one member. Members can be read independently and survive a truncated tail.
const MEMBER_BYTES: usize = 4 << 20;
/// Maximum uncompressed size of a member, at which it ends even in the middle of a line.
const LONGEST_MEMBER: usize = 16 << 20;

impl Compression {
    pub(crate) fn codec(self) -> Option<Codec> {
        match self {
            Self::None => None,
            Self::Gzip(_) => Some(Codec::Gzip),
            Self::Zstd(_) => Some(Codec::Zstd),
        }
    }
}

/// The path of the compressed form of a file.
pub(crate) fn compressed_path(plain: &Path, codec: Codec) -> PathBuf {
    with_suffix(plain, codec.suffix())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Compresses a closed file into the same directory and removes the plain file. The compressed file gets
/// its final name only when it is complete and on disk. A crash leaves at most a `.tmp` file next to the
/// plain file. `goes_on` is called after every member; if it returns `false`, the compression is abandoned
/// and nothing changes.
///
/// # Errors
/// When reading or writing fails, or the compressed file already exists. The plain file is kept then.
pub(crate) fn compress(
    file: &File,
    plain: &Path,
    compression: Compression,
    goes_on: &mut dyn FnMut() -> bool,
) -> io::Result<()> {
    let Some(codec) = compression.codec() else {
        return Ok(());
    };
    let target = compressed_path(plain, codec);
    if target.exists() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} already exists", target.display()),
        ));
    }
    let temporary = with_suffix(&target, ".tmp");
    // Created exclusively, so that the cleanup below removes only our own file.
    let output = File::create_new(&temporary)?;
    let written = write_members(file, &output, compression, goes_on);
    let result = written.and_then(|complete| {
        if complete {
            // A hard link never replaces a file. If the target was created in the meantime, this fails.
            fs::hard_link(&temporary, &target).or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Err(error),
                // The file system does not support hard links.
                _ => fs::rename(&temporary, &target),
            })?;
            let _ = fs::remove_file(&temporary);
            sync_directory(&target)?;
            match fs::remove_file(plain) {
                // The plain file was removed in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result,
            }
        } else {
            fs::remove_file(&temporary)
        }
    });
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Returns whether the output is complete.
fn write_members(
    mut plain: &File,
    output: &File,
    compression: Compression,
    goes_on: &mut dyn FnMut() -> bool,
) -> io::Result<bool> {
    plain.rewind()?;
    let mut input = BufReader::with_capacity(256 << 10, plain);
    // Lock the file, so that no process removes it as a leftover.
    retention::hold(output);
    // The archive gets the permissions of the log.
    output.set_permissions(plain.metadata()?.permissions())?;
    while !input.fill_buf()?.is_empty() {
        write_member(&mut input, output, compression)?;
        if !goes_on() {
            return Ok(false);
        }
    }
    output.sync_all()?;
    Ok(true)
}

fn write_member(
    input: &mut impl BufRead,
    output: &File,
    compression: Compression,
) -> io::Result<()> {
    match compression {
        Compression::None => Ok(()),
        Compression::Gzip(level) => {
            let mut member = GzEncoder::new(output, flate2::Compression::new(level));
            copy_lines(input, &mut member, MEMBER_BYTES)?;
            member.finish().map(drop)
        }
        #[cfg(feature = "zstd")]
        Compression::Zstd(level) => {
            let mut frame = zstd::Encoder::new(output, level)?;
            frame.include_checksum(true)?;
            copy_lines(input, &mut frame, MEMBER_BYTES)?;
            frame.finish().map(drop)
        }
        #[cfg(not(feature = "zstd"))]
        Compression::Zstd(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Copies whole lines until at least `limit` bytes are copied, or [`LONGEST_MEMBER`] bytes without a line end.
fn copy_lines(input: &mut impl BufRead, output: &mut impl Write, limit: usize) -> io::Result<()> {
    let mut taken = 0;
    loop {
        let held = input.fill_buf()?;
        if held.is_empty() {
            return Ok(());
        }
        let is_enough = taken + held.len() >= limit;
        // The first line end after the limit ends the member.
        let from = limit.saturating_sub(taken).min(held.len());
        let end = memchr::memchr(b'\n', &held[from..]).filter(|_| is_enough);
        let copied = end.map_or(held.len(), |end| from + end + 1);
        output.write_all(&held[..copied])?;
        input.consume(copied);
        taken += copied;
        if end.is_some() || taken >= LONGEST_MEMBER {
            return Ok(());
        }
    }
}

/// Whether the compressed file has exactly the content of the plain file.
pub(crate) fn is_whole(compressed: &Path, codec: Codec, plain: &Path) -> bool {
    let compare = || -> io::Result<bool> {
        let packed = BufReader::new(File::open(compressed)?);
        let plain = BufReader::new(File::open(plain)?);
        match codec {
            Codec::Gzip => are_same(
                BufReader::new(flate2::bufread::MultiGzDecoder::new(packed)),
                plain,
            ),
            #[cfg(feature = "zstd")]
            Codec::Zstd => are_same(BufReader::new(zstd::Decoder::with_buffer(packed)?), plain),
            #[cfg(not(feature = "zstd"))]
            Codec::Zstd => Err(io::ErrorKind::Unsupported.into()),
        }
    };
    compare().unwrap_or(false)
}

fn are_same(mut a: impl BufRead, mut b: impl BufRead) -> io::Result<bool> {
    loop {
        let (left, right) = (a.fill_buf()?, b.fill_buf()?);
        let common = left.len().min(right.len());
        if common == 0 {
            return Ok(left.is_empty() && right.is_empty());
        }
        if left[..common] != right[..common] {
            return Ok(false);
        }
        a.consume(common);
        b.consume(common);
    }
}

#[cfg(unix)]
fn sync_directory(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(not(unix))]
fn sync_directory(_file: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compress_all(plain: &Path, compression: Compression) -> io::Result<()> {
        compress(&File::open(plain)?, plain, compression, &mut || true)
    }

    #[test]
    fn the_compressed_form_holds_the_same_bytes_in_several_members() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("a.jsonl");
        let text = "a line of some length, and some more of it\n".repeat(120_000);
        fs::write(&plain, &text).unwrap();
        compress_all(&plain, Compression::Gzip(6)).unwrap();
        assert!(!plain.exists());
        let bytes = fs::read(dir.path().join("a.jsonl.gz")).unwrap();
        let first = io::read_to_string(flate2::read::GzDecoder::new(&bytes[..])).unwrap();
        assert!(first.len() < text.len() && first.ends_with('\n'));
        let all = io::read_to_string(flate2::read::MultiGzDecoder::new(&bytes[..])).unwrap();
        assert_eq!(all, text);
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn zstd_holds_the_same_bytes_too() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("a.jsonl");
        let text = "a line of some length, and some more of it\n".repeat(120_000);
        fs::write(&plain, &text).unwrap();
        let copy = dir.path().join("copy");
        fs::write(&copy, &text).unwrap();
        compress_all(&plain, Compression::Zstd(3)).unwrap();
        let packed = dir.path().join("a.jsonl.zst");
        assert_eq!(
            zstd::decode_all(File::open(&packed).unwrap()).unwrap(),
            text.as_bytes()
        );
        assert!(is_whole(&packed, Codec::Zstd, &copy));
    }

    #[test]
    fn a_failure_or_a_change_of_mind_leaves_the_plain_file() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("a.jsonl");
        fs::write(&plain, "x\n").unwrap();
        let file = File::open(&plain).unwrap();
        compress(&file, &plain, Compression::Gzip(6), &mut || false).unwrap();
        assert!(plain.exists() && !dir.path().join("a.jsonl.gz").exists());
        fs::write(dir.path().join("a.jsonl.gz"), "theirs").unwrap();
        assert!(compress_all(&plain, Compression::Gzip(6)).is_err());
        assert!(plain.exists());
        assert_eq!(fs::read(dir.path().join("a.jsonl.gz")).unwrap(), b"theirs");
        assert!(!dir.path().join("a.jsonl.gz.tmp").exists());
    }

    #[test]
    fn a_form_that_is_cut_or_other_is_not_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, copy) = (dir.path().join("a"), dir.path().join("b"));
        for path in [&plain, &copy] {
            fs::write(path, "one line\nanother\n".repeat(1000)).unwrap();
        }
        compress_all(&copy, Compression::Gzip(6)).unwrap();
        let packed = dir.path().join("b.gz");
        assert!(is_whole(&packed, Codec::Gzip, &plain));
        let bytes = fs::read(&packed).unwrap();
        fs::write(&packed, &bytes[..bytes.len() - 5]).unwrap();
        assert!(!is_whole(&packed, Codec::Gzip, &plain));
        fs::write(&packed, &bytes).unwrap();
        fs::write(&plain, "one line\n").unwrap();
        assert!(!is_whole(&packed, Codec::Gzip, &plain));
    }
}
