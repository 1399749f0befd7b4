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
