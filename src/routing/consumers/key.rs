//! A key: its text is shown once and kept by nobody here; its SHA-256 finds it again.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::application::ApplicationId;
use crate::proto::credential::KEY_PREFIX;

/// The characters after the prefix: 32 bytes in base64url (RFC 4648 section 5), without padding.
const SECRET_CHARS: usize = 43;

/// The identity of a key in the store. Never given to another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u64);

/// Seconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixSeconds(pub u64);

/// A key, as shards know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key's identity, which logs and lists show.
    pub id: KeyId,
    /// The name of the environment where the key is valid.
    pub environment: Arc<str>,
    /// The application that the key belongs to.
    pub application: ApplicationId,
    /// The end of its validity; `None` if only a revocation ends it.
    pub expires_at: Option<UnixSeconds>,
}

/// The SHA-256 of a key's whole text. Two hashes are compared in constant time.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Hashes a key's text; `None`, and nothing is hashed, if the text does not have the form of a key.
    #[must_use]
    pub fn of(text: &[u8]) -> Option<Self> {
        let secret = text.strip_prefix(KEY_PREFIX.as_bytes())?;
        let is_key = secret.len() == SECRET_CHARS && secret.iter().all(|byte| is_base64url(*byte));
        if !is_key {
            return None;
        }
        digest(&SHA256, text).as_ref().try_into().ok().map(Self)
    }

    /// A hash that was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first bytes as a number: the place of the key in a table.
    pub(super) fn order(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for KeyHash {}

impl fmt::Debug for KeyHash {
    /// The first eight digits tell two hashes apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "KeyHash({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// The text of a key that is made of these random bytes: 47 characters.
#[must_use]
pub fn key_text(random: &[u8; 32]) -> String {
    let mut text = KEY_PREFIX.to_owned();
    URL_SAFE_NO_PAD.encode_string(random, &mut text);
    text
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::{KEY_PREFIX, KeyHash, SECRET_CHARS, key_text};

    #[test]
    fn only_a_text_with_the_form_of_a_key_is_hashed() {
        let text = key_text(&[0xfb; 32]);
        assert_eq!(text.len(), KEY_PREFIX.len() + SECRET_CHARS);
        assert!(KeyHash::of(text.as_bytes()).is_some());
        let cut = &text[..46];
        let changes = [
            String::new(),
            "rwk_".to_owned(),
            cut.to_owned(),
            format!("{text}A"),
            text.to_uppercase(),
            text.replace("rwk_", "rwx_"),
            format!("{cut}="),
            format!("{cut}+"),
            format!("{cut} "),
            format!(" {cut}"),
        ];
        for text in changes {
            assert_eq!(KeyHash::of(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_hash_is_the_sha_256_of_the_whole_text() {
        // printf 'rwk_AAAA..' (43 times A) | sha256sum
        let text = key_text(&[0; 32]);
        assert_eq!(text, format!("rwk_{}", "A".repeat(43)));
        let hash = KeyHash::of(text.as_bytes()).unwrap();
        let hex: String = hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "f8a7d340c76fe171acd355f490cafbbde018e6d41773e72be244ad2355d77d10");
        assert_eq!(format!("{hash:?}"), format!("KeyHash({}..)", &hex[..8]));
        assert_eq!(KeyHash::from_bytes(*hash.as_bytes()), hash);
        assert_ne!(KeyHash::of(key_text(&[1; 32]).as_bytes()), Some(hash));
    }
}
