//! Text for pages: escaped, formatted, with addresses.

use std::fmt;

use askama::filters::Escaper;
use dragline_charts::{Format, escape};
use dragline_schema::Severity;

use crate::model::{RunOutcome, ScraperVerdict, ValueFormat};
use crate::query::{Place, RunKey, ScraperKey};

/// What stands for an unknown value.
pub(super) const UNKNOWN: &str = "–";

/// The longest text of a log in a table, in characters; the whole is shown on hover.
const LONGEST: usize = 280;

/// The longest name of a scraper or a site in a sentence, in characters.
const LONGEST_NAME: usize = 80;

/// The escaper of all templates: hidden characters become visible, too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: fmt::Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        dest.write_str(&escape(string))
    }
}

/// Markup, made here from escaped text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Html(pub(super) String);

impl Html {
    /// Text as it is.
    pub(super) fn text(text: &str) -> Self {
        Self(escape(text))
    }

    /// A link to a page of ours.
    pub(super) fn link(base: &str, path: &str, text: &str) -> Self {
        Self(format!(
            "<a href=\"{}\">{}</a>",
            escape(&format!("{base}{path}")),
            escape(text)
        ))
    }

    /// A command, which a click copies.
    pub(super) fn command(command: &str) -> Self {
        let command = escape(command);
        Self(format!(
            "<button type=\"button\" class=\"quiet\" data-copy=\"{command}\"><code>{command}</code></button>"
        ))
    }

    /// A state: a word with a colour and a shape.
    pub(super) fn badge(tone: Tone, word: &str) -> Self {
        Self(format!(
            "<span class=\"badge {}\">{}</span>",
            tone.class(),
            escape(word)
        ))
    }

    /// Both, one after the other.
    pub(super) fn then(mut self, separator: &str, other: &Self) -> Self {
        if !self.0.is_empty() && !other.0.is_empty() {
            self.0.push_str(&escape(separator));
        }
        self.0.push_str(&other.0);
        self
    }

    /// With a second line in small print.
    pub(super) fn small(mut self, other: &Self) -> Self {
        if !other.0.is_empty() {
            self.0.push_str(&format!("<small>{}</small>", other.0));
        }
        self
    }

    /// A long text of a log, cut in the middle, the whole on hover.
    pub(super) fn long(text: &str) -> Self {
        let short = cut_middle(text, LONGEST);
        if short == text {
            return Self(format!("<code>{}</code>", escape(text)));
        }
        let whole: String = text.chars().take(2_000).collect();
        Self(format!(
            "<code title=\"{}\">{}</code>",
            escape(&whole),
            escape(&short)
        ))
    }
}

/// Cuts a text in the middle.
pub(super) fn cut_middle(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let half = (most - 1) / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(count - half).collect();
    format!("{head}…{tail}")
}

/// The tone of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    Good,
    Unknown,
    Plain,
    Warning,
    Critical,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Unknown => "unknown",
            Self::Plain => "",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    pub(super) fn of_severity(severity: Severity) -> Self {
        match severity {
            Severity::Low => Self::Plain,
            Severity::Medium => Self::Warning,
            Severity::High | Severity::Critical => Self::Critical,
        }
    }

    pub(super) fn of_verdict(verdict: ScraperVerdict) -> Self {
        match verdict {
            ScraperVerdict::Down
            | ScraperVerdict::Blocked
            | ScraperVerdict::SilentFailure
            | ScraperVerdict::LayoutChanged => Self::Critical,
            ScraperVerdict::Stalled | ScraperVerdict::Missed | ScraperVerdict::Degraded => {
                Self::Warning
            }
            ScraperVerdict::NoData => Self::Unknown,
            ScraperVerdict::Healthy => Self::Good,
        }
    }

    pub(super) fn of_status(status: &str) -> Self {
        match status {
            "healthy" => Self::Good,
            "degraded" => Self::Warning,
            "critical" => Self::Critical,
            _ => Self::Unknown,
        }
    }
}

/// A verdict in words.
pub(super) fn verdict(verdict: ScraperVerdict) -> &'static str {
    match verdict {
        ScraperVerdict::Down => "down",
        ScraperVerdict::Blocked => "blocked",
        ScraperVerdict::SilentFailure => "silent failure",
        ScraperVerdict::LayoutChanged => "layout changed",
        ScraperVerdict::Stalled => "stalled",
        ScraperVerdict::Missed => "missed a run",
        ScraperVerdict::Degraded => "degraded",
        ScraperVerdict::NoData => "no data",
        ScraperVerdict::Healthy => "healthy",
    }
}

/// What a verdict says about a scraper, after its name.
pub(super) fn predicate(verdict: ScraperVerdict) -> &'static str {
    match verdict {
        ScraperVerdict::Down => "is down",
        ScraperVerdict::Blocked => "is blocked",
        ScraperVerdict::SilentFailure => "finds nothing, without an error",
        ScraperVerdict::LayoutChanged => "no longer finds its content: the layout changed",
        ScraperVerdict::Stalled => "is stalled",
        ScraperVerdict::Missed => "missed a run",
        ScraperVerdict::Degraded => "works less well than usual",
        ScraperVerdict::NoData => "has too few runs to judge",
        ScraperVerdict::Healthy => "works as usual",
    }
}

pub(super) fn verdict_badge(of: ScraperVerdict) -> Html {
    Html::badge(Tone::of_verdict(of), verdict(of))
}

pub(super) fn severity_badge(severity: Severity) -> Html {
    Html::badge(Tone::of_severity(severity), severity.as_str())
}

pub(super) fn outcome_badge(outcome: Option<RunOutcome>) -> Html {
    let tone = match outcome {
        Some(RunOutcome::Finished) => Tone::Good,
        Some(RunOutcome::Running) => Tone::Plain,
        Some(RunOutcome::Cancelled) | None => Tone::Unknown,
        Some(RunOutcome::Stalled | RunOutcome::Truncated) => Tone::Warning,
        Some(RunOutcome::Failed | RunOutcome::Killed) => Tone::Critical,
    };
    Html::badge(tone, outcome.map_or("end not logged", RunOutcome::name))
}

/// A scraper's name in a sentence.
pub(super) fn name(key: &ScraperKey) -> String {
    let short = |name: &Option<String>| name.as_deref().map(|name| cut_middle(name, LONGEST_NAME));
    match (short(&key.scraper_id), short(&key.site)) {
        (Some(scraper), Some(site)) => format!("{scraper} on {site}"),
        (Some(scraper), None) => scraper,
        (None, Some(site)) => format!("unnamed scraper on {site}"),
        (None, None) => "unnamed scraper".to_owned(),
    }
}

/// An address with parameters.
pub(super) fn address<'a>(
    path: &str,
    params: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(params);
    let query = query.finish();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// The parameters of a scraper and site, for lists: an unknown name is the empty one.
pub(super) fn key_params(key: &ScraperKey) -> [(&'static str, &str); 2] {
    [
        ("scraper_id", key.scraper_id.as_deref().unwrap_or_default()),
        ("site", key.site.as_deref().unwrap_or_default()),
    ]
}

pub(super) fn scraper_address(key: &ScraperKey) -> String {
    address("/scraper", key_params(key))
}

pub(super) fn run_address(key: &RunKey) -> String {
    address(
        "/run",
        [
            ("scraper_id", key.scraper_id.as_deref().unwrap_or_default()),
            ("site", key.site.as_deref().unwrap_or_default()),
            ("run_id", &key.run_id),
        ],
    )
}

pub(super) fn line_address(place: &Place) -> String {
    let offset = place.offset.to_string();
    let line = place.line.map(|line| line.to_string());
    let params = [("file", place.file.as_str()), ("offset", &offset)];
    address(
        "/lines",
        params
            .into_iter()
            .chain(line.as_deref().map(|line| ("line", line))),
    )
}

/// A path with one part that comes from elsewhere.
pub(super) fn path_with(path: &str, part: &str) -> String {
    let encoded: String = part.bytes().fold(String::new(), |text, byte| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
        text + &if is_plain {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    format!("{path}/{encoded}")
}

pub(super) fn format_of(format: ValueFormat) -> Format {
    match format {
        ValueFormat::Number => Format::Number,
        ValueFormat::Percent => Format::Percent,
        ValueFormat::Milliseconds => Format::Milliseconds,
        ValueFormat::Bytes => Format::Bytes,
    }
}

/// A value for people.
pub(super) fn value(value: Option<f64>, format: ValueFormat) -> String {
    value.map_or_else(
        || UNKNOWN.to_owned(),
        |value| format_of(format).value(value),
    )
}

pub(super) fn count(count: u64) -> String {
    Format::Number.value(count as f64)
}

/// `1 scraper`, `12 scrapers`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", count(number))
    }
}

/// A length of time in its two largest units.
pub(super) fn length(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let two = |large: u64, one: &str, small: u64, other: &str| {
        if small == 0 {
            format!("{large} {one}")
        } else {
            format!("{large} {one} {small} {other}")
        }
    };
    match whole {
        0..60 => format!("{whole} s"),
        60..3_600 => two(whole / 60, "min", whole % 60, "s"),
        3_600..86_400 => two(whole / 3_600, "h", whole % 3_600 / 60, "min"),
        _ => two(whole / 86_400, "d", whole % 86_400 / 3_600, "h"),
    }
}

/// A period in words: `24 hours`, `7 days`.
pub(super) fn period(seconds: i64) -> String {
    let whole = seconds.max(0) as u64;
    match whole {
        0..172_800 if whole.is_multiple_of(3_600) => counted(whole / 3_600, "hour", "hours"),
        172_800.. if whole.is_multiple_of(86_400) => counted(whole / 86_400, "day", "days"),
        _ => length(whole as f64),
    }
}

/// A text with a capital letter at its start.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// A place in a log: the line, and the file below it.
pub(super) fn place(base: &str, place: &Place) -> Html {
    let line = place.line.map_or_else(
        || format!("byte {}", place.offset),
        |line| format!("line {line}"),
    );
    let file = place.file.rsplit('/').next().unwrap_or_default();
    let short = Html::text(&cut_middle(file, 36));
    let file = Html(format!(
        "<span title=\"{}\">{}</span>",
        escape(&place.file),
        short.0
    ));
    Html::link(base, &line_address(place), &line).small(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_escaped_and_visible() {
        let mut out = String::new();
        Visible
            .write_escaped_str(&mut out, "<script>\u{202e}\u{1b}[31m'\"&")
            .unwrap();
        assert_eq!(out, "&lt;script&gt;\\u{202e}\\u{1b}[31m&#39;&quot;&amp;");
        assert_eq!(
            Html::link("", "/x?a=\"><b>", "<i>").0,
            "<a href=\"/x?a=&quot;&gt;&lt;b&gt;\">&lt;i&gt;</a>"
        );
    }

    #[test]
    fn a_part_of_a_path_stays_one_part() {
        assert_eq!(
            path_with("/health", "../a b/c?d#e"),
            "/health/%2E%2E%2Fa%20b%2Fc%3Fd%23e"
        );
    }

    #[test]
    fn long_texts_are_cut_in_the_middle() {
        assert_eq!(cut_middle("abcdefghij", 5), "ab…ij");
        assert_eq!(cut_middle("äöüß", 4), "äöüß");
    }

    #[test]
    fn lengths_have_two_units() {
        for (seconds, text) in [
            (0.4, "0 s"),
            (61.0, "1 min 1 s"),
            (7_200.0, "2 h"),
            (90_061.0, "1 d 1 h"),
        ] {
            assert_eq!(length(seconds), text);
        }
    }
}
