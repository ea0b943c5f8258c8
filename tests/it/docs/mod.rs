//! Tests that hold the documentation against the program.

mod architecture;
mod as_written;
mod contract_pages;
mod documentation;
mod documented_cli;
mod documented_fields;
mod documented_model;
mod links;
