//! `ringway proxy`: every connection on an address goes to a target. No file, no store.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use ipnet::IpNet;

use super::Failure;
use super::serve::{self, ServeArgs, Upstream};
use crate::config::tls::UpstreamTlsArgs;
use crate::config::units;
use crate::control::names::{DNS_PORT, Question};
use crate::routing::name;
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
    /// DNS servers to ask for the target's name, as addresses with an optional port, and not those of /etc/resolv.conf
    #[arg(long, value_name = "ADDR[:PORT]", value_delimiter = ',', value_parser = server)]
    resolver: Vec<SocketAddr>,
    #[command(flatten)]
    serve: ServeArgs,
    // Behind the others: what follows a group without a heading of its own is shown under the group's.
    #[command(flatten)]
    tls: UpstreamTlsArgs,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let question = question(args)?;
    let (upstream_tls, tls) = args.tls.client(&args.target).map_err(Failure::Configuration)?.unzip();
    let headline = format!("target: {}", args.target);
    let upstream =
        Upstream { target: args.target.clone(), preserve_host: args.preserve_host, tls, question, trust: upstream_tls };
    serve::run(&args.serve, Some(upstream), args.trusted_proxies.clone(), DESCRIPTORS_EACH, &headline)
}

/// What is asked to find the target, if it is a name.
fn question(args: &Args) -> Result<Question, Failure> {
    let target = &args.target;
    let Target { host, port, .. } = target;
    let question = Question { host: host.clone(), port: *port, servers: args.resolver.as_slice().into() };
    if question.address().is_none() {
        name::check(host).map_err(|why| Failure::Configuration(format!("--target {target}: `{host}` {why}")))?;
    } else if !args.resolver.is_empty() {
        let why = format!("--resolver is of use with a name only; {target} is an address, remove the option");
        return Err(Failure::Configuration(why));
    }
    Ok(question)
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = || bare.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT)).ok();
    text.parse().ok().or_else(address).filter(|server: &SocketAddr| server.port() > 0).ok_or_else(|| {
        format!("`{text}` is not an address with an optional port; write for example 10.0.0.53 or [fd00::53]:5353")
    })
}

#[cfg(test)]
mod tests {
    use super::server;

    #[test]
    fn a_dns_server_is_an_address_with_an_optional_port() {
        for (text, address) in [
            ("10.0.0.53", "10.0.0.53:53"),
            ("10.0.0.53:5353", "10.0.0.53:5353"),
            ("fd00::53", "[fd00::53]:53"),
            ("[fd00::53]", "[fd00::53]:53"),
            ("[fd00::53]:5353", "[fd00::53]:5353"),
        ] {
            assert_eq!(server(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["", "dns.test", "10.0.0.53:0", "10.0.0.53:x", "10.0.0"] {
            assert!(server(text).is_err(), "{text}");
        }
    }
}
