//! Who is notified: `[notify]`, `[scrapers.NAME]`, `[[route]]`, `[[silence]]` and `[[inhibit]]`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dragline_schema::Severity;
use serde::{Deserialize, Serialize};

use super::{Budget, Inhibition, Silence};
use crate::rule::Escalation;
use crate::{Labels, Matchers, duration};

/// `[notify]`: when and where notices go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifySettings {
    /// The channels of alerts that no route and no scraper sends elsewhere.
    pub channels: Vec<String>,
    /// The labels that make a group: alerts that agree in them share a notice.
    pub group_by: Vec<String>,
    /// How long the first notice of a group waits for others to join it.
    #[serde(with = "duration")]
    pub group_wait: Duration,
    /// The least time between notices of one group.
    #[serde(with = "duration")]
    pub group_interval: Duration,
    /// How often a notice is repeated while the alert fires and nobody acknowledges it. `0s`: never.
    #[serde(with = "duration")]
    pub repeat: Duration,
    /// Maximum number of notices for each channel that are not critical.
    pub budget: Option<Budget>,
    /// Further channels while nobody acknowledges, for rules that name none.
    pub escalate: Vec<Escalation>,
}

impl Default for NotifySettings {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            group_by: vec!["alertname".to_owned()],
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_mins(5),
            repeat: Duration::from_hours(4),
            budget: None,
            escalate: Vec::new(),
        }
    }
}

/// `[scrapers.NAME]`: who owns a scraper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScraperOwner {
    /// Who answers for it; shown in notices.
    pub owner: String,
    /// Where its alerts go instead of `[notify] channels`.
    pub channels: Vec<String>,
}

/// `[[route]]`: alerts that go to further or other channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Conditions on labels, such as `site`.
    #[serde(default, rename = "match")]
    pub matchers: Matchers,
    /// Only alerts of at least this severity.
    #[serde(
        default,
        deserialize_with = "severity_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub severity: Option<Severity>,
    /// The channels.
    pub channels: Vec<String>,
    /// Whether these channels replace all others (of earlier routes, too) or join them.
    #[serde(default)]
    pub only: bool,
}

fn severity_or_none<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<Severity>, D::Error> {
    crate::severity::deserialize(from).map(Some)
}

/// Everything about who is notified.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NotifyConfig {
    /// `[notify]`.
    pub notify: NotifySettings,
    /// `[scrapers.NAME]`.
    pub scrapers: BTreeMap<String, ScraperOwner>,
    /// `[[route]]`.
    pub route: Vec<Route>,
    /// `[[silence]]`.
    pub silence: Vec<Silence>,
    /// `[[inhibit]]`.
    pub inhibit: Vec<Inhibition>,
}

impl NotifyConfig {
    /// Reads the sections from TOML; other sections are not looked at. `file` is the name for the error message.
    ///
    /// # Errors
    /// A sentence with the file, the line and the key.
    pub fn load(file: &str, text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            format!(
                "{file}:{line}: {}{}",
                error.message(),
                suggestion(error.message())
            )
        })
    }

    /// The channels that an alert with these labels goes to, without escalation.
    pub fn channels_of(&self, labels: &Labels, severity: Severity) -> BTreeSet<&str> {
        let scraper = labels
            .get("scraper_id")
            .and_then(|scraper| self.scrapers.get(scraper));
        let own = scraper
            .map(|scraper| &scraper.channels)
            .filter(|channels| !channels.is_empty());
        let mut channels: BTreeSet<&str> = own
            .unwrap_or(&self.notify.channels)
            .iter()
            .map(String::as_str)
            .collect();
        for route in &self.route {
            if route.severity.is_none_or(|least| severity >= least)
                && route.matchers.matches(labels)
            {
                if route.only {
                    channels.clear();
                }
                channels.extend(route.channels.iter().map(String::as_str));
            }
        }
        channels
    }

    /// Who answers for the scraper of an alert.
    pub fn owner_of(&self, labels: &Labels) -> Option<&str> {
        let scraper = self.scrapers.get(labels.get("scraper_id")?)?;
        (!scraper.owner.is_empty()).then_some(&scraper.owner)
    }

    /// Every channel that some section names, to be compared with the channels that exist.
    pub fn named_channels(&self) -> BTreeSet<&str> {
        let scrapers = self.scrapers.values().flat_map(|scraper| &scraper.channels);
        let routes = self.route.iter().flat_map(|route| &route.channels);
        let escalations = self
            .notify
            .escalate
            .iter()
            .flat_map(|escalation| &escalation.channels);
        let all = self
            .notify
            .channels
            .iter()
            .chain(scrapers)
            .chain(routes)
            .chain(escalations);
        all.map(String::as_str).collect()
    }
}

/// The keys of all sections, for suggestions.
const KEYS: [&str; 20] = [
    "channels",
    "group_by",
    "group_wait",
    "group_interval",
    "repeat",
    "budget",
    "escalate",
    "owner",
    "match",
    "severity",
    "only",
    "starts",
    "ends",
    "weekly",
    "comment",
    "source",
    "target",
    "equal",
    "days",
    "zone",
];

/// Adds a suggestion to the parser's message about an unknown key.
fn suggestion(message: &str) -> String {
    let unknown = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next());
    match unknown.and_then(|unknown| crate::suggest::nearest(unknown, KEYS)) {
        Some(known) => format!(" (did you mean {known:?}?)"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_routed_by_scraper_severity_and_site() {
        let config = NotifyConfig::load(
            "dragline.toml",
            r#"
            [notify]
            channels = ["mail"]
            [scrapers.shop]
            owner = "prices"
            channels = ["prices-chat"]
            [[route]]
            severity = "critical"
            channels = ["phone"]
            [[route]]
            match = { site = "*.test" }
            channels = ["lab"]
            only = true
            [sites.elsewhere]
            priority = "high"
            "#,
        )
        .unwrap();
        let channels = |scraper, site, severity| {
            let labels = Labels::from([("scraper_id", scraper), ("site", site)]);
            config
                .channels_of(&labels, severity)
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(channels("news", "a.com", Severity::High), ["mail"]);
        assert_eq!(channels("shop", "a.com", Severity::High), ["prices-chat"]);
        assert_eq!(
            channels("shop", "a.com", Severity::Critical),
            ["phone", "prices-chat"]
        );
        assert_eq!(channels("shop", "a.test", Severity::Critical), ["lab"]);
        assert_eq!(
            config.owner_of(&Labels::from([("scraper_id", "shop")])),
            Some("prices")
        );
    }

    #[test]
    fn errors_name_the_file_the_line_and_a_suggestion() {
        for (text, expected) in [
            (
                "[notify]\ngroup_wiat = \"30s\"",
                "dragline.toml:2: unknown field `group_wiat`",
            ),
            ("[notify]\nrepeat = \"4\"", "4m"),
            ("[notify]\nbudget = \"three a week\"", "3 a week"),
            ("[[route]]\nchannels = []\nseverity = \"hi\"", "severity"),
        ] {
            let error = NotifyConfig::load("dragline.toml", text).unwrap_err();
            assert!(
                error.starts_with("dragline.toml:") && error.contains(expected),
                "{error}"
            );
        }
        let error = NotifyConfig::load("f", "[notify]\ngroup_wiat = \"30s\"").unwrap_err();
        assert!(error.ends_with("(did you mean \"group_wait\"?)"), "{error}");
    }
}
