//! What is read: files, directories, globs, standard input, and what is not there.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::call::Call;
use crate::dice::Dice as _;
use crate::inputs::craft;
use crate::scene::Scene;

/// Patterns, from the current directory.
const GLOBS: &[&str] = &[
    "logs/*",
    "logs/**",
    "**/*",
    "**/*.log",
    "**",
    "logs/**/*.jsonl*",
    "logs/app.log*",
    "logs/[",
    "logs/***",
    "logs/[!a]*",
    "./*/../logs/*",
    "*",
    "?",
    "**/nothing-of-this-name",
    "logs/\u{1b}[2J*",
];

/// Where else logs are not.
const ODD: &[&str] = &[
    ".",
    "..",
    "",
    "/dev/null",
    "/dev/zero",
    "/proc/self/environ",
    "no/such/file",
    "\u{1b}[2Jno\u{202e}",
    "logs/loop/loop/loop",
    "logs/dangling.log",
    "logs/fifo.log",
    "logs/s.log",
    "dragline.toml",
    "~",
];

/// Adds what is to be read.
pub(crate) fn logs(scene: &mut Scene, mut call: Call) -> Call {
    let dir = scene.place.logs.clone();
    let typed = scene.typed(&dir);
    let whole = if typed.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        typed
    };
    if scene.rng.chance(0.6) {
        return call.with([whole]);
    }
    for _ in 0..scene.rng.usize(1..4) {
        let input = match scene.rng.u8(..12) {
            0..=4 => file(scene),
            5 | 6 => scene.rng.pick(GLOBS).into(),
            7 if scene.rng.chance(0.4) => scene.rng.pick(ODD).into(),
            8 => whole.join("a/../old").into_os_string(),
            9 => {
                let crafted = craft(&mut scene.rng, 40);
                call.stdin = crafted.ok().map(|crafted| crafted.bytes);
                "-".into()
            }
            _ => whole.clone().into_os_string(),
        };
        call.args.push(input);
    }
    call
}

/// A log by its name. One that begins with a dash would be an option without its directory.
fn file(scene: &mut Scene) -> OsString {
    if scene.files.is_empty() {
        return "logs".into();
    }
    let place = scene.rng.usize(..scene.files.len());
    let path = scene.files[place].clone();
    let typed = scene.typed(&path);
    if typed.as_os_str().as_bytes().starts_with(b"-") {
        return Path::new(".").join(typed).into_os_string();
    }
    typed.into_os_string()
}

/// An option, how often it is given, and its usual and odd values.
type Choice = (
    f64,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const FILTERS: &[Choice] = &[
    (
        0.12,
        "--since",
        &[
            "7d",
            "36h",
            "2026-03-05",
            "2026-03-04T11:22:33Z",
            "1970-01-01",
        ],
        &[
            "99999999d",
            "-1d",
            "now",
            "soon",
            "",
            "18446744073709551615w",
            "9999-12-31T23:59:59Z",
            "\u{1b}[2J",
        ],
    ),
    (
        0.06,
        "--until",
        &["2026-03-20", "9999-12-31T23:59:59Z", "yesterday"],
        &["0001-01-01", "-99999999999w", "soon"],
    ),
    (
        0.08,
        "--scraper",
        &["shop", "news-crawler"],
        &["nope", "", "\u{1b}[2J", "<script>alert(666)</script>", "*"],
    ),
    (0.05, "--site", &["shop.example.com", "shop"], &["\u{202e}"]),
    (
        0.05,
        "--run",
        &["run-1", "r1", "20260304T112233Z-1a2b3c4d5e6f"],
        &["\u{9b}"],
    ),
    (
        0.08,
        "--level",
        &["error", "WARN", "trace"],
        &["40", "loud"],
    ),
    (
        0.08,
        "--tz",
        &["Europe/Berlin", "America/St_Johns", "UTC"],
        &["Mars/Olympus", "../../etc/passwd", ""],
    ),
];

/// What of it counts.
pub(crate) fn filters(scene: &mut Scene, mut call: Call) -> Call {
    for (share, name, usual, odd) in FILTERS {
        if scene.rng.chance(*share) {
            let value = scene.rng.usual(usual, odd);
            call = call.with([*name, value]);
        }
    }
    call
}

/// How it is read.
pub(crate) fn reading_options(scene: &mut Scene, mut call: Call) -> Call {
    call = filters(scene, call);
    if scene.rng.chance(0.3) {
        let jobs = scene
            .rng
            .usual(&["1", "2", "4", "64"], &["0", "1024", "70000"]);
        call = call.with(["--jobs", jobs]);
    }
    if scene.rng.chance(0.3) {
        call = call.with(["--no-cache"]);
    }
    if scene.rng.chance(0.05) {
        call = call.with(["--reclassify"]);
    }
    rules(scene, call)
}

/// Which rules hold.
pub(crate) fn rules(scene: &mut Scene, mut call: Call) -> Call {
    if scene.rng.chance(0.06) {
        let path = rule_file(scene);
        let path = scene.typed(&path);
        call = call.with(["--rules".into(), path.into_os_string()]);
    }
    if scene.rng.chance(0.03) {
        call = call.with(["--no-shipped-rules"]);
    }
    if scene.rng.chance(0.03) {
        let config = scene.rng.pick(&[
            "dragline.toml",
            "no.toml",
            "logs",
            "/dev/null",
            "/proc/self/environ",
        ]);
        call = call.with(["--config", config]);
    }
    call
}

/// A file of rules, or what was taken for one.
pub(crate) fn rule_file(scene: &mut Scene) -> PathBuf {
    let text = scene.rng.pick(&[
        "[[rule]]\nid = 'a'\ncategory = 'network'\nsub_category = 'x'\nseverity = 'high'\npatterns = ['timed out']\n[rule.tests]\nmatch = ['timed out']\n",
        "[[rule]]\nid = '\u{1b}[2J'\ncategory = 'network'\nsub_category = '\u{202e}'\nseverity = 'high'\npatterns = ['x']\n",
        "[[rule]]\nid = 'a'\ncategory = 'network'\nsub_category = 'x'\nseverity = 'high'\npatterns = ['(a{1000}){1000}']\n",
        "[[rule]]\nid = 'a'\ncategory = 'network'\nsub_category = 'x'\nseverity = 'high'\npatterns = ['']\nliterals = ['']\n",
        "[[rule]]\nid = 'a'\ncategory = 'network'\nsub_category = 'x'\nseverity = 'high'\npatterns = ['.*']\npriority = 99999999999\n",
        "[[rule]]\nid = 'a'\npatterns = ['(']\n",
        "[[rule",
        "",
    ]);
    let path = scene.place.work.join("mine.toml");
    let _ = crate::place::put(&path, text.as_bytes());
    path
}
