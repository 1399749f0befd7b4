//! Silences and inhibition. Both mute sending, never evaluation; and neither keeps back that an alert is over
//! from a channel that was notified of it.

use std::fmt;

use dragline_schema::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Labels, Matchers};

/// A silence: once, between two times, or every week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Which alerts; without conditions all of them.
    #[serde(default, rename = "match")]
    pub matchers: Matchers,
    /// From when on; `None`: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<Timestamp>,
    /// Until when; `None`: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Only in these hours of the week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly: Option<Weekly>,
    /// Why.
    #[serde(default)]
    pub comment: String,
    /// Who.
    #[serde(default)]
    pub by: String,
}

impl Silence {
    /// Twelve hexadecimal digits that identify it, the same as long as it lasts.
    pub fn id(&self) -> String {
        // Neither of its parts can fail: its keys are texts.
        let json = serde_json::to_string(self).unwrap_or_default();
        Labels::from([("silence", json.as_str())]).fingerprint()
    }

    /// Whether an alert with these labels is muted at `time`.
    pub fn mutes(&self, labels: &Labels, time: Timestamp) -> bool {
        self.mutes_now(time) && self.matchers.matches(labels)
    }

    /// Whether it mutes anything at `time`.
    pub fn mutes_now(&self, time: Timestamp) -> bool {
        self.starts.is_none_or(|starts| starts <= time)
            && self.ends.is_none_or(|ends| time < ends)
            && self
                .weekly
                .as_ref()
                .is_none_or(|weekly| weekly.covers(time))
    }
}

/// Hours of the week in a time zone: `{ days = ["sat", "sun"], from = "22:00", to = "07:00", zone = "Europe/Berlin" }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weekly {
    /// The days on which it starts; none are all seven.
    #[serde(default)]
    pub days: Vec<Day>,
    /// When it starts.
    #[serde(with = "clock_time")]
    pub from: Time,
    /// When it ends: on the next day if that is not later than `from`.
    #[serde(with = "clock_time")]
    pub to: Time,
    /// The time zone. There is no default: most surprises with quiet hours are a zone that nobody named.
    pub zone: Zone,
}

impl Weekly {
    /// Whether `time` lies in the hours.
    pub fn covers(&self, time: Timestamp) -> bool {
        let local = self.zone.0.to_datetime(time.to_jiff());
        let is_day =
            |weekday: Weekday| self.days.is_empty() || self.days.iter().any(|day| day.0 == weekday);
        let (today, yesterday) = (local.weekday(), local.weekday().previous());
        let clock = local.time();
        if self.from < self.to {
            return is_day(today) && self.from <= clock && clock < self.to;
        }
        (is_day(today) && self.from <= clock) || (is_day(yesterday) && clock < self.to)
    }
}

impl fmt::Display for Weekly {
    /// `on sat, sun from 22:00 to 07:00 Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.days.iter().map(|day| &day.name()[..3]);
        let days: Vec<&str> = names.collect();
        match &days[..] {
            [] => write!(f, "every day")?,
            days => write!(f, "on {}", days.join(", "))?,
        }
        let clock = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
        let zone = self.zone.0.iana_name().unwrap_or("UTC");
        write!(f, " from {} to {} {zone}", clock(self.from), clock(self.to))
    }
}

/// A day of the week, by its English name or the first three letters of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(pub Weekday);

const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

impl Day {
    fn name(self) -> &'static str {
        DAYS[self.0.to_monday_zero_offset() as usize].0
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?.to_lowercase();
        let found = DAYS
            .iter()
            .find(|(name, _)| *name == text || name[..3] == *text);
        found.map(|(_, day)| Self(*day)).ok_or_else(|| {
            let known = DAYS.iter().map(|(name, _)| *name);
            serde::de::Error::custom(format!(
                "unknown day {text:?}: {}",
                crate::suggest::sentence(&text, known)
            ))
        })
    }
}

/// A time zone, by its IANA name.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(pub TimeZone);

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.iana_name().unwrap_or("UTC").serialize(to)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        TimeZone::get(&name).map(Self).map_err(|_| {
            serde::de::Error::custom(format!(
                "unknown time zone {name:?}: write an IANA name such as \"Europe/Berlin\" or \"UTC\""
            ))
        })
    }
}

/// `22:00`.
mod clock_time {
    use super::{Deserialize, Deserializer, Serializer, Time};

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde calls"
    )]
    pub(super) fn serialize<S: Serializer>(time: &Time, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:02}:{:02}", time.hour(), time.minute()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        let text = String::deserialize(from)?;
        let parse = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        };
        parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "invalid time of day {text:?}: write \"22:00\"; midnight is \"00:00\""
            ))
        })
    }
}

/// While one alert fires, others are not sent: `{ source = {…}, target = {…}, equal = ["site"] }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inhibition {
    /// The alerts that mute.
    pub source: Matchers,
    /// The alerts that are muted.
    pub target: Matchers,
    /// Labels that both must have with the same value.
    #[serde(default)]
    pub equal: Vec<String>,
}

impl Inhibition {
    /// Whether an alert with the labels `source` mutes one with the labels `target`. As in Alertmanager, alerts that both match
    /// `source` and `target` do not mute each other: nobody would hear of them.
    pub fn mutes(&self, source: &Labels, target: &Labels) -> bool {
        let is_mutual = || self.target.matches(source) && self.source.matches(target);
        self.source.matches(source)
            && self.target.matches(target)
            && !is_mutual()
            && self
                .equal
                .iter()
                .all(|name| source.get(name) == target.get(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weekly(toml: &str) -> Weekly {
        toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"))
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn hours_of_the_week_are_said_in_words() {
        let hours = "from = \"22:00\"\nto = \"07:00\"\nzone = \"Europe/Berlin\"";
        assert_eq!(
            weekly(&format!("days = [\"sat\", \"sunday\"]\n{hours}")).to_string(),
            "on sat, sun from 22:00 to 07:00 Europe/Berlin"
        );
        assert_eq!(
            weekly(hours).to_string(),
            "every day from 22:00 to 07:00 Europe/Berlin"
        );
    }

    #[test]
    fn quiet_hours_are_in_their_zone_and_cross_midnight() {
        let nights = weekly(
            "days = [\"fri\", \"Saturday\"]\nfrom = \"22:00\"\nto = \"07:00\"\nzone = \"Europe/Berlin\"",
        );
        for (time, expected) in [
            ("2026-03-06T20:59:00Z", false), // Friday 21:59
            ("2026-03-06T21:00:00Z", true),  // Friday 22:00
            ("2026-03-07T05:59:00Z", true),  // Saturday 06:59, of Friday's night
            ("2026-03-07T06:00:00Z", false),
            ("2026-03-08T05:00:00Z", true), // Sunday 06:00, of Saturday's night
            ("2026-03-08T21:30:00Z", false), // Sunday is no such night
            ("2026-03-06T05:00:00Z", false), // Friday 06:00: Thursday is no such night
        ] {
            assert_eq!(nights.covers(at(time)), expected, "{time}");
        }
    }

    #[test]
    fn quiet_hours_follow_summer_time() {
        let nights = weekly("from = \"22:00\"\nto = \"07:00\"\nzone = \"Europe/Berlin\"");
        // 07:00 is 06:00 UTC in winter and 05:00 UTC in summer; the clocks change on 2026-03-29.
        assert!(nights.covers(at("2026-03-28T05:30:00Z")));
        assert!(!nights.covers(at("2026-03-29T05:30:00Z")));
    }

    #[test]
    fn what_is_no_day_zone_or_time_is_refused() {
        for (toml, hint) in [
            (
                "days = [\"mondy\"]\nfrom = \"1:00\"\nto = \"2:00\"\nzone = \"UTC\"",
                "did you mean \"monday\"?",
            ),
            (
                "from = \"1:00\"\nto = \"2:00\"\nzone = \"Europe/Berlim\"",
                "IANA",
            ),
            ("from = \"24:00\"\nto = \"2:00\"\nzone = \"UTC\"", "00:00"),
            ("from = \"1:00\"\nto = \"2:00\"", "zone"),
        ] {
            let error = toml::from_str::<Weekly>(toml).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn a_silence_has_a_beginning_and_an_end() {
        let silence: Silence = toml::from_str(
            "match = { site = \"shop*\" }\nstarts = \"2026-03-04T10:00:00Z\"\nends = \"2026-03-04T12:00:00Z\"",
        )
        .unwrap();
        let shop = Labels::from([("site", "shop.example.com")]);
        for (time, expected) in [
            ("09:59", false),
            ("10:00", true),
            ("11:59", true),
            ("12:00", false),
        ] {
            assert_eq!(
                silence.mutes(&shop, at(&format!("2026-03-04T{time}:00Z"))),
                expected,
                "{time}"
            );
        }
        assert!(!silence.mutes(
            &Labels::from([("site", "other")]),
            at("2026-03-04T11:00:00Z")
        ));
        let stored = toml::to_string(&silence).unwrap();
        assert_eq!(toml::from_str::<Silence>(&stored).unwrap(), silence);
    }

    #[test]
    fn inhibition_needs_equal_labels_and_is_never_mutual() {
        let inhibition: Inhibition = toml::from_str(
            "source = { alertname = \"down\" }\ntarget = { alertname = \"*\" }\nequal = [\"site\"]",
        )
        .unwrap();
        let alert = |name, site| Labels::from([("alertname", name), ("site", site)]);
        assert!(inhibition.mutes(&alert("down", "a"), &alert("slow", "a")));
        assert!(!inhibition.mutes(&alert("down", "a"), &alert("slow", "b")));
        assert!(!inhibition.mutes(&alert("down", "a"), &alert("down", "a")));
        let other = alert("down", "a").with(&Labels::from([("scraper_id", "b")]));
        assert!(!inhibition.mutes(&alert("down", "a"), &other));
    }
}
