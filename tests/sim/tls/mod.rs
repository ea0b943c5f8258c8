//! TLS of a peer: its plan, generated from the seed; and [`end`], its session. Keys are rustls' own and differ
//! from run to run, but no length, boundary or moment depends on them: certificates are signed with Ed25519, whose
//! signatures all have one length, and sessions to resume are kept for one scene only.

pub(crate) mod check;
pub(crate) mod configs;
pub(crate) mod end;
pub(crate) mod scene;

use crate::peer::Cut;

/// The name in an upstream's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    Right,
    /// Signed by an authority that is not trusted.
    Stranger,
    WrongName,
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Tls12,
    Tls13,
    /// Version 1.3, with no group that the other side sent a key for: the hello is asked for again.
    Retried,
}

/// The use of close_notify before a peer ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goodbye {
    Said,
    /// Only if it has not said a close frame.
    UnlessClosed,
    Unsaid,
}

/// A fault that the peer causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misdeed {
    /// One bit of this byte that it sends is another.
    Forge(usize),
    /// Something is done at a byte of what it sends, wherever that is: in its handshake, in a record.
    Cut(usize, Cut),
    /// The peer sends first, in plain text.
    Banner,
}

#[derive(Clone, Debug)]
pub(crate) struct TlsPlan {
    pub(crate) version: Version,
    pub(crate) identity: Identity,
    /// An upstream's: whether it wants to see a certificate of the proxy's, which has none.
    pub(crate) asks_for_certificate: bool,
    /// True if the peer trusts the proxy's certificate.
    pub(crate) trusts: bool,
    /// Plaintext bytes in a record, at least and at most; records written at a time.
    pub(crate) record: (usize, usize),
    pub(crate) flight: usize,
    /// The first flight goes out in records of so many bytes.
    pub(crate) fragment: Option<usize>,
    /// Percent of records before which the keys are changed.
    pub(crate) key_updates: usize,
    pub(crate) goodbye: Goodbye,
    /// The connection's end follows close_notify at once, and not when the peer leaves.
    pub(crate) ends_at_once: bool,
    /// The fewest bytes that the peer reads or writes at a time.
    pub(crate) min_piece: usize,
    pub(crate) misdeed: Option<Misdeed>,
    /// Said before it, as it is.
    pub(crate) preface: Vec<u8>,
}

impl Default for TlsPlan {
    fn default() -> Self {
        Self {
            version: Version::Tls13,
            identity: Identity::Right,
            asks_for_certificate: false,
            trusts: true,
            record: (16_384, 16_384),
            flight: 64,
            fragment: None,
            key_updates: 0,
            goodbye: Goodbye::Said,
            ends_at_once: true,
            min_piece: 1,
            misdeed: None,
            preface: Vec::new(),
        }
    }
}
