//! Small text functions that several crates need.

/// The host of a URL, including the port if there is one. It serves as the *site* when a log does not name one.
///
/// ```
/// assert_eq!(dragline_schema::host_of("https://me@Shop.example.com:8443/p?q"), Some("Shop.example.com:8443"));
/// assert_eq!(dragline_schema::host_of("/p/1"), None);
/// ```
pub fn host_of(url: &str) -> Option<&str> {
    // Called for every request, so it avoids a general substring search. None of these bytes is part of a
    // multi-byte character.
    let bytes = url.as_bytes();
    let colon = bytes.windows(3).position(|three| three == b"://")?;
    let rest = &url[colon + 3..];
    let end = rest
        .bytes()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let authority = &rest[..end.unwrap_or(rest.len())];
    let user = authority.bytes().rposition(|byte| byte == b'@');
    let host = user.map_or(authority, |at| &authority[at + 1..]);
    (!host.is_empty()).then_some(host)
}

/// At most the first `limit` bytes of `text`, cut at a character boundary.
///
/// ```
/// assert_eq!(dragline_schema::clip("größe", 3), "gr");
/// ```
pub fn clip(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// Similarity (Jaro-Winkler) from which a name is suggested.
const ALIKE: f64 = 0.75;

/// The known name that is most similar to a mistyped one; `None` if none is similar enough. A single mistake in three or
/// more letters is always similar enough.
///
/// ```
/// assert_eq!(dragline_schema::nearest("fro", ["for", "interval"]), Some("for"));
/// assert_eq!(dragline_schema::nearest("intervall", ["interval", "timeout"]), Some("interval"));
/// assert_eq!(dragline_schema::nearest("colour", ["interval", "timeout"]), None);
/// ```
pub fn nearest<'n>(typed: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let similarity = |name: &str| {
        let is_slip = typed.len() > 2 && strsim::damerau_levenshtein(typed, name) == 1;
        strsim::jaro_winkler(typed, name).max(if is_slip { ALIKE } else { 0.0 })
    };
    let alike = names.into_iter().map(|name| (similarity(name), name));
    let best = alike.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
    best.filter(|(alike, _)| *alike >= ALIKE)
        .map(|(_, name)| name)
}

/// Parses a duration of a configuration: `800ms`, `5m`, `1h30m`, `1d 2h`, `1w`. A day has 24 hours. `None` for anything
/// else, a number without a unit and a negative duration among them.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(dragline_schema::parse_duration("1d 2h"), Some(Duration::from_secs(26 * 3600)));
/// assert_eq!(dragline_schema::parse_duration("300"), None);
/// ```
pub fn parse_duration(text: &str) -> Option<std::time::Duration> {
    let span: jiff::Span = text.trim().parse().ok()?;
    let days = jiff::SpanRelativeTo::days_are_24_hours();
    span.to_duration(days).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [
            ("800ms", 0.8),
            ("5m", 300.0),
            ("1d 2h", 93_600.0),
            (" 2 s ", 2.0),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_secs_f64(seconds)),
                "{text}"
            );
        }
        for text in ["", "5", "-5m", "soon", "1 month"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
