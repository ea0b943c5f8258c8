//! YAML to documents: several in a file, every broken rule with its place. An unknown field is refused, and so is a
//! second document for an API.

mod raw;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_saphyr::{Location, Spanned};

use self::raw::{Raw, RawDeployment, item, place};
use super::document::{API_VERSION, Declared, Document, KIND, Origin};
use crate::api::request::{NewApi, NewDeployment, OwnTargets, moment};
use crate::api::view::Status;
use crate::api::{ApiKey, Definition, EnvironmentName, FieldError, Lifecycle, Name, Problems};

/// What is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub origin: Origin,
    /// In which field, if it is about one.
    pub field: Option<String>,
    /// What, and what to do.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Reads a file's text.
///
/// # Errors
/// That it is no YAML of this shape, and where; or every rule that is broken in it.
pub fn documents(file: &str, text: &str) -> Result<Vec<Document>, Vec<Fault>> {
    let raws = raw::documents(file, text).map_err(|fault| vec![fault])?;
    let mut reader = Reader { file, faults: Vec::new() };
    let documents: Vec<Document> = raws.iter().filter_map(|raw| reader.document(raw)).collect();
    if reader.faults.is_empty() { Ok(documents) } else { Err(reader.faults) }
}

/// Refuses two documents for one API, whatever files they are in.
///
/// # Errors
/// Each one that is not the first, with where the first is.
pub fn distinct(documents: &[Document]) -> Result<(), Vec<Fault>> {
    let mut first: BTreeMap<&ApiKey, &Origin> = BTreeMap::new();
    let mut faults = Vec::new();
    for Document { key, origin, .. } in documents {
        match first.get(key) {
            Some(other) => {
                let message = format!("{key} is declared at {other} already");
                faults.push(Fault { origin: origin.clone(), field: None, message });
            }
            None => drop(first.insert(key, origin)),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

struct Reader<'a> {
    file: &'a str,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn origin(&self, at: Location) -> Origin {
        Origin { file: self.file.to_owned(), line: at.line(), column: at.column() }
    }

    fn fault(&mut self, at: Location, field: &str, message: impl Into<String>) {
        let origin = self.origin(at);
        self.faults.push(Fault { origin, field: Some(field.to_owned()), message: message.into() });
    }

    /// A value that is checked, or nothing and a fault.
    fn keep<T, E: fmt::Display>(
        &mut self,
        text: &Spanned<String>,
        field: &str,
        check: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        check(&text.value).map_err(|error| self.fault(text.referenced, field, error.to_string())).ok()
    }

    /// The document, or nothing and at least one fault more.
    fn document(&mut self, spanned: &Spanned<Raw>) -> Option<Document> {
        let raw = &spanned.value;
        let before = self.faults.len();
        self.constant(&raw.api_version, "apiVersion", API_VERSION);
        self.constant(&raw.kind, "kind", KIND);
        let checked = self.definition(spanned);
        let lifecycle = raw.lifecycle.as_ref().and_then(|it| self.keep(it, "lifecycle", str::parse::<Lifecycle>));
        let display_name = raw.display_name.as_ref().and_then(|it| self.keep(it, "display_name", str::parse::<Name>));
        let sunset_at = raw.sunset_at.as_ref().and_then(|it| self.moment(it, "sunset_at"));
        let deprecated_at = raw.deprecated_at.as_ref().and_then(|it| self.moment(it, "deprecated_at"));
        self.only_with(raw, lifecycle);
        let deployments = self.deployments(raw.deployments.as_deref().unwrap_or_default());
        let (key, definition) = checked?;
        if self.faults.len() > before {
            return None;
        }
        Some(Document {
            origin: self.origin(spanned.referenced),
            key,
            name: definition.name,
            description: raw.description.is_some().then_some(definition.description),
            access: raw.access.is_some().then_some(definition.access),
            targets: definition.targets,
            lifecycle,
            display_name,
            sunset_at,
            deprecated_at,
            deployments,
        })
    }

    fn moment(&mut self, text: &Spanned<String>, field: &str) -> Option<Timestamp> {
        self.keep(text, field, |text| moment(text).map_err(|fault| fault.message))
    }

    fn constant(&mut self, text: &Spanned<String>, field: &str, expected: &str) {
        if text.value != expected {
            self.fault(text.referenced, field, format!("it must be `{expected}`"));
        }
    }

    /// Key and definition, by the rules of a new API.
    fn definition(&mut self, spanned: &Spanned<Raw>) -> Option<(ApiKey, Definition)> {
        let raw = &spanned.value;
        let text = |it: &Option<Spanned<String>>| it.as_ref().map(|it| it.value.clone());
        let new = NewApi {
            name: raw.name.value.clone(),
            version: raw.version.value.clone(),
            targets: texts(&raw.targets.value),
            identifier: text(&raw.identifier),
            project: text(&raw.project),
            description: text(&raw.description),
            access: text(&raw.access),
            kind: None,
        };
        new.check().map_err(|problems| self.broken(&problems, "", |field| place(spanned, field))).ok()
    }

    /// What goes with some states only.
    fn only_with(&mut self, raw: &Raw, lifecycle: Option<Lifecycle>) {
        use Lifecycle::{Blocked, Deprecated, Published, Retired};
        // A state that is none has been told already.
        if raw.lifecycle.is_some() && lifecycle.is_none() {
            return;
        }
        if let Some(it) = &raw.display_name
            && !matches!(lifecycle, Some(Published | Deprecated | Blocked))
        {
            self.fault(
                it.referenced,
                "display_name",
                "it goes with `lifecycle: Published`, `Deprecated` or `Blocked` only",
            );
        }
        for (it, field) in [(&raw.sunset_at, "sunset_at"), (&raw.deprecated_at, "deprecated_at")] {
            if let Some(it) = it
                && lifecycle != Some(Deprecated)
            {
                self.fault(it.referenced, field, "it goes with `lifecycle: Deprecated` only");
            }
        }
        if let Some(first) = raw.deployments.as_deref().and_then(<[_]>::first)
            && lifecycle == Some(Retired)
        {
            self.fault(first.referenced, "deployments", "what is `Retired` is deployed nowhere; leave them out");
        }
    }

    fn deployments(&mut self, raws: &[Spanned<RawDeployment>]) -> Vec<Declared> {
        let mut declared: Vec<Declared> = Vec::new();
        for (at, spanned) in raws.iter().enumerate() {
            let (here, raw) = (format!("deployments[{at}]"), &spanned.value);
            let name = self.keep(&raw.environment, &format!("{here}.environment"), str::parse::<EnvironmentName>);
            if name.as_ref().is_some_and(|name| declared.iter().any(|other| other.environment == *name)) {
                let why = "there is a deployment in it before this one";
                self.fault(raw.environment.referenced, &format!("{here}.environment"), why);
            }
            let revision = raw.revision.as_ref().map(|it| it.value);
            if let Some(it) = raw.revision.as_ref().filter(|it| it.value == 0) {
                self.fault(it.referenced, &format!("{here}.revision"), "revisions count from 1");
            }
            let status = raw.status.as_ref().and_then(|it| {
                self.keep(it, &format!("{here}.status"), |text| match text {
                    "running" => Ok(Status::Running),
                    "stopped" => Ok(Status::Stopped),
                    _ => Err("it must be `running` or `stopped`"),
                })
            });
            let targets = self.own_targets(raw.targets.as_ref(), &here);
            if let (Some(environment), Some(targets)) = (name, targets) {
                declared.push(Declared { environment, revision, targets, status });
            }
        }
        declared
    }

    fn own_targets(&mut self, raw: Option<&Spanned<Vec<Spanned<String>>>>, here: &str) -> Option<OwnTargets> {
        let Some(raw) = raw else { return Some(OwnTargets::Keep) };
        let new = NewDeployment { revision: None, targets: Some(texts(&raw.value)) };
        let checked = new.own_targets();
        let place = |field: &str| item(&raw.value, field, "targets").unwrap_or(raw.referenced);
        checked.map_err(|problems| self.broken(&problems, &format!("{here}."), place)).ok()
    }

    /// Rules that fields break, each at its field's place.
    fn broken(&mut self, problems: &Problems, below: &str, place: impl Fn(&str) -> Location) {
        for FieldError { field, message, .. } in &problems.errors {
            self.fault(place(field), &format!("{below}{field}"), message.clone());
        }
    }
}

fn texts(items: &[Spanned<String>]) -> Vec<String> {
    items.iter().map(|item| item.value.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::{distinct, documents};
    use crate::api::request::OwnTargets;
    use crate::api::view::Status;
    use crate::api::{Access, Lifecycle};

    /// What is told of a text.
    fn faults(text: &str) -> Vec<String> {
        documents("f.yaml", text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    const HEAD: &str = "apiVersion: ringway/v1\nkind: Api\nname: Chat App\nversion: 1.10\ntargets: [ws://a]\n";

    #[test]
    fn a_document_is_read_whole() {
        let text = "apiVersion: ringway/v1\nkind: Api\nproject: shop\nname: Chat App\nidentifier: chat\nversion: \"2.1\"\n\
                    description: what it is\naccess: internal\ntargets:\n- ws://a:1/x\n- wss://${HOST}\nlifecycle: Deprecated\n\
                    display_name: Chat\nsunset_at: 2030-01-01T00:00:00Z\ndeployments:\n- environment: development\n\
                    - environment: production\n  revision: 3\n  targets: []\n  status: stopped\n";
        let read = documents("f.yaml", text).unwrap();
        let [document] = read.as_slice() else { panic!("{read:?}") };
        assert_eq!(document.key.to_string(), "shop/chat:2.1");
        assert_eq!(document.origin.to_string(), "f.yaml:1:1");
        assert_eq!(document.access, Some(Access::Internal));
        assert_eq!(document.lifecycle, Some(Lifecycle::Deprecated));
        assert_eq!(document.sunset_at.unwrap().to_string(), "2030-01-01T00:00:00Z");
        let [development, production] = document.deployments.as_slice() else { panic!("{document:?}") };
        assert_eq!((&development.targets, development.status), (&OwnTargets::Keep, None));
        assert_eq!((&production.targets, production.status), (&OwnTargets::Revisions, Some(Status::Stopped)));
        assert_eq!(production.revision, Some(3));
    }

    #[test]
    fn what_is_left_out_is_left_open_and_a_version_without_quotes_is_itself() {
        let read =
            documents("f.yaml", &format!("# first\n---\n{HEAD}---\n{HEAD}project: other\n---\n# last\n")).unwrap();
        let keys: Vec<String> = read.iter().map(|document| document.key.to_string()).collect();
        assert_eq!(keys, ["default/chat-app:1.10", "other/chat-app:1.10"]);
        assert_eq!((read[0].origin.line, read[1].origin.line), (3, 9));
        assert_eq!((&read[0].description, read[0].access, read[0].lifecycle), (&None, None, None));
        assert_eq!(documents("f.yaml", "").unwrap(), []);
    }

    #[test]
    fn every_broken_rule_is_told_with_its_place() {
        let text = "apiVersion: v1\nkind: Pod\nproject: Bad\nname: a/b\nidentifier: '-'\nversion: one\ntargets:\n- ws://a\n- ftp://b\n\
                    access: both\nlifecycle: published\nsunset_at: soon\ndeployments:\n- environment: a\n  targets: [ws://x, http://]\n\
                    - environment: a\n  revision: 0\n  status: on\n";
        let told = faults(text);
        for expected in [
            "f.yaml:1:13: apiVersion: it must be `ringway/v1`",
            "f.yaml:2:7: kind: it must be `Api`",
            "f.yaml:3:10: project: ",
            "f.yaml:4:7: name: ",
            "f.yaml:5:13: identifier: ",
            "f.yaml:6:10: version: it must be `major.minor`",
            "f.yaml:9:3: targets[1]: it must begin with ws://",
            "f.yaml:10:9: access: it must be `external` or `internal`",
            "f.yaml:11:12: lifecycle: it must be one of `Created`",
            "f.yaml:12:12: sunset_at: it must be a time",
            "f.yaml:15:21: deployments[0].targets[1]: ",
            "f.yaml:17:13: deployments[1].revision: revisions count from 1",
            "f.yaml:18:11: deployments[1].status: it must be `running` or `stopped`",
        ] {
            assert!(told.iter().any(|line| line.starts_with(expected)), "{expected}: {told:#?}");
        }
        assert_eq!(told.len(), 13, "{told:#?}");
    }

    #[test]
    fn what_is_no_document_is_told_with_its_place_and_nothing_that_may_be_secret() {
        let long = format!("{HEAD}targets: ws://me:hunter2@a\n");
        for (text, expected) in [
            (format!("{HEAD}tragets: []\n"), "f.yaml:6:1: unknown field `tragets`, expected one of apiVersion"),
            (format!("{HEAD}name: Chat\n"), "f.yaml:6:1: name: duplicate mapping key: name"),
            (format!("{HEAD}deployments:\n- environmnt: a\n"), "f.yaml:7:3: unknown field `environmnt`"),
            (format!("{HEAD}deployments: [a]\n"), "f.yaml:6:15: deployments: fields (`name: value`) are expected here"),
            (format!("{HEAD}---\n{HEAD}deployments:\n- targets: a:b@c\n"), "f.yaml:13:"),
            ("kind: Api\ntargets: ws://me:hunter2@a\n".into(), "f.yaml:2:10: targets: a list is expected here"),
            ("kind: [a]\n".into(), "f.yaml:1:7: kind: a text is expected here"),
            ("kind: ~\n".into(), "f.yaml:1:7: kind: it is empty"),
            ("kind: Api\n".into(), "f.yaml:1:1: kind: missing field `apiVersion`"),
            ("- a\n".into(), "f.yaml:1:1: fields (`name: value`) are expected here"),
            ("a: b: c\n".into(), "f.yaml:1:"),
            ("kind: \"Api\n".into(), "f.yaml:2:1: "),
            (long, "f.yaml:6:1: targets: duplicate mapping key"),
        ] {
            let told = faults(&text);
            assert!(told.len() == 1 && told[0].starts_with(expected), "{expected}: {told:?}");
            assert!(!told[0].contains("hunter2") && !told[0].contains(" at line "), "{told:?}");
        }
    }

    #[test]
    fn what_a_state_does_not_have_is_refused() {
        for (lines, expected) in [
            ("display_name: Chat\n", "f.yaml:6:15: display_name: it goes with `lifecycle: Published`"),
            ("display_name: Chat\nlifecycle: Created\n", "f.yaml:6:15: display_name: it goes with"),
            ("sunset_at: 2030-01-01T00:00:00Z\nlifecycle: Published\n", "f.yaml:6:12: sunset_at: it goes with"),
            ("deprecated_at: 2020-01-01T00:00:00Z\nlifecycle: Blocked\n", "f.yaml:6:16: deprecated_at: it goes with"),
            ("deprecated_at: then\nlifecycle: Deprecated\n", "f.yaml:6:16: deprecated_at: it must be a time"),
            ("lifecycle: Retired\ndeployments:\n- environment: a\n", "f.yaml:8:3: deployments: what is `Retired`"),
            ("deployments:\n- environment: a\n- environment: a\n", "f.yaml:8:16: deployments[1].environment: there is"),
        ] {
            let told = faults(&format!("{HEAD}{lines}"));
            assert!(told.len() == 1 && told[0].starts_with(expected), "{expected}: {told:?}");
        }
        for lines in ["display_name: C\nlifecycle: Blocked\n", "lifecycle: Retired\ndeployments: []\n"] {
            assert!(documents("f.yaml", &format!("{HEAD}{lines}")).is_ok(), "{lines}");
        }
    }

    #[test]
    fn two_documents_for_an_api_are_refused_with_both_places() {
        let mut all = documents("a.yaml", HEAD).unwrap();
        all.extend(
            documents(
                "b.yaml",
                &format!("{HEAD}---\n{HEAD}version: 2.0\n")
                    .replace("version: 1.10\ntargets: [ws://a]\nversion", "targets: [ws://a]\nversion"),
            )
            .unwrap(),
        );
        let told: Vec<String> = distinct(&all).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["b.yaml:1:1: default/chat-app:1.10 is declared at a.yaml:1:1 already"]);
    }

    #[test]
    fn aliases_that_grow_are_refused() {
        let mut text = "a: &a [x]\n".to_owned();
        for (at, before) in ('b'..='z').zip('a'..) {
            let ten = vec![format!("*{before}"); 10].join(",");
            text += &format!("{at}: &{at} [{ten}]\n");
        }
        assert_eq!(documents("f.yaml", &text).unwrap_err().len(), 1);
    }
}
