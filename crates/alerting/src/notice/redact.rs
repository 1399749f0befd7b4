//! Takes secrets out of text that leaves the machine: log lines, error messages, answers of servers.

use std::sync::OnceLock;

use regex::{Regex, RegexSet};

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The patterns, each with what replaces it. `$1` is what may be shown.
const PATTERNS: &[(&str, &str)] = &[
    // User and password of a URL.
    (
        r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s@\x22'<>]+@",
        "${1}[redacted]@",
    ),
    // The same with a password that contains a slash: what follows the colon is not a port.
    (
        r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s@\x22'<>:]+:[^\s@\x22'<>/]*[^\s@\x22'<>/0-9][^\s@\x22'<>]*@",
        "${1}[redacted]@",
    ),
    // The same in a text that was cut before the @.
    (
        r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s@\x22'<>:\[]+:[^/\s@\x22'<>]*[^/\s@\x22'<>0-9\u{2026}][^/\s@\x22'<>]*\u{2026}?$",
        "${1}[redacted]",
    ),
    // Addresses that are themselves the secret.
    (
        r"(?i)(hooks\.slack\.com/(?:services|workflows|triggers)/)[^\s\x22'<>)]+",
        "${1}[redacted]",
    ),
    (
        r"(?i)(discord(?:app)?\.com/api/(?:v\d+/)?webhooks/)[^\s\x22'<>)]+",
        "${1}[redacted]",
    ),
    (
        r"(?i)(api\.telegram\.org/)(?:file/)?bot[^\s/\x22'<>)]+",
        "${1}bot[redacted]",
    ),
    // Headers.
    (
        r"(?i)\b((?:proxy-)?authorization[\x22']?\s*[:=]\s*[\x22']?)(?:(?:bearer|basic|digest|token|apikey)\s+)?[^\s\x22',;}]+",
        "${1}[redacted]",
    ),
    (r"(?i)\b(bearer\s+)[a-z0-9._~+/=-]{8,}", "${1}[redacted]"),
    (
        r"(?i)\b((?:set-)?cookie\s*[:=]\s*)[^\r\n\x22]+",
        "${1}[redacted]",
    ),
    // SMTP and IMAP.
    (
        r"(?i)\b(AUTH(?:ENTICATE)?\s+(?:PLAIN|LOGIN|XOAUTH2|CRAM-MD5)\s+)[a-z0-9+/=]{8,}",
        "${1}[redacted]",
    ),
    // name=value, name: value and "name": "value" with a telling name.
    (
        r"(?i)((?:[a-z0-9]+[_.-])*(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|apikey|access[_-]?key|auth[_-]?key|private[_-]?key|session[_-]?id|sessionid|signature|credentials?|client[_-]?secret)[\x22']?\s*(?:=|:|%3[dD])\s*)(?:\[redacted\]|[\x22'][^\x22']*(?:[\x22']|$)|[^\s&\x22',;}\])]+)",
        "${1}[redacted]",
    ),
    (
        r"(?i)([?&](?:sig|key|auth|code|hash|pass|jwt)=)[^\s&\x22'<>]+",
        "${1}[redacted]",
    ),
    // Tokens with a form of their own.
    (
        // A text may end within it.
        r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){0,2}",
        REDACTED,
    ),
    (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", REDACTED),
    (r"\b(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}", REDACTED),
    (
        r"\b(?:gh[oprsu]_|github_pat_|glpat-|sk-|sk_live_|rk_live_|pk_live_|SG\.)[A-Za-z0-9_.-]{16,}",
        REDACTED,
    ),
    (r"\b\d{8,10}:[A-Za-z0-9_-]{35}\b", REDACTED),
    (
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
        REDACTED,
    ),
    // A text may begin within it.
    (r"(?s)^.*-----END [A-Z ]*PRIVATE KEY-----", REDACTED),
];

fn patterns() -> &'static [(Regex, &'static str)] {
    static COMPILED: OnceLock<Vec<(Regex, &'static str)>> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let compile = |(pattern, with): &(&str, &'static str)| {
            (
                Regex::new(pattern).expect("the patterns are constants, and a test compiles them"),
                *with,
            )
        };
        PATTERNS.iter().map(compile).collect()
    })
}

/// All patterns at once: most texts contain no secret, and are looked at once.
fn any_pattern() -> &'static RegexSet {
    static COMPILED: OnceLock<RegexSet> = OnceLock::new();
    COMPILED.get_or_init(|| {
        RegexSet::new(PATTERNS.iter().map(|(pattern, _)| pattern))
            .expect("the patterns are constants, and a test compiles them")
    })
}

/// Replaces what looks like a secret.
///
/// ```
/// use dragline_alerting::notice::redact;
///
/// assert_eq!(
///     redact("GET https://me:pw@shop.example.com/p?id=7&token=abc123"),
///     "GET https://[redacted]@shop.example.com/p?id=7&token=[redacted]",
/// );
/// ```
pub fn redact(text: &str) -> String {
    if !any_pattern().is_match(text) {
        return text.to_owned();
    }
    let mut text = std::borrow::Cow::Borrowed(text);
    for (pattern, with) in patterns() {
        if let std::borrow::Cow::Owned(replaced) = pattern.replace_all(&text, *with) {
            text = replaced.into();
        }
    }
    text.into_owned()
}

/// Maximum length of a line of evidence, in characters.
const LINE: usize = 300;

/// One line of evidence: without secrets, on one line, without control characters, cut to a length that people read.
pub fn redact_line(line: &str) -> String {
    redact_long_line(line, LINE)
}

/// The same with another maximum length, in characters.
pub fn redact_long_line(line: &str, longest: usize) -> String {
    // The secret may lie across the cut, so the cut comes last; a bound keeps huge lines cheap.
    let line = dragline_schema::clip(line, longest + 15 * LINE);
    let visible: String = redact(line)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    crate::render::cut(visible.trim(), longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_and_the_rest_stays() {
        for (text, expected) in [
            (
                "no secret here, status 429 after 3 attempts",
                "no secret here, status 429 after 3 attempts",
            ),
            (
                "postgres://me:hunter2@db:5432/x",
                "postgres://[redacted]@db:5432/x",
            ),
            (
                "proxy http://user-1:p%40ss@10.0.0.1:8080 failed",
                "proxy http://[redacted]@10.0.0.1:8080 failed",
            ),
            (
                "Authorization: Bearer abc.def-123",
                "Authorization: [redacted]",
            ),
            (
                "'Authorization': 'Basic dXNlcjpwYXNz'",
                "'Authorization': '[redacted]'",
            ),
            (
                r#"{"password": "hunter2", "n": 1}"#,
                r#"{"password": [redacted], "n": 1}"#,
            ),
            (
                "db_password=hunter2; retry",
                "db_password=[redacted]; retry",
            ),
            (
                "AWS_SECRET_ACCESS_KEY=abc/def+1",
                "AWS_SECRET_ACCESS_KEY=[redacted]",
            ),
            ("api-key: 12345", "api-key: [redacted]"),
            ("Cookie: sid=1; theme=dark", "Cookie: [redacted]"),
            (
                "C: AUTH PLAIN AG1lAGh1bnRlcjI= refused",
                "C: AUTH PLAIN [redacted] refused",
            ),
            ("/feed?key=AbC&page=2", "/feed?key=[redacted]&page=2"),
            ("key AKIAABCDEFGHIJKLMNOP used", "key [redacted] used"),
            (
                "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_123 bad",
                "jwt [redacted] bad",
            ),
            (
                "POST https://hooks.slack.com/services/T0/B0/xyz: 500",
                "POST https://hooks.slack.com/services/[redacted] 500",
            ),
            (
                "https://discord.com/api/webhooks/1/abc",
                "https://discord.com/api/webhooks/[redacted]",
            ),
            (
                "https://api.telegram.org/bot12:ab/sendMessage",
                "https://api.telegram.org/bot[redacted]/sendMessage",
            ),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn what_is_redacted_stays_as_it_is() {
        for text in [
            "password=[redacted]; next",
            r#"{"token": "[redacted]", "n": 1}"#,
            "Authorization: Bearer abc.def-123, Cookie: a=b",
            "https://u:p@h/?key=1 and secret: 'x y' and api_key=a]b",
            "-----END RSA PRIVATE KEY----- after",
        ] {
            let once = redact(text);
            assert_eq!(redact(&once), once, "{text}");
        }
    }

    #[test]
    fn a_cut_leaves_no_part_of_a_secret() {
        for (text, expected) in [
            ("see https://user:hunter2", "see https://[redacted]"),
            ("see https://user:hunter2…", "see https://[redacted]"),
            ("see http://host:8080", "see http://host:8080"),
            ("see http://[::1]:8080", "see http://[::1]:8080"),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzd", "jwt [redacted]"),
            (r#"{"password": "hunter2 is"#, r#"{"password": [redacted]"#),
            ("MIIEow\n-----END RSA PRIVATE KEY----- x", "[redacted] x"),
            ("db postgres://u:a/b@h/x", "db postgres://[redacted]@h/x"),
            ("https://h:80/@me", "https://h:80/@me"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn a_line_of_evidence_is_one_short_line() {
        let line = format!("a\nb\u{1b}[31m {}", "x".repeat(1000));
        let redacted = redact_line(&line);
        assert!(
            redacted.starts_with("a b [31m x") && redacted.chars().count() <= LINE,
            "{redacted}"
        );
        assert!(redacted.ends_with('…'), "{redacted}");
    }
}
