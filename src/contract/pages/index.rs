//! The index: the API, its environments with the contracts that run there, channels with counts, servers, security schemes,
//! and problems.

use askama::Template;

use super::environments::{ChannelState, Environment, RunningContract};
use super::head::Head;
use super::room::Room;
use super::traffic::Traffic;
use super::words::{self, counted};
use super::{PageName, Site};
use crate::contract::model::{Credential, Direction, Proposal, SecurityScheme, Server, Use};

/// The most servers, schemes, channels without a route, and problems of the document on the page, each.
const MAX_OF_LIST: usize = 200;
/// The most paths that only the contract of an environment has which are named.
const MAX_ONLY_THERE: usize = 20;

#[derive(Template)]
#[template(path = "contract/index.html")]
struct Page {
    head: Head,
    version: Option<String>,
    asyncapi: String,
    counts: String,
    perspective: String,
    description: Option<String>,
    environments: Vec<Place>,
    channels: Vec<Line>,
    has_states: bool,
    has_shared_paths: bool,
    channels_left_out: usize,
    unused: Vec<(String, String)>,
    servers: Vec<ServerLine>,
    schemes: Vec<SchemeLine>,
    problems: Vec<ProblemLine>,
    problems_left_out: usize,
}

/// An environment in the list.
struct Place {
    name: String,
    url: String,
    contract: String,
    is_other: bool,
}

/// A channel in the list.
struct Line {
    href: String,
    name: String,
    path: String,
    sends: usize,
    receives: usize,
    /// Environments in which the channel is not as it is documented.
    states: String,
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
    let environments = site.documentation.environments;
    let all = site.atlas.channels();
    Page {
        head: Head::new(site, PageName::Index, "Overview".to_owned()),
        version: model.version.as_deref().map(words::name),
        asyncapi: words::name(&model.asyncapi),
        counts: [
            counted(all.len(), "channel"),
            counted(model.messages.len(), "message"),
            counted(model.schemas.len(), "schema"),
        ]
        .join(", "),
        perspective: words::name(&model.perspective.reason),
        description: model.description.as_deref().map(words::text),
        environments: environments.iter().map(place).collect(),
        has_states: environments.iter().any(|environment| environment.contract != RunningContract::Same),
        has_shared_paths: all.iter().any(|one| site.atlas.at_path(&one.route.path).len() > 1),
        channels_left_out: all.len().saturating_sub(channels.len()),
        channels,
        unused: unused.take(MAX_OF_LIST).collect(),
        servers: model.servers.iter().take(MAX_OF_LIST).map(server).collect(),
        schemes: model.security_schemes.iter().take(MAX_OF_LIST).map(scheme).collect(),
        problems_left_out: problems.left_out().saturating_add(problems.list().len().saturating_sub(MAX_OF_LIST)),
        problems: shown.collect(),
    }
    .render()
}

/// An environment with the contract that runs there.
fn place(environment: &Environment) -> Place {
    let contract = match &environment.contract {
        RunningContract::Same => ChannelState::Same.words().to_owned(),
        RunningContract::None => "it has no contract: every path is passed on, and nothing is checked".to_owned(),
        RunningContract::Unreadable(why) => format!("its contract cannot be read: {}", words::name(why)),
        RunningContract::Other(_) => {
            let only = environment.only_here();
            let named: Vec<String> = only.iter().take(MAX_ONLY_THERE).map(|path| words::name(path)).collect();
            let more = only.len().saturating_sub(named.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let only =
                if only.is_empty() { String::new() } else { format!("; only there: {}{more}", named.join(", ")) };
            format!("another contract, {}{only}", counted(environment.changes().len(), "change"))
        }
    };
    Place {
        name: words::name(&environment.name),
        url: words::name(&environment.url),
        contract: format!("Revision {}: {contract}", environment.revision),
        is_other: environment.contract != RunningContract::Same,
    }
}

/// The channels with their counts, as many as there is room for.
fn lines(site: &Site<'_>) -> Vec<Line> {
    let mut room = Room::default();
    let mut lines = Vec::new();
    for (position, one) in site.atlas.channels().iter().enumerate() {
        let traffic = Traffic::new(&site.atlas, one.channel);
        let state = |environment: &Environment| {
            let carries = |direction, id: &str| traffic.carries(direction, id);
            let (state, _) = environment.channel(&one.route.path, carries);
            let is_same = state == ChannelState::Same;
            (!is_same).then(|| format!("{}: {}", words::name(&environment.name), state.words()))
        };
        let states: Vec<String> = site.documentation.environments.iter().filter_map(state).collect();
        let line = Line {
            href: PageName::Channel(position).name(),
            name: words::name(&one.channel.name),
            path: words::name(&one.route.path),
            sends: traffic.of(Direction::ClientSends).len(),
            receives: traffic.of(Direction::ClientReceives).len(),
            states: states.join("; "),
        };
        if !room.take([&*line.name, &*line.path, &*line.states, &*line.href]) {
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
