//! Named handshake cases.
