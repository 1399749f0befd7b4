//! The output of a container without a terminal, in the format of the Docker Engine's API: frames of standard output
//! and standard error, each after an eight-byte header with the stream and the length
//! (<https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Container/operation/ContainerAttach>).

use std::io::{self, BufRead, Read};

const HEADER: usize = 8;

/// Whether a file starts with such a frame: one of three streams, three zeros, a length below 16 MiB.
pub(crate) fn begins(head: &[u8]) -> bool {
    matches!(head, [0..=2, 0, 0, 0, 0, length @ ..] if length.len() >= 3 && length[..3] != [0, 0, 0])
}

/// Maximum number of bytes buffered for an unfinished line.
const MOST_HELD: usize = 8 << 20;

/// The lines of the frames, each after the name of its stream. The frames of the streams alternate, so each stream
/// has its own buffer.
pub(crate) struct Multiplexed {
    reader: Box<dyn BufRead + Send>,
    /// The unfinished line of each stream: standard input, output, error, and the engine's own.
    held: [Vec<u8>; 4],
    /// Complete lines, unread from `at` on.
    lines: Vec<u8>,
    at: usize,
    /// Whether nothing more can be read: without a valid header, the position of the next one is unknown.
    is_lost: bool,
}

const NAMES: [&[u8]; 4] = [b"stdin | ", b"stdout | ", b"stderr | ", b"engine | "];

impl Multiplexed {
    pub(crate) fn new(reader: Box<dyn BufRead + Send>) -> Self {
        Self {
            reader,
            held: Default::default(),
            lines: Vec::new(),
            at: 0,
            is_lost: false,
        }
    }

    /// Reads the next frame. Returns `false` at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        let mut header = [0; HEADER];
        if !read_whole(&mut self.reader, &mut header)? {
            return Ok(false);
        }
        let fault = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidData, why.to_owned()));
        let [stream @ 0..=3, 0, 0, 0, size @ ..] = header else {
            return fault("invalid Docker frame");
        };
        let mut left = u32::from_be_bytes(size) as usize;
        let mut piece = [0; 8192];
        while left > 0 {
            let most = left.min(piece.len());
            let read = match self.reader.read(&mut piece[..most]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            left -= read;
            self.take(usize::from(stream), &piece[..read]);
        }
        Ok(true)
    }

    fn take(&mut self, stream: usize, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.held[stream].extend_from_slice(part);
            if part.ends_with(b"\n") || self.held[stream].len() > MOST_HELD {
                self.end_line(stream);
            }
        }
    }

    fn end_line(&mut self, stream: usize) {
        let line = std::mem::take(&mut self.held[stream]);
        if !line.is_empty() {
            self.lines.extend_from_slice(NAMES[stream]);
            self.lines.extend_from_slice(&line);
            if !line.ends_with(b"\n") {
                self.lines.push(b'\n');
            }
        }
    }
}

/// Fills a buffer. Returns `false` if the input has ended.
fn read_whole(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..]) {
            Ok(0) if length == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

impl Read for Multiplexed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut failed = None;
        while self.at == self.lines.len() {
            self.lines.clear();
            self.at = 0;
            if self.is_lost {
                return Ok(0);
            }
            let more = self.next_frame();
            if !matches!(more, Ok(true)) {
                // An unfinished line counts as a line, too.
                self.is_lost = true;
                (0..self.held.len()).for_each(|stream| self.end_line(stream));
                failed = more.err();
                if self.lines.is_empty() {
                    break;
                }
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let read = (self.lines.len() - self.at).min(buffer.len());
        buffer[..read].copy_from_slice(&self.lines[self.at..self.at + read]);
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0], &length[..], text.as_bytes()].concat()
    }

    fn read(bytes: Vec<u8>) -> (String, Option<io::Error>) {
        let (mut text, mut failed) = (String::new(), None);
        let mut frames = Multiplexed::new(Box::new(io::Cursor::new(bytes)));
        let mut buffer = [0; 3];
        loop {
            match frames.read(&mut buffer) {
                Ok(0) => return (text, failed),
                Ok(read) => text.push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
                Err(error) => failed = Some(error),
            }
        }
    }

    #[test]
    fn lines_are_put_together_by_stream() {
        let both = [
            frame(2, "one "),
            frame(1, "two\nth"),
            frame(2, "more\n"),
            frame(1, "ree"),
        ]
        .concat();
        assert!(begins(&both) && !begins(b"one\n") && !begins(&[0; 8]));
        let (text, failed) = read(both.clone());
        assert_eq!(text, "stdout | two\nstderr | one more\nstdout | three\n");
        assert!(failed.is_none());
        // Truncated input returns everything before the cut.
        let (text, failed) = read(both[..both.len() - 1].to_vec());
        assert!(text.ends_with("stdout | thre\n"), "{text}");
        assert!(failed.is_some());
        let (text, failed) = read([both, b"text\n1234".to_vec()].concat());
        assert!(
            text.ends_with("stdout | three\n") && failed.is_some(),
            "{text}"
        );
    }
}
