//! A template configuration that lists every setting, commented out.

use std::collections::BTreeMap;

use dragline_logging::Config as Recorder;
use dragline_report::render::Section;

/// Keys without a default; their values are examples.
const EXAMPLES: [&str; 3] = ["report.title", "cache.dir", "monitor.heartbeat"];

/// Returns all sections with all keys, each commented out with its default.
pub(crate) fn text() -> String {
    let mut text = String::from(
        "# Dragline: one file for the recorder, the reader and the report.\n\
         # Commented-out values are the defaults; `dragline config check` reports mistakes.\n\n\
         # Recorder; an environment variable DRAGLINE_NAME overrides a key\n\n[logging]\n",
    );
    for option in Recorder::OPTIONS {
        let about = option
            .about
            .iter()
            .map(|line| format!("## {}\n", line.trim()));
        text.extend(about);
        text += &format!("# {} = {:?}\n", option.name, option.default);
    }
    let sections: Vec<String> = Section::ALL
        .iter()
        .map(|one| format!("{:?}", one.name()))
        .collect();
    let sections = wrapped(&sections);
    text + "\n" + &include_str!("template.toml").replace("SECTIONS", &sections)
}

/// Joins names with commas, over several commented lines.
fn wrapped(names: &[String]) -> String {
    let lines: Vec<String> = names.chunks(6).map(|names| names.join(", ")).collect();
    lines.join(",\n#   ")
}

/// Returns the keys that have a default, as `section.key`, with the default.
pub(crate) fn settings() -> Vec<(String, String)> {
    let mut section = None;
    let mut is_advice = false;
    let mut all = Vec::new();
    let text = text();
    for line in text.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        if bare.starts_with('[') {
            // Sections that are commented out as a whole, and sections with user-defined names, have no
            // defaults.
            let header = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            section = header
                .map(|(name, _)| name)
                .filter(|name| !name.starts_with("map."));
            continue;
        }
        let Some((section, (key, value))) = section.zip(bare.split_once(" = ")) else {
            continue;
        };
        if line.starts_with("# ")
            && key
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            let value = value.split("  #").next().unwrap_or(value).trim();
            let value = if value.ends_with(',') { "all" } else { value };
            let value = value.trim_matches('"');
            let name = format!("{section}.{key}");
            let whole = match () {
                () if EXAMPLES.contains(&name.as_str()) => String::new(),
                () if is_advice => format!("off ({value} if enabled)"),
                () => value.to_owned(),
            };
            is_advice |= key == "advice";
            all.push((name, whole));
        }
    }
    all
}

/// Returns the keys that a file sets, as `section.key`; for arrays of tables, the number of entries.
pub(crate) fn flattened(table: &toml::Table) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => {
                let inner = flattened(inner).into_iter();
                all.extend(inner.map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            toml::Value::Array(values) if values.iter().any(toml::Value::is_table) => {
                all.insert(name.clone(), format!("entries: {}", values.len()));
            }
            toml::Value::String(text) => {
                all.insert(name.clone(), text.clone());
            }
            other => {
                all.insert(name.clone(), other.to_string());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    /// Removes the comment marks, so that everything is set.
    fn uncommented() -> String {
        let lines = text();
        let lines = lines.lines().map(|line| {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            let is_set = bare.starts_with('[') || bare.contains(" = ") || bare.starts_with("  \"");
            if is_set { bare } else { "" }
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_it_says_can_be_set_and_is_the_default() {
        let parse = |text: &str| {
            let now = dragline_schema::Timestamp::parse("2026-03-04T11:22:33Z").unwrap();
            let (config, mistakes) = Config::parse(std::path::Path::new("x.toml"), text, now);
            assert_eq!(mistakes, []);
            assert_eq!(config.panel_mistakes(), []);
            config
        };
        parse(&text());
        let whole = parse(&uncommented());
        let default = Config::default();
        assert_eq!(
            whole.context().consecutive_failures,
            default.context().consecutive_failures
        );
        assert_eq!(
            whole.context().burst_per_minute,
            default.context().burst_per_minute
        );
        // Everything except the title, which has no default.
        let mut layout = whole.layout();
        layout.title = None;
        assert_eq!(layout, default.layout());
    }

    /// The rows of a table in `docs/reports.md` whose header begins like this: the first two cells.
    fn rows_of<'p>(page: &'p str, header: &str) -> Vec<(&'p str, &'p str)> {
        let (_, rest) = page
            .split_once(header)
            .unwrap_or_else(|| panic!("no table {header}"));
        let rows = rest
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        let cells = rows.map(|line| line.trim_matches('|').split('|').map(str::trim));
        cells
            .map(|mut cells| {
                (
                    cells.next().unwrap().trim_matches('`'),
                    cells.next().unwrap(),
                )
            })
            .collect()
    }

    fn names(error: &str) -> Vec<String> {
        let (_, names) = error.split_once("use one of: ").unwrap();
        names.split(", ").map(str::to_owned).collect()
    }

    /// `docs/reports.md` names every section, metric and option, with its default.
    #[test]
    fn the_options_in_the_docs_are_those_of_the_code() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let read = |document: &str| std::fs::read_to_string(docs.join(document)).unwrap();
        let page = read("reports.md");
        let documented: Vec<&str> = rows_of(&page, "| section | content |")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let sections: Vec<&str> = Section::ALL.iter().map(|one| one.name()).collect();
        assert_eq!(documented, sections);
        let unknown = "?".parse::<dragline_report::render::Metric>().unwrap_err();
        let (_, listed) = page.split_once("`metrics` are the columns").unwrap();
        let (listed, _) = listed.split_once("\n\n").unwrap();
        for name in names(&unknown.to_string()) {
            let short = name.strip_prefix("response_time_ms").unwrap_or(&name);
            let is_there =
                listed.contains(&format!("`{name}`")) || listed.contains(&format!("`{short}`"));
            assert!(is_there, "{name} in {listed}");
        }
        // Limits have a table of those that are off, and an example of those that are on.
        let table = rows_of(&page, "| key | default value | reported when |");
        let own = |section: &str| -> Vec<(String, String)> {
            let all = settings().into_iter();
            all.filter_map(|(key, value)| {
                let key = key.strip_prefix(section)?.strip_prefix('.')?.to_owned();
                Some((key, value))
            })
            .collect()
        };
        for (key, value) in own("limits").into_iter().filter(|(key, _)| key != "advice") {
            let told = match value.strip_prefix("off (") {
                Some(rest) => {
                    let row = table.iter().find(|(name, _)| *name == key);
                    let (_, shown) = row.unwrap_or_else(|| panic!("{key} is not in the table"));
                    let shown = shown.replace(',', "").replace('−', "-");
                    shown == rest.trim_end_matches(" if enabled)")
                }
                None => page.contains(&format!("\n{key} = {value} ")),
            };
            assert!(told, "[limits] {key} = {value} is not in docs/reports.md");
        }
        // Sections that are commented out as a whole have no defaults, but keys.
        let template = uncommented();
        let table: toml::Table = template.parse().unwrap();
        let keys = |value: &toml::Value| -> Vec<String> {
            let table = match value {
                toml::Value::Array(entries) => entries[0].as_table(),
                other => other.as_table(),
            };
            table.unwrap().keys().cloned().collect()
        };
        for (section, document) in [
            ("report", "reports.md"),
            ("mute", "reports.md"),
            ("cost", "reports.md"),
            ("cache", "reading.md"),
            ("severity", "classification.md"),
            ("rules", "classification.md"),
            ("monitor", "operations.md"),
        ] {
            let page = read(document);
            for key in keys(&table[section]) {
                let names = [
                    format!("\n{key} = "),
                    format!("`{key}`"),
                    format!("[[{section}.{key}]]"),
                ];
                let is_there = names.iter().any(|name| page.contains(name.as_str()));
                assert!(is_there, "[{section}] {key} is not in docs/{document}");
            }
        }
        for key in keys(&table["report"]["panels"]) {
            assert!(
                page.contains(&format!("\n{key} = ")),
                "[[report.panels]] {key}"
            );
        }
        let page = read("operations.md");
        for key in keys(&table["monitor"]["reports"]) {
            assert!(
                page.contains(&format!("\n{key} = ")),
                "[[monitor.reports]] {key}"
            );
        }
    }

    #[test]
    fn no_key_is_forgotten() {
        let set = uncommented();
        for section in [
            "",
            "[map]",
            "[rules]",
            "[severity]",
            "[cache]",
            "[report]",
            "[limits]",
            "[cost]",
            "[[mute]]",
            "[[dialects]]",
            "[[map.events]]",
            "[[report.panels]]",
            "[monitor]",
            "[[monitor.reports]]",
        ] {
            let error =
                toml::from_str::<Config>(&format!("{section}\nno_such_key = 1")).unwrap_err();
            let error = error.to_string();
            let (_, known) = error
                .split_once("expected ")
                .unwrap_or_else(|| panic!("{error}"));
            for key in known.split('`').skip(1).step_by(2) {
                let names = [
                    format!("{key} = "),
                    format!("[{key}"),
                    format!("[map.{key}"),
                    format!("[report.{key}"),
                    format!("[monitor.{key}"),
                ];
                assert!(
                    names.iter().any(|name| set.contains(name.as_str())),
                    "{section} {key}"
                );
            }
        }
        let keys: Vec<String> = settings().into_iter().map(|(key, _)| key).collect();
        for key in [
            "logging.dir",
            "limits.cpu_high",
            "report.sections",
            "cache.max_mib",
        ] {
            assert!(keys.iter().any(|known| known == key), "{key} in {keys:?}");
        }
    }
}
