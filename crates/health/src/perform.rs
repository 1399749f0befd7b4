//! One check, from its step to its result.

use std::path::Path;

use dragline_schema::Timestamp;

use crate::address::scrub;
use crate::config::{Check, HostPort, Target};
use crate::field::Field;
use crate::freshness::judge_freshness;
use crate::measurement::{Failure, FailureKind, Measurement, Values};
use crate::plan::{SiteTraffic, Step, is_asked};
use crate::probe::{self, Context, days_until};
use crate::result::{CheckResult, Level, Source, judge};
use crate::signals::Signals;

/// A check with all that it needs, so that it can run as a task of its own.
pub(crate) struct Job {
    check: Check,
    step: Step,
    traffic: Option<SiteTraffic>,
    signal: Option<Timestamp>,
    certificate_expires: Option<Timestamp>,
    context: Context,
}

impl Job {
    pub(crate) fn new(
        check: Check,
        step: Step,
        signals: &Signals,
        certificate_expires: Option<Timestamp>,
        context: Context,
    ) -> Self {
        let traffic = match &check.target {
            Target::Site { site, .. } => signals.traffic.get(site).copied(),
            _ => None,
        };
        let signal = match &check.target {
            Target::Logs {
                scraper: Some(scraper),
                ..
            } => signals.last_event.get(scraper),
            Target::Run { scraper, .. } => signals.last_run.get(scraper),
            _ => None,
        };
        Self {
            signal: signal.copied(),
            check,
            step,
            traffic,
            certificate_expires,
            context,
        }
    }

    fn is_passive(&self) -> bool {
        matches!(
            self.check.target,
            Target::Site {
                is_passive: true,
                ..
            }
        )
    }

    /// Result of a check whose task panicked, which is a fault of this crate.
    pub(crate) fn panicked(check: &Check, now: Timestamp) -> CheckResult {
        let failure = Failure::new(FailureKind::Protocol, "the check ended with a panic");
        judge(now, Source::Probe, Err(failure), &check.conditions)
    }

    /// Result of a check whose work on another thread has not ended since the last time.
    pub(crate) fn still_hanging(check: &Check, now: Timestamp) -> CheckResult {
        let failure = Failure::new(
            FailureKind::Timeout,
            "the previous check still hangs; it is not started again before it ends",
        );
        judge(now, Source::Probe, Err(failure), &check.conditions)
    }
}

/// Performs a check; the message of its result is free of secrets.
pub(crate) async fn perform(job: Job) -> CheckResult {
    let secrets = find_secrets(&job.check.target);
    let mut result = match (job.step, job.traffic) {
        (Step::Judge, Some(traffic)) => judge_traffic(&job, traffic, job.certificate_expires),
        (Step::JudgeAndReadCertificate, Some(traffic)) => {
            let expires = read_certificate(&job).await.or(job.certificate_expires);
            judge_traffic(&job, traffic, expires)
        }
        _ => match &job.check.target {
            Target::Logs { .. } | Target::Run { .. } => judge_signal(&job).await,
            _ => judge_probe(&job).await,
        },
    };
    result.message = scrub(&result.message, &secrets);
    result
}

/// Probes what is checked. Failed requests of scrapers count as well: it answers the check, and not
/// them.
async fn judge_probe(job: &Job) -> CheckResult {
    let now = job.context.now;
    let probed = probe::run(&job.check, &job.context).await;
    let asked = job
        .traffic
        .filter(|traffic| is_asked(now, traffic, job.check.interval));
    let Some(traffic) = asked.filter(|_| job.is_passive()) else {
        return judge(
            now,
            Source::Probe,
            probed,
            &job.check.conditions.of_probes(),
        );
    };
    let probed = probed.map(|measurement| with_traffic(measurement, traffic));
    judge(now, Source::Probe, probed, &job.check.conditions)
}

fn with_traffic(measurement: Measurement, traffic: SiteTraffic) -> Measurement {
    let failed = 100.0 * traffic.failed as f64 / traffic.requests.max(1) as f64;
    measurement
        .with(Field::Requests, traffic.requests as f64)
        .with(Field::FailedPercent, failed)
}

/// Judges a site by the requests that scrapers made.
fn judge_traffic(job: &Job, traffic: SiteTraffic, expires: Option<Timestamp>) -> CheckResult {
    let now = job.context.now;
    let mut measurement = with_traffic(Measurement::default(), traffic);
    if let Some(mean) = traffic.mean_response_time {
        measurement.add(Field::ResponseTime, mean);
    }
    if let Some(expires) = expires {
        measurement = measurement.with(Field::CertificateDays, days_until(expires, now));
    }
    measurement.notes.push(format!(
        "judged by {} requests of scrapers, of which {} failed",
        traffic.requests, traffic.failed
    ));
    let has_time = traffic.mean_response_time.is_some();
    let mut conditions = job.check.conditions.of_requests(expires.is_some());
    if !has_time {
        // Logs without times say nothing about them.
        conditions.drop_field(Field::ResponseTime);
    }
    judge(now, Source::Requests, Ok(measurement), &conditions)
}

/// When the certificate of a busy site expires; none if the handshake told nothing.
async fn read_certificate(job: &Job) -> Option<Timestamp> {
    let Target::Site { address, .. } = &job.check.target else {
        return None;
    };
    let to = HostPort {
        host: address.host(),
        port: address.port()?,
    };
    let values = match probe::read_certificate(&to, &job.context).await {
        Ok(measurement) => measurement.values,
        // An expired certificate is in the values of the failure.
        Err(failure) => failure.values,
    };
    let days = values.get(&Field::CertificateDays)?;
    Some(job.context.now.plus_micros((days * 86_400.0 * 1e6) as i64))
}

/// Judges logs and runs by their last sign of life.
async fn judge_signal(job: &Job) -> CheckResult {
    let now = job.context.now;
    let conditions = &job.check.conditions;
    match &job.check.target {
        Target::Logs {
            path: Some(path),
            schedule,
            ..
        } => {
            let shown = format!("change of a file in {}", path.display());
            match find_newest(path, job).await {
                Ok(newest) => judge_freshness(now, newest, *schedule, conditions, &shown),
                Err(failure) => fail(now, failure),
            }
        }
        Target::Logs {
            scraper, schedule, ..
        } => {
            let what = format!("event of {}", scraper.as_deref().unwrap_or_default());
            judge_freshness(now, job.signal, *schedule, conditions, &what)
        }
        Target::Run { scraper, schedule } => {
            let what = format!("run of {scraper}");
            judge_freshness(now, job.signal, *schedule, conditions, &what)
        }
        _ => fail(
            now,
            Failure::new(FailureKind::Protocol, "the check has no sign of life"),
        ),
    }
}

async fn find_newest(path: &Path, job: &Job) -> Result<Option<Timestamp>, Failure> {
    let path = path.to_owned();
    let find = move || {
        probe::logs::find_newest(&path).map_err(|error| {
            let message = format!("cannot read the logs in {}: {error}", path.display());
            Failure::new(FailureKind::File, message)
        })
    };
    probe::run_blocking(&job.context, find).await
}

fn fail(now: Timestamp, failure: Failure) -> CheckResult {
    CheckResult {
        at: now,
        level: Some(Level::Critical),
        since: None,
        message: failure.message,
        failure: Some(failure.kind),
        source: Source::Signal,
        values: Values::new(),
    }
}

fn find_secrets(target: &Target) -> Vec<String> {
    match target {
        Target::Site {
            address, headers, ..
        } => {
            let mut secrets = address.secrets();
            secrets.extend(headers.0.iter().map(|(_, value)| value.clone()));
            secrets
        }
        Target::Database(database) => database.secrets(),
        _ => Vec::new(),
    }
}
