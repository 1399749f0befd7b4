//! Runbooks, one per kind of incident: the pages in `docs/runbooks/`.

use dragline_insights::InsightKind;

/// All runbooks: name and Markdown text.
pub const RUNBOOKS: [(&str, &str); 11] = [
    ("blocked", include_str!("../runbooks/blocked.md")),
    ("database", include_str!("../runbooks/database.md")),
    ("disk", include_str!("../runbooks/disk.md")),
    (
        "high-error-rate",
        include_str!("../runbooks/high-error-rate.md"),
    ),
    (
        "layout-change",
        include_str!("../runbooks/layout-change.md"),
    ),
    ("log-loss", include_str!("../runbooks/log-loss.md")),
    ("memory", include_str!("../runbooks/memory.md")),
    ("missed-run", include_str!("../runbooks/missed-run.md")),
    (
        "rate-limiting",
        include_str!("../runbooks/rate-limiting.md"),
    ),
    ("scraper-down", include_str!("../runbooks/scraper-down.md")),
    ("slow-site", include_str!("../runbooks/slow-site.md")),
];

/// Returns the text of a runbook by its name or by a kind of insight; `None` if there is none.
pub fn runbook(name: &str) -> Option<&'static str> {
    let kind = name.parse::<InsightKind>().ok();
    let name = kind.map_or(name, |kind| kind.runbook());
    let found = RUNBOOKS.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

/// Returns the title (first line) of a runbook.
pub fn runbook_title(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("# ")
}

/// Returns the name of a runbook from its path: `docs/runbooks/blocked.md` is `blocked`.
pub(crate) fn name_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".md").unwrap_or(name)
}
