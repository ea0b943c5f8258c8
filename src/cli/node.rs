//! `ringway serve`.
