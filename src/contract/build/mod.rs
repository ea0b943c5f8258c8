//! From the raw document to the normalised model: one for AsyncAPI 2.x and 3.x.
//!
//! ```text
//! version -> check of the raw document -> servers, security -> channels (two | three) -> direction -> routes
//!                                                   \-> messages -> schemas, examples, fixed properties
//! ```
//!
//! In: a [`Library`]. Out: a [`Model`] and problems. The order matters: the raw document is checked before any reference is
//! resolved, and everything keeps the pointer of the place where it stands.

mod context;
mod direction;
mod discriminators;
mod draft;
mod examples;
mod fixed;
mod layers;
mod messages;
mod parameters;
mod pattern;
mod routes;
mod schemas;
mod security;
mod servers;
mod three;
mod two;

use self::context::Context;
use self::draft::{Draft, Parts};
use self::layers::Layers;
use self::messages::Messages;
use self::schemas::Schemas;
use self::security::Schemes;
use super::document::Value;
use super::library::Library;
use super::model::{Model, Server, Side};
use super::problem::{Level, Problem, Problems, listed};
use super::shape;
use super::version::{self, Major};
pub use crate::api::contract::Layout;

/// Choices of the operator that a document leaves open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The side that the document is written from; without a choice it is inferred.
    pub perspective: Option<Side>,
    /// The way in which channels become routes.
    pub layout: Layout,
}

/// Normalises the main document. Without a readable document of a known version there is no model.
pub fn model(library: &Library, options: Options, problems: &mut Problems) -> Option<Model> {
    let root = library.root()?;
    let (major, asyncapi) = version::read(library, root, problems)?;
    let mut context = Context::new(library, major, problems);
    match major {
        Major::Two => context.check(root, &shape::two::ROOT),
        Major::Three => context.check(root, &shape::three::ROOT),
    }
    let mut schemes = Schemes::new(&mut context, root);
    let servers = servers::servers(&mut context, &mut schemes, root);
    let default_content_type = context.text(root, "defaultContentType");
    let mut parts = Parts {
        schemas: Schemas::default(),
        messages: Messages::new(default_content_type.clone()),
        schemes,
        servers,
        server_bindings: server_bindings(&mut context, root),
    };
    let mut drafts = match major {
        Major::Two => two::channels(&mut context, &mut parts, root),
        Major::Three => three::channels(&mut context, &mut parts, root),
    };
    check_websocket(&mut context, &parts.servers, &drafts);
    let info = root.get("info");
    let [title, version, description] =
        ["title", "version", "description"].map(|name| info.and_then(|info| context.text(info, name)));
    let has_servers = !parts.servers.is_empty();
    let perspective = direction::settle(major, title.as_deref(), has_servers, options.perspective, &mut drafts);
    let (mut routes, channels) = routes::routes(&mut context, &drafts, options.layout);
    let Parts { mut schemas, messages, schemes, servers, .. } = parts;
    schemas.convert(&mut context);
    let messages = messages.into_all(&schemas);
    routes::tell_apart(&mut context, &mut routes, &messages);
    context.finish();
    Some(Model {
        asyncapi,
        title,
        version,
        description,
        default_content_type,
        perspective,
        servers,
        routes,
        channels,
        messages,
        schemas: schemas.into_all(),
        security_schemes: schemes.into_all(),
    })
}

/// The ws bindings that documents put on servers, where no specification has them.
fn server_bindings<'l>(context: &mut Context<'l, '_>, root: Value<'l>) -> Vec<Layers<'l>> {
    let servers = root.get("servers").into_iter().flat_map(Value::fields);
    let with_bindings = servers.filter_map(|(_, server)| {
        let found = context.library.follow(server).ok()?;
        found.get("bindings")?;
        Some(Layers::plain(found).below(context, "bindings"))
    });
    with_bindings.filter(|bindings| bindings.names().any(|name| name == "ws")).take(100).collect()
}

/// Refuses what describes no WebSocket API. Doubt counts for the document.
fn check_websocket(context: &mut Context<'_, '_>, servers: &[Server], drafts: &[Draft<'_>]) {
    let has_binding = drafts.iter().any(|draft| draft.handshake.has_binding);
    if drafts.is_empty() || has_binding {
        return;
    }
    let reason = if servers.is_empty() {
        if drafts.iter().any(|draft| draft.address.as_deref().is_none_or(|address| address.starts_with('/'))) {
            return;
        }
        "it names no server and no ws binding, and no address of a channel begins with `/`".to_owned()
    } else {
        if servers.iter().any(|server| server.protocol.may_be_websocket()) {
            return;
        }
        let spoken = listed(servers.iter().map(|server| server.protocol_written.as_str()));
        format!("its servers speak {spoken}, and it has no ws binding")
    };
    let message = format!("this describes no WebSocket API: {reason}");
    let place = context.library.place();
    let problem = Problem::new(Level::BlocksRouting, "not-websocket", place, message);
    context.add(problem.expected("a server with `protocol: ws` or `wss`"));
}
