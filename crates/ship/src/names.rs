//! What the service calls a text.
//!
//! The name stays when the file is rotated, so it cannot be the file's own. It is made so that the service's reader, which
//! knows nothing of the sender, sees the files of one log as one log, the oldest first: the name of the log, then the time
//! at which its text was first seen. A recorder's files keep their names, because those never change and never return.

use std::path::{Component, Path};

use dragline_ingest::{Text, recorded_name, without_compression};
use dragline_schema::Timestamp;

/// Longest part of a path, in bytes. The service takes 200.
const LONGEST: usize = 160;

/// The service's name for a text that was first seen at a time. Times of different texts must differ.
pub(crate) fn name_of(text: &Text, seen: Timestamp) -> String {
    let path = std::path::absolute(&text.path).unwrap_or_else(|_| text.path.clone());
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let parts = path.parent().unwrap_or(Path::new("")).components();
    let directories = parts.filter_map(|part| match part {
        Component::Normal(name) => Some(safe(&name.to_string_lossy())),
        _ => None,
    });
    let name = match recorded_name(&file) {
        Some(name) if name.len() <= LONGEST => safe(name),
        _ => format!("{}.{}", safe(log_name(text, &file)), stamp(seen)),
    };
    let mut all: Vec<String> = directories.collect();
    all.push(name);
    all.join("/")
}

/// The part of a log's name that its rotated files share. Files that are named after days keep their own names.
fn log_name<'t>(text: &'t Text, file: &'t str) -> &'t str {
    let log = text.log.rsplit('/').next().unwrap_or(&text.log);
    if log.is_empty() || log.contains('*') {
        without_compression(file)
    } else {
        log
    }
}

/// `20260304T112233123456Z`
fn stamp(time: Timestamp) -> String {
    let digits = time.to_string();
    let kept = digits
        .chars()
        .filter(|c| c.is_ascii_digit() || matches!(c, 'T' | 'Z'));
    kept.collect()
}

/// The time in a name, if it has one.
pub(crate) fn seen_at(name: &str) -> Option<Timestamp> {
    let stamp = name.rsplit('.').next()?;
    let (date, time) = stamp.strip_suffix('Z')?.split_once('T')?;
    let is_stamp = date.len() == 8 && time.len() == 12 && stamp.is_ascii();
    let text = is_stamp.then(|| {
        let (day, clock) = (&date[6..], &time[..6]);
        let [year, month] = [&date[..4], &date[4..6]];
        let [hour, minute, second] = [&clock[..2], &clock[2..4], &clock[4..]];
        format!(
            "{year}-{month}-{day}T{hour}:{minute}:{second}.{}Z",
            &time[6..]
        )
    })?;
    Timestamp::parse(&text).ok()
}

/// A name that the service takes: without control characters and backslashes, not hidden, not too long.
fn safe(name: &str) -> String {
    let mut safe: String = name
        .chars()
        .map(|c| {
            if c.is_control() || matches!(c, '/' | '\\') {
                '_'
            } else {
                c
            }
        })
        .collect();
    if safe.starts_with('.') {
        safe.insert(0, '_');
    }
    if safe.len() > LONGEST {
        let hash = fnv(safe.as_bytes());
        safe.truncate(safe.floor_char_boundary(LONGEST - 20));
        safe.push_str(&format!("_{hash:016x}"));
    }
    safe
}

/// A hash that never changes between versions (FNV-1a).
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use dragline_ingest::family_name;

    use super::*;

    fn named(path: &str, micros: i64) -> String {
        let text = Text {
            number: 1,
            log: family_name(path),
            path: path.into(),
            base: 0,
            offset: 0,
            end: 10,
            has_more: true,
            is_packed: false,
        };
        name_of(
            &text,
            Timestamp::from_micros(1_772_623_353_000_000 + micros),
        )
    }

    #[test]
    fn the_reader_of_the_service_sees_one_log_in_order() {
        for rotated in [
            &["/l/app.log.2.gz", "/l/app.log.1", "/l/app.log"][..],
            &["/l/app.log-20260304", "/l/app.log"],
            &["/l/s.2026-11-22_13-26-48_374064.log.gz", "/l/s.log"],
            &["/l/walk.stderr.0", "/l/walk.stderr.1", "/l/walk.stderr.2"],
            &[
                "/l/isle-books-2026-03-04.log",
                "/l/isle-books-2026-03-05.log.gz",
            ],
        ] {
            let names: Vec<String> = (0..).zip(rotated).map(|(n, path)| named(path, n)).collect();
            let logs: Vec<String> = names.iter().map(|name| family_name(name)).collect();
            assert!(logs.windows(2).all(|pair| pair[0] == pair[1]), "{logs:?}");
            assert!(names.is_sorted(), "{names:?}");
        }
        let name = named("/l/app.log.2.gz", 7);
        assert_eq!(name, "l/app.log.20260304T112233000007Z");
        let seen = Timestamp::from_micros(1_772_623_353_000_007);
        assert_eq!(seen_at(&name), Some(seen));
        assert_eq!(
            seen_at("l/shop.20260304T112233Z.a1b2c3d4e5f6.0.jsonl"),
            None
        );
        assert_eq!(
            named("/l/shop.20260304T112233Z.a1b2c3d4e5f6.0.jsonl.gz", 7),
            "l/shop.20260304T112233Z.a1b2c3d4e5f6.0.jsonl"
        );
    }

    #[test]
    fn odd_names_become_names_that_are_taken() {
        let name = named("/home/.hidden/l\u{e4}den\n.log", 0);
        assert_eq!(name, "home/_.hidden/l\u{e4}den_.log.20260304T112233000000Z");
        let long = |end: &str| named(&format!("/l/{}{end}.log", "x".repeat(230)), 0);
        assert!(long("a").len() < 200 && long("a") != long("b"));
    }
}
