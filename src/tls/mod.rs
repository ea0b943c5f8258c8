//! TLS by rustls, a layer between the engine and the stages of the proxy.
//!
//! In: certificates, keys and trusted authorities, read from files at start and on a control thread. Out: a
//! [`SecureTransport`], which is a [`Transport`](crate::engine::Transport) that encrypts.
//!
//! A session works on memory: it is shown received bytes in the shard's buffer, and the bytes that it returns go to the
//! socket. Nothing here knows WebSocket, opens a socket, keeps a buffer for an idle connection, or reads a file on a
//! shard.

pub mod certificate;
pub mod client;
pub mod dev_cert;
pub mod fault;
pub mod identity;
mod insecure;
pub mod pem;
mod pinned;
pub mod secured;
pub mod server;
mod session;
#[cfg(test)]
pub(crate) mod testing;
mod transport;
mod validity;
mod verifier;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, InconsistentKeys, ProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use pem::{LoadError, PemFile};
pub use transport::{Handshaking, Peer, SecureTransport};

/// The only application protocol that Ringway negotiates (RFC 7301): a WebSocket begins with an HTTP/1.1 request.
pub const HTTP_1_1: &[u8] = b"http/1.1";

/// Record types (RFC 8446 section 5.1): the first byte on a connection that speaks TLS. No HTTP request or response
/// begins with either.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// The answer to a client that is over the connection limit, in place of a handshake: the alert `internal_error` in the
/// clear (RFC 8446 section 6.2). The client could not read an HTTP status without a handshake.
pub const NO_ROOM: [u8; 7] = [ALERT, 3, 3, 0, 2, 2, 80];

/// `true` if a client whose first byte this is speaks TLS.
#[must_use]
pub fn is_client_hello(byte: u8) -> bool {
    byte == HANDSHAKE
}

/// `true` if a server whose first byte this is speaks TLS. A server may refuse with an alert at once.
#[must_use]
pub fn is_server_hello(byte: u8) -> bool {
    matches!(byte, HANDSHAKE | ALERT)
}

/// The cryptography of every configuration, created once: aws-lc-rs with the suites that rustls chooses, AES-128 before
/// AES-256 as browsers prefer. AES-128 costs less per byte and is not the weakest part of any connection. A server
/// follows the client's order.
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

/// Joins a certificate chain and its key, if they belong to each other.
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
