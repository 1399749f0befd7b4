//! Requests and text of those who mean harm.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use dragline_web::{Limits, WebConfig};

use crate::client::{Response, connect, get, raw, read, send};
use crate::fleet::Fleet;
use crate::security::url_encode;
use crate::{start, start_with};

#[test]
fn bodies_are_bounded() {
    let (server, fleet) = start(Fleet::new(1));
    let to = server.address();
    let large = vec![b'x'; 70_000];
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(
        send(to, "POST", "/api/v1/silences", &[form], &large).status,
        413
    );
    // Without a length, in pieces that never end.
    let mut stream = connect(to);
    write!(
        stream,
        "POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .unwrap();
    for _ in 0..80 {
        // The server may have refused already.
        if stream
            .write_all(b"400\r\n")
            .and_then(|()| stream.write_all(&large[..1_024]))
            .and_then(|()| stream.write_all(b"\r\n"))
            .is_err()
        {
            break;
        }
    }
    assert_eq!(read(&mut stream).map(|response| response.status), Some(413));
    let batch = vec![0_u8; 8 * 1024 * 1024 + 1];
    let path = "/api/v1/ingest?host=a&file=b&offset=0";
    assert_eq!(send(to, "POST", path, &[], &batch).status, 413);
    assert!(fleet.batches.lock().unwrap().is_empty());
    assert_eq!(send(to, "POST", path, &[], &batch[1..]).status, 200);
}

#[test]
fn headers_are_bounded() {
    let (server, _fleet) = start(Fleet::new(1));
    let to = server.address();
    let long = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "y".repeat(100_000)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        "X: y\r\n".repeat(200)
    );
    let address = format!(
        "GET /?{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "z".repeat(100_000)
    );
    for request in [long, many, address] {
        let status = raw(to, request.as_bytes()).map(|response| response.status);
        assert!(matches!(status, None | Some(400 | 414 | 431)), "{status:?}");
    }
    assert_eq!(get(to, "/livez").status, 200);
}

#[test]
fn slow_clients_are_cut_off_and_hold_up_nobody() {
    let limits = Limits {
        header_seconds: 1,
        request_seconds: 1,
        connections: 4,
        ..Limits::default()
    };
    let (server, _fleet) = start_with(
        Fleet::new(1),
        WebConfig {
            limits,
            ..WebConfig::default()
        },
    );
    let to = server.address();
    // All connections are taken by clients that say nothing, half a head, or half a body.
    let mut slow: Vec<_> = (0..4).map(|_| connect(to)).collect();
    slow[1].write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    slow[2].write_all(b"POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nfor=").unwrap();
    let began = Instant::now();
    assert_eq!(get(to, "/livez").status, 200);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    let mut rest = Vec::new();
    // Each is closed by the server, with or without an answer.
    for mut stream in slow {
        let _ = stream.read_to_end(&mut rest);
    }
}

#[test]
fn hostile_requests_are_refused_or_answered_and_never_break_the_server() {
    let (server, _fleet) = start(Fleet::new(14));
    let to = server.address();
    let requests: [&[u8]; 12] = [
        b"\0\0\0\0\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET //evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /assets/x/../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /assets/x/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /errors/%ff%fe%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /?from=%00%ff&to=\xc3\x28 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n[[",
        b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n",
    ];
    for request in requests {
        let response = raw(to, request);
        let shown = String::from_utf8_lossy(request).into_owned();
        if let Some(response) = &response {
            assert!(!response.text().contains("root:"), "{shown}");
            assert!(response.status < 500, "{shown}: {}", response.status);
            assert!(
                response.header("access-control-allow-origin").is_none(),
                "{shown}"
            );
        }
    }
    for file in [
        "/etc/passwd",
        "../../etc/passwd",
        "logs/../../etc/passwd",
        "file:///etc/passwd",
        "C:\\x",
    ] {
        let path = format!(
            "/lines?file={}",
            file.replace('/', "%2F").replace('\\', "%5C")
        );
        assert_eq!(get(to, &path).status, 404, "{file}");
    }
    assert_eq!(get(to, "/").status, 200);
}

#[test]
fn log_text_stays_text_in_every_page() {
    let (server, fleet) = start(Fleet::hostile());
    let key = &fleet.scrapers[0].key;
    let encode = |text: &str| url_encode(text);
    let scraper = format!(
        "scraper_id={}&site={}",
        encode(key.scraper_id.as_deref().unwrap()),
        encode(key.site.as_deref().unwrap())
    );
    let id = fleet.alerts.lock().unwrap()[0].alert.id.short();
    let run = dragline_web::Backend::runs(&*fleet, &dragline_web::RunQuery::default()).unwrap();
    let run = run
        .items
        .iter()
        .find(|run| run.key.scraper_id == key.scraper_id)
        .unwrap()
        .key
        .run_id
        .clone();
    let pages = [
        "/".to_owned(),
        "/scrapers".to_owned(),
        format!("/scraper?{scraper}"),
        "/sites".to_owned(),
        format!("/site?site={}", encode(key.site.as_deref().unwrap())),
        "/runs".to_owned(),
        format!("/run?{scraper}&run_id={}", encode(&run)),
        "/errors".to_owned(),
        "/errors/c8a491736c67364b".to_owned(),
        "/events".to_owned(),
        "/lines?file=logs/shop.20261201T000000Z.jsonl&line=1841".to_owned(),
        "/alerts".to_owned(),
        format!("/alerts/{}", encode(&id)),
        "/health".to_owned(),
        "/explore/dragline_items_total".to_owned(),
        "/findings".to_owned(),
        "/reports".to_owned(),
        // What a request says comes back, too.
        format!("/scrapers?search={}", encode(crate::fleet::HOSTILE)),
        format!("/scrapers?verdict={}", encode(crate::fleet::HOSTILE)),
        format!("/{}", encode(crate::fleet::HOSTILE)),
    ];
    for page in pages {
        let response = get(server.address(), &page);
        let text = response.text();
        assert_eq!(text.matches("<script").count(), 2, "{page}");
        for forbidden in [
            "<img",
            "onerror=document.title='",
            "\u{202e}",
            "\u{1b}",
            " style=\"",
            "<style",
            "javascript:",
        ] {
            assert!(!text.contains(forbidden), "{page}: {forbidden:?}");
        }
        assert!(response.status < 500, "{page}: {text}");
    }
}

#[test]
fn streams_and_headers_are_not_split_by_text() {
    let (server, _fleet) = start(Fleet::new(1));
    for path in [
        "/api/v1/export/runs?format=csv%0d%0aSet-Cookie:%20a=b",
        "/sign-in?return_to=%0d%0aSet-Cookie:%20a=b",
    ] {
        let response: Response = get(server.address(), path);
        assert_eq!(response.header("set-cookie"), None, "{path}");
    }
}

#[test]
fn every_limit_has_an_effect() {
    let serve = |limits: Limits| {
        let fleet = Fleet {
            delay: Duration::from_secs(3),
            ..Fleet::new(1)
        };
        start_with(
            fleet,
            WebConfig {
                limits,
                ..WebConfig::default()
            },
        )
    };
    let limits = Limits {
        body_bytes: 10,
        ingest_bytes: 10,
        ..Limits::default()
    };
    let (server, _fleet) = serve(limits);
    let ingest = "/api/v1/ingest?host=a&file=b&offset=0";
    for (path, body, status) in [
        (ingest, &b"1234567890"[..], 200),
        (ingest, b"12345678901", 413),
        ("/api/v1/silences", b"for=12345678", 413),
    ] {
        assert_eq!(
            send(server.address(), "POST", path, &[], body).status,
            status,
            "{path}"
        );
    }
    // A handler that takes longer than a request may is not waited for, and holds its worker until it ends.
    for (workers, expected) in [(1, 503), (2, 200)] {
        let limits = Limits {
            workers,
            request_seconds: 1,
            ..Limits::default()
        };
        let (server, _fleet) = serve(limits);
        let slow = get(server.address(), "/metrics");
        assert_eq!(slow.status, 503);
        assert!(slow.text().contains("within 1 s"), "{}", slow.text());
        let began = Instant::now();
        assert_eq!(get(server.address(), "/api/v1/overview").status, expected);
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}
