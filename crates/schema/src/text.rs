//! Small functions on text that several crates need.

/// The host of a URL, with its port when one is given: what a *site* is when nothing else says so.
///
/// ```
/// assert_eq!(dragline_schema::host_of("https://me@Shop.example.com:8443/p?q"), Some("Shop.example.com:8443"));
/// assert_eq!(dragline_schema::host_of("/p/1"), None);
/// ```
pub fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    (!host.is_empty()).then_some(host)
}

/// The first `limit` bytes of `text`, cut at a character's boundary.
///
/// ```
/// assert_eq!(dragline_schema::clip("größe", 3), "gr");
/// ```
pub fn clip(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}
