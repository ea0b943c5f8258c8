//! `ringway proxy`: relays every connection on an address to one target. No file, no store.

use std::net::SocketAddr;
use std::process::ExitCode;

use ipnet::IpNet;

use super::Failure;
use super::single_target::{self, SingleTargetArgs};
use crate::api::PolicyValues;
use crate::config::tls::args::UpstreamTlsArgs;
use crate::config::units::{self, LossCode, Optional};
use crate::control::resolver::Question;
use crate::node::single_target::{Options, Upstream};
use crate::routing::name;
use crate::routing::target::Target;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Upstream URL: ws://, wss://, http:// or https://; the client's path and query are appended
    #[arg(long, value_name = "URL", value_parser = Target::written)]
    target: Target,
    /// Send the client's Host header to the upstream instead of the target's host
    #[arg(long)]
    preserve_host: bool,
    /// Close code for a client whose upstream was lost without a Close frame (1001, 1011 to 1014, 3000 to 4999), or off: no
    /// Close frame, the client's connection ends as the upstream's did
    #[arg(long, value_name = "CODE", default_value = "off", value_parser = units::optional_loss_code)]
    abnormal_close_code: Optional<LossCode>,
    /// Accept clients that send no Sec-WebSocket-Key: only for old devices, because others than WebSockets can pass for one
    #[arg(long)]
    insecure_allow_missing_key: bool,
    /// Accept upstreams that answer without Sec-WebSocket-Accept: only for old ones, because others than WebSockets can pass for one
    #[arg(long)]
    insecure_allow_missing_accept: bool,
    /// Peers whose X-Forwarded-* and Forwarded headers are trusted, as addresses or networks
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = units::network)]
    trusted_proxies: Vec<IpNet>,
    /// DNS servers for the target's name, instead of those in /etc/resolv.conf
    #[arg(long, value_name = "ADDR[:PORT]", value_delimiter = ',', value_parser = units::dns_server)]
    resolver: Vec<SocketAddr>,
    #[command(flatten)]
    serve: SingleTargetArgs,
    // Last, because clap shows options after a group under the heading of that group.
    #[command(flatten)]
    tls: UpstreamTlsArgs,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let question = question(args)?;
    let (upstream_tls, tls) = args.tls.client(&args.target).map_err(Failure::Configuration)?.unzip();
    let upstream =
        Upstream { target: args.target.clone(), preserve_host: args.preserve_host, tls, question, trust: upstream_tls };
    let (trusted_proxies, upstream) = (args.trusted_proxies.clone(), Some(upstream));
    let options = args.serve.options()?;
    let policies = PolicyValues {
        abnormal_close_code: args.abnormal_close_code,
        insecure_allow_missing_key: args.insecure_allow_missing_key,
        insecure_allow_missing_accept: args.insecure_allow_missing_accept,
        ..options.policies
    };
    single_target::run(Options { trusted_proxies, upstream, policies, ..options })
}

/// The question to resolve for the target, if it is a name.
fn question(args: &Args) -> Result<Question, Failure> {
    let target = &args.target;
    let Target { host, port, .. } = target;
    let question = Question { host: host.clone(), port: *port, servers: args.resolver.as_slice().into() };
    if question.address().is_none() {
        name::check(host).map_err(|why| Failure::Configuration(format!("--target {target}: `{host}` {why}")))?;
    } else if !args.resolver.is_empty() {
        let why = format!("--resolver applies to names only, and {target} is an address; remove the option");
        return Err(Failure::Configuration(why));
    }
    Ok(question)
}
