//! The event of a sample of a machine's resource usage.

use tracing::Level;

use super::TARGET;
use crate::core::RunCore;

/// Builder for the event of a sample of a machine's resource usage.
#[must_use = "the sample is recorded by `log`"]
#[derive(Debug)]
pub struct SystemEvent<'r> {
    run: &'r RunCore,
    sample: dragline_schema::SystemSample<'static>,
}

impl<'r> SystemEvent<'r> {
    pub(crate) fn new(run: &'r RunCore) -> Self {
        Self {
            run,
            sample: dragline_schema::SystemSample::default(),
        }
    }

    /// Sets the name of the sampled machine. Default: the machine that the program runs on.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.sample.host = Some(name.into().into());
        self
    }

    /// Sets the CPU usage, from 0 to 100.
    pub fn cpu_percent(mut self, percent: f64) -> Self {
        self.sample.cpu_percent = Some(percent);
        self
    }

    /// Sets the memory usage, from 0 to 100 and in bytes.
    pub fn memory(mut self, percent: f64, used_bytes: u64) -> Self {
        self.sample.memory_percent = Some(percent);
        self.sample.memory_used_bytes = Some(used_bytes);
        self
    }

    /// Sets the memory available to programs, in bytes.
    pub fn memory_available(mut self, bytes: u64) -> Self {
        self.sample.memory_available_bytes = Some(bytes);
        self
    }

    /// Sets the used disk space, in bytes.
    pub fn disk_used(mut self, bytes: u64) -> Self {
        self.sample.disk_used_bytes = Some(bytes);
        self
    }

    /// Sets the disk usage, from 0 to 100, and the free disk space in bytes.
    pub fn disk(mut self, percent: f64, free_bytes: u64) -> Self {
        self.sample.disk_percent = Some(percent);
        self.sample.disk_free_bytes = Some(free_bytes);
        self
    }

    /// Sets the bytes sent and received since the machine started.
    pub fn network(mut self, sent_bytes: u64, received_bytes: u64) -> Self {
        self.sample.network_sent_bytes = Some(sent_bytes);
        self.sample.network_received_bytes = Some(received_bytes);
        self
    }

    /// Records the sample.
    pub fn log(self) {
        log!(
            self.run,
            Level::INFO,
            "system_sample",
            host = self.sample.host.as_deref().or(self.run.host()),
            cpu_percent = self.sample.cpu_percent,
            memory_percent = self.sample.memory_percent,
            memory_used_bytes = self.sample.memory_used_bytes,
            memory_available_bytes = self.sample.memory_available_bytes,
            disk_percent = self.sample.disk_percent,
            disk_used_bytes = self.sample.disk_used_bytes,
            disk_free_bytes = self.sample.disk_free_bytes,
            network_sent_bytes = self.sample.network_sent_bytes,
            network_received_bytes = self.sample.network_received_bytes,
        );
    }
}
