//! The configuration file: what the operator wrote, and what the program runs with.
