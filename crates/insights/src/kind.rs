//! Every kind of finding, in one table.
//!
//! A new kind is a row here and a function that finds it. What is asked of a kind is answered by the row, or by a
//! `match` over all kinds, so that a forgotten one does not compile.

use std::fmt;
use std::str::FromStr;

use dragline_schema::{ErrorCategory, Severity};

/// The verdict that a finding gives its scraper as long as it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// None: the runs decide.
    None,
    /// `degraded`
    Degraded,
    /// `missed`
    Missed,
    /// `blocked`
    Blocked,
    /// `layout_changed`
    LayoutChanged,
    /// `silent_failure`
    SilentFailure,
}

/// One row of the table.
struct Row {
    name: &'static str,
    /// The worst that it is told as.
    severity: Severity,
    runbook: &'static str,
    effect: Effect,
    /// Whether one finding tells of all scrapers that have it; the others are told for each, and put together by their
    /// kind, metric and onset.
    is_shared: bool,
    /// Whether most likely the site did it, so that the same site of other scrapers is worth a look.
    is_of_site: bool,
    text: &'static str,
}

macro_rules! kinds {
    ($($kind:ident: $name:literal, $severity:ident, $runbook:literal, $effect:ident, [$($flag:ident)*], $text:literal;)*) => {
        /// What kind of thing a finding tells.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum InsightKind {
            $(#[doc = $text] $kind,)*
        }

        impl InsightKind {
            /// All of them, by name.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            fn row(self) -> Row {
                match self {
                    $(Self::$kind => {
                        #[allow(unused_mut, reason = "most rows have no flag")]
                        let mut row = Row {
                            name: $name,
                            severity: Severity::$severity,
                            runbook: $runbook,
                            effect: Effect::$effect,
                            is_shared: false,
                            is_of_site: false,
                            text: $text,
                        };
                        $(row.$flag = true;)*
                        row
                    })*
                }
            }
        }
    };
}

kinds! {
    BlockWave: "block_wave", High, "blocked", Blocked, [is_of_site], "A site refused many more requests than usual.";
    Bottleneck: "bottleneck", Low, "slow-site", Degraded, [is_of_site], "A run spent much more of its time than usual waiting: for the site, its database, or its own work on a page.";
    ClockSkew: "clock_skew", Low, "log-loss", None, [], "The clock of a run was set while it ran.";
    CpuHigh: "cpu_high", Medium, "memory", None, [], "The machine's processors are beyond the limit.";
    CpuLow: "cpu_low", Low, "slow-site", None, [], "The machine's processors are below the limit: there is room for more.";
    DiskHigh: "disk_high", Medium, "disk", None, [], "The machine's disk is beyond the limit.";
    DuplicateSurge: "duplicate_surge", Medium, "layout-change", Degraded, [], "A run met many more duplicates than usual.";
    ErrorWave: "error_wave", High, "high-error-rate", Degraded, [], "Many more errors of a category, or requests that fail, than usual.";
    ErrorsHigh: "errors_high", Low, "high-error-rate", None, [], "The errors of the period are beyond the limit.";
    FailuresHigh: "failures_high", Medium, "high-error-rate", None, [], "More of a run's requests failed than the limit allows.";
    GrowthLow: "growth_low", Low, "missed-run", None, [], "The last seven days have fewer requests, against the seven before, than the limit allows.";
    LanguageShare: "language_share", Low, "layout-change", None, [], "More of the articles are in one language than the limit allows.";
    LayoutChange: "layout_change", High, "layout-change", LayoutChanged, [], "Pages answer, and what was taken from them is no longer found.";
    LogLoss: "log_loss", Medium, "log-loss", None, [], "Lines of a run are missing, by their numbers.";
    MemoryHigh: "memory_high", Medium, "memory", None, [], "The machine's memory is beyond the limit.";
    NewError: "new_error", Critical, "high-error-rate", Degraded, [is_shared], "An error that was never there before.";
    QueueGrowth: "queue_growth", Medium, "slow-site", Degraded, [], "A queue grew, or was left undone, much more than usual.";
    QueueHigh: "queue_high", Low, "slow-site", None, [], "A run's queue grew beyond the limit.";
    RegressedError: "regressed_error", Critical, "high-error-rate", Degraded, [is_shared], "An error that was gone is back.";
    ResponseTimeHigh: "response_time_high", Low, "slow-site", None, [], "Answers of a run took longer than the limit allows.";
    RetryWaste: "retry_waste", Medium, "high-error-rate", Degraded, [], "Many more of the requests than usual were retries.";
    RunFailed: "run_failed", High, "scraper-down", None, [], "A run ended and said that it failed.";
    RunKilled: "run_killed", High, "scraper-down", None, [], "A run stopped without an end.";
    RunLate: "run_late", Low, "missed-run", None, [], "A run began much later than it was due.";
    RunMissed: "run_missed", High, "missed-run", Missed, [], "A run was due and did not begin.";
    RunStalled: "run_stalled", High, "scraper-down", None, [], "A run went on and did nothing any more.";
    RunTruncated: "run_truncated", Low, "log-loss", None, [], "The last file of a run is a damaged archive.";
    SearchFast: "search_fast", Low, "slow-site", None, [], "Searches answer faster than the limit.";
    SearchSlow: "search_slow", Low, "slow-site", None, [], "Searches answer slower than the limit.";
    SearchesHigh: "searches_high", Low, "slow-site", None, [], "More searches a day than the limit allows.";
    SilentFailure: "silent_failure", High, "layout-change", SilentFailure, [], "Pages answer and hold nothing any more, without an error.";
    SlowDown: "slow_down", Medium, "slow-site", Degraded, [is_of_site], "Answers took much longer than usual.";
    StatisticChange: "statistic_change", Low, "high-error-rate", None, [], "A number that the scraper's author counts himself is far from usual.";
    VolumeHigh: "volume_high", Low, "layout-change", Degraded, [], "Many more requests than usual, or than the limit allows.";
    VolumeLow: "volume_low", Low, "layout-change", Degraded, [], "Many fewer requests than usual, or than the limit asks for.";
    YieldDrop: "yield_drop", Medium, "layout-change", Degraded, [], "Fewer items for each page than usual.";
}

impl InsightKind {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The worst severity that it is told with.
    pub fn severity(self) -> Severity {
        self.row().severity
    }

    /// The runbook that says what to look at, where nothing finer is known.
    pub fn runbook(self) -> &'static str {
        self.row().runbook
    }

    /// What it makes of its scraper as long as it is open.
    pub fn effect(self) -> Effect {
        self.row().effect
    }

    /// Whether one finding tells of all scrapers that have it.
    pub fn is_shared(self) -> bool {
        self.row().is_shared
    }

    /// Whether most likely the site did it.
    pub fn is_of_site(self) -> bool {
        self.row().is_of_site
    }

    /// What it is, in a sentence.
    pub fn text(self) -> &'static str {
        self.row().text
    }
}

impl fmt::Display for InsightKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for InsightKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|kind| kind.name() == name);
        found.copied().ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

/// A name that no kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(String);

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no kind of insight `{}`", self.0)
    }
}

impl std::error::Error for UnknownKind {}

/// The runbook for errors of a category, and of a finer kind where a rule knows it; `None` where that of the finding
/// says it best.
pub(crate) fn runbook_of_errors(
    category: ErrorCategory,
    sub_category: &str,
) -> Option<&'static str> {
    match (category, sub_category) {
        (ErrorCategory::System | ErrorCategory::Database, "disk") => Some("disk"),
        (ErrorCategory::System, "memory" | "file_handles" | "browser" | "process") => {
            Some("memory")
        }
        (ErrorCategory::Database, _) => Some("database"),
        (ErrorCategory::RateLimit, "blocked" | "captcha") | (ErrorCategory::Authentication, _) => {
            Some("blocked")
        }
        (ErrorCategory::RateLimit, _) => Some("rate-limiting"),
        (ErrorCategory::SiteChange | ErrorCategory::Parsing, _) => Some("layout-change"),
        (ErrorCategory::Network, "timeout") => Some("slow-site"),
        (ErrorCategory::System | ErrorCategory::Network | ErrorCategory::Unknown, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_kind() {
        let names: Vec<&str> = InsightKind::ALL.iter().map(|kind| kind.name()).collect();
        assert!(
            names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]),
            "{names:?}"
        );
        for kind in InsightKind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
            assert!(kind.text().ends_with('.'), "{kind}");
        }
        assert!("blocked".parse::<InsightKind>().is_err());
    }

    #[test]
    fn a_full_disk_has_its_own_runbook() {
        assert_eq!(
            runbook_of_errors(ErrorCategory::System, "disk"),
            Some("disk")
        );
        assert_eq!(
            runbook_of_errors(ErrorCategory::Database, "disk"),
            Some("disk")
        );
        assert_eq!(
            runbook_of_errors(ErrorCategory::Database, "deadlock"),
            Some("database")
        );
        assert_eq!(runbook_of_errors(ErrorCategory::Network, "dns"), None);
    }
}
