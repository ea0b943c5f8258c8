//! Where an API's connections go, as it is written: URLs, with `${NAME}` where an environment fills something in.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Fault, Faults};
use super::text::plain;
use crate::routing::name;
use crate::routing::target::Target;

/// Targets of an API.
pub const MAX_TARGETS: usize = 16;
/// Bytes of a target, as written and as filled in.
pub const MAX_TARGET_BYTES: usize = 2048;
/// Bytes of a variable's name.
pub const MAX_VARIABLE_BYTES: usize = 64;

/// A target as it is written: a `ws`, `wss`, `http` or `https` URL without user, query and fragment, in which `${NAME}` stands
/// for a variable of the environment it is deployed in. One without variables has been checked whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 2048, examples("ws://127.0.0.1:9000/chat", "${CHAT_URL}"))]
pub struct TargetUrl(String);

plain! { TargetUrl }

/// A piece of a target as it is written.
#[derive(Debug)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

impl TargetUrl {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The variables that it names.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        let pieces = pieces(&self.0).unwrap_or_default();
        pieces.iter().filter_map(|piece| if let Piece::Variable(name) = piece { Some(*name) } else { None }).collect()
    }

    /// Fills in variables and reads the outcome.
    ///
    /// # Errors
    /// A variable that is not there, or what is wrong with the outcome, of which nothing is repeated: it may hold secrets.
    pub fn expand(&self, variables: &BTreeMap<String, String>) -> Result<Target, Fault> {
        let mut url = String::with_capacity(self.0.len());
        let mut is_filled = false;
        for piece in pieces(&self.0)? {
            match piece {
                Piece::Text(text) => url.push_str(text),
                Piece::Variable(name) => {
                    let value = variables.get(name).ok_or_else(|| {
                        Fault::new("variable-missing", format!("the environment has no variable `{name}`"))
                    })?;
                    url.push_str(value);
                    is_filled = true;
                }
            }
        }
        read(&url).map_err(|fault| if is_filled { filled(&fault) } else { fault })
    }
}

fn filled(fault: &Fault) -> Fault {
    Fault { rule: fault.rule, message: format!("with the environment's variables filled in, {}", fault.message) }
}

impl FromStr for TargetUrl {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Err(Fault::new("length", "it must be a URL, and is empty"));
        }
        if text.len() > MAX_TARGET_BYTES {
            return Err(too_long(text.len()));
        }
        let pieces = pieces(text)?;
        if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
            read(text)?;
        }
        Ok(Self(text.to_owned()))
    }
}

fn too_long(bytes: usize) -> Fault {
    Fault::new("length", format!("it must have {MAX_TARGET_BYTES} bytes at most, and has {bytes}"))
}

/// Splits a target at its variables.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Fault> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after
            .split_once('}')
            .ok_or_else(|| Fault::new("variable-open", "a `${` in it has no `}`: variables are written `${NAME}`"))?;
        check_variable(name)?;
        pieces.push(Piece::Text(before));
        pieces.push(Piece::Variable(name));
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// Whether a variable may have this name: 1 to 64 of `A` to `Z`, `a` to `z`, digits and `_`, not beginning with a digit.
///
/// # Errors
/// The rule.
pub fn check_variable(name: &str) -> Result<(), Fault> {
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_name && !name.is_empty() && name.len() <= MAX_VARIABLE_BYTES {
        return Ok(());
    }
    let rule = "a variable's name has 1 to 64 letters, digits and `_`, and does not begin with a digit";
    Err(Fault::new("variable-name", rule))
}

/// Reads a URL in which nothing is left to fill in.
fn read(url: &str) -> Result<Target, Fault> {
    if url.len() > MAX_TARGET_BYTES {
        return Err(too_long(url.len()));
    }
    let target: Target = url.parse().map_err(|error| Fault::new("url", format!("{error}")))?;
    if target.host.parse::<IpAddr>().is_err() {
        name::check(&target.host).map_err(|error| Fault::new("host", format!("the host {error}")))?;
    }
    Ok(target)
}

/// Checks an API's targets: how many, each of them, and that none is there twice. `field` is what they are called.
pub(super) fn check_all(field: &str, texts: &[String], faults: &mut Faults) -> Vec<TargetUrl> {
    if texts.is_empty() || texts.len() > MAX_TARGETS {
        let count = texts.len();
        faults.add(field, Fault::new("count", format!("there must be 1 to {MAX_TARGETS}, and there are {count}")));
        return Vec::new();
    }
    let mut kept: Vec<TargetUrl> = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let here = format!("{field}[{at}]");
        let Some(target) = faults.keep(here.as_str(), text.parse::<TargetUrl>()) else { continue };
        if kept.contains(&target) {
            faults.add(here, Fault::new("twice", "the same target stands before it"));
        }
        kept.push(target);
    }
    kept
}
