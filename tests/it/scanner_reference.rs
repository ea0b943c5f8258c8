//! The scanner against a slow reference.
