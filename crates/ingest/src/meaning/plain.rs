//! Lines that a program printed without a head: most tell nothing, but a request, an item or a failure is one by its
//! words alone.

use super::answer::{only_url, status};
use super::{failure, wording};

/// Maximum length of a line that is looked at, in bytes.
const LONGEST: usize = 400;

/// The level of a line without a head that tells a request, an item or a failure: `error` for a failure, otherwise
/// empty. `None` if the line tells nothing, or is indented: then it belongs to something.
pub(crate) fn level_of(line: &str) -> Option<&'static str> {
    if line.len() > LONGEST || line.starts_with([' ', '\t']) {
        return None;
    }
    // Fast path: most lines name no page.
    let names_url = memchr::memmem::find(line.as_bytes(), b"://").is_some();
    if names_url
        && failure::told(line, false).is_some_and(|told| !told.failure.is_retried)
        && failure::fails(line)
    {
        return Some("error");
    }
    let has_answer = || {
        let words: Vec<&str> = line.split_whitespace().collect();
        only_url(&words).is_some() && status(&words).is_some()
    };
    let tells = (names_url && has_answer()) || wording::quiet(line, false).is_some();
    (tells && !wording::is_again(line)).then_some("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_lines_tell_by_their_words() {
        for (line, expected) in [
            ("[200] https://shop.test/1", Some("")),
            (
                "found \"https://shop.test/1\", size: 0, status:404, 2.5s",
                Some(""),
            ),
            ("✅ Saved 20 products", Some("")),
            (
                "❌ Error scraping https://shop.test/1: 403 Client Error",
                Some("error"),
            ),
            (
                "Failed to fetch https://shop.test/1: timeout",
                Some("error"),
            ),
            ("    [200] https://shop.test/1", None),
            ("Scraping https://shop.test/1", None),
            ("retrying https://shop.test/1 (503)", None),
            ("exit status 2", None),
        ] {
            assert_eq!(level_of(line), expected, "{line}");
        }
    }
}
