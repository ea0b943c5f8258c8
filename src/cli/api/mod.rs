//! `ringway api`.
