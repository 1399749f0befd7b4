//! Links findings that affect several scrapers at once.
//!
//! Each scraper keeps its own finding because each has its own figures. The links say that the findings
//! most likely have one cause, so that reports can show them as one.

use crate::finding::Finding;
use crate::kind::InsightKind;
use crate::series::MINUTE;

/// Maximum distance of related onsets, in microseconds.
const APART: i64 = 30 * MINUTE;

/// Maximum number of related ids per finding.
const MAX_NAMED: usize = 100;

/// A kind, and the metric that deviated.
type What = (InsightKind, Option<String>);

/// Stores in each finding the ids of others with the same kind, metric and time.
pub(super) fn relate(insights: &mut [Finding]) {
    let mut timed: Vec<(What, i64, usize)> = insights
        .iter()
        .enumerate()
        .filter(|(_, insight)| !insight.kind.is_shared())
        .filter_map(|(place, insight)| {
            let since = insight.since?;
            let what = (insight.kind, insight.metric.clone());
            Some((what, since.as_micros(), place))
        })
        .collect();
    timed.sort();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut began: Option<(&What, i64)> = None;
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
            let own = &insights[*place].scraper;
            let others = group.iter().map(|other| &insights[*other]);
            // Two findings of one scraper are separate incidents.
            let others = others.filter(|other| other.scraper != *own);
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
    use crate::finding::ScraperKey;
    use dragline_schema::Timestamp;

    #[test]
    fn one_kind_at_one_time_belongs_together() {
        let insight = |id: &str, kind: InsightKind, scraper: &str, since: &str| Finding {
            id: id.to_owned(),
            scraper: ScraperKey {
                scraper_id: Some(scraper.to_owned()),
                site: None,
            },
            since: Timestamp::parse(&format!("2026-03-04T{since}:00Z")).ok(),
            ..Finding::of(kind)
        };
        let mut all = [
            insight("a", InsightKind::ErrorWave, "shop", "10:00"),
            insight("b", InsightKind::ErrorWave, "news", "10:20"),
            insight("c", InsightKind::BlockWave, "news", "10:20"),
            insight("d", InsightKind::ErrorWave, "jobs", "10:45"),
            insight("e", InsightKind::ErrorWave, "flats", "12:00"),
            insight("f", InsightKind::ErrorWave, "flats", "12:10"),
        ];
        relate(&mut all);
        let related: Vec<String> = all
            .iter()
            .map(|insight| insight.related.join(" "))
            .collect();
        assert_eq!(related, ["b", "a", "", "", "", ""]);
    }
}
