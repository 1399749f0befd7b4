//! Derives family, rotation order and compression from file names.

/// A path without the ending of a compressed file.
pub fn without_compression(path: &str) -> &str {
    path.strip_suffix(".gz")
        .or_else(|| path.strip_suffix(".zst"))
        .unwrap_or(path)
}

/// For a recorder's error file, the name of the file that its lines are copied from:
/// `shop.20260304T112233Z.a1b2c3.0.jsonl` for `shop.error.20260304T112233Z.a1b2c3.0.jsonl`.
pub(crate) fn copied_family(path: &str) -> Option<String> {
    let dir_len = path.rfind('/').map_or(0, |at| at + 1);
    let (dir, name) = path.split_at(dir_len);
    let (family, rest) = name.split_once(".error.")?;
    let is_ours = is_rest_of_recorded(rest) && !family.contains('.');
    is_ours.then(|| format!("{dir}{family}.{rest}"))
}

/// For a recorder's file, its name without compression, which no other file has: `shop.20260304T112233Z.a1b2c3.0.jsonl`.
/// `None` for all other files.
pub fn recorded_name(path: &str) -> Option<&str> {
    let name = without_compression(path.rsplit('/').next().unwrap_or(path));
    let (_, rest) = name.split_once('.')?;
    is_rest_of_recorded(rest).then_some(name)
}

/// `20260304T112233Z.a1b2c3.0.jsonl`
fn is_rest_of_recorded(rest: &str) -> bool {
    let parts: Vec<&str> = without_compression(rest).split('.').collect();
    let [time, writer, number, "jsonl"] = parts[..] else {
        return false;
    };
    let is_time = time.len() == 16 && time.ends_with('Z') && looks_like_time(time);
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_time && is_number && !writer.is_empty()
}

/// Sort key of a file in its family: rotated files by time or number, the current one last.
pub(crate) type OrderKey = (bool, String, i64);

/// The name of the family that a file belongs to, by its path.
pub fn family_name(path: &str) -> String {
    family_of(path).0
}

/// The family name of a path, and the file's sort key in it. The family name omits what rotation adds
/// (times, small numbers). Of files that are named after a day, it is a pattern: `isle-books-*.log`.
pub(crate) fn family_of(path: &str) -> (String, OrderKey) {
    let path = without_compression(path);
    let (dir, name) = path
        .rsplit_once('/')
        .map_or(("", path), |(dir, name)| (dir, name));
    let mut family: Vec<String> = Vec::new();
    let mut time = String::new();
    let mut number = None;
    for (index, part) in name.split('.').enumerate() {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        if index > 0 && digits >= 6 && digits * 2 > part.len() && looks_like_time(part) {
            time.push_str(part);
        } else if index > 0 && !part.is_empty() && part.len() <= 4 && digits == part.len() {
            number = part.parse::<i64>().ok();
        } else if let Some((before, day)) = split_day(part) {
            time.push_str(day);
            // `app.log-20260304` is an older `app.log`.
            let is_rotated = index > 0 && !before.is_empty();
            let name = before.trim_end_matches(['-', '_']);
            family.push(if is_rotated {
                name.to_owned()
            } else {
                format!("{before}*")
            });
        } else {
            family.push(part.to_owned());
        }
    }
    // `app.log.2` is older than `app.log.1`; in names with times, higher numbers are newer.
    let number = number.map_or(0, |n| if time.is_empty() { -n - 1 } else { n });
    let is_open = time.is_empty() && number == 0;
    (
        format!("{dir}/{}", family.join(".")),
        (is_open, time, number),
    )
}

/// Nomad numbers its files upwards: `walk.stderr.0`, `walk.stderr.1`. There, unlike after a rotation, no file is without
/// a number. Changes the keys of such a family's files, so that the higher number is the newer file.
pub(crate) fn number_upwards<'k>(family: &str, keys: impl Iterator<Item = &'k mut OrderKey>) {
    if !family.ends_with(".stderr") && !family.ends_with(".stdout") {
        return;
    }
    let keys: Vec<&mut OrderKey> = keys.collect();
    if keys
        .iter()
        .all(|(is_open, time, _)| !is_open && time.is_empty())
    {
        for key in keys {
            key.2 = -key.2;
        }
    }
}

/// Splits off the day at the end of a part of a name: `isle-books-2026-03-04`, `log-20260304`. With a time of day, it is
/// the name of a process's own log.
fn split_day(part: &str) -> Option<(&str, &str)> {
    let day_of = |length: usize| {
        let (before, day) = part.split_at_checked(part.len().checked_sub(length)?)?;
        let is_apart = before.is_empty() || before.ends_with(['-', '_']);
        (is_apart && is_day(day)).then_some((before, day))
    };
    day_of("2026-03-04".len()).or_else(|| day_of("20260304".len()))
}

/// `2026-03-04`, `2026_03_04`, `20260304`.
fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        let part = text.get(range)?;
        let is_number = part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<u32>().ok().filter(|_| is_number)
    };
    let (month, day) = if text.len() == 10 {
        let has_joints = matches!(bytes[4], b'-' | b'_') && bytes[4] == bytes[7];
        (digits(5..7).filter(|_| has_joints), digits(8..10))
    } else {
        (digits(4..6), digits(6..8))
    };
    digits(0..4).is_some_and(|year| (1990..2100).contains(&year))
        && month.is_some_and(|month| (1..=12).contains(&month))
        && day.is_some_and(|day| (1..=31).contains(&day))
}

/// `20260304T112233Z`, `2026-03-04`, `2026-03-04_11-22-33_123456`, `1772623353`.
fn looks_like_time(part: &str) -> bool {
    let text = part.trim_end_matches('Z');
    text.starts_with(['1', '2'])
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'T' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_one_family_oldest_first() {
        let ordered = |names: &[&'static str]| {
            let mut keyed: Vec<_> = names.iter().map(|name| (family_of(name), *name)).collect();
            keyed.sort();
            assert!(
                keyed.windows(2).all(|pair| pair[0].0.0 == pair[1].0.0),
                "{keyed:?}"
            );
            keyed.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(
            ordered(&[
                "a/app.log",
                "a/app.log.1",
                "a/app.log.10.gz",
                "a/app.log.2.gz"
            ]),
            [
                "a/app.log.10.gz",
                "a/app.log.2.gz",
                "a/app.log.1",
                "a/app.log"
            ],
        );
        assert_eq!(
            ordered(&[
                "shop.20260305T000000Z.a1b2c3d4e5f6.2.jsonl",
                "shop.20260304T112233Z.a1b2c3d4e5f6.0.jsonl.gz",
                "shop.20260304T112233Z.a1b2c3d4e5f6.1.jsonl.gz",
            ]),
            [
                "shop.20260304T112233Z.a1b2c3d4e5f6.0.jsonl.gz",
                "shop.20260304T112233Z.a1b2c3d4e5f6.1.jsonl.gz",
                "shop.20260305T000000Z.a1b2c3d4e5f6.2.jsonl",
            ],
        );
        assert_eq!(
            ordered(&[
                "s.log",
                "s.2026-11-22_13-26-48_374064.log.gz",
                "s.2026-11-22_12-00-00_0.log"
            ]),
            [
                "s.2026-11-22_12-00-00_0.log",
                "s.2026-11-22_13-26-48_374064.log.gz",
                "s.log"
            ],
        );
    }

    #[test]
    fn files_of_days_are_one_family() {
        for (name, family, day) in [
            (
                "a/isle-books-2026-03-04.log",
                "a/isle-books-*.log",
                "2026-03-04",
            ),
            (
                "a/isle_books_20260304.log.gz",
                "a/isle_books_*.log",
                "20260304",
            ),
            ("a/books/2026-03-04.log", "a/books/*.log", "2026-03-04"),
            ("a/books-2-2026-03-04.log", "a/books-2-*.log", "2026-03-04"),
            ("a/app.log-20260304", "a/app.log", "20260304"),
            ("a/app-2026-03-04.1.log", "a/app-*.log", "2026-03-04"),
            // With a time of day; with a number that is not a day.
            (
                "a/books-2026-03-04_11-22-33.log",
                "a/books-2026-03-04_11-22-33.log",
                "",
            ),
            (
                "a/books-20260304-112233.log",
                "a/books-20260304-112233.log",
                "",
            ),
            ("a/books-20261304.log", "a/books-20261304.log", ""),
        ] {
            let (found, (is_open, time, _)) = family_of(name);
            assert_eq!((found.as_str(), time.as_str()), (family, day), "{name}");
            assert_eq!(is_open, day.is_empty(), "{name}");
        }
    }

    #[test]
    fn nomads_files_are_numbered_upwards() {
        let ordered = |names: &[&'static str]| {
            let mut keyed: Vec<_> = names
                .iter()
                .map(|name| (family_of(name).1, *name))
                .collect();
            number_upwards("/walk.stderr", keyed.iter_mut().map(|(key, _)| key));
            keyed.sort();
            keyed.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        let nomads = ["walk.stderr.9", "walk.stderr.10"];
        assert_eq!(ordered(&["walk.stderr.10", "walk.stderr.9"]), nomads);
        let rotated = ["walk.stderr.2", "walk.stderr.1", "walk.stderr"];
        assert_eq!(
            ordered(&["walk.stderr", "walk.stderr.1", "walk.stderr.2"]),
            rotated
        );
    }

    #[test]
    fn different_logs_are_different_families() {
        let copied = "a/shop.error.20260304T112233Z.a1b2c3d4e5f6.0.jsonl.gz";
        assert_eq!(
            copied_family(copied).unwrap(),
            "a/shop.20260304T112233Z.a1b2c3d4e5f6.0.jsonl.gz"
        );
        for other in [
            "a/shop.error.log",
            "nginx.error.20260304.log",
            "a.error.20260304T112233Z.w.x.jsonl",
        ] {
            assert_eq!(copied_family(other), None);
        }
        let family = |name| family_of(name).0;
        assert_ne!(family("run-1.log"), family("run-2.log"));
        assert_ne!(
            family("shop.20260304T112233Z.aaaaaaaaaaaa.0.jsonl"),
            family("shop.20260304T112233Z.bbbbbbbbbbbb.0.jsonl"),
        );
        assert_ne!(family("a/x.log"), family("b/x.log"));
    }
}
