//! The text of a key, which is shown once, and its digest, which is kept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::api::problem::Fault;
use crate::invariant::Invariant;
use crate::routing::consumers::{KeyHash, key_text};

/// Characters of a key that are shown to tell keys apart: the four that all begin with, and 36 of its 256 random bits.
const SHOWN_CHARS: usize = 10;
/// Bytes of a digest.
const DIGEST_BYTES: usize = 32;

/// The text of a key: a secret, which `Debug` does not show.
#[derive(Clone)]
pub struct KeyText(String);

impl KeyText {
    /// The key of these random bytes.
    #[must_use]
    pub fn of_random(bytes: &[u8; 32]) -> Self {
        Self(key_text(bytes))
    }

    /// The digest that the key is kept and found by.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        // Every key has the form of one; no text is known that has the digest of zeros.
        KeyHash::of(self.0.as_bytes()).map(KeyDigest::from).expected_or(KeyDigest([0; DIGEST_BYTES]))
    }

    /// The beginning of the key, by which people tell keys apart.
    #[must_use]
    pub fn prefix(&self) -> String {
        self.0.chars().take(SHOWN_CHARS).collect()
    }

    /// The secret itself, for the one answer that shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(..)")
    }
}

/// The SHA-256 digest of a key's text. As text: 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyDigest([u8; DIGEST_BYTES]);

impl KeyDigest {
    /// The bytes of the digest.
    #[must_use]
    pub fn bytes(&self) -> &[u8; DIGEST_BYTES] {
        &self.0
    }
}

impl From<KeyHash> for KeyDigest {
    fn from(hash: KeyHash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl From<KeyDigest> for KeyHash {
    fn from(digest: KeyDigest) -> Self {
        Self::from_bytes(digest.0)
    }
}

impl From<[u8; DIGEST_BYTES]> for KeyDigest {
    fn from(bytes: [u8; DIGEST_BYTES]) -> Self {
        Self(bytes)
    }
}

impl FromStr for KeyDigest {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let form = || Fault::new("form", "it must be a SHA-256 digest: 64 hexadecimal digits");
        if text.len() != 2 * DIGEST_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(form());
        }
        let mut sum = [0; DIGEST_BYTES];
        for (byte, digits) in sum.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
            let digits = std::str::from_utf8(digits).map_err(|_| form())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| form())?;
        }
        Ok(Self(sum))
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyDigest {
    /// Shows the first bytes only: the digest finds the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, two, three, four, ..] = self.0;
        write!(f, "KeyDigest({one:02x}{two:02x}{three:02x}{four:02x}..)")
    }
}

impl TryFrom<String> for KeyDigest {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        text.parse()
    }
}

impl From<KeyDigest> for String {
    fn from(digest: KeyDigest) -> Self {
        digest.to_string()
    }
}
