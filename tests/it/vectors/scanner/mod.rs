//! The scanner against a slow reference.
//!
//! [`reference`] reads a stream one byte at a time and notes what is known after each; it is written from RFC 6455
//! section 5 and RFC 7692 section 6 and shares nothing with `ringway::proto`. [`follow`] gives the scanner the same
//! stream in chunks and compares after each chunk. [`wire`] writes frames, right and wrong ones. The rest are tests.

mod close_codes;
mod follow;
mod headers;
mod limits;
mod ours;
mod reference;
mod streams;
mod wire;
