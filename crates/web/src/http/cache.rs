//! Answers that many viewers share: each is made once per change, however many ask for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use dragline_schema::Timestamp;
use tokio::sync::Mutex as AsyncMutex;

use super::reply::Rendered;

/// Number of answers that are kept.
const MAX_ANSWERS: usize = 512;

/// After this time an answer is made anew even if nothing was announced: a silence may have ended.
const MAX_AGE_MICROS: i64 = 5_000_000;

/// An answer, and what it was made of.
pub(crate) struct Kept {
    rendered: Arc<Rendered>,
    /// The number of the latest change of its topics, read before it was made.
    change: u64,
    at: Timestamp,
}

/// A place for one answer. Who holds the lock makes it; the others wait.
pub(crate) type Slot = Arc<AsyncMutex<Option<Kept>>>;

/// The answers.
#[derive(Default)]
pub(crate) struct Cache {
    slots: Mutex<HashMap<String, Slot>>,
}

impl Cache {
    pub(crate) fn slot(&self, key: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_ANSWERS && !slots.contains_key(key) {
            // Those that nobody waits for can be made again.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(key.to_owned()).or_default().clone()
    }
}

impl Kept {
    pub(crate) fn new(rendered: Arc<Rendered>, change: u64, at: Timestamp) -> Self {
        Self {
            rendered,
            change,
            at,
        }
    }

    /// The answer, if nothing changed since.
    pub(crate) fn fresh(&self, change: u64, now: Timestamp) -> Option<Arc<Rendered>> {
        let age = now.since(self.at);
        let is_fresh = self.change == change && (0..MAX_AGE_MICROS).contains(&age);
        is_fresh.then(|| self.rendered.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Reply;

    #[test]
    fn an_answer_is_fresh_until_its_topics_change_or_it_is_old() {
        let at = Timestamp::from_seconds(1_000);
        let kept = Kept::new(
            Arc::new(Rendered::new(Reply::new("text/plain", "x"), false)),
            3,
            at,
        );
        assert!(kept.fresh(3, at.plus_micros(1_000_000)).is_some());
        assert!(kept.fresh(4, at).is_none());
        assert!(kept.fresh(3, at.plus_micros(MAX_AGE_MICROS)).is_none());
        assert!(kept.fresh(3, at.plus_micros(-1)).is_none());
    }

    #[test]
    fn the_number_of_answers_is_bounded() {
        let cache = Cache::default();
        let held = cache.slot("held");
        for number in 0..2 * MAX_ANSWERS {
            cache.slot(&number.to_string());
        }
        assert!(cache.slots.lock().unwrap().len() <= MAX_ANSWERS);
        assert!(Arc::ptr_eq(&held, &cache.slot("held")));
    }
}
