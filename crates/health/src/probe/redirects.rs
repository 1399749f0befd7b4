//! Where a redirect leads.

use hyper::HeaderMap;
use hyper::header::LOCATION;

use crate::address::Address;
use crate::measurement::{Failure, FailureKind};

/// The address that an answer redirects to, if it does.
///
/// # Errors
/// When it redirects to nowhere, or to something that is not HTTP.
pub(super) fn find_redirect(
    status: u16,
    headers: &HeaderMap,
    from: &Address,
) -> Result<Option<Address>, Failure> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let fail = |reason: &str| {
        let message = format!("{} redirects {reason}", from.host());
        Failure::new(FailureKind::Protocol, message)
    };
    let Some(location) = headers.get(LOCATION) else {
        return Err(fail("without a location"));
    };
    let text = String::from_utf8_lossy(location.as_bytes());
    match from.join(&text) {
        Some(address) if matches!(address.scheme(), "http" | "https") => Ok(Some(address)),
        Some(address) => Err(fail(&format!("to {}, which is not HTTP", address.scheme()))),
        None => Err(fail("to a location that is not a URL")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(status: u16, location: Option<&str>) -> Result<Option<String>, String> {
        let from = Address::parse("https://shop.example.com/a/b?x=1", true).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(location) = location {
            headers.insert(LOCATION, location.parse().unwrap());
        }
        let found = find_redirect(status, &headers, &from);
        found
            .map(|address| address.map(|address| address.url().to_string()))
            .map_err(|failure| failure.message)
    }

    #[test]
    fn locations_are_resolved() {
        for (location, expected) in [
            ("/c", "https://shop.example.com/c"),
            ("c", "https://shop.example.com/a/c"),
            ("?y=2", "https://shop.example.com/a/b?y=2"),
            ("//www.example.com/", "https://www.example.com/"),
            ("http://example.com", "http://example.com/"),
        ] {
            assert_eq!(
                redirect(302, Some(location)),
                Ok(Some(expected.to_owned())),
                "{location}"
            );
        }
        assert_eq!(redirect(200, Some("/c")), Ok(None));
        assert_eq!(redirect(304, Some("/c")), Ok(None));
    }

    #[test]
    fn redirects_to_nowhere_are_failures() {
        insta::assert_snapshot!(
            [
                redirect(301, None),
                redirect(301, Some("ftp://example.com/")),
                redirect(301, Some("http://[")),
            ]
            .map(Result::unwrap_err)
            .join("\n"),
            @r"
        shop.example.com redirects without a location
        shop.example.com redirects to ftp, which is not HTTP
        shop.example.com redirects to a location that is not a URL
        "
        );
    }
}
