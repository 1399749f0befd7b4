//! Says which incidents the logs cannot show.

use dragline_rollup::{Finished, RunRow};
use dragline_schema::{Dialect, ProblemKind};

use crate::names::by_scraper;

/// What a log may lack: the incidents that it cannot show then, and why.
struct Lack {
    what: &'static str,
    why: &'static str,
    /// Whether none of a scraper's runs has it.
    is_lacking: fn(&[&RunRow]) -> bool,
}

const LACKS: [Lack; 6] = [
    Lack {
        what: "slow responses",
        why: "no response times; seconds per request are compared instead",
        is_lacking: |rows| {
            let requests = rows.iter().any(|row| row.counters.requests > 0);
            let times = rows.iter().any(|row| row.counters.response_time.count > 0);
            requests && !times
        },
    },
    Lack {
        what: "refused and failed requests",
        why: "no outcome of requests",
        is_lacking: |rows| {
            let requests: u64 = rows.iter().map(|row| row.counters.requests).sum();
            let unjudged = rows.iter().map(|row| row.counters.requests_unjudged);
            requests > 0 && unjudged.sum::<u64>() == requests
        },
    },
    Lack {
        what: "changes of the volume",
        why: "no requests",
        is_lacking: |rows| rows.iter().all(|row| !row.known.requests),
    },
    Lack {
        what: "missing items",
        why: "no items",
        is_lacking: |rows| rows.iter().all(|row| !row.known.items),
    },
    Lack {
        what: "killed runs",
        why: "no ends of runs",
        is_lacking: |rows| rows.iter().all(|row| row.verdict.is_none()),
    },
    Lack {
        what: "missed and late runs",
        why: "no runs, only hours",
        is_lacking: |rows| rows.iter().all(|row| !row.key.is_run()),
    },
];
/// In the wire format, a scraper without a queue logs none; other logs may just not say its length.
const NO_QUEUE: Lack = Lack {
    what: "growing queues",
    why: "no lengths of queues",
    is_lacking: |rows| rows.iter().all(|row| row.counters.queue.count == 0),
};

/// A sentence about the incidents that the logs cannot show, and why; `None` if there are none.
///
/// Scrapers without any requests and items are left out.
pub fn unseen(finished: &Finished) -> Option<String> {
    let scrapers: Vec<Vec<&RunRow>> = by_scraper(finished)
        .into_values()
        .map(|runs| runs.iter().map(|run| &finished.runs[*run]).collect())
        .filter(|rows: &Vec<&RunRow>| rows.iter().any(|row| row.counters.has_activity()))
        .collect();
    let mut parts: Vec<String> = Vec::new();
    let has_numbers = finished.dialects.contains_key(&Dialect::Dragline);
    let queue = Some(&NO_QUEUE).filter(|_| !has_numbers);
    for lack in LACKS.iter().chain(queue) {
        let count = scrapers
            .iter()
            .filter(|rows| (lack.is_lacking)(rows))
            .count();
        let whose = match count {
            0 => continue,
            n if n == scrapers.len() => String::new(),
            1 => " of 1 scraper".to_owned(),
            n => format!(" of {n} scrapers"),
        };
        parts.push(format!("{}{whose} ({})", lack.what, lack.why));
    }
    let mut problems = finished.problems.keys();
    if problems.any(|(_, kind)| *kind == ProblemKind::EstimatedTime) {
        parts.push("the minute at which an incident began (estimated times)".to_owned());
    }
    if !has_numbers && !scrapers.is_empty() {
        parts.push("lost lines and changed clocks (no line numbers)".to_owned());
    }
    (!parts.is_empty()).then(|| format!("These logs cannot show: {}.", parts.join(", ")))
}
