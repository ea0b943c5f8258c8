//! `ringway identity`: who may call the admin API of a node, with which roles, by which tokens.

mod room_scope;
mod token;

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use self::room_scope::RoomScopeArgs;
use super::client::{Client, ResourcePath, Tagged};
use super::confirmation::Confirmation;
use super::global_options::GlobalOptions;
use super::output::{count, list_cell, note, table};
use super::{Failure, program};
use crate::api::identity::view::{Identity, WhoAmI};
use crate::api::identity::{NewIdentity, PutIdentity};
use crate::api::{Role, Roles, moment};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create an identity; it has no token yet
    Create(CreateArgs),
    /// List the identities of a node
    List,
    /// Show an identity and its tokens
    Show(NameArgs),
    /// Give an identity exactly these roles; its tokens have them at once
    Role(RoleArgs),
    /// Revoke an identity with all of its tokens, at once
    Revoke(RevokeArgs),
    /// Create, replace and revoke tokens of identities
    Token(token::Args),
    /// Show who the node takes this command for
    Whoami,
}

#[derive(clap::Args, Debug)]
struct NameArgs {
    /// The identity
    #[arg(value_name = "IDENTITY")]
    name: String,
}

#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// Name of the identity, as ci-deploy or ada@example.com
    #[arg(value_name = "IDENTITY")]
    name: String,
    /// A role; may be repeated, and may name several with commas between
    #[arg(long, value_name = "ROLE", value_enum, ignore_case = true, required = true, value_delimiter = ',')]
    role: Vec<RoleArg>,
    /// Description of the person or program
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    #[command(flatten)]
    scope: RoomScopeArgs,
}

#[derive(clap::Args, Debug)]
struct RoleArgs {
    /// The identity
    #[arg(value_name = "IDENTITY")]
    name: String,
    /// The roles that it is to have, and no others
    #[arg(value_name = "ROLE", value_enum, ignore_case = true, required = true, value_delimiter = ',')]
    role: Vec<RoleArg>,
    #[command(flatten)]
    scope: RoomScopeArgs,
}

#[derive(clap::Args, Debug)]
struct RevokeArgs {
    /// The identity
    #[arg(value_name = "IDENTITY")]
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// The values of `--role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    /// Reads everything but identities
    Viewer,
    /// Creates and configures APIs, deploys them to every environment but the last
    Developer,
    /// Deploys to every environment, promotes, changes lifecycles, closes connections
    Publisher,
    /// Does everything, and manages identities
    Admin,
    /// Publishes to rooms within its scope, and does nothing else
    RoomPublisher,
}

impl From<RoleArg> for Role {
    fn from(arg: RoleArg) -> Self {
        match arg {
            RoleArg::Viewer => Self::Viewer,
            RoleArg::Developer => Self::Developer,
            RoleArg::Publisher => Self::Publisher,
            RoleArg::Admin => Self::Admin,
            RoleArg::RoomPublisher => Self::RoomPublisher,
        }
    }
}

fn roles(args: &[RoleArg]) -> Roles {
    args.iter().fold(Roles::default(), |roles, arg| roles.with((*arg).into()))
}

fn words(roles: Roles) -> Vec<String> {
    roles.iter().map(|role| role.to_string()).collect()
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(globals)?;
    match &args.verb {
        Verb::Create(args) => create(args, &client, globals),
        Verb::List => list(&client, globals),
        Verb::Show(args) => write(&client.get(&place(&args.name))?, globals),
        Verb::Role(args) => set_roles(args, &client, globals),
        Verb::Revoke(args) => revoke(args, &client, globals),
        Verb::Token(args) => token::run(args, &client, globals),
        Verb::Whoami => who_am_i(&client, globals),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn place(name: &str) -> ResourcePath {
    ResourcePath::new(["identities", name])
}

fn create(args: &CreateArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let new = NewIdentity {
        name: args.name.clone(),
        roles: words(roles(&args.role)),
        description: args.description.clone(),
        room_scope: args.scope.scope(client)?,
    };
    let identity: Identity = client.post(&ResourcePath::new(["identities"]), &new)?;
    let program = program::name();
    note(&format!("created {0}; `{program} identity token create {0}` gives it a token", identity.name));
    write(&identity, globals)
}

fn list(client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let identities: Vec<Identity> = client.list(&ResourcePath::new(["identities"]), None)?;
    globals.output.list(&identities, &["NAME", "ROLES", "TOKENS", "LAST USED", "DESCRIPTION"], |it| {
        let last_used = it.tokens.iter().filter_map(|token| token.last_used.clone()).max();
        vec![
            it.name.to_string(),
            list_cell(&words(it.roles)),
            it.tokens.len().to_string(),
            last_used.unwrap_or_else(|| "-".to_owned()),
            it.description.to_string(),
        ]
    })
}

fn set_roles(args: &RoleArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let place = place(&args.name);
    let Tagged { value: identity, etag } = client.tagged::<Identity>(&place)?;
    let roles = roles(&args.role);
    let given = args.scope.scope(client)?;
    let new = PutIdentity {
        roles: words(roles),
        description: identity.description.to_string(),
        room_scope: given.or(identity.room_scope).filter(|_| roles.has(Role::RoomPublisher)),
    };
    let identity: Identity = client.put(&place, &new, etag.as_deref())?;
    write(&identity, globals)
}

fn revoke(args: &RevokeArgs, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let identity: Identity = client.get(&place(&args.name))?;
    let tokens = count(identity.tokens.len() as u64, "token");
    args.confirmation.ask(&format!("revoke {} with its {tokens}", identity.name), globals)?;
    client.delete(&place(&args.name))?;
    note(&format!("revoked {} with its {tokens}", identity.name));
    Ok(())
}

fn who_am_i(client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    let caller: WhoAmI = client.get(&ResourcePath::new(["whoami"]))?;
    globals.output.write(&caller, |caller| {
        let fields = [
            ("name", caller.name.clone()),
            ("by", caller.authenticated_by.clone()),
            ("roles", list_cell(&words(caller.roles))),
        ];
        table(&[], fields.into_iter().map(|(name, value)| vec![name.to_owned(), value]))
    })
}

fn write(identity: &Identity, globals: &GlobalOptions) -> Result<(), Failure> {
    globals.output.write(identity, |identity| {
        let mut fields = vec![
            ("name", identity.name.to_string()),
            ("roles", list_cell(&words(identity.roles))),
            ("description", identity.description.to_string()),
        ];
        fields.extend(identity.room_scope.as_ref().map(room_scope::rows).into_iter().flatten());
        fields.push(("created", format!("{} by {}", moment::shown(identity.created_at), identity.created_by)));
        fields.push(("updated", format!("{} by {}", moment::shown(identity.updated_at), identity.updated_by)));
        let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let fields = table(&[], given.map(|(name, value)| vec![name.to_owned(), value]));
        if identity.tokens.is_empty() { fields } else { format!("{fields}\n{}", token::rows(&identity.tokens)) }
    })
}
