//! The callers of the admin API: credentials in, an [`Actor`](crate::api::Actor) with roles out, or the reason for a refusal.
//!
//! The tokens of identities are in memory ([`identities`]), as the store's thread publishes them with every change: no call
//! waits for the store, and a revoked token is refused before its revocation is answered. A valid token always passes; only
//! what is none is counted, logged and limited by address ([`failed_logins`]). Nothing here knows a route.

pub mod authenticator;
pub mod failed_logins;
pub mod file_token;
pub mod identities;
pub mod secret;
