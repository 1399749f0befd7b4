//! One step of the state machine.

use std::mem;
use std::time::Duration;

use dragline_schema::{Severity, Timestamp};

use super::{
    AlertState, Episode, Finding, KEEP_RESOLVED, MISSED_EVALUATIONS, MISSED_FOR, NoDataPolicy,
    PENDING_SURVIVES, Phase, Policy, Reason, Transition,
};
use crate::duration::{after, elapsed};

/// What a finding means once the rule's policy is applied.
struct Judgement {
    is_true: bool,
    value: Option<f64>,
    severity: Severity,
    since: Option<Timestamp>,
    /// Why it is true or false.
    reason: Reason,
}

impl AlertState {
    /// Advances the alert by one evaluation at `now`, and returns what changed.
    ///
    /// An evaluation that is not later than the last one changes nothing.
    pub fn step(&mut self, finding: Finding, policy: &Policy, now: Timestamp) -> Vec<Transition> {
        if self.evaluated_at.is_some_and(|last| now <= last) {
            return Vec::new();
        }
        let mut changes = Vec::new();
        if finding == Finding::Missing {
            self.miss(now, &mut changes);
            return changes;
        }
        let is_open = self.phase.open_episode().is_some();
        let Some(judgement) = judge(finding, policy, is_open) else {
            return changes;
        };
        self.missed = 0;
        self.skip_gap(policy, now, &mut changes);
        self.forget(policy, now);
        self.advance(&judgement, policy, now, &mut changes);
        self.was_true = judgement.is_true;
        self.evaluated_at = Some(now);
        changes
    }

    /// Ends an open episode because its rule no longer exists.
    pub fn remove(&mut self, now: Timestamp) -> Vec<Transition> {
        let mut changes = Vec::new();
        self.resolve(now, Reason::RuleRemoved, None, &mut changes);
        changes
    }

    /// The series was not there, though its source delivered others.
    fn miss(&mut self, now: Timestamp, changes: &mut Vec<Transition>) {
        self.missed += 1;
        let has_just_gone = self
            .evaluated_at
            .is_some_and(|last| elapsed(now, last) < MISSED_FOR);
        if self.missed < MISSED_EVALUATIONS || has_just_gone {
            return;
        }
        if matches!(self.phase, Phase::Pending { .. }) {
            self.set(Phase::Inactive, now, Reason::MissingSeries, None, changes);
        }
        self.resolve(now, Reason::MissingSeries, None, changes);
    }

    /// Time that no evaluation covered does not count towards `for`.
    fn skip_gap(&mut self, policy: &Policy, now: Timestamp, changes: &mut Vec<Transition>) {
        let Some(last) = self.evaluated_at else {
            return;
        };
        let Phase::Pending { counted_from, .. } = &mut self.phase else {
            return;
        };
        let uncovered = elapsed(now, last).saturating_sub(policy.interval);
        if uncovered > PENDING_SURVIVES {
            self.set(Phase::Inactive, now, Reason::GapTooLong, None, changes);
        } else {
            *counted_from = after(*counted_from, uncovered);
        }
    }

    /// Forgets a resolved episode after a while, and transitions that no longer count.
    fn forget(&mut self, policy: &Policy, now: Timestamp) {
        if let Phase::Resolved { resolved_at, .. } = self.phase
            && elapsed(now, resolved_at) >= KEEP_RESOLVED
        {
            self.phase = Phase::Inactive;
        }
        let within = policy
            .flapping
            .map_or(Duration::ZERO, |flapping| flapping.within);
        self.flips.retain(|flip| elapsed(now, *flip) < within);
    }

    fn advance(
        &mut self,
        judgement: &Judgement,
        policy: &Policy,
        now: Timestamp,
        changes: &mut Vec<Transition>,
    ) {
        if self
            .phase
            .open_episode()
            .is_some_and(|episode| episode.flapping)
        {
            self.hold_flapping(judgement, policy, now, changes);
        } else if judgement.is_true {
            self.advance_true(judgement, policy, now, changes);
        } else {
            self.advance_false(judgement, policy, now, changes);
        }
    }

    fn advance_true(
        &mut self,
        judgement: &Judgement,
        policy: &Policy,
        now: Timestamp,
        changes: &mut Vec<Transition>,
    ) {
        if let Phase::Recovering { episode, .. } = &self.phase {
            let phase = Phase::Firing {
                episode: episode.clone(),
            };
            self.set(phase, now, judgement.reason, judgement.value, changes);
        }
        match &self.phase {
            Phase::Firing { .. } => self.update_episode(judgement, policy, now, changes),
            Phase::Pending { .. } => self.fire_when_held(judgement, policy, now, changes),
            _ => {
                let phase = Phase::Pending {
                    active_at: now,
                    counted_from: now,
                };
                self.set(phase, now, judgement.reason, judgement.value, changes);
                self.fire_when_held(judgement, policy, now, changes);
            }
        }
    }

    fn advance_false(
        &mut self,
        judgement: &Judgement,
        policy: &Policy,
        now: Timestamp,
        changes: &mut Vec<Transition>,
    ) {
        match &self.phase {
            Phase::Pending { .. } => {
                self.set(
                    Phase::Inactive,
                    now,
                    judgement.reason,
                    judgement.value,
                    changes,
                );
            }
            Phase::Firing { episode } if policy.keep_firing_for > Duration::ZERO => {
                let phase = Phase::Recovering {
                    episode: episode.clone(),
                    keep_since: now,
                };
                self.set(phase, now, judgement.reason, judgement.value, changes);
            }
            Phase::Firing { .. } => {
                self.resolve(now, judgement.reason, judgement.value, changes);
            }
            Phase::Recovering { keep_since, .. }
                if elapsed(now, *keep_since) >= policy.keep_firing_for =>
            {
                self.resolve(now, Reason::RecoveredLongEnough, judgement.value, changes);
            }
            _ => {}
        }
    }

    fn fire_when_held(
        &mut self,
        judgement: &Judgement,
        policy: &Policy,
        now: Timestamp,
        changes: &mut Vec<Transition>,
    ) {
        let Phase::Pending {
            active_at,
            counted_from,
        } = self.phase
        else {
            return;
        };
        if elapsed(now, counted_from) < policy.hold {
            return;
        }
        self.flips.push(now);
        let flapping = policy
            .flapping
            .is_some_and(|flapping| self.flips.len() >= flapping.transitions);
        let episode = Episode {
            began: judgement
                .since
                .map_or(active_at, |since| since.min(active_at)),
            fired_at: now,
            severity: judgement.severity,
            value: judgement.value,
            worst: judgement.value,
            flapping,
        };
        let reason = if flapping {
            Reason::Flapping
        } else {
            Reason::HeldLongEnough
        };
        self.set(
            Phase::Firing { episode },
            now,
            reason,
            judgement.value,
            changes,
        );
    }

    /// Keeps the value of an open episode current. Its severity only rises.
    fn update_episode(
        &mut self,
        judgement: &Judgement,
        policy: &Policy,
        now: Timestamp,
        changes: &mut Vec<Transition>,
    ) {
        let Phase::Firing { episode } = &mut self.phase else {
            return;
        };
        episode.value = judgement.value.or(episode.value);
        let is_worse = |value: &f64| {
            let held = episode.worst;
            held.is_none_or(|held| {
                if policy.lower_is_worse {
                    *value < held
                } else {
                    *value > held
                }
            })
        };
        episode.worst = judgement.value.filter(is_worse).or(episode.worst);
        if judgement.severity > episode.severity {
            episode.severity = judgement.severity;
            let phase = self.phase.clone();
            self.set(phase, now, Reason::SeverityRaised, judgement.value, changes);
        }
    }

    /// A flapping alert counts as firing until its condition holds still for the whole window.
    fn hold_flapping(
        &mut self,
        judgement: &Judgement,
        policy: &Policy,
        now: Timestamp,
        changes: &mut Vec<Transition>,
    ) {
        let transitions = policy.flapping.unwrap_or_default().transitions;
        if judgement.is_true {
            self.update_episode(judgement, policy, now, changes);
        }
        if judgement.is_true != self.was_true {
            self.flips.push(now);
        }
        // `forget` dropped everything older than the window.
        if policy.flapping.is_some() && !self.flips.is_empty() {
            let surplus = self.flips.len().saturating_sub(transitions);
            self.flips.drain(..surplus);
            return;
        }
        if let Phase::Firing { episode } = &mut self.phase {
            episode.flapping = false;
        }
        if judgement.is_true {
            let phase = self.phase.clone();
            self.set(phase, now, Reason::Stable, judgement.value, changes);
        } else {
            self.resolve(now, Reason::Stable, judgement.value, changes);
        }
        // One more transition within the window, and it flaps again.
        self.flips = vec![now; transitions.saturating_sub(1)];
    }

    fn resolve(
        &mut self,
        now: Timestamp,
        reason: Reason,
        value: Option<f64>,
        changes: &mut Vec<Transition>,
    ) {
        let Some(mut episode) = self.phase.open_episode().cloned() else {
            return;
        };
        episode.flapping = false;
        self.flips.push(now);
        let phase = Phase::Resolved {
            episode,
            resolved_at: now,
            reason,
        };
        self.set(phase, now, reason, value, changes);
    }

    fn set(
        &mut self,
        phase: Phase,
        at: Timestamp,
        reason: Reason,
        value: Option<f64>,
        changes: &mut Vec<Transition>,
    ) {
        let before = mem::replace(&mut self.phase, phase);
        let episode = match &self.phase {
            Phase::Resolved { episode, .. } => Some(episode.clone()),
            phase => phase.open_episode().cloned(),
        };
        changes.push(Transition {
            at,
            from: before.name(),
            to: self.phase.name(),
            reason,
            value,
            episode,
        });
    }
}

/// What a finding means under a policy; `None` when it changes nothing.
fn judge(finding: Finding, policy: &Policy, is_open: bool) -> Option<Judgement> {
    let judgement = |is_true, value, reason| Judgement {
        is_true,
        value,
        severity: policy.severity,
        since: None,
        reason,
    };
    Some(match finding {
        Finding::Met {
            value,
            severity,
            since,
        } => Judgement {
            severity,
            since,
            ..judgement(true, Some(value), Reason::ConditionTrue)
        },
        // It has not cleared yet: what fires goes on, what does not fire does not begin.
        Finding::Held { value } if is_open => judgement(true, Some(value), Reason::ConditionTrue),
        Finding::Held { value } | Finding::Unmet { value } => {
            judgement(false, Some(value), Reason::ConditionFalse)
        }
        Finding::NoData => match policy.no_data {
            NoDataPolicy::KeepLast | NoDataPolicy::NoData => return None,
            NoDataPolicy::Ok => judgement(false, None, Reason::NoDataOk),
            NoDataPolicy::Alerting => judgement(true, None, Reason::NoData),
        },
        Finding::Missing => return None,
    })
}
