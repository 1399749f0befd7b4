//! Opens files and decompresses them: plain text, gzip, zstd, Docker's frames and UTF-16, also nested. The format is
//! detected from the first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::framing::fingerprint::{Fingerprint, Tap};
use crate::framing::frames::{self, Frames};
use crate::framing::members::Members;
use crate::framing::memory::Memory;
use crate::framing::multiplexed::{self, Multiplexed};
use crate::framing::utf16::{self, Utf16};
use crate::watch::Watch;

const GZIP: &[u8] = &[0x1f, 0x8b];
/// Bytes 2 to 4 of a skippable zstd frame, whose first byte is 0x50 to 0x5f (RFC 8878, section 3.1.2).
const SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
/// Unsupported archive formats: first bytes, name, and the command that decompresses them to standard output.
const OTHER_PACKERS: [(&[u8], &str, &str); 6] = [
    (b"BZh", "bzip2", "bzcat"),
    (b"\xfd7zXZ\0", "xz", "xzcat"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4cat"),
    (b"PK\x03\x04", "zip", "unzip -p"),
    (b"\x1f\x9d", "compress", "zcat"),
    (b"7z\xbc\xaf\x27\x1c", "7z", "7z x -so"),
];

/// Number of bytes per read where the source is not read member by member.
const CHUNK: usize = 256 << 10;
/// Maximum nesting depth of archives.
const DEEPEST: u32 = 3;
/// Number of bytes needed to detect a format.
const MAGIC: usize = 8;

/// The decompressed bytes of a file.
pub(crate) struct Source {
    kind: Kind,
    members: u32,
    /// When it is cancelled, the source reports the end of the file.
    watch: Option<Arc<Watch>>,
    /// Computes the fingerprint of the text, if requested.
    tap: Option<Box<Tap>>,
}

/// A file that reports its read progress.
struct Watched {
    file: File,
    /// `None` when reading it does not count as progress.
    watch: Option<Arc<Watch>>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        if let Some(watch) = &self.watch {
            watch.advance(read as u64);
        }
        Ok(read)
    }
}

enum Kind {
    Plain(Box<dyn Read + Send>),
    Gzip(Box<Members>),
    Zstd(Box<Frames<Box<dyn BufRead + Send>>>),
    Multiplexed(Box<Multiplexed>),
    Utf16(Box<Utf16>),
    /// No more bytes can be read.
    Ended,
}

/// The format that the first bytes of a file indicate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packer {
    None,
    Gzip,
    Zstd,
    Multiplexed,
    Utf16,
}

impl Packer {
    fn of(head: &[u8]) -> Self {
        let is_skippable = matches!(head, [0x50..=0x5f, rest @ ..] if rest.starts_with(SKIPPABLE));
        if head.starts_with(GZIP) {
            Self::Gzip
        } else if head.starts_with(frames::MAGIC) || is_skippable {
            Self::Zstd
        } else if multiplexed::begins(head) {
            Self::Multiplexed
        } else if utf16::begins(head) {
            Self::Utf16
        } else {
            Self::None
        }
    }
}

impl Source {
    /// Opens a file to read it to the end.
    pub(crate) fn open(path: &Path, watch: &Arc<Watch>, memory: &Arc<Memory>) -> io::Result<Self> {
        let file = Watched {
            file: File::open(path)?,
            watch: Some(Arc::clone(watch)),
        };
        let mut source = Self::of(path, file, Some(memory))?;
        source.watch = Some(Arc::clone(watch));
        Ok(source)
    }

    /// Opens a file for a secondary read: it does not count as progress, but stops when the main read is cancelled.
    pub(crate) fn open_quietly(path: &Path, watch: &Arc<Watch>) -> io::Result<Self> {
        let mut source = Self::open_in_pieces(path)?;
        source.watch = Some(Arc::clone(watch));
        Ok(source)
    }

    /// Opens a file that may be read only partly.
    pub(crate) fn open_in_pieces(path: &Path) -> io::Result<Self> {
        let file = Watched {
            file: File::open(path)?,
            watch: None,
        };
        Self::of(path, file, None)
    }

    /// Enables computing the text's fingerprint.
    pub(crate) fn tapped(mut self, is_wanted: bool) -> Self {
        self.tap = is_wanted.then(Box::default);
        self
    }

    /// The fingerprint of the text read so far.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.tap.as_ref().map(|tap| tap.finish())
    }

    /// Whether a file has a supported archive format. Its name does not matter.
    pub(crate) fn is_archive(path: &Path) -> bool {
        let mut start = [0; MAGIC];
        let read = File::open(path).and_then(|mut file| file.read(&mut start));
        read.is_ok_and(|read| Packer::of(&start[..read]) != Packer::None)
    }

    fn of(path: &Path, file: Watched, memory: Option<&Arc<Memory>>) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(128 << 10, file);
        let packer = Packer::of(reader.fill_buf()?);
        let mut source = Self::unpacked(packer, Box::new(reader), memory)?;
        let mut depth = 1;
        // The format of an archive's content is detected from the content's first bytes, in a separate read.
        while source.is_packed() && depth < DEEPEST {
            let inner = Packer::of(&nested_beginning(path, depth)?);
            if inner == Packer::None {
                break;
            }
            let reader = BufReader::with_capacity(128 << 10, source);
            source = Self::unpacked(inner, Box::new(reader), memory)?;
            depth += 1;
        }
        Ok(source)
    }

    fn unpacked(
        packer: Packer,
        reader: Box<dyn BufRead + Send>,
        memory: Option<&Arc<Memory>>,
    ) -> io::Result<Self> {
        let kind = match packer {
            Packer::Gzip => Kind::Gzip(Box::new(Members::new(Box::new(reader), memory))),
            Packer::Zstd => Kind::Zstd(Box::new(Frames::new(reader)?)),
            Packer::Multiplexed => Kind::Multiplexed(Box::new(Multiplexed::new(reader))),
            Packer::Utf16 => Kind::Utf16(Box::new(Utf16::new(reader))),
            Packer::None => Kind::Plain(Box::new(reader)),
        };
        Ok(Self {
            kind,
            members: 0,
            watch: None,
            tap: None,
        })
    }

    fn is_packed(&self) -> bool {
        !matches!(self.kind, Kind::Plain(_))
    }

    #[cfg(test)]
    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        Self {
            kind: Kind::Plain(Box::new(io::Cursor::new(bytes))),
            members: 0,
            watch: None,
            tap: None,
        }
    }

    /// Number of members started, not counting the first.
    pub(crate) fn members(&self) -> u32 {
        self.members
    }

    /// Reads more bytes into `buffer` from `start`, growing it if there is no space. Returns the number of bytes
    /// read, 0 at the end. One call never returns bytes of two members.
    ///
    /// # Errors
    /// If a part cannot be read. The next call continues after that part, if possible.
    pub(crate) fn read_on(&mut self, buffer: &mut Vec<u8>, start: usize) -> io::Result<usize> {
        if self.is_told_to_stop() {
            return Ok(0);
        }
        let read = if let Kind::Gzip(members) = &mut self.kind {
            let read = members.read_on(buffer, start);
            self.members = members.begun.saturating_sub(1);
            read?
        } else {
            if buffer.len() < start + CHUNK {
                buffer.resize((start + CHUNK).next_power_of_two(), 0);
            }
            self.read_piece(&mut buffer[start..])?
        };
        if let Some(tap) = &mut self.tap {
            tap.update(&buffer[start..start + read]);
        }
        Ok(read)
    }

    /// Passes all pieces to `take` until it returns `false`. Skips what cannot be read.
    pub(crate) fn each_piece(&mut self, mut take: impl FnMut(&[u8]) -> bool) {
        let mut buffer = Vec::new();
        loop {
            match self.read_on(&mut buffer, 0) {
                Ok(0) => return,
                Ok(read) if take(&buffer[..read]) => {}
                Ok(_) => return,
                Err(_) => {}
            }
        }
    }

    fn is_told_to_stop(&self) -> bool {
        self.watch
            .as_ref()
            .is_some_and(|watch| watch.is_cancelled())
    }

    /// Reads into the given buffer without growing it.
    fn read_piece(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Plain(reader) => {
                let read = reader.read(buffer);
                if matches!(&read, Err(error) if error.kind() != io::ErrorKind::Interrupted) {
                    self.kind = Kind::Ended;
                }
                read
            }
            Kind::Zstd(frames) => frames.read(buffer),
            Kind::Multiplexed(frames) => frames.read(buffer),
            Kind::Utf16(text) => text.read(buffer),
            Kind::Gzip(members) => {
                let read = members.read(buffer);
                self.members = members.begun.saturating_sub(1);
                read
            }
            Kind::Ended => Ok(0),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_told_to_stop() {
            return Ok(0);
        }
        self.read_piece(buffer)
    }
}

/// The first bytes of the archive at this nesting depth.
fn nested_beginning(path: &Path, depth: u32) -> io::Result<Vec<u8>> {
    let mut reader: Box<dyn BufRead + Send> = Box::new(BufReader::new(File::open(path)?));
    for _ in 0..depth {
        let packer = Packer::of(reader.fill_buf()?);
        let source = Source::unpacked(packer, reader, None)?;
        reader = Box::new(BufReader::with_capacity(MAGIC, source));
    }
    // The main read of the file meets the same error again and reports it.
    Ok(reader.fill_buf().map(<[u8]>::to_vec).unwrap_or_default())
}

/// The name of an unsupported archive format, and the command that decompresses it to standard output.
pub(crate) fn other_packer(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let found = OTHER_PACKERS
        .iter()
        .find(|(magic, ..)| start.starts_with(magic));
    found.map(|(_, name, unpack)| (*name, *unpack))
}

/// The first bytes of a file, decompressed. Fewer than `limit` if the file is shorter or damaged there.
///
/// # Errors
/// If the file cannot be opened.
pub fn beginning(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut source = Source::open_in_pieces(path)?;
    Ok(read_start(&mut source, limit).0)
}

/// The fingerprint of a file's text, as far as the text is readable.
///
/// # Errors
/// If the file cannot be opened.
pub fn fingerprint(path: &Path, watch: &Arc<Watch>) -> io::Result<Fingerprint> {
    let mut source = Source::open_quietly(path, watch)?;
    let mut tap = Tap::default();
    source.each_piece(|piece| {
        tap.update(piece);
        true
    });
    Ok(tap.finish())
}

/// The hash of the first `length` bytes of a file's text, or of all bytes if the text is shorter.
///
/// # Errors
/// If the file cannot be opened.
pub fn hash_of_first(path: &Path, length: u64, watch: &Arc<Watch>) -> io::Result<u64> {
    let mut source = Source::open_quietly(path, watch)?;
    let mut hasher = Xxh3::new();
    let mut left = length;
    source.each_piece(|piece| {
        let taken = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        hasher.update(&piece[..taken]);
        left -= taken as u64;
        left > 0
    });
    Ok(if left == length {
        xxh3_64(&[])
    } else {
        hasher.digest()
    })
}

/// Reads the next `limit` bytes. Stops earlier at the end or at an error, which is returned with the bytes read.
pub(crate) fn read_start(source: &mut Source, limit: usize) -> (Vec<u8>, Option<io::Error>) {
    let mut start = Vec::new();
    while start.len() < limit {
        let held = start.len();
        start.resize((held + CHUNK).min(limit), 0);
        let read = source.read_piece(&mut start[held..]);
        start.truncate(held + read.as_ref().map_or(0, |read| *read));
        match read {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (start, Some(error)),
        }
    }
    (start, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn open(bytes: &[u8]) -> (tempfile::TempDir, Source) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("any-name");
        std::fs::write(&path, bytes).unwrap();
        let source = Source::open(&path, &Arc::default(), &Arc::default()).unwrap();
        (dir, source)
    }

    fn read_all(source: &mut Source) -> (Vec<u8>, Option<io::Error>) {
        let mut text = Vec::new();
        let mut length = 0;
        loop {
            match source.read_on(&mut text, length) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) => return (text[..length].to_vec(), Some(error)),
            }
        }
        text.truncate(length);
        (text, None)
    }

    #[test]
    fn the_kind_is_told_by_the_first_bytes() {
        let members = [gzip("one\n"), gzip("two\n"), vec![0; 512]].concat();
        let frames = [
            zstd::encode_all(&b"one\n"[..], 3).unwrap(),
            zstd::encode_all(&b"two\n"[..], 3).unwrap(),
        ]
        .concat();
        for (bytes, members) in [(&b"one\ntwo\n"[..], 0), (&members, 1), (&frames, 0)] {
            let (_dir, mut source) = open(bytes);
            let (text, error) = read_all(&mut source);
            assert!(error.is_none());
            assert_eq!(text, b"one\ntwo\n");
            assert_eq!(source.members(), members);
        }
    }

    #[test]
    fn a_cut_archive_gives_what_is_there_and_an_error() {
        let text = (0..200_000u32).fold(String::new(), |text, n| {
            text + &format!("line {}\n", n.wrapping_mul(2_654_435_761))
        });
        for whole in [gzip(&text), zstd::encode_all(text.as_bytes(), 3).unwrap()] {
            let (_dir, mut source) = open(&whole[..whole.len() * 2 / 3]);
            let (read, error) = read_all(&mut source);
            let error = error.unwrap();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
            assert!(read.len() > 1000 && text.as_bytes().starts_with(&read));
        }
    }
}
