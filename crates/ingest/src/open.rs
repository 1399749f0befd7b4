//! Files into bytes: plain, gzip and zstd, told by what they begin with.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use crate::members::Members;
use crate::watch::Watch;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Bytes that are read at a time from what is not taken member by member.
const CHUNK: usize = 256 << 10;
/// The decompressed bytes of a file.
pub(crate) struct Source {
    kind: Kind,
    members: u32,
}

/// A file whose reading is watched.
struct Watched {
    file: File,
    watch: Option<Arc<Watch>>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(watch) = &self.watch else {
            return self.file.read(buffer);
        };
        if watch.is_cancelled() {
            return Ok(0);
        }
        let read = self.file.read(buffer)?;
        watch.advance(read as u64);
        Ok(read)
    }
}

enum Kind {
    Plain(Box<dyn Read + Send>),
    Gzip(Box<Members>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Watched>>>),
}

impl Source {
    /// Opens a file, to be read to its end.
    pub(crate) fn open(path: &Path, watch: &Arc<Watch>) -> io::Result<Self> {
        Self::open_as(path, Some(Arc::clone(watch)))
    }

    /// Opens a file of which only the beginning may be wanted.
    pub(crate) fn open_in_pieces(path: &Path) -> io::Result<Self> {
        Self::open_as(path, None)
    }

    fn open_as(path: &Path, watch: Option<Arc<Watch>>) -> io::Result<Self> {
        let is_whole = watch.is_some();
        let file = Watched {
            file: File::open(path)?,
            watch,
        };
        let mut reader = BufReader::with_capacity(128 << 10, file);
        let head = reader.fill_buf()?;
        let kind = if head.starts_with(GZIP) {
            Kind::Gzip(Box::new(Members::new(Box::new(reader), is_whole)))
        } else if head.starts_with(ZSTD) {
            Kind::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(reader)?))
        } else {
            Kind::Plain(Box::new(reader))
        };
        Ok(Self { kind, members: 0 })
    }

    #[cfg(test)]
    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        Self {
            kind: Kind::Plain(Box::new(io::Cursor::new(bytes))),
            members: 0,
        }
    }

    /// How many members were begun, besides the first.
    pub(crate) fn members(&self) -> u32 {
        self.members
    }

    /// Reads on into `buffer` from `start`, which grows when there is no room; tells how many bytes
    /// came, 0 at the end. They never are of two members.
    pub(crate) fn read_on(&mut self, buffer: &mut Vec<u8>, start: usize) -> io::Result<usize> {
        if let Kind::Gzip(members) = &mut self.kind {
            let read = members.read_on(buffer, start)?;
            self.members = members.begun.saturating_sub(1);
            return Ok(read);
        }
        if buffer.len() < start + CHUNK {
            buffer.resize((start + CHUNK).next_power_of_two(), 0);
        }
        self.read(&mut buffer[start..])
    }

    /// Reads into what is there.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Plain(reader) => reader.read(buffer),
            Kind::Zstd(decoder) => decoder.read(buffer),
            Kind::Gzip(members) => {
                let read = members.read(buffer);
                self.members = members.begun.saturating_sub(1);
                read
            }
        }
    }
}

/// The first bytes of a file, decompressed; fewer where it is shorter, or damaged so early.
///
/// # Errors
/// When the file cannot be opened.
pub fn beginning(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut source = Source::open_in_pieces(path)?;
    Ok(read_start(&mut source, limit).0)
}

/// Reads the next `limit` bytes, or up to the end or an error, which comes with them.
pub(crate) fn read_start(source: &mut Source, limit: usize) -> (Vec<u8>, Option<io::Error>) {
    let mut start = vec![0; limit];
    let mut length = 0;
    while length < limit {
        match source.read(&mut start[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                start.truncate(length);
                return (start, Some(error));
            }
        }
    }
    start.truncate(length);
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
        let source = Source::open(&path, &Arc::default()).unwrap();
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
