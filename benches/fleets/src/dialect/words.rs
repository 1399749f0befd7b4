//! Wordings drawn at random, as everybody words a log as they like.
//!
//! For each scraper one wording of each thing is composed of a verb, a noun, and forms for an
//! address, a status, a duration and a size; and one form of line. These lists and those of
//! whatever reads the logs must not know each other: nothing here was copied from there, and
//! nothing there may be copied from here.

use fastrand::Rng;

use crate::dice::Dice as _;

/// Verbs for getting a page: as an infinitive, in the past, and as a gerund.
const VERBS: &[(&str, &str, &str)] = &[
    ("fetch", "fetched", "fetching"),
    ("get", "got", "getting"),
    ("load", "loaded", "loading"),
    ("visit", "visited", "visiting"),
    ("download", "downloaded", "downloading"),
    ("retrieve", "retrieved", "retrieving"),
    ("open", "opened", "opening"),
    ("read", "read", "reading"),
    ("grab", "grabbed", "grabbing"),
    ("pull", "pulled", "pulling"),
    ("request", "requested", "requesting"),
    ("crawl", "crawled", "crawling"),
    ("scan", "scanned", "scanning"),
];
const PAGES: &[&str] = &[
    "page", "listing", "detail", "document", "url", "resource", "view", "link", "",
];
const ADDRESSES: &[&str] = &[
    "{url}",
    "{url}",
    "url={url}",
    "<{url}>",
    "'{url}'",
    "address={url}",
    "target={url}",
];
const STATUSES: &[&str] = &[
    "({status})",
    "[{status}]",
    "status={status}",
    "HTTP {status}",
    "-> {status}",
    "code={status}",
    "with {status}",
    "=> {status}",
];
/// Forms of a status that may stand first.
const LEADING: &[&str] = &["[{status}]", "HTTP {status}", "({status})", "{status}"];
const DURATIONS: &[&str] = &[
    "in {seconds}s",
    "in {seconds} s",
    "took {ms}ms",
    "({ms} ms)",
    "after {ms}ms",
    "elapsed={seconds}s",
    "[{ms}ms]",
    "took {seconds} seconds",
    "duration_ms={ms}",
    "+{ms}ms",
];
const SIZES: &[&str] = &["", "", "{bytes} bytes", "size={bytes}", "{kib} KiB"];
const REQUESTS: &[&str] = &[
    "{past} {noun} {address} {form} {took} {size}",
    "{past} {address} {form} {size} {took}",
    "{noun} {past}: {address} {form} {took}",
    "{past} {noun} {address} {took} {form}",
    "{past} {form} {address} {took} {size}",
];
/// Requests of which the status comes first.
const REQUESTS_LED: &[&str] = &[
    "{form} {past} {noun} {address} {took} {size}",
    "{form} {address} {past} {took}",
];
const REFUSED: &[&str] = &[
    "could not {base} {noun} {address} {form} {took}",
    "failed to {base} {address} {form} {took}",
    "{gerund} {address} failed {form} {took}",
    "unable to {base} {noun} {address} {form}",
    "cannot {base} {address} {form} {took}",
    "{noun} not {past}: {address} {form} {took}",
    "bad answer {gerund} {address} {form} {took}",
    "no luck with {address} {form} {took}",
];
/// What stands in the place of a status when nobody answered.
const SILENCES: &[&str] = &[
    "- timed out",
    "(timeout)",
    "error=timeout",
    "- no answer",
    "- connection timed out",
];
const AGAIN: &[&str] = &[
    " (attempt {attempt})",
    " attempt={attempt}",
    " try {attempt}/3",
    ", attempt {attempt}",
];
const GIVEN_UP: &[&str] = &[
    "giving up on {address} after {attempts} attempts: {reason}",
    "gave up {gerund} {address} (tried {attempts}x): {reason}",
    "{address} dropped after {attempts} tries: {reason}",
    "no further attempts for {address}, {attempts} made: {reason}",
    "skipping {address} for good: {reason}",
    "abandoning {address} after {attempts} attempts: {reason}",
];
const TROUBLES: &[&str] = &[
    "error on {address}",
    "could not parse {address}",
    "problem with {address}",
    "exception while handling {address}",
    "parser stumbled on {address}",
    "{address} is broken",
    "handler crashed for {address}",
];
/// Verbs for keeping an item: in the past, and as a participle.
const KEPT: &[(&str, &str)] = &[
    ("stored", "stored"),
    ("saved", "saved"),
    ("upserted", "upserted"),
    ("wrote", "written"),
    ("indexed", "indexed"),
    ("exported", "exported"),
    ("inserted", "inserted"),
    ("persisted", "persisted"),
    ("added", "added"),
    ("recorded", "recorded"),
];
const THINGS: &[(&str, &str)] = &[
    ("product", "products"),
    ("record", "records"),
    ("row", "rows"),
    ("offer", "offers"),
    ("article", "articles"),
    ("entry", "entries"),
    ("item", "items"),
];
const ITEMS: &[&str] = &[
    "{kept} {thing} {id} {more}",
    "{thing} {id} {done} {more}",
    "{kept} {thing} id={id} {more}",
    "{thing}_{done} id={id} {more}",
    "{kept} {id} {more}",
    "{thing} {done}: {id} {more}",
];
/// What is said beside an item's identity: of a product, and of an article.
const MORE: &[(&str, &str)] = &[
    ("", ""),
    ("price={value}", "author={value}"),
    ("({value} EUR)", "by {value}"),
    ("url={url}", "url={url}"),
    ("url={url} price={value}", "url={url} author={value}"),
    ("for {value}", "({value})"),
    ("from {url}", "from {url}"),
];
const COUNTED: &[&str] = &[
    "scraped {count} {things} from {url}",
    "{kept} {count} {things} ({url})",
    "{count} {things} {done} from {url}",
    "batch of {count} {things} {done}",
    "{things}: {count} more {done}",
];
const DUPLICATES: &[&str] = &[
    "skipped duplicate {thing} {id}",
    "duplicate {thing} {id} ignored",
    "{thing} {id} already known",
    "{id} seen before, not {done}",
];
const THROTTLED: &[&str] = &[
    "rate limited, sleeping {wait}s",
    "backing off for {wait} s",
    "slowing down, {wait}s pause",
    "server is busy, waiting {wait} s",
];
const IDLE: &[&str] = &[
    "still waiting, {pending} pending",
    "idle, {pending} requests outstanding",
    "no free worker, {pending} waiting",
    "nothing to do yet ({pending} queued)",
];
const LEFT: &[&str] = &[
    "{left} pages left",
    "{left} to go",
    "progress: {left} remaining",
    "{left} urls in backlog",
];
const STARTED: &[&str] = &[
    "run started",
    "starting crawl of {site}",
    "job begins",
    "{scraper} is starting",
    "crawl of {site} begins",
    "new run",
    "session opened",
];
const FINISHED: &[&str] = &[
    "run finished: {items} {things}",
    "done: {pages} pages, {items} {things}, {errors} errors",
    "crawl complete, {items} {things} in {seconds}s",
    "finished in {seconds} s ({items} {things})",
    "job ended normally",
    "all done, {items} {things}",
    "session closed after {pages} pages",
];
/// Names of time, level and message in JSON.
const KEYS: &[[&str; 3]] = &[
    ["time", "level", "msg"],
    ["ts", "lvl", "msg"],
    ["timestamp", "severity", "msg"],
    ["@timestamp", "level", "msg"],
];
/// Names of the scraper in JSON; without one, only the file is named.
const NAMES: &[&str] = &["logger", "scraper", "service", "name", ""];
/// Names of the run in JSON, which may be left out, too.
const RUNS: &[&str] = &["run_id", "run", "", ""];
/// Hours that a scraper's clock is ahead of UTC, where its lines say so.
const ZONES: &[i8] = &[0, 0, 2, -5, 9];
/// What joins the words of a scraper's name.
const JOINTS: &[&str] = &["-", "_", "."];

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Logging,
    Json,
    Loguru,
}

/// How one scraper's author words things.
pub(super) struct Wording {
    pub(super) form: Form,
    pub(super) keys: [&'static str; 3],
    pub(super) name_key: &'static str,
    pub(super) run_key: &'static str,
    pub(super) joint: &'static str,
    /// The zone of the times in JSON.
    pub(super) zone: i8,
    /// Levels in JSON are in capitals.
    pub(super) loud: bool,
    pub(super) request: String,
    pub(super) refused: String,
    pub(super) unanswered: String,
    pub(super) again: &'static str,
    pub(super) given_up: String,
    pub(super) trouble: String,
    pub(super) product: String,
    pub(super) article: String,
    /// So many items make a line, in place of one for each.
    pub(super) batch: Option<u64>,
    pub(super) counted: String,
    pub(super) duplicate: String,
    pub(super) throttled: String,
    pub(super) idle: String,
    pub(super) left: Option<String>,
    pub(super) started: String,
    pub(super) finished: String,
}

impl Wording {
    /// Draws a wording.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let (base, past, gerund) = pick(rng, VERBS);
        let (kept, done) = pick(rng, KEPT);
        let (thing, things) = pick(rng, THINGS);
        let led = rng.chance(0.25);
        let form = pick(rng, if led { LEADING } else { STATUSES });
        let request = pick(rng, if led { REQUESTS_LED } else { REQUESTS });
        let (of_product, of_article) = pick(rng, MORE);
        let capital = rng.chance(0.5);
        let parts = [
            ("{base}", base),
            ("{past}", past),
            ("{gerund}", gerund),
            ("{noun}", pick(rng, PAGES)),
            ("{address}", pick(rng, ADDRESSES)),
            ("{took}", pick(rng, DURATIONS)),
            ("{size}", pick(rng, SIZES)),
            ("{kept}", kept),
            ("{done}", done),
            ("{thing}", thing),
            ("{things}", things),
        ];
        let compose = |template: &str, form: &str, more: &str| {
            let text = fill(template, &[("{form}", form), ("{more}", more)]);
            capitalized(&tidy(&fill(&text, &parts)), capital)
        };
        let plain = |template: &str| compose(template, "", "");
        let refused = pick(rng, REFUSED);
        let items = pick(rng, ITEMS);
        Self {
            form: pick(rng, &[Form::Logging, Form::Json, Form::Loguru]),
            keys: pick(rng, KEYS),
            name_key: pick(rng, NAMES),
            run_key: pick(rng, RUNS),
            joint: pick(rng, JOINTS),
            loud: rng.chance(0.5),
            request: compose(request, form, ""),
            refused: compose(refused, form, ""),
            unanswered: compose(refused, pick(rng, SILENCES), ""),
            again: pick(rng, AGAIN),
            given_up: plain(pick(rng, GIVEN_UP)),
            trouble: plain(pick(rng, TROUBLES)),
            product: compose(items, "", of_product),
            article: compose(items, "", of_article),
            batch: rng.chance(0.3).then(|| rng.u64(4..=15)),
            counted: plain(pick(rng, COUNTED)),
            duplicate: plain(pick(rng, DUPLICATES)),
            throttled: plain(pick(rng, THROTTLED)),
            idle: plain(pick(rng, IDLE)),
            left: rng.chance(0.5).then(|| plain(pick(rng, LEFT))),
            started: plain(pick(rng, STARTED)),
            finished: plain(pick(rng, FINISHED)),
            zone: pick(rng, ZONES),
        }
    }
}

fn pick<T: Copy>(rng: &mut Rng, list: &[T]) -> T {
    list[rng.usize(..list.len())]
}

/// A template with some of its holes filled.
pub(super) fn fill(template: &str, parts: &[(&str, &str)]) -> String {
    let mut text = template.to_owned();
    for (hole, part) in parts {
        text = text.replace(*hole, part);
    }
    text
}

/// Without the blanks around parts that are empty.
fn tidy(template: &str) -> String {
    template.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// With a capital at the beginning, where a word of letters stands there.
fn capitalized(template: &str, capital: bool) -> String {
    let word = template.split(' ').next().unwrap_or_default();
    let letters = word.trim_end_matches([':', ',']);
    if capital && !letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        format!("{}{}", template[..1].to_ascii_uppercase(), &template[1..])
    } else {
        template.to_owned()
    }
}
