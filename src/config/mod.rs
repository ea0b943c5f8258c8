//! What the operator wrote, turned into what the program runs.
//!
//! In: flags. Out: [`crate::proxy::settings::Settings`] and the plan of the shards, checked as a whole; or an error that names the
//! option, says what is wrong with it and what would be right.

pub mod file;
pub mod limits;
pub mod tls;
pub mod units;
