//! Notes on messages in which no request, item or error was recognised.

use dragline_classifier::mask;
use dragline_rollup::{Finished, UnreadForm};

/// Maximum number of forms that a note names.
const NAMED: usize = 3;
/// Minimum number of lines, and minimum share of all comparable lines in percent, to be named.
const LEAST_LINES: u64 = 20;
const LEAST_SHARE: u64 = 10;

/// Names the most frequent messages that told nothing, where they may hide requests or items.
pub(super) fn notes(finished: &Finished) -> Vec<String> {
    let with_url: u64 = finished.unread.iter().map(|form| form.with_url).sum();
    let sum = |count: &dyn Fn(&dragline_rollup::Counters) -> u64| -> u64 {
        finished.runs.iter().map(|run| count(&run.counters)).sum()
    };
    let requests = sum(&|counters| counters.requests);
    let items = sum(&|counters| counters.items());
    let all = with_url + requests + items;
    let mut notes = Vec::new();
    if with_url >= LEAST_LINES && with_url * 100 >= all * LEAST_SHARE {
        let forms = finished.unread.iter().filter(|form| form.with_url > 0);
        let named = named(forms, with_url);
        notes.push(format!(
            "{with_url} lines with a URL tell neither a request nor an item, most often {named}. If they should \
             count, describe them in [[map.events]]: `dragline map suggest` prints the entries."
        ));
    }
    let lines: u64 = finished.dialects.values().sum();
    let missing = match (requests, items) {
        (0, 0) => "requests or items",
        (0, _) => "requests",
        (_, 0) => "items",
        _ => return notes,
    };
    let without: u64 = finished
        .unread
        .iter()
        .map(|form| form.lines - form.with_url)
        .sum();
    if without >= LEAST_LINES && without * 100 >= lines * LEAST_SHARE {
        let forms = finished
            .unread
            .iter()
            .filter(|form| form.lines > form.with_url);
        let named = named(forms, without);
        notes.push(format!(
            "No {missing} were recognised in the logs. About {without} messages tell nothing known, most often \
             {named}. If they should count, describe them in [[map.events]]: `dragline map suggest` prints the entries."
        ));
    }
    notes
}

/// The most frequent forms, with the number of lines and the place of the first.
fn named<'f>(forms: impl Iterator<Item = &'f UnreadForm>, of: u64) -> String {
    let often = forms.filter(|form| form.lines * 50 >= of).take(NAMED);
    let named = often.filter_map(|form| {
        let (at, sample) = form.sample.as_ref()?;
        let template = mask(sample);
        Some(format!(
            "\"{template}\" ({}; {}:{})",
            form.lines, at.path, at.line
        ))
    });
    named.collect::<Vec<_>>().join(", ")
}
