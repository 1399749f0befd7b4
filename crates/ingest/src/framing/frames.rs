//! Reads the consecutive frames of a zstd file.
//!
//! A damaged frame ends with an error. Reading continues at the next bytes that look like the start of a frame.

use std::io::{self, BufRead, Read};

use zstd::stream::read::Decoder;

/// The first bytes of a frame (RFC 8878, section 3.1.1).
pub(crate) const MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Reads frames.
pub(crate) struct Frames<R: BufRead> {
    /// `None` at the end.
    decoder: Option<Decoder<'static, R>>,
    /// Where to continue after a damaged frame, otherwise `None`.
    behind: Option<R>,
}

impl<R: BufRead> Frames<R> {
    pub(crate) fn new(reader: R) -> io::Result<Self> {
        Ok(Self {
            decoder: Some(Decoder::with_buffer(reader)?),
            behind: None,
        })
    }

    /// Reads a piece. Returns 0 at the end. After an error, continues with the next frame.
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
                // If a file ends within a frame, no other frame follows.
                let goes_on = error.kind() != io::ErrorKind::UnexpectedEof;
                self.behind = decoder.map(Decoder::finish).filter(|_| goes_on);
            }
            _ => {}
        }
        read
    }
}

/// Moves to the next frame after the current byte. Returns `false` if there is none.
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
        // A frame start split across two buffers is missed. This happens once in thousands of frames.
        let found = memchr::memmem::find(&held[1..], MAGIC).map(|at| at + 1);
        let passed = found.unwrap_or(held.len());
        reader.consume(passed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_frame_costs_only_itself() {
        let text = |nth: u32| -> Vec<u8> {
            let lines = (0..2000u32).map(|n| n.wrapping_mul(2_654_435_761) + nth);
            lines.flat_map(|n| format!("{n}\n").into_bytes()).collect()
        };
        let texts = [text(0), text(1), text(2)];
        let mut frames = texts.each_ref().map(|text| {
            let mut frame = zstd::Encoder::new(Vec::new(), 3).unwrap();
            frame.include_checksum(true).unwrap();
            io::Write::write_all(&mut frame, text).unwrap();
            frame.finish().unwrap()
        });
        let middle = frames[1].len() / 2;
        frames[1][middle] ^= 0x55;
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let bytes = [skippable, frames.concat()].concat();
        let mut source = Frames::new(io::Cursor::new(bytes)).unwrap();
        let (mut read, mut faults, mut buffer) = (Vec::new(), 0, vec![0; 4096]);
        loop {
            match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => read.extend_from_slice(&buffer[..length]),
                Err(_) => faults += 1,
            }
        }
        assert!(faults > 0);
        assert!(read.starts_with(&texts[0]) && read.ends_with(&texts[2]));
    }
}
