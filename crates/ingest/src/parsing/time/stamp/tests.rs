use super::*;

const fn known(y: i16, m: i8, d: i8) -> Date {
    Date::Known(civil::date(y, m, d))
}

/// A text, its date, its time and its offset.
const FORMS: &[(&str, Date, &str, Option<i32>)] = &[
    (
        "2026-03-04T11:22:33.5Z",
        known(2026, 3, 4),
        "11:22:33.5",
        Some(0),
    ),
    (
        "2026-03-04 11:22:33,500",
        known(2026, 3, 4),
        "11:22:33.5",
        None,
    ),
    (
        "2026/03/04 11:22:33.123456",
        known(2026, 3, 4),
        "11:22:33.123456",
        None,
    ),
    (
        "2026-03-04 11:22:33 +0100",
        known(2026, 3, 4),
        "11:22:33",
        Some(3600),
    ),
    (
        "2026-03-04 11:22:33 CET",
        known(2026, 3, 4),
        "11:22:33",
        Some(3600),
    ),
    (
        "2026-03-04, 11:22:33 UTC",
        known(2026, 3, 4),
        "11:22:33",
        Some(0),
    ),
    (
        "31/03/2026 11:59:58 PM",
        known(2026, 3, 31),
        "23:59:58",
        None,
    ),
    (
        "03/31/2026, 12:00:04 AM",
        known(2026, 3, 31),
        "00:00:04",
        None,
    ),
    (
        "03/04/26 11:22:33",
        Date::Either(3, 4, 2026),
        "11:22:33",
        None,
    ),
    (
        "04.03.2026 11:22:33,5",
        known(2026, 3, 4),
        "11:22:33.5",
        None,
    ),
    (
        "14/Mar/2026:11:00:09 +0100",
        known(2026, 3, 14),
        "11:00:09",
        Some(3600),
    ),
    ("04-Mar-2026 11:22:33", known(2026, 3, 4), "11:22:33", None),
    (
        "4 Mar 2026 11:22:33.123",
        known(2026, 3, 4),
        "11:22:33.123",
        None,
    ),
    (
        "Mar 04, 2026 9:50:12 PM",
        known(2026, 3, 4),
        "21:50:12",
        None,
    ),
    (
        "Sat Mar 14 10:00:17 2026",
        known(2026, 3, 14),
        "10:00:17",
        None,
    ),
    (
        "Tue Mar  4 10:00:01 2025",
        known(2025, 3, 4),
        "10:00:01",
        None,
    ),
    (
        "Sat, 14 Mar 2026 10:00:08 GMT",
        known(2026, 3, 14),
        "10:00:08",
        Some(0),
    ),
    (
        "Sat Mar 14 2026 11:00:02 GMT+0100",
        known(2026, 3, 14),
        "11:00:02",
        Some(3600),
    ),
    (
        "Sat Mar 14 10:00:17 UTC 2026",
        known(2026, 3, 14),
        "10:00:17",
        Some(0),
    ),
    ("Mar  4 11:22:33", Date::MonthDay(3, 4), "11:22:33", None),
    ("250610 03:00:01", known(2025, 6, 10), "03:00:01", None),
    ("20260304T112233Z", known(2026, 3, 4), "11:22:33", Some(0)),
    ("20260304 11:22:33", known(2026, 3, 4), "11:22:33", None),
    ("23:59:57.5", Date::None, "23:59:57.5", None),
    ("9:50 PM", Date::None, "21:50:00", None),
];

#[test]
fn every_usual_form_is_read_to_its_end() {
    for &(text, date, time, offset) in FORMS {
        let time: civil::Time = time.parse().unwrap();
        let expected = (Stamp { date, time, offset }, text.len());
        assert_eq!(any(text), Some(expected), "{text}");
        let more = format!("{text} - x");
        assert_eq!(any(&more), Some(expected), "{more}");
    }
}

#[test]
fn what_is_none() {
    for text in [
        "",
        "12",
        "2026",
        "2026-03-04",
        "11:22",
        "1.2.3.4 x",
        "March of time",
        "Sat down",
        "99:99:99",
        "2026-13-04 11:22:33",
        "10:22:33x",
        "12 shops to visit",
        "may I",
        "1772623353",
        "200 OK",
    ] {
        assert_eq!(any(text), None, "{text}");
    }
}
