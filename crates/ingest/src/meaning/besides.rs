//! What messages say besides requests and items: duplicates, the length of the queue, and which attempt it was.

/// A word of a duplicate.
const DUPLICATES: [&str; 5] = ["dup", "dupe", "duplicate", "duplicated", "redundant"];
/// What an item that was there before already is.
const BEFORE: [&str; 20] = [
    "collected",
    "crawled",
    "downloaded",
    "exist",
    "existed",
    "existing",
    "exists",
    "fetched",
    "have",
    "imported",
    "in",
    "indexed",
    "known",
    "present",
    "processed",
    "saved",
    "scraped",
    "seen",
    "stored",
    "visited",
];
/// Words of messages about other things that are there twice or already, about checks, and about none.
const DENIALS: [&str; 24] = [
    "check",
    "checking",
    "column",
    "connection",
    "directory",
    "file",
    "folder",
    "handling",
    "index",
    "instance",
    "key",
    "logged",
    "no",
    "not",
    "process",
    "progress",
    "removed",
    "removing",
    "running",
    "schema",
    "session",
    "table",
    "today",
    "without",
];
/// Names of what waits.
const QUEUES: [&str; 4] = ["backlog", "frontier", "qsize", "queue"];
const LENGTHS: [&str; 7] = ["depth", "has", "is", "len", "length", "now", "size"];

/// Parts of words, of which a message must contain one to be looked at closer: most messages contain none.
struct Parts {
    parts: &'static [&'static [u8]],
    /// The bytes with which they begin.
    first: [bool; 256],
}

static DUPLICATE: Parts = Parts::new(&[b"dup", b"Dup", b"DUP", b"lready", b"before", b"edundant"]);
static QUEUE: Parts = Parts::new(&[b"ueue", b"qsize", b"acklog", b"rontier"]);

impl Parts {
    const fn new(parts: &'static [&'static [u8]]) -> Self {
        let mut first = [false; 256];
        let mut at = 0;
        while at < parts.len() {
            first[parts[at][0] as usize] = true;
            at += 1;
        }
        Self { parts, first }
    }

    /// One pass for all parts: a search for each would cost more than anything else that is done with short messages.
    fn is_in(&self, message: &str) -> bool {
        let bytes = message.as_bytes();
        let begins = |at: usize| self.parts.iter().any(|part| bytes[at..].starts_with(part));
        (0..bytes.len()).any(|at| self.first[usize::from(bytes[at])] && begins(at))
    }
}

/// Maximum length of a message that is looked at, in bytes, and of its words.
const LONGEST: usize = 300;
const MOST_WORDS: usize = 24;

/// Whether a message says that an item was there before: `Skipping duplicate product p17`, `B00X7 already exists in the
/// database`. One item, not a count of them. `is_named` says whether a field of the record identifies an item.
pub(super) fn is_duplicate(message: &str, is_named: bool) -> bool {
    if message.len() > LONGEST || !DUPLICATE.is_in(message) || message.contains('\n') {
        return false;
    }
    let words = words_of(message);
    let is_one = |word: &String, known: &[&str]| known.contains(&word.as_str());
    let says = words.iter().enumerate().any(|(at, word)| {
        let behind = &words[at + 1..words.len().min(at + 4)];
        is_one(word, &DUPLICATES)
            || (word == "already" && behind.iter().any(|word| is_one(word, &BEFORE)))
            || (word == "before" && at > 0 && is_one(&words[at - 1], &["seen", "known", "stored"]))
    });
    let is_count = words.windows(2).any(|pair| {
        let is_verb = ["exists", "has", "is", "this", "was"].contains(&pair[1].as_str());
        let is_plural = pair[1].ends_with('s') && !pair[1].ends_with("ss") && !is_verb;
        is_number(&pair[0]) && (is_plural || is_one(&pair[1], &DUPLICATES))
    });
    // `already in the database, not storing it again`
    let already = words.iter().position(|word| word == "already");
    let is_denial = |(at, word): (usize, &String)| {
        let is_consequence = word == "not" && already.is_some_and(|already| already < at);
        is_one(word, &DENIALS) && !is_consequence
    };
    let denies = words.iter().enumerate().any(is_denial);
    let has_identity = is_named
        || message.contains("://")
        || message.contains(['"', '\''])
        || message.contains(": ")
        || message.bytes().any(|byte| byte.is_ascii_digit());
    says && !is_count && !denies && has_identity
}

/// The length of the queue that a message states: `Queue size: 17`, `queue_length=17`, `17 URLs in the queue`.
pub(super) fn queue_size(message: &str) -> Option<u64> {
    if message.len() > LONGEST || !QUEUE.is_in(message) {
        return None;
    }
    let words = words_of(message);
    let at = words
        .iter()
        .position(|word| QUEUES.contains(&word.as_str()))?;
    let mut behind = words[at + 1..].iter();
    let next = behind.find(|word| !LENGTHS.contains(&word.as_str()));
    let next = next.filter(|word| is_number(word));
    let before = || {
        let is_within = at > 0 && ["in", "the", "on"].contains(&words[at - 1].as_str());
        let mut numbers = words[at.saturating_sub(4)..at].iter();
        numbers.rfind(|word| is_within && is_number(word))
    };
    next.or_else(before)?.parse().ok()
}

/// A message without the number of its attempt at the end, and this number: `… 200 (attempt 2/3)`, `… 200, retry 1`.
pub(super) fn split_attempt(message: &str) -> (&str, Option<u64>) {
    const LONGEST_END: usize = 24;
    let none = (message, None);
    if memchr::memchr(b'\n', message.as_bytes()).is_some() {
        return none;
    }
    let mut start = message.len().saturating_sub(LONGEST_END);
    while !message.is_char_boundary(start) {
        start += 1;
    }
    let end = message[start..].to_ascii_lowercase();
    let Some((at, word)) = ["attempt", "retry", "try"]
        .into_iter()
        .find_map(|word| end.rfind(word).map(|at| (at, word)))
    else {
        return none;
    };
    // Part of a word or of a URL.
    let begin = message[..start + at]
        .rfind(char::is_whitespace)
        .map_or(0, |at| at + 1);
    let is_inside = message[..start + at].ends_with(char::is_alphanumeric);
    if is_inside || message[begin..].contains("://") {
        return none;
    }
    let (before, behind) = (&end[..at], &end[at + word.len()..]);
    let numbers = behind.trim_matches(|c: char| !c.is_ascii_digit());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let first = numbers
        .split(['/', ' '])
        .next()
        .filter(|number| is_number(number));
    let is_rest = behind
        .split(|c: char| !c.is_alphanumeric())
        .all(|word| word.is_empty() || word == "of" || is_number(word));
    let (number, head) = match first {
        Some(number) if is_rest => (number.parse().ok(), before),
        // `(2nd attempt)`
        None if behind.chars().all(|c| !c.is_alphanumeric()) => {
            let head = before.trim_end();
            let place = head
                .rfind(|c: char| !c.is_alphanumeric())
                .map_or(0, |at| at + 1);
            let digits = head[place..].trim_end_matches(|c: char| c.is_ascii_alphabetic());
            (digits.parse().ok(), &head[..place])
        }
        _ => return none,
    };
    let Some(number) = number.filter(|number: &u64| *number < 1000) else {
        return none;
    };
    let is_joint = |c: char| c.is_whitespace() || "([{,-–—#;:|".contains(c);
    let rest = message[..start + head.len()].trim_end_matches(is_joint);
    let attempt = number + u64::from(word == "retry");
    if rest.is_empty() {
        none
    } else {
        (rest, Some(attempt))
    }
}

/// A message's words in lower case, without its URLs.
fn words_of(message: &str) -> Vec<String> {
    let raw = message.split_whitespace().take(MOST_WORDS);
    let raw = raw.filter(|word| !word.contains("://"));
    let words = raw.flat_map(|word| word.split(|c: char| !c.is_alphanumeric()));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_was_there_before_is_a_duplicate() {
        for message in [
            "Skipping duplicate product p17",
            "Duplicate item found: Blue chair, Asin: B00X7",
            "ASIN B00X7 already exists in database. Skipping API call.",
            "Already scraped: https://shop.test/p/17",
            "Skipping already-scraped URL: https://shop.test/p/17",
            "record 17 was seen before, ignoring it",
            "paper 2104.33 is already in the database, not storing it again",
            "Dupe 'blue chair' dropped",
        ] {
            assert!(is_duplicate(message, false), "{message}");
        }
        assert!(is_duplicate("duplicate_skipped", true));
        for message in [
            "Duplicates: 17",
            "Skipped 12 duplicate URLs (already in queue)",
            "12 products already stored",
            "Checking 17 for a duplicate",
            "Table products17 already exists",
            "no duplicate of 17 found",
            "already running as 4711",
            "pausing 3 s before https://shop.test/p/17",
            "duplicate skipped",
        ] {
            assert!(!is_duplicate(message, false), "{message}");
        }
    }

    #[test]
    fn a_queue_has_a_length() {
        for (message, expected) in [
            ("Queue size: 17", Some(17)),
            ("queue_length=17 workers=4", Some(17)),
            ("qsize 17", Some(17)),
            ("17 URLs in the queue", Some(17)),
            ("Crawled 240 pages, 17 in queue", Some(17)),
            ("Queue is 17 long", Some(17)),
            ("added https://shop.test/17 to the queue", None),
            ("queue manager started after 17 s", None),
            ("17 pages left", None),
        ] {
            assert_eq!(queue_size(message), expected, "{message}");
        }
    }

    #[test]
    fn an_attempt_stands_at_the_end() {
        for (message, rest, attempt) in [
            (
                "GET https://shop.test/ 200 (attempt 2/3)",
                "GET https://shop.test/ 200",
                Some(2),
            ),
            (
                "200 https://shop.test/ [retry 1]",
                "200 https://shop.test/",
                Some(2),
            ),
            (
                "got https://shop.test/ (310 ms), attempt=3",
                "got https://shop.test/ (310 ms)",
                Some(3),
            ),
            (
                "got https://shop.test/ - try 2 of 3",
                "got https://shop.test/",
                Some(2),
            ),
            (
                "got https://shop.test/ (2nd attempt)",
                "got https://shop.test/",
                Some(2),
            ),
            ("will retry", "will retry", None),
            (
                "got https://shop.test/country/12",
                "got https://shop.test/country/12",
                None,
            ),
            (
                "got https://shop.test/try/12",
                "got https://shop.test/try/12",
                None,
            ),
            ("attempt 2", "attempt 2", None),
        ] {
            assert_eq!(split_attempt(message), (rest, attempt), "{message}");
        }
    }
}
