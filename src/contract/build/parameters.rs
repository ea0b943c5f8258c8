//! Parameters of paths, and what the handshake needs besides: query parameters and headers of the ws binding, of the
//! address's query, and of parameters that stand in no address.

use std::collections::HashSet;

use super::context::Context;
use super::layers::Layers;
use super::pattern;
use super::security::{Place as Part, Schemes};
use crate::contract::document::{Scalar, Value};
use crate::contract::model::Parameter;
use crate::contract::problem::{Level, Place, Problem, listed, near, quoted};
use crate::contract::shape::{three, two};
use crate::contract::url::variables;
use crate::contract::version::Major;

/// The longest address of a channel, in bytes.
const MAX_ADDRESS_BYTES: usize = 2_048;
/// The most query parameters, and the most headers, of a handshake.
const MAX_BOUND: usize = 256;

/// The inputs of a handshake on a channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Handshake {
    /// The path; empty for an address that is unknown.
    pub(super) path: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) query: Vec<Parameter>,
    pub(super) headers: Vec<Parameter>,
    /// True if a ws binding describes the handshake.
    pub(super) has_binding: bool,
}

/// Reads the address and the parameters of a channel. `place` is that of the address.
pub(super) fn handshake<'l>(
    context: &mut Context<'l, '_>,
    channel: Value<'l>,
    address: Option<&str>,
    place: &Place,
) -> Handshake {
    let written = match address {
        Some(address) if address.len() > MAX_ADDRESS_BYTES => {
            let message = format!("the address has {} bytes, and may have {MAX_ADDRESS_BYTES}", address.len());
            context.add(Problem::new(Level::BlocksRouting, "address", place.clone(), message));
            ""
        }
        address => address.unwrap_or_default(),
    };
    let (path, query) = split(context, written, place);
    let mut described: Vec<Parameter> = Vec::new();
    for (name, value) in channel.get("parameters").into_iter().flat_map(Value::fields) {
        if !context.may_use(1) {
            break;
        }
        described.extend(parameter(context, name, value));
    }
    let in_path = check_braces(context, path, place);
    let mut parameters = Vec::new();
    for name in in_path {
        parameters.push(match taken(&mut described, name) {
            Some(parameter) => parameter,
            None => {
                let message = format!("the parameter {} of the address is not described; any value fits", quoted(name));
                let known = near(name, described.iter().map(|parameter| parameter.name.as_str())).map(str::to_owned);
                let problem = Problem::new(Level::Note, "parameter", place.clone(), message);
                context.add(problem.nearest(known.as_deref()));
                Parameter { name: name.to_owned(), is_required: true, ..Parameter::default() }
            }
        });
    }
    let mut handshake = Handshake { path: path.to_owned(), parameters, ..Handshake::default() };
    handshake.query = address_query(&query, &mut described);
    if !described.is_empty() && address.is_some() {
        let names = listed(described.iter().map(|parameter| parameter.name.as_str()));
        let message = format!("parameters that are not in the address are taken as query parameters: {names}");
        context.note("parameter", channel.place(), message);
        // Nothing says that the handshake needs them.
        handshake.query.extend(described.into_iter().map(|parameter| Parameter { is_required: false, ..parameter }));
    }
    handshake
}

/// Takes the parameter of a name out of a list.
fn taken(list: &mut Vec<Parameter>, name: &str) -> Option<Parameter> {
    let at = list.iter().position(|parameter| parameter.name == name)?;
    // `at` is the position of an item.
    #[expect(clippy::disallowed_methods, reason = "`position` found it")]
    Some(list.remove(at))
}

/// Splits an address at its query. A fragment is cut off.
fn split<'a>(context: &mut Context<'_, '_>, address: &'a str, place: &Place) -> (&'a str, Vec<(&'a str, &'a str)>) {
    let (address, fragment) = address.split_once('#').map_or((address, None), |(address, rest)| (address, Some(rest)));
    if fragment.is_some() {
        context.note("address", place.clone(), "a fragment in the address is left out: it is never sent");
    }
    let Some((path, query)) = address.split_once('?') else { return (address, Vec::new()) };
    let message = "a query in the address is read as query parameters of the handshake";
    context.add(Problem::new(Level::Note, "address-query", place.clone(), message).expected("`bindings.ws.query`"));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    (path, pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect())
}

/// The query parameters of an address: `a=b` wants that value, `a={b}` what the parameter `b` says.
fn address_query(query: &[(&str, &str)], described: &mut Vec<Parameter>) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for (name, value) in query {
        let variable = value.strip_prefix('{').and_then(|value| value.strip_suffix('}'));
        let mut parameter = variable.and_then(|variable| taken(described, variable)).unwrap_or_default();
        if variable.is_none() && !value.is_empty() {
            parameter.allowed = vec![(*value).to_owned()];
        }
        parameters.push(Parameter { name: (*name).to_owned(), is_required: true, ..parameter });
    }
    parameters
}

/// The variables of a path, each of which has both braces.
fn check_braces<'a>(context: &mut Context<'_, '_>, path: &'a str, place: &Place) -> Vec<&'a str> {
    let names = variables(path);
    let mut rest = path.to_owned();
    for name in &names {
        rest = rest.replace(&format!("{{{name}}}"), "");
    }
    let is_bad = |name: &&str| name.is_empty() || name.contains(['{', '/']);
    if rest.contains(['{', '}']) || names.iter().any(is_bad) {
        let message = format!("the braces of the address {} do not fit together", quoted(path));
        context
            .add(Problem::new(Level::BlocksRouting, "address", place.clone(), message).expected("`/rooms/{roomId}`"));
        return Vec::new();
    }
    names
}

/// A parameter of a channel: with a schema in 2.x, with `enum` and `default` of its own in 3.x. Both are read in both.
fn parameter<'l>(context: &mut Context<'l, '_>, name: &str, value: Value<'l>) -> Option<Parameter> {
    let object = match context.major {
        Major::Two => &two::PARAMETER,
        Major::Three => &three::PARAMETER,
    };
    let value = if value.is_null() { value } else { context.object(value, object, Level::BlocksRouting)? };
    let schema = value.get("schema").and_then(|schema| context.resolved(schema, Level::BlocksRouting));
    let rules = schema.unwrap_or(value);
    let description = context.text(value, "description");
    Some(Parameter { is_required: true, description, ..of_schema(context, name, rules) })
}

/// The rules of a schema that a single text can keep.
fn of_schema(context: &mut Context<'_, '_>, name: &str, schema: Value<'_>) -> Parameter {
    let list = schema.get("enum");
    let count = list.into_iter().flat_map(Value::items).count();
    let allowed = if context.may_use(count) { context.texts(list) } else { Vec::new() };
    let constant = context.text(schema, "const");
    let pattern = context.text(schema, "pattern");
    if let Some(Err(reason)) = pattern.as_deref().map(pattern::check) {
        let place = schema.get("pattern").map_or_else(|| schema.place(), Value::place);
        let message = format!("the pattern of {} cannot be checked at the handshake: {reason}", quoted(name));
        context.add(Problem::new(Level::BlocksRouting, "pattern", place, message));
    }
    Parameter {
        name: name.to_owned(),
        is_required: false,
        allowed: constant.map_or(allowed, |constant| vec![constant]),
        pattern,
        default: context.text(schema, "default"),
        kind: context.text(schema, "type"),
        claimed_by: None,
        description: context.text(schema, "description"),
    }
}

/// Adds what a ws binding says: `query` and `headers` are object schemas. Bindings of operations and servers count as well.
pub(super) fn bind<'l>(context: &mut Context<'l, '_>, handshake: &mut Handshake, bindings: &Layers<'l>) {
    let ws = bindings.below(context, "ws");
    if ws.is_empty() {
        return;
    }
    handshake.has_binding = true;
    if let Some(method) = ws.get("method")
        && !method.text().is_some_and(|text| text.eq_ignore_ascii_case("get"))
    {
        let message = "a WebSocket handshake is always a GET request (RFC 6455 section 4.1); `method` is ignored";
        context.note("binding-method", method.place(), message);
    }
    if let Some(version) = ws.get("bindingVersion")
        && !version.text().is_some_and(|text| matches!(text, "0.1.0" | "0.2.0" | "latest"))
    {
        context.note(
            "binding-version",
            version.place(),
            "this version of the ws binding is not known; it is read as 0.1.0",
        );
    }
    for (part, field) in [(Part::Query, "query"), (Part::Header, "headers")] {
        let Some(value) = ws.get(field) else { continue };
        let found = object_schema(context, value, field);
        let into = match part {
            Part::Query => &mut handshake.query,
            Part::Header => &mut handshake.headers,
        };
        for parameter in found {
            let is_known = |known: &Parameter| match part {
                Part::Query => known.name == parameter.name,
                Part::Header => known.name.eq_ignore_ascii_case(&parameter.name),
            };
            let is_full = into.len() >= MAX_BOUND;
            match into.iter_mut().find(|known| is_known(known)) {
                Some(known) => known.is_required = known.is_required || parameter.is_required,
                None if is_full => {}
                None => into.push(parameter),
            }
        }
    }
}

/// The properties of an object schema as parameters.
fn object_schema<'l>(context: &mut Context<'l, '_>, value: Value<'l>, field: &str) -> Vec<Parameter> {
    let Some(schema) = context.resolved(value, Level::Note) else { return Vec::new() };
    let properties = schema.get("properties").filter(|properties| properties.is_mapping());
    let Some(properties) = properties else {
        let message = format!("`{field}` of a ws binding is a schema of an object with `properties`; this is ignored");
        context.note("binding-schema", schema.place(), message);
        return Vec::new();
    };
    let required: HashSet<String> = context.texts(schema.get("required")).into_iter().collect();
    let mut parameters = Vec::new();
    if properties.fields().count() > MAX_BOUND {
        let message = format!("`{field}` has more than {MAX_BOUND} properties");
        context.add(Problem::new(Level::BlocksRouting, "binding-schema", properties.place(), message));
        return parameters;
    }
    for (name, value) in properties.fields() {
        if !context.may_use(1) {
            break;
        }
        let Some(found) = context.resolved(value, Level::Note) else { continue };
        if !found.is_mapping() {
            // A mistake that is seen: a runtime expression where a schema belongs.
            let is_schema = matches!(found.scalar(), Some(Scalar::Bool(_) | Scalar::Null));
            if !is_schema {
                let message = format!("{} has no schema; any value fits", quoted(name));
                context.note("binding-schema", found.place(), message);
            }
        }
        let is_required = required.contains(name);
        parameters.push(Parameter { is_required, ..of_schema(context, name, found) });
    }
    parameters
}

/// Marks the names that a security scheme claims: the route never requires them.
pub(super) fn claim(handshake: &mut Handshake, schemes: &Schemes<'_>) {
    for (part, list) in [(Part::Query, &mut handshake.query), (Part::Header, &mut handshake.headers)] {
        for parameter in list {
            parameter.claimed_by = schemes.claim(part, &parameter.name);
            parameter.is_required = parameter.is_required && parameter.claimed_by.is_none();
        }
    }
}
