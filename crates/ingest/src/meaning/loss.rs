//! Items that an error says could not be stored: `failed to save product 17: disk full`, `could not insert 12 rows`.

use super::wording::{NO_ITEMS, NOUNS, is_again};

/// Words for a failure; `can't` and `couldn't` are two words here.
const FAILURES: [&str; 9] = [
    "cannot", "can", "could", "couldn", "error", "failed", "failure", "unable", "not",
];
/// Verbs of storing.
const STORING: [&str; 27] = [
    "export",
    "exporting",
    "index",
    "indexed",
    "indexing",
    "insert",
    "inserted",
    "inserting",
    "persist",
    "persisted",
    "persisting",
    "publish",
    "publishing",
    "save",
    "saved",
    "saving",
    "store",
    "stored",
    "storing",
    "upload",
    "uploading",
    "upsert",
    "upserted",
    "upserting",
    "write",
    "writing",
    "written",
];
/// Maximum number of words that are looked at: what follows is about the reason.
const MOST_WORDS: usize = 12;

/// How many items a message of an error says could not be stored; 0 if it says nothing of the kind, or that the program
/// tries again.
pub(super) fn lost_items(message: &str) -> u32 {
    let line = message.lines().next().unwrap_or_default();
    // What is quoted or in an object is the item itself.
    let told = line.split(['{', '"', '[']).next().unwrap_or_default();
    let words = told.split_whitespace().take(MOST_WORDS);
    let words = words.filter(|word| !word.contains("://"));
    let words: Vec<String> = words
        .flat_map(|word| word.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let noun = words.iter().position(|word| is_noun(word));
    let (Some(noun), true, true) = (noun, has(&FAILURES), has(&STORING)) else {
        return 0;
    };
    let is_other = |word: &String| word != "batch" && NO_ITEMS.contains(&word.as_str());
    if is_again(line) || words[..noun].iter().any(is_other) {
        return 0;
    }
    let number = noun.checked_sub(1).and_then(|at| words[at].parse().ok());
    number.filter(|_| words[noun].ends_with('s')).unwrap_or(1)
}

fn is_noun(word: &str) -> bool {
    let singular = |ending: &str, instead: &str| {
        let stem = word.strip_suffix(ending);
        stem.is_some_and(|stem| NOUNS.contains(&&*format!("{stem}{instead}")))
    };
    NOUNS.contains(&word) || singular("s", "") || singular("ies", "y")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_tell_how_many_items_were_not_stored() {
        for (message, lost) in [
            ("failed to save product 17: disk full", 1),
            ("Could not insert 12 rows into offers", 12),
            ("product SKU-17 could not be stored", 1),
            ("Error saving item {'title': 'a'}", 1),
            ("couldn't write 3 stories", 3),
            ("unable to upsert listing: deadlock detected", 1),
            (
                "listing 17 was not saved: [Errno 28] No space left on device",
                1,
            ),
            // Other things, other steps, and what is tried again.
            ("failed to save screenshot for product 17", 0),
            ("failed to write the log file", 0),
            ("failed to parse product 17", 0),
            ("failed to fetch https://shop.test/item/17", 0),
            ("failed to save product 17, retrying in 5 s", 0),
            ("saved product 17", 0),
        ] {
            assert_eq!(lost_items(message), lost, "{message}");
        }
    }
}
