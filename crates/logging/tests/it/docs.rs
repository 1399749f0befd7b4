//! The table of settings in the documents is that of the code.

use super::*;

const MARK: &str = "<!-- settings: written by `just settings` -->\n";

/// `DRAGLINE_BLESS=1` writes it.
#[test]
fn the_settings_in_the_docs_are_those_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/recorder.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, table) = text.split_once(MARK).unwrap();
    let mut expected = "| setting | default | what it does |\n|---|---|---|\n".to_owned();
    for option in Config::OPTIONS {
        let about: Vec<&str> = option.about.iter().map(|line| line.trim()).collect();
        let default = match option.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        expected.push_str(&format!(
            "| `{}` | {default} | {} |\n",
            option.name,
            about.join(" ")
        ));
    }
    if std::env::var_os("DRAGLINE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{MARK}{expected}")).unwrap();
        return;
    }
    assert_eq!(table, expected, "run `just settings`");
}
