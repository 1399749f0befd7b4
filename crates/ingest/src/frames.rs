//! The frames of a zstd file, one behind another.
//!
//! A damaged frame ends with a fault; reading goes on at the next thing that looks like a frame's beginning.

use std::io::{self, BufRead, Read};

use zstd::stream::read::Decoder;

/// What a frame begins with (RFC 8878, section 3.1.1).
pub(crate) const MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Reads frames.
pub(crate) struct Frames<R: BufRead> {
    /// Absent at the end.
    decoder: Option<Decoder<'static, R>>,
    /// Absent unless a frame was damaged: where to go on.
    behind: Option<R>,
}

impl<R: BufRead> Frames<R> {
    pub(crate) fn new(reader: R) -> io::Result<Self> {
        Ok(Self {
            decoder: Some(Decoder::with_buffer(reader)?),
            behind: None,
        })
    }

    /// Reads a piece; 0 at the end. Behind a fault it goes on with the next frame.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(mut reader) = self.behind.take()
            && skip_to_next(&mut reader)?
        {
            self.decoder = Some(Decoder::with_buffer(reader)?);
        }
        let Some(decoder) = &mut self.decoder else {
            return Ok(0);
        };
        let read = decoder.read(buffer);
        match &read {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let decoder = self.decoder.take();
                // A file that ends within a frame has no other behind it.
                let goes_on = error.kind() != io::ErrorKind::UnexpectedEof;
                self.behind = decoder.map(Decoder::finish).filter(|_| goes_on);
            }
            _ => {}
        }
        read
    }
}

/// Goes to the next frame behind the byte where the reader stands; `false` when there is none.
fn skip_to_next(reader: &mut impl BufRead) -> io::Result<bool> {
    if !reader.fill_buf()?.is_empty() {
        reader.consume(1);
    }
    loop {
        let held = reader.fill_buf()?;
        if held.is_empty() {
            return Ok(false);
        }
        if held.starts_with(MAGIC) {
            return Ok(true);
        }
        // A beginning that the buffer cuts in two is passed over: it is one in thousands.
        let found = memchr::memmem::find(&held[1..], MAGIC).map(|at| at + 1);
        let passed = found.unwrap_or(held.len());
        reader.consume(passed);
    }
}
