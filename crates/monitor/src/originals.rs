//! The variables of the original monitors, for those who come from them.
//!
//! | variable | means |
//! |---|---|
//! | `SMTP_HOST`, `SMTP_PORT`, `SMTP_USERNAME`, `SMTP_PASSWORD`, `ALERT_EMAIL_RECIPIENTS` | `[channels.mail]` and `[notify] channels = ["mail"]` |
//! | `MONITOR_SITES` | a health check of the type `site` for each URL, separated by commas |
//! | `DATABASE_URL` | a health check of the type `database`: the scrapers' database, never the service's own |
//!
//! What the configuration says itself wins.

use toml::{Table, Value};

/// The name of the channel and of checks that variables define.
const MAIL: &str = "mail";

/// A configuration with what variables say beside it. `variable` returns the value of a variable. Returns the names of
/// the variables that took effect.
pub fn add_originals(
    config: &Table,
    variable: impl Fn(&str) -> Option<String>,
) -> (Table, Vec<&'static str>) {
    let mut config = config.clone();
    let mut used = Vec::new();
    let set = |name: &str| {
        variable(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    };
    add_mail(&mut config, &set, &mut used);
    add_checks(&mut config, &set, &mut used);
    (config, used)
}

fn add_mail(
    config: &mut Table,
    set: &impl Fn(&str) -> Option<String>,
    used: &mut Vec<&'static str>,
) {
    let Some(host) = set("SMTP_HOST") else { return };
    if config.contains_key("channels") {
        return;
    }
    let user = set("SMTP_USERNAME");
    let to: Vec<Value> = set("ALERT_EMAIL_RECIPIENTS")
        .map(|list| split(&list))
        .unwrap_or_default();
    let from = user
        .clone()
        .filter(|user| user.contains('@'))
        .unwrap_or_else(|| format!("dragline@{host}"));
    let mut mail = Table::new();
    mail.insert("type".into(), "email".into());
    mail.insert("host".into(), host.into());
    used.push("SMTP_HOST");
    if let Some(port) = set("SMTP_PORT").and_then(|port| port.parse::<i64>().ok()) {
        mail.insert("port".into(), port.into());
        if port == 465 {
            mail.insert("tls".into(), "tls".into());
        }
        used.push("SMTP_PORT");
    }
    if let Some(user) = user {
        let mut password = Table::new();
        password.insert("env".into(), "SMTP_PASSWORD".into());
        mail.insert("user".into(), user.into());
        mail.insert("password".into(), password.into());
        used.extend(["SMTP_USERNAME", "SMTP_PASSWORD"]);
    }
    mail.insert("from".into(), from.into());
    if !to.is_empty() {
        used.push("ALERT_EMAIL_RECIPIENTS");
    }
    mail.insert("to".into(), to.into());
    let mut channels = Table::new();
    channels.insert(MAIL.into(), mail.into());
    config.insert("channels".into(), channels.into());
    let notify = config
        .entry("notify")
        .or_insert_with(|| Table::new().into());
    if let Value::Table(notify) = notify
        && !notify.contains_key("channels")
    {
        notify.insert("channels".into(), vec![Value::from(MAIL)].into());
    }
}

fn add_checks(
    config: &mut Table,
    set: &impl Fn(&str) -> Option<String>,
    used: &mut Vec<&'static str>,
) {
    let mut checks = Vec::new();
    let check = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        Value::Table(pairs.collect())
    };
    for url in set("MONITOR_SITES").iter().flat_map(|list| split(list)) {
        let url = url.as_str().unwrap_or_default();
        let name = url
            .trim_start_matches("https://")
            .trim_start_matches("http://")
            .trim_end_matches('/');
        let url = if url.contains("://") {
            url.to_owned()
        } else {
            format!("https://{url}/")
        };
        checks.push(check(&[("name", name), ("type", "site"), ("url", &url)]));
        used.push("MONITOR_SITES");
    }
    if set("DATABASE_URL").is_some() {
        checks.push(check(&[
            ("name", "database"),
            ("type", "database"),
            ("url_env", "DATABASE_URL"),
        ]));
        used.push("DATABASE_URL");
    }
    used.dedup();
    if checks.is_empty() {
        return;
    }
    let health = config
        .entry("health")
        .or_insert_with(|| Table::new().into());
    let Value::Table(health) = health else { return };
    let held = health
        .entry("checks")
        .or_insert_with(|| Vec::<Value>::new().into());
    let Value::Array(held) = held else { return };
    let names = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    let taken: Vec<_> = held.iter().filter_map(names).collect();
    held.extend(
        checks
            .into_iter()
            .filter(|check| names(check).is_none_or(|name| !taken.contains(&name))),
    );
}

fn split(list: &str) -> Vec<Value> {
    let parts = list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts.map(Value::from).collect()
}

#[cfg(test)]
mod tests {
    use dragline_alerting::config::AlertConfig;

    use super::*;

    fn variables(name: &str) -> Option<String> {
        let value = match name {
            "SMTP_HOST" => "smtp.example.com",
            "SMTP_PORT" => "465",
            "SMTP_USERNAME" => "robot@example.com",
            "SMTP_PASSWORD" => "secret",
            "ALERT_EMAIL_RECIPIENTS" => "a@example.com, b@example.com",
            "MONITOR_SITES" => "https://shop.example.com/,news.example.com",
            "DATABASE_URL" => "postgresql://robot:secret@db/shop",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn every_variable_has_an_effect() {
        let (config, used) = add_originals(&Table::new(), variables);
        assert_eq!(used.len(), 7, "{used:?}");
        let text = toml::to_string(&config).unwrap();
        assert!(!text.contains("secret"), "{text}");
        let (alerts, mistakes) = AlertConfig::load("variables", &text, std::path::Path::new(""));
        assert_eq!(mistakes, []);
        assert_eq!(
            alerts
                .notify
                .named_channels()
                .into_iter()
                .collect::<Vec<_>>(),
            ["mail"]
        );
        let environment = dragline_health::Environment {
            variable: &variables,
            secret_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
            base: std::path::PathBuf::new(),
        };
        let health = dragline_health::Config::from_toml(&text, &environment).unwrap();
        let names: Vec<&str> = health
            .checks
            .iter()
            .map(|check| check.name.as_str())
            .collect();
        assert_eq!(names, ["shop.example.com", "news.example.com", "database"]);
    }

    #[test]
    fn what_the_configuration_says_wins() {
        let text = "[channels.chat]\ntype = \"stderr\"\n[[health.checks]]\nname = \"database\"\ntype = \"disk\"\npath = \"/\"\n";
        let (config, _) = add_originals(&text.parse().unwrap(), variables);
        assert!(config["channels"].get("mail").is_none());
        let checks = config["health"]["checks"].as_array().unwrap();
        assert_eq!(checks.len(), 3);
        assert_eq!(checks[0]["type"].as_str(), Some("disk"));
    }
}
