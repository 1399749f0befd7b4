//! Sites, ports and certificates.

use std::path::Path;

use dragline_health::{CheckReport, FailureKind, Field, Health, Level, Signals, Status};

use crate::server::{
    Certificate, Mode, answer, certify, closed_port, redirect, serve, serve_tls, with_head,
};
use crate::{configure, message, now, run_one};

async fn check(mode: Mode, more: &str) -> CheckReport {
    let site = serve(mode).await;
    run_one(&format!("type = 'site'\nurl = '{}'\n{more}", site.url())).await
}

async fn check_tls(url: &str, certificates: &[&Certificate], more: &str) -> CheckReport {
    let text = format!("[[health.checks]]\nname = 'x'\ntype = 'site'\nurl = '{url}'\n{more}");
    let authorities = certificates
        .iter()
        .map(|certificate| certificate.authority.clone());
    let config = configure(&text, Path::new("/"), &[]);
    let mut health = Health::new(config).with_authorities(authorities);
    let report = health.run(now(), &Signals::default()).await;
    report.checks.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_good_site_tells_its_phases() {
    let check = check(
        answer(200, "add to cart"),
        "conditions = ['body matches \"cart\"']",
    )
    .await;
    assert_eq!(
        (check.status, check.message.as_deref()),
        (Status::Healthy, None)
    );
    for field in [Field::DnsTime, Field::ConnectTime, Field::FirstByteTime] {
        let phase = check.values[&field];
        assert!(
            (0.0..=check.values[&Field::ResponseTime]).contains(&phase),
            "{field:?}"
        );
    }
    assert_eq!(check.values[&Field::BodyBytes], 11.0);
    assert!(
        !check.values.contains_key(&Field::TlsTime),
        "unknown is absent"
    );
}

#[tokio::test]
async fn an_error_page_is_critical_however_fast() {
    let check = check(answer(503, ""), "conditions = ['response_time < 5s']").await;
    assert_eq!(check.status, Status::Critical);
    assert_eq!(
        message(&check),
        "status is 503 (condition: status in (200-399))"
    );
    assert_eq!(check.failure, Some(FailureKind::Condition));
}

#[tokio::test]
async fn a_page_that_lacks_its_text_is_critical() {
    let check = check(
        answer(200, "Just a moment..."),
        "conditions = ['body matches \"cart\"']",
    )
    .await;
    assert_eq!(
        message(&check),
        "the body is not as expected: it lacks the text of the condition body matches \"cart\""
    );
}

#[tokio::test]
async fn a_site_that_never_answers_times_out_in_the_phase_that_hangs() {
    let check = check(Mode::Hang, "timeout = '300ms'").await;
    assert_eq!(check.failure, Some(FailureKind::Timeout));
    assert_eq!(
        message(&check),
        "timed out after 300 ms while waiting for the first byte of 127.0.0.1"
    );
    assert!(
        check.values.contains_key(&Field::ConnectTime),
        "earlier phases are kept"
    );
}

#[tokio::test]
async fn a_body_that_drips_ends_at_the_timeout() {
    let check = check(Mode::Drip, "timeout = '300ms'").await;
    assert_eq!(check.failure, Some(FailureKind::Timeout));
    let text = message(&check);
    let expected = "timed out after 300 ms while reading the body of 127.0.0.1, after ";
    assert!(
        text.starts_with(expected) && text.ends_with(" bytes of the body"),
        "{text}"
    );
    assert_eq!(check.values[&Field::Status], 200.0);
}

#[tokio::test]
async fn an_endless_body_is_cut() {
    let check = check(Mode::Endless, "conditions = ['body matches \"x\"']").await;
    assert_eq!(check.status, Status::Healthy);
    assert_eq!(check.values[&Field::BodyBytes], 1_048_576.0);
}

#[tokio::test]
async fn broken_answers_are_told_apart() {
    for (mode, kind, text) in [
        (
            Mode::HalfBody,
            FailureKind::Reset,
            "the connection ended early, after 10 bytes of the body",
        ),
        (
            Mode::Text("\u{1}garbage\r\n\r\n".to_owned()),
            FailureKind::Protocol,
            "the answer is not HTTP",
        ),
        (
            Mode::Text(String::new()),
            FailureKind::Reset,
            "the connection ended early",
        ),
    ] {
        let shown = format!("{mode:?}");
        let check = check(mode, "").await;
        assert_eq!(
            (check.status, check.failure),
            (Status::Critical, Some(kind)),
            "{shown}"
        );
        let text = format!(": {text}");
        assert!(
            message(&check).ends_with(&text),
            "{shown}: {}",
            message(&check)
        );
    }
}

#[tokio::test]
async fn a_reset_is_no_answer() {
    let check = check(Mode::Reset, "").await;
    assert_eq!(
        (check.status, check.failure),
        (Status::Critical, Some(FailureKind::Reset))
    );
    assert!(
        !check.values.contains_key(&Field::Status),
        "there was no status"
    );
}

#[tokio::test]
async fn a_closed_port_is_no_connection() {
    let port = closed_port();
    let check = run_one(&format!("type = 'tcp'\nurl = '127.0.0.1:{port}'")).await;
    assert_eq!(check.failure, Some(FailureKind::Connect));
    assert_eq!(
        message(&check),
        format!("no connection to 127.0.0.1:{port}: connection refused")
    );
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_resolved() {
    // Reserved for this by RFC 6761.
    let check = run_one("type = 'tcp'\nurl = 'no-such-host.invalid:80'").await;
    assert_eq!(check.failure, Some(FailureKind::Dns));
    assert!(message(&check).starts_with("the name no-such-host.invalid was not resolved: "));
}

#[tokio::test]
async fn a_port_is_connected_to_and_nothing_is_sent() {
    let site = serve(answer(200, "")).await;
    // The scheme gives a default port, and the path of a webhook stays at home.
    let url = format!("https://127.0.0.1:{}/services/T0/s3cr3t", site.port());
    let check = run_one(&format!("type = 'tcp'\nurl = '{url}'")).await;
    assert_eq!(check.status, Status::Healthy);
    assert_eq!(check.target, format!("127.0.0.1:{}", site.port()));
    assert_eq!(site.requests(), 0);
}

#[tokio::test]
async fn redirects_are_followed_counted_and_limited() {
    let last = serve(answer(200, "")).await;
    let middle = serve(redirect(&format!("{}shop", last.url()))).await;
    let url = middle.url();
    let check = check(redirect(&url), "").await;
    assert_eq!(
        (check.status, check.values[&Field::Redirects]),
        (Status::Healthy, 2.0)
    );

    let check = self::check(redirect("/again"), "").await;
    assert_eq!(
        message(&check),
        "more than 5 redirects, the last to 127.0.0.1"
    );
    assert_eq!(check.failure, Some(FailureKind::Protocol));

    let check = self::check(
        redirect("/login"),
        "max_redirects = 0\nconditions = ['status == 302']",
    )
    .await;
    assert_eq!(check.status, Status::Healthy);
}

#[tokio::test]
async fn a_compressed_body_is_not_searched_in_vain() {
    let mode = with_head(200, "content-encoding: gzip\r\n", "\u{1f}");
    let check = check(mode, "conditions = ['body not matches \"captcha\"']").await;
    // What was not read must not pass as a body without a captcha.
    assert_eq!(check.status, Status::Critical);
    assert!(
        message(&check).contains("body was not measured"),
        "{}",
        message(&check)
    );
    assert!(
        message(&check).contains("the body is compressed"),
        "{}",
        message(&check)
    );
}

#[tokio::test]
async fn headers_are_sent_to_the_site_itself_alone() {
    let other = serve(answer(200, "")).await;
    let elsewhere = format!("http://localhost:{}/", other.port());
    let site = serve(redirect(&elsewhere)).await;
    // A header that HTTP requires to be sent once: the own one replaces the default.
    let text = format!(
        "type = 'site'\nurl = '{}'\nheaders = {{ User-Agent = 'shop-bot/1.0' }}",
        site.url()
    );
    assert_eq!(run_one(&text).await.status, Status::Healthy);
    assert_eq!((site.requests(), other.requests()), (1, 1));
}

#[tokio::test]
async fn a_certificate_that_expires_soon_is_degraded() {
    let certificate = certify("localhost", 10);
    let site = serve_tls(answer(200, ""), &certificate).await;
    let url = format!("https://localhost:{}/", site.port());
    let check = check_tls(&url, &[&certificate], "").await;
    assert_eq!(check.status, Status::Degraded);
    assert_eq!(
        message(&check),
        "certificate_days is 5.5 (condition: certificate_days > 14); \
         the certificate of localhost expires on 2026-03-10"
    );
    assert!(check.values.contains_key(&Field::TlsTime));
    let check = check_tls(
        &url,
        &[&certificate],
        "degraded_unless = ['certificate_days > 3']",
    )
    .await;
    assert_eq!(check.status, Status::Healthy);
}

#[tokio::test]
async fn an_expired_certificate_tells_since_when_although_the_handshake_fails() {
    let certificate = certify("localhost", 1);
    let site = serve_tls(answer(200, ""), &certificate).await;
    let url = format!("https://localhost:{}/", site.port());
    let check = check_tls(&url, &[&certificate], "").await;
    assert_eq!(check.last_level, Some(Level::Critical));
    assert_eq!(check.failure, Some(FailureKind::CertificateExpired));
    assert_eq!(
        message(&check),
        "the certificate of localhost expired 3.5 days ago"
    );
    assert!((check.values[&Field::CertificateDays] + 3.458).abs() < 0.001);
    assert_eq!(
        site.requests(),
        0,
        "nothing is sent to a site that cannot be trusted"
    );
}

#[tokio::test]
async fn certificates_that_are_not_trusted_say_why() {
    let (own, other) = (certify("localhost", 30), certify("shop.example.com", 30));
    let site = serve_tls(answer(200, ""), &own).await;
    let url = format!("https://localhost:{}/", site.port());
    let check = check_tls(&url, &[&other], "").await;
    assert_eq!(
        message(&check),
        "the certificate of localhost is not trusted: its issuer is unknown"
    );
    let site = serve_tls(answer(200, ""), &other).await;
    let url = format!("https://localhost:{}/", site.port());
    let check = check_tls(&url, &[&other], "").await;
    assert_eq!(
        message(&check),
        "the certificate of localhost is not trusted: it is for other names"
    );
    let check = check_tls(&url, &[], "").await;
    assert!(
        message(&check).contains("no certificate authorities"),
        "{}",
        message(&check)
    );
}

#[tokio::test]
async fn the_first_certificate_to_expire_on_the_way_counts_and_says_whose_it_is() {
    let (first, last) = (certify("localhost", 10), certify("127.0.0.1", 30));
    let end = serve_tls(answer(200, ""), &last).await;
    let target = format!("https://127.0.0.1:{}/", end.port());
    let begin = serve_tls(redirect(&target), &first).await;
    let url = format!("https://localhost:{}/", begin.port());
    let check = check_tls(&url, &[&first, &last], "").await;
    assert_eq!(
        (check.status, check.values[&Field::Redirects]),
        (Status::Degraded, 1.0)
    );
    assert!(message(&check).contains("the certificate of localhost expires on 2026-03-10"));
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls_fails_the_handshake() {
    let certificate = certify("localhost", 30);
    let plain = serve(Mode::Text("hello\r\n".to_owned())).await;
    let url = format!("https://localhost:{}/", plain.port());
    let check = check_tls(&url, &[&certificate], "timeout = '2s'").await;
    assert_eq!(check.status, Status::Critical);
    assert!(
        matches!(check.failure, Some(FailureKind::Tls | FailureKind::Timeout)),
        "{:?}",
        check.failure
    );
}

#[tokio::test]
async fn the_tls_check_reads_the_certificate_and_sends_no_request() {
    let certificate = certify("localhost", 10);
    let site = serve_tls(answer(200, ""), &certificate).await;
    let text = format!(
        "[[health.checks]]\nname = 'x'\ntype = 'tls'\nurl = 'localhost:{}'",
        site.port()
    );
    let config = configure(&text, Path::new("/"), &[]);
    let mut health = Health::new(config).with_authorities([certificate.authority.clone()]);
    let report = health.run(now(), &Signals::default()).await;
    assert_eq!(report.status, Status::Degraded);
    assert!((report.checks[0].values[&Field::CertificateDays] - 5.5417).abs() < 0.001);
    assert_eq!(site.requests(), 0);
}
