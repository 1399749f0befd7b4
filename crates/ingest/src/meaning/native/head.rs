//! Reuses the fields that a recorder line shares with the previous one.
//!
//! Between level and sequence number, a line contains target, scraper, site, run and writer. They are mostly
//! the same in the next line, so one byte comparison reads five fields.

use std::borrow::Cow;

use dragline_schema::{Level, Record, Timestamp};

/// Bytes before the time.
const BEGIN: &[u8] = b"{\"timestamp\":\"";
/// Bytes between time and level.
const LEVEL: &[u8] = b"\",\"level\":\"";
/// Bytes before the sequence number.
const SEQ: &[u8] = b"\"seq\":";
/// Offset of the level.
const AT_LEVEL: usize = BEGIN.len() + Timestamp::TEXT_LEN + LEVEL.len();

/// The shared fields of the last lines.
#[derive(Default)]
pub(crate) struct Head {
    /// The bytes between level and sequence number; empty if nothing was learned.
    text: Vec<u8>,
    target: Option<String>,
    scraper_id: Option<String>,
    site: Option<String>,
    run_id: Option<String>,
    writer_id: Option<String>,
}

impl Head {
    /// Reads a line up to and including its sequence number if it has the same fields; returns the offset after
    /// the number.
    pub(crate) fn read<'l>(&'l self, line: &[u8], record: &mut Record<'l>) -> Option<usize> {
        if self.text.is_empty() {
            return None;
        }
        let (time, level) = time_and_level(line)?;
        let at = AT_LEVEL + level.as_str().len();
        let rest = line.get(at..)?.strip_prefix(self.text.as_slice())?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // Nineteen digits always fit; leading zeros are not valid JSON.
        if digits == 0 || digits > 19 || (digits > 1 && rest[0] == b'0') {
            return None;
        }
        let add = |number: u64, digit: &u8| number * 10 + u64::from(digit - b'0');
        let behind = line.len() - rest.len() + digits;
        if !matches!(line.get(behind), Some(b',' | b'}')) {
            return None;
        }
        record.timestamp = Some(time);
        record.level = Some(level);
        record.seq = Some(rest[..digits].iter().fold(0, add));
        record.target = self.target.as_deref().map(Cow::Borrowed);
        record.scraper_id = self.scraper_id.as_deref().map(Cow::Borrowed);
        record.site = self.site.as_deref().map(Cow::Borrowed);
        record.run_id = self.run_id.as_deref().map(Cow::Borrowed);
        record.writer_id = self.writer_id.as_deref().map(Cow::Borrowed);
        Some(behind)
    }

    /// Learns from a line that was read. If its fields are in a different order, the result matches no line.
    pub(crate) fn of(line: &[u8], record: &Record<'_>) -> Self {
        let owned = |part: &Option<Cow<'_, str>>| part.as_deref().map(str::to_owned);
        Self {
            text: text_of(line, record).unwrap_or_default(),
            target: owned(&record.target),
            scraper_id: owned(&record.scraper_id),
            site: owned(&record.site),
            run_id: owned(&record.run_id),
            writer_id: owned(&record.writer_id),
        }
    }
}

/// The bytes between level and sequence number, if they contain only these five fields in this order.
fn text_of(line: &[u8], record: &Record<'_>) -> Option<Vec<u8>> {
    let (_, level) = time_and_level(line)?;
    let mut made = b"\"".to_vec();
    for (key, value) in [
        ("target", &record.target),
        ("scraper_id", &record.scraper_id),
        ("site", &record.site),
        ("run_id", &record.run_id),
        ("writer_id", &record.writer_id),
    ] {
        if let Some(value) = value {
            made.extend_from_slice(format!(",\"{key}\":\"{value}\"").as_bytes());
        }
    }
    made.push(b',');
    made.extend_from_slice(SEQ);
    let rest = line.get(AT_LEVEL + level.as_str().len()..)?;
    rest.starts_with(&made).then_some(made)
}

/// The time and the level at the start of a line.
fn time_and_level(line: &[u8]) -> Option<(Timestamp, Level)> {
    let rest = line.strip_prefix(BEGIN)?;
    let (time, rest) = rest.split_at_checked(Timestamp::TEXT_LEN)?;
    let rest = rest.strip_prefix(LEVEL)?;
    let is_next = |level: &Level| {
        let word = level.as_str().as_bytes();
        rest.starts_with(word) && rest.get(word.len()) == Some(&b'"')
    };
    let level = Level::ALL.into_iter().find(is_next)?;
    let time = Timestamp::parse_exact(time)?;
    Some((time, level))
}
