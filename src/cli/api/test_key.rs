//! The test key of `ringway api test`: for an API that asks for a key, where the line brings none.

use super::place;
use crate::api::ApiKey;
use crate::api::consumers::view::TestKey;
use crate::api::view::EffectivePolicies;
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::cli::output::note;
use crate::cli::ws::Options;

/// The subprotocol before a key that is offered as one.
const MARKER: &str = "ringway.bearer";

/// Adds a test key to the options, if the API asks for a key and the line brings none.
pub(super) fn add(key: &ApiKey, environment: &str, client: &Client, options: &mut Options) -> Result<(), Failure> {
    let policies: EffectivePolicies = client.get(&place(key).at("policies").with("environment", environment))?;
    let value = |name: &str| policies.policies.iter().find(|policy| policy.name == name).map(|policy| &policy.value);
    let text = |name: &str| value(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    if text("auth.mode") != "key" || options.brings_key(&text("auth.key_header")) {
        return Ok(());
    }
    let places = value("auth.credentials_in").and_then(|value| value.as_array());
    let takes = |place: &str| places.is_some_and(|places| places.iter().any(|known| known == place));
    if !["header", "subprotocol", "cookie"].into_iter().any(takes) {
        let why = format!("{key} takes keys in the query alone: make one, and give it with --path");
        return Err(Failure::Failed(why));
    }
    let place = place(key).at("deployments").at(environment).at("test-key");
    let made: TestKey = client.post(&place, &serde_json::json!({}))?;
    if takes("header") {
        options.add_header(text("auth.key_header"), made.secret);
    } else if takes("subprotocol") {
        options.offer_first([MARKER.to_owned(), made.secret]);
    } else {
        options.add_header("Cookie".to_owned(), format!("{}={}", text("auth.key_cookie"), made.secret));
    }
    note("with a test key of the node, which is valid for 15 minutes");
    Ok(())
}
