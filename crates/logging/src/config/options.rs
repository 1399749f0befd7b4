//! The settings, each declared once: its name, its kind, its default, what it does.
//!
//! From a declaration come the field, the setter and its documentation, the environment's variable
//! (`DRAGLINE_` and the name in capitals), the key in the TOML section, and the line in
//! `docs/recorder.md`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::value::{Compression, ConsoleMode, Patience, Setting};
use crate::clock::{Clock, SystemClock};
use crate::file_name::Format;
use crate::schedule::Rotation;

/// What is known of a setting besides its value.
#[derive(Clone, Copy, Debug)]
pub struct OptionInfo {
    /// Its key in TOML; in the environment it is in capitals behind `DRAGLINE_`.
    pub name: &'static str,
    /// Its default, as text.
    pub default: &'static str,
    /// What it does.
    pub about: &'static [&'static str],
}

macro_rules! options {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident ( $argument:ty ) : $kind:ty = $default:literal;
    )*) => {
        /// How a recorder writes: where, how much, and when a new file begins. Every setting is a
        /// method here, a key of the section `[logging]` in a TOML file ([`Config::from_toml`]), and
        /// a variable of the environment ([`Config::from_env`]).
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
            /// Every setting, in the order of the documentation.
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

            /// Sets the setting of that name from text.
            ///
            /// `Err(None)`: there is none; `Err(Some(…))`: what the text should be.
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

/// A test reads every default.
fn default<T: Setting>(text: &str) -> T {
    #[allow(clippy::expect_used, reason = "a constant, read by a test")]
    T::read(text).expect("a default is a value of its kind")
}

options! {
    /// Where the files are. The directory is made when it is missing.
    dir(impl Into<PathBuf>): PathBuf = "logs";
    /// The first part of the files' names: letters, digits, `-` and `_`. Empty: the program's name.
    name(impl Into<String>): String = "";
    /// What is recorded: a level, or directives per target as in `info,hyper=warn`. The typed events
    /// of runs have the target `dragline` and are recorded from `info` up unless a directive names
    /// that target. In the environment, `MONITORING_LOG_LEVEL` is read too.
    level(impl Into<String>): String = "info";
    /// Whether files are written at all; a container may want the console alone.
    files(bool): bool = "true";
    /// What the files hold: `json`, the wire format that the reports are made from, or `text` for people.
    format(Format): Format = "json";
    /// Whether each line says the source file and line of its event.
    location(bool): bool = "false";
    /// When a new file begins, besides when the old one is full: `hourly`, `daily`, `weekly`
    /// (before Monday), `never`, or so long after the file's first line: `6 hours`.
    rotation(Rotation): Rotation = "daily";
    /// Whose midnights and hours these are: `UTC` or a name such as `Europe/Berlin`. Times in lines
    /// and names are UTC all the same.
    time_zone(TimeZone): TimeZone = "UTC";
    /// A file never grows beyond this, unless a single line does; nor beyond an eighth of `keep_bytes`.
    max_file_bytes(u64): u64 = "64 MiB";
    /// How closed files are compressed: `gzip`, `zstd` (with the feature `zstd`), either with a level
    /// as in `gzip:9`, or `none`.
    compression(Compression): Compression = "gzip";
    /// Closed files that began longer ago than this go.
    keep_age(Option<Duration>): Option<Duration> = "30 days";
    /// At most so many closed files stay, the newest.
    keep_files(Option<usize>): Option<usize> = "unlimited";
    /// At most so many bytes stay, the open file among them.
    keep_bytes(Option<u64>): Option<u64> = "unlimited";
    /// Whether events at ERROR are also written to files of their own, `NAME.error.…`, which are kept longer.
    error_copy(bool): bool = "true";
    /// As `keep_age`, for the copy of the errors.
    error_keep_age(Option<Duration>): Option<Duration> = "90 days";
    /// As `keep_files`, for the copy of the errors.
    error_keep_files(Option<usize>): Option<usize> = "unlimited";
    /// As `keep_bytes`, for the copy of the errors.
    error_keep_bytes(Option<u64>): Option<u64> = "unlimited";
    /// Whether `NAME.current` is a symbolic link to the file that is being written.
    symlink(bool): bool = "true";
    /// When a write fails because the disk is full, whether the oldest closed files of the family are
    /// removed to make room.
    make_room(bool): bool = "false";
    /// So many bytes may wait to be written. Levels up to INFO leave an eighth of them to the others.
    queue_bytes(usize): usize = "16 MiB";
    /// How long an event waits for room in a full queue before it is dropped and counted: one time for
    /// all levels, or by level; `0s` never waits, `forever` never drops.
    queue_patience(Patience): Patience = "info=100ms, error=1s";
    /// How long an event may wait to be written.
    flush_interval(Duration): Duration = "1s";
    /// Whether an event at ERROR is written at once, with everything before it.
    flush_errors(bool): bool = "true";
    /// Whether every write is forced to the disk (`fdatasync`): it survives the machine's crash then,
    /// and costs milliseconds of the writing thread each time.
    fsync(bool): bool = "false";
    /// Longer texts in a line are cut, with a mark.
    max_value_bytes(usize): usize = "64 KiB";
    /// Values under names with these words are replaced by `[redacted]`: in fields, in objects, and in
    /// the parameters of URLs.
    redact(Vec<String>): Vec<String> = "authorization, cookie, cookies, password, passwd, pwd, passphrase, secret, token, api_key, access_key, private_key, credential, credentials, session_id, sessid, signature, bearer, jwt, secret_key";
    /// Whether user names, passwords and secret parameters are taken out of URLs, wherever they stand.
    redact_urls(bool): bool = "true";
    /// What is shown while the program runs: `human` or `compact` lines on standard error, `auto` (human
    /// on a terminal, compact on a pipe), `json` on standard output, or `off`. A layer that is composed
    /// with others takes `auto` for `off`.
    console(ConsoleMode): ConsoleMode = "auto";
    /// Whether a panic is recorded, and everything before it written, before the program goes on.
    panic_hook(bool): bool = "true";
    /// Whether SIGTERM and SIGINT write everything that waits before they end the program.
    flush_on_signal(bool): bool = "false";
}
