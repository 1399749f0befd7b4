//! Recognises records about scraped items.

use dragline_schema::Value;

/// Words for items.
const ITEMS: [&str; 4] = ["item", "product", "article", "story"];

/// The kind of item if a message starts with it and continues with pairs or an object: `item sku=p1 price=12.5`,
/// `product {`.
pub(crate) fn item_kind(message: &str) -> Option<&'static str> {
    let message = message.trim_ascii_start();
    // Most messages start differently.
    if !message.starts_with(['i', 'p', 'a', 's']) {
        return None;
    }
    let message = message.trim();
    let kind = ITEMS.into_iter().find(|kind| message.starts_with(kind))?;
    let rest = &message[kind.len()..];
    (rest == " {" || (rest.starts_with([' ', '\t', '=', ':', ',']) && rest.contains('=')))
        .then_some(kind)
}

/// Whether a field is part of an item in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    No,
    /// The whole item, if the value is an object as text.
    Whole,
    /// A field of the item.
    Field,
}

impl Part {
    pub(super) fn of(path: &str) -> Self {
        let Some(item) = ITEMS.iter().find(|item| path.starts_with(*item)) else {
            return Self::No;
        };
        match &path[item.len()..] {
            "" => Self::Whole,
            rest if rest.starts_with('.') => Self::Field,
            _ => Self::No,
        }
    }

    /// Whether a field with this value means that the record has an item.
    pub(super) fn is_item(self, value: &Value<'_>) -> bool {
        match self {
            Self::No => false,
            Self::Whole => matches!(value, Value::Str(text) if text.starts_with('{')),
            Self::Field => true,
        }
    }
}

/// Plural nouns that messages count.
pub(super) const COUNTED: [&str; 14] = [
    "items",
    "pages",
    "products",
    "articles",
    "records",
    "rows",
    "urls",
    "results",
    "stories",
    "entries",
    "documents",
    "files",
    "listings",
    "images",
];

/// Whether a message says that an item was not kept.
pub(super) fn denies_item(message: &str) -> bool {
    const WORDS: [&str; 6] = [
        "dropped",
        "discarded",
        "rejected",
        "skipped",
        "invalid",
        "duplicate",
    ];
    let words = message.split(|c: char| !c.is_alphanumeric()).take(6);
    words
        .into_iter()
        .any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Whether a message says that an item was scraped. `scraped 12 items` is a count, not an item.
pub(crate) fn says_item(message: &str) -> bool {
    let is_word = |word: &str| {
        ["scraped", "stored", "extracted"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known))
    };
    if message == "item" {
        return true;
    }
    // Fast check, which excludes most messages.
    let bytes = message.as_bytes();
    let may_say = |end: usize| {
        // All these words end with `ed`.
        if end == 0 || !bytes[end - 1].eq_ignore_ascii_case(&b'e') {
            return false;
        }
        let ends = |word: &[u8]| {
            let begin = (end + 1).checked_sub(word.len());
            begin.is_some_and(|begin| bytes[begin..=end].eq_ignore_ascii_case(word))
        };
        ends(b"scraped") || ends(b"stored") || ends(b"extracted")
    };
    if !memchr::memchr2_iter(b'd', b'D', bytes).any(may_say) {
        return false;
    }
    let mut says = false;
    // Ignore quoted text and URLs.
    let message = message.split(['{', '"', '\'']).next().unwrap_or_default();
    let message = match memchr::memchr(b':', message.as_bytes()) {
        Some(_) => message.split("://").next().unwrap_or_default(),
        None => message,
    };
    let has_number = message.split_whitespace().any(|word| {
        word.trim_matches(|c: char| !c.is_alphanumeric())
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    });
    for word in message
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let denies = [
            "not", "failed", "cannot", "never", "nothing", "be", "next", "links", "urls", "total",
        ];
        // `No.` in `No. 3` means "number".
        if (word.eq_ignore_ascii_case("no") && !message.contains("No. "))
            || denies.iter().any(|known| word.eq_ignore_ascii_case(known))
            || (has_number && COUNTED.iter().any(|known| word.eq_ignore_ascii_case(known)))
        {
            return false;
        }
        says |= is_word(word);
    }
    says
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_items_is_no_item() {
        for (message, expected) in [
            ("item scraped", true),
            ("Item 7 scraped", true),
            ("Scraped SKU-0017 from page 3", true),
            ("scraped 12 items", false),
            ("Stored jsonlines feed (51 items) in: items.jsonl", false),
            ("scraper started", false),
            ("Item scraped: 12 Monkeys", true),
            ("item could not be stored", false),
            ("No items scraped", false),
            ("No. 3 scraped", true),
        ] {
            assert_eq!(says_item(message), expected, "{message}");
        }
    }
}
