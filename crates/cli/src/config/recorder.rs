//! The recorder's settings: its section in the file, and the environment variables.

use dragline_logging::{Config as Recorder, ConfigError};

use super::Problem;
use super::mistake::{Mistake, Step};
use crate::names;

/// Prefix of the recorder's environment variables.
const PREFIX: &str = "DRAGLINE_";
/// Variable that names the recorder's configuration file.
pub(crate) const FILE: &str = "DRAGLINE_CONFIG";
/// Variable with the token of `dragline ship`.
pub(crate) const TOKEN: &str = "DRAGLINE_TOKEN";

/// Returns the environment variable of a setting.
pub(crate) fn variable_of(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_ascii_uppercase())
}

/// Checks the section `[logging]` key by key, so that all mistakes are found.
pub(super) fn check(section: &toml::Table, problems: &mut Vec<Problem>) {
    for (key, value) in section {
        if let Some(what) = wrong(key, value.clone()) {
            let path = vec![Step::Key("logging".to_owned()), Step::Key(key.clone())];
            problems.push((path, what));
        }
    }
}

/// What is wrong with a setting of the recorder.
fn wrong(key: &str, value: toml::Value) -> Option<String> {
    let section = toml::Table::from_iter([(key.to_owned(), value)]);
    let file = toml::Table::from_iter([("logging".to_owned(), toml::Value::Table(section))]);
    match Recorder::from_toml(&file.to_string()) {
        Ok(_) => None,
        Err(ConfigError::Value { expected, .. }) => Some(format!("expected {expected}")),
        Err(ConfigError::UnknownKey { key }) => {
            let known = Recorder::OPTIONS.iter().map(|option| option.name);
            let meant = names::did_you_mean(&key, known);
            Some(format!("the recorder has no such setting{meant}"))
        }
        Err(other) => Some(other.to_string()),
    }
}

/// What is wrong with a level filter.
pub(super) fn wrong_level(level: &str) -> Option<String> {
    wrong("level", level.into())
}

/// Checks environment variables: the values of the recorder's settings, and names that begin like them but are not
/// known, which the recorder ignores.
pub(crate) fn variable_mistakes(variables: impl Iterator<Item = (String, String)>) -> Vec<Mistake> {
    let known: Vec<(String, &str)> = Recorder::OPTIONS
        .iter()
        .map(|option| (variable_of(option.name), option.name))
        .collect();
    let what = |name: &str, value: &str| {
        let setting = known.iter().find(|(variable, _)| variable == name);
        match setting {
            // The recorder takes an empty variable for one that is not set.
            Some(_) if value.is_empty() => None,
            Some((_, setting)) => wrong(setting, toml::Value::String(value.to_owned())),
            None if name == FILE || name == TOKEN => None,
            None => {
                let variables = known.iter().map(|(variable, _)| variable.as_str());
                let meant = names::did_you_mean(name, variables.chain([FILE, TOKEN]));
                Some(format!(
                    "no setting has this variable, so it has no effect{meant}"
                ))
            }
        }
    };
    let own = variables.filter(|(name, _)| name.starts_with(PREFIX));
    let mut mistakes: Vec<Mistake> = own
        .filter_map(|(name, value)| {
            let what = what(&name, &value)?;
            Some(Mistake::of_variable(name, &value, what))
        })
        .collect();
    mistakes.sort();
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_checked_like_keys() {
        let variables = [
            ("DRAGLINE_KEEP_AGE", "long"),
            ("DRAGLINE_KEEP_FILES", ""),
            ("DRAGLINE_LEVL", "info"),
            ("DRAGLINE_DIR", "logs"),
            ("DRAGLINE_CONFIG", "shop.toml"),
            ("DRAGLINE_TOKEN", "dragline_secret"),
            ("HOME", "/"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let told: Vec<String> = variable_mistakes(variables.into_iter())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "DRAGLINE_KEEP_AGE = \"long\": expected a time such as `30 days`, or `unlimited`",
                "DRAGLINE_LEVL = \"info\": no setting has this variable, so it has no effect; did you mean \
                 `DRAGLINE_LEVEL`?",
            ]
        );
    }
}
