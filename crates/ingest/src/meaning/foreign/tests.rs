use super::*;

fn decoded(line: &str) -> Record<'static> {
    // Leaked, so that the record can borrow from the line.
    let line: &'static str = Box::leak(line.to_owned().into_boxed_str());
    decode(
        &Object::parse(line).unwrap(),
        &Local::new(&jiff::tz::TimeZone::UTC),
        &Map::new(),
    )
    .unwrap()
}

#[test]
fn a_request_is_judged_only_by_what_its_line_tells() {
    let head = r#""time":"2026-03-04T11:22:33Z","msg":"fetch","url":"http://x/""#;
    for (level, more, status, unjudged) in [
        ("info", r#""status":200"#, Some(200), false),
        ("info", r#""elapsed_ms":5"#, None, true),
        ("info", r#""elapsed_ms":5,"status":null"#, None, false),
        ("info", r#""status":null"#, None, false),
        ("warning", r#""elapsed_ms":5"#, None, false),
        (
            "info",
            r#""elapsed_ms":5,"error_type":"ReadTimeout""#,
            None,
            false,
        ),
    ] {
        let record = decoded(&format!(r#"{{{head},"level":"{level}",{more}}}"#));
        let Event::Request(request) = &record.event else {
            panic!("{more}")
        };
        assert_eq!(
            (request.status_code, record.is_unjudged),
            (status, unjudged),
            "{more}"
        );
    }
}

#[test]
fn a_record_may_name_its_event_in_our_terms() {
    let record = decoded(
        r#"{"time":1772623353123,"level":30,"msg":"x","event_type":"request","url":"http://x/","response_time_ms":7}"#,
    );
    let Event::Request(request) = &record.event else {
        panic!("{record:?}")
    };
    assert_eq!(request.response_time_ms, Some(7.0));
    assert!(!record.is_unjudged);
    let record = decoded(
        r#"{"timestamp":"2026-03-04T11:22:33Z","level":"error","event":"page failed","event_type":"scraper_error","url":"http://x/","exception":"Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 'price'"}"#,
    );
    let Event::ScraperError(error) = &record.event else {
        panic!("{record:?}")
    };
    assert_eq!(error.error_type.as_deref(), Some("KeyError"));
    assert_eq!(error.url.as_deref(), Some("http://x/"));
}

#[test]
fn the_user_says_what_fields_and_messages_mean() {
    let mut map = Map::new();
    map.field("status", "code").unwrap();
    map.field("response_time_seconds", "t").unwrap();
    map.event("^got a row", Meaning::Item).unwrap();
    map.event("scraped by hand", Meaning::Log).unwrap();
    assert!(map.field("colour", "x").is_err());
    let read = |line: &'static str| {
        let object = Object::parse(line).unwrap();
        decode(&object, &Local::new(&jiff::tz::TimeZone::UTC), &map)
            .unwrap()
            .event
    };
    let line =
        r#"{"time":1772623353,"level":"info","msg":"x","url":"http://x/","code":404,"t":0.5}"#;
    let Event::Request(request) = read(line) else {
        panic!("no request")
    };
    assert_eq!(request.status_code, Some(404));
    assert_eq!(request.response_time_ms, Some(500.0));
    let item = read(r#"{"time":1772623353,"level":"info","msg":"got a row"}"#);
    assert!(matches!(item, Event::ProductProcessed(_)));
    let log =
        read(r#"{"time":1772623353,"level":"info","msg":"scraped by hand","url":"http://x/"}"#);
    assert_eq!(log, Event::Log);
}

#[test]
fn an_object_of_pythons_names_no_scraper_unless_it_names_itself() {
    for (shown, expected) in [
        ("<scrapy.crawler.Crawler object at 0x7312f3080c50>", None),
        ("<Spider 'meetups' at 0x7312f288f860>", Some("meetups")),
        ("meetups", Some("meetups")),
    ] {
        let line = format!(r#"{{"time":1772623353,"level":"info","msg":"x","spider":"{shown}"}}"#);
        assert_eq!(decoded(&line).scraper_id.as_deref(), expected, "{shown}");
    }
}

#[test]
fn logurus_own_text_is_not_the_message() {
    let line = r#"{"text":"2026 | INFO | x - hello\n","record":{"message":"hello","level":{"name":"INFO","no":20},"time":{"timestamp":1772623353.5}}}"#;
    assert_eq!(decoded(line).message.as_deref(), Some("hello"));
}
