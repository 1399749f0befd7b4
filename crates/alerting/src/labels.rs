//! Labels: what identifies a series, and with it an alert.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A set of labels, sorted by name. Copies share it: each sample of a series has one.
///
/// ```
/// use dragline_alerting::Labels;
///
/// let labels = Labels::from([("site", "shop.example.com"), ("scraper_id", "shop")]);
/// assert_eq!(labels.to_string(), r#"{scraper_id="shop", site="shop.example.com"}"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<BTreeMap<String, String>>);

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(from).map(|labels| Self(Arc::new(labels)))
    }
}

impl Labels {
    /// No labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// The labels of a scraper on a site; parts without a name have none.
    pub fn of_scraper(scraper_id: Option<&str>, site: Option<&str>) -> Self {
        let pairs = [("scraper_id", scraper_id), ("site", site)];
        let named = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        named.filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets a label.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        Arc::make_mut(&mut self.0).insert(name.into(), value.into());
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.0
            .contains_key(name)
            .then(|| Arc::make_mut(&mut self.0).remove(name))?
    }

    /// `self` with `other` laid over it: where both have a label, that of `other` counts.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let mut all = self.clone();
        for (name, value) in other.iter() {
            all.insert(name, value);
        }
        all
    }

    /// Only the labels with these names; a missing one is left out.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Self {
        let wanted = self.0.iter().filter(|(name, _)| names.contains(name));
        wanted
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Twelve hexadecimal digits that identify the labels, the same on every machine.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (name, value) in self.iter() {
            // The lengths keep `a="bc"` and `ab="c"` apart.
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update((value.len() as u64).to_le_bytes());
            hash.update(value);
        }
        hexadecimal(&hash.finalize()[..6])
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |text, byte| {
            text + &format!("{byte:02x}")
        })
}

impl<const N: usize> From<[(&str, &str); N]> for Labels {
    fn from(pairs: [(&str, &str); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(Arc::new(
            pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        ))
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

/// One condition on a label: `site = "shop.example.com"`, or one of several values, or `*` for any value at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabelMatch {
    /// Exactly this value; a `*` stands for any characters.
    One(String),
    /// One of these.
    Any(Vec<String>),
}

impl LabelMatch {
    /// Whether it takes a value.
    pub fn takes(&self, value: &str) -> bool {
        match self {
            Self::One(pattern) => matches_pattern(pattern, value),
            Self::Any(patterns) => patterns
                .iter()
                .any(|pattern| matches_pattern(pattern, value)),
        }
    }
}

impl fmt::Display for LabelMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(pattern) => write!(f, "{pattern:?}"),
            Self::Any(patterns) => write!(f, "{patterns:?}"),
        }
    }
}

/// Conditions on labels, all of which must hold. Without conditions everything matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Matchers(BTreeMap<String, LabelMatch>);

impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("all alerts");
        }
        let mut comma = "";
        for (name, wanted) in &self.0 {
            match wanted {
                LabelMatch::One(pattern) => write!(f, "{comma}{name}={pattern}")?,
                LabelMatch::Any(patterns) => write!(f, "{comma}{name}={}", patterns.join("|"))?,
            }
            comma = ", ";
        }
        Ok(())
    }
}

impl Matchers {
    /// Whether all conditions hold. A label that is absent has the empty value.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0
            .iter()
            .all(|(name, wanted)| wanted.takes(labels.get(name).unwrap_or_default()))
    }

    /// The conditions, by label name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &LabelMatch)> {
        self.0.iter().map(|(name, wanted)| (name.as_str(), wanted))
    }

    /// Whether there are no conditions.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a condition.
    pub fn insert(&mut self, name: impl Into<String>, wanted: LabelMatch) {
        self.0.insert(name.into(), wanted);
    }
}

/// `*` matches any characters; everything else matches itself.
pub(crate) fn matches_pattern(pattern: &str, value: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == value;
    };
    let Some(mut value) = value.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match value.find(part) {
            Some(at) => value = &value[at + part.len()..],
            None => return false,
        }
    }
    value.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, value, expected) in [
            ("shop", "shop", true),
            ("shop", "shop2", false),
            ("shop*", "shop2", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "example.com", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(
                matches_pattern(pattern, value),
                expected,
                "{pattern} {value}"
            );
        }
    }

    #[test]
    fn the_fingerprint_tells_names_from_values() {
        let one = Labels::from([("a", "bc")]).fingerprint();
        assert_ne!(one, Labels::from([("ab", "c")]).fingerprint());
        assert_eq!(one, Labels::from([("a", "bc")]).fingerprint());
        assert_eq!(one.len(), 12);
    }
}
