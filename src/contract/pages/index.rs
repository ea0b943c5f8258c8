//! The index: the API, its environments and channels with counts, servers, security schemes, and problems.

use askama::Template;

use super::head::Head;
use super::room::Room;
use super::words::{self, counted};
use super::{Environment, PageName, Site};
use crate::contract::model::{Credential, Proposal, SecurityScheme, Server, Use};

/// The most servers, schemes, channels without a route, and problems of the document on the page, each.
const MAX_OF_LIST: usize = 200;
/// The most names of the document's channels beside a path.
const MAX_NAMES: usize = 8;

#[derive(Template)]
#[template(path = "contract/index.html")]
struct Page {
    head: Head,
    version: Option<String>,
    asyncapi: String,
    counts: String,
    perspective: String,
    description: Option<String>,
    environments: Vec<Environment>,
    channels: Vec<Line>,
    channels_left_out: usize,
    unused: Vec<(String, String)>,
    servers: Vec<ServerLine>,
    schemes: Vec<SchemeLine>,
    problems: Vec<ProblemLine>,
    problems_left_out: usize,
}

/// A channel in the list.
struct Line {
    href: String,
    path: String,
    sends: usize,
    receives: usize,
    names: String,
}

struct ServerLine {
    name: String,
    protocol: String,
    url: String,
    security: String,
}

struct SchemeLine {
    name: String,
    kind: String,
    credential: String,
    text: String,
}

struct ProblemLine {
    level: String,
    place: String,
    message: String,
}

/// Draws the index.
pub(super) fn draw(site: &Site<'_>) -> Result<String, askama::Error> {
    let model = site.documentation.model;
    let channels = lines(site);
    let problems = site.documentation.problems;
    let shown = problems.list().iter().take(MAX_OF_LIST).map(|problem| ProblemLine {
        level: problem.level.to_string(),
        place: problem.place.to_string(),
        message: words::text(&problem.message),
    });
    let unused = model.channels.iter().filter_map(|channel| match &channel.used {
        Use::None(reason) => Some((words::name(&channel.name), words::name(reason))),
        Use::Route(_) => None,
    });
    let environments = site
        .documentation
        .environments
        .iter()
        .map(|environment| Environment { name: words::name(&environment.name), url: words::name(&environment.url) });
    Page {
        head: Head::new(site, PageName::Index, "Overview".to_owned()),
        version: model.version.as_deref().map(words::name),
        asyncapi: words::name(&model.asyncapi),
        counts: [
            counted(model.routes.len(), "channel"),
            counted(model.messages.len(), "message"),
            counted(model.schemas.len(), "schema"),
        ]
        .join(", "),
        perspective: words::name(&model.perspective.reason),
        description: model.description.as_deref().map(words::text),
        environments: environments.collect(),
        channels_left_out: model.routes.len().saturating_sub(channels.len()),
        channels,
        unused: unused.take(MAX_OF_LIST).collect(),
        servers: model.servers.iter().take(MAX_OF_LIST).map(server).collect(),
        schemes: model.security_schemes.iter().take(MAX_OF_LIST).map(scheme).collect(),
        problems_left_out: problems.left_out().saturating_add(problems.list().len().saturating_sub(MAX_OF_LIST)),
        problems: shown.collect(),
    }
    .render()
}

/// The channels with their counts, as many as there is room for.
fn lines(site: &Site<'_>) -> Vec<Line> {
    let mut room = Room::default();
    let mut lines = Vec::new();
    for (position, route) in site.documentation.model.routes.iter().enumerate() {
        let mut names: Vec<String> = route.channels.iter().take(MAX_NAMES).map(|name| words::name(name)).collect();
        if let Some(more) = route.channels.len().checked_sub(MAX_NAMES).filter(|more| *more > 0) {
            names.push(format!("and {more} more"));
        }
        let line = Line {
            href: PageName::Channel(position).name(),
            path: words::name(&route.path),
            sends: route.client_sends.len(),
            receives: route.client_receives.len(),
            names: names.join(", "),
        };
        if !room.take([&*line.path, &*line.names, &*line.href]) {
            break;
        }
        lines.push(line);
    }
    lines
}

fn server(server: &Server) -> ServerLine {
    let alternatives = server.security.iter().take(10);
    let security: Vec<String> = alternatives
        .map(|together| together.iter().take(10).map(|name| words::name(name)).collect::<Vec<_>>().join(" and "))
        .collect();
    ServerLine {
        name: words::name(&server.name),
        protocol: words::name(&server.protocol_written),
        url: server.url.as_deref().map_or_else(|| "none can be made of it".to_owned(), words::name),
        security: security.join(", or "),
    }
}

fn scheme(scheme: &SecurityScheme) -> SchemeLine {
    let credential = match &scheme.proposal {
        Proposal::ApiKey(Credential::Header(name)) => format!("API key in the header {}", words::name(name)),
        Proposal::ApiKey(Credential::Query(name)) => format!("API key in the query parameter {}", words::name(name)),
        Proposal::ApiKey(Credential::Cookie(name)) => format!("API key in the cookie {}", words::name(name)),
        Proposal::Basic => "user and password (Authorization: Basic)".to_owned(),
        Proposal::Bearer(None) => "token (Authorization: Bearer)".to_owned(),
        Proposal::Bearer(Some(format)) => format!("token (Authorization: Bearer), format {}", words::name(format)),
        Proposal::OpenId(_) => "token of an OpenID provider (Authorization: Bearer)".to_owned(),
        Proposal::None(reason) => format!("none that Ringway knows: {}", words::name(reason)),
    };
    SchemeLine {
        name: words::name(&scheme.name),
        kind: words::name(&scheme.kind),
        credential,
        text: scheme.description.as_deref().map(words::text).unwrap_or_default(),
    }
}
