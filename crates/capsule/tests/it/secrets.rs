//! Secrets that were planted in every text of logs are in no capsule.

use dragline_report::render;
use dragline_schema::Timestamp;
use serde_json::json;

use crate::{capsules, content, counted, judged_again};

const SECRETS: usize = 1_000;

/// A random text of letters and digits that begins with a letter.
fn word(random: &mut fastrand::Rng, length: usize) -> String {
    let first = std::iter::once(random.alphabetic());
    first
        .chain((1..length).map(|_| random.alphanumeric()))
        .collect()
}

fn capitals(random: &mut fastrand::Rng, length: usize) -> String {
    word(random, length).to_uppercase()
}

/// A secret, and a text that contains it as programs log it.
fn secret(random: &mut fastrand::Rng, kind: usize) -> (String, String) {
    let plain = word(random, 20);
    let in_text = |text: &str| text.replace("§", &plain);
    let text = match kind % 26 {
        0 => in_text("GET https://alex:§@shop.example.com/p?id=3 failed"),
        1 => in_text("GET https://§@api.example.com/v1 failed"),
        2 => in_text("GET https://shop.example.com/p?id=3&token=§&page=2 failed"),
        3 => in_text("GET https://shop.example.com/p?api_key=§ failed"),
        4 => in_text("GET https://shop.example.com/p?sig=§ failed"),
        5 => in_text("401 with Authorization: Bearer § from the site"),
        6 => in_text("headers {'Authorization': 'Basic §', 'Accept': '*/*'}"),
        7 => in_text("Set-Cookie: sid=§; Path=/"),
        8 => in_text("login failed: password=§ user=alex"),
        9 => in_text(r#"login failed: {"user": "alex", "password": "§"}"#),
        10 => in_text("db_password: '§' is wrong"),
        11 => in_text("AWS_SECRET_ACCESS_KEY=§"),
        12 => in_text("smtp://mailer:§@mail.example.com:587 refused the login"),
        13 => in_text("SMTP_PASSWORD=§ SMTP_HOST=mail.example.com"),
        14 => in_text("mail: C: AUTH PLAIN § S: 535 5.7.8 bad credentials"),
        15 => in_text("postgres://scraper:§@db.example.com:5432/shop: too many connections"),
        16 => in_text("client_secret=§&grant_type=client_credentials"),
        17 => in_text("POST https://hooks.slack.com/services/T0/B0/§: 500"),
        18 => in_text("POST https://discord.com/api/webhooks/17/§: 500"),
        19 => in_text("-----BEGIN RSA PRIVATE KEY-----\n§\nabc=\n-----END RSA PRIVATE KEY-----"),
        20 => in_text("proxy http://user-9:§@10.0.0.1:8080 refused the connection"),
        21 => in_text("x-api-key: §"),
        22 => {
            let key = format!("AKIA{}", capitals(random, 16));
            return (key.clone(), format!("the key {key} has no access"));
        }
        23 => {
            let prefixes = ["ghp_", "glpat-", "xoxb-", "sk_live_", "github_pat_"];
            let token = format!("{}{}", prefixes[random.usize(..5)], word(random, 30));
            return (token.clone(), format!("the token {token} has expired"));
        }
        24 => {
            let [head, body, end] = [12, 40, 43].map(|length| word(random, length));
            let token = format!("eyJ{head}.eyJ{body}.{end}");
            return (token.clone(), format!("jwt {token} has expired"));
        }
        _ => {
            let token = format!(
                "{}:{}",
                random.u32(100_000_000..999_999_999),
                word(random, 35)
            );
            return (token.clone(), format!("bot {token} was blocked"));
        }
    };
    (plain, text)
}

/// A run of a scraper whose lines contain the texts: as error messages, URLs, warnings, names, reasons and settings.
/// Fields of one name are never secret by that name alone: the recorder has redacted those already.
fn run(day: usize, is_ill: bool, texts: &[(String, String)]) -> String {
    let mut lines: Vec<serde_json::Value> = Vec::new();
    let mut write = |level: &str, event: serde_json::Value| {
        let seq = lines.len();
        let mut line = json!({
            "timestamp": format!("2026-03-{:02}T06:{:02}:{:02}Z", day, seq / 60, seq % 60),
            "level": level, "target": "dragline", "scraper_id": "shop", "site": "shop.example.com",
            "run_id": format!("r{day}"), "writer_id": format!("w{day}"), "seq": seq,
        });
        line.as_object_mut()
            .unwrap()
            .extend(event.as_object().unwrap().clone());
        lines.push(line);
    };
    let of = |nth: usize| texts.get(nth).map_or("calm", |(_, text)| text.as_str());
    write(
        "INFO",
        json!({ "event_type": "scraper_start", "host": of(0), "config": { "note": of(1), "seen": [of(2)] } }),
    );
    for nth in 0..40 {
        let status = if is_ill && nth % 2 == 0 { 403 } else { 200 };
        let url = format!("https://shop.example.com/{nth}?from={}", of(nth));
        write(
            "INFO",
            json!({ "event_type": "request", "url": url, "status_code": status }),
        );
    }
    for (nth, (_, text)) in texts.iter().enumerate() {
        let (what, url) = (
            format!("Error{day}n{nth}"),
            format!("https://shop.example.com/e?{text}"),
        );
        write(
            "ERROR",
            json!({ "event_type": "scraper_error", "error_type": what, "error_message": text, "url": url }),
        );
        write("WARN", json!({ "message": format!("slow: {text}") }));
        write(
            "WARN",
            json!({ "event_type": "product_processed", "action": "failed", "product_id": text, "fields_missing": [text] }),
        );
    }
    if is_ill {
        write(
            "ERROR",
            json!({ "event_type": "scraper_end", "status": "failed", "finish_reason": of(3) }),
        );
    } else {
        write(
            "INFO",
            json!({ "event_type": "scraper_end", "status": "success" }),
        );
    }
    lines
        .iter()
        .fold(String::new(), |text, line| text + &line.to_string() + "\n")
}

#[test]
fn a_thousand_secrets_are_in_no_capsule() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(1_018);
    let planted: Vec<_> = (0..SECRETS).map(|kind| secret(&mut random, kind)).collect();
    let mut log = String::new();
    for day in 1..=20 {
        log += &run(day, day > 14, &planted[(day - 1) * 50..day * 50]);
    }
    std::fs::write(dir.path().join("shop.jsonl"), log).unwrap();
    let now = Timestamp::parse("2026-03-21T00:00:00Z").unwrap();
    let finished = counted(dir.path(), now);
    // The secrets are in what capsules are made of.
    let raw = format!("{finished:?}");
    let in_counts = planted
        .iter()
        .filter(|(secret, _)| raw.contains(secret.as_str()))
        .count();
    assert!(in_counts >= SECRETS * 95 / 100, "{in_counts}");

    let (report, made) = capsules(&finished, now);
    let kinds: Vec<&str> = report
        .insights
        .iter()
        .map(|insight| insight.kind.as_str())
        .collect();
    assert_eq!(kinds, ["run_failed", "block_wave"]);
    let mut marks = 0;
    for made in &made {
        let (bytes, capsule, judged) = judged_again(made);
        let document = render::incident(&judged.report, capsule.insight(), &|place| {
            capsule.lines_at(place)
        });
        let shown = render::text(&document, &render::Terminal::default());
        let texts = [
            String::from_utf8_lossy(&content(bytes)).into_owned(),
            String::from_utf8_lossy(bytes).into_owned(),
            shown,
            capsule.page().to_owned(),
            format!("{judged:?}"),
        ];
        marks += texts[0].matches("[redacted]").count();
        for (secret, text) in &planted {
            // Not even a half of it.
            let half = &secret[secret.len() / 2 - 6..secret.len() / 2 + 6];
            let found = texts.iter().find_map(|shown| {
                let at = shown.find(half)?;
                let begin = shown.floor_char_boundary(at.saturating_sub(200));
                Some(&shown[begin..at + half.len()])
            });
            assert_eq!(found, None, "{}: {secret} of {text}", made.id);
        }
    }
    println!(
        "{} capsules, {in_counts} of {SECRETS} secrets in the counts, {marks} marks",
        made.len()
    );
    assert!(marks > SECRETS, "{marks}");
}
