//! The file: a line with the version of the format, then compressed `MessagePack`.

use std::io::{Read as _, Write as _};

use dragline_alerting::notice::redact;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Capsule;
use crate::text::each_text;

/// The version of the format. Within a version, fields may be added; none may be removed or change its meaning.
pub const VERSION: u32 = 1;
/// Maximum size of a file, in bytes.
pub const LARGEST: usize = 1 << 20;
/// Maximum size of what is in it, in bytes: a small file may contain very much.
const LARGEST_CONTENT: usize = 256 << 20;
/// What every file begins with, before the version.
const MAGIC: &str = "dragline-capsule ";
/// The level of compression: capsules are made rarely and sent often.
const SMALL: i32 = 19;

/// Why a file cannot be read as a capsule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCapsule {
    /// The file does not begin as a capsule does.
    #[error("not an incident capsule: the file does not begin with {:?}", MAGIC.trim_end())]
    Other,
    /// A later version of Dragline made it.
    #[error(
        "the capsule has format {0}, and this version of Dragline reads up to {VERSION}: use the version that made it, or a later one"
    )]
    Newer(u32),
    /// The content is not what was written.
    #[error("the capsule is damaged ({0}): copy it again from where it was made")]
    Damaged(String),
    /// The analysis failed, which is a bug.
    #[error("the capsule cannot be judged: {0}")]
    Judging(String),
}

/// Serialises a value, and redacts every text in it.
pub(crate) fn redacted(value: &impl Serialize) -> Result<Vec<u8>, String> {
    let bytes = rmp_serde::to_vec_named(value).map_err(|error| error.to_string())?;
    each_text(&bytes, redact).ok_or_else(|| "the serialised bytes cannot be read".to_owned())
}

/// Reads a value.
pub(crate) fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    rmp_serde::from_slice(bytes).map_err(|error| error.to_string())
}

fn pack(content: &[u8], file: &mut Vec<u8>) -> std::io::Result<()> {
    let mut packer = zstd::Encoder::new(file, SMALL)?;
    packer.include_checksum(true)?;
    packer.write_all(content)?;
    packer.finish()?;
    Ok(())
}

impl Capsule {
    /// The bytes of the file, without secrets.
    pub(crate) fn write(&self) -> Result<Vec<u8>, String> {
        let content = redacted(self)?;
        let mut file = format!("{MAGIC}{VERSION}\n").into_bytes();
        pack(&content, &mut file).map_err(|error| error.to_string())?;
        Ok(file)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// If they are not a capsule, were made by a later version of the format, or are damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, BadCapsule> {
        let damaged = |why: &dyn ToString| BadCapsule::Damaged(why.to_string());
        let rest = bytes
            .strip_prefix(MAGIC.as_bytes())
            .ok_or(BadCapsule::Other)?;
        let end = rest.iter().take(12).position(|byte| *byte == b'\n');
        let end = end.ok_or_else(|| damaged(&"its first line has no end"))?;
        let version = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|text| text.parse().ok());
        match version {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => return Err(BadCapsule::Newer(newer)),
            _ => return Err(damaged(&"its version is not a number from 1 on")),
        }
        let packed = &rest[end + 1..];
        let mut content = Vec::new();
        let unpacker = zstd::Decoder::with_buffer(packed).map_err(|error| damaged(&error))?;
        let mut unpacker = unpacker.take(LARGEST_CONTENT as u64 + 1);
        unpacker
            .read_to_end(&mut content)
            .map_err(|error| damaged(&error))?;
        if content.len() > LARGEST_CONTENT {
            return Err(damaged(&"it contains more than 256 MiB"));
        }
        let capsule: Self = parsed(&content).map_err(|error| damaged(&error))?;
        let counts = [Some(&capsule.finished), capsule.everything.as_ref()];
        if !counts
            .into_iter()
            .flatten()
            .all(dragline_rollup::Finished::is_sound)
        {
            return Err(damaged(&"its counts contradict each other"));
        }
        Ok(capsule)
    }
}
