//! Recognises the first and the last message of a run in the words of any program: `run started`, `Starting the
//! crawl`, `scraper finished: 113 items`.

/// What a message says about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Start,
    End,
}

/// What people call a run, or what runs.
const RUNS: [&str; 23] = [
    "archive",
    "archiving",
    "bot",
    "collector",
    "crawl",
    "crawler",
    "crawling",
    "extraction",
    "harvest",
    "harvester",
    "import",
    "job",
    "monitor",
    "monitoring",
    "parser",
    "run",
    "scrape",
    "scraper",
    "scraping",
    "script",
    "spider",
    "sync",
    "synchronisation",
];
const STARTS: [&str; 11] = [
    "began",
    "begin",
    "beginning",
    "begins",
    "launched",
    "launching",
    "opened",
    "start",
    "started",
    "starting",
    "starts",
];
const ENDS: [&str; 10] = [
    "closed",
    "complete",
    "completed",
    "done",
    "end",
    "ended",
    "ends",
    "finish",
    "finished",
    "finishes",
];
/// What may stand between a verb and its run.
const BETWEEN: [&str; 7] = ["a", "an", "daily", "full", "new", "the", "this"];
/// Words of messages about a part of a run, or about another program.
const PARTS: [&str; 23] = [
    "attempt",
    "batch",
    "browser",
    "category",
    "chunk",
    "consumer",
    "driver",
    "engine",
    "item",
    "next",
    "not",
    "of",
    "page",
    "pages",
    "proxy",
    "queue",
    "scheduler",
    "section",
    "server",
    "task",
    "thread",
    "url",
    "worker",
];
/// What a total counts.
const COUNTED: [&str; 11] = [
    "articles",
    "documents",
    "entries",
    "errors",
    "items",
    "listings",
    "offers",
    "pages",
    "products",
    "records",
    "rows",
];

/// Maximum length of a message that is looked at, in bytes.
const LONGEST: usize = 160;
/// Maximum number of words that are looked at.
const MOST_WORDS: usize = 12;

fn is_one(word: &str, known: &[&str]) -> bool {
    known.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Whether a message bounds a run. Messages about single pages, which contain a URL, do not.
pub(super) fn bound(message: &str) -> Option<Bound> {
    let message = message.lines().next()?;
    if message.len() > LONGEST || message.contains("://") {
        return None;
    }
    let mut words = [""; MOST_WORDS];
    let mut count = 0;
    let split = message.split(|c: char| !c.is_alphanumeric());
    for word in split.filter(|word| !word.is_empty()).take(MOST_WORDS) {
        words[count] = word;
        count += 1;
    }
    let words = &words[..count];
    // `New run`
    if let [first, run] = words
        && first.eq_ignore_ascii_case("new")
        && is_one(run, &RUNS)
    {
        return Some(Bound::Start);
    }
    said(words, &STARTS, Bound::Start)
        .or_else(|| said(words, &ENDS, Bound::End))
        .or_else(|| total(words))
}

/// `run started`, `books scraper started`, `starting the crawl`.
fn said(words: &[&str], verbs: &[&str], bound: Bound) -> Option<Bound> {
    let at = words.iter().take(4).position(|word| is_one(word, verbs))?;
    let is_run = if at == 0 {
        let mut behind = words[1..].iter();
        let run = behind.find(|word| !is_one(word, &BETWEEN));
        run.is_some_and(|word| is_one(word, &RUNS))
    } else {
        let before = &words[..at];
        let is_numbered = before.iter().any(|word| is_number(word));
        !is_numbered && before.iter().any(|word| is_one(word, &RUNS))
    };
    // Behind an end, numbers of pages and items may follow.
    let said = if bound == Bound::End {
        before_numbers(words)
    } else {
        words
    };
    let is_part = said.iter().any(|word| is_one(word, &PARTS));
    (is_run && !is_part).then_some(bound)
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words before the first number.
fn before_numbers<'w, 'm>(words: &'w [&'m str]) -> &'w [&'m str] {
    let end = words.iter().position(|word| is_number(word));
    &words[..end.unwrap_or(words.len())]
}

/// `finished in 2556 s (113 rows)`, `done: 113 items`: a number, and what it counts.
fn total(words: &[&str]) -> Option<Bound> {
    let first = words.first()?;
    let is_part = |word: &&str| is_one(word, &PARTS);
    if !is_one(first, &ENDS) || before_numbers(words).iter().any(is_part) {
        return None;
    }
    let counts = |pair: &[&str]| {
        (is_number(pair[0]) && is_one(pair[1], &COUNTED))
            || (is_one(pair[0], &COUNTED) && is_number(pair[1]))
    };
    words.windows(2).any(counts).then_some(Bound::End)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_start_and_end_in_many_words() {
        for message in [
            "run started",
            "Run started version=1.4.0",
            "run_started",
            "Starting the crawl",
            "=== Starting scraper ===",
            "starting new run",
            "books scraper started",
            "Scraping started at 2026-03-04",
            "Beginning daily import",
            "New run",
            "Spider opened",
            "Crawling Twitter started",
            "Crawler status: Starting the crawler.",
            "Archive started",
            "Starting sync",
        ] {
            assert_eq!(bound(message), Some(Bound::Start), "{message}");
        }
        for message in [
            "run finished: 113 items",
            "Finished the run",
            "finished scraping",
            "Scraper done!",
            "crawl_end",
            "Crawling is complete. Total crawl time: 70 s",
            "Done scraping ROR data (5 entries, 585 ms)",
            "Spider closed (finished)",
            "crawl.completed",
            "Run finished: 113 items on 249 pages",
            "finished in 2556 s (113 rows)",
            "Done: 113 items",
            "Done: 290 pages, 204 products, 2 errors",
            "Completed, items=12",
            "run completed in 32 s",
            "Archive completed",
            "Monitoring cycle completed",
        ] {
            assert_eq!(bound(message), Some(Bound::End), "{message}");
        }
    }

    #[test]
    fn parts_of_runs_and_other_programs_are_no_runs() {
        for message in [
            "started",
            "done",
            "done in 0.31 s",
            "Starting job 3 of 240",
            "starting crawl of category books",
            "Starting browser",
            "job 12 finished",
            "worker started",
            "Starting HTTP server",
            "Scraping page 3 started",
            "finished page 3: 12 items",
            "crawl started for https://shop.example.com/",
            "run not started",
            "Starting attempt 2 of the run",
            "the price parser has not finished",
        ] {
            assert_eq!(bound(message), None, "{message}");
        }
    }
}
