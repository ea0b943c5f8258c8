//! `ringway demo`.

#[cfg(test)]
mod chat;
