//! The values of an API that is imported: those that the contract gives, those that flags give instead, and those that somebody
//! at a terminal gives.

use std::collections::BTreeMap;

use super::Asking;
use crate::api::contract::NewContractRef;
use crate::api::written::Written;
use crate::api::{Access, ContractRef, Identifier, Name, NewApi, NewDefinition, TargetUrl, Version};
use crate::cli::Failure;
use crate::cli::output::note;
use crate::cli::question::ask;
use crate::contract::Contract;
use crate::contract::model::Variable;
use crate::contract::predefined::{Choice, Predefined, predefined};

/// The flags that decide values.
#[derive(clap::Args, Debug, Default)]
pub(super) struct ValueFlags {
    /// Name of the API [default: the contract's title]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The API's name in paths [default: derived from the name]; it cannot be changed later
    #[arg(long, value_name = "IDENTIFIER")]
    identifier: Option<String>,
    /// Version of the API, as MAJOR.MINOR [default: from the contract's version]
    #[arg(long, value_name = "M.M")]
    version: Option<String>,
    /// Project of the API [default: default]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Description for people [default: the contract's]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Target of the API's connections: a ws://, wss://, http:// or https:// URL; may be repeated [default: the contract's first
    /// ws or wss server]
    #[arg(long, value_name = "URL")]
    target: Vec<String>,
    /// Access mode: external or internal [new API: external]
    #[arg(long, value_name = "MODE")]
    access: Option<String>,
    /// Server of the contract that becomes the target
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Value of a variable in that server's URL; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    server_var: Vec<(String, String)>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl ValueFlags {
    /// Sets the fields that flags give in the definition of an API that is there.
    pub(super) fn set(&self, definition: &mut NewDefinition) {
        if let Some(name) = &self.name {
            definition.name.clone_from(name);
        }
        if !self.target.is_empty() {
            definition.targets.clone_from(&self.target);
        }
        if self.description.is_some() {
            definition.description.clone_from(&self.description);
        }
        if self.access.is_some() {
            definition.access.clone_from(&self.access);
        }
    }

    fn choice(&self) -> Choice {
        Choice { server: self.server.clone(), variables: self.server_var.iter().cloned().collect() }
    }
}

/// The values of an API before it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) project: String,
    pub(super) identifier: Option<String>,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) description: String,
    pub(super) access: String,
    pub(super) targets: Vec<String>,
    /// The server of the contract that the target comes from.
    pub(super) server: Option<String>,
    /// By field: the part of the contract's value that was changed or dropped.
    pub(super) remarks: BTreeMap<&'static str, String>,
}

impl Values {
    /// The values of a routable contract and of flags. Without a target, somebody is asked, or the flag is named.
    ///
    /// # Errors
    /// Flags choose no server of the contract, or there is no target.
    pub(super) fn of(contract: &Contract, flags: &ValueFlags, asking: Asking) -> Result<Self, Failure> {
        let Some(model) = &contract.model else {
            return Err(Failure::Configuration("the contract cannot be read".to_owned()));
        };
        let mut choice = flags.choice();
        let given = loop {
            let given = predefined(model, &choice).map_err(|error| Failure::Usage(error.to_string()))?;
            if !flags.target.is_empty() || given.missing.is_empty() {
                break given;
            }
            match asking {
                Asking::Never => return Err(missing(&given)),
                Asking::AtTerminal => ask_variables(&given.missing, &mut choice)?,
            }
        };
        let mut remarks = BTreeMap::new();
        let mut value = |field, flag: &Option<String>, given: &crate::contract::predefined::Suggested| {
            if let (None, Some(remark)) = (flag, &given.remark) {
                remarks.insert(field, remark.clone());
            }
            flag.clone().unwrap_or_else(|| given.value.clone())
        };
        let name = value("name", &flags.name, &given.name);
        let version = value("version", &flags.version, &given.version);
        let description = value("description", &flags.description, &given.description);
        let (targets, server) = match (&*flags.target, &given.target) {
            ([], Some(target)) => (vec![target.clone()], given.server.clone()),
            ([], None) => (vec![ask_target(&given, asking)?], None),
            (targets, _) => (targets.to_vec(), None),
        };
        Ok(Self {
            project: flags.project.clone().unwrap_or_else(|| "default".to_owned()),
            identifier: flags.identifier.clone(),
            name,
            version,
            description,
            access: flags.access.clone().unwrap_or_else(|| Access::default().to_string()),
            targets,
            server,
            remarks,
        })
    }

    /// The identifier that the API will have.
    pub(super) fn identifier(&self) -> String {
        self.identifier.clone().unwrap_or_else(|| {
            let derived = self.name.parse::<Name>().and_then(|name| Identifier::from_name(&name));
            derived.map_or_else(|_| String::new(), |identifier| identifier.to_string())
        })
    }

    /// The request that makes the API.
    pub(super) fn new_api(&self, contract: &ContractRef) -> Result<NewApi, Failure> {
        let definition = NewDefinition {
            name: self.name.clone(),
            description: Some(self.description.clone()),
            access: Some(self.access.clone()),
            targets: self.targets.clone(),
            contract: Some(NewContractRef::of(&Some(contract.clone()))),
            ..NewDefinition::default()
        };
        Ok(NewApi {
            identifier: self.identifier.clone(),
            project: Some(self.project.clone()),
            ..NewApi::new(self.version.clone(), definition)
        })
    }

    /// Asks for each value at the terminal; an empty answer keeps it.
    pub(super) fn edit(&mut self) -> Result<(), Failure> {
        let derived = self.identifier();
        edited("name", &mut self.name, |text| text.parse::<Name>().map(drop).map_err(|fault| fault.message))?;
        // An identifier that was derived follows the name.
        let was_derived = self.identifier.is_none();
        let mut identifier = if was_derived { self.identifier() } else { derived };
        let before = identifier.clone();
        edited("identifier", &mut identifier, |text| {
            text.parse::<Identifier>().map(drop).map_err(|fault| fault.message)
        })?;
        if !was_derived || identifier != before {
            self.identifier = Some(identifier);
        }
        edited("version", &mut self.version, |text| text.parse::<Version>().map(drop).map_err(|fault| fault.message))?;
        edited("project", &mut self.project, |text| {
            text.parse::<crate::api::ProjectName>().map(drop).map_err(|fault| fault.message)
        })?;
        let mut target = self.targets.join(" ");
        edited("target", &mut target, |text| text.split(' ').try_for_each(is_target))?;
        self.targets = target.split(' ').map(str::to_owned).collect();
        edited("access", &mut self.access, |text| text.parse::<Access>().map(drop).map_err(|fault| fault.message))?;
        self.remarks.clear();
        Ok(())
    }
}

fn is_target(text: &str) -> Result<(), String> {
    text.parse::<TargetUrl>().map(drop).map_err(|fault| fault.message)
}

/// Asks for one value until it keeps its rule.
fn edited(name: &str, value: &mut String, check: impl Fn(&str) -> Result<(), String>) -> Result<(), Failure> {
    loop {
        let Some(answer) = ask(&format!("{name} [{value}]:"))? else {
            return Err(Failure::Failed("not confirmed: nothing was made".to_owned()));
        };
        if answer.is_empty() {
            return Ok(());
        }
        match check(&answer) {
            Ok(()) => {
                *value = answer;
                return Ok(());
            }
            Err(why) => note(&format!("  {why}")),
        }
    }
}

/// The failure of variables that have no value.
fn missing(given: &Predefined) -> Failure {
    let server = given.server.as_deref().unwrap_or_default();
    let variables =
        given.missing.iter().map(|variable| format!("--server-var {}=VALUE{}", variable.name, allowed(variable)));
    let flags = variables.collect::<Vec<_>>().join(" ");
    Failure::Usage(format!(
        "the URL of the contract's server `{server}` has variables without a value: give {flags}, or another target with --target"
    ))
}

fn allowed(variable: &Variable) -> String {
    if variable.allowed.is_empty() { String::new() } else { format!(" ({})", variable.allowed.join(", ")) }
}

fn ask_variables(missing: &[Variable], choice: &mut Choice) -> Result<(), Failure> {
    for variable in missing {
        let mut value = String::new();
        let question = format!("server variable {}{}", variable.name, allowed(variable));
        while value.is_empty() {
            let fits = |text: &str| {
                let is_allowed = variable.allowed.is_empty() || variable.allowed.iter().any(|one| one == text);
                if is_allowed { Ok(()) } else { Err(format!("it must be one of {}", variable.allowed.join(", "))) }
            };
            edited(&question, &mut value, fits)?;
        }
        choice.variables.insert(variable.name.clone(), value);
    }
    Ok(())
}

/// Asks for the target that the contract does not give, after telling why it gives none.
fn ask_target(given: &Predefined, asking: Asking) -> Result<String, Failure> {
    let found = match given.found.as_slice() {
        [] => "the contract names no server".to_owned(),
        found => format!("the contract has no server that can be a target; there is {}", found.join("; ")),
    };
    if asking == Asking::Never {
        return Err(Failure::Usage(format!("{found}: name the target with --target URL")));
    }
    note(&found);
    let mut target = String::new();
    while target.is_empty() {
        edited("target, as wss://chat.example.com", &mut target, is_target)?;
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::{Asking, ValueFlags, Values};
    use crate::api::ContractRef;
    use crate::api::contract::{ContractDigest, Layout};
    use crate::contract::{self, Options, Sources};

    fn values(servers: &str, flags: &ValueFlags) -> Result<Values, (u8, String)> {
        let text = format!(
            "asyncapi: 2.6.0\ninfo: {{title: Chat (beta), version: 1.2.3}}\n{servers}channels: {{/rooms: {{}}}}\n"
        );
        let sources = Sources::one("a.yaml", text.into_bytes()).unwrap();
        let contract = contract::read(&sources, Options::default());
        assert!(contract.is_routable(), "{:?}", contract.problems);
        Values::of(&contract, flags, Asking::Never).map_err(|failure| {
            let (why, code) = failure.into_message_and_code();
            (code, why)
        })
    }

    #[test]
    fn values_come_from_the_contract_and_flags_decide_over_it() {
        let servers =
            "servers: {p: {url: 'wss://chat.example.com/ws', protocol: wss}, q: {url: 'ws://q', protocol: ws}}\n";
        let read = values(servers, &ValueFlags::default()).unwrap();
        assert_eq!((read.name.as_str(), read.version.as_str()), ("Chat beta", "1.2"));
        assert_eq!(
            (read.targets.as_slice(), read.server.as_deref()),
            (&["wss://chat.example.com/ws".to_owned()][..], Some("p"))
        );
        assert!(read.remarks["version"].contains("`.3` of `1.2.3`"), "{:?}", read.remarks);
        assert_eq!(read.identifier(), "chat-beta");
        let flags = ValueFlags {
            name: Some("Talk".to_owned()),
            version: Some("2.0".to_owned()),
            server: Some("q".to_owned()),
            access: Some("internal".to_owned()),
            ..ValueFlags::default()
        };
        let read = values(servers, &flags).unwrap();
        assert_eq!((read.targets.as_slice(), read.remarks.len()), (&["ws://q".to_owned()][..], 0));
        let digest = ContractDigest::of(b"");
        let reference = ContractRef { digest, main: None, perspective: None, layout: Layout::Inferred };
        let (key, definition) = read.new_api(&reference).unwrap().check().unwrap();
        assert_eq!((key.to_string(), definition.contract), ("default/talk:2.0".to_owned(), Some(reference)));
    }

    #[test]
    fn what_the_contract_does_not_say_is_asked_for_by_its_flag() {
        let kafka = "servers: {k: {url: 'kafka.example.com', protocol: kafka}, w: {url: 'https://a.example', protocol: https}}\n";
        for (servers, parts) in [
            ("", &["names no server", "--target URL"][..]),
            (kafka, &["`k`", "kafka", "`w`", "--target URL"]),
            (
                "servers: {p: {url: 'ws://{host}/', protocol: ws, variables: {host: {}}}}\n",
                &["`p`", "--server-var host=VALUE"],
            ),
        ] {
            let (code, why) = values(servers, &ValueFlags::default()).unwrap_err();
            assert!(code == 2 && parts.iter().all(|part| why.contains(part)), "{why}");
        }
        let flags = ValueFlags { target: vec!["ws://b".to_owned()], ..ValueFlags::default() };
        assert_eq!(values(kafka, &flags).unwrap().targets, ["ws://b"]);
        let flags = ValueFlags { server_var: vec![("host".to_owned(), "c".to_owned())], ..ValueFlags::default() };
        let read =
            values("servers: {p: {url: 'ws://{host}/', protocol: ws, variables: {host: {}}}}\n", &flags).unwrap();
        assert_eq!(read.targets, ["ws://c"]);
        let flags = ValueFlags { server: Some("pp".to_owned()), ..ValueFlags::default() };
        let (code, why) = values("servers: {p: {url: 'ws://a', protocol: ws}}\n", &flags).unwrap_err();
        assert!(code == 2 && why.contains("did you mean `p`"), "{why}");
    }
}
