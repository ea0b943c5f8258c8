//! The side that a document of 3.x is written from. By the specification `send` and `receive` are those of the described
//! application, and documents describe clients as often as servers; so the document itself has to tell.

use super::draft::Draft;
use crate::contract::model::{Direction, Perspective, Side};
use crate::contract::problem::quoted;
use crate::contract::version::Major;

/// Words of a title that name a side.
const OF_SERVERS: &[&str] = &["server", "backend", "gateway", "broker"];
const OF_CLIENTS: &[&str] = &["client", "frontend", "consumer", "sdk"];
/// Words of messages that clients send, and of those that servers send.
const SENT_BY_CLIENTS: &[&str] =
    &["ping", "subscribe", "unsubscribe", "login", "auth", "authenticate", "request", "command", "start", "join"];
const SENT_BY_SERVERS: &[&str] =
    &["pong", "heartbeat", "event", "notification", "result", "response", "hello", "welcome"];
/// The weight of all names of messages together is this at most: a title says more.
const MAX_OF_NAMES: i32 = 2;

/// One reason for a side, with its weight.
struct Evidence {
    side: Side,
    weight: i32,
    reason: String,
}

/// Infers the side, unless an operator chose it, and turns the operations' directions if it is the client's.
pub(super) fn settle(
    major: Major,
    title: Option<&str>,
    has_servers: bool,
    chosen: Option<Side>,
    drafts: &mut [Draft<'_>],
) -> Perspective {
    let perspective = match (chosen, major) {
        (Some(side), _) => {
            let reason = format!("an operator chose the {}'s side", word(side));
            Perspective { side, is_chosen: true, reason }
        }
        (None, Major::Two) => {
            let reason = "AsyncAPI 2.x: `publish` is what clients send, `subscribe` what they receive".to_owned();
            Perspective { side: Side::Server, is_chosen: false, reason }
        }
        (None, Major::Three) => inferred(title, has_servers, drafts),
    };
    if perspective.side == Side::Client {
        for operation in drafts.iter_mut().flat_map(|draft| &mut draft.operations) {
            operation.direction = operation.direction.opposite();
        }
    }
    perspective
}

fn word(side: Side) -> &'static str {
    match side {
        Side::Server => "server",
        Side::Client => "client",
    }
}

/// The side with more weight, and its weightiest reason. Without any it is the server's, as most tools read a document.
fn inferred(title: Option<&str>, has_servers: bool, drafts: &[Draft<'_>]) -> Perspective {
    let mut all: Vec<Evidence> = of_title(title).into_iter().collect();
    all.extend(of_replies(drafts));
    all.extend(of_names(drafts));
    if drafts.iter().all(|draft| draft.operations.is_empty()) {
        let reason = "the document has no operations: each message may go in both directions".to_owned();
        return Perspective { side: Side::Server, is_chosen: false, reason };
    }
    if !has_servers {
        // A client's document would have to say where it connects to.
        all.push(Evidence { side: Side::Server, weight: 1, reason: "it names no server to connect to".to_owned() });
    }
    let sum = |side: Side| all.iter().filter(|one| one.side == side).map(|one| one.weight).fold(0, i32::saturating_add);
    let side = if sum(Side::Client) > sum(Side::Server) { Side::Client } else { Side::Server };
    let best = all.iter().filter(|one| one.side == side).max_by_key(|one| one.weight);
    let reason = match best {
        Some(best) => format!("written from the {}'s side: {}", word(side), best.reason),
        None => "written from the server's side: nothing in it says otherwise".to_owned(),
    };
    Perspective { side, is_chosen: false, reason }
}

fn of_title(title: Option<&str>) -> Option<Evidence> {
    let title = title?;
    let words = words(title);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let side = match (has(OF_SERVERS), has(OF_CLIENTS)) {
        (true, false) => Side::Server,
        (false, true) => Side::Client,
        (true, true) | (false, false) => return None,
    };
    Some(Evidence { side, weight: 5, reason: format!("the title is {}", quoted(title)) })
}

/// Whoever receives a request and replies to it is the server, mostly.
fn of_replies(drafts: &[Draft<'_>]) -> Option<Evidence> {
    let operations = drafts.iter().flat_map(|draft| &draft.operations);
    let first = operations.clone().find(|operation| operation.reply.is_some())?;
    let replied = operations.filter(|operation| operation.reply.is_some());
    let balance =
        replied.map(|operation| if operation.word == "receive" { 1 } else { -1 }).fold(0, i32::saturating_add);
    let name = quoted(first.name.as_deref().unwrap_or_default());
    let (side, reason) = match balance.signum() {
        1 => (Side::Server, format!("the application receives requests and replies, as in {name}")),
        -1 => (Side::Client, format!("the application sends requests and gets replies, as in {name}")),
        _ => return None,
    };
    Some(Evidence { side, weight: 3, reason })
}

/// A `ping` that the application receives was sent by a client.
fn of_names(drafts: &[Draft<'_>]) -> Vec<Evidence> {
    let mut all: Vec<Evidence> = Vec::new();
    let mut left = 2_000_usize;
    for operation in drafts.iter().flat_map(|draft| &draft.operations) {
        for message in &operation.messages {
            let Some(rest) = left.checked_sub(1) else { return all };
            left = rest;
            let Some(sender) = sender(message) else { continue };
            // Directions are still those of a server's document.
            let side = if operation.direction == sender { Side::Server } else { Side::Client };
            let (verb, who) = (operation.word, if sender == Direction::ClientSends { "clients" } else { "servers" });
            match all.iter_mut().find(|one| one.side == side) {
                Some(known) => known.weight = known.weight.saturating_add(1).min(MAX_OF_NAMES),
                None => {
                    let reason = format!("the application's `{verb}` is of {}, which {who} send", quoted(message));
                    all.push(Evidence { side, weight: 1, reason });
                }
            }
        }
    }
    all
}

/// The sender of a message of this name, as its first and last word tell.
fn sender(message: &str) -> Option<Direction> {
    let words = words(message);
    let has =
        |list: &[&str]| [words.first(), words.last()].into_iter().flatten().any(|word| list.contains(&word.as_str()));
    match (has(SENT_BY_CLIENTS), has(SENT_BY_SERVERS)) {
        (true, false) => Some(Direction::ClientSends),
        (false, true) => Some(Direction::ClientReceives),
        (true, true) | (false, false) => None,
    }
}

/// The words of a name in lower case: `startRecognition`, `start_recognition` and `Start recognition` have the same two.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_inside = false;
    for c in name.chars().take(200) {
        if !c.is_alphanumeric() {
            is_inside = false;
            continue;
        }
        let begins =
            !is_inside || (c.is_uppercase() && words.last().is_some_and(|word| word.ends_with(char::is_lowercase)));
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            // An upper-case letter after a lower-case one begins a word, so that the case is kept until its end.
            word.push(c);
        }
        is_inside = true;
    }
    words.into_iter().map(|word| word.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_name_is_split_where_people_see_words() {
        for name in
            ["startRecognition", "StartRecognition", "start_recognition", "Start recognition!", "start.recognition"]
        {
            assert_eq!(words(name), ["start", "recognition"], "{name}");
        }
        assert_eq!(words("HTTPServer v2"), ["httpserver", "v2"]);
        assert!(words("").is_empty());
    }
}
