//! Known errors that are counted and not shown.

use dragline_schema::Timestamp;

use crate::model::{self, Group};

/// A group of errors that somebody knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mute {
    /// The group's id, 16 hexadecimal digits, or the beginning of it.
    pub group: String,
    /// Until when; for good when absent.
    pub until: Option<Timestamp>,
    /// Why.
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

/// A sentence for each group that is muted and came, and for each mute that no group has.
pub(super) fn notes(groups: &[Group], mutes: &[Mute]) -> Vec<String> {
    let is_idle = |mute: &&Mute| {
        let mut ids = groups.iter().map(|group| &group.id);
        !ids.any(|id| id.starts_with(&mute.group))
    };
    let idle = mutes.iter().filter(is_idle);
    let idle = idle.map(|mute| format!("No error is of the muted group {}.", mute.group));
    let notes = groups.iter().filter_map(|group| {
        let mute = group.mute.as_ref()?;
        let until = mute.until.as_ref();
        let until = until.map_or_else(String::new, |until| format!(" until {until}"));
        let s = if group.count == 1 { "" } else { "s" };
        Some(format!(
            "{} error{s} of group {} are counted and not shown{until}: {}.",
            group.count,
            group.id,
            mute.reason.trim_end_matches('.')
        ))
    });
    notes.chain(idle).collect()
}
