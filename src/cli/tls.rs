//! `ringway tls`: creates certificates for development.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Subcommand;

use super::{Failure, program};
use crate::config::units::number;
use crate::tls::dev_cert::{self, AuthorityIs, DEFAULT_DAYS, DevCertError, Files, MAX_DAYS};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a certificate authority and a certificate that it signs; not for production
    DevCert(DevCert),
}

#[derive(clap::Args, Debug)]
struct DevCert {
    /// Directory for ca.pem, ca-key.pem, cert.pem and key.pem; an existing authority is used, never replaced
    #[arg(long, value_name = "DIR", default_value = "./dev-cert")]
    out: PathBuf,
    /// Days that the certificate is valid for, 397 at most: browsers refuse more
    #[arg(long, value_name = "N", default_value_t = DEFAULT_DAYS, value_parser = days)]
    days: u16,
    /// DNS names and addresses of the certificate; `*.` wildcards are allowed
    #[arg(value_name = "NAME-OR-ADDRESS", default_values = ["localhost", "127.0.0.1", "::1"])]
    names: Vec<String>,
}

/// Parses the days of a certificate for clap.
fn days(text: &str) -> Result<u16, String> {
    let days = number::<u16>(text)?;
    let is_valid = (1..=MAX_DAYS).contains(&days);
    is_valid.then_some(days).ok_or_else(|| format!("it must be from 1 to {MAX_DAYS}"))
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let Verb::DevCert(args) = &args.verb;
    let (files, authority) = dev_cert::create(&args.out, &args.names, args.days, SystemTime::now())?;
    let text = explained(args, &files, authority);
    // Nobody may be reading.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

impl From<DevCertError> for Failure {
    fn from(error: DevCertError) -> Self {
        match error {
            DevCertError::Name(message) => Self::Configuration(message),
            DevCertError::Failed(message) => Self::Failed(message),
        }
    }
}

fn explained(args: &DevCert, files: &Files, authority: AuthorityIs) -> String {
    let (ca, program) = (files.ca.display(), program::name());
    let (key, certificate, ca_key) = (files.key.display(), files.certificate.display(), files.ca_key.display());
    let how = match authority {
        AuthorityIs::Created => "created",
        AuthorityIs::Existing => "existing, used again",
    };
    let days = args.days;
    let host = args.names.iter().find(|name| !name.starts_with('*')).map_or("localhost", String::as_str);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!(
        "authority    {ca} ({how}), its key {ca_key}\n\
         certificate  {certificate}, its key {key}\n\
         for          {}, {days} days\n\n\
         Try it:\n  \
         {program} proxy --listen 127.0.0.1:8443 --target ws://127.0.0.1:9000 --tls-cert {certificate} --tls-key {key}\n  \
         {program} ws wss://{host}:8443/ --tls-ca {ca}\n\n\
         A browser or host that trusts {ca} accepts every certificate signed with {ca_key}: keep that key\n\
         secret, and trust the authority only while you need it.\n",
        args.names.join(", ")
    )
}
