//! From log lines to counts: the follower, the batch that is counted, the live view.
//!
//! [`Follow::step`] reads what was written, publishes the live view and the measurements, and hands what was counted
//! to the store, with the place up to which the logs were read. A commit that fails is kept and joined with what
//! comes after it. Nothing here waits: neither for the store nor for readers of the live view.

mod feed;
mod live;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dragline_classifier::RuleSet;
use dragline_ingest::{Begin, Follower, ReadOptions};
use dragline_metrics::{Delta, Store as Windows};
use dragline_schema::Timestamp;
use dragline_watch::Traffic;

use self::feed::Feed;
pub use self::feed::SLOT_SECONDS;
pub use self::live::{EndedRun, Live, LiveRun, LiveScraper, ScraperKey};
use crate::store::{Batch, Result, Store, StoreError};

/// Counts that wait for the store may weigh this much in memory; beyond that, reading pauses.
const HEAVIEST: usize = 96 << 20;
/// From this weight on, a commit is due.
const HEAVY: usize = 16 << 20;
/// Longest time of one step of reading, so that commits go on while a long log is read.
const LONGEST_STEP: Duration = Duration::from_secs(2);

/// What several threads see of the follower.
#[derive(Debug)]
pub struct Shared {
    live: Mutex<Arc<Live>>,
    /// Measurements of the last week, for questions about windows of time.
    pub windows: Mutex<Windows>,
    /// Whether those of before the start are among them.
    is_loaded: AtomicBool,
}

impl Shared {
    /// Nothing was read yet.
    pub fn new(windows: Windows) -> Self {
        Self {
            live: Mutex::default(),
            windows: Mutex::new(windows),
            is_loaded: AtomicBool::new(false),
        }
    }

    /// Takes the measurements of before the start.
    pub(crate) fn load(&self, windows: Windows) {
        *self.windows.lock().unwrap_or_else(PoisonError::into_inner) = windows;
        self.load_nothing();
    }

    /// There are none, or they cannot be read.
    pub(crate) fn load_nothing(&self) {
        self.is_loaded.store(true, Ordering::Release);
    }

    /// Whether the measurements of before the start are known.
    pub(crate) fn is_loaded(&self) -> bool {
        self.is_loaded.load(Ordering::Acquire)
    }

    /// The live view.
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, live: Arc<Live>) {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = live;
    }
}

/// What one step did.
#[derive(Debug, Default)]
pub struct Step {
    /// Number of lines read.
    pub lines: u64,
    /// What was measured, in slots of ten seconds.
    pub measured: Delta,
    /// Requests and lines of trouble, for what notices say.
    pub traffic: Option<Traffic>,
    /// Runs that ended.
    pub ended: Vec<EndedRun>,
    /// Whether all that was there has been read.
    pub is_caught_up: bool,
}

/// A commit that is under way: its outcome, and what it stores.
type InFlight = (Receiver<Result<()>>, Arc<Mutex<Batch>>);

/// The follower with what it has counted.
pub struct Follow {
    follower: Follower,
    options: ReadOptions,
    feed: Feed,
    shared: Arc<Shared>,
    in_flight: Option<InFlight>,
    /// What the last commit failed with.
    error: Option<String>,
    commits: u64,
    is_dirty: bool,
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow")
            .field("commits", &self.commits)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl Follow {
    /// Goes on where the store's last commit ended, or begins with the start of all logs.
    ///
    /// # Errors
    /// If the checkpoint cannot be read.
    pub fn open(
        inputs: &[String],
        options: ReadOptions,
        rules: Arc<RuleSet>,
        store: &Store,
        shared: Arc<Shared>,
    ) -> Result<Self> {
        let live = store
            .live()?
            .map(|json| serde_json::from_slice::<Live>(&json));
        let live = live.transpose().map_err(|error| StoreError::Value {
            what: "live view",
            detail: error.to_string(),
        })?;
        let follower = match store.checkpoint()? {
            Some(checkpoint) => Follower::resume(inputs, &options, checkpoint),
            None => Follower::new(inputs, &options, Begin::Start),
        };
        let live = Arc::new(live.unwrap_or_default());
        shared.publish(Arc::clone(&live));
        Ok(Self {
            follower,
            feed: Feed::new(
                rules,
                Arc::clone(&options.map),
                Arc::clone(&options.watch),
                live,
            ),
            options,
            shared,
            in_flight: None,
            error: None,
            commits: 0,
            is_dirty: false,
        })
    }

    /// Uses other rules from now on.
    pub fn set_rules(&mut self, rules: Arc<RuleSet>) {
        self.feed.rules = rules;
    }

    /// What keeps counts from being stored; `None` when all is well.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Number of commits so far.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Whether everything that was read is stored.
    pub fn is_stored(&self) -> bool {
        !self.is_dirty && self.in_flight.is_none()
    }

    /// Reads what was written since the last step, for at most two seconds.
    pub fn step(&mut self, now: Timestamp, store: &Store) -> Step {
        self.look_at_commit();
        if self.feed.weight() > HEAVIEST {
            // The store cannot keep up or cannot write. The lines stay in their files.
            self.commit(store);
            return Step::default();
        }
        self.feed.begin(now, LONGEST_STEP);
        self.options.watch.resume();
        let lines = self.follower.poll(&mut self.feed);
        let is_caught_up = !self.options.watch.is_cancelled();
        self.options.watch.resume();
        self.finish_step(now, lines, is_caught_up)
    }

    /// Counts records that still waited for further lines, because none has come for a while.
    pub fn settle(&mut self, now: Timestamp) -> Step {
        self.feed.begin(now, LONGEST_STEP);
        self.follower.settle(&mut self.feed);
        self.finish_step(now, 0, true)
    }

    fn finish_step(&mut self, now: Timestamp, lines: u64, is_caught_up: bool) -> Step {
        let files = self.follower.files() as u64;
        let (measured, ended) = self.feed.finish(now, (lines, files), is_caught_up);
        self.is_dirty |= lines > 0 || !measured.is_empty();
        if !measured.is_empty() {
            let mut windows = self
                .shared
                .windows
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            windows.set_now(now);
            windows.merge(&measured);
        }
        self.shared.publish(self.feed.live());
        Step {
            lines,
            measured,
            traffic: self.feed.take_traffic(),
            ended,
            is_caught_up,
        }
    }

    /// Whether so much was counted that it should be stored before its time.
    pub fn is_heavy(&self) -> bool {
        self.feed.weight() > HEAVY
    }

    /// Begins to store what was counted, unless the last commit is still under way.
    pub fn commit(&mut self, store: &Store) {
        self.look_at_commit();
        if self.in_flight.is_some() || !self.is_dirty {
            return;
        }
        let checkpoint = self.follower.checkpoint();
        let batch = Arc::new(Mutex::new(self.feed.take(checkpoint)));
        self.is_dirty = false;
        match store.begin_commit(Arc::clone(&batch)) {
            Ok(receiver) => self.in_flight = Some((receiver, batch)),
            Err(error) => self.keep(&batch, &error),
        }
    }

    /// Stores everything, and waits until that is done. Used at the end.
    ///
    /// # Errors
    /// If it cannot be stored; its lines are read again at the next start.
    pub fn commit_and_wait(&mut self, store: &Store) -> std::result::Result<(), String> {
        for _ in 0..2 {
            if let Some((receiver, batch)) = self.in_flight.take() {
                let outcome = receiver.recv().unwrap_or(Err(StoreError::Closed));
                self.conclude(outcome, &batch);
            }
            self.commit(store);
        }
        if let Some((receiver, batch)) = self.in_flight.take() {
            let outcome = receiver.recv().unwrap_or(Err(StoreError::Closed));
            self.conclude(outcome, &batch);
        }
        self.error.clone().map_or(Ok(()), Err)
    }

    fn look_at_commit(&mut self) {
        let Some((receiver, _)) = &self.in_flight else {
            return;
        };
        let outcome = match receiver.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => Err(StoreError::Closed),
        };
        if let Some((_, batch)) = self.in_flight.take() {
            self.conclude(outcome, &batch);
        }
    }

    fn conclude(&mut self, outcome: Result<()>, batch: &Arc<Mutex<Batch>>) {
        match outcome {
            Ok(()) => {
                self.error = None;
                self.commits += 1;
            }
            Err(error) => self.keep(batch, &error),
        }
    }

    /// Takes back what could not be stored.
    fn keep(&mut self, batch: &Arc<Mutex<Batch>>, error: &StoreError) {
        let mut batch = batch.lock().unwrap_or_else(PoisonError::into_inner);
        self.feed.give_back(&mut batch);
        self.is_dirty = true;
        self.error = Some(error.to_string());
    }
}
