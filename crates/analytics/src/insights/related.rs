//! What happened to several scrapers at once.
//!
//! Each is told for itself, as each has its own numbers; but that they have most likely one cause is
//! said, too, and people are shown them as one.

use dragline_schema::Timestamp;

use super::series::MINUTE;
use crate::model::Insight;

/// So far apart may onsets be that belong together, in microseconds.
const APART: i64 = 30 * MINUTE;

/// Notes for each insight which others are of its kind and its time.
pub(super) fn relate(insights: &mut [Insight]) {
    let mut timed: Vec<(String, i64, usize)> = insights
        .iter()
        .enumerate()
        .filter_map(|(place, insight)| {
            let since = Timestamp::parse(insight.since.as_ref()?).ok()?;
            Some((insight.kind.clone(), since.as_micros(), place))
        })
        .collect();
    timed.sort();
    let is_next =
        |a: &(String, i64, usize), b: &(String, i64, usize)| a.0 == b.0 && b.1 - a.1 <= APART;
    let groups: Vec<Vec<usize>> = timed
        .chunk_by(is_next)
        .map(|group| group.iter().map(|(.., place)| *place).collect())
        .collect();
    for group in groups {
        for place in &group {
            let own = (&insights[*place].scraper_id, &insights[*place].site);
            let others = group.iter().map(|other| &insights[*other]);
            // Two of one scraper are two incidents.
            let others = others.filter(|other| (&other.scraper_id, &other.site) != own);
            let mut ids: Vec<String> = others.map(|other| other.id.clone()).collect();
            ids.sort();
            insights[*place].related = ids;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_at_one_time_belongs_together() {
        let insight = |id: &str, kind: &str, scraper: &str, since: &str| Insight {
            id: id.to_owned(),
            kind: kind.to_owned(),
            scraper_id: Some(scraper.to_owned()),
            since: Some(format!("2026-03-04T{since}:00Z")),
            ..Insight::default()
        };
        let mut all = [
            insight("a", "error_wave", "shop", "10:00"),
            insight("b", "error_wave", "news", "10:20"),
            insight("c", "block_wave", "news", "10:20"),
            insight("d", "error_wave", "jobs", "10:45"),
            insight("e", "error_wave", "flats", "12:00"),
            insight("f", "error_wave", "flats", "12:10"),
        ];
        relate(&mut all);
        let related: Vec<String> = all
            .iter()
            .map(|insight| insight.related.join(" "))
            .collect();
        assert_eq!(related, ["b d", "a d", "", "a b", "", ""]);
    }
}
