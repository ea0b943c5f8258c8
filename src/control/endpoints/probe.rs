//! Tries whether the targets of a deployment can be reached, once, for whoever deploys it.
//!
//! The change is active before the try begins, and the try changes nothing. It opens a TCP connection to each endpoint and
//! closes it: a target that listens only for another host, or fails in TLS or HTTP, is not found out here.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::routing::route::{Gate, Route};

/// The longest time that all tries together take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Addresses of an endpoint that are tried.
const MAX_ADDRESSES: usize = 4;

/// One warning for each endpoint that cannot be reached from this host; none for a route that takes no connections.
pub async fn warnings(route: &Route) -> Vec<String> {
    if route.gate != Gate::Open {
        return Vec::new();
    }
    let mut tries = JoinSet::new();
    for (index, endpoint) in route.endpoints.iter().enumerate() {
        let (name, list) = (endpoint.health.name().to_owned(), endpoint.addresses.load());
        let addresses: Vec<SocketAddr> = list.addresses().iter().take(MAX_ADDRESSES).copied().collect();
        tries.spawn(async move { (index, reach(&name, &addresses).await) });
    }
    let mut found: Vec<(usize, Option<String>)> = Vec::new();
    while let Some(tried) = tries.join_next().await {
        found.extend(tried.ok());
    }
    found.sort_unstable();
    found.into_iter().filter_map(|(_, warning)| warning).collect()
}

/// The warning about one endpoint.
async fn reach(name: &str, addresses: &[SocketAddr]) -> Option<String> {
    if addresses.is_empty() {
        return Some(format!(
            "{name}: its name is not resolved; the log says why. Check the name, and that the DNS servers can be reached."
        ));
    }
    let mut why = "no answer".to_owned();
    let trying = async {
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(_) => return true,
                Err(error) => why = error.to_string(),
            }
        }
        false
    };
    match timeout(PATIENCE, trying).await {
        Ok(true) => None,
        Ok(false) => Some(format!("{name}: cannot be reached from this host: {why}.")),
        Err(_) => Some(format!("{name}: no answer within {} s.", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::warnings;
    use crate::control::endpoints::tests::route;
    use crate::routing::route::{Gate, Route};

    #[tokio::test]
    async fn b3_whoever_deploys_is_told_of_targets_that_cannot_be_reached() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let targets = [format!("ws://{open}"), format!("ws://{closed}"), "ws://nosuch.example".to_owned()];
        let route = route(&targets.each_ref().map(String::as_str));
        route.endpoints[0].addresses.replace(vec![open]);
        route.endpoints[1].addresses.replace(vec![closed]);
        let told = warnings(&route).await;
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with(&format!("ws://{closed}: cannot be reached")), "{told:?}");
        assert!(told[1].starts_with("ws://nosuch.example: its name is not resolved"), "{told:?}");
        assert!(warnings(&Route { gate: Gate::Stopped, ..route }).await.is_empty());
    }
}
