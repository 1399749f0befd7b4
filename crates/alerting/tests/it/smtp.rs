//! Mail against a small server of our own, and against a real one with STARTTLS and authentication.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use dragline_alerting::channel::{Channels, Outcome};
use dragline_alerting::history::History;
use dragline_schema::Timestamp;

use crate::sinks::notice;

const PLANTED: &str = "planted-7f3a9c";

fn now() -> Timestamp {
    Timestamp::from_seconds(1_772_600_000)
}

fn send(config: &str) -> (Outcome, String) {
    let (channels, errors) = Channels::load("dragline.toml", config);
    assert_eq!(errors, [] as [&str; 0]);
    (
        channels.deliver(&[("mail", &notice())], now()).remove(0),
        format!("{channels:?}"),
    )
}

/// A relay that takes one mail, or answers the recipient with something else; returns what it was sent.
fn relay(answer_to_rcpt: &'static str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        converse(stream, answer_to_rcpt)
    });
    (port, thread)
}

fn converse(mut stream: TcpStream, answer_to_rcpt: &str) -> String {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut said = String::new();
    let mut is_data = false;
    let _ = stream.write_all(b"220 relay ready\r\n");
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return said;
        }
        said.push_str(&line);
        if is_data {
            if line == ".\r\n" {
                is_data = false;
                let _ = stream.write_all(b"250 taken\r\n");
            }
            continue;
        }
        let answer = match line.split([' ', '\r', ':']).next().unwrap_or_default() {
            "EHLO" => "250 relay",
            "RCPT" => answer_to_rcpt,
            "DATA" => {
                is_data = true;
                "354 go on"
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        let _ = stream.write_all(format!("{answer}\r\n").as_bytes());
    }
}

fn relay_config(port: u16) -> String {
    format!(
        "[channels.mail]\ntype = \"email\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
         from = \"Dragline <alerts@example.com>\"\nto = [\"a@example.com\", \"\", \"b@example.com\"]\n"
    )
}

#[test]
fn a_relay_without_authentication_takes_text_and_html() {
    let (port, server) = relay("250 ok");
    assert_eq!(send(&relay_config(port)).0, Outcome::Delivered);
    let said = server.join().unwrap();
    for expected in [
        "MAIL FROM:<alerts@example.com>",
        "RCPT TO:<a@example.com>",
        "RCPT TO:<b@example.com>",
        "From: Dragline <alerts@example.com>",
        "Subject: [HIGH] Items of shop.example.com fell -75 %",
        "Auto-Submitted: auto-generated",
        "Content-Type: multipart/alternative",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
    ] {
        assert!(said.contains(expected), "{expected} is missing in:\n{said}");
    }
    assert!(!said.contains("AUTH"));
    assert_eq!(
        said.matches("RCPT TO").count(),
        2,
        "an empty recipient is left out"
    );
}

#[test]
fn a_mail_server_says_later_or_never() {
    let (port, _server) = relay("451 greylisted, try again");
    let (outcome, _) = send(&relay_config(port));
    assert!(
        outcome.is_retry() && outcome.error().unwrap().contains("451"),
        "{outcome:?}"
    );
    let (port, _server) = relay("550 no such user");
    let (outcome, _) = send(&relay_config(port));
    assert!(
        matches!(&outcome, Outcome::Refused { error } if error.contains("550")),
        "{outcome:?}"
    );
    // Nobody listens.
    let (outcome, _) = send(&relay_config(1));
    assert!(outcome.is_retry(), "{outcome:?}");
}

#[test]
fn a_password_is_not_sent_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, PLANTED).unwrap();
    let config = relay_config(25).replace("127.0.0.1", "mail.example.com");
    let config = format!("{config}user = \"me\"\npassword = {{ file = {file:?} }}\n");
    let (_, errors) = Channels::load("dragline.toml", &config);
    assert!(
        errors[0].contains("tls: a password is not sent in the clear")
            && !errors[0].contains(PLANTED),
        "{errors:?}"
    );
    for (wrong, hint) in [
        ("from = \"nobody\"\nto = [\"a@b.c\"]", "from: \"nobody\""),
        ("from = \"a@b.c\"\nto = []", "at least one recipient"),
    ] {
        let config = format!("[channels.mail]\ntype = \"email\"\nhost = \"h\"\n{wrong}\n");
        let (_, errors) = Channels::load("dragline.toml", &config);
        assert!(errors[0].contains(hint), "{errors:?}");
    }
}

/// Python's aiosmtpd with STARTTLS required and authentication required.
struct RealServer(Child);

impl Drop for RealServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const NO_PYTHON: &str = "no Python with aiosmtpd (apt-get install python3-aiosmtpd, or DRAGLINE_PYTHON=/path/to/python)";

/// A Python that has aiosmtpd.
fn python() -> Option<String> {
    let named = std::env::var("DRAGLINE_PYTHON").ok();
    let mut all = named
        .into_iter()
        .chain(["python3", "/usr/bin/python3"].map(str::to_owned));
    all.find(|python| {
        let mut check = Command::new(python);
        let check = check.args(["-c", "import aiosmtpd"]).stderr(Stdio::null());
        check.status().is_ok_and(|status| status.success())
    })
}

/// A server that is encrypted from the first byte (`tls`) or upgraded to it (`starttls`).
fn start_real(dir: &Path, tls: &str) -> Option<(RealServer, u16)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/smtp_server.py");
    let child = Command::new(python()?)
        .arg(script)
        .arg(dir)
        .args([PLANTED, tls])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut server = RealServer(child.expect("the Python that was just asked"));
    let mut first = String::new();
    let out = server.0.stdout.take().expect("it is piped");
    BufReader::new(out).read_line(&mut first).unwrap();
    let port = first.trim().parse();
    // With aiosmtpd there, a server that does not start is a failure.
    Some((server, port.expect("the port of the server")))
}

fn real_config(dir: &Path, port: u16, tls: &str, certificate: &str) -> String {
    let (password, ca) = (dir.join("password"), dir.join(certificate));
    format!(
        "[channels.mail]\ntype = \"email\"\nhost = \"localhost\"\nport = {port}\ntls = \"{tls}\"\nuser = \"robot\"\n\
         password = {{ file = {password:?} }}\nca_file = {ca:?}\nfrom = \"alerts@example.com\"\nto = [\"a@example.com\"]\n"
    )
}

#[test]
fn a_real_server_with_encryption_and_authentication_takes_mail() {
    for tls in ["starttls", "tls"] {
        let dir = tempfile::tempdir().unwrap();
        let Some((_server, port)) = start_real(dir.path(), tls) else {
            return crate::skip(NO_PYTHON);
        };
        let config = |certificate: &str| real_config(dir.path(), port, tls, certificate);
        let password = dir.path().join("password");
        std::fs::write(&password, PLANTED).unwrap();
        let (outcome, debug) = send(&config("cert.pem"));
        assert_eq!(outcome, Outcome::Delivered, "{tls}");
        let mail = std::fs::read_to_string(dir.path().join("mail")).unwrap();
        assert!(mail.contains("[HIGH] Items of shop.example.com"), "{mail}");
        assert!(!debug.contains(PLANTED) && !mail.contains(PLANTED));
        // A wrong password is final, and in no text.
        std::fs::write(&password, format!("{PLANTED}-wrong")).unwrap();
        let (outcome, debug) = send(&config("cert.pem"));
        assert!(
            matches!(&outcome, Outcome::Refused { error } if error.contains("535")),
            "{outcome:?}"
        );
        let mut history = History::default();
        history.record_notice("mail", &notice(), &outcome, now());
        let history = serde_json::to_string(&history).unwrap();
        assert!(!format!("{outcome:?}{debug}{history}").contains(PLANTED));
        // Another authority: nothing is sent.
        let (outcome, _) = send(&config("other.pem"));
        assert!(outcome.is_retry(), "{outcome:?}");
        // The other kind of encryption.
        let other = if tls == "tls" { "starttls" } else { "tls" };
        let wrong = real_config(dir.path(), port, other, "cert.pem") + "timeout = \"1s\"\n";
        let (outcome, _) = send(&wrong);
        assert!(outcome.is_retry(), "{outcome:?}");
    }
}

#[test]
fn a_mail_server_that_hangs_or_hangs_up_is_tried_again() {
    // It takes the connection and says nothing, then it closes one after the other.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = relay_config(port) + "timeout = \"200ms\"\n";
    let (outcome, _) = send(&config);
    assert!(
        outcome.is_retry() && outcome.error().unwrap().contains("200ms"),
        "{outcome:?}"
    );
    let thread = std::thread::spawn(move || {
        // The connection of before, and the next.
        let _ = listener.accept();
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"220 relay ready\r\n");
        drop(stream);
    });
    let (outcome, _) = send(&relay_config(port));
    assert!(outcome.is_retry(), "{outcome:?}");
    thread.join().unwrap();
}
