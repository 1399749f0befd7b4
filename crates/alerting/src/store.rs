//! Everything that is stored between two runs, as one JSON object.

use std::collections::BTreeMap;

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::pairs;
use crate::history::History;
use crate::notify::{NotifyState, Silence};
use crate::watch::{Change, WatchState};
use crate::{Labels, Observation};

/// The name and version of the format.
pub const STORE_SCHEMA: &str = "dragline.alerts/1";

/// The state of the watch, what was sent, and the history. They belong together: stored in one piece, none can be
/// newer than the others.
///
/// ```
/// use dragline_alerting::store::AlertStore;
///
/// let store = AlertStore::default();
/// let read = AlertStore::from_json(&store.to_json()).unwrap();
/// assert_eq!(read, store);
/// assert!(AlertStore::from_json("{\"schema\":\"dragline.alerts/9\"}").unwrap_err().contains("dragline.alerts/9"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertStore {
    /// [`STORE_SCHEMA`].
    schema: String,
    /// The states of the alerts.
    pub watch: WatchState,
    /// Those of some earlier rounds of the last day, oldest first: what comes late is judged from the one before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<WatchState>,
    /// The time of the newest event of each scraper in the last round.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub newest: BTreeMap<String, Timestamp>,
    /// When the last runs of each scraper started, by its labels, in microseconds since 1970, oldest first: logs may not be kept
    /// for long enough to teach a schedule.
    #[serde(default, with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub starts: BTreeMap<Labels, Vec<i64>>,
    /// The last round that could read the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// The results of the last round's health checks: they are valid until the next ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checked: Vec<Observation>,
    /// What was sent to whom.
    pub notices: NotifyState,
    /// What happened.
    pub history: History,
    /// Silences that were not set in the configuration.
    #[serde(default)]
    pub silences: Vec<Silence>,
}

impl Default for AlertStore {
    fn default() -> Self {
        Self {
            schema: STORE_SCHEMA.to_owned(),
            watch: WatchState::default(),
            earlier: Vec::new(),
            newest: BTreeMap::new(),
            starts: BTreeMap::new(),
            read_at: None,
            checked: Vec::new(),
            notices: NotifyState::default(),
            history: History::default(),
            silences: Vec::new(),
        }
    }
}

impl AlertStore {
    /// Reads what [`AlertStore::to_json`] wrote.
    ///
    /// # Errors
    /// When the text is of another version, or damaged. To start anew would send every notice again, so the caller
    /// should stop and say so.
    pub fn from_json(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            schema: String,
        }
        let version: Version = serde_json::from_str(text)
            .map_err(|error| format!("this is no stored state of alerts: {error}"))?;
        if version.schema != STORE_SCHEMA {
            return Err(format!(
                "the stored state has the format {:?}; this version reads {STORE_SCHEMA:?}",
                version.schema
            ));
        }
        serde_json::from_str(text)
            .map_err(|error| format!("the stored state of alerts is damaged: {error}"))
    }

    /// Takes back what was judged and sent at times that have not come by `now`: the clock was ahead, and everything would
    /// wait until then. Returns the ends of the alerts that fired in those times. What remains is judged again from an
    /// [earlier](Self::earlier) state.
    pub fn set_back(&mut self, now: Timestamp) -> Vec<Change> {
        let firing = self.notices.firing().map(|(alert, _)| alert);
        let wrong = firing.filter(|alert| alert.fired_at > now);
        let ends: Vec<Change> = wrong.map(|alert| Change::end(alert, None, now)).collect();
        self.watch.set_back(now);
        self.notices.record(&ends, now);
        self.notices.set_back(now);
        self.history.record_changes(&ends);
        for time in self.newest.values_mut().chain(&mut self.read_at) {
            *time = now.min(*time);
        }
        for observation in &mut self.checked {
            observation.time = now.min(observation.time);
        }
        ends
    }

    /// As JSON.
    ///
    /// # Panics
    /// Never: maps whose keys are no texts are stored as lists.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("every key is a text, so JSON can hold it")
    }
}
