//! The check of a file as a whole: do its options fit one another? The result is the configuration.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::document::{Document, Faults, OptionPath};
use super::findings::Findings;
use super::written::{self, Written};
use super::{Configuration, Environment, listeners};
use crate::api::policy::UpstreamServerName;
use crate::api::units::Optional;
use crate::api::{EnvironmentName, PolicyLayer, target};
use crate::config::limits::{Limits, OutOfRange};
use crate::config::scalar::{HttpPath, Listen, Network, Secret, Server};
use crate::config::tls::{Names, UpstreamOptions};
use crate::config::units::show_duration;
use crate::proto::authority::{Authority, AuthorityError};
use crate::routing::host::HostPattern;
use crate::routing::name;
use crate::tls::client::ClientFiles;

/// The most environments, and the most hosts and variables of each.
const MAX_ENVIRONMENTS: usize = 64;
const MAX_HOSTS: usize = 256;
const MAX_VARIABLES: usize = 256;

/// Checks the options together and builds the configuration.
pub(super) fn check(document: &Document<'_>, written: Written) -> Result<Configuration, Faults> {
    let mut findings = Findings::new(document);
    let limits = process(&mut findings, &written);
    let environments = OptionPath::root("environments");
    if written.environments.len() > MAX_ENVIRONMENTS {
        findings.add(&environments, format!("there are more than {MAX_ENVIRONMENTS}"));
    }
    let (listeners, places) = listeners::of(&mut findings, &written);
    let mut made: Vec<Environment> = Vec::new();
    for (index, (environment, [external, internal])) in written.environments.iter().zip(places).enumerate() {
        let option = environments.index(index);
        let Some(name) = environment_name(&mut findings, &option, &environment.name) else { continue };
        if made.iter().any(|other| other.name == name) {
            findings.add(&option.key("name"), format!("`{name}` is the name of another environment, too"));
        }
        let hosts = hosts(&mut findings, &option.key("hosts"), &environment.hosts);
        let variables = variables(&mut findings, &option.key("variables"), &environment.variables);
        let upstream_tls = upstream_tls(&mut findings, &option.key("upstream_tls"), &environment.upstream_tls);
        let upstream_server_name =
            server_name(&mut findings, &option.key("upstream_tls").key("server_name"), &environment.upstream_tls);
        let policies = policies(environment, upstream_server_name);
        if let Some((policy, fault)) = policies.misfit() {
            findings.add(&policy.split('.').fold(option, |option, key| option.key(key)), fault.message);
        }
        made.push(Environment { name, external, internal, hosts, variables, policies, upstream_tls });
    }
    // Indices are only right if no environment was left out.
    if made.len() == written.environments.len() {
        listeners::tell_apart(&mut findings, &listeners, &made);
    }
    let admin_tls = listeners::tls(&mut findings, &OptionPath::root("admin"), &written.admin.tls);
    let limits = findings.into_result(limits)?;
    Ok(Configuration {
        cpus: written.cpus.as_ref().map(|list| list.0.clone()),
        contract_sources: written.contracts.allow_url_import.clone(),
        admin: written.admin.listen.0,
        admin_tls,
        allowed_hosts: written.admin.allowed_hosts.clone(),
        token_file: written.admin.token_file.clone(),
        metrics: written.metrics.listen.as_ref().map(|Listen(address)| *address),
        log: written.log.clone(),
        trusted_proxies: written.trusted_proxies.iter().map(|Network(network)| *network).collect(),
        resolver: written.resolver.iter().map(|Server(address)| *address).collect(),
        drain_window: written.drain_window,
        strict_sni_host: written.strict_sni_host,
        max_invalid_credentials: written.auth.max_invalid_per_minute.0.map(count),
        health_path: written.health_path.as_ref().map(|HttpPath(path)| path.clone()),
        policies: written.policies(),
        limits,
        listeners,
        environments: made,
        written,
    })
}

/// A count, as far as it can be counted.
fn count(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The policies that an environment names.
fn policies(written: &written::Environment, upstream_server_name: Option<Optional<UpstreamServerName>>) -> PolicyLayer {
    let (checked, auth) = (written.validation.0.clone(), written.auth.0.clone());
    PolicyLayer {
        upstream_server_name,
        origins: written.origins.0.clone(),
        auth_mode: auth.auth_mode,
        credentials_in: auth.credentials_in,
        key_header: auth.key_header,
        key_query: auth.key_query,
        key_cookie: auth.key_cookie,
        forward_identity: auth.forward_identity,
        check_client_sends: checked.check_client_sends,
        check_client_receives: checked.check_client_receives,
        on_violation: checked.on_violation,
        max_checked_bytes: checked.max_checked_bytes,
        over_limit: checked.over_limit,
        ..written.limits.0.clone()
    }
}

/// Checks the options of the process, and returns its limits unless one is out of range.
fn process(findings: &mut Findings<'_>, written: &Written) -> Option<Limits> {
    let option = OptionPath::root("limits");
    let checked = written.limits.checked();
    for OutOfRange { field, why, .. } in checked.as_ref().err().into_iter().flatten() {
        findings.add(&option.key(field), why);
    }
    let (window, timeout) = (written.drain_window, written.limits.drain_timeout);
    if window >= timeout {
        let (window, timeout) = (show_duration(window), show_duration(timeout));
        findings.add(
            &OptionPath::root("drain_window_ms"),
            format!("is {window}; it must be less than limits.drain_timeout_ms, which is {timeout}"),
        );
    }
    if let Err(why) = written.log.filter() {
        findings.add(&OptionPath::root("log").key("level"), why);
    }
    let allowed = OptionPath::root("admin").key("allowed_hosts");
    for (index, host) in written.admin.allowed_hosts.iter().enumerate() {
        if let Err(why) = allowed_host(host) {
            findings.add(&allowed.index(index), format!("`{host}` {why}"));
        }
    }
    checked.ok()
}

/// A name or an address, with a port or without. An IPv6 address without a port needs no brackets.
fn allowed_host(host: &str) -> Result<(), String> {
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    match Authority::parse(host) {
        Ok(authority) if authority.address().is_some() => Ok(()),
        Ok(authority) => name::check(authority.host()).map_err(|why| why.to_string()),
        Err(AuthorityError::Port) => Err("has a port that is not a number from 0 to 65535".to_owned()),
        Err(AuthorityError::Host | AuthorityError::UserInfo) => name::check(host).map_err(|why| why.to_string()),
    }
}

fn environment_name(findings: &mut Findings<'_>, option: &OptionPath, name: &str) -> Option<EnvironmentName> {
    let option = option.key("name");
    if name.is_empty() {
        findings.add(&option, "is missing: an environment needs a name, such as \"staging\"");
        return None;
    }
    let read = name.parse::<EnvironmentName>();
    read.map_err(|fault| findings.add(&option, format!("`{name}` is not a name: {fault}"))).ok()
}

fn hosts(findings: &mut Findings<'_>, option: &OptionPath, hosts: &[String]) -> Vec<HostPattern> {
    if hosts.len() > MAX_HOSTS {
        findings.add(option, format!("there are more than {MAX_HOSTS}"));
    }
    let mut patterns: Vec<HostPattern> = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        match HostPattern::parse(host) {
            Ok(pattern) if patterns.contains(&pattern) => {
                findings.add(&option.index(index), format!("`{host}` is there twice"));
            }
            Ok(pattern) => patterns.push(pattern),
            Err(why) => findings.add(
                &option.index(index),
                format!(
                    "`{host}` {why}; write a name such as \"chat.example.com\" or \"*.example.com\", without a port"
                ),
            ),
        }
    }
    patterns
}

fn variables(
    findings: &mut Findings<'_>,
    option: &OptionPath,
    variables: &BTreeMap<String, Secret>,
) -> BTreeMap<String, Secret> {
    if variables.len() > MAX_VARIABLES {
        findings.add(option, format!("there are more than {MAX_VARIABLES}"));
    }
    for (name, value) in variables {
        let option = option.key(name);
        if let Err(fault) = target::check_variable(name) {
            findings.add(&option, fault.message);
        }
        // The value may be a secret: no message repeats it.
        let value = value.reveal();
        if value.len() > target::MAX_TARGET_BYTES {
            findings.add(&option, format!("the value is longer than {} bytes", target::MAX_TARGET_BYTES));
        } else if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            findings.add(&option, "the value becomes part of a URL: write at least one character, visible ASCII only");
        }
    }
    variables.clone()
}

/// The name of upstreams' certificates that an environment asks for.
fn server_name(
    findings: &mut Findings<'_>,
    option: &OptionPath,
    written: &written::UpstreamTls,
) -> Option<Optional<UpstreamServerName>> {
    let text = written.server_name.as_deref()?;
    if text == "off" {
        return Some(Optional(None));
    }
    let read = UpstreamServerName::parse(text).map_err(|why| findings.add(option, why));
    read.ok().map(|name| Optional(Some(name)))
}

fn upstream_tls(findings: &mut Findings<'_>, option: &OptionPath, written: &written::UpstreamTls) -> ClientFiles {
    let options = UpstreamOptions {
        ca: written.ca.clone(),
        cert: written.cert.clone(),
        key: written.key.clone(),
        insecure_skip_verify: written.insecure_skip_verify,
    };
    options.files(&Names::FILE).unwrap_or_else(|why| {
        findings.add(option, why);
        ClientFiles::default()
    })
}
