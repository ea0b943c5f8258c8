//! A node in memory, by the rules of the real one as far as documents meet them; and documents of a few words.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::document::Document;
use super::held::{self, Held};
use super::node::Node;
use super::read;
use crate::api::request::{NewLifecycle, OwnTargets};
use crate::api::view::{Deployment, Status};
use crate::api::{Api, ApiKey, Change, Definition, EnvironmentName, Lifecycle, Problems};

/// Documents of a text that is right.
pub(crate) fn documents(text: &str) -> Vec<Document> {
    read::documents("f.yaml", text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// A document of `Chat 1.0` with these lines besides.
pub(crate) fn chat(lines: &str) -> Vec<Document> {
    documents(&format!("apiVersion: ringway/v1\nkind: Api\nname: Chat\nversion: 1.0\ntargets: [\"ws://a\"]\n{lines}"))
}

/// Makes a node hold what documents say.
pub(crate) fn apply(shelf: &mut Shelf, documents: &[Document]) -> Result<(), Problems> {
    let steps = super::plan(&shelf.held(), documents).unwrap_or_else(|faults| panic!("{faults:?}"));
    steps.iter().try_for_each(|step| shelf.make(&step.change))
}

/// A node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) apis: BTreeMap<ApiKey, (Api, Vec<Definition>)>,
}

impl Shelf {
    /// All that it holds.
    pub(crate) fn held(&mut self) -> Held {
        super::node::held(self, None).unwrap()
    }

    /// One after these documents were applied.
    pub(crate) fn with(documents: &[Document]) -> Self {
        let mut shelf = Self::default();
        apply(&mut shelf, documents).unwrap();
        shelf
    }

    fn make(&mut self, change: &Change) -> Result<(), Problems> {
        match change {
            Change::CreateApi { api, definition } => self.created(api, definition.clone()),
            Change::PutApi { api, definition } => {
                self.apis.get_mut(api).unwrap().0.definition = definition.clone();
            }
            Change::Deploy { api, environment, revision, targets, status } => {
                self.deploy(api, environment, *revision, targets);
                self.status(api, environment, *status);
            }
            Change::Stop { api, environment } => self.status(api, environment, Status::Stopped),
            Change::Start { api, environment } => self.status(api, environment, Status::Running),
            Change::SetLifecycle { api, lifecycle } => return self.lifecycle(api, lifecycle),
            other => panic!("documents do not ask for {other:?}"),
        }
        Ok(())
    }

    fn created(&mut self, key: &ApiKey, definition: Definition) {
        let api = Api {
            id: 1,
            project: key.project.clone(),
            identifier: key.identifier.clone(),
            version: key.version,
            definition,
            display_name: None,
            base_path: key.base_path(),
            lifecycle: Lifecycle::Created,
            deprecated_at: None,
            sunset_at: None,
            created_at: Timestamp::UNIX_EPOCH,
            created_by: "me".to_owned(),
            updated_at: Timestamp::UNIX_EPOCH,
            updated_by: "me".to_owned(),
            latest_revision: None,
            deployments: Vec::new(),
        };
        let before = self.apis.insert(key.clone(), (api, Vec::new()));
        assert!(before.is_none_or(|(api, _)| !held::counts(&api)), "{key} is there");
    }

    fn deploy(&mut self, key: &ApiKey, environment: &str, revision: Option<u64>, own: &OwnTargets) {
        let (api, revisions) = self.apis.get_mut(key).unwrap();
        assert_ne!(api.lifecycle, Lifecycle::Retired);
        let definition = api.definition.clone();
        let revision = revision.unwrap_or_else(|| {
            if revisions.last() != Some(&definition) {
                revisions.push(definition);
            }
            revisions.len() as u64
        });
        let kept = &revisions[usize::try_from(revision - 1).unwrap()];
        api.latest_revision = Some(revisions.len() as u64);
        let there = api.deployments.iter().find(|it| it.environment.as_str() == environment).cloned();
        let targets = match own {
            OwnTargets::Keep => there.and_then(|it| it.targets),
            OwnTargets::Revisions => None,
            OwnTargets::These(targets) => Some(targets.clone()),
        };
        api.deployments.retain(|it| it.environment.as_str() != environment);
        api.deployments.push(Deployment {
            environment: environment.parse().unwrap(),
            revision,
            effective_targets: targets.clone().unwrap_or_else(|| kept.targets.clone()),
            targets,
            status: Status::Running,
            deployed_at: Timestamp::UNIX_EPOCH,
            deployed_by: "me".to_owned(),
            url: None,
            endpoints: None,
            channels: None,
        });
        api.deployments.sort_by_key(|it| environments().iter().position(|known| *known == it.environment));
    }

    fn status(&mut self, key: &ApiKey, environment: &str, status: Status) {
        let (api, _) = self.apis.get_mut(key).unwrap();
        api.deployments.iter_mut().find(|it| it.environment.as_str() == environment).unwrap().status = status;
    }

    fn lifecycle(&mut self, key: &ApiKey, new: &NewLifecycle) -> Result<(), Problems> {
        let (api, _) = self.apis.get_mut(key).unwrap();
        let change = new.check(Timestamp::UNIX_EPOCH, api.sunset_at)?;
        assert!(
            api.lifecycle == change.state || api.lifecycle.may_become(change.state),
            "{} to {new:?}",
            api.lifecycle
        );
        api.lifecycle = change.state;
        match change.state {
            Lifecycle::Published => {
                let shown = api.display_name.take().unwrap_or_else(|| api.definition.name.clone());
                api.display_name = Some(change.display_name.unwrap_or(shown));
                (api.deprecated_at, api.sunset_at) = (None, None);
            }
            Lifecycle::Deprecated => {
                api.deprecated_at = Some(change.deprecated_at.or(api.deprecated_at).unwrap_or(Timestamp::UNIX_EPOCH));
                api.sunset_at = Some(change.sunset_at.unwrap_or_else(|| "2999-12-31T00:00:00Z".parse().unwrap()));
            }
            Lifecycle::Retired => api.deployments.clear(),
            _ => {}
        }
        Ok(())
    }
}

pub(crate) fn environments() -> Vec<EnvironmentName> {
    ["development", "production"].map(|name| name.parse().unwrap()).to_vec()
}

impl Node for Shelf {
    type Error = Problems;

    fn environments(&mut self) -> Result<Vec<EnvironmentName>, Problems> {
        Ok(environments())
    }

    fn apis(&mut self) -> Result<Vec<Api>, Problems> {
        Ok(self.apis.values().map(|(api, _)| api.clone()).collect())
    }

    fn revision(&mut self, key: &ApiKey, number: u64) -> Result<Definition, Problems> {
        Ok(self.apis[key].1[usize::try_from(number - 1).unwrap()].clone())
    }
}
