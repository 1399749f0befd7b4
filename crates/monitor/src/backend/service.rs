//! The service itself, and what other machines send.

use dragline_web::model::{HeldFiles, IngestAnswer, Input, Readiness, ServiceStatus, Task};
use dragline_web::{Answer, BackendError, IngestBatch};

use crate::receive::ReceiveError;
use crate::service::Monitor;

/// Reading that lags further behind, in microseconds, is a problem.
const LAG: i64 = 60_000_000;

impl Monitor {
    pub(super) fn answer_readiness(&self) -> Readiness {
        let mut reasons = self.problems();
        let live = self.shared.live();
        if live.looked_at.is_none_or(|at| at < self.started_at) {
            reasons.push("the logs have not been read yet".to_owned());
        } else if !live.is_caught_up {
            reasons.push("it reads what was written while it was down".to_owned());
        }
        if !self.shared.is_loaded() {
            reasons.push("earlier measurements are being loaded".to_owned());
        }
        if self.judged().is_none() {
            reasons.push("the first analysis is not finished".to_owned());
        }
        Readiness {
            is_ready: reasons.is_empty(),
            reasons,
        }
    }

    /// What is the matter with the service, one sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let failing = self
            .tasks
            .all()
            .into_iter()
            .filter_map(|(name, task)| Some(format!("{name}: {}", task.error?)));
        let mut problems: Vec<String> = failing.collect();
        problems.extend(self.inputs.iter().filter_map(|input| {
            let error = error_of(input)?;
            Some(format!("{input}: {error}"))
        }));
        let live = self.shared.live();
        if let Some(lag) = self
            .lag()
            // What was seen before the start says nothing about reading now.
            .filter(|lag| *lag > LAG && live.looked_at.is_some_and(|at| at >= self.started_at))
        {
            problems.push(format!("reading is {} s behind", lag / 1_000_000));
        }
        let configured = self
            .configured
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(error) = &configured.error {
            problems.push(format!("the configuration file is not in use: {error}"));
        }
        drop(configured);
        problems.extend(self.silent_senders());
        problems
    }

    pub(super) fn describe_service(&self) -> ServiceStatus {
        let settings = self.settings();
        let configured = self
            .configured
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let live = self.shared.live();
        let found = dragline_ingest::discover(&self.inputs);
        let count = |input: &String| {
            let families = found.iter().flat_map(|found| &found.families);
            let files = families.flat_map(|family| &family.files);
            files.filter(|file| file.path.starts_with(input)).count() as u64
        };
        let inputs = self.inputs.iter().map(|input| Input {
            path: input.clone(),
            files: count(input),
            last_event: live.latest,
            error: error_of(input),
        });
        let tasks = self.tasks.all().into_iter().map(|(name, task)| Task {
            name: name.to_owned(),
            last_success: task.last_success,
            error: task.error,
        });
        ServiceStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            inputs: inputs.collect(),
            senders: self.senders(),
            tasks: tasks.collect(),
            store_bytes: Some(self.store.bytes()),
            disk_free_bytes: self.free_space(),
            config_file: settings
                .file
                .as_ref()
                .map(|file| file.display().to_string()),
            config_read_at: configured.read_at,
            config_error: configured.error,
            problems: self.problems(),
        }
    }

    pub(super) fn take_batch(&self, batch: &IngestBatch) -> Answer<IngestAnswer> {
        let taken = self.received.take(batch, self.time());
        let taken = taken.map_err(|error| refusal(&error))?;
        Ok(IngestAnswer {
            next_offset: taken.next_offset,
            new_bytes: taken.new_bytes,
        })
    }

    pub(super) fn received_from(&self, host: &str) -> Answer<HeldFiles> {
        let files = self.received.held(host).map_err(|error| refusal(&error))?;
        Ok(HeldFiles { files })
    }
}

fn refusal(error: &ReceiveError) -> BackendError {
    let detail = error.to_string();
    match error {
        ReceiveError::Gap { next, .. } => BackendError::Gap {
            next_offset: *next,
            detail,
        },
        ReceiveError::Differs { .. } => BackendError::Conflict(detail),
        ReceiveError::Invalid(_) => BackendError::BadRequest(detail),
        ReceiveError::Io(_) => BackendError::Unavailable(detail),
    }
}

/// Why an input cannot be followed.
fn error_of(input: &str) -> Option<String> {
    let path = std::path::Path::new(input);
    match path.try_exists() {
        Ok(true) => path
            .is_dir()
            .then(|| std::fs::read_dir(path).err())
            .flatten()
            .map(|error| error.to_string()),
        Ok(false) if input.contains(['*', '?', '[']) => None,
        Ok(false) => Some("it does not exist".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}
