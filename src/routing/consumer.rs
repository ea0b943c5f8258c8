//! The consumer of an API: the party that a request was authenticated as.

/// An authenticated consumer. Shared by its connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Consumer {
    /// The name that records show. No secret is part of it.
    pub name: Box<str>,
}
