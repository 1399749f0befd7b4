//! The table of kinds, and the documents that show it.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod fixes;
mod forecasts;
mod foreign;

use std::path::Path;

use dragline_insights::{Effect, InsightKind};

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn table() -> String {
    let effect = |kind: InsightKind| match kind.effect() {
        Effect::None => "–",
        Effect::Degraded => "`degraded`",
        Effect::Missed => "`missed`",
        Effect::Blocked => "`blocked`",
        Effect::LayoutChanged => "`layout_changed`",
        Effect::SilentFailure => "`silent_failure`",
    };
    let mut table =
        "| kind | what it is | highest severity | scraper | runbook |\n|---|---|---|---|---|\n"
            .to_owned();
    for kind in InsightKind::ALL {
        let runbook = kind.runbook();
        let row = format!(
            "| `{kind}` | {} | {} | {} | [{runbook}](runbooks/{runbook}.md) |\n",
            kind.text(),
            kind.severity(),
            effect(*kind),
        );
        table += &row;
    }
    table
}

/// The table in `docs/` is made from the code. `DRAGLINE_BLESS=1 cargo test -p dragline-insights` writes it anew.
#[test]
fn the_kinds_in_the_docs_are_those_of_the_code() {
    const BEGIN: &str = "<!-- kinds -->\n";
    const END: &str = "<!-- end of kinds -->";
    let path = docs().join("insights.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("DRAGLINE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert!(
        written == table(),
        "docs/insights.md is stale: run with DRAGLINE_BLESS=1"
    );
}

#[test]
fn every_kind_has_a_runbook_that_names_it() {
    let index = std::fs::read_to_string(docs().join("runbooks/README.md")).unwrap();
    for kind in InsightKind::ALL {
        let path = docs().join(format!("runbooks/{}.md", kind.runbook()));
        assert!(path.exists(), "{kind}: {}", path.display());
        assert!(
            index.contains(&format!("`{kind}`")),
            "docs/runbooks/README.md does not name {kind}"
        );
    }
}
