//! Every kind of finding, in one table.
//!
//! To add a kind, add a row here and a function that finds it. All properties of a kind come from its row or from a
//! `match` over all kinds, so the build fails if one is forgotten.

use std::fmt;
use std::str::FromStr;

use dragline_schema::{ErrorCategory, Severity};

/// The verdict that an open finding gives its scraper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// No effect: the runs decide the verdict.
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
    /// Maximum severity.
    severity: Severity,
    runbook: &'static str,
    effect: Effect,
    /// Whether one finding covers all affected scrapers. Other kinds have one finding per scraper; these are
    /// grouped by kind, metric and onset.
    is_shared: bool,
    /// Whether the site is the likely cause, so that other scrapers of the same site should be checked too.
    is_of_site: bool,
    text: &'static str,
}

macro_rules! kinds {
    ($($kind:ident: $name:literal, $severity:ident, $runbook:literal, $effect:ident, [$($flag:ident)*], $text:literal;)*) => {
        /// The kind of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum InsightKind {
            $(#[doc = $text] $kind,)*
        }

        impl InsightKind {
            /// All kinds, sorted by name.
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
    Bottleneck: "bottleneck", Low, "slow-site", Degraded, [is_of_site], "A run spent a much larger share of its time than usual waiting for the site, waiting for its database, or processing pages.";
    ClockSkew: "clock_skew", Low, "log-loss", None, [], "The machine's clock was changed during a run.";
    CpuHigh: "cpu_high", Medium, "memory", None, [], "The machine's CPU usage is above the limit.";
    CpuLow: "cpu_low", Low, "slow-site", None, [], "The machine's CPU usage is below the limit: it has capacity for more.";
    DiskHigh: "disk_high", Medium, "disk", None, [], "The machine's disk usage is above the limit.";
    DuplicateSurge: "duplicate_surge", Medium, "layout-change", Degraded, [], "A run found many more duplicates than usual.";
    ErrorWave: "error_wave", High, "high-error-rate", Degraded, [], "Many more errors of a category, or failed requests, than usual.";
    ErrorsHigh: "errors_high", Low, "high-error-rate", None, [], "The number of errors in the period is above the limit.";
    FailuresHigh: "failures_high", Medium, "high-error-rate", None, [], "The share of failed requests of a run is above the limit.";
    GrowthLow: "growth_low", Low, "missed-run", None, [], "The growth of requests from the previous seven days to the last seven days is below the limit.";
    LanguageShare: "language_share", Low, "layout-change", None, [], "The share of articles in one language is above the limit.";
    LayoutChange: "layout_change", High, "layout-change", LayoutChanged, [], "Pages still answer, but the scraper no longer finds the content it extracts from them.";
    LogLoss: "log_loss", Medium, "log-loss", None, [], "Lines of a run are missing: their sequence numbers have gaps.";
    MemoryHigh: "memory_high", Medium, "memory", None, [], "The machine's memory usage is above the limit.";
    NewError: "new_error", Critical, "high-error-rate", Degraded, [is_shared], "An error that never occurred before.";
    QueueGrowth: "queue_growth", Medium, "slow-site", Degraded, [], "A queue grew much longer than usual, or much more of it than usual was left unprocessed.";
    QueueHigh: "queue_high", Low, "slow-site", None, [], "The queue of a run grew beyond the limit.";
    RegressedError: "regressed_error", Critical, "high-error-rate", Degraded, [is_shared], "An error that had disappeared is back.";
    ResponseTimeHigh: "response_time_high", Low, "slow-site", None, [], "The response times of a run are above the limit.";
    RetryWaste: "retry_waste", Medium, "high-error-rate", Degraded, [], "A much larger share of the requests than usual were retries.";
    RunFailed: "run_failed", High, "scraper-down", None, [], "A run ended and reported that it failed.";
    RunKilled: "run_killed", High, "scraper-down", None, [], "A run stopped without logging its end.";
    RunLate: "run_late", Low, "missed-run", None, [], "A run started much later than it was due.";
    RunMissed: "run_missed", High, "missed-run", Missed, [], "A run was due and did not start.";
    RunStalled: "run_stalled", High, "scraper-down", None, [], "A run kept running but made no more requests and stored no more items.";
    RunTruncated: "run_truncated", Low, "log-loss", None, [], "The last file of a run is a damaged archive.";
    SearchFast: "search_fast", Low, "slow-site", None, [], "Searches are faster than the limit.";
    SearchSlow: "search_slow", Low, "slow-site", None, [], "Searches are slower than the limit.";
    SearchesHigh: "searches_high", Low, "slow-site", None, [], "The number of searches per day is above the limit.";
    SilentFailure: "silent_failure", High, "layout-change", SilentFailure, [], "Pages still answer but no longer contain items, and no error is logged.";
    SlowDown: "slow_down", Medium, "slow-site", Degraded, [is_of_site], "Responses took much longer than usual.";
    StatisticChange: "statistic_change", Low, "high-error-rate", None, [], "A custom statistic of the scraper is far from its usual value.";
    VolumeHigh: "volume_high", Low, "layout-change", Degraded, [], "Many more requests than usual, or more than the limit.";
    VolumeLow: "volume_low", Medium, "layout-change", Degraded, [], "Many fewer requests than usual, or fewer than the limit.";
    WarningSurge: "warning_surge", Medium, "high-error-rate", Degraded, [], "Many more warnings of one kind than usual.";
    YieldDrop: "yield_drop", Medium, "layout-change", Degraded, [], "Fewer items per page than usual.";
}

impl InsightKind {
    /// The kind's name in reports.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Maximum severity of a finding of this kind.
    pub fn severity(self) -> Severity {
        self.row().severity
    }

    /// The default runbook, used when no more specific one applies.
    pub fn runbook(self) -> &'static str {
        self.row().runbook
    }

    /// The effect of an open finding on its scraper's verdict.
    pub fn effect(self) -> Effect {
        self.row().effect
    }

    /// Whether one finding covers all affected scrapers.
    pub fn is_shared(self) -> bool {
        self.row().is_shared
    }

    /// Whether the site is the likely cause.
    pub fn is_of_site(self) -> bool {
        self.row().is_of_site
    }

    /// A one-sentence description.
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

/// The error for a name that is not an insight kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(String);

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown insight kind `{}`", self.0)
    }
}

impl std::error::Error for UnknownKind {}

/// The runbook for errors of a category and sub-category (empty if no rule assigned one); `None` where the finding's
/// own runbook fits best.
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
