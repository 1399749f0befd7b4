//! A service in memory, and a link to it that does everything that links do.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_ingest::signature;
use dragline_ship::{Batch, Held, Outcome, Refusal, Transport};

/// What a service has: the content of each file. It appends only what follows.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Service {
    fn take(&mut self, batch: &Batch) -> Outcome {
        let Some(file) = &batch.file else {
            return Outcome::Taken { next_offset: 0 };
        };
        let bytes = zstd::bulk::decompress(&batch.body, 16 << 20).unwrap();
        assert_eq!(bytes.len() as u64, batch.length);
        let held = self.files.entry(file.clone()).or_default();
        let next = held.len() as u64;
        if batch.offset > next {
            return Outcome::Gap { next_offset: next };
        }
        let known = ((next - batch.offset) as usize).min(bytes.len());
        let offset = batch.offset as usize;
        assert!(
            held[offset..offset + known] == bytes[..known],
            "other bytes for {file} at {offset}"
        );
        held.extend(&bytes[known..]);
        Outcome::Taken {
            next_offset: held.len() as u64,
        }
    }

    /// Everything, file by file in the order of their names.
    pub(crate) fn text(&self) -> String {
        let bytes: Vec<u8> = self.files.values().flatten().copied().collect();
        String::from_utf8(bytes).unwrap()
    }
}

/// A link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) service: Service,
    random: fastrand::Rng,
    /// How many of a hundred requests something happens to.
    pub(crate) bad: u8,
    /// How many requests fail now, whatever they are.
    pub(crate) down: u32,
    /// Batches that are still under way.
    late: Vec<Batch>,
    /// Requests, with what became of them.
    pub(crate) seen: Vec<(Batch, Outcome)>,
    /// What is answered next, whatever the request.
    pub(crate) answers: Vec<Outcome>,
}

impl Link {
    pub(crate) fn new(seed: u64, bad: u8) -> Self {
        Self {
            service: Service::default(),
            random: fastrand::Rng::with_seed(seed),
            bad,
            down: 0,
            late: Vec::new(),
            seen: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn is_down(&mut self) -> bool {
        let is_down = self.down > 0;
        self.down = self.down.saturating_sub(1);
        is_down
    }

    fn carry(&mut self, batch: &Batch) -> Outcome {
        if self.is_down() {
            return Outcome::Unreachable("the connection was refused".to_owned());
        }
        if !self.late.is_empty() && self.random.u8(..4) == 0 {
            let nth = self.random.usize(..self.late.len());
            let late = self.late.swap_remove(nth);
            self.service.take(&late);
        }
        if self.random.u8(..100) >= self.bad {
            return self.service.take(batch);
        }
        let lost = Outcome::Unreachable("the connection failed".to_owned());
        match self.random.u8(..6) {
            // It is lost, or arrives later.
            0 => lost,
            1 => {
                self.late.push(batch.clone());
                lost
            }
            // It arrives; the answer is lost.
            2 => {
                self.service.take(batch);
                lost
            }
            3 => {
                self.service.take(batch);
                self.service.take(batch)
            }
            4 => {
                self.late.push(batch.clone());
                self.service.take(batch)
            }
            _ => Outcome::Refused(Refusal {
                status: [429, 500, 503][self.random.usize(..3)],
                detail: "not now".to_owned(),
                retry_after: Some(Duration::from_secs(2)),
            }),
        }
    }
}

impl Link {
    /// Everything that is under way arrives.
    pub(crate) fn arrive(&mut self) {
        for late in std::mem::take(&mut self.late) {
            self.service.take(&late);
        }
    }

    /// The service is another one for a while, and then comes back as it once was.
    pub(crate) fn restore(&mut self, backup: Service) {
        self.service = backup;
        self.late.clear();
        self.down = 6;
    }
}

impl Transport for Link {
    fn send(&mut self, batch: &Batch) -> Outcome {
        let outcome = match self.answers.pop() {
            Some(answer) => answer,
            None => self.carry(batch),
        };
        self.seen.push((batch.clone(), outcome.clone()));
        outcome
    }

    fn held(&mut self, _: &str) -> Result<Vec<Held>, Outcome> {
        if self.is_down() || self.random.u8(..100) < self.bad {
            return Err(Outcome::Unreachable("the connection failed".to_owned()));
        }
        let dir = tempfile::tempdir().unwrap();
        let held = |(file, bytes): (&String, &Vec<u8>)| {
            let path = dir.path().join("one");
            std::fs::write(&path, bytes).unwrap();
            Held {
                file: file.clone(),
                signature: signature(&path).unwrap(),
            }
        };
        Ok(self.service.files.iter().map(held).collect())
    }
}
