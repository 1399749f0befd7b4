//! Rules from files: the shipped ones and a user's.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::rule::{self, Rule, RulesError};

/// A longer file of rules is none, in bytes.
const LARGEST: u64 = 16 << 20;

/// The shipped rules, in the order that decides between equals.
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

/// The shipped rules. Their patterns are known to compile, so that nobody waits for that.
pub(crate) fn shipped() -> Result<Vec<Rule>, RulesError> {
    parse_all(SHIPPED, false)
}

/// The rules of files, their patterns checked.
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

/// A file's text, unless it is longer than any rules are.
fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    let length = file.take(LARGEST + 1).read_to_string(&mut text)?;
    if length as u64 > LARGEST {
        return Err(io::Error::other("it is longer than 16 MiB"));
    }
    Ok(text)
}

/// The rules of `(name, text)` pairs, their patterns checked.
pub(crate) fn texts(files: &[(String, String)]) -> Result<Vec<Rule>, RulesError> {
    let files = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    parse_all(files, true)
}

/// The shipped rules beside a user's: a rule with the id of a shipped one replaces it, and among
/// equals the user's wins.
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
