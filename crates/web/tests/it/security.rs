//! Attacks over a real socket.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dragline_web::{Limits, Role, Server, StartError, TlsFiles, Token, WebConfig};

use crate::client::{Response, connect, get, raw, read, send};
use crate::fleet::Fleet;
use crate::{start, start_with};

fn token(number: u8) -> Token {
    Token::from_bytes([number; 32])
}

/// A server with one token of each role: 1 reads, 2 acts, 3 ships.
fn guarded() -> (Server, Arc<Fleet>) {
    let tokens = [
        ("reader", Role::Read),
        ("alex", Role::Act),
        ("crawler-1", Role::Ship),
    ];
    let entry =
        |(place, (name, role)): (usize, (&str, Role))| token(place as u8 + 1).entry(name, role);
    let config = WebConfig {
        tokens: tokens.into_iter().enumerate().map(entry).collect(),
        hosts: vec!["monitor.example.com".to_owned()],
        ..WebConfig::default()
    };
    start_with(Fleet::new(14), config)
}

fn bearer(number: u8) -> String {
    format!("Bearer {}", token(number).reveal())
}

#[test]
fn a_name_that_is_not_ours_is_refused_whatever_it_asks() {
    let (server, _fleet) = start(Fleet::new(1));
    for path in [
        "/",
        "/api/v1/overview",
        "/api/v1/stream",
        "/livez",
        "/assets/x/page.css",
        "/nothing",
    ] {
        let response = send(
            server.address(),
            "GET",
            path,
            &[("Host", "rebound.evil.example:8080")],
            b"",
        );
        assert_eq!(response.status, 421, "{path}");
        assert!(!response.text().contains("shop-0"), "{path}");
    }
    let two = format!(
        "GET / HTTP/1.1\r\nHost: {0}\r\nHost: evil.example\r\n\r\n",
        server.address()
    );
    assert_eq!(
        raw(server.address(), two.as_bytes()).map(|response| response.status),
        Some(400)
    );
    let none = raw(server.address(), b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(none.map(|response| response.status), Some(400));
}

#[test]
fn a_page_of_another_origin_changes_nothing() {
    let (server, fleet) = start(Fleet::new(14));
    let id = fleet.alerts.lock().unwrap()[0].alert.id.short();
    let path = format!("/api/v1/alerts/{id}/acknowledge");
    let own = format!("http://{}", server.address());
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for headers in [
        vec![("Origin", "http://evil.example"), form],
        vec![("Origin", "null"), form],
        vec![("Sec-Fetch-Site", "cross-site"), form],
        vec![("Origin", "http://localhost:1"), form],
        vec![("Cookie", "dragline=x"), form],
    ] {
        let response = send(server.address(), "POST", &path, &headers, b"");
        assert_eq!(response.status, 403, "{headers:?}");
    }
    assert!(fleet.alerts.lock().unwrap()[0].acknowledged.is_none());
    let response = send(
        server.address(),
        "POST",
        &path,
        &[("Origin", &own), form],
        b"return_to=%2Falerts",
    );
    assert_eq!(
        (response.status, response.header("location")),
        (303, Some("/alerts"))
    );
    assert!(fleet.alerts.lock().unwrap()[0].acknowledged.is_some());
}

#[test]
fn a_form_never_leads_elsewhere() {
    let (server, fleet) = start(Fleet::new(14));
    let id = fleet.alerts.lock().unwrap()[0].alert.id.short();
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for to in [
        "//evil.example",
        "https://evil.example",
        "/%5Cevil.example",
        "/%0d%0aSet-Cookie:%20a=b",
    ] {
        let body = format!("return_to={to}");
        let response = send(
            server.address(),
            "POST",
            &format!("/api/v1/alerts/{id}/acknowledge"),
            &[form],
            body.as_bytes(),
        );
        assert_eq!(
            (response.status, response.header("location")),
            (303, Some("/")),
            "{to}"
        );
        assert_eq!(response.header("set-cookie"), None);
    }
}

#[test]
fn without_a_valid_token_nothing_is_shown() {
    let (server, _fleet) = guarded();
    let to = server.address();
    let api = [
        "/api/v1/overview",
        "/api/v1/stream",
        "/api/v1/openapi.json",
        "/metrics",
        "/api/health",
        "/api/v1/lines?file=x",
    ];
    let wrong = [
        vec![],
        vec![("Authorization", "Bearer dragline_wrong".to_owned())],
        vec![("Authorization", format!("Basic {}", token(1).reveal()))],
        vec![("Cookie", "dragline=YWxleA.9999999999.x".to_owned())],
        vec![("Cookie", format!("dragline={}", token(2).reveal()))],
    ];
    for path in api {
        for headers in &wrong {
            let headers: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let response = send(to, "GET", path, &headers, b"");
            assert_eq!(response.status, 401, "{path} {headers:?}");
            assert!(response.header("www-authenticate").is_some());
            assert!(!response.text().contains("shop"), "{path}");
        }
    }
    for path in ["/", "/scrapers", "/reports/2026-12-01"] {
        let response = get(to, path);
        assert_eq!(response.status, 401);
        assert!(response.text().contains("Sign in") && !response.text().contains("shop"));
    }
    // What probes ask says whether, never why.
    *_fleet.readiness.lock().unwrap() = dragline_web::model::Readiness {
        is_ready: false,
        reasons: vec!["shop".to_owned()],
    };
    assert_eq!(get(to, "/livez").status, 200);
    let ready = get(to, "/readyz");
    assert_eq!(ready.status, 503);
    assert!(!ready.text().contains("shop"));
    let told = send(to, "GET", "/readyz", &[("Authorization", &bearer(1))], b"");
    assert!(told.text().contains("shop"));
}

#[test]
fn a_role_allows_what_it_says() {
    let (server, fleet) = guarded();
    let to = server.address();
    let id = fleet.alerts.lock().unwrap()[0].alert.id.short();
    let acknowledge = format!("/api/v1/alerts/{id}/acknowledge");
    let ingest = "/api/v1/ingest?host=crawler-1&file=a.jsonl&identity=ab12&offset=0";
    let requests = [
        ("GET", "/api/v1/overview"),
        ("POST", acknowledge.as_str()),
        ("POST", ingest),
        ("POST", "/api/v1/reload"),
    ];
    for (number, allowed) in [
        (1, [true, false, false, false]),
        (2, [true, true, true, true]),
        (3, [false, false, true, false]),
    ] {
        for ((method, path), is_allowed) in requests.into_iter().zip(allowed) {
            let response = send(to, method, path, &[("Authorization", &bearer(number))], b"");
            let expected = if is_allowed { 200 } else { 403 };
            assert_eq!(
                response.status,
                expected,
                "{number} {method} {path}: {}",
                response.text()
            );
        }
    }
    let alerts = fleet.alerts.lock().unwrap();
    assert_eq!(alerts[0].acknowledged.as_ref().unwrap().by, "alex");
}

#[test]
fn signing_in_gives_a_cookie_that_no_script_and_no_other_site_uses() {
    let (server, fleet) = guarded();
    let to = server.address();
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let sign_in = |number: u8| {
        let body = format!("token={}&return_to=%2Falerts", token(number).reveal());
        send(to, "POST", "/sign-in", &[form], body.as_bytes())
    };
    assert_eq!(sign_in(9).status, 401);
    // A token for sending logs reads no pages.
    assert_eq!(sign_in(3).status, 401);
    let response = sign_in(1);
    assert_eq!(
        (response.status, response.header("location")),
        (303, Some("/alerts"))
    );
    let cookie = response.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(token(1).reveal()));
    let cookie = cookie.split(';').next().unwrap();
    let page = send(to, "GET", "/alerts", &[("Cookie", cookie)], b"");
    assert_eq!(page.status, 200);
    // Who may only read is offered nothing to do, and can do nothing.
    assert!(page.text().contains("reader") && !page.text().contains("Acknowledge"));
    let id = fleet.alerts.lock().unwrap()[0].alert.id.short();
    let origin = format!("http://{to}");
    let headers = [("Cookie", cookie), ("Origin", origin.as_str()), form];
    let refused = send(
        to,
        "POST",
        &format!("/api/v1/alerts/{id}/acknowledge"),
        &headers,
        b"",
    );
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("role read"), "{}", refused.text());
    let out = send(to, "POST", "/sign-out", &headers, b"");
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
}

#[test]
fn no_answer_is_shared_between_callers() {
    let (server, _fleet) = guarded();
    let page = |number: u8| {
        send(
            server.address(),
            "GET",
            "/alerts",
            &[("Authorization", &bearer(number))],
            b"",
        )
        .text()
    };
    let (acting, reading) = (page(2), page(1));
    assert!(acting.contains("Acknowledge") && acting.contains("alex"));
    assert!(!reading.contains("Acknowledge") && !reading.contains("alex"));
}

#[test]
fn every_answer_has_its_protection() {
    let (server, _fleet) = start(Fleet::new(1));
    for path in [
        "/",
        "/nothing",
        "/api/v1/overview",
        "/api/v1/nothing",
        "/api/v1/stream",
        "/livez",
        "/reports/2026-12-01",
        "/api/v1/export/runs",
    ] {
        let mut stream = connect(server.address());
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let response = read(&mut stream).unwrap();
        let policy = response.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        let is_document = path.starts_with("/reports");
        assert_eq!(policy.contains("unsafe"), is_document, "{path}");
        assert_eq!(
            policy.contains("sandbox allow-scripts"),
            is_document,
            "{path}"
        );
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            response.header("cross-origin-resource-policy"),
            Some("same-origin"),
            "{path}"
        );
        assert_eq!(
            response.header("access-control-allow-origin"),
            None,
            "{path}"
        );
        assert!(response.header("server").is_none(), "{path}");
    }
}

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
    let path = "/api/v1/ingest?host=a&file=b&identity=ab&offset=0";
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
fn another_address_needs_tokens() {
    let config = WebConfig {
        listen: "0.0.0.0:0".parse().unwrap(),
        ..WebConfig::default()
    };
    let error = Server::start(&config, Arc::new(Fleet::new(0)), None)
        .err()
        .unwrap();
    assert!(error.to_string().contains("tokens"), "{error}");
    assert!(matches!(error, StartError::Config(_)));
}

#[test]
fn the_page_is_encrypted_with_tls() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (dir.path().join("a.crt"), dir.path().join("a.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let config = WebConfig {
        tls: Some(TlsFiles {
            certificate: certificate.clone(),
            key,
        }),
        tokens: vec![token(2).entry("alex", Role::Act)],
        ..WebConfig::default()
    };
    let (server, _fleet) = start_with(Fleet::new(1), config.clone());
    assert!(server.url().starts_with("https://"));
    let response = crate::tls::get(server.address(), made.cert.der().clone(), "/livez");
    assert!(
        response.contains("200 OK") && response.contains("strict-transport-security"),
        "{response}"
    );
    let signing = format!("token={}", token(2).reveal());
    let response = crate::tls::post(
        server.address(),
        made.cert.der().clone(),
        "/sign-in",
        &signing,
    );
    assert!(response.contains("; Secure"), "{response}");
    // In plain text it is no answer.
    assert!(
        raw(
            server.address(),
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .is_none()
    );

    let broken = WebConfig {
        tls: Some(TlsFiles {
            certificate: certificate.clone(),
            key: certificate,
        }),
        ..config
    };
    let error = Server::start(&broken, Arc::new(Fleet::new(0)), None)
        .err()
        .unwrap();
    assert!(error.to_string().contains("a.crt"), "{error}");
}

#[test]
fn a_base_path_is_part_of_every_address() {
    let config = WebConfig {
        base_path: "/dragline".to_owned(),
        ..WebConfig::default()
    };
    let (server, _fleet) = start_with(Fleet::new(14), config);
    assert!(server.url().ends_with("/dragline/"));
    let page = get(server.address(), "/dragline/");
    assert_eq!(page.status, 200);
    let text = page.text();
    for attribute in ["href=\"/", "src=\"/", "action=\"/"] {
        for part in text.split(attribute).skip(1) {
            assert!(part.starts_with("dragline/"), "{attribute}{}", &part[..40]);
        }
    }
    assert_eq!(get(server.address(), "/").status, 404);
    assert_eq!(get(server.address(), "/scrapers").status, 404);
}

pub(crate) fn url_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| {
        if byte.is_ascii_alphanumeric() {
            all + &char::from(byte).to_string()
        } else {
            all + &format!("%{byte:02X}")
        }
    })
}
