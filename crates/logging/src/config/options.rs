//! The settings, each declared once with its name, type, default and description.
//!
//! The declaration generates the field, the setter with its documentation, the environment variable
//! (`DRAGLINE_` and the name in upper case), the key in the TOML section, and the line in
//! `docs/recorder.md`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::value::{Compression, ConsoleLevel, ConsoleMode, Patience, SampleInterval, Setting};
use crate::clock::{Clock, SystemClock};
use crate::file_name::Format;
use crate::schedule::Rotation;

/// The description of a setting.
#[derive(Clone, Copy, Debug)]
pub struct OptionInfo {
    /// The key in TOML. The environment variable is `DRAGLINE_` and the name in upper case.
    pub name: &'static str,
    /// The default, as text.
    pub default: &'static str,
    /// What the setting does.
    pub about: &'static [&'static str],
}

macro_rules! options {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident ( $argument:ty ) : $kind:ty = $default:literal;
    )*) => {
        /// The configuration of a recorder: where and how much it writes, and when a new file starts.
        /// Every setting is a method here, a key in the section `[logging]` of a TOML file
        /// ([`Config::from_toml`]), and an environment variable ([`Config::from_env`]).
        ///
        /// ```
        /// use dragline_logging::Config;
        ///
        /// let config = Config::new("logs").name("shop").max_file_bytes(8 << 20).level("info,hyper=warn");
        /// ```
        #[derive(Clone, Debug)]
        pub struct Config {
            $( pub(crate) $name: $kind, )*
            pub(crate) writer_id: Option<String>,
            pub(crate) clock: Arc<dyn Clock>,
        }

        impl Default for Config {
            fn default() -> Self {
                Self {
                    $( $name: default::<$kind>($default), )*
                    writer_id: None,
                    clock: Arc::new(SystemClock),
                }
            }
        }

        impl Config {
            /// All settings, in the order of the documentation.
            pub const OPTIONS: &'static [OptionInfo] = &[$(
                OptionInfo {
                    name: stringify!($name),
                    default: $default,
                    about: &[$($doc),*],
                }
            ),*];

            $(
                $(#[doc = $doc])*
                #[doc = ""]
                #[doc = concat!("Default: `", $default, "`.")]
                #[must_use]
                pub fn $name(mut self, value: $argument) -> Self {
                    self.$name = value.into();
                    self
                }
            )*

            /// Parses `text` and sets the setting `name`.
            ///
            /// `Err(None)`: no such setting. `Err(Some(…))`: a description of the expected text.
            pub(super) fn set(&mut self, name: &str, text: &str) -> Result<(), Option<&'static str>> {
                match name {
                    $( stringify!($name) => {
                        self.$name = Setting::read(text).ok_or(Some(<$kind as Setting>::EXPECTED))?;
                    } )*
                    _ => return Err(None),
                }
                Ok(())
            }
        }

        #[cfg(test)]
        pub(super) const READS: &[fn(&str) -> bool] = &[$(|text| <$kind as Setting>::read(text).is_some()),*];
    };
}

/// Parses a default. A test parses all of them.
fn default<T: Setting>(text: &str) -> T {
    #[allow(clippy::expect_used, reason = "a constant that a test parses")]
    T::read(text).expect("a default is a valid value")
}

options! {
    /// Directory of the log files. It is created if it does not exist.
    dir(impl Into<PathBuf>): PathBuf = "logs";
    /// First part of the file names: letters, digits, `-` and `_`. Empty: the program's name.
    name(impl Into<String>): String = "";
    /// Level filter: a level, or directives per target as in `info,hyper=warn`. The typed events
    /// of runs have the target `dragline` and are recorded from `info` up unless a directive names
    /// that target. The environment variable `MONITORING_LOG_LEVEL` is also accepted.
    level(impl Into<String>): String = "info";
    /// Whether to write log files. In a container, the console alone may be enough.
    files(bool): bool = "true";
    /// Format of the files: `json`, the wire format that reports are made from, or `text` for people.
    format(Format): Format = "json";
    /// Whether to add the source file and line of the event to each line, and the function: the name of the
    /// innermost span around it, which `#[tracing::instrument]` takes from the function.
    location(bool): bool = "false";
    /// When to start a new file before the current one is full: `hourly`, `daily`, `weekly` (at
    /// the start of Monday), `never`, or a time after the file's first line, such as `6 hours`.
    rotation(Rotation): Rotation = "daily";
    /// Time zone for the rotation: `UTC` or a name such as `Europe/Berlin`. Times in lines and file
    /// names are always in UTC.
    time_zone(TimeZone): TimeZone = "UTC";
    /// Maximum file size, which only a single longer line can exceed. Limited to an eighth of `keep_bytes`.
    max_file_bytes(u64): u64 = "64 MiB";
    /// Compression of closed files: `gzip`, `zstd` (with the feature `zstd`), either with a level as
    /// in `gzip:9`, or `none`.
    compression(Compression): Compression = "gzip";
    /// Maximum age of closed files, counted from their first line. Older files are removed.
    keep_age(Option<Duration>): Option<Duration> = "30 days";
    /// Maximum number of closed files. The oldest are removed first.
    keep_files(Option<usize>): Option<usize> = "unlimited";
    /// Maximum total size of the files, including the open one. The oldest closed files are removed first.
    keep_bytes(Option<u64>): Option<u64> = "unlimited";
    /// Whether to write events at ERROR also to separate files, `NAME.error.…`, which are kept longer.
    error_copy(bool): bool = "true";
    /// Like `keep_age`, for the error files.
    error_keep_age(Option<Duration>): Option<Duration> = "90 days";
    /// Like `keep_files`, for the error files.
    error_keep_files(Option<usize>): Option<usize> = "unlimited";
    /// Like `keep_bytes`, for the error files.
    error_keep_bytes(Option<u64>): Option<u64> = "unlimited";
    /// Whether to maintain a symbolic link `NAME.current` to the open file.
    symlink(bool): bool = "true";
    /// Whether to remove the oldest closed files of this recorder when a write fails because the disk
    /// is full.
    make_room(bool): bool = "false";
    /// Maximum number of bytes waiting to be written. One eighth is reserved for WARN and ERROR.
    queue_bytes(usize): usize = "16 MiB";
    /// How long an event waits for space in a full queue before it is dropped and counted: one time
    /// for all levels, or a time per level. `0s` never waits, `forever` never drops.
    queue_patience(Patience): Patience = "info=100ms, error=1s";
    /// Maximum time between an event and its write to the file.
    flush_interval(Duration): Duration = "1s";
    /// Whether an event at ERROR is written at once, together with all earlier events.
    flush_errors(bool): bool = "true";
    /// Whether to sync every write to disk (`fdatasync`). Lines then survive a crash of the machine;
    /// each write costs the writer thread milliseconds.
    fsync(bool): bool = "false";
    /// Maximum size of a text value in a line. Longer values are truncated and marked.
    max_value_bytes(usize): usize = "64 KiB";
    /// Values whose names contain these words are replaced by `[redacted]`: in fields, in objects, and
    /// in URL parameters.
    redact(Vec<String>): Vec<String> = "authorization, cookie, cookies, password, passwd, pwd, passphrase, secret, token, api_key, access_key, private_key, credential, credentials, session_id, sessid, signature, bearer, jwt, secret_key";
    /// Whether to redact user names, passwords and secret parameters in all URLs.
    redact_urls(bool): bool = "true";
    /// Console output: `human` or `compact` lines on standard error, `auto` (`human` on a terminal,
    /// otherwise `compact`), `json` on standard output, or `off`. For a layer that is composed with
    /// others, `auto` means `off`.
    console(ConsoleMode): ConsoleMode = "auto";
    /// Lowest level that is shown on standard error: a level, or `auto`, which shows everything unless
    /// `console` is `auto`, standard error is not a terminal, and the files have the events as well. Then
    /// WARN and above are shown, and the starts and ends of runs.
    console_level(impl Into<ConsoleLevel>): ConsoleLevel = "auto";
    /// How often to record the machine's CPU, memory, disk and network usage as a `system_sample`, from `1s`
    /// to `1 day`, or `off`. Needs the feature `system`.
    system_sample(impl Into<SampleInterval>): SampleInterval = "off";
    /// Whether errors are recorded with the backtrace of the call that records them, in the field
    /// `traceback`. Applies to the whole process. The first one reads the program's debug information,
    /// which may take longer than 100 ms; the others take milliseconds or less.
    backtraces(bool): bool = "false";
    /// Whether to record a panic and write all earlier events before the program continues.
    panic_hook(bool): bool = "true";
    /// Whether SIGTERM and SIGINT write all waiting events before they end the program.
    flush_on_signal(bool): bool = "false";
}
