//! `ringway identity token`: tokens of identities. A secret goes to standard output once, or to a file, and nowhere else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};

use super::place;
use crate::api::identity::view::{MadeToken, Token};
use crate::api::identity::{NewToken, Rotation};
use crate::api::moment;
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::cli::confirmation::Confirmation;
use crate::cli::global_options::GlobalOptions;
use crate::cli::output::{note, table};
use crate::config::units::{delay, number};
use crate::control::state_dir::{Existing, write_whole};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a token of an identity, and print its secret, which cannot be shown again
    Create(CreateArgs),
    /// Replace a token by a new one; the old one stays valid for a while
    Rotate(RotateArgs),
    /// Revoke a token, at once
    Revoke(RevokeArgs),
}

#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// The identity
    #[arg(value_name = "IDENTITY")]
    name: String,
    /// Purpose of the token
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    #[command(flatten)]
    made: MadeArgs,
}

#[derive(clap::Args, Debug)]
struct RotateArgs {
    /// The identity
    #[arg(value_name = "IDENTITY")]
    name: String,
    /// The number of the token, from `identity show`
    #[arg(value_name = "TOKEN", value_parser = number::<u64>)]
    id: u64,
    /// Time for which the old token stays valid; 0 ends it at once
    #[arg(long, value_name = "TIME", value_parser = delay, default_value = "24h")]
    overlap: Duration,
    #[command(flatten)]
    made: MadeArgs,
}

#[derive(clap::Args, Debug)]
struct RevokeArgs {
    /// The identity
    #[arg(value_name = "IDENTITY")]
    name: String,
    /// The number of the token, from `identity show`
    #[arg(value_name = "TOKEN", value_parser = number::<u64>)]
    id: u64,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// The options of a new token.
#[derive(clap::Args, Debug)]
struct MadeArgs {
    /// Day or time from which on the token is refused, as 2027-06-30 or 2027-06-30T12:00:00Z [default: never]
    #[arg(long, value_name = "TIME", value_parser = crate::cli::api::time, conflicts_with = "days")]
    expires: Option<Timestamp>,
    /// Days after which the token is refused
    #[arg(long, value_name = "COUNT", value_parser = number::<u32>)]
    days: Option<u32>,
    /// File for the secret, instead of standard output: it must not exist, and only its owner may read it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl MadeArgs {
    fn expires_at(&self) -> Option<String> {
        let after = |days: u32| {
            let whole = SignedDuration::from_hours(i64::from(days).saturating_mul(24));
            Timestamp::now().saturating_add(whole).unwrap_or(Timestamp::MAX)
        };
        self.expires.or_else(|| self.days.map(after)).map(moment::shown)
    }

    /// Refuses a file that exists, before there is a secret to lose.
    fn check(&self) -> Result<(), Failure> {
        match &self.out {
            Some(path) if path.symlink_metadata().is_ok() => {
                Err(Failure::Failed(format!("{}: there is such a file already; --out names a new one", path.display())))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn run(args: &Args, client: &Client, globals: &GlobalOptions) -> Result<(), Failure> {
    match &args.verb {
        Verb::Create(args) => {
            args.made.check()?;
            let new = NewToken { description: args.description.clone(), expires_at: args.made.expires_at() };
            let made: MadeToken = client.post(&place(&args.name).at("tokens"), &new)?;
            hand_over(&args.name, &args.made, &made, client, globals)
        }
        Verb::Rotate(args) => {
            args.made.check()?;
            let overlap_ms = Some(u64::try_from(args.overlap.as_millis()).unwrap_or(u64::MAX));
            let rotation = Rotation { overlap_ms, expires_at: args.made.expires_at() };
            let at = place(&args.name).at("tokens").at(&args.id.to_string()).at("rotate");
            let made: MadeToken = client.post(&at, &rotation)?;
            hand_over(&args.name, &args.made, &made, client, globals)
        }
        Verb::Revoke(args) => {
            args.confirmation.ask(&format!("revoke token {} of {}", args.id, args.name), globals)?;
            client.delete(&place(&args.name).at("tokens").at(&args.id.to_string()))?;
            note(&format!("token {} of {} is revoked", args.id, args.name));
            Ok(())
        }
    }
}

/// Prints the secret, or writes it to its file; then the token is shown without it.
fn hand_over(
    name: &str,
    args: &MadeArgs,
    made: &MadeToken,
    client: &Client,
    globals: &GlobalOptions,
) -> Result<(), Failure> {
    let MadeToken { token, secret } = made;
    let Some(path) = &args.out else {
        note(&format!("token {} of {name}: the secret below cannot be shown again", token.id));
        return globals.output.write(made, |made| format!("{}\n", made.secret));
    };
    if let Err(error) = keep(path, secret) {
        // Nobody has the secret: the token is of no use.
        let revoked = client.delete(&place(name).at("tokens").at(&token.id.to_string()));
        let then = if revoked.is_ok() { "the token is revoked again" } else { "revoke the token" };
        return Err(Failure::Failed(format!("{}: {error}; {then} ({})", path.display(), token.id)));
    }
    note(&format!("the secret of token {} of {name} is in {}", token.id, path.display()));
    globals.output.write(token, |token| rows(std::slice::from_ref(token)))
}

fn keep(path: &Path, secret: &str) -> std::io::Result<()> {
    write_whole(path, format!("{secret}\n").as_bytes(), Existing::Kept)
}

/// Tokens as a table.
pub(super) fn rows(tokens: &[Token]) -> String {
    let row = |token: &Token| {
        vec![
            token.id.to_string(),
            moment::shown(token.created_at),
            token.created_by.clone(),
            token.expires_at.map_or_else(|| "never".to_owned(), moment::shown),
            token.last_used.clone().unwrap_or_else(|| "-".to_owned()),
            token.description.to_string(),
        ]
    };
    table(&["TOKEN", "CREATED", "BY", "EXPIRES", "LAST USED", "DESCRIPTION"], tokens.iter().map(row))
}
