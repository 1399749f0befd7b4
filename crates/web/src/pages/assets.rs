//! Style sheet, scripts and icon. Their address contains a hash of all of them, so browsers keep them.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use super::Made;
use crate::http::{Call, Reply};

const PAGE_CSS: &str = include_str!("../../assets/page.css");
const PAGE_JS: &str = include_str!("../../assets/page.js");
const ICON: &str = include_str!("../../assets/icon.svg");

static CSS: LazyLock<String> = LazyLock::new(|| format!("{}\n{PAGE_CSS}", dragline_charts::css()));

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for part in [CSS.as_str(), PAGE_JS, dragline_charts::script(), ICON] {
        hash.update(part);
    }
    let digits = hash.finalize();
    digits[..6]
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
});

/// The styles of charts and pages.
pub(super) fn styles() -> &'static str {
    &CSS
}

/// The directory of the assets.
pub(super) fn directory(base: &str) -> String {
    format!("{base}/assets/{}", *VERSION)
}

#[allow(clippy::unnecessary_wraps, reason = "the signature of handlers")]
fn asset(media_type: &str, content: &str) -> Made {
    Ok(Reply {
        is_immutable: true,
        ..Reply::new(media_type, content)
    })
}

pub(super) fn css(_: &Call<'_>) -> Made {
    asset("text/css; charset=utf-8", &CSS)
}

pub(super) fn page_script(_: &Call<'_>) -> Made {
    asset("text/javascript; charset=utf-8", PAGE_JS)
}

pub(super) fn charts_script(_: &Call<'_>) -> Made {
    asset("text/javascript; charset=utf-8", dragline_charts::script())
}

pub(super) fn icon(_: &Call<'_>) -> Made {
    asset("image/svg+xml", ICON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_small_and_builds_no_markup() {
        assert!(PAGE_JS.len() < 12 * 1024, "{} bytes", PAGE_JS.len());
        for word in [
            "innerHTML",
            "outerHTML =",
            "insertAdjacentHTML",
            "eval(",
            "Function(",
            "http:",
            "https:",
        ] {
            assert!(!PAGE_JS.contains(word), "{word}");
        }
    }
}
