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
/// Maximum number of words between a verb and its run: `Starting the nightly price crawl`.
const MOST_BETWEEN: usize = 3;
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
const COUNTED: [&str; 12] = [
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
    "urls",
];

/// What a total says of items, without naming them: `Finished: 18 scraped, 6 failed`.
const DONE: [&str; 4] = ["extracted", "saved", "scraped", "stored"];

/// Maximum length of a message that is looked at, in bytes.
const LONGEST: usize = 160;
/// Maximum number of words that are looked at.
const MOST_WORDS: usize = 12;

fn is_one(word: &str, known: &[&str]) -> bool {
    known.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The first words of a message, and their number.
fn words_of(message: &str) -> ([&str; MOST_WORDS], usize) {
    let mut words = [""; MOST_WORDS];
    let mut count = 0;
    let split = message.split(|c: char| !c.is_alphanumeric());
    for (place, word) in words.iter_mut().zip(split.filter(|word| !word.is_empty())) {
        *place = word;
        count += 1;
    }
    (words, count)
}

/// Whether a message bounds a run. Messages about single pages, which contain a URL, do not.
pub(super) fn bound(message: &str) -> Option<Bound> {
    let message = message.lines().next()?;
    // The context that a logger adds is no part of the sentence.
    let message = message.split('{').next().unwrap_or(message);
    if message.len() > LONGEST {
        return None;
    }
    let message = match message.find("http") {
        Some(at) if message.contains("://") => without_site(message, at)?,
        _ => message,
    };
    if let Some(bound) = of_azure(message).or_else(|| of_scheduler(message)) {
        return Some(bound);
    }
    // What systemd says of a unit does not come from its program: `Finished shop.service - Shop scraper.`
    let unit = message.split_ascii_whitespace().nth(1);
    if unit.is_some_and(|unit| unit.trim_end_matches('.').ends_with(".service")) {
        return None;
    }
    let (words, count) = words_of(message);
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

/// What the host of Azure's functions says of one: `Executing 'Functions.Walk' (Reason=…`, `Executed 'Functions.Walk'
/// (Succeeded, …`.
fn of_azure(message: &str) -> Option<Bound> {
    let (verb, rest) = message.split_once(" 'Functions.")?;
    let (_, how) = rest.split_once("' (")?;
    match verb {
        "Executing" if how.starts_with("Reason=") => Some(Bound::Start),
        "Executed" if how.starts_with("Succeeded, ") => Some(Bound::End),
        _ => None,
    }
}

/// What Airflow and Dagster say of a task or a run.
fn of_scheduler(message: &str) -> Option<Bound> {
    let begins = |with: [&str; 2]| with.iter().any(|with| message.starts_with(with));
    if begins(["Executing <Task(", "Started execution of run for "]) {
        return Some(Bound::Start);
    }
    let ends = begins(["Marking task as SUCCESS", "Finished execution of run for "]);
    ends.then_some(Bound::End)
}

/// Whether a program says that it stops because it must: `received SIGTERM, shutting down`, `run cancelled`.
pub(super) fn is_stop(message: &str) -> bool {
    const SIGNALS: [&str; 4] = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"];
    const TAKEN: [&str; 3] = ["caught", "got", "received"];
    const STOPS: [&str; 7] = [
        "closing",
        "exiting",
        "graceful",
        "gracefully",
        "shutting",
        "stopping",
        "terminating",
    ];
    let says = |part: &[u8]| memchr::memmem::find(message.as_bytes(), part).is_some();
    if message.len() > LONGEST || !(says(b"SIG") || says(b"signal") || says(b"cancelled")) {
        return false;
    }
    let words = || message.split(|c: char| !c.is_alphanumeric());
    let has = |known: &[&str]| words().any(|word| is_one(word, known));
    let is_named = SIGNALS.iter().any(|signal| message.contains(signal));
    // `got a buy signal` is no signal of the system.
    let is_told = is_named && has(&TAKEN) || (is_named || has(&["signal"])) && has(&STOPS);
    let (first, count) = words_of(message);
    let is_cancelled = match first[..count] {
        [run, "cancelled"] | [_, run, "cancelled"] => is_one(run, &RUNS) && !has(&PARTS),
        _ => false,
    };
    is_told || is_cancelled
}

/// Whether a message says that the program failed as a whole. `is_error` says whether it is logged as an error; at other
/// levels only exit codes count.
pub(super) fn is_fatal(message: &str, is_error: bool) -> bool {
    let line = message.lines().next().unwrap_or_default();
    let may_tell = is_error || memchr::memmem::find(line.as_bytes(), b"code").is_some();
    if !may_tell && memchr::memmem::find(line.as_bytes(), b"exited").is_none() {
        return false;
    }
    let (words, count) = words_of(line);
    let words = &words[..count];
    exits(words) || (is_error && dies(line, words))
}

/// `Run failed`, `The crawler crashed: …`, `Fatal error: …`, `FAILED. An error occurred: …`.
fn dies(line: &str, words: &[&str]) -> bool {
    const PROGRAMS: [&str; 13] = [
        "app",
        "application",
        "bot",
        "collector",
        "crawl",
        "crawler",
        "harvester",
        "job",
        "program",
        "run",
        "scraper",
        "script",
        "spider",
    ];
    const DEATHS: [&str; 6] = ["aborted", "aborting", "crashed", "died", "failed", "fails"];
    const ABOUT: [&str; 5] = ["at", "for", "in", "on", "to"];
    let behind_first = |first: &str| line[first.len()..].starts_with(['.', ':', '!']);
    match words {
        // Azure's functions, and Symfony's console.
        ["Executed", "Functions", _, "Failed", ..]
        | ["Error", "thrown", "while", "running", ..] => true,
        // Dagster's, and Prefect's.
        ["Execution", "of", "run", "for", ..] => line.contains(" failed"),
        _ if line.contains("Finished in state ") => {
            let is_of_task = line.starts_with("Task run");
            !is_of_task
                && ["Failed(", "Crashed("]
                    .iter()
                    .any(|state| line.contains(state))
        }
        [first, ..] if *first == "FAILED" && line.starts_with(first) => behind_first(first),
        [first, kind, ..] if is_one(first, &["fatal", "unhandled", "uncaught"]) => {
            is_one(kind, &["error", "exception", "rejection"])
        }
        _ => words[..words.len().min(5)]
            .iter()
            .position(|word| is_one(word, &DEATHS))
            .is_some_and(|at| {
                let (before, behind) = (&words[..at], &words[at + 1..]);
                let is_about = behind.first().is_some_and(|word| is_one(word, &ABOUT));
                let is_part = |word: &&str| is_one(word, &PARTS) || is_number(word);
                before.iter().any(|word| is_one(word, &PROGRAMS))
                    && !before.iter().any(is_part)
                    && !is_about
                    && !line.contains("://")
            }),
    }
}

/// `exit code 1`, `exited with status 137`, `exited(137)`, `return code 2`: a code of an error, but none of a stop.
fn exits(words: &[&str]) -> bool {
    let code = |words: &[&str]| {
        let mut words = words.iter().take(4);
        let number =
            words.find(|word| !is_one(word, &["code", "return", "status", "value", "with"]));
        let code = number.and_then(|word| word.parse::<u8>().ok());
        code.is_some_and(|code| !matches!(code, 0 | 130 | 143))
    };
    (0..words.len()).any(|at| match words[at..] {
        [word, ref rest @ ..] if is_one(word, &["exit", "exited"]) => code(rest),
        [word, next, ref rest @ ..] if is_one(word, &["return"]) => {
            is_one(next, &["code"]) && code(rest)
        }
        _ => false,
    })
}

/// The words before a site that the message is about: `Starting scraper for https://shop.test/`. `None` if it is about a
/// page.
fn without_site(message: &str, at: usize) -> Option<&str> {
    let (before, url) = message.split_at(at);
    let url = url.trim_end_matches(['"', '\'', ')', '>', ']', ',', ';', ':', '.', '!', ' ']);
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let is_site = path.is_empty() && !url.contains(char::is_whitespace);
    let before = before.trim_end();
    is_site.then(|| before.strip_suffix(" of").unwrap_or(before))
}

/// `run started`, `books scraper started`, `starting the crawl`.
fn said(words: &[&str], verbs: &[&str], bound: Bound) -> Option<Bound> {
    let at = words.iter().take(4).position(|word| is_one(word, verbs))?;
    let is_run = if at == 0 {
        let mut behind = words[1..].iter().take(MOST_BETWEEN + 1);
        behind.any(|word| is_one(word, &RUNS))
    } else {
        let before = &words[..at];
        let is_numbered = before.iter().any(|word| is_number(word));
        !is_numbered && before.iter().any(|word| is_one(word, &RUNS))
    };
    // Behind an end, numbers of pages and items may follow; behind a start, that of all of them.
    let said = match (bound, words.iter().position(|word| is_number(word))) {
        (Bound::End, _) => before_numbers(words),
        (Bound::Start, Some(number))
            if number + 2 == words.len() && is_one(words[number + 1], &COUNTED) =>
        {
            let end = if is_one(words[number - 1], &["of"]) {
                number - 1
            } else {
                number
            };
            &words[..end]
        }
        _ => words,
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
        (is_number(pair[0]) && (is_one(pair[1], &COUNTED) || is_one(pair[1], &DONE)))
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
            "starting incremental crawl",
            "Starting the nightly price crawl",
            "Starting scheduled run",
            "Starting scraper for https://shop.example.com/",
            "Starting crawl of https://shop.example.com/",
            "crawl started for https://shop.example.com",
            "Starting crawl of 10 pages",
            "Executing <Task(PythonOperator): collect> on 2026-03-04 02:30:00+00:00",
            "Started execution of run for \"crawl_job\".",
            "Starting the shop.service crawl",
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
            "Import finished {\"pages\":3}",
            "Finished: 10 pages, 7 items",
            "Marking task as SUCCESS. dag_id=grants, task_id=collect",
            "Finished execution of run for \"crawl_job\".",
        ] {
            assert_eq!(bound(message), Some(Bound::End), "{message}");
        }
        for message in [
            "Starting feeds-scraper.service - Scrape feeds...",
            "Finished feeds-scraper.service.",
        ] {
            assert_eq!(bound(message), None, "{message}");
        }
    }

    #[test]
    fn a_program_says_that_it_was_told_to_stop() {
        for (message, expected) in [
            ("received SIGTERM, shutting down", true),
            ("Got SIGINT: stopping", true),
            ("received signal, shutting down", true),
            ("run cancelled", true),
            ("The crawl cancelled", true),
            ("page crawl cancelled", false),
            ("got a buy signal", false),
            ("received signal of the price feed", false),
            ("sent SIGTERM to the browser", false),
            ("shutting down", false),
        ] {
            assert_eq!(is_stop(message), expected, "{message}");
        }
    }

    #[test]
    fn a_program_fails_as_a_whole_in_many_words() {
        for (message, expected) in [
            ("Run failed", true),
            (
                "Execution of run for \"crawl_job\" failed. Steps failed: ['prices'].",
                true,
            ),
            (
                "Flow run 'brave-heron' - Finished in state Failed('no rows')",
                true,
            ),
            (
                "Task run 'fetch-7a7' - Finished in state Failed('no rows')",
                false,
            ),
            ("Scraper failed: exit code 137", true),
            ("The nightly crawl aborted: no space left", true),
            ("Fatal error: cannot open the database", true),
            (
                "FAILED. An error occurred: 429 Client Error for url: https://a.test/",
                true,
            ),
            ("unhandled exception in main", true),
            // Of one page, of one task.
            ("Scraper failed for https://a.test/1", false),
            ("crawl failed on page 3", false),
            ("job 12 failed", false),
            ("Failed to scrape product 3", false),
            ("run finished, 3 requests failed", false),
        ] {
            assert_eq!(is_fatal(message, true), expected, "{message}");
            assert!(!is_fatal(message, false) || message.contains("exit code"));
        }
        for (message, expected) in [
            ("Command exited with return code 1", true),
            ("scraper container is exited(137)", true),
            ("Command failed with exit code 1", true),
            ("Task exited with return code 0", false),
            ("scraper exited with code 143", false),
            ("returned status code 404", false),
            ("exited the loop after page 3", false),
        ] {
            assert_eq!(is_fatal(message, false), expected, "{message}");
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
            "crawl started for https://shop.example.com/list?page=2",
            "Starting crawl of 10 pages in category books",
            "run not started",
            "Starting attempt 2 of the run",
            "the price parser has not finished",
        ] {
            assert_eq!(bound(message), None, "{message}");
        }
    }
}
