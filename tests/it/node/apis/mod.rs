//! `ringway serve` as its users meet it: APIs are made, deployed, changed, promoted, published and ended over the admin
//! API, and clients and upstreams see what becomes of their connections.

mod ends;
mod listeners;
mod paths;
mod policies;
mod redeploy;
mod story;
