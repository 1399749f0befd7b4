//! Muted errors, which are counted but not shown.

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{self, Group};

/// A known error group that is muted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Group id (16 hexadecimal digits) or a prefix of it.
    pub group: String,
    /// End of the mute; `None` if permanent.
    pub until: Option<Timestamp>,
    /// Reason.
    pub reason: String,
}

/// Marks the groups that are muted at the end of the period.
pub(super) fn mark(groups: &mut [Group], mutes: &[Mute], end: Option<Timestamp>) {
    for mute in mutes {
        let is_over = mute.until.zip(end).is_some_and(|(until, end)| end > until);
        if is_over {
            continue;
        }
        let own = groups
            .iter_mut()
            .filter(|group| group.id.starts_with(&mute.group));
        for group in own {
            group.mute = Some(model::Mute {
                reason: mute.reason.clone(),
                until: mute.until.map(|until| until.to_string()),
            });
        }
    }
}

/// Returns a sentence for each muted group that occurred, and for each mute that matches no group.
pub(super) fn notes(groups: &[Group], mutes: &[Mute]) -> Vec<String> {
    let is_idle = |mute: &&Mute| {
        let mut ids = groups.iter().map(|group| &group.id);
        !ids.any(|id| id.starts_with(&mute.group))
    };
    let idle = mutes.iter().filter(is_idle);
    let idle = idle.map(|mute| format!("No errors in the muted group {}.", mute.group));
    let notes = groups.iter().filter_map(|group| {
        let mute = group.mute.as_ref()?;
        let until = mute.until.as_ref();
        let until = until.map_or_else(String::new, |until| format!(" until {until}"));
        let s = if group.count == 1 { "" } else { "s" };
        Some(format!(
            "{} error{s} of group {} muted{until} (counted, not shown): {}.",
            group.count,
            group.id,
            mute.reason.trim_end_matches('.')
        ))
    });
    notes.chain(idle).collect()
}
