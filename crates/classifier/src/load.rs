//! Loads rules from files: the shipped ones and a user's.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::rule::{self, Rule, RulesError};

/// Maximum size of a rule file, in bytes.
const LARGEST: u64 = 16 << 20;

/// The shipped rules. Among rules of equal priority, the earlier one wins.
const SHIPPED: [(&str, &str); 8] = [
    ("network.toml", include_str!("../rules/network.toml")),
    ("rate_limit.toml", include_str!("../rules/rate_limit.toml")),
    (
        "authentication.toml",
        include_str!("../rules/authentication.toml"),
    ),
    (
        "site_change.toml",
        include_str!("../rules/site_change.toml"),
    ),
    ("parsing.toml", include_str!("../rules/parsing.toml")),
    ("database.toml", include_str!("../rules/database.toml")),
    ("system.toml", include_str!("../rules/system.toml")),
    ("unknown.toml", include_str!("../rules/unknown.toml")),
];

/// The shipped rules. Tests compile their patterns, so they are not checked at run time.
pub(crate) fn shipped() -> Result<Vec<Rule>, RulesError> {
    parse_all(SHIPPED, false)
}

/// Reads rule files and checks their patterns.
pub(crate) fn files(paths: &[impl AsRef<Path>]) -> Result<Vec<Rule>, RulesError> {
    let mut read = Vec::new();
    for path in paths {
        let name = path.as_ref().display().to_string();
        match text_of(path.as_ref()) {
            Ok(text) => read.push((name, text)),
            Err(source) => return Err(RulesError::Read { path: name, source }),
        }
    }
    texts(&read)
}

/// Reads a file of at most [`LARGEST`] bytes.
fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    let length = file.take(LARGEST + 1).read_to_string(&mut text)?;
    if length as u64 > LARGEST {
        return Err(io::Error::other("the file is larger than 16 MiB"));
    }
    Ok(text)
}

/// Reads rules from `(name, text)` pairs and checks their patterns.
pub(crate) fn texts(files: &[(String, String)]) -> Result<Vec<Rule>, RulesError> {
    let files = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    parse_all(files, true)
}

/// Adds the shipped rules to a user's: a user's rule replaces the shipped rule with the same id, and
/// wins against shipped rules of equal priority.
pub(crate) fn shipped_beside(mut own: Vec<Rule>) -> Result<Vec<Rule>, RulesError> {
    let ids: BTreeSet<String> = own.iter().map(|rule| rule.id.clone()).collect();
    own.extend(
        shipped()?
            .into_iter()
            .filter(|rule| !ids.contains(&rule.id)),
    );
    Ok(own)
}

fn parse_all<'t>(
    files: impl IntoIterator<Item = (&'t str, &'t str)>,
    is_checked: bool,
) -> Result<Vec<Rule>, RulesError> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut ids = BTreeSet::new();
    for (path, text) in files {
        for rule in rule::parse(path, text)? {
            if is_checked && let Err(source) = rule.check_patterns() {
                return Err(RulesError::Pattern {
                    path: path.to_owned(),
                    rule: rule.id,
                    source,
                });
            }
            if !ids.insert(rule.id.clone()) {
                return Err(RulesError::Duplicate {
                    path: path.to_owned(),
                    rule: rule.id,
                });
            }
            rules.push(rule);
        }
    }
    Ok(rules)
}
