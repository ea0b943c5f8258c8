//! References to a major version of an API: `identifier`, `identifier:1`, `project/identifier` or `project/identifier:1`. A whole
//! version, `identifier:1.0`, stands for its major one. A reference must match exactly one major version.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::api::consumers::ApiFamily;
use crate::api::version::MAX_NUMBER;
use crate::api::{Api, Identifier, Lifecycle, ProjectName, Version};
use crate::cli::client::{Client, ResourcePath};
use crate::cli::{Failure, program};
use crate::declare::held;

/// A reference as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct FamilyReference {
    project: Option<ProjectName>,
    identifier: Identifier,
    major: Option<u16>,
}

impl FromStr for FamilyReference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (project, rest) = text.split_once('/').map_or((None, text), |(project, rest)| (Some(project), rest));
        let (identifier, version) = rest.split_once(':').map_or((rest, None), |(name, version)| (name, Some(version)));
        let wrong = |what: &str, why: &dyn fmt::Display| {
            format!(
                "the {what}: {why}; a major version of an API is named as IDENTIFIER, IDENTIFIER:1 or PROJECT/IDENTIFIER:1"
            )
        };
        Ok(Self {
            project: project.map(str::parse).transpose().map_err(|why| wrong("project", &why))?,
            identifier: identifier.parse().map_err(|why| wrong("identifier", &why))?,
            major: version.map(major).transpose().map_err(|why| wrong("version", &why))?,
        })
    }
}

/// The major version of a text that is one, or a whole version.
fn major(text: &str) -> Result<u16, String> {
    if text.contains('.') {
        return text.parse::<Version>().map(|version| version.major).map_err(|why| why.message);
    }
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_number && *number <= MAX_NUMBER);
    number.ok_or_else(|| format!("it must be a number from 0 to {MAX_NUMBER}"))
}

impl fmt::Display for FamilyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(project) = &self.project {
            write!(f, "{project}/")?;
        }
        write!(f, "{}", self.identifier)?;
        self.major.map_or(Ok(()), |major| write!(f, ":{major}"))
    }
}

impl FamilyReference {
    /// The major version. Asks the node if a part was left out.
    ///
    /// # Errors
    /// No API matches, or those that do have several major versions.
    pub(in crate::cli) fn family(&self, client: &Client) -> Result<ApiFamily, Failure> {
        if let (Some(project), Some(major)) = (&self.project, self.major) {
            return Ok(ApiFamily { project: project.clone(), identifier: self.identifier.clone(), major });
        }
        let project = self.project.as_ref().map(ProjectName::as_str);
        let all = ResourcePath::new(["apis"]).with("q", self.identifier.as_str()).with_some("project", project);
        let all: Vec<Api> = client.list(&all, None)?;
        let fits = |api: &&Api| {
            api.identifier == self.identifier
                && api.lifecycle != Lifecycle::Retired
                && self.major.is_none_or(|major| major == api.version.major)
        };
        let mut families: BTreeSet<ApiFamily> =
            all.iter().filter(fits).map(|api| ApiFamily::from(&held::key(api))).collect();
        match (families.pop_first(), families.len()) {
            (Some(family), 0) => Ok(family),
            (None, _) => {
                let list = format!("`{} api list` lists all APIs", program::name());
                Err(Failure::Failed(format!("there is no API `{self}`\n  {list}")))
            }
            (Some(first), _) => {
                let all = std::iter::once(first).chain(families).map(|family| format!("\n  {family}"));
                let all: String = all.collect();
                Err(Failure::Failed(format!("`{self}` may be one of several; name one of them:{all}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::FamilyReference;
    use crate::cli::client::testing::{Answer, FakeNode, api};

    #[test]
    fn a_reference_is_read_and_a_whole_version_stands_for_its_major_one() {
        for (text, told) in
            [("chat", "chat"), ("chat:1", "chat:1"), ("chat:2.7", "chat:2"), ("shop/chat:12", "shop/chat:12")]
        {
            assert_eq!(text.parse::<FamilyReference>().unwrap().to_string(), told);
        }
        for text in ["", "Chat", "/chat", "chat:", "chat:x", "chat:-1", "chat:10000", "chat:1.x", "a/b/c:1"] {
            let why = text.parse::<FamilyReference>().unwrap_err();
            assert!(why.contains("PROJECT/IDENTIFIER:1"), "{text}: {why}");
        }
    }

    #[test]
    fn a_part_that_is_left_out_must_be_clear() {
        let node = FakeNode::new(|_| {
            let items = [
                api("default/chat:1.0", &json!({})),
                api("default/chat:1.1", &json!({})),
                api("default/chat:2.0", &json!({"lifecycle": "Retired"})),
                api("shop/orders:1.0", &json!({})),
                api("shop/orders:2.0", &json!({})),
            ];
            Answer::json(&json!({"items": items, "next": null}).to_string())
        });
        let family = |text: &str| {
            let reference: FamilyReference = text.parse().unwrap();
            reference.family(&node.client()).map(|it| it.to_string()).map_err(|it| it.into_message_and_code().0)
        };
        assert_eq!(family("chat").unwrap(), "default/chat:1");
        assert_eq!(family("orders:2").unwrap(), "shop/orders:2");
        assert_eq!(family("other/thing:3").unwrap(), "other/thing:3", "a whole name is not asked for");
        assert!(family("orders").unwrap_err().ends_with("name one of them:\n  shop/orders:1\n  shop/orders:2"));
        assert!(family("weather").unwrap_err().contains("there is no API `weather`\n"));
    }
}
