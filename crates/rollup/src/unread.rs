//! Messages that told the reader nothing, by their form.

use serde::{Deserialize, Serialize};

use crate::bounded::{Add, Bounded};
use crate::evidence::Evidence;
use dragline_schema::{Unread, clip};

/// Maximum number of forms kept.
pub(crate) const MAX_FORMS: usize = 512;
/// Maximum length of a sample, in bytes.
const LONGEST_SAMPLE: usize = 600;

/// The messages of one form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnreadForm {
    /// Number of lines; an estimate for messages without a URL, of which only some are examined.
    pub lines: u64,
    /// Number of lines with a URL.
    pub with_url: u64,
    /// The message with the smallest position.
    pub sample: Option<(Evidence, String)>,
}

impl UnreadForm {
    pub(crate) fn observe(&mut self, unread: Unread, message: &str, evidence: Evidence) {
        self.lines += u64::from(unread.lines);
        self.with_url += u64::from(unread.url.is_some());
        if self
            .sample
            .as_ref()
            .is_none_or(|(held, _)| evidence < *held)
        {
            self.sample = Some((evidence, clip(message, LONGEST_SAMPLE).to_owned()));
        }
    }
}

impl Add for UnreadForm {
    fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.with_url += other.with_url;
        self.sample = match (self.sample.take(), other.sample) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
    }
}

/// The forms, the most frequent first.
pub(crate) fn by_frequency(forms: Bounded<u64, UnreadForm>) -> Vec<UnreadForm> {
    let mut forms: Vec<UnreadForm> = forms.into_kept().map(|(_, form)| form).collect();
    forms.sort_by(|a, b| (b.lines, &a.sample).cmp(&(a.lines, &b.sample)));
    forms
}
