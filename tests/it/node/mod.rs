//! Tests of `ringway serve`: the admin API and what its changes do to traffic, the state directory, names, and the process itself.

mod admin_api;
mod admin_connections;
mod apis;
mod bad_input;
mod contract_urls;
mod degraded;
mod drain;
mod embedded;
mod ending;
mod endpoints;
mod host;
mod journal;
mod kernel_bytes;
mod kill;
mod loops;
mod many_names;
mod metrics;
mod names;
mod neighbours;
mod probes;
mod reload;
mod serve;
mod store;
mod test_socket;
mod threads;
mod trusted;
