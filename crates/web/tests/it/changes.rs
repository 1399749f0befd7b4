//! The stream of changes.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use dragline_web::Topic;

use crate::client::{connect, get, read_some};
use crate::fleet::Fleet;
use crate::start;

/// Reads events until the text contains all of `wanted`.
fn read_until(stream: &mut impl std::io::Read, wanted: &[&str]) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4_096]);
    while !wanted.iter().all(|part| text.contains(part)) {
        let count = read_some(stream, &mut buffer);
        assert!(count > 0, "nothing comes any more: {text}");
        text += &String::from_utf8_lossy(&buffer[..count]);
    }
    text
}

#[test]
fn changes_are_streamed_from_where_a_client_was() {
    let (server, fleet) = start(Fleet::new(1));
    let open = |last: Option<&str>| {
        let mut stream = connect(server.address());
        let last = last
            .map(|last| format!("Last-Event-ID: {last}\r\n"))
            .unwrap_or_default();
        write!(
            stream,
            "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n{last}\r\n"
        )
        .unwrap();
        stream
    };
    let mut stream = open(None);
    let hello = read_until(&mut stream, &["text/event-stream", "retry: ", "connected"]);
    let revision = hello
        .split("id: ")
        .nth(1)
        .unwrap()
        .split('\n')
        .next()
        .unwrap()
        .trim()
        .to_owned();
    fleet.feed.publish(&[Topic::Alerts]);
    let began = Instant::now();
    let event = read_until(&mut stream, &["event: change", "\"changed\":[\"alerts\"]"]);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(event.contains("id: "));
    // What changed while nobody was connected is reported.
    drop(stream);
    for _ in 0..500 {
        fleet.feed.publish(&[Topic::Runs, Topic::Overview]);
    }
    let mut stream = open(Some(&revision));
    read_until(
        &mut stream,
        &[
            "event: change",
            "\"changed\":[\"overview\",\"runs\",\"alerts\"]",
        ],
    );
    // A revision of another start, or nonsense: everything.
    for last in ["1-1", "nonsense"] {
        let mut stream = open(Some(last));
        read_until(
            &mut stream,
            &["event: resync", "\"overview\"", "\"service\""],
        );
    }
}

#[test]
fn a_client_that_does_not_read_gets_one_event_for_all_it_missed() {
    let (server, fleet) = start(Fleet::new(1));
    let mut stream = connect(server.address());
    write!(
        stream,
        "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    read_until(&mut stream, &["connected"]);
    for _ in 0..20_000 {
        fleet.feed.publish(&[Topic::Metrics]);
    }
    fleet.feed.publish(&[Topic::Health]);
    let text = read_until(&mut stream, &["health"]);
    assert!(text.matches("event: change").count() <= 3, "{text}");
}

#[test]
fn a_stop_ends_streams_and_frees_the_port() {
    let (server, _fleet) = start(Fleet::new(1));
    let to = server.address();
    let mut streams: Vec<_> = (0..20).map(|_| connect(to)).collect();
    for stream in &mut streams {
        write!(
            stream,
            "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .unwrap();
        read_until(stream, &["connected"]);
    }
    let began = Instant::now();
    server.stop();
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    for mut stream in streams {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(
            String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n"),
            "the stream was broken off"
        );
    }
    std::net::TcpListener::bind(to).unwrap();
}

#[test]
fn streams_are_bounded() {
    let limits = dragline_web::Limits {
        streams: 2,
        ..dragline_web::Limits::default()
    };
    let (server, _fleet) = crate::start_with(
        Fleet::new(1),
        dragline_web::WebConfig {
            limits,
            ..Default::default()
        },
    );
    let mut streams: Vec<_> = (0..2).map(|_| connect(server.address())).collect();
    for stream in &mut streams {
        write!(
            stream,
            "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .unwrap();
        read_until(stream, &["connected"]);
    }
    assert_eq!(get(server.address(), "/api/v1/stream").status, 503);
    assert_eq!(get(server.address(), "/api/v1/overview").status, 200);
}
