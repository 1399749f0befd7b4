//! The service: threads that each do one thing, and the state that they share.
//!
//! | thread | what it does | how often |
//! |---|---|---|
//! | `follow` | reads logs, counts, commits | several times a second while lines come |
//! | `alerts` | evaluates the alert rules | every second |
//! | `notify` | sends notices | when something changed, and every five seconds |
//! | `analyse` | verdicts, findings, the report | when something was read, for at most a tenth of the time |
//! | `health` | runs the health checks that are due | every five seconds |
//! | `reports` | makes and sends scheduled reports | when they are due |
//! | `snapshot` | writes the first page as a file | every five minutes |
//! | `heartbeat` | tells somebody else that the service lives | when configured |
//! | `upkeep` | consolidates, drops what is old, says that the service lives | every minute |
//!
//! They never wait for each other: what one makes, the others find as a finished value behind a pointer.

mod analyse;
mod fixes;
mod follow;
mod health;
mod heartbeat;
mod journal;
mod own;
mod snapshot;
mod stop;
mod systemd;
mod tasks;
mod upkeep;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use dragline_metrics::{Resolution, Retention as WindowRetention, Store as Windows};
use dragline_schema::Timestamp;
use dragline_web::Feed;

use self::health::HealthState;
use self::own::OwnCounters;
use self::stop::Stop;
use self::tasks::Tasks;
use crate::alerts::Alerts;
use crate::backend::Summaries;
use crate::fixes::Fixes;
use crate::follow::Shared;
use crate::judge::Judged;
use crate::receive::Receiver;
use crate::reports::Memory;
use crate::settings::Settings;
use crate::store::{Level, Store, StoreError};

pub use self::own::own_metrics;
pub use self::tasks::TaskState;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Reads the configuration anew; an error is a sentence.
pub type Reload = Box<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// How long loading the measurements of the last week may take at the start.
const LOAD_LIMIT: Duration = Duration::from_mins(2);
/// Maximum number of series that are kept in memory.
const SERIES: usize = 40_000;
/// Memory for measurements, in bytes.
const WINDOW_BYTES: usize = 32 << 20;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored state cannot be read.
    #[error("{0}")]
    State(String),
    /// The system refuses a thread.
    #[error("cannot start the thread {name}: {source}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// The cause.
        source: std::io::Error,
    },
}

/// The service. All threads and the pages share one.
pub struct Monitor {
    pub(crate) clock: Clock,
    pub(crate) started_at: Timestamp,
    pub(crate) inputs: Vec<String>,
    settings: Mutex<Arc<Settings>>,
    pub(crate) configured: Mutex<Configured>,
    reload: Reload,
    pub(crate) store: Store,
    pub(crate) shared: Arc<Shared>,
    judged: Mutex<Option<Arc<Judged>>>,
    /// Whether something was read since the last analysis.
    has_news: AtomicBool,
    pub(crate) alerts: Alerts,
    pub(crate) health: Mutex<HealthState>,
    pub(crate) tasks: Tasks,
    pub(crate) own: OwnCounters,
    pub(crate) feed: Feed,
    pub(crate) received: Receiver,
    pub(crate) summaries: Mutex<Summaries>,
    pub(crate) reports: Mutex<Memory>,
    /// Held while an incident capsule is made: each needs as much memory as an analysis.
    pub(crate) capsules: Mutex<()>,
    fixes: Mutex<Fixes>,
    stop: Stop,
}

/// When the configuration was read, and why a newer one is not in use.
#[derive(Clone, Debug)]
pub(crate) struct Configured {
    pub(crate) read_at: Timestamp,
    pub(crate) error: Option<String>,
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor")
            .field("inputs", &self.inputs)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// The threads of a running service.
#[derive(Debug)]
pub struct Running {
    monitor: Arc<Monitor>,
    threads: Vec<JoinHandle<()>>,
}

impl Monitor {
    /// Opens the database in the state directory of the settings. Nothing runs yet; pages can be asked for, and
    /// readiness says what [`start`](Self::start) has still to load.
    ///
    /// # Errors
    /// If the database cannot be used, or a stored state cannot be read.
    pub fn open(
        inputs: Vec<String>,
        settings: Settings,
        reload: Reload,
        clock: Clock,
    ) -> Result<Arc<Self>, ServiceError> {
        let now = clock();
        let store = Store::open(&settings.monitor.state)?;
        let received = Receiver::new(&settings.monitor.state);
        let windows = empty_windows(now)?;
        let alerts = Alerts::load(&store, &settings, now)?;
        let health = HealthState::load(&store, &settings)?;
        let reports = Memory::load(&store)?;
        let fixes = fixes::load(&store)?;
        Ok(Arc::new(Self {
            started_at: now,
            clock,
            inputs,
            configured: Mutex::new(Configured {
                read_at: now,
                error: None,
            }),
            settings: Mutex::new(Arc::new(settings)),
            reload,
            shared: Arc::new(Shared::new(windows)),
            store,
            judged: Mutex::default(),
            has_news: AtomicBool::new(true),
            alerts,
            capsules: Mutex::default(),
            fixes: Mutex::new(fixes),
            health: Mutex::new(health),
            tasks: Tasks::default(),
            own: OwnCounters::default(),
            feed: Feed::new(now.as_micros().unsigned_abs()),
            received,
            summaries: Mutex::default(),
            reports: Mutex::new(reports),
            stop: Stop::default(),
        }))
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// If the system refuses a thread, or the checkpoint cannot be read.
    pub fn start(self: &Arc<Self>) -> Result<Running, ServiceError> {
        let following = follow::open(self)?;
        let mut running = Running {
            monitor: Arc::clone(self),
            threads: Vec::new(),
        };
        running.spawn("follow", move |monitor| follow::run(monitor, following))?;
        running.spawn("alerts", crate::alerts::run)?;
        running.spawn("notify", crate::alerts::run_notices)?;
        running.spawn("analyse", analyse::run)?;
        running.spawn("health", health::run)?;
        running.spawn("reports", crate::reports::run)?;
        running.spawn("snapshot", snapshot::run)?;
        running.spawn("heartbeat", heartbeat::run)?;
        running.spawn("upkeep", upkeep::run)?;
        Ok(running)
    }

    /// The time.
    pub fn time(&self) -> Timestamp {
        (self.clock)()
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last analysis; `None` before the first.
    pub fn judged(&self) -> Option<Arc<Judged>> {
        self.judged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The key that signs the cookies of the page: the same after a restart. `None` if the system has no random
    /// numbers or the database cannot be written.
    pub fn session_key(&self) -> Option<[u8; 32]> {
        const NAME: &str = "session_key";
        if let Some(held) = self.store.state(NAME).ok()? {
            return held.try_into().ok();
        }
        let mut key = [0; 32];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").ok()?, &mut key).ok()?;
        self.store.set_state(NAME, &key).ok()?;
        Some(key)
    }

    /// Everything that is followed: the inputs, and what other machines sent.
    pub(crate) fn follows(&self) -> Vec<String> {
        let received = self.received.dir();
        let has_any = std::fs::read_dir(received).is_ok_and(|mut all| all.next().is_some());
        let own = has_any.then(|| received.display().to_string());
        self.inputs.iter().cloned().chain(own).collect()
    }

    /// The machines that send.
    pub(crate) fn senders(&self) -> Vec<dragline_web::model::Sender> {
        self.received.senders(self.time())
    }

    /// Machines that fell silent, a sentence each.
    pub(crate) fn silent_senders(&self) -> Vec<String> {
        let silent = self.senders().into_iter().filter(|sender| sender.is_silent);
        silent
            .map(|sender| {
                format!(
                    "{} has sent nothing since {}",
                    sender.host, sender.last_seen
                )
            })
            .collect()
    }

    /// Free space where the database is, in bytes.
    pub(crate) fn free_space(&self) -> Option<u64> {
        let space = rustix::fs::statvfs(self.store.path()).ok()?;
        Some(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Asks all threads to end.
    pub fn stop(&self) {
        self.stop.request();
    }

    /// Whether the service is to end.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_requested()
    }

    /// Waits; returns early, with `true`, when the service is to end.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        self.stop.wait(time)
    }

    /// Reads the configuration anew. A bad one keeps the old one in force.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn read_configuration(&self) -> Result<String, String> {
        let now = self.time();
        let read = (self.reload)();
        let mut configured = self
            .configured
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(settings) => {
                let changes = describe_changes(&self.settings(), &settings);
                let settings = Arc::new(settings);
                self.alerts.configure(&settings);
                self.health
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .configure(&settings);
                *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
                *configured = Configured {
                    read_at: now,
                    error: None,
                };
                drop(configured);
                self.has_news
                    .store(true, std::sync::atomic::Ordering::Relaxed);
                self.feed.publish(&dragline_web::Topic::ALL);
                tracing::info!("{changes}");
                Ok(changes)
            }
            Err(error) => {
                configured.error = Some(error.clone());
                drop(configured);
                self.feed.publish(&[dragline_web::Topic::Service]);
                Err(format!("the configuration is unchanged: {error}"))
            }
        }
    }
}

/// What a new configuration changes, in a sentence.
fn describe_changes(old: &Settings, new: &Settings) -> String {
    let mut parts = Vec::new();
    let mut compare = |name: &str, before: usize, after: usize| {
        if before != after {
            parts.push(format!("{name}: {before} → {after}"));
        }
    };
    compare("alert rules", old.alert_rules.len(), new.alert_rules.len());
    compare(
        "health checks",
        old.health.checks.len(),
        new.health.checks.len(),
    );
    compare(
        "muted errors",
        old.report.mutes.len(),
        new.report.mutes.len(),
    );
    compare(
        "scheduled reports",
        old.monitor.reports.len(),
        new.monitor.reports.len(),
    );
    if old.monitor.state != new.monitor.state {
        parts.push("the state directory changes with the next start".to_owned());
    }
    if parts.is_empty() {
        "the configuration was read".to_owned()
    } else {
        format!("the configuration was read; {}", parts.join(", "))
    }
}

/// What keeps measurements in memory, without any.
fn empty_windows(now: Timestamp) -> Result<Windows, ServiceError> {
    let resolution = |(seconds, slots)| Resolution { seconds, slots };
    // Ten seconds for ten minutes, minutes for two hours, ten minutes for a day and a half, hours for eight days.
    let levels = [(10, 60), (60, 120), (600, 216), (3600, 192)].map(resolution);
    let retention = WindowRetention::new(levels.to_vec());
    let retention = retention.map_err(|error| ServiceError::State(error.to_string()))?;
    let mut windows = Windows::new(retention.max_series(SERIES).max_bytes(WINDOW_BYTES));
    windows.set_now(now);
    Ok(windows)
}

/// Loads the measurements of the last week. With a thousand scrapers that takes seconds.
fn load_windows(monitor: &Monitor) -> Result<(), ServiceError> {
    let (store, now) = (&monitor.store, monitor.time());
    // Afterwards nothing is both in the journal and in the records.
    store.consolidate()?;
    let mut windows = empty_windows(now)?;
    let day = 86_400_000_000;
    let (from, since) = (now.plus_micros(-8 * day), now.plus_micros(-day));
    store.load_metrics(Level::Hours, from, since, LOAD_LIMIT, &mut windows)?;
    // A record of hours covers a whole day; minutes begin where its day ends, with the record of that hour.
    let since = Timestamp::from_micros(since.as_micros().div_euclid(day) * day + day);
    store.load_metrics(
        Level::Raw,
        since.plus_micros(3_599_000_000),
        now.plus_micros(day),
        LOAD_LIMIT,
        &mut windows,
    )?;
    monitor.shared.load(windows);
    Ok(())
}

impl Running {
    fn spawn(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Arc<Monitor>) + Send + 'static,
    ) -> Result<(), ServiceError> {
        let monitor = Arc::clone(&self.monitor);
        let builder = std::thread::Builder::new().name(name.to_owned());
        let thread = builder.spawn(move || {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&monitor)));
            if caught.is_err() {
                // Without one of its threads the service would only look alive.
                monitor.tasks.fail(
                    name,
                    "it ended because of a fault in the program; the service stops",
                );
                monitor.stop();
            }
        });
        match thread {
            Ok(thread) => {
                self.threads.push(thread);
                Ok(())
            }
            Err(source) => {
                self.monitor.stop();
                Err(ServiceError::Thread { name, source })
            }
        }
    }

    /// The service.
    pub fn monitor(&self) -> &Arc<Monitor> {
        &self.monitor
    }

    /// Asks all threads to end and waits for them. Everything that was read is stored.
    ///
    /// # Errors
    /// A sentence, if something could not be stored; its lines are read again at the next start.
    pub fn stop(self) -> Result<(), String> {
        self.monitor.stop();
        for thread in self.threads {
            let _ = thread.join();
        }
        match self.monitor.tasks.error_of("follow") {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
