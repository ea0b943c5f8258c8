//! Identities: who may call the admin API, with which roles, by which tokens.
//!
//! In: requests for identities and tokens as clients wrote them ([`request`]). Out: checked values, and the one table of
//! which role may do what ([`role`]). The secret of a token is never here: only its digest, which a change carries.

pub mod name;
pub mod request;
pub mod role;
pub mod room_scope;
pub mod token;
pub mod view;

pub use name::IdentityName;
pub use request::{Grant, NewIdentity, NewToken, PutIdentity, Rotation};
pub use role::{Permission, Role, Roles};
pub use room_scope::RoomScope;
pub use token::{Day, TokenDigest, TokenTerms};
