//! `ringway api list`, `show` and `revisions`.

use std::time::Duration;

use serde_json::Value;

use super::{found, place};
use crate::api::contract::{ContractRef, Layout};
use crate::api::policy::{EffectivePolicy, channel_name};
use crate::api::view::channels::ServedChannels;
use crate::api::view::endpoints::Endpoint;
use crate::api::view::{EffectiveChannelPolicies, EffectivePolicies};
use crate::api::{Api, Definition, Deployment, Lifecycle, Revision, moment};
use crate::cli::Failure;
use crate::cli::api::lifecycle::state;
use crate::cli::api::reference::Reference;
use crate::cli::cells::{status, texts};
use crate::cli::client::{Client, ResourcePath};
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::{list_cell, note, table};
use crate::config::units::{number, show_duration};
use crate::declare::held;

/// The extensions of a channel whose messages are checked.
const WITHOUT_EXTENSIONS: &str = "none, so that messages can be checked (no permessage-deflate)";

#[derive(clap::Args, Debug)]
pub(super) struct ListArgs {
    /// APIs of this project only
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// APIs in this lifecycle state only
    #[arg(long, value_name = "STATE", value_parser = state)]
    lifecycle: Option<Lifecycle>,
    /// APIs deployed in this environment only
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// APIs with this text in name, display name, identifier or description only
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Show at most this many [default: all]
    #[arg(long, value_name = "COUNT", value_parser = number::<usize>)]
    limit: Option<usize>,
}

#[derive(clap::Args, Debug)]
pub(super) struct ShowArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
    /// Show the policies in effect, and for each the layer that decides it: node, api, channel or environment
    #[arg(long)]
    effective: bool,
    /// With --effective: in this environment, for the revision that runs there
    #[arg(long, value_name = "NAME", requires = "effective")]
    env: Option<String>,
}

#[derive(clap::Args, Debug)]
pub(super) struct RevisionsArgs {
    /// The API: IDENTIFIER, IDENTIFIER:1.0 or PROJECT/IDENTIFIER:1.0
    #[arg(value_name = "REF")]
    reference: Reference,
}

pub(super) fn list(args: &ListArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let place = ResourcePath::new(["apis"])
        .with_some("project", args.project.as_deref())
        .with_some("lifecycle", args.lifecycle.map(Lifecycle::as_str))
        .with_some("environment", args.env.as_deref())
        .with_some("q", args.search.as_deref());
    let apis: Vec<Api> = client.list(&place, args.limit)?;
    let header = ["API", "NAME", "LIFECYCLE", "ACCESS", "DEPLOYED", "TARGETS"];
    globals.output.list(&apis, &header, |api| {
        let deployed: Vec<&str> = api.deployments.iter().map(|it| it.environment.as_str()).collect();
        vec![
            held::key(api).to_string(),
            api.definition.name.to_string(),
            api.lifecycle.to_string(),
            api.definition.access.as_str().to_owned(),
            list_cell(&deployed),
            list_cell(&texts(&api.definition.targets)),
        ]
    })
}

pub(super) fn show(args: &ShowArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    if args.effective {
        return effective(args, client, globals);
    }
    write(&found(&args.reference, client)?, globals)
}

fn effective(args: &ShowArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let key = args.reference.key(client)?;
    let policies = place(&key).at("policies").with_some("environment", args.env.as_deref());
    let effective: EffectivePolicies = client.get(&policies)?;
    if args.env.is_some() && effective.revision.is_none() {
        note(&format!("{key} is not deployed there: these are the policies of its definition as it is now"));
    }
    globals.output.write(&effective, |effective| {
        let row = |name: String, policy: &EffectivePolicy| vec![name, value(&policy.value), policy.source.to_string()];
        let all = effective.policies.iter().map(|policy| row(policy.name.clone(), policy));
        let of_channels = effective.channels.iter().flat_map(|EffectiveChannelPolicies { channel, policies }| {
            policies.iter().map(|policy| row(channel_name(channel, &policy.name), policy)).collect::<Vec<_>>()
        });
        table(&["POLICY", "VALUE", "FROM"], all.chain(of_channels))
    })
}

/// A policy's value without the quotes that JSON needs.
fn value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn revisions(args: &RevisionsArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let api = found(&args.reference, client)?;
    let revisions: Vec<Revision> = client.list(&place(&held::key(&api)).at("revisions"), None)?;
    let header = ["REVISION", "CREATED", "BY", "DEPLOYED", "NAME", "ACCESS", "TARGETS"];
    globals.output.list(&revisions, &header, |revision| {
        let running = api.deployments.iter().filter(|deployment| deployment.revision == revision.number);
        let running: Vec<&str> = running.map(|deployment| deployment.environment.as_str()).collect();
        vec![
            revision.number.to_string(),
            moment::shown(revision.created_at),
            revision.created_by.clone(),
            list_cell(&running),
            revision.definition.name.to_string(),
            revision.definition.access.as_str().to_owned(),
            list_cell(&texts(&revision.definition.targets)),
        ]
    })
}

/// Writes an API with its deployments.
pub(super) fn write(api: &Api, globals: &GlobalOptions) -> Result<(), Failure> {
    globals.output.write(api, |api| {
        let fields = fields(api).into_iter().map(|(name, value)| vec![name.to_owned(), value]);
        let fields = table(&[], fields);
        match api.deployments.as_slice() {
            [] => fields,
            deployments => {
                format!("{fields}\n{}{}{}", deployed(deployments), endpoints(deployments), channels(deployments))
            }
        }
    })
}

/// A table of channels with an empty line before it; nothing where no deployment has any.
fn channels(deployments: &[Deployment]) -> String {
    let shown = |deployment: &Deployment| deployment.channels.as_ref().map_or_else(Vec::new, |it| rows(deployment, it));
    let rows: Vec<Vec<String>> = deployments.iter().flat_map(shown).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("\n{}", table(&["ENVIRONMENT", "CHANNEL", "EXTENSIONS"], rows.into_iter()))
}

/// A row for each channel of a deployment, with the extensions that its connections may negotiate.
fn rows(deployment: &Deployment, ServedChannels { count, paths, checked }: &ServedChannels) -> Vec<Vec<String>> {
    let row =
        |path: &str, extensions: &str| vec![deployment.environment.to_string(), path.to_owned(), extensions.to_owned()];
    let of = |path: &String| row(path, if checked.contains(path) { WITHOUT_EXTENSIONS } else { "any" });
    let more = count.saturating_sub(paths.len() as u64);
    let more = (more > 0).then(|| row(&format!("({more} more)"), "-"));
    paths.iter().map(of).chain(more).collect()
}

/// A table of endpoints with an empty line before it; nothing where the node shows none.
fn endpoints(deployments: &[Deployment]) -> String {
    let shown = |deployment: &Deployment| {
        let environment = deployment.environment.to_string();
        let endpoints = deployment.endpoints.clone().unwrap_or_default();
        endpoints.into_iter().map(move |endpoint| endpoint_row(&environment, &endpoint)).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = deployments.iter().flat_map(shown).collect();
    if rows.is_empty() {
        return String::new();
    }
    let header = ["ENVIRONMENT", "ENDPOINT", "STATE", "CAUSE", "FAILED FOR", "FAILURES"];
    format!("\n{}", table(&header, rows.into_iter()))
}

fn endpoint_row(environment: &str, endpoint: &Endpoint) -> Vec<String> {
    let failed_for = endpoint.failed_for_ms.map(|ms| show_duration(Duration::from_secs(ms.div_ceil(1000).max(1))));
    vec![
        environment.to_owned(),
        endpoint.target.clone(),
        endpoint.state.name().to_owned(),
        endpoint.cause.clone().unwrap_or_else(|| "-".to_owned()),
        failed_for.unwrap_or_else(|| "-".to_owned()),
        endpoint.failures.to_string(),
    ]
}

/// A table of deployments.
pub(super) fn deployed(deployments: &[Deployment]) -> String {
    let header = ["ENVIRONMENT", "REVISION", "STATUS", "TARGETS", "URL"];
    table(
        &header,
        deployments.iter().map(|it| {
            let targets = list_cell(&texts(&it.effective_targets));
            vec![
                it.environment.to_string(),
                it.revision.to_string(),
                status(it).to_owned(),
                if it.targets.is_some() { format!("{targets} (its own)") } else { targets },
                it.url.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        }),
    )
}

fn fields(api: &Api) -> Vec<(&'static str, String)> {
    // By name, so that the compiler reports a field that the table leaves out.
    let Definition { name, description, access, targets, kind: _, policies, contract } = &api.definition;
    let mut fields = vec![
        ("api", held::key(api).to_string()),
        ("name", name.to_string()),
        ("base path", api.base_path.clone()),
        ("access", access.as_str().to_owned()),
        ("targets", list_cell(&texts(targets))),
        ("lifecycle", api.lifecycle.to_string()),
    ];
    let mut add = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    add("display name", api.display_name.as_ref().map(ToString::to_string));
    add("description", Some(description.to_string()).filter(|text| !text.is_empty()));
    let policies: Vec<String> = policies.named().iter().map(|(name, set)| format!("{name}={}", value(set))).collect();
    add("policies", Some(policies.join(", ")).filter(|text| !text.is_empty()));
    add("contract", contract.as_ref().map(self::contract));
    add("deprecated", api.deprecated_at.map(moment::shown));
    add("ends", api.sunset_at.map(moment::shown));
    add("latest revision", api.latest_revision.map(|number| number.to_string()));
    add("created", Some(format!("{} by {}", moment::shown(api.created_at), api.created_by)));
    add("updated", Some(format!("{} by {}", moment::shown(api.updated_at), api.updated_by)));
    fields
}

/// A contract in one cell: its document, the digest, and the choices that an operator made.
fn contract(contract: &ContractRef) -> String {
    let ContractRef { digest, main, perspective, layout } = contract;
    let mut parts: Vec<String> = main.iter().cloned().collect();
    parts.push(format!("sha256 {digest}"));
    parts.extend(perspective.map(|side| format!("written from the {side}'s side")));
    if *layout != Layout::default() {
        parts.push(format!("layout {layout}"));
    }
    parts.join(", ")
}
