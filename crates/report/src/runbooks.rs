//! What to look at and what to do, for each kind of trouble: the pages in `docs/runbooks/`.

use dragline_insights::InsightKind;

/// Every runbook: its name and its text, in Markdown.
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

/// A runbook's text, by its name or by a kind of insight; `None` when there is none.
pub fn runbook(name: &str) -> Option<&'static str> {
    let kind = name.parse::<InsightKind>().ok();
    let name = kind.map_or(name, |kind| kind.runbook());
    let found = RUNBOOKS.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

/// A runbook's title.
pub fn runbook_title(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("# ")
}

/// The name of a runbook by its path in the project: `docs/runbooks/blocked.md` is `blocked`.
pub(crate) fn name_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".md").unwrap_or(name)
}
