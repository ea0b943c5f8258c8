//! Contracts by URL: the only requests that the node sends on its own to a host that a caller named, and so the guarded ones.
//!
//! ```text
//! URL -> listed host? -> name looked up once -> every address checked -> one of them dialled, TLS by name -> GET
//!                                                    ^ a redirect within the host comes back here, with the same addresses
//! ```
//!
//! In: a URL, and the option `contracts.allow_url_import`. Out: [`Sources`]. A whole fetch takes ten seconds and 16 MiB at most,
//! redirects and further documents counted in. docs/contracts-by-url.md has the rules for operators.

pub mod address;
mod get;
mod remote;
pub mod rules;
pub mod url;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use tokio::sync::Semaphore;

use self::get::{Answer, get};
use self::rules::Rules;
use self::url::Url;
use super::resolver::{Question, Resolver};
use crate::config::file::Configuration;
use crate::contract::Sources;
use crate::contract::sources::MAX_BYTES;
use crate::tls::client::{ClientFiles, ClientTls, Trust};

/// The limit of a whole fetch.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// The fetches at a time. Others wait for their turn.
const MAX_FETCHES: usize = 2;
/// The redirects in a row that are followed.
const MAX_REDIRECTS: usize = 3;

/// The reason why a contract was not fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The URL is none that is ever fetched.
    Url(String),
    /// The configuration does not allow it; the sentence names the setting.
    NotAllowed(String),
    /// The host did not answer, or not with a document.
    Failed(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(why) | Self::NotAllowed(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for FetchError {}

/// The decision about references to other hosts and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteRefs {
    /// Only the document itself is fetched.
    Refused,
    /// Documents that it refers to are fetched under the same rules.
    Fetched,
}

/// The settings that a reload may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The hosts that may be asked.
    pub rules: Rules,
    /// The DNS servers to ask; none for the host's own.
    pub resolver: Vec<SocketAddr>,
    /// The authorities that vouch for hosts.
    pub trust: Trust,
    /// The limit of a whole fetch.
    pub timeout: Duration,
}

impl Settings {
    /// The settings of a configuration: the authorities that the host trusts, and [`TIMEOUT`].
    #[must_use]
    pub fn of(configuration: &Configuration) -> Self {
        Self {
            rules: Rules(configuration.contract_sources.clone()),
            resolver: configuration.resolver.clone(),
            trust: Trust::Host,
            timeout: TIMEOUT,
        }
    }
}

/// Fetches contracts. Clones share the settings and the turns.
#[derive(Clone, Debug)]
pub struct Fetcher {
    resolver: Resolver,
    settings: Arc<ArcSwap<Settings>>,
    turns: Arc<Semaphore>,
}

impl Fetcher {
    /// A fetcher that looks names up with `resolver`.
    #[must_use]
    pub fn new(resolver: Resolver, settings: Settings) -> Self {
        let turns = Arc::new(Semaphore::new(MAX_FETCHES));
        Self { resolver, settings: Arc::new(ArcSwap::from_pointee(settings)), turns }
    }

    /// Changes the settings; a fetch that runs keeps those it began with.
    pub fn set(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Fetches a document, and those that it refers to if `refs` says so.
    ///
    /// # Errors
    /// The URL is not allowed, or the document did not come.
    pub async fn fetch(&self, url: &str, refs: RemoteRefs) -> Result<Sources, FetchError> {
        let url: Url = url.parse().map_err(FetchError::Url)?;
        let settings = self.settings.load_full();
        settings.rules.check_host(&url).map_err(FetchError::NotAllowed)?;
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        let fetching = async {
            let mut fetch = Fetch::begin(&self.resolver, &settings).await?;
            match refs {
                RemoteRefs::Refused => fetch.only(&url).await,
                RemoteRefs::Fetched => remote::all(&mut fetch, &url).await,
            }
        };
        let late = || {
            let limit = settings.timeout.as_secs_f32();
            FetchError::Failed(format!("{}: no document within {limit} s", url.authority()))
        };
        tokio::time::timeout(settings.timeout, fetching).await.unwrap_or_else(|_| Err(late()))
    }
}

/// A fetch with everything that it has learned.
struct Fetch<'f> {
    resolver: &'f Resolver,
    settings: &'f Settings,
    trust: Arc<ClientConfig>,
    /// The checked addresses of each host: a name is looked up once, so that it cannot change its mind.
    addresses: HashMap<String, Vec<IpAddr>>,
    bytes_left: usize,
}

impl<'f> Fetch<'f> {
    async fn begin(resolver: &'f Resolver, settings: &'f Settings) -> Result<Self, FetchError> {
        // The host's authorities are read anew, as they are now: a fetch is rare.
        let files = ClientFiles { trust: settings.trust.clone(), identity: None };
        let loaded = tokio::task::spawn_blocking(move || ClientTls::load(&files)).await;
        let trust = match loaded {
            Ok(Ok(trust)) => trust.for_shard_without_resumption(),
            Ok(Err(error)) => return Err(FetchError::Failed(error.to_string())),
            Err(_) => return Err(FetchError::Failed("the node is shutting down".to_owned())),
        };
        Ok(Self { resolver, settings, trust, addresses: HashMap::new(), bytes_left: MAX_BYTES })
    }

    async fn only(&mut self, url: &Url) -> Result<Sources, FetchError> {
        let body = self.document(url).await?;
        Sources::one(url.file(), body).map_err(|error| FetchError::Failed(error.to_string()))
    }

    /// The bytes of one document. Every hop of a redirect passes all checks.
    async fn document(&mut self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let mut here = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.settings.rules.check_host(&here).map_err(FetchError::NotAllowed)?;
            let addresses = self.addresses(&here).await?;
            match get(&here, &addresses, Arc::clone(&self.trust), self.bytes_left).await {
                Ok(Answer::Body(body)) => {
                    self.bytes_left = self.bytes_left.saturating_sub(body.len());
                    return Ok(body);
                }
                Ok(Answer::Redirect(location)) => here = here.redirected(&location).map_err(FetchError::Failed)?,
                Err(why) => return Err(FetchError::Failed(why)),
            }
        }
        Err(FetchError::Failed(format!("{} redirects more than {MAX_REDIRECTS} times", url.authority())))
    }

    /// The addresses of a host. One that is not allowed refuses the host, whatever the others are.
    async fn addresses(&mut self, url: &Url) -> Result<Vec<IpAddr>, FetchError> {
        if let Some(known) = self.addresses.get(&url.host) {
            return Ok(known.clone());
        }
        let found = match url.address() {
            Some(address) => vec![address],
            None => {
                let servers = self.settings.resolver.clone().into();
                let question = Question { host: format!("{}.", url.host), port: url.port, servers };
                let found = self.resolver.look_up(&question).await;
                found.map_err(|why| FetchError::Failed(format!("{}: {why}", url.host)))?
            }
        };
        for address in &found {
            self.settings.rules.check_address(url, *address).map_err(FetchError::NotAllowed)?;
        }
        self.addresses.insert(url.host.clone(), found.clone());
        Ok(found)
    }
}
