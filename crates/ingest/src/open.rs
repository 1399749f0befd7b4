//! Files into bytes: plain, gzip and zstd, told by what they begin with.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The decompressed bytes of a file.
pub(crate) struct Source {
    kind: Kind,
    members: u32,
}

enum Kind {
    Plain(Box<dyn Read + Send>),
    /// The decoder is absent between members.
    Gzip(Option<Box<GzDecoder<BufReader<File>>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<File>>>),
}

impl Source {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(128 << 10, File::open(path)?);
        let head = reader.fill_buf()?;
        let kind = if head.starts_with(GZIP) {
            Kind::Gzip(Some(Box::new(GzDecoder::new(reader))))
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
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Plain(reader) => reader.read(buffer),
            Kind::Zstd(decoder) => decoder.read(buffer),
            Kind::Gzip(slot) => loop {
                let Some(decoder) = slot else { return Ok(0) };
                let read = decoder.read(buffer)?;
                if read > 0 {
                    return Ok(read);
                }
                // A member's end: the next member, zero padding, or the file's end.
                let mut rest = slot.take().map(|decoder| decoder.into_inner());
                if let Some(reader) = &mut rest
                    && skip_zeros(reader)?
                {
                    *slot = rest.map(|reader| Box::new(GzDecoder::new(reader)));
                    self.members += 1;
                }
            },
        }
    }
}

/// Skips the zeros that tapes and block devices leave behind; whether something follows.
fn skip_zeros(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffered = reader.fill_buf()?;
        if buffered.is_empty() {
            return Ok(false);
        }
        let zeros = buffered.iter().take_while(|byte| **byte == 0).count();
        let all = zeros == buffered.len();
        reader.consume(zeros);
        if !all {
            return Ok(true);
        }
    }
}

/// Reads the first `limit` bytes, or up to the end or an error, which comes with them.
pub(crate) fn read_start(source: &mut Source, limit: usize) -> (Vec<u8>, Option<io::Error>) {
    let mut start = Vec::new();
    let fault = source.take(limit as u64).read_to_end(&mut start).err();
    (start, fault)
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
        let source = Source::open(&path).unwrap();
        (dir, source)
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
            let mut text = String::new();
            source.read_to_string(&mut text).unwrap();
            assert_eq!(text, "one\ntwo\n");
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
            let mut read = Vec::new();
            let error = source.read_to_end(&mut read).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
            assert!(read.len() > 1000 && text.as_bytes().starts_with(&read));
        }
    }
}
