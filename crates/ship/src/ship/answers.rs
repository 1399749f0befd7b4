//! What the service says, and what the sender does then.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use dragline_ingest::Text;
use dragline_schema::Timestamp;

use super::{Pending, Ship, Step};
use crate::names::seen_at;
use crate::options::ShipError;
use crate::queue::Waiting;
use crate::state::Known;
use crate::transport::{Held, Outcome, Refusal, Transport};

/// Smallest batch that is tried when a service takes only small ones.
const SMALLEST: usize = 16 << 10;
/// Time between two sentences about the same trouble.
const REMIND: i64 = 600_000_000;
/// Pause after the service refused something that only its operator can change.
const REFUSED: Duration = Duration::from_mins(1);
/// A service that did not answer for this long may have been restored from a backup.
const AWAY: i64 = 5_000_000;
/// `--once` ends after this time without an answer.
const PATIENCE: i64 = 60_000_000;

impl<T: Transport> Ship<T> {
    /// Asks the service what it has: at the start, because the state may be lost or old, and after it was away, because
    /// it may have been restored from a backup.
    pub(super) fn ask(&mut self, now: Timestamp) -> Result<Step, ShipError> {
        match self.transport.held(&self.options.host) {
            Ok(held) => {
                self.must_ask = false;
                self.hear(now);
                if std::mem::take(&mut self.is_lost) {
                    self.recover(held);
                } else {
                    self.compare(&held);
                }
                Ok(Step::Again)
            }
            Err(outcome) => {
                let pending = self.pending.take();
                let step = self.answered((self.sign_of_life(), None), outcome, now);
                self.pending = pending;
                step
            }
        }
    }

    /// Goes on with what the service has.
    fn recover(&mut self, held: Vec<Held>) {
        let numbers = self.files.recover(held.iter().map(|held| held.signature));
        for (number, held) in numbers.into_iter().zip(held) {
            // The clock may have been set back since.
            let seen = seen_at(&held.file).map_or(0, Timestamp::as_micros);
            self.state.stamp = self.state.stamp.max(seen);
            let known = Known {
                path: PathBuf::from(&held.file),
                file: held.file,
                is_given_up: false,
                lost: None,
            };
            self.state.texts.insert(number, known);
        }
    }

    /// Takes back what the service does not have any more, and notes what it has although its answer was lost.
    fn compare(&mut self, held: &[Held]) {
        let lengths: BTreeMap<&str, u64> = held
            .iter()
            .map(|held| (held.file.as_str(), held.signature.length))
            .collect();
        let mut again = 0;
        for (number, known) in &self.state.texts {
            let held = lengths
                .get(known.file.as_str())
                .copied()
                .unwrap_or_default();
            if let Some((base, taken)) = self.files.taken(*number)
                && held != taken - base
            {
                self.files.take(*number, base + held);
                self.queue.take(*number, base + held);
                again += u32::from(held < taken - base);
                self.is_dirty = true;
            }
        }
        if again > 0 {
            // A batch that waits may lie behind what is missing.
            self.pending = None;
            (self.is_dirty, self.looked_at) = (true, None);
            self.said.push(format!(
                "{} lacks parts of {again} files that it had: sending them again",
                self.options.to
            ));
        }
    }

    /// Acts on what became of a batch.
    pub(super) fn answered(
        &mut self,
        pending: Pending,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Step, ShipError> {
        let (batch, text) = &pending;
        match (outcome, text) {
            (Outcome::Taken { next_offset }, text) => {
                self.hear(now);
                if let Some(text) = text {
                    self.sent_at = Some(now);
                    self.counts.sent += batch.length;
                    self.take(text, next_offset, batch.offset + batch.length);
                }
                Ok(Step::Again)
            }
            (Outcome::Gap { next_offset }, Some(text)) if next_offset < batch.offset => {
                self.hear(now);
                self.said.push(format!(
                    "{} lacks bytes of {} that it had: sending them again, from byte {next_offset} on",
                    self.options.to,
                    text.path.display()
                ));
                self.take(text, next_offset, batch.offset);
                Ok(Step::Again)
            }
            (Outcome::Gap { .. }, _) => {
                let why = "its answer contradicts itself".to_owned();
                self.unreachable(pending, &why, None, now)
            }
            (Outcome::Unreachable(why), _) => self.unreachable(pending, &why, None, now),
            (Outcome::Refused(refusal), _) => self.refused(pending, refusal, now),
        }
    }

    /// The service has a text up to `next`; `end` is as far as it can have it.
    fn take(&mut self, text: &Text, next: u64, end: u64) {
        self.is_dirty = true;
        let now = self.queue.get(text.number).unwrap_or(text);
        let end = if now.is_packed {
            u64::MAX
        } else {
            end.max(now.end - now.base)
        };
        if next > end {
            self.give_up(text.number, "the service has more of it than there is");
        }
        self.files.take(text.number, text.base + next);
        self.queue.take(text.number, text.base + next);
    }

    fn give_up(&mut self, number: u64, why: &str) {
        if let Some(known) = self.state.texts.get_mut(&number) {
            known.is_given_up = true;
            self.said.push(format!(
                "{} is not sent any further: {why}",
                known.path.display()
            ));
        }
        self.queue.leave(number);
        self.is_dirty = true;
    }

    /// The service answered.
    fn hear(&mut self, now: Timestamp) {
        if self.backoff.failures() > 0 && self.said_at.remove("link").is_some() {
            self.said.push(format!("{} answers again", self.options.to));
        }
        let was_away =
            self.backoff.failures() > 0 && self.heard_at.is_some_and(|at| now.since(at) >= AWAY);
        self.must_ask |= was_away;
        self.backoff.reset();
        self.heard_at = Some(now);
    }

    fn unreachable(
        &mut self,
        pending: Pending,
        why: &str,
        asked: Option<Duration>,
        now: Timestamp,
    ) -> Result<Step, ShipError> {
        self.pending = Some(pending);
        let heard = self.heard_at.or(self.started_at).unwrap_or(now);
        if self.options.is_once && now.since(heard) >= PATIENCE {
            let Waiting { files, bytes } = self.queue.waiting();
            return Err(ShipError::Unreachable {
                to: self.options.to.clone(),
                why: why.to_owned(),
                files,
                bytes,
            });
        }
        let pause = self.backoff.fail(asked);
        if self.is_due_to_say("link", now) {
            let sentence = format!(
                "{} does not answer: {why}; what is not sent yet waits in the logs",
                self.options.to
            );
            self.said.push(sentence);
        }
        self.wait_for(pause, now)
    }

    fn refused(
        &mut self,
        (batch, text): Pending,
        refusal: Refusal,
        now: Timestamp,
    ) -> Result<Step, ShipError> {
        let Refusal {
            status,
            detail,
            retry_after,
        } = refusal;
        match (status, &text) {
            (408 | 425 | 429 | 500..=599, _) => {
                let why = format!("{status}, {detail}");
                return self.unreachable((batch, text), &why, retry_after, now);
            }
            (409, Some(text)) => {
                self.hear(now);
                self.give_up(text.number, &detail);
                return Ok(Step::Again);
            }
            (413, Some(_)) if self.limit > SMALLEST => {
                // The batch is read again, a part of it.
                self.limit = (self.limit / 2).max(SMALLEST);
                if self.is_due_to_say("size", now) {
                    self.said.push(format!(
                        "{} does not take {} bytes at once: sending less; ingest_bytes in [web] of its configuration \
                         allows more",
                        self.options.to, batch.body.len()
                    ));
                }
                return Ok(Step::Again);
            }
            _ => {}
        }
        let error = ShipError::Refused {
            to: self.options.to.clone(),
            status,
            detail,
            remedy: remedy(status),
        };
        if self.heard_at.is_none() || self.options.is_once {
            return Err(error);
        }
        self.pending = Some((batch, text));
        // It worked before: somebody changes something there, and may change it back.
        if self.is_due_to_say("refusal", now) {
            self.said
                .push(format!("{error}; trying again every minute"));
        }
        self.wait_for(retry_after.unwrap_or_default().max(REFUSED), now)
    }

    fn is_due_to_say(&mut self, what: &'static str, now: Timestamp) -> bool {
        let said = self.said_at.get(what);
        let is_due = said.is_none_or(|at| now.since(*at) >= REMIND);
        if is_due {
            self.said_at.insert(what, now);
        }
        is_due
    }
}

/// What to do about a refusal.
fn remedy(status: u16) -> &'static str {
    match status {
        401 => {
            "; give a token with the role ship in --token-file or DRAGLINE_TOKEN (dragline token)"
        }
        403 => "; the token needs the role ship",
        404 | 405 => "; is it the address of dragline serve, with its base path?",
        413 => "; raise ingest_bytes in [web] of its configuration",
        _ => "",
    }
}
