//! The admin API as a client.
