//! The cookie of the page: who signed in, until when, signed.
//!
//! The cookie holds no token. It is valid as long as its signature, its time and the entry of the token are: with a
//! key that survives a restart nobody has to sign in again, and to take a token away ends its sessions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dragline_schema::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::token::{TokenEntry, Tokens};

/// How long a session lasts, in seconds: a week.
pub(crate) const LENGTH_SECONDS: i64 = 7 * 24 * 3_600;

/// Signs and checks sessions.
#[derive(Clone)]
pub(crate) struct Sessions {
    key: [u8; 32],
}

impl Sessions {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The value of a cookie for somebody who showed a token.
    pub(crate) fn sign(&self, entry: &TokenEntry, now: Timestamp) -> String {
        let until = now.as_seconds().saturating_add(LENGTH_SECONDS);
        let name = URL_SAFE_NO_PAD.encode(&entry.name);
        let signature = self.mac(entry, until).finalize().into_bytes();
        format!("{name}.{until}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The entry of the token with which the session was opened, if the session is valid.
    pub(crate) fn check<'t>(
        &self,
        cookie: &str,
        tokens: &'t Tokens,
        now: Timestamp,
    ) -> Option<&'t TokenEntry> {
        let mut parts = cookie.split('.');
        let (name, until, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let name = String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok()?;
        let entry = tokens.named(&name)?;
        let until: i64 = until.parse().ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // In constant time.
        self.mac(entry, until).verify_slice(&signature).ok()?;
        (parts.next().is_none() && now.as_seconds() < until).then_some(entry)
    }

    /// Covers the stored hash, so that another token of the same name opens no old session.
    fn mac(&self, entry: &TokenEntry, until: i64) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        for part in [&entry.name, entry.role.name(), &entry.hash] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(&until.to_le_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Role, Token};

    #[test]
    fn a_session_is_valid_for_its_time_key_and_token() {
        let sessions = Sessions::new([1; 32]);
        let entry = Token::from_bytes([1; 32]).entry("a.b", Role::Act);
        let tokens = Tokens::new(std::slice::from_ref(&entry)).unwrap();
        let now = Timestamp::from_seconds(1_796_083_200);
        let cookie = sessions.sign(&entry, now);
        assert_eq!(sessions.check(&cookie, &tokens, now), Some(&entry));

        let late = Timestamp::from_seconds(now.as_seconds() + LENGTH_SECONDS);
        assert_eq!(sessions.check(&cookie, &tokens, late), None);
        assert_eq!(Sessions::new([2; 32]).check(&cookie, &tokens, now), None);
        let other = Token::from_bytes([2; 32]).entry("a.b", Role::Act);
        assert_eq!(
            sessions.check(&cookie, &Tokens::new(&[other]).unwrap(), now),
            None
        );
        assert_eq!(sessions.check(&cookie, &Tokens::default(), now), None);
    }

    #[test]
    fn a_forged_session_is_refused() {
        let sessions = Sessions::new([1; 32]);
        let entry = Token::from_bytes([1; 32]).entry("alex", Role::Read);
        let tokens = Tokens::new(std::slice::from_ref(&entry)).unwrap();
        let now = Timestamp::from_seconds(1_796_083_200);
        let cookie = sessions.sign(&entry, now);
        let longer = cookie.replacen(".1", ".2", 1);
        for forged in [
            "",
            "..",
            "a.b.c",
            &longer,
            &format!("{cookie}.x"),
            &cookie[..cookie.len() - 1],
        ] {
            assert_eq!(sessions.check(forged, &tokens, now), None, "{forged}");
        }
    }
}
