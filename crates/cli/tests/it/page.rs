//! The HTML report in a real browser.
//!
//! Without Chromium (or Chrome) the tests say that they are skipped; `.ci/run` installs it.

use std::path::Path;
use std::process::Command;

use crate::{demo, dragline};

/// The browser that there is.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let found = names.into_iter().find(is_there);
    if found.is_none() {
        crate::skip("there is no Chromium");
    }
    found
}

fn page(logs: &str, to: &Path) -> String {
    let to = to.display().to_string();
    let made = dragline(&["report", logs, "--format", "html", "--output", &to]);
    assert!(made.status.success(), "{made:?}");
    std::fs::read_to_string(to).unwrap()
}

/// Opens a page; gives the document as it is when the script has run, and what the console says.
fn open(browser: &str, page: &Path, more: &[&str]) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let opened = Command::new(browser)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
        ])
        .args(["--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        // The console lists every request of the page.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .args(more)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&opened.stderr).into_owned();
    let console = told.lines().filter(|line| line.contains("CONSOLE"));
    let console = console.collect::<Vec<_>>().join("\n");
    (
        String::from_utf8_lossy(&opened.stdout).into_owned(),
        console,
    )
}

#[test]
fn the_page_opens_without_a_word_and_asks_for_nothing() {
    let (dir, logs) = demo("7", "1");
    let file = dir.path().join("report.html");
    let text = page(&logs, &file);
    for reference in [
        "src=\"http",
        "href=\"http",
        "url(http",
        "@import",
        "<iframe",
    ] {
        assert!(!text.contains(reference), "{reference}");
    }
    assert!(
        text.contains("<svg") && text.contains("<figure"),
        "no chart"
    );
    let Some(browser) = browser() else { return };
    for theme in [
        "--blink-settings=preferredColorScheme=1",
        "--blink-settings=preferredColorScheme=0",
    ] {
        let (shown, console) = open(browser, &file, &[theme, "--window-size=360,800"]);
        assert_eq!(console, "");
        // The script has run: tables have buttons to sort by.
        assert!(shown.contains("<button"), "the script did not run");
    }
}

#[test]
fn what_came_out_of_logs_stays_text() {
    let dir = tempfile::tempdir().unwrap();
    let hostile = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>\"'\u{202e}gnp";
    let mut lines = String::new();
    for second in 0..40 {
        let line = serde_json::json!({
            "time": 1_772_623_353 + second, "level": "error", "scraper_id": hostile, "site": hostile,
            "run_id": hostile, "msg": hostile, "error_type": hostile, "url": format!("https://a.test/{hostile}"),
        });
        lines += &line.to_string();
        lines.push('\n');
    }
    let logs = dir.path().join("a.jsonl");
    std::fs::write(&logs, lines).unwrap();
    let file = dir.path().join("report.html");
    let text = page(&logs.display().to_string(), &file);
    assert_eq!(text.matches("<script").count(), 1);
    assert!(!text.contains("<img") && !text.contains('\u{202e}'));
    let Some(browser) = browser() else { return };
    let (shown, console) = open(browser, &file, &[]);
    assert_eq!(console, "");
    assert!(!shown.contains("<title>taken"));
}
