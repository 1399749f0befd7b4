//! What happened to several scrapers at once.
//!
//! Each is told for itself, as each has its own numbers; but that they have most likely one cause is
//! said, too, and people are shown them as one.

use dragline_schema::Timestamp;

use super::series::MINUTE;
use crate::model::Insight;

/// So far apart may onsets be that belong together, in microseconds.
const APART: i64 = 30 * MINUTE;

/// Of so many others the ids are named.
const MAX_NAMED: usize = 100;

/// What is told of several scrapers already.
const TOLD_TOGETHER: [&str; 2] = ["new_error", "regressed_error"];

/// Notes for each insight which others are of its kind, its metric and its time.
pub(super) fn relate(insights: &mut [Insight]) {
    let mut timed: Vec<((String, Option<String>), i64, usize)> = insights
        .iter()
        .enumerate()
        .filter(|(_, insight)| !TOLD_TOGETHER.contains(&&*insight.kind))
        .filter_map(|(place, insight)| {
            let since = Timestamp::parse(insight.since.as_ref()?).ok()?;
            let what = (insight.kind.clone(), insight.metric.clone());
            Some((what, since.as_micros(), place))
        })
        .collect();
    timed.sort();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut began: Option<(&(String, Option<String>), i64)> = None;
    for (what, since, place) in &timed {
        let is_same = began.is_some_and(|(first, at)| first == what && since - at <= APART);
        if let Some(group) = groups.last_mut().filter(|_| is_same) {
            group.push(*place);
        } else {
            began = Some((what, *since));
            groups.push(vec![*place]);
        }
    }
    for group in groups {
        for place in &group {
            let own = (&insights[*place].scraper_id, &insights[*place].site);
            let others = group.iter().map(|other| &insights[*other]);
            // Two of one scraper are two incidents.
            let others = others.filter(|other| (&other.scraper_id, &other.site) != own);
            let ids = others.map(|other| other.id.clone()).take(MAX_NAMED);
            let mut ids: Vec<String> = ids.collect();
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
        assert_eq!(related, ["b", "a", "", "", "", ""]);
    }
}
