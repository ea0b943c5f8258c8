//! The channels that the routes of a contract become: the way from a model to what shards search.

use crate::contract::model::{Model, Parameter};
use crate::contract::{Contract, Level};
use crate::routing::channels::{ChannelSpec, Channels, ValueSpec};

/// The channels of a contract; `None` if it has none.
///
/// # Errors
/// The reason why they cannot be served, for people.
pub fn channels(contract: &Contract) -> Result<Option<Channels>, String> {
    let first = contract.problems.list().iter().find(|problem| problem.level == Level::BlocksRouting);
    let model = match (&contract.model, first) {
        (Some(model), None) => model,
        (_, Some(problem)) => return Err(problem.to_string()),
        (None, None) => return Err("it cannot be read".to_owned()),
    };
    if model.routes.is_empty() {
        return Ok(None);
    }
    Channels::build(specs(model)).map(Some).map_err(|error| error.to_string())
}

fn specs(model: &Model) -> Vec<ChannelSpec> {
    let specs = model.routes.iter().map(|route| ChannelSpec {
        path: route.path.clone(),
        names: route.channels.clone(),
        parameters: route.parameters.iter().map(value).collect(),
        query: unclaimed(&route.query),
        headers: unclaimed(&route.headers),
    });
    specs.collect()
}

/// The values that are no credentials: a name that a security scheme claims is for that scheme to check.
fn unclaimed(parameters: &[Parameter]) -> Vec<ValueSpec> {
    parameters.iter().filter(|parameter| parameter.claimed_by.is_none()).map(value).collect()
}

fn value(parameter: &Parameter) -> ValueSpec {
    ValueSpec {
        name: parameter.name.clone(),
        is_required: parameter.is_required,
        allowed: parameter.allowed.clone(),
        pattern: parameter.pattern.clone(),
    }
}
