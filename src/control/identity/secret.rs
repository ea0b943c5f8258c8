//! The secret of a token: made once, shown once, and known to the node by its digest alone.

use std::fmt;
use std::io;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::api::identity::TokenDigest;
use crate::api::identity::token::PREFIX;

/// Random bytes of a secret.
const BYTES: usize = 32;

/// A new secret, which `Debug` does not show.
pub struct Secret(String);

impl Secret {
    /// Makes one of 256 random bits.
    ///
    /// # Errors
    /// The host has no random numbers.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::from)?;
        Ok(Self(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The digest that is kept.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        digest_of(&self.0)
    }

    /// The text, for the one answer that shows it.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The digest of a text that a client shows.
pub(super) fn digest_of(text: &str) -> TokenDigest {
    let hashed = digest(&SHA256, text.as_bytes());
    let mut bytes = [0; 32];
    // SHA-256 has as many bytes.
    bytes.iter_mut().zip(hashed.as_ref()).for_each(|(to, from)| *to = *from);
    TokenDigest(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Secret, digest_of};

    #[test]
    fn a_secret_has_256_random_bits_and_its_prefix() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert!(one.digest() != other.digest());
        let (digest, shown) = (one.digest(), format!("{one:?}"));
        let text = one.into_text();
        assert!(text.starts_with("rwa_") && text.len() == 4 + 43 && text.is_ascii(), "{}", text.len());
        assert!(digest == digest_of(&text) && shown == "Secret(..)");
        // FIPS 180-4, example of one block.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_of("abc").to_string(), known);
    }
}
