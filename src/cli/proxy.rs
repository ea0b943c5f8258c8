//! `ringway proxy`: every connection on an address goes to a target. No file, no store.

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use ipnet::IpNet;

use super::Failure;
use super::serve::{self, ServeArgs, Sides};
use crate::config::tls::UpstreamTlsArgs;
use crate::config::units;
use crate::proxy::current::Current;
use crate::proxy::settings::{Serve, Upstream};
use crate::routing::target::Target;

/// A relayed connection has two sockets.
const DESCRIPTORS_EACH: u64 = 2;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Where connections go, ws://, wss://, http:// or https://; the client's path and query are appended
    #[arg(long, value_name = "URL")]
    target: Target,
    /// Send the client's Host header upstream, and not the target's own
    #[arg(long)]
    preserve_host: bool,
    /// Peers whose X-Forwarded-* and Forwarded headers are believed, as addresses or networks
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = units::network)]
    trusted_proxies: Vec<IpNet>,
    #[command(flatten)]
    serve: ServeArgs,
    // Behind the others: what follows a group without a heading of its own is shown under the group's.
    #[command(flatten)]
    tls: UpstreamTlsArgs,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let (upstream_tls, tls) = args.tls.client(&args.target).map_err(Failure::Configuration)?.unzip();
    let addresses = resolve(&args.target)?;
    let shown = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let headline = format!("target: {} (at {shown})", args.target);
    let upstream = Upstream { target: args.target.clone(), preserve_host: args.preserve_host, tls };
    let current = Current { addresses: addresses.into(), ..Current::default() };
    let sides = Sides { serve: Serve::Relay(upstream), current, upstream_tls };
    serve::run(&args.serve, sides, args.trusted_proxies.clone(), DESCRIPTORS_EACH, &headline)
}

/// Names are looked up once, here, before anything listens.
fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Failure> {
    let found = (target.host.as_str(), target.port).to_socket_addrs();
    let failed = |why: String| Failure::Failed(format!("--target {target}: {why}"));
    let addresses: Vec<_> = found.map_err(|error| failed(format!("the name was not resolved: {error}")))?.collect();
    if addresses.is_empty() { Err(failed("the name has no address".to_owned())) } else { Ok(addresses) }
}
