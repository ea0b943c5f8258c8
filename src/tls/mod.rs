//! TLS, by rustls, between the engine and the stages: in, certificates and what is trusted; out, sessions that make of a
//! [`Transport`](crate::engine::Transport) another one that encrypts.
//!
//! A session is driven over memory: what the socket gave is shown to it in the shard's buffer, and what it gives back goes
//! to the socket. Nothing here knows of WebSocket, opens a socket, or keeps a buffer for a connection that is idle; files
//! are read at start and on a control thread, never on a shard.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

pub mod certificate;
pub mod client;
pub mod fault;
pub mod first_byte;
pub mod identity;
mod insecure;
pub mod pem;
pub mod secured;
pub mod server;
mod session;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, InconsistentKeys, ProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use pem::{LoadError, PemFile};

/// The one application protocol spoken (RFC 7301): a WebSocket begins with a request of HTTP/1.1.
pub const HTTP_1_1: &[u8] = b"http/1.1";

/// What a client gets that there is no room for, instead of a handshake: the alert `internal_error` in the clear
/// (RFC 8446 section 6.2). It is told there what HTTP has a status for, and plain text it could not read.
pub const NO_ROOM: [u8; 7] = [first_byte::ALERT, 3, 3, 0, 2, 2, 80];

/// The cryptography of every configuration, made once: aws-lc-rs with rustls's own choice of suites, AES-128 before
/// AES-256, as browsers have it. It costs less a byte and is not the weaker side of anything here. As a server the
/// client's order counts.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites.sort_by_key(|suite| {
            let is_aes_128 = matches!(
                suite.suite(),
                CipherSuite::TLS13_AES_128_GCM_SHA256
                    | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                    | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            );
            (suite.version().version != ProtocolVersion::TLSv1_3, !is_aes_128)
        });
        Arc::new(provider)
    });
    Arc::clone(&PROVIDER)
}

/// A certificate chain with its key, if they belong to each other.
fn certified_key(
    certificate: &PemFile,
    chain: Vec<CertificateDer<'static>>,
    key: &PemFile,
    own_key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, LoadError> {
    let loaded = provider.key_provider.load_private_key(own_key);
    let loaded = loaded.map_err(|error| key.error(format!("the key in it cannot be used: {error}")))?;
    let certified = CertifiedKey::new(chain, loaded);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(key
                .error(format!("the key in it does not belong to the certificate in {}", certificate.path.display())))
        }
        Err(error) => Err(certificate.error(format!("the certificate in it cannot be used: {error}"))),
    }
}
