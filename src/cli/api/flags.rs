//! The flags that set fields of an API's definition: the same for `ringway api create` and `update`.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use serde_json::Value;

use crate::api::contract::{Layout, NewContractRef, Side};
use crate::api::policy::{self, POLICIES, unknown};
use crate::api::written::Written;
use crate::api::{ContractRef, NewDefinition};
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::cli::contract_source::{self, ReadingFlags};

#[derive(clap::Args, Debug, Default)]
#[group(multiple = true)]
pub(super) struct DefinitionFlags {
    /// Name of the API: 1 to 60 letters, digits, spaces and `-_.`
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Target of the API's connections: a ws://, wss://, http:// or https:// URL; may be repeated, and replaces all targets
    #[arg(long, value_name = "URL")]
    pub(super) target: Vec<String>,
    /// Description for people
    #[arg(long, value_name = "TEXT")]
    pub(super) description: Option<String>,
    /// Access mode: external or internal, the environment's listeners that serve the API [new API: external]
    #[arg(long, value_name = "MODE")]
    pub(super) access: Option<String>,
    /// Policy of the API, such as limits.idle_timeout_ms=5m, or of one of its channels, such as
    /// channels./rooms.validation.client_sends=report; `NAME=` takes it out; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = PolicyParser, hide_possible_values = true)]
    pub(super) policy: Vec<PolicyChange>,
    /// Contract of the API, an AsyncAPI document: a file, a folder, a zip archive, an http:// or https:// URL, or `-` for standard
    /// input
    #[arg(long, value_name = "SOURCE")]
    pub(super) contract: Option<String>,
    /// With --contract: the AsyncAPI document of a folder or archive that has several
    #[arg(long, value_name = "FILE", requires = "contract")]
    pub(super) main: Option<String>,
    /// With --contract: the side that the document is written from, server or client [default: inferred, or as chosen before]
    #[arg(long, value_name = "SIDE", requires = "contract", value_parser = str::parse::<Side>)]
    pub(super) perspective: Option<Side>,
    /// With --contract: how channels become routes: inferred, one-socket or by-address [default: inferred, or as chosen before]
    #[arg(long, value_name = "LAYOUT", requires = "contract", value_parser = str::parse::<Layout>)]
    pub(super) layout: Option<Layout>,
    /// With --contract: fetch documents of other hosts that references lead to
    #[arg(long, requires = "contract")]
    pub(super) allow_remote_refs: bool,
}

/// A change of a policy; `None` takes the policy out of the API's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PolicyChange {
    name: String,
    value: Option<Value>,
}

impl DefinitionFlags {
    /// Reads the contract and has the node keep it, if one is given. The choices that the API's contract was read with before
    /// hold on where the flags make none.
    pub(super) fn upload(&self, before: Option<&ContractRef>, client: &Client) -> Result<Option<ContractRef>, Failure> {
        let Some(source) = &self.contract else { return Ok(None) };
        // Not flattened: a group of flags whose flags are groups cannot be required.
        let flags = ReadingFlags {
            main: self.main.clone(),
            perspective: self.perspective,
            layout: self.layout,
            allow_remote_refs: self.allow_remote_refs,
        };
        let mut read = contract_source::read(source, &flags)?;
        if let Some(before) = before {
            read.remember(before, &flags);
        }
        if let Some(why) = read.blocking() {
            return Err(Failure::Configuration(why));
        }
        Ok(Some(read.upload(client)?.contract))
    }

    /// Sets the fields that are given; the others stay as they are. `type` has no flag: it has one value.
    pub(super) fn set(&self, uploaded: Option<&ContractRef>, definition: &mut NewDefinition) {
        // By name, so that the compiler reports a field without a flag.
        let NewDefinition { name, description, access, targets, kind: _, policies, contract } = definition;
        if let Some(given) = &self.name {
            name.clone_from(given);
        }
        if !self.target.is_empty() {
            targets.clone_from(&self.target);
        }
        if let Some(given) = &self.description {
            *description = Some(given.clone());
        }
        if let Some(given) = &self.access {
            *access = Some(given.clone());
        }
        if let Some(uploaded) = uploaded {
            *contract = Some(NewContractRef::of(&Some(uploaded.clone())));
        }
        for PolicyChange { name, value } in &self.policy {
            policies.get_or_insert_default().put(name, value.clone());
        }
    }
}

/// Parses `NAME=VALUE` or `NAME=` for clap. Completions offer the names.
#[derive(Clone)]
struct PolicyParser;

impl TypedValueParser for PolicyParser {
    type Value = PolicyChange;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<PolicyChange, clap::Error> {
        policy_change.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(POLICIES.iter().map(|policy| PossibleValue::new(policy.name).help(policy.form))))
    }
}

fn policy_change(text: &str) -> Result<PolicyChange, String> {
    // The path of a channel may have `=`: the first one after a policy's name counts.
    let is_policy = |name: &str| policy::check(name, &Value::Null).is_some();
    let mut parts =
        text.match_indices('=').filter_map(|(at, _)| Some((text.get(..at)?, text.get(at.saturating_add(1)..)?)));
    let whole = parts.find(|(name, _)| is_policy(name)).or_else(|| text.split_once('='));
    let (name, value) = whole.ok_or("it must be NAME=VALUE, or NAME= for the value of the layer below")?;
    let value = Some(value).filter(|value| !value.is_empty()).map(|value| match value.parse::<u64>() {
        Ok(number) => number.into(),
        Err(_) => value.parse::<bool>().map_or_else(|_| value.into(), Value::Bool),
    });
    // Without a value only the name is checked.
    match policy::check(name, value.as_ref().unwrap_or(&Value::Null)) {
        None => Err(unknown(name).message),
        Some(Err(fault)) => Err(format!("{name}: {}", fault.message)),
        Some(Ok(())) => Ok(PolicyChange { name: name.to_owned(), value }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::policy_change;

    #[test]
    fn a_policy_is_set_in_every_form_that_the_configuration_takes() {
        for (text, name, value) in [
            ("limits.idle_timeout_ms=60000", "limits.idle_timeout_ms", Some(json!(60000))),
            ("limits.idle_timeout_ms=5m", "limits.idle_timeout_ms", Some(json!("5m"))),
            ("limits.idle_timeout_ms=off", "limits.idle_timeout_ms", Some(json!("off"))),
            ("limits.max_message_bytes=64KiB", "limits.max_message_bytes", Some(json!("64KiB"))),
            ("preserve_host=true", "preserve_host", Some(json!(true))),
            ("preserve_host=", "preserve_host", None),
            (
                "channels./a.b/{c}.validation.max_bytes=1KiB",
                "channels./a.b/{c}.validation.max_bytes",
                Some(json!("1KiB")),
            ),
            ("channels./a=b.validation.client_sends=", "channels./a=b.validation.client_sends", None),
            ("channels.unlisted_paths=pass", "channels.unlisted_paths", Some(json!("pass"))),
        ] {
            let read = policy_change(text).unwrap();
            assert_eq!((read.name.as_str(), read.value), (name, value), "{text}");
        }
    }

    #[test]
    fn a_policy_that_is_wrong_is_refused_before_anything_is_sent() {
        for (text, says) in [
            ("preserve_host", "NAME=VALUE"),
            ("preserve_hosts=true", "did you mean `preserve_host`?"),
            ("idle_timeout=", "did you mean `limits.idle_timeout_ms`?"),
            ("preserve_host=1", "it must be `true` or `false`"),
            ("channels./a.validation.client_send=report", "did you mean `validation.client_sends`?"),
            ("channels./a.limits.idle_timeout_ms=1", "it is a policy of the API, which no channel has for itself"),
            ("channels./a=report", "there is no such policy of a channel; there are validation.client_sends"),
            ("channels./a.validation.client_sends=on", "it must be `off`, `report` or `enforce`"),
            ("channels.a.validation.client_sends=report", "there is no such policy"),
            ("limits.connect_timeout_ms=off", "whole number"),
            ("limits.max_frame_bytes=0", "more than 0"),
        ] {
            let why = policy_change(text).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
    }
}
