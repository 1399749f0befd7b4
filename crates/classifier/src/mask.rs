//! Masks the variable parts of error messages and computes group ids.

use std::borrow::Cow;
use std::sync::LazyLock;

use dragline_schema::{ErrorCategory, clip};
use regex::{Captures, Regex};
use xxhash_rust::xxh3::Xxh3;

/// Maximum number of bytes of a message used for its template.
const MAX_TEMPLATE: usize = 300;

/// The variable parts, longest kinds first: where two could start at the same position, the earlier wins. Uses ASCII
/// letters, digits and word boundaries; the Unicode ones would make the automaton many times larger.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
          ( [0-9A-Za-z_.+-]+@[0-9A-Za-z_-]+\.[0-9A-Za-z_.-]*[0-9A-Za-z_] )
        | ( [a-zA-Z][a-zA-Z0-9+.-]*://[^\s<>"'\)\]\}]+ )
        | ( (?-u:\b)[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}(?-u:\b) )
        | ( (?-u:\b)[0-9]{4}-[0-9][0-9]-[0-9][0-9](?:[T\x20][0-9][0-9]:[0-9][0-9](?::[0-9][0-9](?:[.,][0-9]+)?)?(?:Z|[+-][0-9][0-9]:?[0-9][0-9])?)? )
        | ( (?-u:\b)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5})?(?-u:\b) )
        | ( (?-u:\b)0x[0-9a-fA-F]+(?-u:\b) | (?-u:\b)[0-9a-fA-F]{12,}(?-u:\b) )
        | ( "[^"\n]*" | '[^'\n]*' | `[^`\n]*` )
        | ( (?-u:\b)[0-9]+(?:\.[0-9]+)?\x20?(?:ms|µs|us|ns|s|sec|seconds|min|minutes|h)(?-u:\b) )
        | ( [0-9]+(?:[.,][0-9]+)* )
        "#,
    )
    .expect("the pattern is constant and compiled by tests")
});

/// The kinds that the capture groups of [`VARIABLE`] stand for, in order.
const KINDS: [&str; 9] = [
    "email", "url", "uuid", "time", "ip", "hex", "quoted", "duration", "n",
];

/// Replaces the parts that differ between two occurrences of the same error: e-mail addresses, URLs
/// (the path is kept, without numbers), ids, times, IP addresses, quoted words, durations and numbers.
/// Only the first line is used.
///
/// ```
/// assert_eq!(
///     dragline_classifier::mask("GET https://shop.example.com/p/17?q=x took 3.2 s (try 2)"),
///     "GET https://<host>/p/<n> took <duration> (try <n>)",
/// );
/// ```
pub fn mask(message: &str) -> Cow<'_, str> {
    let line = message.trim().lines().next().unwrap_or_default();
    let line = clip(line, MAX_TEMPLATE);
    VARIABLE.replace_all(line, |found: &Captures<'_>| {
        let of = |kind: &usize| found.get(*kind + 1).is_some();
        match (0..KINDS.len()).find(of).map_or("", |kind| KINDS[kind]) {
            "url" => mask_url(&found[0]),
            "quoted" => {
                let quote = &found[0][..1];
                format!("{quote}…{quote}")
            }
            kind => format!("<{kind}>"),
        }
    })
}

/// Keeps the scheme and the masked path. Trailing punctuation belongs to the sentence, not the URL.
fn mask_url(found: &str) -> String {
    let url = found.trim_end_matches([',', ';', ':', '.']);
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let path = rest.split(['?', '#']).next().unwrap_or(rest);
    let mut masked = format!("{scheme}://<host>");
    for segment in path.split('/').skip(1) {
        masked.push('/');
        let mut digits = false;
        for c in segment.chars() {
            if !c.is_ascii_digit() {
                masked.push(c);
            } else if !digits {
                masked.push_str("<n>");
            }
            digits = c.is_ascii_digit();
        }
    }
    masked + &found[url.len()..]
}

/// The id of the group of errors that share a category, type, template and function. It is the same on
/// every machine and printed as 16 hexadecimal digits.
pub fn fingerprint(
    category: ErrorCategory,
    error_type: &str,
    template: &str,
    function: Option<&str>,
) -> u64 {
    let mut hash = Xxh3::new();
    for part in [
        category.as_str(),
        error_type,
        template,
        function.unwrap_or_default(),
    ] {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_varies_is_replaced() {
        for (message, template) in [
            ("user me@example.com is gone", "user <email> is gone"),
            (
                "[Errno 111] Connection refused by 10.0.0.1:8080",
                "[Errno <n>] Connection refused by <ip>",
            ),
            ("KeyError: 'price'", "KeyError: '…'"),
            (
                "no row 4e6f7720-6973-4865-8c2d-1f2e3d4c5b6a",
                "no row <uuid>",
            ),
            (
                "at 2026-03-04T11:22:33.5Z: object at 0x7f3e",
                "at <time>: object at <hex>",
            ),
            (
                "std::io::Error in a::b, page 3",
                "std::io::Error in a::b, page <n>",
            ),
            (
                "lost http://x.org/a12/b: reset",
                "lost http://<host>/a<n>/b: reset",
            ),
            ("first line\nsecond line 3", "first line"),
        ] {
            assert_eq!(mask(message), template);
        }
    }

    proptest! {
        #[test]
        fn numbers_never_tell_two_occurrences_apart(a in 0u64..1_000_000_000, b in 0u64..1_000_000_000) {
            for pattern in ["row # of x", "https://shop.example.com/p/#/reviews", "took # ms", "id=# (#)"] {
                let with = |n: u64| mask(&pattern.replace('#', &n.to_string())).into_owned();
                prop_assert_eq!(with(a), with(b));
            }
        }

        #[test]
        fn any_text_is_masked(text in "\\PC*") {
            prop_assert!(mask(&text).len() <= MAX_TEMPLATE * 8);
        }
    }
}
