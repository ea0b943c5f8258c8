//! The warning after a deployment: the targets that cannot be reached from the node. The change is made, whatever comes of it.

use std::time::{Duration, Instant};

use serde_json::json;

use super::place;
use crate::api::ApiKey;
use crate::api::view::endpoints::TargetCheck;
use crate::cli::client::Client;
use crate::cli::output::{count, note};

/// The time after which no further deployment of many is checked. One whose targets do not answer takes a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// The number of warnings after which no further deployment of many is checked.
const MAX_WARNINGS: usize = 20;

/// Has the node try the targets of a deployment, and prints a warning for each that it cannot reach.
pub(super) fn warn(key: &ApiKey, environment: &str, client: &Client) {
    for warning in warnings(key, environment, client) {
        note(&format!("warning: {warning}"));
    }
}

/// Like [`warn`], for several deployments, which the warnings name: as long as there is time, and few enough to read.
pub(in crate::cli) fn warn_of_all(deployments: &[(ApiKey, String)], client: &Client) {
    let begun = Instant::now();
    let mut warned = 0;
    for (at, (key, environment)) in deployments.iter().enumerate() {
        let ended = match (warned >= MAX_WARNINGS, begun.elapsed() >= PATIENCE) {
            (true, _) => Some(format!("{MAX_WARNINGS} warnings")),
            (false, true) => Some(format!("{} s", PATIENCE.as_secs())),
            (false, false) => None,
        };
        if let Some(ended) = ended {
            let left = count((deployments.len() - at) as u64, "deployment");
            return note(&format!("the targets of {left} were not tried, after {ended}"));
        }
        for warning in warnings(key, environment, client) {
            note(&format!("warning: {key} in {environment}: {warning}"));
            warned += 1;
        }
    }
}

fn warnings(key: &ApiKey, environment: &str, client: &Client) -> Vec<String> {
    let check = place(key).at("deployments").at(environment).at("check");
    client.post::<TargetCheck>(&check, &json!({})).unwrap_or_default().warnings
}
