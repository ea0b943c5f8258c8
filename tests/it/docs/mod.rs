//! Tests that hold the documentation against the program.

pub(crate) mod documentation;
mod documented_cli;
mod documented_model;
