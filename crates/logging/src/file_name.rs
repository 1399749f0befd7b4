//! The grammar of file names: `NAME.YYYYMMDDTHHMMSSZ.WRITER.N.jsonl[.gz]`.

use std::fmt;
use std::str::FromStr;

use dragline_schema::Timestamp;
use jiff::civil::DateTime;

/// A log file's name in its parts.
///
/// ```
/// let name: dragline_logging::FileName = "shop.20260304T112233Z.a1b2c3.0.jsonl.gz".parse()?;
/// assert_eq!(name.family, "shop");
/// assert!(name.compressed);
/// # Ok::<(), dragline_logging::ParseFileNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// The family: letters, digits, `-` and `_`.
    pub family: String,
    /// The time of the first line, to the second.
    pub began: Timestamp,
    /// The writing process.
    pub writer_id: String,
    /// Which of the writer's files, from 0.
    pub number: u64,
    /// Whether it is gzip.
    pub compressed: bool,
}

/// A name that is none of a log file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name such as shop.20260304T112233Z.a1b2c3.0.jsonl or ….jsonl.gz")]
pub struct ParseFileNameError(String);

/// Whether the text can be a name's family or writer.
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
            "{}.{:04}{:02}{:02}T{:02}{:02}{:02}Z.{}.{}.jsonl{}",
            self.family,
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            self.writer_id,
            self.number,
            if self.compressed { ".gz" } else { "" },
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
    let (stem, compressed) = match name.strip_suffix(".gz") {
        Some(stem) => (stem, true),
        None => (name, false),
    };
    let mut parts = stem.strip_suffix(".jsonl")?.split('.');
    let (family, began, writer_id, number) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
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
        began: jiff::tz::TimeZone::UTC.to_timestamp(began).ok()?.into(),
        writer_id: writer_id.to_owned(),
        number: number.parse().ok()?,
        compressed,
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
            "shop.20260304T112233.a1.0.jsonl",
            "shop.20261304T112233Z.a1.0.jsonl",
            "shop.20260304T112233Z.a1.+1.jsonl",
            "shop.x.20260304T112233Z.a1.0.jsonl",
            ".20260304T112233Z.a1.0.jsonl",
        ] {
            assert!(name.parse::<FileName>().is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_reads_back_the_same(
            family in "[a-zA-Z0-9_-]{1,64}",
            seconds in 0i64..4_000_000_000,
            writer_id in "[a-f0-9]{1,16}",
            number: u64,
            compressed: bool,
        ) {
            let began = Timestamp::from_seconds(seconds);
            let name = FileName { family, began, writer_id, number, compressed };
            prop_assert_eq!(name.to_string().parse::<FileName>().unwrap(), name);
        }
    }
}
