//! The difference of two models of one API in their meaning: routes, parameters, messages and schemas, and for whom each
//! change breaks something.
//!
//! In: the model before and the model after. Out: [`Change`]s. A change breaks for clients if one that keeps to the contract
//! before sends what is no longer allowed, or gets what it cannot know; for the upstream likewise. Texts for people (titles,
//! descriptions, examples) make no difference.

mod change;
pub mod schema;

use std::collections::{BTreeSet, HashMap};

use super::model::{Direction, Message, Model, Parameter, Route};
use super::problem::quoted;
pub use change::{Change, Changes, Effect, Kind, MAX_CHANGES, Party, Position, Subject};

/// Two models, compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// The changes.
    pub changes: Vec<Change>,
    /// True if nothing was left uncompared: the work and the number of changes are bounded.
    pub is_whole: bool,
}

/// The changes from one model to another, in the order of the routes before and then of those that were added.
#[must_use]
pub fn diff(before: &Model, after: &Model) -> Vec<Change> {
    compare(before, after).changes
}

/// Compares two models.
#[must_use]
pub fn compare(before: &Model, after: &Model) -> Compared {
    let mut changes = Changes::default();
    let mut work = schema::Work::default();
    let later: HashMap<&str, &Route> = after.routes.iter().map(|route| (route.path.as_str(), route)).collect();
    let earlier: HashMap<&str, &Route> = before.routes.iter().map(|route| (route.path.as_str(), route)).collect();
    let route = |kind, path: &str, breaks: &[Party]| Change {
        subject: Subject::Route,
        kind,
        place: format!("route {}", quoted(path)),
        position: Position::route(path),
        detail: None,
        breaks: breaks.iter().copied().collect(),
    };
    for one in &before.routes {
        match later.get(one.path.as_str()) {
            Some(other) => {
                parameters(&mut changes, one, other);
                messages(&mut changes, &mut work, (before, one), (after, other));
            }
            None => changes.add(route(Kind::Removed, &one.path, &[Party::Clients])),
        }
    }
    for one in after.routes.iter().filter(|one| !earlier.contains_key(one.path.as_str())) {
        changes.add(route(Kind::Added, &one.path, &[Party::Upstream]));
    }
    security(&mut changes, before, after);
    let is_whole = changes.len() < MAX_CHANGES && !work.is_done();
    Compared { changes: changes.0, is_whole }
}

fn parameters(changes: &mut Changes, before: &Route, after: &Route) {
    let parts = [
        ("parameter", &before.parameters, &after.parameters),
        ("query parameter", &before.query, &after.query),
        ("header", &before.headers, &after.headers),
    ];
    for (word, one, other) in parts {
        let place = |name: &str| format!("route {}, {word} {}", quoted(&before.path), quoted(name));
        let change = |kind, name: &str, detail, effect: Effect| Change {
            subject: Subject::Parameter,
            kind,
            place: place(name),
            position: Position::route(&before.path),
            detail,
            breaks: effect.breaks(Direction::ClientSends),
        };
        for parameter in one {
            match other.iter().find(|later| later.name == parameter.name) {
                Some(later) => {
                    for (detail, effect) in parameter_changes(parameter, later) {
                        changes.add(change(Kind::Changed, &parameter.name, Some(detail), effect));
                    }
                }
                None => changes.add(change(Kind::Removed, &parameter.name, None, Effect::Neutral)),
            }
        }
        for parameter in other.iter().filter(|later| !one.iter().any(|parameter| parameter.name == later.name)) {
            let (detail, effect) = match parameter.is_required {
                true => (Some("it is required".to_owned()), Effect::Narrower),
                false => (None, Effect::Neutral),
            };
            changes.add(change(Kind::Added, &parameter.name, detail, effect));
        }
    }
}

fn parameter_changes(before: &Parameter, after: &Parameter) -> Vec<(String, Effect)> {
    let mut found = Vec::new();
    match (before.is_required, after.is_required) {
        (false, true) => found.push(("it is required now".to_owned(), Effect::Narrower)),
        (true, false) => found.push(("it is optional now".to_owned(), Effect::Wider)),
        (true, true) | (false, false) => {}
    }
    if before.allowed != after.allowed {
        let (one, other): (BTreeSet<&String>, BTreeSet<&String>) =
            (before.allowed.iter().collect(), after.allowed.iter().collect());
        // No list allows everything.
        let effect = match (one.is_empty(), other.is_empty()) {
            (true, _) => Effect::Narrower,
            (_, true) => Effect::Wider,
            _ if one == other => Effect::Neutral,
            _ if one.is_subset(&other) => Effect::Wider,
            _ if other.is_subset(&one) => Effect::Narrower,
            _ => Effect::Other,
        };
        if effect != Effect::Neutral {
            found.push(("its values changed".to_owned(), effect));
        }
    }
    if before.pattern != after.pattern {
        let effect = match (&before.pattern, &after.pattern) {
            (None, _) => Effect::Narrower,
            (_, None) => Effect::Wider,
            (Some(_), Some(_)) => Effect::Other,
        };
        found.push(("its pattern changed".to_owned(), effect));
    }
    if before.kind != after.kind {
        found.push(("its type changed".to_owned(), Effect::Other));
    }
    found
}

fn messages(changes: &mut Changes, work: &mut schema::Work, before: (&Model, &Route), after: (&Model, &Route)) {
    for direction in [Direction::ClientSends, Direction::ClientReceives] {
        let (one, other) = (of_direction(before, direction), of_direction(after, direction));
        let place = |id: &str| format!("route {}, {} {}", quoted(&before.1.path), direction.words(), quoted(id));
        let position = |id: &str| Position {
            route: Some(before.1.path.clone()),
            direction: Some(direction),
            message: Some(id.to_owned()),
        };
        let change = |kind, id: &str, effect: Effect| Change {
            subject: Subject::Message,
            kind,
            place: place(id),
            position: position(id),
            detail: None,
            breaks: effect.breaks(direction),
        };
        for (id, message) in &one.list {
            match other.by_id.get(id) {
                Some(later) => {
                    let (place, position) = (&place(id), &position(id));
                    let pair = schema::Pair { before: before.0, after: after.0, direction, place, position };
                    schema::payloads(changes, work, &pair, message, later);
                }
                None => changes.add(change(Kind::Removed, id, Effect::Narrower)),
            }
        }
        for (id, _) in other.list.iter().filter(|(id, _)| !one.by_id.contains_key(id)) {
            changes.add(change(Kind::Added, id, Effect::Wider));
        }
    }
}

/// The messages of a route in a direction.
struct OfDirection<'m> {
    list: Vec<(&'m str, &'m Message)>,
    by_id: HashMap<&'m str, &'m Message>,
}

fn of_direction<'m>((model, route): (&'m Model, &'m Route), direction: Direction) -> OfDirection<'m> {
    let ids = match direction {
        Direction::ClientSends => &route.client_sends,
        Direction::ClientReceives => &route.client_receives,
    };
    let all: HashMap<&str, &Message> = model.messages.iter().map(|message| (message.id.as_str(), message)).collect();
    let list: Vec<(&str, &Message)> =
        ids.iter().filter_map(|id| all.get(id.as_str()).map(|message| (id.as_str(), *message))).collect();
    OfDirection { by_id: list.iter().copied().collect(), list }
}

fn security(changes: &mut Changes, before: &Model, after: &Model) {
    let change = |kind, name: &str, breaks: &[Party]| Change {
        subject: Subject::Security,
        kind,
        place: format!("security scheme {}", quoted(name)),
        position: Position::default(),
        detail: None,
        breaks: breaks.iter().copied().collect(),
    };
    for scheme in &before.security_schemes {
        match after.security_schemes.iter().find(|later| later.name == scheme.name) {
            Some(later) if later.proposal == scheme.proposal => {}
            Some(_) => changes.add(change(Kind::Changed, &scheme.name, &[Party::Clients])),
            None => changes.add(change(Kind::Removed, &scheme.name, &[])),
        }
    }
    let is_new = |name: &str| !before.security_schemes.iter().any(|scheme| scheme.name == name);
    for scheme in after.security_schemes.iter().filter(|scheme| is_new(&scheme.name)) {
        changes.add(change(Kind::Added, &scheme.name, &[Party::Clients]));
    }
}

#[cfg(test)]
mod tests;
