//! The options that `proxy` and `echo` share: one address, and how it is served.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, exit_code};
use crate::config::limits::LimitArgs;
use crate::config::log::LogArgs;
use crate::config::tls::args::ListenTlsArgs;
use crate::config::units::number;
use crate::config::units::{self, Cpus};
use crate::node::announce;
use crate::node::events::Signals;
use crate::node::single_target::{Options, Prepared};
use crate::routing::plain::PlainPath;

#[derive(Args, Clone, Debug)]
pub(super) struct SingleTargetArgs {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", value_parser = units::socket)]
    listen: SocketAddr,
    /// Peers that must send a PROXY protocol header (version 1 or 2), as addresses or networks
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = units::network)]
    proxy_protocol: Vec<ipnet::IpNet>,
    /// Answer plain HTTP on this path: 200, or 503 once the process is about to end [default: off]
    #[arg(long, value_name = "PATH", value_parser = units::plain_path)]
    health_path: Option<PlainPath>,
    /// CPUs to run on, one shard each, for example 0-3,6 [default: all]
    #[arg(long, value_name = "LIST", value_parser = units::cpus)]
    cpus: Option<Cpus>,
    /// Size of a shard's completion queue; small values are for tests
    #[arg(long, hide = true, value_parser = number::<u32>)]
    ring_completions: Option<u32>,
    #[command(flatten)]
    tls: ListenTlsArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    log: LogArgs,
}

impl SingleTargetArgs {
    /// The options of an echo; a proxy adds its upstream and the proxies that it trusts.
    pub(super) fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            listen: self.listen,
            proxy_protocol: self.proxy_protocol.clone(),
            strict_sni_host: self.tls.strict_sni_host,
            health_path: self.health_path.clone(),
            cpus: self.cpus.clone(),
            ring_completions: self.ring_completions,
            tls: self.tls.server().map_err(Failure::Configuration)?,
            limits: self.limits.checked()?,
            policies: self.limits.policies(false),
            log: self.log.clone(),
            trusted_proxies: Vec::new(),
            upstream: None,
        })
    }
}

/// Serves until a signal ends it.
pub(super) fn run(options: Options) -> Result<ExitCode, Failure> {
    let running = Prepared::new(options)?.bind()?.start(Signals::Heard)?;
    announce::say(running.announcement().to_owned())?;
    Ok(exit_code(running.wait()?))
}
