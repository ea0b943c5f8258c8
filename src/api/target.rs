//! Targets as they are written: URLs in which `${NAME}` stands for a variable of an environment.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Fault, Faults};
use crate::routing::name;
use crate::routing::target::{Target, TargetError};

/// The most targets that an API may have.
pub const MAX_TARGETS: usize = 16;
/// The most bytes of a target, as written and with its variables filled in.
pub const MAX_TARGET_BYTES: usize = 2048;
/// The most bytes of a variable's name.
pub const MAX_VARIABLE_BYTES: usize = 64;

/// A target as it is written: a `ws`, `wss`, `http` or `https` URL without user, query and fragment, in which `${NAME}` stands
/// for a variable of the environment that the API is deployed in. A target without variables is checked completely.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 2048, examples("ws://127.0.0.1:9000/chat", "${CHAT_URL}"))]
pub struct TargetUrl(String);

impl TryFrom<String> for TargetUrl {
    type Error = Fault;

    /// Reads a target that was kept, by the rules that every version has had: a later one makes no store unreadable.
    fn try_from(text: String) -> Result<Self, Fault> {
        if text.is_empty() {
            return Err(Fault::new("length", "it must be a URL, and is empty"));
        }
        if text.len() > MAX_TARGET_BYTES {
            return Err(too_long(text.len()));
        }
        let pieces = pieces(&text)?;
        if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
            read(&text)?;
        } else {
            check_written(&pieces)?;
        }
        Ok(Self(text))
    }
}

impl From<TargetUrl> for String {
    fn from(target: TargetUrl) -> Self {
        target.0
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A piece of a target: plain text or a variable.
#[derive(Debug)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

impl TargetUrl {
    /// The target as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names of the variables in the target.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        let pieces = pieces(&self.0).unwrap_or_default();
        pieces.iter().filter_map(|piece| if let Piece::Variable(name) = piece { Some(*name) } else { None }).collect()
    }

    /// True if both are the same target, as far as that can be known without an environment.
    fn is_same(&self, other: &Self) -> bool {
        let nothing = BTreeMap::new();
        self == other
            || matches!((self.expand(&nothing), other.expand(&nothing)), (Ok(one), Ok(other)) if is_same(&one, &other))
    }

    /// Fills in the variables and reads the resulting URL.
    ///
    /// # Errors
    /// A variable is missing, or the URL breaks a rule. The message does not repeat the URL, which may hold secrets.
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
        let target = Self::try_from(text.to_owned())?;
        if target.variables().is_empty() {
            Target::written(text).map_err(|error| Fault::new("url", error.to_string()))?;
        }
        Ok(target)
    }
}

/// Checks what no variable can make right in a target with variables. A password must be refused now: at the deployment it
/// would already be in the store and the audit.
fn check_written(pieces: &[Piece<'_>]) -> Result<(), Fault> {
    let stand_in = |piece: &Piece<'_>| match piece {
        Piece::Text(text) => (*text).to_owned(),
        Piece::Variable(_) => "v".to_owned(),
    };
    let text: String = pieces.iter().map(stand_in).collect();
    let behind_scheme = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let authority = behind_scheme.split('/').next().unwrap_or_default();
    let error = if text.contains(['?', '#']) {
        TargetError::Query
    } else if authority.contains('@') {
        TargetError::UserInfo
    } else {
        return Ok(());
    };
    Err(Fault::new("url", error.to_string()))
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

/// Checks a variable's name: 1 to 64 of `A` to `Z`, `a` to `z`, digits and `_`, not beginning with a digit.
///
/// # Errors
/// The rule that the name breaks.
pub fn check_variable(name: &str) -> Result<(), Fault> {
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_name && !name.is_empty() && name.len() <= MAX_VARIABLE_BYTES {
        return Ok(());
    }
    let rule = "a variable's name has 1 to 64 letters, digits and `_`, and does not begin with a digit";
    Err(Fault::new("variable-name", rule))
}

/// Reads a URL without variables.
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

/// The fault for a target that is listed twice.
#[must_use]
pub fn duplicate_target() -> Fault {
    Fault::new("twice", "the same target is listed before it")
}

/// True if two URLs name the same target: `ws://a` and `http://A:80/` do.
#[must_use]
pub fn is_same(one: &Target, other: &Target) -> bool {
    let place = |target: &Target| (target.tls, target.host.to_ascii_lowercase(), target.port, target.base_path.clone());
    place(one) == place(other)
}

/// Checks an API's targets: their number, each of them, and that none is listed twice. `field` is their path.
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
        if kept.iter().any(|before| before.is_same(&target)) {
            faults.add(here, duplicate_target());
        }
        kept.push(target);
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{TargetUrl, check_variable};

    fn rule(text: &str) -> &'static str {
        text.parse::<TargetUrl>().map_or_else(|fault| fault.rule, |_| "none")
    }

    fn variables(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_target_is_checked_as_far_as_it_is_known() {
        for text in [
            "ws://127.0.0.1:9000",
            "wss://chat.example.com/a/b",
            "http://[::1]:80/",
            "HTTPS://chat.example.com.",
            "ws://a/$HOME/$",
            "${URL}",
            "ws://${HOST}:${PORT}/x",
            "${_A1}ws",
            "ws://${HOST}/a@b",
        ] {
            assert_eq!(rule(text), "none", "{text}");
        }
        for (text, broken) in [
            ("", "length"),
            (&*format!("ws://a/{}", "x".repeat(2042)), "length"),
            ("chat.example.com", "url"),
            ("ftp://a", "url"),
            ("ws://", "url"),
            ("ws://a:0", "url"),
            ("ws://a:65536", "url"),
            ("ws://me:secret@a", "url"),
            ("ws://a/?token=x", "url"),
            ("ws://a/#x", "url"),
            ("ws://me:secret@${HOST}", "url"),
            ("ws://${USER}:${SECRET}@a", "url"),
            ("me:secret@${HOST}/x", "url"),
            ("${URL}?token=secret", "url"),
            ("ws://${HOST}/#x", "url"),
            ("ws://a/ b", "url"),
            ("ws://a b/", "url"),
            (" ws://a", "url"),
            ("ws://a/\r\nx", "url"),
            ("ws://ä", "url"),
            ("ws://a..b", "host"),
            ("ws://a!b", "host"),
            ("ws://${HOST", "variable-open"),
            ("ws://${}", "variable-name"),
            ("ws://${1A}", "variable-name"),
            ("ws://${A-B}", "variable-name"),
            ("ws://${A${B}}", "variable-name"),
        ] {
            assert_eq!(rule(text), broken, "{text}");
        }
        assert_eq!(rule(&format!("ws://a/{}", "x".repeat(2041))), "none");
    }

    #[test]
    fn d14_a_target_that_was_kept_is_read_whatever_is_refused_today() {
        for kept in ["ws://a/%zz", "ws://unix:/tmp/x.sock"] {
            assert_eq!(rule(kept), "url");
            let target: TargetUrl = serde_json::from_value(kept.into()).unwrap();
            assert_eq!(target.as_str(), kept);
        }
        let served: TargetUrl = serde_json::from_value("ws://a/%zz".into()).unwrap();
        assert!(served.expand(&BTreeMap::new()).is_ok(), "an API that was served is served");
    }

    #[test]
    fn no_fault_repeats_what_was_written() {
        for text in ["ws://me:secret@a", "ws://a/?token=secret", "secret://", "ws://a/${secret", "ws://${1secret}"] {
            let message = text.parse::<TargetUrl>().unwrap_err().message;
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn variables_are_filled_in_and_the_outcome_is_read() {
        let target: TargetUrl = "ws://${HOST}:${PORT}/a$b".parse().unwrap();
        assert_eq!(target.variables(), ["HOST", "PORT"]);
        let expanded = target.expand(&variables(&[("HOST", "10.0.0.1"), ("PORT", "9000")])).unwrap();
        assert_eq!(expanded.to_string(), "ws://10.0.0.1:9000/a$b");
        for (values, rule, told) in [
            (variables(&[("HOST", "secret")]), "variable-missing", "PORT"),
            (variables(&[("HOST", "me:secret@a"), ("PORT", "1")]), "url", "variables filled in"),
            (variables(&[("HOST", "a"), ("PORT", "secret")]), "url", "variables filled in"),
            (variables(&[("HOST", "secret..a"), ("PORT", "1")]), "host", "variables filled in"),
            (variables(&[("HOST", &"x".repeat(3000)), ("PORT", "1")]), "length", "2048"),
        ] {
            let fault = target.expand(&values).unwrap_err();
            assert_eq!(fault.rule, rule);
            assert!(fault.message.contains(told) && !fault.message.contains("secret"), "{}", fault.message);
        }
    }

    #[test]
    fn a_value_is_never_read_for_variables_of_its_own() {
        let target: TargetUrl = "ws://a/${A}".parse().unwrap();
        let expanded = target.expand(&variables(&[("A", "${B}"), ("B", "x")])).unwrap();
        assert_eq!(expanded.base_path, "/${B}");
    }

    #[test]
    fn the_same_target_can_be_written_in_many_ways() {
        let target = |text: &str| text.parse::<TargetUrl>().unwrap();
        for (one, other, same) in [
            ("ws://a", "http://A:80/", true),
            ("wss://a/x", "https://a:443/x/", true),
            ("ws://${A}", "ws://${A}", true),
            ("ws://a", "wss://a", false),
            ("ws://a/x", "ws://a/X", false),
            ("ws://a", "ws://a:81", false),
            ("ws://${A}", "ws://${B}", false),
        ] {
            assert_eq!(target(one).is_same(&target(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn a_variable_has_a_name() {
        for name in ["A", "_", "a1_B", &"x".repeat(64)] {
            assert!(check_variable(name).is_ok(), "{name}");
        }
        for name in ["", "1", "a b", "a-b", "ä", &"x".repeat(65)] {
            assert!(check_variable(name).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_does_harm(text in "\\PC{0,40}", value in "\\PC{0,20}") {
            if let Ok(target) = text.parse::<TargetUrl>() {
                let _ = target.expand(&variables(&[("A", &value)]));
            }
        }

        #[test]
        fn pieces_of_targets_do_no_harm(text in "(ws://|\\$|\\{|\\}|A|/|:|@|\\?){0,8}") {
            if let Ok(target) = text.parse::<TargetUrl>() {
                prop_assert!(!target.variables().is_empty() || target.expand(&BTreeMap::new()).is_ok());
            }
        }
    }
}
