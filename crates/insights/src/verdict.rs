//! Computes the verdict on a scraper on a site.

use dragline_rollup::{RunRow, Verdict};

use crate::ENOUGH_REQUESTS;
use crate::finding::Finding;
use crate::kind::Effect;

/// Minimum number of requests that all failed.
const FEW_REQUESTS: u64 = 3;

/// The verdict on a scraper, and the reasons. `rows` are its runs, oldest first; the state at the last run decides.
pub fn verdict<'i>(
    rows: &[&RunRow],
    insights: impl Iterator<Item = &'i Finding>,
) -> (&'static str, Vec<String>) {
    let last = rows.iter().rfind(|row| row.key.is_run());
    let open: Vec<&Finding> = insights.filter(|insight| insight.is_open).collect();
    let of = |effect: Effect| {
        let mut own = open.iter().filter(|found| found.kind.effect() == effect);
        own.next()
            .map(|insight| vec![format!("{}.", insight.title)])
    };
    let causes = [
        ("missed", Effect::Missed),
        ("blocked", Effect::Blocked),
        ("layout_changed", Effect::LayoutChanged),
        ("silent_failure", Effect::SilentFailure),
    ];
    for (verdict, effect) in causes {
        if let Some(reasons) = of(effect) {
            return (verdict, reasons);
        }
    }
    let ended = last.and_then(|row| Some((row, row.verdict?)));
    if let Some((row, verdict)) = ended {
        let seen = row
            .last_seen
            .map_or_else(String::new, |at| format!(", last seen {at}"));
        let run = row.key.run_id.as_deref().unwrap_or_default();
        match verdict {
            Verdict::Stalled => {
                return (
                    "stalled",
                    vec![format!("The last run, {run}, stalled{seen}.")],
                );
            }
            Verdict::Killed | Verdict::Failed => {
                return (
                    "down",
                    vec![
                        format!("The last run, {run}, {verdict}{seen}.")
                            .replace(" killed", " was killed"),
                    ],
                );
            }
            _ => {}
        }
    }
    if !rows.iter().any(|row| row.counters.has_activity()) {
        return (
            "no_data",
            vec!["No requests and no items were logged.".to_owned()],
        );
    }
    if let Some(reasons) = of(Effect::Degraded) {
        return ("degraded", reasons);
    }
    // If no line names a run, judge all rows together.
    let judged = last.map_or(rows, std::slice::from_ref);
    if let Some(rate) = success_rate(judged).filter(|rate| *rate < 0.9) {
        let failed = (1.0 - rate) * 100.0;
        let whose = if last.is_some() {
            "the last run's"
        } else {
            "the"
        };
        return (
            "degraded",
            vec![format!("{failed:.0} % of {whose} requests failed.")],
        );
    }
    let told: u64 = judged.iter().map(|row| row.counters.requests_told).sum();
    if told >= ENOUGH_REQUESTS {
        let reason = format!("{told} requests failed; how the others ended was not logged.");
        return ("degraded", vec![reason]);
    }
    ("healthy", Vec::new())
}

/// All verdicts, those that need attention first.
pub const VERDICTS: [&str; 9] = [
    "down",
    "stalled",
    "missed",
    "blocked",
    "layout_changed",
    "silent_failure",
    "degraded",
    "no_data",
    "healthy",
];

/// A verdict's position in [`VERDICTS`].
pub fn rank(verdict: &str) -> usize {
    VERDICTS
        .iter()
        .position(|known| *known == verdict)
        .unwrap_or(VERDICTS.len())
}

/// Successful requests / requests; `None` if there are too few requests. A few are enough if none succeeded and nothing
/// was scraped: a site that refuses the first page gets no further requests.
fn success_rate(rows: &[&RunRow]) -> Option<f64> {
    let judged = |row: &&RunRow| {
        row.counters
            .requests
            .saturating_sub(row.counters.requests_unjudged)
    };
    let requests: u64 = rows.iter().map(judged).sum();
    let failed: u64 = rows.iter().map(|row| row.counters.requests_failed).sum();
    let items: u64 = rows.iter().map(|row| row.counters.items()).sum();
    let is_nothing = requests >= FEW_REQUESTS && failed >= requests && items == 0;
    (requests >= ENOUGH_REQUESTS || is_nothing).then(|| 1.0 - failed as f64 / requests as f64)
}
