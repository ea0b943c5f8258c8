//! What has to be done for a node to hold what documents say: a pure function of the two.
//!
//! Steps come in the documents' order, and for each API in the order in which they are safe: its definition, its
//! deployments in the environments' order, its lifecycle. What is so already gets no step, so that a plan that was carried
//! out leaves none. A state that cannot be reached directly is reached through others, by the shortest way that the
//! lifecycle allows: Created -> Published -> Deprecated.

use std::collections::{BTreeMap, VecDeque};

use super::document::{Declared, Document};
use super::held::{Held, HeldApi};
use super::read::Fault;
use super::step::{Step, Why};
use crate::api::request::{NewApi, NewDefinition, NewDeployment, NewLifecycle, OwnTargets};
use crate::api::view::{Deployment, Status};
use crate::api::{Access, Definition, Description, Lifecycle, TargetUrl};

/// The steps from what is held to what is declared.
///
/// # Errors
/// Everything that cannot be done, with where it is asked for: then nothing should be.
pub fn plan(held: &Held, documents: &[Document]) -> Result<Vec<Step>, Vec<Fault>> {
    let mut planner = Planner { held, steps: Vec::new(), faults: Vec::new() };
    for document in documents {
        planner.document(document, held.apis.get(&document.key));
    }
    if planner.faults.is_empty() { Ok(planner.steps) } else { Err(planner.faults) }
}

struct Planner<'a> {
    held: &'a Held,
    steps: Vec<Step>,
    faults: Vec<Fault>,
}

impl Planner<'_> {
    fn document(&mut self, document: &Document, held: Option<&HeldApi>) {
        // What is retired is gone: there is nothing to be made of it, and nothing to be changed before.
        let is_to_retire = document.lifecycle == Some(Lifecycle::Retired);
        if is_to_retire && held.is_none() {
            return;
        }
        if !is_to_retire {
            self.definition(document, held);
            self.deployments(document, held);
        }
        self.lifecycle(document, held);
    }

    fn refuse(&mut self, document: &Document, field: &str, message: String) {
        self.faults.push(Fault { origin: document.origin.clone(), field: Some(field.to_owned()), message });
    }

    fn definition(&mut self, document: &Document, held: Option<&HeldApi>) {
        let key = document.key.clone();
        let wanted = definition(document, held);
        let Some(held) = held else {
            let new = NewApi {
                name: wanted.name.to_string(),
                version: key.version.to_string(),
                targets: texts(&wanted.targets),
                identifier: Some(key.identifier.to_string()),
                project: Some(key.project.to_string()),
                description: Some(wanted.description.to_string()),
                access: Some(wanted.access.as_str().to_owned()),
                kind: None,
            };
            self.steps.push(Step::Create(key, new));
            return;
        };
        let is = held.definition();
        let differs = [
            ("name", is.name != wanted.name),
            ("description", is.description != wanted.description),
            ("access", is.access != wanted.access),
            ("targets", is.targets != wanted.targets),
        ];
        let fields: Vec<&str> = differs.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect();
        if !fields.is_empty() {
            let new = NewDefinition {
                name: wanted.name.to_string(),
                targets: texts(&wanted.targets),
                description: Some(wanted.description.to_string()),
                access: Some(wanted.access.as_str().to_owned()),
                kind: None,
            };
            self.steps.push(Step::Update(key, new, fields));
        }
    }

    fn deployments(&mut self, document: &Document, held: Option<&HeldApi>) {
        let mut declared: Vec<(usize, &Declared)> = Vec::new();
        for deployment in &document.deployments {
            match self.held.environments.iter().position(|known| *known == deployment.environment) {
                Some(order) => declared.push((order, deployment)),
                None => {
                    let known: Vec<&str> = self.held.environments.iter().map(|known| known.as_str()).collect();
                    let name = &deployment.environment;
                    let why = format!("the node has no environment `{name}`; it has {}", known.join(", "));
                    self.refuse(document, "deployments", why);
                }
            }
        }
        declared.sort_by_key(|(order, _)| *order);
        for (_, declared) in declared {
            self.deployment(document, declared, held);
        }
    }

    fn deployment(&mut self, document: &Document, declared: &Declared, held: Option<&HeldApi>) {
        let latest = held.and_then(|held| held.api.latest_revision).unwrap_or(0);
        if let Some(revision) = declared.revision.filter(|revision| *revision > latest) {
            let has = if latest == 0 { "it has none yet".to_owned() } else { format!("its latest is {latest}") };
            let what = "without `revision` the definition of this document is deployed";
            let why = format!("there is no revision {revision} of {}: {has}; {what}", document.key);
            self.refuse(document, "deployments", why);
            return;
        }
        let running = held.and_then(|held| held.api.deployments.iter().find(|it| it.environment == declared.environment));
        let (key, environment) = (document.key.clone(), declared.environment.clone());
        if let Some(why) = why(document, declared, held, running) {
            let targets = match &declared.targets {
                OwnTargets::Keep => None,
                OwnTargets::Revisions => Some(Vec::new()),
                OwnTargets::These(targets) => Some(texts(targets)),
            };
            let new = NewDeployment { revision: declared.revision, targets };
            self.steps.push(Step::Deploy(key.clone(), environment.clone(), new, why));
        }
        let is = running.map_or(Status::Running, |running| running.status);
        match declared.status {
            Some(Status::Stopped) if is == Status::Running => self.steps.push(Step::Stop(key, environment)),
            Some(Status::Running) if is == Status::Stopped => self.steps.push(Step::Start(key, environment)),
            _ => {}
        }
    }

    fn lifecycle(&mut self, document: &Document, held: Option<&HeldApi>) {
        let Some(wanted) = document.lifecycle else { return };
        let is = held.map_or(Lifecycle::Created, |held| held.api.lifecycle);
        let Some(way) = way(is, wanted) else {
            self.refuse(document, "lifecycle", format!("there is no way from {is} to {wanted}"));
            return;
        };
        let shown = held.and_then(|held| held.api.display_name.as_ref());
        let is_shown_so = document.display_name.is_none() || document.display_name.as_ref() == shown;
        let ends_so = document.sunset_at.is_none() || document.sunset_at == held.and_then(|held| held.api.sunset_at);
        let is_published_on_the_way = way.contains(&Lifecycle::Published) || wanted == Lifecycle::Published;
        if !is_shown_so && !is_published_on_the_way {
            let why = format!("it cannot be changed while the API is {is}: it goes with publishing");
            self.refuse(document, "display_name", why);
            return;
        }
        // In the same state, but not as it should be.
        let again = way.is_empty()
            && match wanted {
                Lifecycle::Published => !is_shown_so,
                Lifecycle::Deprecated => !ends_so,
                _ => false,
            };
        let states = if again { vec![wanted] } else { way };
        for state in states {
            let display_name = document.display_name.as_ref().filter(|_| state == Lifecycle::Published);
            let sunset_at = document.sunset_at.filter(|_| state == Lifecycle::Deprecated);
            let new = NewLifecycle {
                state: state.to_string(),
                display_name: display_name.map(ToString::to_string),
                sunset_at: sunset_at.map(|at| at.to_string()),
                production_targets: None,
            };
            self.steps.push(Step::Lifecycle(document.key.clone(), new));
        }
    }
}

/// What the definition should be: the document's, and where it is silent what it is.
pub(super) fn definition(document: &Document, held: Option<&HeldApi>) -> Definition {
    let is = held.map(HeldApi::definition);
    let description = document.description.clone().or_else(|| is.as_ref().map(|is| is.description.clone()));
    Definition {
        name: document.name.clone(),
        description: description.unwrap_or_else(Description::default),
        access: document.access.or(is.map(|is| is.access)).unwrap_or_else(Access::default),
        targets: document.targets.clone(),
        kind: crate::api::Kind::WebSocket,
    }
}

/// Why something has to be deployed; nothing if it runs already.
fn why(
    document: &Document,
    declared: &Declared,
    held: Option<&HeldApi>,
    running: Option<&Deployment>,
) -> Option<Why> {
    let (Some(held), Some(running)) = (held, running) else { return Some(Why::Missing) };
    match declared.revision {
        Some(revision) if revision != running.revision => return Some(Why::Revision),
        Some(_) => {}
        None => {
            let wanted = definition(document, Some(held));
            if held.revisions.get(&running.revision) != Some(&wanted) {
                return Some(Why::Definition);
            }
        }
    }
    let is_so = match &declared.targets {
        OwnTargets::Keep => true,
        OwnTargets::Revisions => running.targets.is_none(),
        OwnTargets::These(targets) => running.targets.as_ref() == Some(targets),
    };
    (!is_so).then_some(Why::Targets)
}

/// The states to go through to get from one to another, the last one included: none if they are the same.
fn way(from: Lifecycle, to: Lifecycle) -> Option<Vec<Lifecycle>> {
    let mut before: BTreeMap<Lifecycle, Lifecycle> = BTreeMap::new();
    let mut waiting = VecDeque::from([from]);
    while let Some(state) = waiting.pop_front() {
        if state == to {
            let mut way = Vec::new();
            let mut at = to;
            while at != from {
                way.push(at);
                at = *before.get(&at)?;
            }
            way.reverse();
            return Some(way);
        }
        for next in state.allowed() {
            if *next != from && !before.contains_key(next) {
                before.insert(*next, state);
                waiting.push_back(*next);
            }
        }
    }
    None
}

fn texts(targets: &[TargetUrl]) -> Vec<String> {
    targets.iter().map(ToString::to_string).collect()
}
