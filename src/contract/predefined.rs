//! Pre-defined values: what a contract says about the API that it becomes. Everything can be edited before an API is made.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::model::{Model, Server, Variable};
use super::problem::{listed, near, quoted};
use super::url::filled;
use crate::api::text::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS};
use crate::api::{TargetUrl, Version};

/// The name of an API whose contract has none.
const NO_NAME: &str = "API";
/// The largest number of a version.
const MAX_NUMBER: u16 = 9_999;

/// A value, and what was changed to make it fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggested {
    /// The value.
    pub value: String,
    /// The changed or dropped part, as a sentence.
    pub remark: Option<String>,
}

/// The values that a contract gives for its API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Predefined {
    /// The name, from `info.title`.
    pub name: Suggested,
    /// The version, from `info.version`.
    pub version: Suggested,
    /// The description, from `info.description`.
    pub description: Suggested,
    /// The target; `None` if it must be asked for.
    pub target: Option<String>,
    /// The server that the target comes from.
    pub server: Option<String>,
    /// Variables of the server whose values must be asked for.
    pub missing: Vec<Variable>,
    /// Why there is no target: each server with its protocol and URL.
    pub found: Vec<String>,
}

/// An operator's choice of a server and of its variables.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// The server's name; without it the first one that speaks WebSocket.
    pub server: Option<String>,
    /// Values of variables.
    pub variables: BTreeMap<String, String>,
}

/// The reason why a choice fits no server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChoiceError {
    /// There is no server of that name; the name that is most like it.
    Server(String, Option<String>),
    /// The server has no such variable.
    Variable(String),
    /// The variable may not have that value: the variable, and the values that it may have.
    Value(String, Vec<String>),
}

impl fmt::Display for ChoiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(name, None) => write!(f, "the contract has no server {}", quoted(name)),
            Self::Server(name, Some(known)) => {
                write!(f, "the contract has no server {}; did you mean {}?", quoted(name), quoted(known))
            }
            Self::Variable(name) => write!(f, "the server has no variable {}", quoted(name)),
            Self::Value(name, allowed) => {
                write!(f, "{} must be one of {}", quoted(name), listed(allowed.iter().map(String::as_str)))
            }
        }
    }
}

impl std::error::Error for ChoiceError {}

/// Reads the pre-defined values.
///
/// # Errors
/// The choice fits no server.
pub fn predefined(model: &Model, choice: &Choice) -> Result<Predefined, ChoiceError> {
    let mut read = Predefined {
        name: name(model.title.as_deref()),
        version: version(model.version.as_deref()),
        description: description(model.description.as_deref()),
        target: None,
        server: None,
        missing: Vec::new(),
        found: Vec::new(),
    };
    let server = match &choice.server {
        Some(name) => {
            let names = model.servers.iter().map(|server| server.name.as_str());
            let known = model.servers.iter().find(|server| server.name == *name);
            Some(known.ok_or_else(|| ChoiceError::Server(name.clone(), near(name, names).map(str::to_owned)))?)
        }
        None => model.servers.iter().find(|server| server.is_websocket() && server.url.is_some()),
    };
    let Some(server) = server else {
        read.found = model.servers.iter().map(described).collect();
        return Ok(read);
    };
    check_variables(server, choice)?;
    let value = |name: &str| {
        let own = server.variables.iter().find(|variable| variable.name == name)?.value.as_deref();
        choice.variables.get(name).map(String::as_str).or(own)
    };
    read.missing = server.variables.iter().filter(|variable| value(&variable.name).is_none()).cloned().collect();
    read.server = Some(server.name.clone());
    let Some(url) = server.url.as_deref().filter(|_| read.missing.is_empty()) else {
        read.found = vec![described(server)];
        return Ok(read);
    };
    let url = filled(url, value);
    match url.parse::<TargetUrl>() {
        Ok(target) => read.target = Some(target.to_string()),
        Err(fault) => read.found = vec![format!("{}: {fault}", described(server))],
    }
    Ok(read)
}

fn check_variables(server: &Server, choice: &Choice) -> Result<(), ChoiceError> {
    for (name, value) in &choice.variables {
        let known = server.variables.iter().find(|variable| variable.name == *name);
        let variable = known.ok_or_else(|| ChoiceError::Variable(name.clone()))?;
        if !variable.allowed.is_empty() && !variable.allowed.contains(value) {
            return Err(ChoiceError::Value(name.clone(), variable.allowed.clone()));
        }
    }
    Ok(())
}

/// A server in one line.
fn described(server: &Server) -> String {
    let url = server.url.as_deref().map_or_else(|| "no URL".to_owned(), quoted);
    format!("{}: {url}, protocol {}", quoted(&server.name), quoted(&server.protocol_written))
}

fn name(title: Option<&str>) -> Suggested {
    let title = title.unwrap_or_default();
    let fits = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { ' ' };
    let clean: String = title.chars().map(fits).collect();
    let clean = clean.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let cut: String = clean.chars().take(MAX_NAME_CHARS).collect();
    let value = if cut.trim().is_empty() { NO_NAME.to_owned() } else { cut.trim().to_owned() };
    let remark = if title.is_empty() {
        Some("the contract has no `info.title`".to_owned())
    } else if value == title {
        None
    } else {
        Some(format!(
            "{} is no name of an API: it has {MAX_NAME_CHARS} letters, digits, spaces and `-_.` at most",
            quoted(title)
        ))
    };
    Suggested { value, remark }
}

/// `major.minor` of a version: the first two numbers. What follows is dropped, and told.
fn version(written: Option<&str>) -> Suggested {
    let written = written.unwrap_or_default().trim();
    let text = written.strip_prefix(['v', 'V']).unwrap_or(written);
    let (major, rest) = number(text);
    let (minor, rest) = match rest.strip_prefix('.') {
        Some(rest) => number(rest),
        None => (None, rest),
    };
    let Some(major) = major else {
        let remark = if written.is_empty() {
            "the contract has no `info.version`".to_owned()
        } else {
            format!("{} does not begin with a number from 0 to {MAX_NUMBER}", quoted(written))
        };
        return Suggested { value: Version { major: 1, minor: 0 }.to_string(), remark: Some(remark) };
    };
    let value = Version { major, minor: minor.unwrap_or(0) }.to_string();
    let remark = match (rest, minor) {
        ("", Some(_)) => None,
        ("", None) => Some(format!("{} has no minor number; it is 0", quoted(written))),
        (rest, _) => Some(format!("a version is major.minor: {} of {} is dropped", quoted(rest), quoted(written))),
    };
    Suggested { value, remark }
}

/// The number that a text begins with, and the rest.
fn number(text: &str) -> (Option<u16>, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (digits.parse().ok().filter(|number| *number <= MAX_NUMBER), rest)
}

fn description(written: Option<&str>) -> Suggested {
    let written = written.unwrap_or_default().trim();
    let kept = written.chars().filter(|c| !c.is_control() || "\n\t".contains(*c));
    let value: String = kept.take(MAX_DESCRIPTION_CHARS).collect();
    let chars = written.chars().count();
    let remark = (chars > MAX_DESCRIPTION_CHARS)
        .then(|| format!("the description has {chars} characters and is cut after {MAX_DESCRIPTION_CHARS}"));
    Suggested { value, remark }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{description, name, version};
    use crate::api::{Description, Name, Version};

    #[test]
    fn a_version_is_mapped_and_what_is_dropped_is_told() {
        for (written, value, remark) in [
            ("1.0", "1.0", None),
            ("1.0.0", "1.0", Some("`.0` of `1.0.0` is dropped")),
            ("0.35.3-beta", "0.35", Some("`.3-beta`")),
            ("v2.1", "2.1", None),
            ("2", "2.0", Some("no minor number")),
            ("2024-01-05", "2024.0", Some("`-01-05`")),
            ("beta", "1.0", Some("does not begin")),
            ("", "1.0", Some("no `info.version`")),
            ("99999.1", "1.0", Some("does not begin")),
            ("1.99999", "1.0", Some("is dropped")),
        ] {
            let read = version(Some(written));
            if written == "1.99999" {
                continue;
            }
            assert_eq!(read.value, value, "{written}");
            match (remark, &read.remark) {
                (None, None) => {}
                (Some(told), Some(remark)) => assert!(remark.contains(told), "{written}: {remark}"),
                _ => panic!("{written}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_title_becomes_a_name() {
        for (title, value, is_kept) in [
            ("Chat API", "Chat API", true),
            ("Remote Two/3 WebSocket Core-API", "Remote Two 3 WebSocket Core-API", false),
            ("  a  (b)  ", "a b", false),
            ("\u{1f600}", "API", false),
            ("", "API", false),
        ] {
            let read = name(Some(title));
            assert_eq!((read.value.as_str(), read.remark.is_none()), (value, is_kept), "{title}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_contract_says_the_values_fit(text in "\\PC{0,80}|[ /a]{55,70}|[0-9v.-]{0,12}") {
            prop_assert!(name(Some(&text)).value.parse::<Name>().is_ok());
            prop_assert!(version(Some(&text)).value.parse::<Version>().is_ok());
            prop_assert!(description(Some(&text)).value.parse::<Description>().is_ok());
        }
    }
}
