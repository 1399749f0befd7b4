//! What the Docker Engine's API gives of a container without a terminal: frames of standard output and standard error,
//! each behind eight bytes that say which and how long
//! (<https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Container/operation/ContainerAttach>).

use std::io::{self, BufRead, Read};

const HEADER: usize = 8;

/// Whether a file begins with such a frame: a stream of three, three zeros, a length below 16 MiB.
pub(crate) fn begins(head: &[u8]) -> bool {
    matches!(head, [0..=2, 0, 0, 0, 0, length @ ..] if length.len() >= 3 && length[..3] != [0, 0, 0])
}

/// The frames' contents, one behind the other.
pub(crate) struct Multiplexed {
    reader: Box<dyn BufRead + Send>,
    /// So many bytes of the frame are left.
    left: usize,
    /// Whether nothing more can be read: without a header nobody knows where the next one is.
    is_lost: bool,
}

impl Multiplexed {
    pub(crate) fn new(reader: Box<dyn BufRead + Send>) -> Self {
        Self {
            reader,
            left: 0,
            is_lost: false,
        }
    }

    /// Begins the next frame; `false` at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        let mut header = [0; HEADER];
        let mut length = 0;
        while length < HEADER {
            match self.reader.read(&mut header[length..]) {
                Ok(0) if length == 0 => return Ok(false),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let [stream, 0, 0, 0, size @ ..] = header else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "what should be a frame of Docker's is none",
            ));
        };
        if stream > 3 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a frame of Docker's names a stream that there is not: {stream}"),
            ));
        }
        self.left = u32::from_be_bytes(size) as usize;
        Ok(true)
    }
}

impl Read for Multiplexed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.is_lost {
            return Ok(0);
        }
        while self.left == 0 {
            match self.next_frame() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    self.is_lost = true;
                    return Err(error);
                }
            }
        }
        let most = self.left.min(buffer.len());
        let read = self.reader.read(&mut buffer[..most])?;
        if read == 0 {
            self.is_lost = true;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
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

    fn read(bytes: Vec<u8>) -> (String, io::Result<usize>) {
        let mut text = String::new();
        let mut frames = Multiplexed::new(Box::new(io::Cursor::new(bytes)));
        let mut buffer = [0; 3];
        loop {
            match frames.read(&mut buffer) {
                Ok(0) => return (text, Ok(0)),
                Ok(read) => text.push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
                error => return (text, error),
            }
        }
    }

    #[test]
    fn frames_are_put_together() {
        let both = [frame(1, "one\n"), frame(2, ""), frame(2, "two\n")].concat();
        assert!(begins(&both) && !begins(b"one\n") && !begins(&[0; 8]));
        let (text, end) = read(both.clone());
        assert_eq!((&*text, end.unwrap()), ("one\ntwo\n", 0));
        // What is cut gives what is there.
        let (text, end) = read(both[..both.len() - 1].to_vec());
        assert_eq!((&*text, end.is_err()), ("one\ntwo", true));
        let (text, end) = read([both, b"text\n1234".to_vec()].concat());
        assert_eq!((&*text, end.is_err()), ("one\ntwo\n", true));
    }
}
