//! The control plane: keeps the APIs, answers HTTP requests about them, and publishes every change to the shards.
//!
//! In: HTTP requests, the configuration and requests to reload it (both from [`crate::node`]), certificate files, the
//! store, answers of DNS servers. Out: commands to the shards ([`crate::command::Command`]), addresses in the cells that
//! shards read ([`crate::routing::addresses`]), HTTP answers, rows of the store, `snapshot.json`.
//!
//! The control plane runs on threads that may block, and no shard waits for it: when it fails, the shards go on with the last
//! snapshot. It must never touch a proxied connection or import [`crate::proxy`]. It reaches the shards only through their
//! mailboxes and the address cells.
//!
//! | module | what it does |
//! |---|---|
//! | [`admin`] | the resources of the admin API, on top of `http`, `manage` and `shards` |
//! | [`http`] | HTTP listeners: who may connect and call, problem documents, WebSocket upgrades |
//! | [`manage`] | every operation on APIs, and every change of the process, in one transaction on the store thread |
//! | [`store`] | SQLite: projects, APIs, revisions, deployments, the audit |
//! | [`publish`] | builds the routes of all deployments and sends them to the shards as one snapshot |
//! | [`shards`] | sends commands to the shards and collects their answers, with a deadline |
//! | [`resolver`] | looks up the names of targets |
//! | [`endpoints`] | shows endpoints, logs changes of their state, tries a deployment's targets once |
//! | [`certificates`] | checks the listeners' certificate files and reloads them |
//! | [`metrics`] | the shards' counters as text for Prometheus |
//! | [`contracts`] | keeps the bytes of contracts in the state directory, and reads them |
//! | [`last_good_snapshot`] | writes and reads `snapshot.json`, which is served when the store is broken |
//! | [`state_dir`] | the state directory: names of its files, its lock, whole writes |
//! | [`notes`] | lasting problems, for the health page |
//! | [`runtime`] | the tokio runtime of the thread `control`, for everything that mostly waits |
//! | [`violations`] | keeps and logs samples of messages that break a contract |
//! | [`repeat_limit`] | limits how often one message is logged |
//! | `page` | cursors and pages of lists |
//! | `stamp` | tells whether a file has changed without reading it |

pub mod admin;
pub mod certificates;
pub mod contracts;
pub mod endpoints;
pub mod fetch;
pub mod http;
pub mod identity;
pub mod last_good_snapshot;
pub mod manage;
pub mod metrics;
pub mod notes;
mod page;
pub mod publish;
pub mod repeat_limit;
pub mod resolver;
pub mod runtime;
pub mod shards;
mod stamp;
pub mod state_dir;
pub mod store;
pub mod violations;
