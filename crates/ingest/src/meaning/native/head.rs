//! What a line of the recorder has in common with the one before it.
//!
//! Between level and number a line says who writes: target, scraper, site, run, writer. The next
//! line mostly says the same, so one comparison of bytes reads five fields.

use std::borrow::Cow;

use dragline_schema::{Level, Record, Timestamp};

/// Before the time.
const BEGIN: &[u8] = b"{\"timestamp\":\"";
/// Between time and level.
const LEVEL: &[u8] = b"\",\"level\":\"";
/// Before the number.
const SEQ: &[u8] = b"\"seq\":";
/// Where the level begins.
const AT_LEVEL: usize = BEGIN.len() + Timestamp::TEXT_LEN + LEVEL.len();

/// The writer of the last lines, as they name it.
#[derive(Default)]
pub(crate) struct Head {
    /// From behind the level to before the number; empty when nothing was learnt.
    text: Vec<u8>,
    target: Option<String>,
    scraper_id: Option<String>,
    site: Option<String>,
    run_id: Option<String>,
    writer_id: Option<String>,
}

impl Head {
    /// Reads a line up to and with its number, when it is by the same writer; gives where it goes on.
    pub(crate) fn read<'l>(&'l self, line: &[u8], record: &mut Record<'l>) -> Option<usize> {
        if self.text.is_empty() {
            return None;
        }
        let (time, level) = time_and_level(line)?;
        let at = AT_LEVEL + level.as_str().len();
        let rest = line.get(at..)?.strip_prefix(self.text.as_slice())?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // Nineteen digits always fit; a zero in front is no JSON.
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

    /// The head of a line that was read; of one in another order, one that reads no line.
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

/// What stands between level and number, when it is these five, nothing else and in this order.
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

/// The time and the level that a line begins with.
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
