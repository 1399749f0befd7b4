//! Tokens: who may read and act. 256 random bits, stored as a hash, with a name and a role.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What begins every token, so that scanners for leaked secrets find it.
const PREFIX: &str = "dragline_";

/// What begins every stored hash.
const HASH_PREFIX: &str = "sha256:";

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To read everything.
    Read,
    /// To read, acknowledge, silence, reload and send logs.
    Act,
    /// To send logs, and nothing else.
    Ship,
}

impl Role {
    /// Whether a caller with this role may do what needs `needed`.
    pub fn allows(self, needed: Self) -> bool {
        self == needed || self == Self::Act
    }

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Act => "act",
            Self::Ship => "ship",
        }
    }
}

/// A new token. It is shown once; only its hash is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Makes a token from 256 random bits. The same bits give the same token.
    ///
    /// ```
    /// use dragline_web::{Role, Token};
    ///
    /// let token = Token::from_bytes([7; 32]);
    /// assert!(token.reveal().starts_with("dragline_"));
    /// assert!(token.entry("alex", Role::Read).hash.starts_with("sha256:"));
    /// ```
    pub fn from_bytes(bits: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits)))
    }

    /// Makes a token from the system's random numbers.
    ///
    /// # Errors
    /// When the system has none.
    pub fn generate() -> Result<Self, String> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits)
            .map_err(|error| format!("the system gives no random numbers: {error}"))?;
        Ok(Self::from_bytes(bits))
    }

    /// The token itself, to be shown to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The entry for the configuration.
    pub fn entry(&self, name: &str, role: Role) -> TokenEntry {
        TokenEntry {
            name: name.to_owned(),
            role,
            hash: hash_of(&self.0),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// Whose it is; acknowledgements and silences carry this name.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// `sha256:` and the hash of the token, hexadecimal.
    pub hash: String,
}

/// A mistake in a token's entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A name that is missing or too long.
    #[error("web.tokens: invalid name {0:?}; write 1 to 64 characters without control characters")]
    Name(String),
    /// A name that is there twice.
    #[error("web.tokens: the name {0:?} is there twice")]
    Duplicate(String),
    /// A hash that is not one.
    #[error(
        "web.tokens: the hash of {0:?} is invalid; write \"sha256:\" and 64 hexadecimal digits, never the token itself"
    )]
    Hash(String),
}

/// The tokens of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<(TokenEntry, [u8; 32])>);

impl Tokens {
    /// Reads the entries.
    ///
    /// # Errors
    /// When a name or a hash is invalid, or a name is there twice.
    pub fn new(entries: &[TokenEntry]) -> Result<Self, TokenError> {
        let mut tokens: Vec<(TokenEntry, [u8; 32])> = Vec::new();
        for entry in entries {
            let name = &entry.name;
            if name.trim().is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
                return Err(TokenError::Name(name.clone()));
            }
            if tokens.iter().any(|(other, _)| other.name == *name) {
                return Err(TokenError::Duplicate(name.clone()));
            }
            let hash = parse_hash(&entry.hash).ok_or_else(|| TokenError::Hash(name.clone()))?;
            tokens.push((entry.clone(), hash));
        }
        Ok(Self(tokens))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry of a token that somebody shows.
    ///
    /// Hashes are compared, not tokens: how long it takes says nothing about the token.
    pub(crate) fn find(&self, token: &str) -> Option<&TokenEntry> {
        let shown: [u8; 32] = Sha256::digest(token).into();
        let found = self.0.iter().find(|(_, hash)| *hash == shown);
        found.map(|(entry, _)| entry)
    }

    /// The entry with this name.
    pub(crate) fn named(&self, name: &str) -> Option<&TokenEntry> {
        let found = self.0.iter().find(|(entry, _)| entry.name == name);
        found.map(|(entry, _)| entry)
    }
}

fn hash_of(token: &str) -> String {
    let digits = Sha256::digest(token);
    let digits = digits
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    format!("{HASH_PREFIX}{digits}")
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(HASH_PREFIX)?;
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_hash_and_nothing_else_is() {
        let token = Token::from_bytes([1; 32]);
        let tokens = Tokens::new(&[token.entry("alex", Role::Read)]).unwrap();
        assert_eq!(tokens.find(token.reveal()).unwrap().name, "alex");
        let other = Token::from_bytes([2; 32]);
        for wrong in [
            other.reveal(),
            "",
            PREFIX,
            &token.entry("alex", Role::Read).hash,
        ] {
            assert!(tokens.find(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_token_in_place_of_its_hash_is_refused_and_not_quoted() {
        let token = Token::from_bytes([1; 32]);
        let mut entry = token.entry("alex", Role::Read);
        token.reveal().clone_into(&mut entry.hash);
        let error = Tokens::new(&[entry]).unwrap_err().to_string();
        assert!(
            error.contains("alex") && !error.contains(token.reveal()),
            "{error}"
        );
    }

    #[test]
    fn names_are_there_once() {
        let entry = Token::from_bytes([1; 32]).entry("alex", Role::Read);
        assert_eq!(
            Tokens::new(&[entry.clone(), entry]).unwrap_err(),
            TokenError::Duplicate("alex".into())
        );
    }

    #[test]
    fn a_role_allows_itself_and_act_allows_all() {
        for (role, needed, expected) in [
            (Role::Read, Role::Read, true),
            (Role::Read, Role::Act, false),
            (Role::Read, Role::Ship, false),
            (Role::Ship, Role::Ship, true),
            (Role::Ship, Role::Read, false),
            (Role::Act, Role::Ship, true),
            (Role::Act, Role::Read, true),
        ] {
            assert_eq!(role.allows(needed), expected, "{role:?} {needed:?}");
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        let token = Token::generate().unwrap();
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
}
