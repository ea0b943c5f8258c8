//! The configuration file, checked and shown.
