//! The thread that samples.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dragline_schema::SystemSample;

use super::{Probe, sample};

/// The first sample comes after this time at the latest, so that short runs have one, too.
const FIRST: Duration = Duration::from_secs(1);

/// How long the end waits for a reading that is under way.
const PATIENCE: Duration = Duration::from_secs(1);

/// A thread that samples at an interval until it is stopped.
#[derive(Debug)]
pub(crate) struct Sampler(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_stopping: bool,
    has_ended: bool,
}

impl Sampler {
    /// Starts the thread. `make` makes the probe on the thread, because it may take a while; `emit` takes the
    /// samples.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start<P: Probe>(
        interval: Duration,
        make: impl FnOnce() -> P + Send + 'static,
        emit: impl Fn(SystemSample<'static>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = Ending(Arc::clone(&shared));
        std::thread::Builder::new()
            .name("dragline-system".to_owned())
            .spawn(move || {
                let mut probe = make();
                let mut earlier = probe.read();
                let mut pause = interval.min(FIRST);
                while its.0.continues_after(pause) {
                    let reading = probe.read();
                    if its.0.lock().is_stopping {
                        return;
                    }
                    emit(sample(&reading, &earlier));
                    earlier = reading;
                    pause = interval;
                }
            })?;
        Ok(Self(shared))
    }

    /// Stops the thread and waits until it has ended, for a second at most: a reading may hang.
    pub(crate) fn stop(&self) {
        let mut state = self.0.lock();
        state.is_stopping = true;
        self.0.changed.notify_all();
        let runs = |state: &mut State| !state.has_ended;
        let _ = self.0.changed.wait_timeout_while(state, PATIENCE, runs);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits. `false`: the thread is to stop.
    fn continues_after(&self, pause: Duration) -> bool {
        let goes_on = |state: &mut State| !state.is_stopping;
        let waited = self.changed.wait_timeout_while(self.lock(), pause, goes_on);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_stopping
    }
}

/// Reports the end of the thread, also by a panic.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::super::{HostUsage, Reading};
    use super::*;

    /// Counts its readings as traffic; reports its end.
    struct Fake(u64, Sender<()>);

    impl Probe for Fake {
        fn read(&mut self) -> Reading {
            self.0 += 1;
            Reading {
                host: HostUsage {
                    network: Some((self.0, 0)),
                    cpu_percent: (self.0 > 1).then_some(50.0),
                    ..HostUsage::default()
                },
                ..Reading::default()
            }
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            let _ = self.1.send(());
        }
    }

    #[test]
    fn samples_follow_one_another_until_the_end() {
        let (emit, samples) = channel();
        let (dropped, ended) = channel();
        let sampler = Sampler::start(
            Duration::from_millis(1),
            move || Fake(0, dropped),
            move |sample| drop(emit.send(sample)),
        )
        .unwrap();
        for nth in 2..5 {
            let sample = samples.recv().unwrap();
            // The first reading has no CPU usage, and is no sample.
            assert_eq!(sample.network_sent_bytes, Some(nth));
            assert_eq!(sample.cpu_percent, Some(50.0));
        }
        sampler.stop();
        ended.try_recv().unwrap();
        sampler.stop();
    }

    #[test]
    fn a_long_interval_ends_at_once() {
        let (dropped, ended) = channel();
        let hour = Duration::from_hours(1);
        let sampler = Sampler::start(hour, move || Fake(0, dropped), |_| {}).unwrap();
        sampler.stop();
        ended.try_recv().unwrap();
    }
}
