//! Field names that other writers use, mapped to slots.

use std::collections::HashMap;
use std::sync::LazyLock;

use rustc_hash::FxBuildHasher;

/// The role of a field in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Timestamp,
    Level,
    Message,
    Target,
    ErrorType,
    ErrorMessage,
    Traceback,
    ScraperId,
    RunId,
    Site,
    Url,
    Status,
    Method,
    Bytes,
    Attempt,
    Queue,
}

impl Slot {
    pub(crate) const COUNT: usize = Self::Queue as usize + 1;
}

/// Field names for each slot, in order of precedence.
const NAMES: &[(Slot, &str)] = &[
    (
        Slot::Timestamp,
        "timestamp Timestamp TIMESTAMP time TIME Time ts TS t @timestamp @t _ts asctime datetime \
         date_time created_at logged_at log_timestamp event_time timestamp_ns t.$date \
         record.time.timestamp record.time.repr __REALTIME_TIMESTAMP instant.epochSecond datetime.date receiveTimestamp TimeGenerated TimeStamp written_at eventTime _meta.date",
    ),
    (
        Slot::Level,
        "level LEVEL Level lvl severity Severity SEVERITY severity_text SeverityText log.level \
         loglevel log_level levelname priority PRIORITY level_name @l @level level_value \
         record.level.name levelno severity_number severityNumber SeverityNumber SeverityLevel _meta.logLevelName",
    ),
    (
        Slot::Message,
        "record.message message msg MESSAGE Message @m event body text short_message description @message log \
         textPayload line @mt MessageTemplate messageTemplate message_template 0 message_type action_type",
    ),
    (
        Slot::Target,
        "target logger LOGGER name logger_name loggerName log.logger span.name module record.name \
         @logger SourceContext Category channel _meta.name",
    ),
    (
        Slot::ErrorType,
        "error_type error.type exc_type exception.type exception.class record.exception.type \
         err.type err.name error.name errorType error.kind thrown.name message.name \
         message.type 1.name",
    ),
    (
        Slot::ErrorMessage,
        "error_message error.message exception.message record.exception.value err.message err \
         errorMessage error exception thrown.message message.message http.error http.err 1.message",
    ),
    (
        Slot::Traceback,
        "traceback error.stack_trace stack stacktrace stack_trace stackTrace exc_info exception @x err.stack \
         error.stack throwable EXCEPTION_TEXT message.stack message.stackTrace exception.stacktrace full_message",
    ),
    (
        Slot::ScraperId,
        "scraper_id scraperId spider spider.name spider_name crawler scraper service service.name job",
    ),
    (Slot::RunId, "run_id runId job_id jobid run crawl_id"),
    (Slot::Site, "site domain"),
    (
        Slot::Url,
        "url request_url req.url http.url url.full request.url request.endpoint uri link page_url target_url response.url \
         article_url detail_url feed_url item_url job_url listing_url post_url product_url \
         config.url err.config.url error.config.url href httpRequest.requestUrl http_request.requestUrl http_request.request_url",
    ),
    (
        Slot::Status,
        "status status_code http_status statusCode response_status res.statusCode \
         http.status_code http.response.status_code response.status http.status \
         response.status_code http_code http_status_code err.response.status error.response.status httpRequest.status http_request.status",
    ),
    (
        Slot::Method,
        "method http_method req.method http.method http.request.method request.method httpRequest.requestMethod http_request.requestMethod http_request.request_method",
    ),
    (
        Slot::Bytes,
        "bytes http.response.body.bytes http.response.body.size http.response_content_length size length content_length contentLength response_bytes res.bytes http.bytes \
         bytes_downloaded httpRequest.responseSize http_request.responseSize http_request.response_size",
    ),
    (Slot::Attempt, "attempt attempts try"),
    (
        Slot::Queue,
        "queue_size queue_length queue_len queue_depth queue.size queue.length qsize queue queued pending_requests \
         requests_pending pending_urls urls_pending frontier_size backlog",
    ),
];

/// Names of durations without a unit; names with a unit start with one of these.
const DURATIONS: &[&str] = &[
    "dur",
    "elapsed",
    "duration",
    "latency",
    "response_time",
    "responseTime",
    "request_time",
    "took",
    "download_latency",
    "time_taken",
    "total_time",
    "fetch_time",
    "load_time",
];

/// Containers of a record's standard fields.
const CONTAINERS: &[&str] = &[
    "fields.",
    "record.extra.",
    "extra.",
    "mdc.",
    "context.",
    "attributes.",
    "labels.",
    "contextMap.",
    "jsonPayload.",
    "message.",
    "msg.",
    "_source.",
];
/// Containers of the user's own fields, separate from the record's standard fields.
const LIFTED: &[&str] = &[
    "@fields.",
    "data.",
    "payload.",
    "meta.",
    "metadata.",
    "details.",
    "Properties.",
    "properties.",
    "State.",
    "params.",
    // tslog's arguments.
    "1.",
    "2.",
];
/// Maximum number of nested containers that are removed from a path.
const DEEPEST: usize = 3;

/// A path without its containers.
pub(crate) fn without_container(path: &str) -> &str {
    let mut path = path;
    for _ in 0..DEEPEST {
        let mut containers = CONTAINERS.iter().chain(LIFTED);
        match containers.find_map(|container| path.strip_prefix(container)) {
            Some(rest) => path = rest,
            None => break,
        }
    }
    path
}

/// Whether a path is in a container of the user's own fields.
pub(crate) fn is_lifted(path: &str) -> bool {
    LIFTED.iter().any(|container| path.starts_with(container))
}

/// The slot with this name in the definitions.
pub(crate) fn slot_named(name: &str) -> Option<Slot> {
    Some(match name {
        "timestamp" => Slot::Timestamp,
        "level" => Slot::Level,
        "message" => Slot::Message,
        "target" => Slot::Target,
        "error_type" => Slot::ErrorType,
        "error_message" => Slot::ErrorMessage,
        "traceback" => Slot::Traceback,
        "scraper_id" => Slot::ScraperId,
        "run_id" => Slot::RunId,
        "site" => Slot::Site,
        "url" => Slot::Url,
        "status" => Slot::Status,
        "method" => Slot::Method,
        "bytes" => Slot::Bytes,
        "attempt" => Slot::Attempt,
        "queue_size" => Slot::Queue,
        _ => return None,
    })
}

type Table = HashMap<&'static str, Vec<(Slot, usize)>, FxBuildHasher>;

/// Whether a path is exactly one of the known names.
pub(crate) fn exact_slot(path: &str) -> bool {
    static NAMED: LazyLock<std::collections::HashSet<&str>> = LazyLock::new(|| {
        NAMES
            .iter()
            .flat_map(|(_, names)| names.split_whitespace())
            .collect()
    });
    NAMED.contains(path)
}

/// The slot of a field name, and its rank among the names for that slot (the lowest wins).
pub(crate) fn slot_of(path: &str) -> Option<(Slot, usize)> {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        let mut table: Table = Table::default();
        for (slot, names) in NAMES {
            for (rank, name) in (1..).zip(names.split_whitespace()) {
                table.entry(name).or_default().push((*slot, rank));
            }
        }
        table
    });
    TABLE
        .get(path)
        .and_then(|slots| slots.first().copied())
        .or_else(|| in_other_case(path))
}

/// The slot of a name in another spelling: `StatusCode`, `log-level`, `_url`.
fn in_other_case(path: &str) -> Option<(Slot, usize)> {
    static TABLE: LazyLock<HashMap<String, (Slot, usize), FxBuildHasher>> = LazyLock::new(|| {
        let mut table = HashMap::default();
        for (slot, names) in NAMES {
            for (rank, name) in (1..).zip(names.split_whitespace()) {
                if let Some(plain) = plain(name) {
                    table.entry(plain).or_insert((*slot, rank + 30));
                }
            }
        }
        table
    });
    let is_other = path.len() < 40
        && (path.starts_with('_') || path.bytes().any(|b| b.is_ascii_uppercase() || b == b'-'));
    if !is_other {
        return None;
    }
    TABLE.get(&plain(path)?).copied()
}

/// A name in lower case without word separators. `None` for short names and names that start with `@`.
fn plain(name: &str) -> Option<String> {
    let bytes = name.bytes().filter(|b| !matches!(b, b'_' | b'-'));
    let plain: String = bytes.map(|b| b.to_ascii_lowercase() as char).collect();
    (plain.len() > 2 && !plain.starts_with('@')).then_some(plain)
}

/// Milliseconds per unit of a duration with that name; `None` if it is not a request's duration.
/// A name without a unit means seconds if it is written `like_this` and the value has a fraction, as in
/// Python, otherwise milliseconds, as in JavaScript.
pub(crate) fn duration_unit(path: &str, is_fraction: bool) -> Option<f64> {
    match path {
        // Elastic Common Schema uses nanoseconds, OpenTelemetry's conventions use seconds.
        "event.duration" => return Some(1e-6),
        "http.client.request.duration" => return Some(1000.0),
        "ms" => return Some(1.0),
        _ => {}
    }
    let name = ["http.", "res.", "httpRequest.", "http_request."]
        .iter()
        .find_map(|object| path.strip_prefix(object))
        .unwrap_or(path);
    // .NET's names start with a capital letter and mean milliseconds.
    if name.starts_with(|c: char| c.is_ascii_uppercase()) {
        let small = name[..1].to_ascii_lowercase() + &name[1..];
        let is_bare = DURATIONS.contains(&&*small);
        return if is_bare {
            Some(1.0)
        } else {
            duration_unit(&small, is_fraction)
        };
    }
    let base = DURATIONS
        .iter()
        .filter(|base| name.starts_with(*base))
        .max_by_key(|b| b.len())?;
    match &name[base.len()..] {
        "" if *base == "responseTime" => Some(1.0),
        "" => Some(if is_fraction { 1000.0 } else { 1.0 }),
        "_ms" | "Ms" | "MS" | "_millis" | "Millis" | "_milliseconds" | "Milliseconds" => Some(1.0),
        "_s" | "_sec" | "_secs" | "_seconds" | "Seconds" | "Secs" => Some(1000.0),
        "_us" | "_micros" | "Micros" => Some(0.001),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_meaning_and_an_order() {
        assert_eq!(slot_of("msg"), Some((Slot::Message, 3)));
        assert!(slot_of("message").unwrap().1 < slot_of("event").unwrap().1);
        // `exception` is a message for some writers and a traceback for most; the decoder checks the text.
        assert_eq!(slot_of("exception").unwrap().0, Slot::ErrorMessage);
        assert_eq!(slot_of("shoe_size"), None);
        assert_eq!(without_container("record.extra.url"), "url");
    }

    #[test]
    fn units_stand_in_the_names() {
        assert_eq!(duration_unit("elapsed_ms", true), Some(1.0));
        assert_eq!(duration_unit("durationMs", false), Some(1.0));
        assert_eq!(duration_unit("duration_s", true), Some(1000.0));
        assert_eq!(duration_unit("elapsed", true), Some(1000.0));
        assert_eq!(duration_unit("responseTime", false), Some(1.0));
        assert_eq!(duration_unit("elapsed_pages", false), None);
        assert_eq!(duration_unit("wait_s", false), None);
    }

    /// The meaning of a slot, as `docs/reading.md` shows it, and what it adds to the names.
    fn documented(slot: Slot) -> (&'static str, &'static str) {
        match slot {
            Slot::Timestamp => ("time", ""),
            Slot::Level => ("level", ""),
            Slot::Message => (
                "message",
                "; of a template (`@mt`, `MessageTemplate`), the text with the other fields filled in",
            ),
            Slot::Target => ("logger", ""),
            Slot::ErrorType => ("error type", ""),
            Slot::ErrorMessage => ("error message", ""),
            Slot::Traceback => (
                "traceback",
                ", also as a list of lines; it yields the type, the message, the causes, and the innermost function \
                 outside of libraries",
            ),
            Slot::ScraperId => ("scraper", ""),
            Slot::RunId => ("run", ""),
            Slot::Site => ("site", ""),
            Slot::Url => ("URL", ", or one in the message"),
            Slot::Status => ("status", "; 100 to 599, and 999"),
            Slot::Method => ("method", ""),
            Slot::Bytes => ("size of the response", ""),
            Slot::Attempt => ("attempt", ""),
            Slot::Queue => ("length of the queue", ""),
        }
    }

    fn table() -> String {
        let quoted = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(" ")
        };
        let mut text = "| what | names |\n|---|---|\n".to_owned();
        for (slot, names) in NAMES {
            let (what, more) = documented(*slot);
            let names: Vec<&str> = names.split_whitespace().collect();
            text += &format!("| {what} | {}{more} |\n", quoted(&names));
        }
        text += &format!(
            "| duration | {}, also with a suffix: `_ms` `Ms` `_s` `_seconds` `_us` … |\n",
            quoted(DURATIONS)
        );
        let containers = [CONTAINERS, LIFTED].concat();
        text + &format!("| container | {} |\n", quoted(&containers))
    }

    /// `DRAGLINE_BLESS=1` writes them.
    #[test]
    fn the_names_in_the_docs_are_those_of_the_code() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reading.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (begin, rest) = page.split_once("<!-- names -->\n").unwrap();
        let (names, end) = rest.split_once("<!-- end of names -->").unwrap();
        if std::env::var_os("DRAGLINE_BLESS").is_some() {
            let page = format!(
                "{begin}<!-- names -->\n{}<!-- end of names -->{end}",
                table()
            );
            return std::fs::write(&path, page).unwrap();
        }
        assert_eq!(names, table(), "run just names");
    }
}
