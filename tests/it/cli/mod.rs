//! Tests of the command line: each starts the real program as a user would.

mod api;
mod api_docs;
mod apply;
mod automation;
mod commands;
mod config_file;
mod consumers;
mod contract_story;
mod demo;
mod import;
mod terminal_socket;
