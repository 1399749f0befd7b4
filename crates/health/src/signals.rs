//! What a caller knows already and passes in.

use std::collections::BTreeMap;

use dragline_schema::Timestamp;

use crate::plan::Traffic;

/// Requests and signs of life of scrapers, as the caller has read them from logs.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Requests by site: a site that scrapers ask anyway is judged by them.
    pub traffic: Traffic,
    /// Time of the last event of each scraper.
    pub last_event: BTreeMap<String, Timestamp>,
    /// End of the last successful run of each scraper.
    pub last_run: BTreeMap<String, Timestamp>,
}
