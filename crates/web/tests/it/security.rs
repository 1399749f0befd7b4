//! Attacks over a real socket.

use std::io::Write as _;
use std::sync::Arc;

use dragline_web::{Role, Server, StartError, TlsFiles, Token, WebConfig};

use crate::client::{connect, get, raw, read, send};
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
    let (server, _fleet) = guarded();
    let named = [
        ("Host", "Monitor.example.com:443"),
        ("Authorization", &bearer(1)),
    ];
    assert_eq!(
        send(server.address(), "GET", "/api/v1/overview", &named, b"").status,
        200
    );
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
    let ingest = "/api/v1/ingest?host=crawler-1&file=a.jsonl&offset=0";
    let requests = [
        ("GET", "/api/v1/overview"),
        ("POST", acknowledge.as_str()),
        ("POST", ingest),
        ("GET", "/api/v1/ingest?host=crawler-1"),
        ("POST", "/api/v1/reload"),
        ("POST", "/api/v1/findings/shop-0-open/mended"),
    ];
    for (number, allowed) in [
        (1, [true, false, false, false, false, false]),
        (2, [true, true, true, true, true, true]),
        (3, [false, false, true, true, false, false]),
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
    assert_eq!(fleet.fixes.lock().unwrap()[0].marked_by, "alex");
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
