//! Secrets: read from the environment or from files, and never shown.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use crate::notice::REDACTED;

/// Where a secret is: `{ env = "NAME" }` or `{ file = "/path" }`. A secret in the configuration itself is refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
#[serde(expecting = "a secret is not written here: use { env = \"NAME\" } or { file = \"/path\" }")]
pub enum SecretRef {
    /// In an environment variable.
    Env {
        /// The name of the variable.
        env: String,
    },
    /// In a file, without the line break at its end.
    File {
        /// The path.
        file: PathBuf,
    },
}

/// A text that may be a secret: some addresses are, others are not.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
#[serde(expecting = "expected a text, { env = \"NAME\" } or { file = \"/path\" }")]
pub enum MaybeSecret {
    /// Written in the configuration.
    Plain(String),
    /// Elsewhere.
    Ref(SecretRef),
}

impl fmt::Debug for MaybeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An address in the configuration may still hold a token.
            Self::Plain(_) => f.write_str(REDACTED),
            Self::Ref(reference) => reference.fmt(f),
        }
    }
}

/// A secret. It has no `Display`, and its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself: for the request that needs it, and for nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl SecretRef {
    /// Reads the secret.
    ///
    /// # Errors
    /// A sentence that names the variable or the file, and never what is in it.
    pub fn read(&self) -> Result<Secret, String> {
        let (text, place) = match self {
            Self::Env { env } => (
                std::env::var(env)
                    .map_err(|_| format!("the environment variable {env} is not set"))?,
                format!("the environment variable {env}"),
            ),
            Self::File { file } => {
                let shown = file.display();
                let text = std::fs::read_to_string(file)
                    .map_err(|error| format!("cannot read the secret in {shown}: {error}"))?;
                (text, format!("the file {shown}"))
            }
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(format!("{place} is empty: put the secret there"));
        }
        Ok(Secret::new(text))
    }
}

impl MaybeSecret {
    /// Refuses a text in the configuration that looks like a secret: a password in an address, a token in a query or in a
    /// header, an address that only its owner knows. `key` is its name.
    pub(super) fn check(&self, key: &str) -> Result<(), String> {
        let Self::Plain(text) = self else {
            return Ok(());
        };
        // Some secrets are known by the name of the header only.
        let named = format!("{key}: {text}");
        if crate::notice::redact(&named) == named {
            return Ok(());
        }
        Err(format!(
            "{key} holds a secret, which is not written here: use {{ env = \"NAME\" }} or {{ file = \"/path\" }}"
        ))
    }

    /// Reads the text.
    ///
    /// # Errors
    /// As [`SecretRef::read`].
    pub fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Plain(text) => Ok(Secret::new(text)),
            Self::Ref(reference) => reference.read(),
        }
    }
}

/// Takes secrets out of a text: those that are known, and what looks like one.
pub(crate) fn scrub(text: &str, secrets: &[&Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        // Two characters are in every text.
        if secret.0.len() > 3 {
            text = text.replace(&secret.0, REDACTED);
        }
    }
    crate::notice::redact(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Holder {
        secret: SecretRef,
    }

    #[test]
    fn a_secret_in_the_configuration_is_refused_without_repeating_it() {
        let error = toml::from_str::<Holder>("secret = \"hunter2\"").unwrap_err();
        assert!(error.message().contains("{ env = \"NAME\" }"), "{error}");
        assert!(!error.message().contains("hunter2"));
    }

    #[test]
    fn a_secret_is_read_from_a_file_and_shown_by_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "hunter2\n").unwrap();
        let holder: Holder = toml::from_str(&format!("secret = {{ file = {path:?} }}")).unwrap();
        let secret = holder.secret.read().unwrap();
        assert_eq!(secret.reveal(), "hunter2");
        assert_eq!(format!("{secret:?}"), REDACTED);
        assert_eq!(scrub("it said hunter2!", &[&secret]), "it said [redacted]!");
        std::fs::write(&path, "\n").unwrap();
        assert!(holder.secret.read().unwrap_err().contains("is empty"));
        let missing = SecretRef::Env {
            env: "DRAGLINE_NO_SUCH_SECRET".to_owned(),
        };
        assert!(
            missing
                .read()
                .unwrap_err()
                .contains("DRAGLINE_NO_SUCH_SECRET")
        );
    }
}
