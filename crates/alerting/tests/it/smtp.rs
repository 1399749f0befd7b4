//! Mail against a small server of our own, and against a real one with STARTTLS and authentication.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use dragline_alerting::channel::{Channels, Outcome};
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

/// `DRAGLINE_PYTHON` names a Python that has aiosmtpd.
fn start_real(dir: &Path) -> Option<(RealServer, u16)> {
    let python = std::env::var("DRAGLINE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/smtp_server.py");
    let child = Command::new(python)
        .arg(script)
        .arg(dir)
        .arg(PLANTED)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut server = RealServer(child.ok()?);
    let mut first = String::new();
    BufReader::new(server.0.stdout.take()?)
        .read_line(&mut first)
        .ok()?;
    let port = first.trim().parse().ok()?;
    Some((server, port))
}

#[test]
fn a_real_server_with_starttls_and_authentication_takes_mail() {
    let dir = tempfile::tempdir().unwrap();
    let Some((_server, port)) = start_real(dir.path()) else {
        eprintln!(
            "SKIPPED: no Python with aiosmtpd (pip install aiosmtpd; DRAGLINE_PYTHON=/path/to/python)"
        );
        return;
    };
    let password = dir.path().join("password");
    let config = |certificate: &str| {
        let ca = dir.path().join(certificate);
        format!(
            "[channels.mail]\ntype = \"email\"\nhost = \"localhost\"\nport = {port}\nuser = \"robot\"\n\
             password = {{ file = {password:?} }}\nca_file = {ca:?}\nfrom = \"alerts@example.com\"\nto = [\"a@example.com\"]\n"
        )
    };
    std::fs::write(&password, PLANTED).unwrap();
    let (outcome, debug) = send(&config("cert.pem"));
    assert_eq!(outcome, Outcome::Delivered);
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
    assert!(!format!("{outcome:?}{debug}").contains(PLANTED));
    // Another authority: nothing is sent.
    let (outcome, _) = send(&config("other.pem"));
    assert!(outcome.is_retry(), "{outcome:?}");
}
