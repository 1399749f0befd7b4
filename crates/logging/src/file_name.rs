//! The grammar of file names: `NAME[.error].YYYYMMDDTHHMMSSZ.WRITER.N.(jsonl|log)[.gz|.zst]`.

use std::fmt;
use std::str::FromStr;

use dragline_schema::Timestamp;
use jiff::civil::DateTime;

/// A log file name, split into its parts.
///
/// ```
/// let name: dragline_logging::FileName = "shop.error.20260304T112233Z.a1b2c3.0.jsonl.gz".parse()?;
/// assert_eq!(name.family, "shop");
/// assert!(name.errors && name.codec.is_some());
/// # Ok::<(), dragline_logging::ParseFileNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// The family: letters, digits, `-` and `_`.
    pub family: String,
    /// Whether the file is one of the family's error files.
    pub errors: bool,
    /// The time of the first line, to the second.
    pub began: Timestamp,
    /// The id of the writing process.
    pub writer_id: String,
    /// Number of the file among the writer's files, starting at 0.
    pub number: u64,
    /// The format of the lines.
    pub format: Format,
    /// The compression; `None` for a plain file.
    pub codec: Option<Codec>,
}

/// The format of the lines in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Wire format v1, one JSON object per line: `.jsonl`.
    Json,
    /// Text for people, one event per line: `.log`. Only JSON can be read back in full.
    Text,
}

/// The compression of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// gzip, in several members: `.gz`.
    Gzip,
    /// Zstandard, in several frames: `.zst`.
    Zstd,
}

impl Format {
    const ALL: [Self; 2] = [Self::Json, Self::Text];

    fn suffix(self) -> &'static str {
        match self {
            Self::Json => ".jsonl",
            Self::Text => ".log",
        }
    }
}

impl Codec {
    pub(crate) const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

/// The name is not a log file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid log file name {0:?}: expected a name such as shop.20260304T112233Z.a1b2c3.0.jsonl or ….jsonl.gz"
)]
pub struct ParseFileNameError(String);

/// Whether the text is valid as the family or the writer id in a file name.
pub(crate) fn is_part(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.began.to_civil();
        write!(
            f,
            "{}{}.{:04}{:02}{:02}T{:02}{:02}{:02}Z.{}.{}{}{}",
            self.family,
            if self.errors { ".error" } else { "" },
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            self.writer_id,
            self.number,
            self.format.suffix(),
            self.codec.map_or("", Codec::suffix),
        )
    }
}

impl FromStr for FileName {
    type Err = ParseFileNameError;

    fn from_str(name: &str) -> Result<Self, ParseFileNameError> {
        parse(name).ok_or_else(|| ParseFileNameError(name.to_owned()))
    }
}

fn parse(name: &str) -> Option<FileName> {
    let stem_of = |codec: &Codec| Some((name.strip_suffix(codec.suffix())?, Some(*codec)));
    let (stem, codec) = Codec::ALL.iter().find_map(stem_of).unwrap_or((name, None));
    let (stem, format) = Format::ALL
        .iter()
        .find_map(|format| Some((stem.strip_suffix(format.suffix())?, *format)))?;
    let mut parts = stem.split('.').peekable();
    let family = parts.next()?;
    let errors = parts.next_if_eq(&"error").is_some();
    let (began, writer_id, number) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !is_part(family) || !is_part(writer_id) {
        return None;
    }
    let began = began.strip_suffix('Z')?;
    if began.len() != 15 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let began = DateTime::strptime("%Y%m%dT%H%M%S", began).ok()?;
    Some(FileName {
        family: family.to_owned(),
        errors,
        began: jiff::tz::TimeZone::UTC.to_timestamp(began).ok()?.into(),
        writer_id: writer_id.to_owned(),
        number: number.parse().ok()?,
        format,
        codec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strangers_are_no_names_of_ours() {
        for name in [
            "shop.log",
            "shop.20260304T112233Z.a1.0.jsonl.tmp",
            "shop.20260304T112233Z.a1.0.jsonl.gz.tmp",
            "shop.20260304T112233Z.a1.0.jsonl.bz2",
            "shop.20260304T112233.a1.0.jsonl",
            "shop.20261304T112233Z.a1.0.jsonl",
            "shop.20260304T112233Z.a1.+1.jsonl",
            "shop.x.20260304T112233Z.a1.0.jsonl",
            "shop.error.error.20260304T112233Z.a1.0.jsonl",
            ".20260304T112233Z.a1.0.jsonl",
        ] {
            assert!(name.parse::<FileName>().is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_reads_back_the_same(
            family in "[a-zA-Z0-9_-]{1,64}",
            errors: bool,
            seconds in 0i64..4_000_000_000,
            writer_id in "[a-f0-9]{1,16}",
            number: u64,
            format in prop::sample::select(&Format::ALL),
            codec in prop::option::of(prop::sample::select(&Codec::ALL)),
        ) {
            let began = Timestamp::from_seconds(seconds);
            let name = FileName { family, errors, began, writer_id, number, format, codec };
            prop_assert_eq!(name.to_string().parse::<FileName>().unwrap(), name);
        }
    }
}
