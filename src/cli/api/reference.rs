//! References to APIs on the command line: `identifier`, `identifier:1.0`, `project/identifier` or
//! `project/identifier:1.0`. A reference must match exactly one API.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::api::{Api, ApiKey, Identifier, Lifecycle, ProjectName, Version, nearest};
use crate::cli::client::{Client, ResourcePath};
use crate::cli::{Failure, program};
use crate::declare::held;

/// The most APIs that are looked at for the one that was meant.
const MAX_HINTS: usize = 1000;

/// A reference as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Reference {
    project: Option<ProjectName>,
    identifier: Identifier,
    version: Option<Version>,
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (project, rest) = text.split_once('/').map_or((None, text), |(project, rest)| (Some(project), rest));
        let (identifier, version) = rest.split_once(':').map_or((rest, None), |(name, version)| (name, Some(version)));
        let wrong = |what: &str, why: &dyn fmt::Display| {
            format!("the {what}: {why}; an API is named as IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0")
        };
        Ok(Self {
            project: project.map(str::parse).transpose().map_err(|why| wrong("project", &why))?,
            identifier: identifier.parse().map_err(|why| wrong("identifier", &why))?,
            version: version.map(str::parse).transpose().map_err(|why| wrong("version", &why))?,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(project) = &self.project {
            write!(f, "{project}/")?;
        }
        write!(f, "{}", self.identifier)?;
        self.version.map_or(Ok(()), |version| write!(f, ":{version}"))
    }
}

impl Reference {
    /// The key of the API. Asks the node if project or version was left out.
    ///
    /// # Errors
    /// No API matches, or several do.
    pub(in crate::cli) fn key(&self, client: &Client) -> Result<ApiKey, Failure> {
        if let (Some(project), Some(version)) = (&self.project, self.version) {
            return Ok(ApiKey { project: project.clone(), identifier: self.identifier.clone(), version });
        }
        let project = self.project.as_ref().map(ProjectName::as_str);
        let all = ResourcePath::new(["apis"]).with("q", self.identifier.as_str()).with_some("project", project);
        // A project that does not exist is the node's to refuse; this program says it as it says it of an API.
        let all: Vec<Api> = client.list(&all, None)?;
        match self.only(&all) {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Err(Failure::Failed(self.unknown(client)?)),
            Err(several) => Err(Failure::Failed(several)),
        }
    }

    /// Like [`key`](Self::key), and refuses a whole key that names nothing.
    pub(in crate::cli) fn existing(&self, client: &Client) -> Result<ApiKey, Failure> {
        let key = self.key(client)?;
        client.get::<Api>(&super::place(&key)).map(|_| key)
    }

    /// The message that no API matches, with the nearest one.
    fn unknown(&self, client: &Client) -> Result<String, Failure> {
        let all: Vec<Api> = client.list(&ResourcePath::new(["apis"]), Some(MAX_HINTS))?;
        let keys: Vec<String> = all.iter().map(|api| held::key(api).to_string()).collect();
        // As much of each key as the reference says.
        let part = |key: &str| {
            let key = if self.project.is_some() { key } else { key.split_once('/').map_or(key, |(_, rest)| rest) };
            let key = if self.version.is_some() { key } else { key.split_once(':').map_or(key, |(rest, _)| rest) };
            key.to_owned()
        };
        let parts: Vec<String> = keys.iter().map(|key| part(key)).collect();
        let meant = nearest(&self.to_string(), parts.iter().map(String::as_str));
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        Ok(format!("there is no API `{self}`{meant}\n  `{} api list` lists all APIs", program::name()))
    }

    /// The only API that matches, if any does. Retired APIs count only if no other API matches.
    fn only(&self, all: &[Api]) -> Result<Option<ApiKey>, String> {
        let fits =
            |api: &&Api| api.identifier == self.identifier && self.version.is_none_or(|version| version == api.version);
        let fitting: Vec<&Api> = all.iter().filter(fits).collect();
        let keys = |is_retired: bool| -> BTreeSet<ApiKey> {
            let those = fitting.iter().filter(|api| (api.lifecycle == Lifecycle::Retired) == is_retired);
            those.map(|api| held::key(api)).collect()
        };
        let live = keys(false);
        let mut keys = if live.is_empty() { keys(true) } else { live };
        match (keys.pop_first(), keys.len()) {
            (Some(key), 0) => Ok(Some(key)),
            (None, _) => Ok(None),
            (Some(first), _) => {
                let all = std::iter::once(first).chain(keys).map(|key| format!("\n  {key}"));
                Err(format!("`{self}` may be one of several; name one of them:{}", all.collect::<String>()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Reference;
    use crate::cli::client::testing::{Answer, FakeNode, api};

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn a_reference_is_read_and_told_as_it_was_written() {
        for text in ["chat", "chat:1.0", "shop/chat", "shop/chat:12.3"] {
            assert_eq!(reference(text).to_string(), text);
        }
        for (text, named) in [
            ("", "the identifier"),
            ("Chat", "the identifier"),
            ("/chat", "the project"),
            ("a/b/chat", "the identifier"),
            ("chat:1", "the version"),
            ("chat:", "the version"),
            ("chat:1.0:2", "the version"),
        ] {
            let why = text.parse::<Reference>().unwrap_err();
            assert!(why.starts_with(named) && why.contains("PROJECT/IDENTIFIER:1.0"), "{text}: {why}");
        }
    }

    #[test]
    fn a_whole_name_is_not_asked_for() {
        let node = FakeNode::new(|_| Answer::empty(500));
        assert_eq!(reference("shop/chat:1.0").key(&node.client()).unwrap().to_string(), "shop/chat:1.0");
        assert!(node.asked().is_empty());
    }

    #[test]
    fn what_is_left_out_must_be_clear() {
        let node = FakeNode::new(|_| {
            let items = [
                api("default/chat:1.0", &json!({"lifecycle": "Retired"})),
                api("default/chat:2.0", &json!({})),
                api("default/chat:2.0", &json!({"lifecycle": "Retired"})),
                api("shop/chat:3.0", &json!({})),
                api("shop/chat-room:9.0", &json!({})),
                api("old/gone:1.0", &json!({"lifecycle": "Retired"})),
            ];
            Answer::json(&json!({"items": items, "next": null}).to_string())
        });
        let key = |text: &str| {
            reference(text).key(&node.client()).map(|key| key.to_string()).map_err(|it| it.into_message_and_code().0)
        };
        assert_eq!(key("chat:2.0").unwrap(), "default/chat:2.0");
        assert_eq!(key("chat-room").unwrap(), "shop/chat-room:9.0");
        assert_eq!(key("chat:1.0").unwrap(), "default/chat:1.0", "where there is no other, the retired one");
        assert_eq!(key("gone").unwrap(), "old/gone:1.0");
        let why = key("chat").unwrap_err();
        assert!(why.ends_with("name one of them:\n  default/chat:2.0\n  shop/chat:3.0"), "{why}");
        assert!(key("weather").unwrap_err().contains("there is no API `weather`\n"));
        assert!(key("chat-rom").unwrap_err().contains("there is no API `chat-rom`; did you mean `chat-room`?"));
        assert!(key("shop/caht").unwrap_err().contains("did you mean `shop/chat`?"));
        let asked = reference("shop/chat").key(&node.client()).map(drop);
        assert!(node.lines().last().unwrap().contains("/apis?q=chat&project=shop&limit="), "{asked:?}");
    }
}
