//! Running the checks of a configuration.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::config::{Check, Config, Target};
use crate::field::Field;
use crate::perform::{Job, perform};
use crate::plan::{Active, Step, plan};
use crate::probe::{Context, Trust, ask_witness};
use crate::report::Report;
use crate::result::CheckResult;
use crate::signals::Signals;
use crate::state::{Change, State};
use crate::uplink::{Contact, Uplink, weigh};

/// Everything that must survive a restart, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// States by the name of the check.
    pub checks: BTreeMap<String, State>,
    /// The own network.
    pub uplink: Uplink,
}

/// The checks of a configuration, and what they have found so far.
#[derive(Debug)]
pub struct Health {
    config: Config,
    memory: Memory,
    trust: OnceLock<Trust>,
    /// One for each check; more than one holder means that an earlier check still hangs.
    busy: BTreeMap<String, Arc<()>>,
}

/// Time for a witness, which only has to accept a connection.
const WITNESS_TIMEOUT: Duration = Duration::from_secs(3);
/// Share of the interval over which checks are spread.
const JITTER_SHARE: u32 = 10;

impl Health {
    /// Takes a configuration; nothing is checked yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            memory: Memory::default(),
            trust: OnceLock::new(),
            busy: BTreeMap::new(),
        }
    }

    /// Goes on from what earlier runs remembered. What belongs to no check any more is dropped.
    #[must_use]
    pub fn with_memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        let checks = &self.config.checks;
        let is_configured = |name: &str| checks.iter().any(|check| check.name == name);
        self.memory.checks.retain(|name, _| is_configured(name));
        self
    }

    /// Trusts these certificate authorities (in DER) instead of the system's.
    #[must_use]
    pub fn with_authorities(mut self, authorities: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.into_iter().map(CertificateDer::from));
        self.trust = OnceLock::from(Trust::of_roots(roots));
        self
    }

    /// What to save for [`Health::with_memory`].
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Runs the checks that are due at `now`, and reports on all.
    ///
    /// Must be called within a `tokio` runtime with I/O and time. A check that reads files runs on a thread
    /// that cannot be stopped: a program that ends uses `Runtime::shutdown_background`.
    pub async fn run(&mut self, now: Timestamp, signals: &Signals) -> Report {
        let steps = self.plan(now, signals);
        let results = self.perform_all(now, &steps, signals).await;
        let results = self.apply_uplink(now, results).await;
        let mut changes = BTreeMap::new();
        for (index, result) in results {
            let check = &self.config.checks[index];
            let state = self.memory.checks.entry(check.name.clone()).or_default();
            note_certificate(state, steps[index], &result);
            if let Some(change) = state.observe(&result, check.thresholds) {
                changes.insert(check.name.clone(), change);
            }
        }
        self.report(now, &changes)
    }

    fn report(&self, now: Timestamp, changes: &BTreeMap<String, Change>) -> Report {
        Report::new(now, &self.config, &self.memory, changes)
    }

    fn plan(&self, now: Timestamp, signals: &Signals) -> Vec<Step> {
        let active: Vec<_> = self
            .config
            .checks
            .iter()
            .map(|check| self.describe(check))
            .collect();
        plan(now, &signals.traffic, &active)
    }

    fn describe<'a>(&'a self, check: &'a Check) -> Active<'a> {
        let state = self.memory.checks.get(&check.name);
        let (site, is_encrypted) = match &check.target {
            Target::Site {
                site,
                is_passive: true,
                address,
                ..
            } => (Some(site.as_str()), address.scheme() == "https"),
            _ => (None, false),
        };
        Active {
            site,
            interval: check.interval,
            jitter: spread(&check.name, check.interval),
            last: state.and_then(State::last).map(|result| result.at),
            has_certificate: is_encrypted,
            certificate_seen: state.and_then(|state| state.certificate_seen),
        }
    }

    /// Runs all steps that are due, a limited number at a time, and returns their results in order.
    async fn perform_all(
        &mut self,
        now: Timestamp,
        steps: &[Step],
        signals: &Signals,
    ) -> Vec<(usize, CheckResult)> {
        let trust = self.trust.get_or_init(Trust::of_system).clone();
        let limit = Arc::new(Semaphore::new(self.config.concurrency));
        let mut tasks = JoinSet::new();
        let mut indices = HashMap::new();
        let mut results = Vec::new();
        for (index, (check, step)) in self.config.checks.iter().zip(steps).enumerate() {
            if matches!(step, Step::Wait(_)) {
                continue;
            }
            let busy = self.busy.entry(check.name.clone()).or_default();
            if Arc::strong_count(busy) > 1 {
                results.push((index, Job::still_hanging(check, now)));
                continue;
            }
            let context = Context {
                now,
                timeout: check.timeout,
                trust: trust.clone(),
                busy: Arc::clone(busy),
            };
            let state = self.memory.checks.get(&check.name);
            let expires = state.and_then(|state| state.certificate_expires);
            let job = Job::new(check.clone(), *step, signals, expires, context);
            let limit = Arc::clone(&limit);
            let task = tasks.spawn(async move {
                // The semaphore is never closed.
                let _permit = limit.acquire_owned().await;
                (index, perform(job).await)
            });
            indices.insert(task.id(), index);
        }
        while let Some(joined) = tasks.join_next().await {
            match joined {
                Ok(result) => results.push(result),
                Err(error) => results.extend(indices.get(&error.id()).map(|index| {
                    let check = &self.config.checks[*index];
                    (*index, Job::panicked(check, now))
                })),
            }
        }
        results.sort_by_key(|(index, _)| *index);
        results
    }

    /// Makes the failures of a round inconclusive when the own network is down.
    async fn apply_uplink(
        &mut self,
        now: Timestamp,
        mut results: Vec<(usize, CheckResult)>,
    ) -> Vec<(usize, CheckResult)> {
        let hosts: Vec<_> = self.config.checks.iter().map(find_host).collect();
        let checks = &self.config.checks;
        let silent = |index: usize, result: &CheckResult| {
            checks[index].is_remote && result.failure.is_some_and(|kind| !kind.is_answer())
        };
        let contacts: Vec<_> = results
            .iter()
            .filter(|(index, _)| checks[*index].is_remote)
            .map(|(index, result)| Contact {
                host: hosts[*index].as_deref().unwrap_or_default(),
                answered: !silent(*index, result),
            })
            .collect();
        let all_silent = !contacts.is_empty() && contacts.iter().all(|contact| !contact.answered);
        let witnesses = if all_silent {
            self.ask_witnesses(now).await
        } else {
            Vec::new()
        };
        let is_down = self
            .memory
            .uplink
            .observe(now, weigh(&contacts, &witnesses));
        for (index, result) in &mut results {
            if is_down && silent(*index, result) {
                result.level = None;
                result.message = format!("the own network is down: {}", result.message);
            }
        }
        results
    }

    async fn ask_witnesses(&self, now: Timestamp) -> Vec<bool> {
        let trust = self.trust.get_or_init(Trust::of_system).clone();
        let mut tasks = JoinSet::new();
        for witness in self.config.witnesses.clone() {
            let context = Context {
                now,
                timeout: WITNESS_TIMEOUT,
                trust: trust.clone(),
                busy: Arc::default(),
            };
            tasks.spawn(async move { ask_witness(&witness, &context).await });
        }
        tasks.join_all().await
    }
}

/// Remembers when a certificate expires, for the time in which the site is not probed.
fn note_certificate(state: &mut State, step: Step, result: &CheckResult) {
    let days = result.values.get(&Field::CertificateDays);
    match step {
        // One attempt a day, also when it fails.
        Step::JudgeAndReadCertificate => state.certificate_seen = Some(result.at),
        Step::Probe if days.is_some() => state.certificate_seen = Some(result.at),
        Step::Probe | Step::Judge | Step::Wait(_) => return,
    }
    if let Some(days) = days {
        let micros = days * 86_400.0 * 1e6;
        state.certificate_expires = Some(result.at.plus_micros(micros as i64));
    }
}

fn find_host(check: &Check) -> Option<String> {
    use crate::database::Database;
    match &check.target {
        Target::Site { address, .. }
        | Target::Database(Database::Postgres(address) | Database::Mysql(address)) => {
            Some(address.host())
        }
        Target::Tcp(to) | Target::Tls { to } => Some(to.host.clone()),
        Target::Database(Database::Sqlite { .. })
        | Target::Disk(_)
        | Target::Logs { .. }
        | Target::Run { .. } => None,
    }
}

/// A time that differs from check to check and is always the same for one (FNV-1a of its name).
fn spread(name: &str, interval: Duration) -> Duration {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let widest = interval / JITTER_SHARE;
    widest.mul_f64((hash >> 11) as f64 / (1_u64 << 53) as f64)
}
