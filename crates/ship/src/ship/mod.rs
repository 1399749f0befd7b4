//! The sender: looks, sends, is answered, remembers.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dragline_ingest::{Looked, Text, TextFollower, Watch};
use dragline_schema::Timestamp;

use crate::backoff::Backoff;
use crate::names::name_of;
use crate::options::{Options, ShipError};
use crate::queue::{Queue, Waiting};
use crate::state::{Known, State};
use crate::transport::{Batch, Transport};

/// Largest batch before compression, in bytes.
const BATCH: usize = 2 << 20;
/// Time between two looks at the files while lines come, and otherwise.
const LOOKS: [i64; 2] = [250_000, 1_000_000];
/// For this long after the last batch, files are looked at often.
const LIVELY: i64 = 10_000_000;
/// Longest time that an answer is only in memory.
const SAVE: i64 = 1_000_000;
/// A deleted file may come back as an archive for this long.
const GRACE: i64 = 60_000_000;

/// What to do after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more to do.
    Again,
    /// Nothing to do for this long.
    Wait(Duration),
    /// Everything is sent. Only with [`Options::is_once`].
    Done,
}

/// What was done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes that the service has taken, before compression.
    pub sent: u64,
    /// Files that were deleted before they were sent.
    pub lost_files: u64,
    /// Bytes of them that were seen.
    pub lost_bytes: u64,
}

/// A batch that was not answered yet, with its text; a sign of life has none.
type Pending = (Batch, Option<Text>);

/// Sends logs.
///
/// [`Ship::step`] does one thing and says when to call it again; time is passed in. What people should read is in
/// [`Ship::said`].
#[derive(Debug)]
pub struct Ship<T> {
    options: Options,
    transport: T,
    files: TextFollower,
    state: State,
    /// Whether nobody here knows what the service has.
    is_lost: bool,
    /// Whether the service has to say what it has before anything else is sent.
    must_ask: bool,
    queue: Queue,
    /// The batch that was not answered yet, and its text.
    pending: Option<Pending>,
    limit: usize,
    backoff: Backoff,
    wait_until: Option<Timestamp>,
    looked_at: Option<Timestamp>,
    /// When the service last answered, and last took bytes.
    heard_at: Option<Timestamp>,
    sent_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    saved_at: Option<Timestamp>,
    /// Whether something changed since the state was saved, and whether that must be saved before anything is sent.
    is_dirty: bool,
    is_urgent: bool,
    /// Since when files are gone.
    gone: BTreeMap<u64, Timestamp>,
    /// When each kind of trouble was last said.
    said_at: BTreeMap<&'static str, Timestamp>,
    said: Vec<String>,
    counts: Counts,
}

impl<T: Transport> Ship<T> {
    /// Continues where the state file says.
    ///
    /// # Errors
    /// If the state file cannot be used.
    pub fn open(options: Options, transport: T) -> Result<Self, ShipError> {
        let known = State::load(&options.state)?;
        let known = known.filter(|state| state.to == options.to && state.host == options.host);
        let is_lost = known.is_none();
        let state = known.unwrap_or_else(|| {
            let nothing = TextFollower::new(&[]).checkpoint();
            State::new(&options.to, &options.host, nothing)
        });
        let files = if is_lost {
            TextFollower::new(&options.inputs)
        } else {
            TextFollower::resume(&options.inputs, state.checkpoint.clone(), state.next)
        };
        Ok(Self {
            backoff: Backoff::new(options.seed),
            options,
            transport,
            files,
            state,
            is_lost,
            must_ask: true,
            queue: Queue::default(),
            pending: None,
            limit: BATCH,
            wait_until: None,
            looked_at: None,
            heard_at: None,
            sent_at: None,
            started_at: None,
            saved_at: None,
            is_dirty: false,
            is_urgent: false,
            gone: BTreeMap::new(),
            said_at: BTreeMap::new(),
            said: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Cancels what a step is doing.
    pub fn watch(&self) -> &std::sync::Arc<Watch> {
        self.files.watch()
    }

    /// What happened since the last call, a sentence each.
    pub fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// The way to the service.
    pub fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Ends the sender, as a kill does: nothing is saved.
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// What is not sent yet, as of the last look.
    pub fn waiting(&self) -> Waiting {
        self.queue.waiting()
    }

    /// What was done.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Does the next thing.
    ///
    /// # Errors
    /// If the state cannot be saved, or the service refuses everything.
    pub fn step(&mut self, now: Timestamp) -> Result<Step, ShipError> {
        let started = *self.started_at.get_or_insert(now);
        if !self.is_lost && self.is_look_due(now) {
            // Also while the link is down: what is not seen cannot be recognised later.
            self.look(now);
        }
        let is_due = self.saved_at.is_none_or(|at| now.since(at) >= SAVE);
        if self.is_urgent || (self.is_dirty && is_due) {
            self.save(now)?;
        }
        if let Some(until) = self.wait_until.filter(|until| now < *until) {
            return Ok(Step::Wait(micros(until.since(now).min(LOOKS[1]))));
        }
        self.wait_until = None;
        if self.must_ask {
            return self.ask(now);
        }
        if self.pending.is_none() {
            self.pending = self.next_batch();
        }
        if self.pending.is_none() && self.is_sign_due(now, started) {
            self.pending = Some((self.sign_of_life(), None));
        }
        match self.pending.take() {
            Some((batch, text)) => {
                let outcome = self.transport.send(&batch);
                self.answered((batch, text), outcome, now)
            }
            None if self.options.is_once => self.end(now),
            None => Ok(Step::Wait(micros(self.pause(now)))),
        }
    }

    /// Keeps what was done. To be called at the end.
    ///
    /// # Errors
    /// If the state cannot be saved. What was sent since it was last saved will be sent again, and is known to the
    /// service.
    pub fn save(&mut self, now: Timestamp) -> Result<(), ShipError> {
        if self.is_lost {
            return Ok(());
        }
        self.state.checkpoint = self.files.checkpoint();
        self.state.next = self.files.next_number();
        self.state.save(&self.options.state)?;
        (self.is_dirty, self.is_urgent) = (false, false);
        self.saved_at = Some(now);
        Ok(())
    }

    fn is_look_due(&self, now: Timestamp) -> bool {
        let Some(looked_at) = self.looked_at else {
            return true;
        };
        // While there is something to send, a look finds little.
        let is_busy = self.pending.is_some() || self.queue.waiting().files > 0;
        let pause = if is_busy { LOOKS[1] } else { self.pause(now) };
        // What is written while one call sends is for the next one.
        !self.options.is_once && now.since(looked_at) >= pause
    }

    fn pause(&self, now: Timestamp) -> i64 {
        let is_lively = self.sent_at.is_some_and(|at| now.since(at) < LIVELY);
        LOOKS[usize::from(!is_lively)]
    }

    fn is_sign_due(&self, now: Timestamp, started: Timestamp) -> bool {
        let every = self.options.every.min(60) as i64 * 1_000_000;
        !self.options.is_once && now.since(self.heard_at.unwrap_or(started)) >= every
    }

    fn sign_of_life(&self) -> Batch {
        Batch {
            host: self.options.host.clone(),
            file: None,
            offset: 0,
            length: 0,
            body: Vec::new(),
            every: self.options.every,
        }
    }

    /// Looks at the files; names those that are new.
    fn look(&mut self, now: Timestamp) {
        let Looked {
            texts,
            gone,
            troubles,
        } = self.files.look();
        if self.files.watch().is_cancelled() {
            return;
        }
        self.looked_at = Some(now);
        for (path, why) in troubles {
            self.said.push(format!("{}: {why}", path.display()));
        }
        for text in &texts {
            self.name(text, now);
        }
        let missing = gone.iter().filter(|gone| gone.missing > 0);
        let missing: BTreeMap<u64, u64> = missing.map(|gone| (gone.number, gone.missing)).collect();
        self.gone.retain(|number, _| missing.contains_key(number));
        for (number, bytes) in missing {
            let since = *self.gone.entry(number).or_insert(now);
            if self.options.is_once || now.since(since) >= GRACE {
                self.lose(number, bytes);
            }
        }
        let known = texts.iter().map(|text| text.number);
        let known: BTreeSet<u64> = known.chain(gone.iter().map(|gone| gone.number)).collect();
        self.state.texts.retain(|number, _| known.contains(number));
        self.queue.fill(&texts);
        let given_up = self
            .state
            .texts
            .iter()
            .filter(|(_, known)| known.is_given_up);
        for (number, _) in given_up {
            self.queue.leave(*number);
        }
    }

    /// Gives a new text its name, which must be kept before the text is sent.
    fn name(&mut self, text: &Text, now: Timestamp) {
        if let Some(known) = self.state.texts.get_mut(&text.number) {
            if known.path != text.path {
                known.path.clone_from(&text.path);
                self.is_dirty = true;
            }
            if let Some(bytes) = known.lost.take() {
                self.counts.lost_files = self.counts.lost_files.saturating_sub(1);
                self.counts.lost_bytes = self.counts.lost_bytes.saturating_sub(bytes);
                self.said.push(format!(
                    "{} has what was lost: it is sent after all",
                    text.path.display()
                ));
                self.is_dirty = true;
            }
            return;
        }
        self.state.stamp = now.as_micros().max(self.state.stamp + 1);
        let known = Known {
            file: name_of(text, Timestamp::from_micros(self.state.stamp)),
            path: text.path.clone(),
            is_given_up: false,
            lost: None,
        };
        self.state.texts.insert(text.number, known);
        self.is_urgent = true;
    }

    /// Says once that a part of a text is lost.
    fn lose(&mut self, number: u64, bytes: u64) {
        let pending = self
            .pending
            .as_ref()
            .filter(|(_, of)| of.as_ref().is_some_and(|of| of.number == number));
        let Some(known) = self.state.texts.get_mut(&number) else {
            return;
        };
        if pending.is_some() || known.lost.is_some() {
            return;
        }
        known.lost = Some(bytes);
        self.counts.lost_files += 1;
        self.counts.lost_bytes += bytes;
        self.is_dirty = true;
        self.said.push(format!(
            "{} was deleted before it was sent completely: {bytes} bytes are lost",
            known.path.display()
        ));
    }

    /// Reads what is sent next.
    fn next_batch(&mut self) -> Option<Pending> {
        while let Some(text) = self.queue.next().cloned() {
            if self.files.watch().is_cancelled() {
                return None;
            }
            let piece = match self.files.read(text.number, self.limit) {
                Ok(piece) => piece,
                Err(error) => {
                    self.say_once(format!("cannot read {}: {error}", text.path.display()));
                    self.queue.leave(text.number);
                    continue;
                }
            };
            for fault in piece.faults {
                self.say_once(format!(
                    "{} is damaged: {fault}; the rest is sent",
                    text.path.display()
                ));
            }
            let file = self
                .state
                .texts
                .get(&text.number)
                .map(|known| known.file.clone());
            let body = zstd::bulk::compress(&piece.bytes, 3);
            if let (false, Some(file), Ok(body)) = (piece.bytes.is_empty(), file, body) {
                let batch = Batch {
                    host: self.options.host.clone(),
                    file: Some(file),
                    offset: text.offset - text.base,
                    length: piece.bytes.len() as u64,
                    body,
                    every: self.options.every,
                };
                return Some((batch, Some(text)));
            }
            self.queue.leave(text.number);
        }
        None
    }

    fn say_once(&mut self, sentence: String) {
        if !self.said.contains(&sentence) {
            self.said.push(sentence);
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the last word of functions that may fail"
    )]
    fn wait_for(&mut self, pause: Duration, now: Timestamp) -> Result<Step, ShipError> {
        self.wait_until = Some(now.plus_micros(pause.as_micros() as i64));
        Ok(Step::Wait(pause))
    }

    /// Everything is sent.
    fn end(&mut self, now: Timestamp) -> Result<Step, ShipError> {
        self.save(now)?;
        Ok(Step::Done)
    }
}

fn micros(length: i64) -> Duration {
    Duration::from_micros(length.max(0).unsigned_abs())
}
