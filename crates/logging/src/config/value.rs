//! The types of settings, and their text forms.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use tracing::Level;

use crate::file_name::Format;
use crate::levels::{LEVELS, level_index};
use crate::schedule::Rotation;

/// A type that can be parsed from the text of a setting.
pub(super) trait Setting: Sized {
    /// The expected text, to complete "expected …".
    const EXPECTED: &'static str;
    /// Parses the text.
    fn read(text: &str) -> Option<Self>;
}

/// The compression of closed files. Levels are those of the format; a higher level is slower and compresses more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    None,
    /// gzip, level 1 to 9.
    Gzip(u32),
    /// Zstandard, level 1 to 19. Needs the feature `zstd` of this crate.
    Zstd(i32),
}

/// The console output while the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleMode {
    /// No output.
    Off,
    /// [`ConsoleMode::Human`] if standard error is a terminal, otherwise [`ConsoleMode::Compact`].
    Auto,
    /// Short lines for people on standard error, coloured on a terminal unless `NO_COLOR` is set.
    Human,
    /// One full line per event on standard error.
    Compact,
    /// The lines of the wire format on standard output, for containers.
    Json,
}

/// The lowest level that is shown on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleLevel {
    /// Every event, except where [`ConsoleMode::Auto`] finds no terminal and the files have the events as
    /// well: there WARN and above, and the starts and ends of runs.
    Auto,
    /// The level and those above.
    From(Level),
}

impl From<Level> for ConsoleLevel {
    fn from(level: Level) -> Self {
        Self::From(level)
    }
}

/// How often the machine's resource usage is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SampleInterval {
    /// Never.
    Off,
    /// At this interval.
    Every(Duration),
    /// A text that is not a time, which starting the recorder refuses.
    Invalid(String),
}

impl From<Duration> for SampleInterval {
    fn from(interval: Duration) -> Self {
        Self::Every(interval)
    }
}

impl From<&str> for SampleInterval {
    fn from(text: &str) -> Self {
        Self::read(text).unwrap_or_else(|| Self::Invalid(text.to_owned()))
    }
}

/// How long an event of each level waits for space in a full queue before it is dropped. Zero: it does
/// not wait. [`Patience::FOREVER`]: nothing is dropped, and a failed disk blocks the scraper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience([Duration; 5]);

impl Patience {
    /// Every event waits until there is space.
    pub const FOREVER: Self = Self([Duration::MAX; 5]);
    /// No event waits.
    pub const NONE: Self = Self([Duration::ZERO; 5]);

    /// Sets the time for one level.
    #[must_use]
    pub fn with(mut self, level: Level, wait: Duration) -> Self {
        self.0[level_index(level)] = wait;
        self
    }

    /// How long an event of the level waits.
    pub fn of(&self, level: Level) -> Duration {
        self.0[level_index(level)]
    }
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a path";
    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a text";
    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "`true` or `false`";
    fn read(text: &str) -> Option<Self> {
        match text {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }
}

impl Setting for u64 {
    const EXPECTED: &'static str = "a number of bytes above 0, such as `64 MiB`";
    fn read(text: &str) -> Option<Self> {
        let size: bytesize::ByteSize = text.parse().ok()?;
        Some(size.as_u64()).filter(|bytes| *bytes > 0)
    }
}

impl Setting for usize {
    const EXPECTED: &'static str = u64::EXPECTED;
    fn read(text: &str) -> Option<Self> {
        u64::read(text)?.try_into().ok()
    }
}

impl Setting for Duration {
    const EXPECTED: &'static str = "a time such as `500ms`, `1 minute` or `30 days`";
    fn read(text: &str) -> Option<Self> {
        let span: jiff::Span = text.parse().ok()?;
        let days = jiff::SpanRelativeTo::days_are_24_hours();
        span.to_duration(days).ok()?.try_into().ok()
    }
}

impl Setting for Option<Duration> {
    const EXPECTED: &'static str = "a time such as `30 days`, or `unlimited`";
    fn read(text: &str) -> Option<Self> {
        match text {
            "unlimited" => Some(None),
            _ => Duration::read(text).map(Some),
        }
    }
}

impl Setting for Option<u64> {
    const EXPECTED: &'static str = "a number of bytes such as `10 GiB`, or `unlimited`";
    fn read(text: &str) -> Option<Self> {
        match text {
            "unlimited" => Some(None),
            _ => u64::read(text).map(Some),
        }
    }
}

impl Setting for Option<usize> {
    const EXPECTED: &'static str = "a number such as `100`, or `unlimited`";
    fn read(text: &str) -> Option<Self> {
        match text {
            "unlimited" => Some(None),
            _ => text.parse().ok().map(Some),
        }
    }
}

impl Setting for Vec<String> {
    const EXPECTED: &'static str = "a comma-separated list of names";
    fn read(text: &str) -> Option<Self> {
        let names = text.split(',').map(str::trim);
        Some(
            names
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }
}

impl Setting for Format {
    const EXPECTED: &'static str = "`json` or `text`";
    fn read(text: &str) -> Option<Self> {
        match text {
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            _ => None,
        }
    }
}

impl Setting for Rotation {
    const EXPECTED: &'static str =
        "`hourly`, `daily`, `weekly`, `never` or a time such as `6 hours`";
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "never" => Self::Never,
            "hourly" => Self::Hourly,
            "daily" => Self::Daily,
            "weekly" => Self::Weekly,
            _ => Self::Every(Duration::read(text).filter(|interval| !interval.is_zero())?),
        })
    }
}

impl Setting for TimeZone {
    const EXPECTED: &'static str =
        "a time zone known to this machine, such as `UTC` or `Europe/Berlin`";
    fn read(text: &str) -> Option<Self> {
        TimeZone::get(text).ok()
    }
}

impl Setting for Compression {
    const EXPECTED: &'static str = if cfg!(feature = "zstd") {
        "`gzip`, `zstd`, either with a level as in `gzip:9`, or `none`"
    } else {
        "`gzip`, with an optional level as in `gzip:9`, or `none` (`zstd` needs the feature `zstd`)"
    };
    fn read(text: &str) -> Option<Self> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level.trim().parse::<u32>().ok()?)),
            None => (text, None),
        };
        match (name.trim(), level) {
            ("none", None) => Some(Self::None),
            ("gzip", level) => Some(Self::Gzip(level.unwrap_or(6))),
            ("zstd", level) => Some(Self::Zstd(level.unwrap_or(3).try_into().ok()?)),
            _ => None,
        }
        .filter(|compression: &Self| compression.is_possible())
    }
}

impl Compression {
    pub(super) fn is_possible(self) -> bool {
        match self {
            Self::None => true,
            Self::Gzip(level) => (1..=9).contains(&level),
            Self::Zstd(level) => cfg!(feature = "zstd") && (1..=19).contains(&level),
        }
    }
}

impl Setting for ConsoleMode {
    const EXPECTED: &'static str = "`auto`, `human`, `compact`, `json` or `off`";
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "auto" => Self::Auto,
            "human" => Self::Human,
            "compact" => Self::Compact,
            "json" => Self::Json,
            "off" => Self::Off,
            _ => return None,
        })
    }
}

impl Setting for ConsoleLevel {
    const EXPECTED: &'static str = "`auto`, `trace`, `debug`, `info`, `warn` or `error`";
    fn read(text: &str) -> Option<Self> {
        if text == "auto" {
            return Some(Self::Auto);
        }
        let is_named = |level: &&Level| text.eq_ignore_ascii_case(level.as_str());
        LEVELS.iter().find(is_named).copied().map(Self::From)
    }
}

impl Setting for SampleInterval {
    const EXPECTED: &'static str = "a time such as `30s`, or `off`";
    fn read(text: &str) -> Option<Self> {
        match text {
            "off" => Some(Self::Off),
            _ => Duration::read(text).map(Self::Every),
        }
    }
}

impl Setting for Patience {
    const EXPECTED: &'static str =
        "a time such as `100ms`, `forever`, or times per level such as `info=100ms, error=1s`";
    fn read(text: &str) -> Option<Self> {
        let time = |text: &str| match text {
            "forever" => Some(Duration::MAX),
            _ => Duration::read(text),
        };
        if let Some(all) = time(text) {
            return Some(Self([all; 5]));
        }
        // A level that is not named waits as long as the next higher named level. Above the highest named level,
        // events do not wait.
        let mut waits = Self::NONE;
        let mut named = [false; 5];
        for part in text.split(',') {
            let (level, wait) = part.split_once('=')?;
            let index = level_index(level.trim().parse().ok()?);
            waits.0[index] = time(wait.trim())?;
            named[index] = true;
        }
        for index in (0..LEVELS.len() - 1).rev() {
            if !named[index] {
                waits.0[index] = waits.0[index + 1];
            }
        }
        Some(waits)
    }
}
