//! Servers and their variables, of both generations.

use super::context::Context;
use super::security::Schemes;
use crate::api::target::MAX_TARGET_BYTES;
use crate::contract::document::Value;
use crate::contract::model::{Protocol, Server, Variable};
use crate::contract::problem::{Level, Problem, near, quoted};
use crate::contract::shape::{shared, three, two};
use crate::contract::url::{ServerUrl, Written, variables};
use crate::contract::version::Major;

/// The servers of a document. Fields of both generations are read in both.
pub(super) fn servers<'l>(context: &mut Context<'l, '_>, schemes: &mut Schemes<'l>, root: Value<'l>) -> Vec<Server> {
    let Some(list) = root.get("servers") else { return Vec::new() };
    if list.is_list() {
        let message = "`servers` is a list, as before AsyncAPI 2.0.0; it is not read";
        context.note("servers-list", list.place(), message);
    }
    list.fields().filter_map(|(name, value)| server(context, schemes, name, value)).collect()
}

fn server<'l>(
    context: &mut Context<'l, '_>,
    schemes: &mut Schemes<'l>,
    name: &str,
    value: Value<'l>,
) -> Option<Server> {
    let object = match context.major {
        Major::Two => &two::SERVER,
        Major::Three => &three::SERVER,
    };
    let value = context.object(value, object, Level::Note)?;
    let protocol_written = context.text(value, "protocol").unwrap_or_default();
    let (host, pathname) = (context.text(value, "host"), context.text(value, "pathname").unwrap_or_default());
    let url = context.text(value, "url");
    let written = match (&url, &host) {
        (Some(url), _) if context.major == Major::Two || host.is_none() => Some(Written::Url(url)),
        (_, Some(host)) => Some(Written::Host { host, pathname: &pathname }),
        (Some(_) | None, None) => None,
    };
    let is_short = [&url, &host].into_iter().flatten().all(|text| text.len() <= MAX_TARGET_BYTES);
    let read = written
        .filter(|_| is_short && pathname.len() <= MAX_TARGET_BYTES)
        .and_then(|written| ServerUrl::read(&protocol_written, written));
    if read.is_none() {
        context.note("server-url", value.place(), format!("no URL can be made of the server {}", quoted(name)));
    }
    let (url, remarks) = read.unzip();
    for remark in remarks.into_iter().flatten() {
        context.note("server-url", value.place(), format!("server {}: {}", quoted(name), remark.sentence()));
    }
    let protocol = match &url {
        // The scheme of a URL counts more than the protocol beside it.
        Some(url) if url.protocol() != Protocol::Other => url.protocol(),
        Some(_) | None => Protocol::read(&protocol_written),
    };
    let url = url.map(|url| url.to_string());
    let variables = url.as_deref().map_or(Vec::new(), |url| variables_of(context, value, url));
    let security = schemes.requirements(context, value.get("security"));
    Some(Server {
        name: name.to_owned(),
        protocol,
        protocol_written,
        url,
        variables,
        security,
        pointer: context.key(value),
    })
}

/// The variables of a URL. One that the document does not describe has no value, and is asked for.
fn variables_of<'l>(context: &mut Context<'l, '_>, server: Value<'l>, url: &str) -> Vec<Variable> {
    let mut found = Vec::new();
    for name in variables(url) {
        let described = server.get("variables").and_then(|variables| variables.get(name));
        let value = described.and_then(|value| context.object(value, &shared::VARIABLE, Level::Note));
        let Some(value) = value else {
            if described.is_none() {
                let known = server.get("variables").into_iter().flat_map(Value::fields).map(|(name, _)| name);
                let message = format!("the URL has the variable {}, which is not described", quoted(name));
                let problem = Problem::new(Level::Note, "server-variable", server.place(), message);
                context.add(problem.nearest(near(name, known)));
            }
            found.push(Variable { name: name.to_owned(), value: None, allowed: Vec::new(), description: None });
            continue;
        };
        let allowed = context.texts(value.get("enum"));
        let default = context.text(value, "default");
        if let Some(default) = &default
            && !allowed.is_empty()
            && !allowed.contains(default)
        {
            let message = format!("the default {} is none of the values in `enum`", quoted(default));
            context.note("server-variable", value.place(), message);
        }
        found.push(Variable {
            name: name.to_owned(),
            value: default.or_else(|| allowed.first().cloned()),
            allowed,
            description: context.text(value, "description"),
        });
    }
    found
}
