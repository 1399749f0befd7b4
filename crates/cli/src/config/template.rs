//! A template configuration that lists every setting, commented out.

use std::collections::BTreeMap;

use dragline_logging::Config as Recorder;
use dragline_report::render::Section;

/// Keys without a default; their values are examples.
const EXAMPLES: [&str; 1] = ["title"];

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
            let whole = match () {
                () if EXAMPLES.contains(&key) => String::new(),
                () if is_advice => format!("off ({value} if enabled)"),
                () => value.to_owned(),
            };
            is_advice |= key == "advice";
            all.push((format!("{section}.{key}"), whole));
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
        let parse = |text: &str| Config::parse(std::path::Path::new("x.toml"), text);
        parse(&text()).unwrap().check().unwrap();
        let whole = parse(&uncommented()).unwrap();
        whole.check().unwrap();
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
        let mut layout = whole.layout().unwrap();
        layout.title = None;
        assert_eq!(layout, default.layout().unwrap());
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
