//! The kinds of incidents: how strong they are, and what else they may honestly be called.
//!
//! A kind has one number for its strength and a minimum below which nobody could ask for it to be
//! found. What a scraper's own noise hides raises the minimum. `related` names the consequences: a
//! wave of blocks lowers the items, and a report that says so says nothing false.

use serde::{Deserialize, Serialize};

/// What can befall a scraper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is described by `Kind::facts`")]
pub enum Kind {
    ErrorWave,
    BlockWave,
    SilentFailure,
    LayoutChange,
    SlowDown,
    RunKilled,
    RunStalled,
    RunTruncated,
    RunMissed,
    RunLate,
    YieldDrop,
    DuplicateSurge,
    NewError,
    RegressedError,
    RetryWaste,
    QueueGrowth,
    LogLoss,
    ClockSkew,
    VolumeHigh,
    VolumeLow,
}

use Kind::{
    BlockWave, ClockSkew, DuplicateSurge, ErrorWave, LayoutChange, LogLoss, NewError, QueueGrowth,
    RegressedError, RetryWaste, RunKilled, RunLate, RunMissed, RunStalled, RunTruncated,
    SilentFailure, SlowDown, VolumeHigh, VolumeLow, YieldDrop,
};

/// What is fixed for a kind.
pub(crate) struct Facts {
    /// Its name in reports.
    pub(crate) name: &'static str,
    /// What the number for its strength counts.
    pub(crate) measure: &'static str,
    /// The least strength that is planted, for a scraper without noise.
    pub(crate) minimum: f64,
    /// The greatest.
    pub(crate) extreme: f64,
    /// How many runs it must touch to be one.
    pub(crate) runs: usize,
    /// Its consequences.
    pub(crate) related: &'static [Kind],
}

/// Whatever keeps pages from being read.
const FEWER_PAGES: &[Kind] = &[
    NewError,
    RegressedError,
    RetryWaste,
    YieldDrop,
    SilentFailure,
    LayoutChange,
    SlowDown,
    VolumeLow,
    QueueGrowth,
    RunLate,
    RunMissed,
    ErrorWave,
    BlockWave,
];
/// Whatever keeps items from being found on pages that are read.
const FEWER_ITEMS: &[Kind] = &[
    NewError,
    RegressedError,
    ErrorWave,
    YieldDrop,
    SilentFailure,
    LayoutChange,
    VolumeLow,
];
/// Whatever ends a run before its time.
const SHORT_RUN: &[Kind] = &[
    RunKilled,
    RunStalled,
    RunTruncated,
    VolumeLow,
    YieldDrop,
    SilentFailure,
    LayoutChange,
    QueueGrowth,
    RunMissed,
];

impl Kind {
    /// All of them.
    pub const ALL: [Self; 20] = [
        ErrorWave,
        BlockWave,
        SilentFailure,
        LayoutChange,
        SlowDown,
        RunKilled,
        RunStalled,
        RunTruncated,
        RunMissed,
        RunLate,
        YieldDrop,
        DuplicateSurge,
        NewError,
        RegressedError,
        RetryWaste,
        QueueGrowth,
        LogLoss,
        ClockSkew,
        VolumeHigh,
        VolumeLow,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// What the number for its strength counts.
    pub fn measure(self) -> &'static str {
        self.facts().measure
    }

    /// The least strength that is planted, for a scraper without noise.
    pub fn minimum(self) -> f64 {
        self.facts().minimum
    }

    #[rustfmt::skip] // A table.
    pub(crate) fn facts(self) -> Facts {
        let facts = |name, measure, minimum, extreme, runs, related| Facts {
            name, measure, minimum, extreme, runs, related,
        };
        match self {
            ErrorWave => facts("error_wave", "share of pages that fail with the error", 0.25, 0.95, 1, FEWER_PAGES),
            BlockWave => facts("block_wave", "share of pages that are refused", 0.2, 1.0, 1, FEWER_PAGES),
            SilentFailure => facts("silent_failure", "share of items that are gone", 0.65, 1.0, 1, FEWER_ITEMS),
            LayoutChange => facts("layout_change", "share of item pages that are not understood", 0.5, 1.0, 1, FEWER_ITEMS),
            SlowDown => facts("slow_down", "factor of the response times", 1.6, 6.0, 1, &[RunLate, RunMissed, VolumeLow, QueueGrowth]),
            RunKilled => facts("run_killed", "share of the run that is missing", 0.1, 0.9, 1, SHORT_RUN),
            RunStalled => facts("run_stalled", "hours in which nothing is done", 1.0, 10.0, 1, SHORT_RUN),
            RunTruncated => facts("run_truncated", "share of the archive that is missing", 0.1, 0.8, 1, &[RunKilled, RunStalled, LogLoss, VolumeLow, YieldDrop, SilentFailure, LayoutChange]),
            RunMissed => facts("run_missed", "runs that do not happen", 1.0, 6.0, 1, &[RunLate, VolumeLow]),
            RunLate => facts("run_late", "delay as a share of the interval, and an hour", 0.25, 0.7, 1, &[RunMissed]),
            YieldDrop => facts("yield_drop", "share of items that are gone", 0.35, 0.6, 3, &[SilentFailure, LayoutChange, VolumeLow]),
            DuplicateSurge => facts("duplicate_surge", "share of items that were there before", 0.3, 0.95, 1, &[YieldDrop, SilentFailure, LayoutChange, VolumeLow]),
            NewError => facts("new_error", "errors a run, five in all", 2.0, 20.0, 3, &[ErrorWave, RegressedError]),
            RegressedError => facts("regressed_error", "errors a run, five in all", 2.0, 20.0, 3, &[ErrorWave, NewError]),
            RetryWaste => facts("retry_waste", "further attempts per page", 0.4, 1.3, 1, &[ErrorWave, SlowDown, VolumeHigh, RunLate, QueueGrowth, YieldDrop]),
            QueueGrowth => facts("queue_growth", "usual peaks that a run adds to the queue", 0.5, 4.0, 3, &[]),
            LogLoss => facts("log_loss", "lines that are missing", 20.0, 600.0, 1, &[VolumeLow, YieldDrop, SilentFailure, LayoutChange, RunStalled]),
            ClockSkew => facts("clock_skew", "minutes that the clock jumps", 12.0, 600.0, 1, &[RunStalled, RunLate, RunMissed, SlowDown]),
            VolumeHigh => facts("volume_high", "factor of the pages", 2.0, 6.0, 1, &[QueueGrowth, RunLate]),
            VolumeLow => facts("volume_low", "pages expected per page read", 2.0, 10.0, 1, &[QueueGrowth]),
        }
    }

    /// Whether it begins at a time of day, be it in the middle of a run, and not with a run.
    pub(crate) fn strikes_midway(self) -> bool {
        matches!(
            self,
            ErrorWave
                | BlockWave
                | SilentFailure
                | LayoutChange
                | SlowDown
                | RetryWaste
                | DuplicateSurge
                | YieldDrop
        )
    }
}

/// An incident before it happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planted {
    pub(crate) kind: Kind,
    /// Which scraper of the fleet.
    pub(crate) scraper: usize,
    /// The first run that it touches.
    pub(crate) first: usize,
    /// The last one.
    pub(crate) last: usize,
    /// From this time on, for those that strike midway.
    pub(crate) from: i64,
    /// Before this time.
    pub(crate) to: i64,
    pub(crate) strength: f64,
    pub(crate) minimum: f64,
    /// How far into a run it strikes, for those that strike every run at one point.
    pub(crate) point: f64,
    /// Which variety of the kind: 0, 1 or 2.
    pub(crate) variety: u8,
    /// Whether its errors were never seen before.
    pub(crate) novel: bool,
}

impl Planted {
    /// What it may be called, the right name first.
    pub(crate) fn accept(&self) -> Vec<Kind> {
        let mut accept = vec![self.kind];
        match (self.kind, self.variety) {
            (ErrorWave, _) if self.novel => accept.push(NewError),
            // Answers of 200 with a captcha: what tells of it are errors nobody has seen before.
            (BlockWave, 2) => accept.extend([ErrorWave, NewError]),
            (SilentFailure, _) if self.strength < 0.8 => accept.push(YieldDrop),
            (YieldDrop, _) if self.strength > 0.45 => accept.push(SilentFailure),
            // First attempts that fail for good reason are failing requests.
            (RetryWaste, 1) => accept.push(ErrorWave),
            // Without a heartbeat nobody can tell a process that hangs from one that is gone.
            (RunStalled, 2) => accept.push(RunKilled),
            (RunLate, _) if self.strength > 0.5 => accept.push(RunMissed),
            _ => {}
        }
        accept
    }

    /// Its consequences.
    pub(crate) fn related(&self) -> Vec<Kind> {
        let accept = self.accept();
        self.kind
            .facts()
            .related
            .iter()
            .copied()
            .filter(|kind| !accept.contains(kind))
            .collect()
    }
}

/// What an incident really changed.
#[derive(Default)]
pub(crate) struct Trace {
    /// The times of the first and the last event that it changed.
    pub(crate) span: Option<(i64, i64)>,
    /// Other honest onsets.
    pub(crate) also: Vec<i64>,
    pub(crate) first_run: Option<String>,
    pub(crate) events: u64,
}

impl Trace {
    /// The incident changed what happened now.
    pub(crate) fn touch(&mut self, now: i64, run: Option<&str>) {
        if self.span.is_none() {
            self.first_run = run.map(str::to_owned);
        }
        let (first, last) = self.span.unwrap_or((now, now));
        self.span = Some((first, last.max(now)));
        self.events += 1;
    }

    /// Another moment that may be called its onset, if this is its onset.
    pub(crate) fn or_since(&mut self, other: i64) {
        if self.span.is_none() {
            self.also.push(other);
        }
    }

    /// It reaches until now.
    pub(crate) fn reach(&mut self, now: i64) {
        if let Some((_, last)) = &mut self.span {
            *last = now.max(*last);
        }
    }
}
