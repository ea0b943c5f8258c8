//! Fetching documents over HTTP and HTTPS, bounded in time and size.

use std::time::Duration;

use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::cli::Failure;
use crate::cli::client::authorities;
use crate::contract::sources::MAX_BYTES;
use crate::tls;

/// The longest time for one document.
const WHOLE: Duration = Duration::from_secs(10);
/// The most redirects that are followed.
const MAX_REDIRECTS: u32 = 5;

/// A client for documents.
pub(super) struct Fetcher(Agent);

impl Fetcher {
    pub(super) fn new() -> Result<Self, Failure> {
        // A host without authorities can still fetch over HTTP.
        let roots = authorities(None).unwrap_or_default();
        let roots: Vec<_> = roots.iter().map(|der| ureq::tls::Certificate::from_der(der.as_ref()).to_owned()).collect();
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(tls::provider())
            .root_certs(RootCerts::new_with_certs(&roots));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(MAX_REDIRECTS)
            .timeout_global(Some(WHOLE))
            .tls_config(tls.build())
            .user_agent(concat!("ringway/", env!("CARGO_PKG_VERSION")));
        Ok(Self(config.build().into()))
    }

    /// The bytes at a URL.
    ///
    /// # Errors
    /// The URL has a password, or no document of the allowed length is answered within the time.
    pub(super) fn fetch(&self, url: &str) -> Result<Vec<u8>, Failure> {
        let shown = super::shown(url);
        let authority = url.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        if authority.contains('@') {
            let why =
                "a URL with a user or password is not fetched: fetch it with another program, and pipe it here (`-`)";
            return Err(Failure::Usage(why.to_owned()));
        }
        let failed = |why: &dyn std::fmt::Display| Failure::Failed(format!("{shown} cannot be fetched: {why}"));
        let mut response = self.0.get(url).call().map_err(|error| failed(&error))?;
        if !response.status().is_success() {
            return Err(failed(&format!("the server answered {}", response.status())));
        }
        let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
        let body = response.body_mut().with_config().limit(limit.saturating_add(1)).read_to_vec();
        match body {
            Ok(bytes) if bytes.len() <= MAX_BYTES => Ok(bytes),
            Ok(_) | Err(ureq::Error::BodyExceedsLimit(_)) => {
                Err(failed(&format!("it is longer than {} MiB", MAX_BYTES >> 20)))
            }
            Err(error) => Err(failed(&error)),
        }
    }
}
