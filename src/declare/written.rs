//! The export: APIs as YAML documents, as the node holds them or would hold them. Fields have a fixed order, so that a file
//! changes only where the API did.

use jiff::Timestamp;
use serde::Serialize;

use super::document::{API_VERSION, Declared, Document, KIND};
use super::held::HeldApi;
use super::plan;
use crate::api::contract::NewContractRef;
use crate::api::request::OwnTargets;
use crate::api::view::Status;
use crate::api::{ApiKey, Definition, EnvironmentName, Lifecycle, Name, NewDefinition, TargetUrl};

/// A document of the export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    project: String,
    identifier: String,
    version: String,
    #[serde(flatten)]
    definition: NewDefinition,
    lifecycle: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sunset_at: Option<String>,
    deployments: Vec<WrittenDeployment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct WrittenDeployment {
    environment: String,
    /// Written only if something other than the current definition runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// Empty if the environment has no targets of its own, so that applying the export restores that, too.
    targets: Vec<String>,
    status: Status,
}

impl Written {
    /// An API as the node holds it.
    #[must_use]
    pub fn held(held: &HeldApi) -> Self {
        let definition = &held.api.definition;
        let deployments = deployments(held, definition);
        let mut written = Self::new(&held.key(), definition, held.api.lifecycle, deployments);
        written.of_state(held.api.display_name.as_ref(), held.api.deprecated_at, held.api.sunset_at);
        written
    }

    /// An API as the node would hold it after a document was applied; `None` if it would not exist. `environments` is their
    /// order.
    #[must_use]
    pub fn applied(document: &Document, held: Option<&HeldApi>, environments: &[EnvironmentName]) -> Option<Self> {
        let lifecycle = document.lifecycle.or(held.map(|held| held.api.lifecycle)).unwrap_or(Lifecycle::Created);
        if lifecycle == Lifecycle::Retired {
            return None;
        }
        let wanted = plan::definition(document, held);
        let mut deployments = held.map(|held| deployments(held, &wanted)).unwrap_or_default();
        for declared in &document.deployments {
            let name = declared.environment.as_str();
            match deployments.iter_mut().find(|it| it.environment == name) {
                Some(there) => there.become_declared(declared, held, &wanted),
                None => deployments.push(WrittenDeployment::new(declared, held, &wanted)),
            }
        }
        let order = |name: &str| environments.iter().position(|known| known.as_str() == name);
        deployments.sort_by_key(|it| order(&it.environment).unwrap_or(usize::MAX));
        let mut written = Self::new(&document.key, &wanted, lifecycle, deployments);
        let shown = document.display_name.as_ref().or(held.and_then(|held| held.api.display_name.as_ref()));
        let since = document.deprecated_at.or(held.and_then(|held| held.api.deprecated_at));
        written.of_state(shown, since, document.sunset_at.or(held.and_then(|held| held.api.sunset_at)));
        Some(written)
    }

    fn new(key: &ApiKey, definition: &Definition, lifecycle: Lifecycle, deployments: Vec<WrittenDeployment>) -> Self {
        Self {
            api_version: API_VERSION,
            kind: KIND,
            project: key.project.to_string(),
            identifier: key.identifier.to_string(),
            version: key.version.to_string(),
            definition: definition.into(),
            lifecycle: lifecycle.as_str(),
            display_name: None,
            deprecated_at: None,
            sunset_at: None,
            deployments,
        }
    }

    /// The file names of the export of this API, without an ending.
    #[must_use]
    pub fn file_stem(&self) -> String {
        format!("{}-{}-{}", self.project, self.identifier, self.version)
    }

    /// Has the document name its contract by a path in place of the digest.
    pub fn name_contract(&mut self, path: String) {
        if let Some(NewContractRef::Given(fields)) = &mut self.definition.contract {
            fields.digest = None;
            fields.path = Some(path);
        }
    }

    /// Sets the fields that only some states allow.
    fn of_state(
        &mut self,
        display_name: Option<&Name>,
        deprecated_at: Option<Timestamp>,
        sunset_at: Option<Timestamp>,
    ) {
        use Lifecycle::{Blocked, Deprecated, Published};
        if [Published, Deprecated, Blocked].iter().any(|state| state.as_str() == self.lifecycle) {
            self.display_name = display_name.map(ToString::to_string);
        }
        if self.lifecycle == Deprecated.as_str() {
            self.deprecated_at = deprecated_at.map(|at| at.to_string());
            self.sunset_at = sunset_at.map(|at| at.to_string());
        }
    }

    /// The document as YAML.
    ///
    /// # Errors
    /// The document cannot be serialised; checked values always can.
    pub fn yaml(&self) -> Result<String, String> {
        serde_saphyr::to_string(self).map_err(|error| error.to_string())
    }
}

impl WrittenDeployment {
    fn new(declared: &Declared, held: Option<&HeldApi>, wanted: &Definition) -> Self {
        let mut new = Self {
            environment: declared.environment.to_string(),
            revision: None,
            targets: Vec::new(),
            status: Status::Running,
        };
        new.become_declared(declared, held, wanted);
        new
    }

    fn become_declared(&mut self, declared: &Declared, held: Option<&HeldApi>, wanted: &Definition) {
        // A revision that equals the definition needs no number.
        let is_another = |number: &u64| held.and_then(|held| held.revisions.get(number)) != Some(wanted);
        self.revision = declared.revision.filter(is_another);
        match &declared.targets {
            OwnTargets::Keep => {}
            OwnTargets::Revisions => self.targets = Vec::new(),
            OwnTargets::These(targets) => self.targets = texts(targets),
        }
        self.status = declared.status.unwrap_or(self.status);
    }
}

/// The API's deployments; a revision's number is written if it differs from this definition.
fn deployments(held: &HeldApi, definition: &Definition) -> Vec<WrittenDeployment> {
    let written = held.api.deployments.iter().map(|it| WrittenDeployment {
        environment: it.environment.to_string(),
        revision: (held.revisions.get(&it.revision) != Some(definition)).then_some(it.revision),
        targets: it.targets.as_deref().map(texts).unwrap_or_default(),
        status: it.status,
    });
    written.collect()
}

fn texts(targets: &[TargetUrl]) -> Vec<String> {
    targets.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Written;
    use crate::declare::testing::{Shelf, apply, chat, documents, environments};
    use crate::declare::{diff, plan};

    fn exported(shelf: &mut Shelf) -> String {
        let held = shelf.held();
        let all: Vec<String> = held.apis.values().map(|api| Written::held(api).yaml().unwrap()).collect();
        all.join("---\n")
    }

    #[test]
    fn an_export_has_every_field_in_one_order() {
        let mut shelf = Shelf::with(&chat(
            "description: \"two\\nlines\"\nlifecycle: Deprecated\ndisplay_name: Our chat\nsunset_at: 2030-01-01T00:00:00Z\n\
             deployments:\n- environment: development\n- {environment: production, targets: [\"ws://p\"], status: stopped}\n",
        ));
        apply(&mut shelf, &chat("description: other\ndeployments:\n- environment: development\n")).unwrap();
        insta::assert_snapshot!(exported(&mut shelf));
    }

    #[test]
    fn a_diff_shows_what_would_change_and_nothing_else() {
        let mut shelf = Shelf::with(&chat("deployments:\n- environment: development\n- environment: production\n"));
        let both = "apiVersion: ringway/v1\nkind: Api\nname: Chat\nversion: 1.0\ntargets: [ws://b]\nlifecycle: Published\n\
                    deployments:\n- environment: development\n---\n\
                    apiVersion: ringway/v1\nkind: Api\nname: New\nversion: 2.0\ntargets: [ws://n]\n";
        insta::assert_snapshot!(diff::unified(&shelf.held(), &documents(both)).unwrap());
        assert_eq!(diff::unified(&shelf.held(), &chat("")).unwrap(), "");
    }

    /// Lines of a document, of what one may say.
    fn any_document() -> impl Strategy<Value = String> {
        let targets = prop::sample::select(vec!["[ws://a]", "[ws://b, ws://c]", "[\"wss://${HOST}\"]"]);
        let state = prop::sample::select(vec![
            "",
            "lifecycle: Created\n",
            "lifecycle: Pre-released\n",
            "lifecycle: Published\n",
            "lifecycle: Published\ndisplay_name: Shown\n",
            "lifecycle: Blocked\n",
            "lifecycle: Deprecated\n",
            "lifecycle: Deprecated\nsunset_at: 2030-01-01T00:00:00Z\n",
            "lifecycle: Deprecated\nsunset_at: 1969-11-01T00:00:00Z\ndeprecated_at: 1969-10-01T00:00:00Z\n",
            "lifecycle: Retired\n",
        ]);
        let more = prop::sample::select(vec![
            "",
            "description: d\n",
            "access: internal\n",
            "description: ''\naccess: external\n",
        ]);
        let own = prop::sample::select(vec!["", ", targets: []", ", targets: [\"ws://own\"]"]);
        let status = prop::sample::select(vec!["", ", status: stopped", ", status: running"]);
        let deployed = (any::<bool>(), own, status);
        let name = prop::sample::select(vec!["Chat", "Other", "chat"]);
        (name, targets, state, more, deployed.clone(), deployed).prop_map(|(name, targets, state, more, first, second)| {
            let mut text = format!(
                "apiVersion: ringway/v1\nkind: Api\nidentifier: {}\nname: {name}\nversion: 1.0\ntargets: {targets}\n{state}{more}",
                name.to_lowercase()
            );
            let mut deployments = String::new();
            for ((is_deployed, own, status), environment) in [first, second].into_iter().zip(environments()) {
                if is_deployed && !state.contains("Retired") {
                    deployments += &format!("- {{environment: {environment}{own}{status}}}\n");
                }
            }
            if !deployments.is_empty() {
                text += &format!("deployments:\n{deployments}");
            }
            text
        })
    }

    proptest! {
        /// Whatever was applied before: what an apply leads to is what the diff has shown, doing it again does nothing, and
        /// so does applying what is exported then.
        #[test]
        fn an_apply_leads_where_the_diff_says_and_its_export_is_nothing_to_do(
            texts in prop::collection::vec(any_document(), 1..6)
        ) {
            let mut shelf = Shelf::default();
            for text in texts {
                let wanted = documents(&text);
                let held = shelf.held();
                let there = held.apis.get(&wanted[0].key);
                let Ok(steps) = plan(&held, &wanted) else { continue };
                let shown = diff::unified(&held, &wanted).unwrap();
                prop_assert_eq!(steps.is_empty(), shown.is_empty(), "{} {:?}", shown, steps);
                let mut predicted = Written::applied(&wanted[0], there, &held.environments);
                apply(&mut shelf, &wanted).unwrap();
                let after = shelf.held();
                let mut is = after.apis.get(&wanted[0].key).map(Written::held);
                // Values that the node chooses if the document leaves them out.
                for written in [&mut predicted, &mut is].into_iter().flatten() {
                    if wanted[0].sunset_at.is_none() { written.sunset_at = None; }
                    if wanted[0].deprecated_at.is_none() { written.deprecated_at = None; }
                    if wanted[0].display_name.is_none() { written.display_name = None; }
                }
                prop_assert_eq!(&is, &predicted);
                prop_assert!(plan(&after, &wanted).unwrap().is_empty());
                let export = exported(&mut shelf);
                prop_assert!(plan(&after, &documents(&export)).unwrap().is_empty(), "{}", export);
                prop_assert_eq!(diff::unified(&after, &documents(&export)).unwrap(), "");
            }
        }
    }
}
