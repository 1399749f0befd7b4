//! How values become bytes: compressed, with field names, so that later versions can read them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Result, StoreError};

/// Compresses what is written often.
pub(super) const FAST: i32 = 1;
/// Compresses what is kept.
pub(super) const SMALL: i32 = 6;
/// The largest value that is read, in bytes.
const LARGEST: usize = 256 << 20;

/// Compresses bytes.
pub(super) fn pack(bytes: &[u8], level: i32) -> Result<Vec<u8>> {
    zstd::bulk::compress(bytes, level).map_err(|error| StoreError::value("value", error))
}

/// Decompresses what [`pack`] made.
pub(super) fn unpack(what: &'static str, bytes: &[u8]) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let mut plain = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(bytes);
    let decoder = decoder.map_err(|error| StoreError::value(what, error))?;
    let read = decoder.take(LARGEST as u64 + 1).read_to_end(&mut plain);
    read.map_err(|error| StoreError::value(what, error))?;
    if plain.len() > LARGEST {
        return Err(StoreError::value(what, "it is larger than 256 MiB"));
    }
    Ok(plain)
}

/// Encodes and compresses a value.
pub(super) fn encode(what: &'static str, value: &impl Serialize, level: i32) -> Result<Vec<u8>> {
    let bytes = rmp_serde::to_vec_named(value).map_err(|error| StoreError::value(what, error))?;
    pack(&bytes, level)
}

/// Reads what [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T> {
    let bytes = unpack(what, bytes)?;
    rmp_serde::from_slice(&bytes).map_err(|error| StoreError::value(what, error))
}
