//! The steps that make a node hold what documents say: a pure function of the two.
//!
//! Steps come in the documents' order, and for each API in the order in which they are safe: its definition, its
//! deployments in the environments' order, its lifecycle. What is so already gets no step, so that a plan that was carried
//! out leaves none. A state that cannot be reached directly is reached through others, by the shortest way that the
//! lifecycle allows: Created -> Published -> Deprecated. What should be stopped is deployed as stopped.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::document::{Declared, Document};
use super::held::{Held, HeldApi};
use super::read::Fault;
use super::step::{Step, Why};
use crate::api::request::{NewLifecycle, OwnTargets};
use crate::api::view::{Deployment, Status};
use crate::api::{Change, Definition, EnvironmentName, Lifecycle, nearest};

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

    fn step(&mut self, document: &Document, change: Change, why: Why) {
        self.steps.push(Step { api: document.key.clone(), change, why });
    }

    fn definition(&mut self, document: &Document, held: Option<&HeldApi>) {
        let (api, wanted) = (document.key.clone(), definition(document, held));
        let Some(held) = held else {
            self.step(document, Change::CreateApi { api, definition: wanted }, Why::Missing);
            return;
        };
        let fields = held.api.definition.differences(&wanted);
        if !fields.is_empty() {
            self.step(document, Change::PutApi { api, definition: wanted }, Why::Fields(fields));
        }
    }

    fn deployments(&mut self, document: &Document, held: Option<&HeldApi>) {
        let mut declared: Vec<(usize, &Declared)> = Vec::new();
        for deployment in &document.deployments {
            match self.held.environments.iter().position(|known| *known == deployment.environment) {
                Some(order) => declared.push((order, deployment)),
                None => {
                    let known: Vec<&str> = self.held.environments.iter().map(EnvironmentName::as_str).collect();
                    let name = &deployment.environment;
                    let meant = nearest(name.as_str(), known.iter().copied());
                    let meant = meant.map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default();
                    let why = format!("the node has no environment `{name}`{meant}; it has {}", known.join(", "));
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
        let running =
            held.and_then(|held| held.api.deployments.iter().find(|it| it.environment == declared.environment));
        let (api, environment) = (document.key.clone(), declared.environment.to_string());
        let is = running.map_or(Status::Running, |running| running.status);
        let status = declared.status.unwrap_or(is);
        if let Some(why) = why(document, declared, held, running) {
            let (revision, targets) = (declared.revision, declared.targets.clone());
            self.step(document, Change::Deploy { api, environment, revision, targets, status }, why);
        } else if status != is {
            let change = match status {
                Status::Running => Change::Start { api, environment },
                Status::Stopped => Change::Stop { api, environment },
            };
            self.step(document, change, Why::State);
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
        let is_or_left_out = |given: Option<Timestamp>, of: fn(&HeldApi) -> Option<Timestamp>| {
            given.is_none() || given == held.and_then(of)
        };
        let ends_so = is_or_left_out(document.sunset_at, |held| held.api.sunset_at)
            && is_or_left_out(document.deprecated_at, |held| held.api.deprecated_at);
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
            let deprecated = |at: Option<Timestamp>| at.filter(|_| state == Lifecycle::Deprecated);
            let (sunset_at, deprecated_at) = (deprecated(document.sunset_at), deprecated(document.deprecated_at));
            let new = NewLifecycle {
                state: state.to_string(),
                display_name: display_name.map(ToString::to_string),
                sunset_at: sunset_at.map(|at| at.to_string()),
                deprecated_at: deprecated_at.map(|at| at.to_string()),
                production_targets: None,
            };
            let change = Change::SetLifecycle { api: document.key.clone(), lifecycle: new };
            self.step(document, change, Why::State);
        }
    }
}

/// The definition that a document asks for: its fields, and for those it leaves out the held ones.
pub(super) fn definition(document: &Document, held: Option<&HeldApi>) -> Definition {
    let mut wanted = document.definition.clone();
    if let Some(held) = held {
        wanted.fill(&document.given, &held.api.definition);
    }
    wanted
}

/// Why something has to be deployed; nothing if it runs already.
fn why(document: &Document, declared: &Declared, held: Option<&HeldApi>, running: Option<&Deployment>) -> Option<Why> {
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

#[cfg(test)]
mod tests {
    use super::{plan, way};
    use crate::api::Lifecycle;
    use crate::declare::Document;
    use crate::declare::testing::{Shelf, apply, chat, documents};

    fn told(shelf: &mut Shelf, documents: &[Document]) -> Vec<String> {
        let steps = plan(&shelf.held(), documents).unwrap();
        steps.iter().map(ToString::to_string).collect()
    }

    fn refused(shelf: &mut Shelf, documents: &[Document]) -> Vec<String> {
        plan(&shelf.held(), documents).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_api_is_made_deployed_in_the_environments_order_and_published_last() {
        let wanted = chat(
            "lifecycle: Published\ndisplay_name: Our chat\ndeployments:\n- {environment: production, targets: [\"ws://p\"]}\n\
             - {environment: development, status: stopped}\n",
        );
        let expected = [
            "create default/chat:1.0",
            "deploy default/chat:1.0 in development, stopped",
            "deploy default/chat:1.0 in production",
            "lifecycle of default/chat:1.0: Published, displayed as Our chat",
        ];
        assert_eq!(told(&mut Shelf::default(), &wanted), expected);
        assert!(told(&mut Shelf::with(&wanted), &wanted).is_empty(), "what was applied leaves no step");
    }

    #[test]
    fn what_is_left_out_stays_as_it_is() {
        let mut shelf = Shelf::with(&chat(
            "description: old\naccess: internal\nlifecycle: Published\ndeployments:\n\
             - {environment: development, targets: [\"ws://d\"], status: stopped}\n- environment: production\n",
        ));
        assert!(told(&mut shelf, &chat("")).is_empty());
        assert!(told(&mut shelf, &chat("deployments:\n- environment: development\n")).is_empty());
        let expected = ["update default/chat:1.0: description, access"];
        assert_eq!(told(&mut shelf, &chat("description: new\naccess: external\n")), expected);
    }

    #[test]
    fn a_changed_definition_is_deployed_where_the_document_says_and_nowhere_else() {
        let both = "deployments:\n- environment: development\n- environment: production\n";
        let mut shelf = Shelf::with(&chat(both));
        let changed = |lines: &str| {
            let text = "apiVersion: ringway/v1\nkind: Api\nname: Chat\nversion: 1.0\ntargets: [\"ws://b\"]\n";
            documents(&format!("{text}{lines}"))
        };
        let development = "deployments:\n- environment: development\n";
        let expected =
            ["update default/chat:1.0: targets", "deploy default/chat:1.0 in development: the definition as it is now"];
        assert_eq!(told(&mut shelf, &changed(development)), expected);
        apply(&mut shelf, &changed(development)).unwrap();
        assert!(told(&mut shelf, &changed(development)).is_empty());
        let expected = ["deploy default/chat:1.0 in production: the definition as it is now"];
        assert_eq!(told(&mut shelf, &changed(both)), expected);
        let kept = "deployments:\n- {environment: production, revision: 1}\n";
        assert!(told(&mut shelf, &changed(kept)).is_empty(), "the revision that runs there was asked for");
        let back = "deployments:\n- {environment: development, revision: 1}\n";
        assert_eq!(told(&mut shelf, &changed(back)), ["deploy default/chat:1.0 in development: revision 1"]);
    }

    #[test]
    fn an_environments_own_targets_are_kept_given_and_taken_away() {
        let deployed = |targets: &str| chat(&format!("deployments:\n- {{environment: production{targets}}}\n"));
        let mut shelf = Shelf::with(&deployed(", targets: [\"ws://p\"]"));
        assert!(told(&mut shelf, &deployed("")).is_empty());
        let expected = ["deploy default/chat:1.0 in production: the environment's own targets"];
        assert_eq!(told(&mut shelf, &deployed(", targets: [\"ws://q\"]")), expected);
        assert_eq!(told(&mut shelf, &deployed(", targets: []")), expected);
        assert!(told(&mut Shelf::with(&deployed("")), &deployed(", targets: []")).is_empty());
    }

    #[test]
    fn a_stopped_deployment_that_is_deployed_again_stays_stopped() {
        let deployed = |more: &str| chat(&format!("deployments:\n- {{environment: production{more}}}\n"));
        let mut shelf = Shelf::with(&deployed(", status: stopped"));
        assert_eq!(told(&mut shelf, &deployed(", status: running")), ["start default/chat:1.0 in production"]);
        let own = "deploy default/chat:1.0 in production: the environment's own targets";
        assert_eq!(told(&mut shelf, &deployed(", targets: [\"ws://p\"]")), [format!("{own}, stopped")]);
        assert_eq!(told(&mut shelf, &deployed(", targets: [\"ws://p\"], status: running")), [own]);
    }

    #[test]
    fn a_state_is_reached_by_the_shortest_way_that_is_allowed() {
        let text = |from: Lifecycle, to| match way(from, to) {
            Some(way) if way.is_empty() => "nothing to do".to_owned(),
            Some(way) => way.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(" > "),
            None => "no way".to_owned(),
        };
        let all: Vec<String> = Lifecycle::ALL
            .iter()
            .flat_map(|from| Lifecycle::ALL.map(|to| format!("{from} to {to}: {}", text(*from, to))))
            .collect();
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_display_name_and_an_end_change_where_their_state_is() {
        let mut shelf = Shelf::with(&chat("lifecycle: Published\n"));
        let named = chat("lifecycle: Published\ndisplay_name: Other\n");
        assert_eq!(told(&mut shelf, &named), ["lifecycle of default/chat:1.0: Published, displayed as Other"]);
        let over = chat("lifecycle: Deprecated\nsunset_at: 2030-01-01T00:00:00Z\n");
        let ends = ["lifecycle of default/chat:1.0: Deprecated, ends 2030-01-01T00:00:00Z"];
        assert_eq!(told(&mut shelf, &over), ends);
        let mut shelf = Shelf::with(&chat("lifecycle: Deprecated\n"));
        assert_eq!(told(&mut shelf, &over), ends);
        let refused = refused(&mut shelf, &chat("lifecycle: Deprecated\ndisplay_name: Other\n"));
        assert!(refused[0].contains("display_name: it cannot be changed while the API is Deprecated"), "{refused:?}");
    }

    #[test]
    fn what_is_to_be_retired_is_retired_and_what_is_not_there_stays_away() {
        let retired = chat("lifecycle: Retired\n");
        assert!(told(&mut Shelf::default(), &retired).is_empty());
        let mut shelf = Shelf::with(&chat("lifecycle: Published\ndeployments:\n- environment: production\n"));
        let expected = ["lifecycle of default/chat:1.0: Deprecated", "lifecycle of default/chat:1.0: Retired"];
        assert_eq!(told(&mut shelf, &retired), expected);
        apply(&mut shelf, &retired).unwrap();
        assert!(told(&mut shelf, &retired).is_empty());
        assert_eq!(told(&mut shelf, &chat("")), ["create default/chat:1.0"], "its key is free");
    }

    #[test]
    fn what_cannot_be_done_is_told_before_anything_is() {
        let deployed = |more: &str| chat(&format!("deployments:\n- {{environment: {more}}}\n"));
        let mut shelf = Shelf::default();
        let told = refused(&mut shelf, &deployed("staging"));
        let expected = "f.yaml:1:1: deployments: the node has no environment `staging`; it has development, production";
        assert_eq!(told, [expected]);
        let told = refused(&mut shelf, &deployed("production, revision: 2"));
        assert!(told[0].contains("there is no revision 2 of default/chat:1.0: it has none yet"), "{told:?}");
        let told = refused(&mut Shelf::with(&deployed("production")), &deployed("production, revision: 2"));
        assert!(told[0].contains("its latest is 1"), "{told:?}");
    }
}
