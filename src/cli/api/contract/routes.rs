//! The routes of a contract: what clients send and receive at each, with the document's own words beside it.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::cli::output::{list_cell, table};
use crate::contract::model::{Direction, Model, Parameter, Route};

/// A route as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct ShownRoute {
    path: String,
    channels: Vec<String>,
    client_sends: Vec<String>,
    /// The document's words for it, as `publish`.
    client_sends_words: Vec<String>,
    client_receives: Vec<String>,
    client_receives_words: Vec<String>,
    /// Query parameters and headers that a handshake must have.
    required: Vec<String>,
    /// True if the document does not say who sends what.
    is_undirected: bool,
}

/// The routes of a model.
pub(in crate::cli) fn shown(model: &Model) -> Vec<ShownRoute> {
    model.routes.iter().map(|route| of(route, model)).collect()
}

fn of(route: &Route, model: &Model) -> ShownRoute {
    let names = |ids: &[String]| -> Vec<String> {
        let name = |id: &String| model.message(id).and_then(|message| message.name.clone());
        ids.iter().map(|id| name(id).unwrap_or_else(|| id.clone())).collect()
    };
    let words = |direction: Direction| -> Vec<String> {
        let channels = model.channels.iter().filter(|channel| route.channels.contains(&channel.name));
        let operations = channels.flat_map(|channel| &channel.operations).filter(|one| one.direction == direction);
        operations.map(|operation| operation.word.to_owned()).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let required = |parameters: &[Parameter]| -> Vec<String> {
        parameters.iter().filter(|one| one.is_required).map(|one| one.name.clone()).collect()
    };
    ShownRoute {
        path: route.path.clone(),
        channels: route.channels.clone(),
        client_sends: names(&route.client_sends),
        client_sends_words: words(Direction::ClientSends),
        client_receives: names(&route.client_receives),
        client_receives_words: words(Direction::ClientReceives),
        required: [required(&route.query), required(&route.headers)].concat(),
        is_undirected: route.is_undirected,
    }
}

/// The routes as a table.
pub(in crate::cli) fn table_of(routes: &[ShownRoute]) -> String {
    let cell = |messages: &[String], words: &[String]| match words {
        [] => list_cell(messages),
        words => format!("{} ({})", list_cell(messages), words.join(", ")),
    };
    table(
        &["ROUTE", "CLIENT SENDS", "CLIENT RECEIVES", "NEEDS"],
        routes.iter().map(|route| {
            vec![
                route.path.clone(),
                cell(&route.client_sends, &route.client_sends_words),
                cell(&route.client_receives, &route.client_receives_words),
                list_cell(&route.required),
            ]
        }),
    )
}
