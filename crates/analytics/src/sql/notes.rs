//! What a result does not show by itself: numbers that have no rows, and filters that do not apply.

use dragline_rollup::{Counters, Finished};
use dragline_scan::Filter;

use super::finished::ignored;

type Read = fn(&Counters) -> u64;

/// Tables of events that a log may contain as totals only, and the counter with these totals.
const AS_TOTALS: [(&str, Read); 2] = [("requests", |c| c.requests), ("items", Counters::items)];

/// Notes about tables of events that have fewer rows than the runs count. `rows` are the tables with their
/// numbers of rows.
pub(super) fn totals(
    rows: &[(&'static str, u64)],
    finished: &Finished,
    filter: &Filter,
) -> Vec<String> {
    let is_part = filter.since.is_some() || filter.until.is_some() || filter.level.is_some();
    let runs = || {
        finished
            .runs
            .iter()
            .filter(|run| filter.takes_run(&run.key))
    };
    let note = |(table, rows): &(&'static str, u64)| {
        let (_, read) = AS_TOTALS.iter().find(|(known, _)| known == table)?;
        let counted: u64 = runs().map(|run| read(&run.counters)).sum();
        // A part of the rows says nothing about all of them.
        let is_short = counted > *rows && (!is_part || *rows == 0);
        let s = if *rows == 1 { "" } else { "s" };
        is_short.then(|| {
            format!(
                "`{table}` has {rows} row{s}, but the runs count {counted} {table}: the logs contain totals and not a \
                 line for each; the tables `runs`, `daily` and `hourly` have these numbers"
            )
        })
    };
    rows.iter().filter_map(note).collect()
}

/// Notes about filters that do not apply to tables of counters.
pub(super) fn filters<'t>(tables: impl Iterator<Item = &'t str>, filter: &Filter) -> Vec<String> {
    let note = |table: &str| {
        let options = ignored(table, filter);
        let verb = if options.len() == 1 { "does" } else { "do" };
        (!options.is_empty()).then(|| {
            let options = options.join(" and ");
            format!(
                "{options} {verb} not apply to `{table}`, which covers everything that was read"
            )
        })
    };
    tables.filter_map(note).collect()
}

#[cfg(test)]
mod tests {
    use dragline_schema::Timestamp;

    use super::*;

    #[test]
    fn a_filter_that_does_not_apply_is_named() {
        let filter = Filter {
            since: Some(Timestamp::from_seconds(0)),
            scraper: Some("shop".to_owned()),
            ..Filter::default()
        };
        assert_eq!(
            filters(["runs", "files"].into_iter(), &filter),
            [
                "--since does not apply to `runs`, which covers everything that was read",
                "--since and --scraper do not apply to `files`, which covers everything that was read",
            ]
        );
    }
}
