//! Policies: settings of how an API's connections are treated, in layers.
//!
//! In: the table below, and layers of policies. The node's layer has a value for every policy ([`PolicyValues`]); the layers of
//! an API and of its channels (its definition, [`Policies`]) and of an environment (its configuration) may leave policies out
//! ([`PolicyLayer`]). Out: [`Effective`], which has a value for each policy and the layer that it comes from. The rule of the
//! merge: **of the layers that set a policy the last one decides, each policy by itself**; the order is
//! node < API < channel < environment. docs/decisions/0024 says why the environment comes last.
//!
//! A policy's name is its path in JSON, YAML and the configuration file: `limits.idle_timeout_ms` is `idle_timeout_ms`
//! inside `limits`, and `channels./rooms.validation.client_sends` is that of the channel `/rooms`. This folder must never know
//! where a layer was written.
//!
//! # To add a policy
//!
//! First the value, from where it is written to the shards:
//!
//! 1. A line in the table below: name, type, and the moment at which a change reaches open connections ([`Live`]).
//! 2. If no [`PolicyValue`] has the form of the value, an implementation in `value.rs`. `u64` is a size in bytes, for
//!    example; a count, or a count that can be `off`, has no implementation yet.
//! 3. The node's value in `LimitArgs::policies` (`config/limits.rs`). For a policy below `limits.` that file also gets the
//!    flag with its default; for any other one `config/file/written.rs` gets the option and `config/file/check.rs` passes it on.
//! 4. The way to the shards. Limits and deadlines are fields of `routing/policy.rs`, which `route_policy` in `effective.rs`
//!    fills in; anything else is a field of `Treatment` in `control/publish/environment.rs`, which `control/publish/route.rs`
//!    copies into a field of the route (`routing/route.rs`).
//!
//! Then the effect: the stage that obeys the value reads it from the policy or the route of its connection. A limit on the
//! rate of messages, for example, is checked where messages are counted (`proxy/pump.rs`, with its state in `proxy/leg.rs`);
//! its breach is a rule in `proto/violation.rs`, with a close code in `proto/close.rs`.
//!
//! Requests, their schema, documents, `--policy`, the export, the store and `api show --effective` follow from the table.
//! docs/decisions/0011 counts the files.

mod auth;
mod channels;
mod effective;
mod macros;
mod origins;
mod server_name;
mod tree;
mod unlisted_paths;
mod validation;
mod value;

use std::time::Duration;

use serde_json::Value;

pub use self::auth::{AuthMode, CredentialPlaces, KeyCookie, KeyHeader, KeyQuery};
pub use self::channels::{MAX_CHANNELS, Policies, channel_name, check};
pub use self::effective::{Effective, EffectivePolicy, Source};
use self::macros::policies;
pub use self::server_name::UpstreamServerName;
pub use self::tree::{PolicyTree, unknown};
pub use self::validation::CheckedBytes;
pub use self::value::PolicyValue;
use super::problem::Fault;
use super::units::{LossCode, Optional};
use crate::proto::credential::Place;
use crate::routing::origins::{Origin, Origins};
use crate::routing::route::UnlistedPaths;
use crate::routing::validation::{CheckMode, OnViolation, OverLimit};

/// A policy: its name and what holds for all its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The policy's path: `limits.idle_timeout_ms`.
    pub name: &'static str,
    /// The values that it takes, for people.
    pub form: &'static str,
    /// The moment at which a change reaches open connections.
    pub live: Live,
    /// True if a channel may set it for itself.
    pub is_of_channel: bool,
}

/// The moment at which a changed policy reaches open connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// The next bytes that pass are subject to it.
    AtOnce,
    /// The connection's deadlines are computed again with its next bytes, or when the old deadline is due.
    NextTimer,
    /// The close of a connection takes the value that is active when it begins.
    NextClose,
    /// Only new connections have it.
    NextHandshake,
    /// Messages that begin afterwards are subject to it.
    NextMessage,
}

// `"name" field: Type, Live, channel;`. `Live` is the variant (above) that says when a change of the policy reaches open
// connections. `channel` stands where a channel may set the policy for itself. The documentation is the description in the OpenAPI
// document.
policies! {
    /// Sends the client's `Host` header to the upstream instead of the target's own host.
    "preserve_host" preserve_host: bool, NextHandshake;

    /// Close code for a client whose upstream was lost without a Close frame: its connection ended or broke, or it did not
    /// answer a ping. Off: the client gets no Close frame either, and its connection ends as the upstream's did.
    "abnormal_close_code" abnormal_close_code: Optional<LossCode>, NextClose;

    /// Takes clients that send no `Sec-WebSocket-Key`: old devices. Without the key a client that is no WebSocket can be taken for one.
    "insecure_allow_missing_key" insecure_allow_missing_key: bool, NextHandshake;

    /// Takes upstreams that answer without `Sec-WebSocket-Accept`. Without it an upstream that is no WebSocket can be taken for one.
    "insecure_allow_missing_accept" insecure_allow_missing_accept: bool, NextHandshake;

    /// The name that the certificate of a TLS target must have, also sent as SNI; `off` for the target's own host.
    "upstream_server_name" upstream_server_name: Optional<UpstreamServerName>, NextHandshake;

    /// Treatment of paths that are no channel of the API's contract. They are refused, or go to the upstream unchecked. An API
    /// without a contract has no channels, and every path goes to its upstream.
    "channels.unlisted_paths" unlisted_paths: UnlistedPaths, NextHandshake;

    /// The pages that may connect, by the origin that their browser sends: `any`, `same-host` for pages of the host that is asked for,
    /// or a list of exact origins such as `https://app.example.com`. A client that sends no origin is no browser, and passes.
    "origins" origins: Origins, NextHandshake;

    /// The credential that a client must have: `none`, `key` for the key of an application that subscribes to the API, or `mtls` for a
    /// certificate that the listener has verified.
    "auth.mode" auth_mode: AuthMode, NextHandshake;

    /// The places of a request that a key is taken from: some of `header`, `query`, `subprotocol` and `cookie`. With `cookie` the
    /// policy `origins` must be a list.
    "auth.credentials_in" credentials_in: CredentialPlaces, NextHandshake;

    /// The header that holds a key, beside `Authorization: Bearer`.
    "auth.key_header" key_header: KeyHeader, NextHandshake;

    /// The parameter of the query that holds a key.
    "auth.key_query" key_query: KeyQuery, NextHandshake;

    /// The cookie that holds a key.
    "auth.key_cookie" key_cookie: KeyCookie, NextHandshake;

    /// Tells the upstream the consumer, application and plan of the client's key in `Ringway-Consumer`, `Ringway-Application` and
    /// `Ringway-Plan`.
    "auth.forward_identity" forward_identity: bool, NextHandshake;

    /// From the first dial to an established upstream connection, over all its addresses.
    "limits.connect_timeout_ms" connect_timeout: Duration, NextHandshake;

    /// Time without a byte relayed in either direction, after which a connection is closed.
    "limits.idle_timeout_ms" idle_timeout: Optional<Duration>, NextTimer;

    /// Silence of a client after which it is sent a ping.
    "limits.ping_interval_ms" ping_interval: Optional<Duration>, NextTimer;

    /// Silence of an upstream after which it is sent a ping.
    "limits.upstream_ping_interval_ms" upstream_ping_interval: Optional<Duration>, NextTimer;

    /// Time after a ping after which a side is taken for dead that sent nothing, and whose host acknowledged nothing.
    "limits.pong_timeout_ms" pong_timeout: Duration, NextTimer;

    /// From the beginning of a close to its end by force.
    "limits.close_timeout_ms" close_timeout: Duration, NextClose;

    /// Payload bytes of a frame.
    "limits.max_frame_bytes" max_frame_bytes: u64, AtOnce;

    /// Payload bytes of a message, over all its frames.
    "limits.max_message_bytes" max_message_bytes: u64, AtOnce;

    /// The check of messages from clients to the upstream against the contract: `report` counts and shows violations, `enforce`
    /// does not forward them.
    "validation.client_sends" check_client_sends: CheckMode, NextMessage, channel;

    /// The check of messages from the upstream to clients against the contract.
    "validation.client_receives" check_client_receives: CheckMode, NextMessage, channel;

    /// The treatment of a message that breaks a rule where rules are enforced: it is dropped, or the connection is closed with 1008.
    "validation.on_violation" on_violation: OnViolation, NextMessage, channel;

    /// The longest message that is checked, in payload bytes, at most 1 MiB.
    "validation.max_bytes" max_checked_bytes: CheckedBytes, NextMessage, channel;

    /// The treatment of a message that exceeds a bound of the check where rules are enforced: it is forwarded unchecked or dropped,
    /// or the connection is closed with 1009.
    "validation.over_limit" over_limit: OverLimit, NextMessage, channel;
}

impl PolicyLayer {
    /// True if the layer sets no policy.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The fault of policies of one layer that do not fit each other, with the name of the policy. A browser sends the cookies of a
    /// host with the handshake of any page, so the pages must be known where a cookie is a credential.
    #[must_use]
    pub fn misfit(&self) -> Option<(&'static str, Fault)> {
        let takes_cookies = self.credentials_in.as_ref().is_some_and(|places| places.has(Place::Cookie));
        let are_listed = self.origins.as_ref().is_some_and(lists_pages);
        (takes_cookies && !are_listed).then(|| ("auth.credentials_in", Fault::new("cookie-origins", COOKIE_ORIGINS)))
    }
}

/// The rule about cookies, for people.
pub const COOKIE_ORIGINS: &str = "with `cookie`, `origins` must be a list of exact origins without `null`: browsers send cookies with \
     the handshakes of all pages";

/// True if pages are told apart well enough for a cookie to be a credential. Any page can have the origin `null`.
#[must_use]
pub fn lists_pages(origins: &Origins) -> bool {
    match origins {
        Origins::Listed(listed) => !listed.iter().any(Origin::is_null),
        Origins::Any | Origins::SameHost => false,
    }
}

#[cfg(test)]
pub(in crate::api) mod tests;
