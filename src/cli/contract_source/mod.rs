//! Contracts for a command: read from a file, a folder, an archive, standard input or a URL. All that is fetched is fetched here,
//! with the operator's own network; a node gets bytes.

mod fetch;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use self::fetch::Fetcher;
use super::client::{Client, ResourcePath};
use super::{Failure, program};
use crate::api::ContractRef;
use crate::api::contract::{ContractDigest, Layout, Side};
use crate::api::view::contract::UploadedContract;
use crate::contract::display::shown as shown_problem;
use crate::contract::sources::{Sources, is_url, zip};
use crate::contract::{self, Contract, Level, Library, Options, Problems};
use crate::declare::contracts::{self as files, Upload, bounded};

/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";
/// The most documents that references lead to outside the upload.
const MAX_FETCHED: usize = 50;

/// The flags of every command that reads a contract.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct ReadingFlags {
    /// AsyncAPI document of a folder or archive that has several
    #[arg(long, value_name = "FILE")]
    pub(super) main: Option<String>,
    /// Side that the document is written from, server or client [default: inferred, or as chosen before]
    #[arg(long, value_name = "SIDE", value_parser = str::parse::<Side>)]
    pub(super) perspective: Option<Side>,
    /// Layout of the routes that channels become: inferred, one-socket or by-address [default: inferred, or as chosen before]
    #[arg(long, value_name = "LAYOUT", value_parser = str::parse::<Layout>)]
    pub(super) layout: Option<Layout>,
    /// Fetch documents of other hosts that references lead to
    #[arg(long)]
    pub(super) allow_remote_refs: bool,
}

/// A contract that was read here. Nothing of it is on a node yet.
#[derive(Debug)]
pub(super) struct ReadContract {
    /// The bytes to upload.
    pub(super) bytes: Vec<u8>,
    /// The reference that a definition will have.
    pub(super) reference: ContractRef,
    /// The files.
    pub(super) sources: Sources,
    /// The model and the problems.
    pub(super) contract: Contract,
}

/// Reads a contract from a source.
///
/// # Errors
/// The source cannot be read, or its files are no contract. Problems inside the documents are in the answer.
pub(super) fn read(source: &str, flags: &ReadingFlags) -> Result<ReadContract, Failure> {
    let Upload { bytes, main } = obtained(source)?;
    let main = if zip::is_zip(&bytes) { flags.main.clone() } else { main };
    let invalid = |why: &dyn std::fmt::Display| Failure::Configuration(format!("{}: {why}", shown(source)));
    let mut sources = Sources::uploaded(bytes.clone(), main.as_deref()).map_err(|error| invalid(&error))?;
    let mut bytes = bytes;
    if flags.allow_remote_refs {
        let fetched = fetched(&sources)?;
        if !fetched.is_empty() {
            let own = sources.iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
            let all = Sources::files(own.chain(fetched), Some(sources.main())).map_err(|error| invalid(&error))?;
            bytes = zip::packed(all.iter()).map_err(|error| invalid(&error))?;
            sources = all;
        }
    }
    let reference = ContractRef {
        digest: ContractDigest::of(&bytes),
        main: Some(sources.main().to_owned()),
        perspective: flags.perspective,
        layout: flags.layout.unwrap_or_default(),
    };
    let contract = parsed(&sources, &reference);
    Ok(ReadContract { bytes, reference, sources, contract })
}

impl ReadContract {
    /// Takes the choices that an API's contract was read with before, where the flags make none, and reads again if they differ.
    pub(super) fn remember(&mut self, before: &ContractRef, flags: &ReadingFlags) {
        let perspective = flags.perspective.or(before.perspective);
        let layout = flags.layout.unwrap_or(before.layout);
        if (perspective, layout) != (self.reference.perspective, self.reference.layout) {
            (self.reference.perspective, self.reference.layout) = (perspective, layout);
            self.contract = parsed(&self.sources, &self.reference);
        }
    }

    /// The first problem that blocks routing, and what to do; `None` if the contract is routable.
    pub(super) fn blocking(&self) -> Option<String> {
        if self.contract.is_routable() {
            return None;
        }
        let problems = self.contract.problems.list();
        let first = problems.iter().find(|problem| problem.level == Level::BlocksRouting)?;
        Some(format!(
            "{}\n`{} api contract validate` shows every problem",
            shown_problem(first, &self.sources),
            program::name()
        ))
    }

    /// Has the node keep the contract.
    pub(super) fn upload(&self, client: &Client) -> Result<UploadedContract, Failure> {
        upload(&self.reference, self.bytes.clone(), client)
    }
}

/// Has the node keep the bytes of a contract.
///
/// # Errors
/// The node refuses them.
pub(super) fn upload(contract: &ContractRef, bytes: Vec<u8>, client: &Client) -> Result<UploadedContract, Failure> {
    let ContractRef { main, perspective, layout, .. } = contract;
    let place = ResourcePath::new(["contracts"])
        .with_some("main", main.as_deref())
        .with_some("perspective", perspective.map(Side::as_str))
        .with("layout", layout.as_str());
    client.upload(&place, bytes)
}

/// The ending of a file name for a contract.
pub(super) fn ending(contract: &ContractRef, bytes: &[u8]) -> &'static str {
    let is_json = contract.main.as_deref().is_some_and(|main| main.to_ascii_lowercase().ends_with(".json"));
    match (zip::is_zip(bytes), is_json) {
        (true, _) => "zip",
        (false, true) => "json",
        (false, false) => "yaml",
    }
}

/// Reads the contract that an API on a node refers to.
///
/// # Errors
/// The node does not have it, or it cannot be read.
pub(super) fn of_node(reference: &ContractRef, client: &Client) -> Result<ReadContract, Failure> {
    let bytes = client.bytes(&place(&reference.digest))?;
    let sources = Sources::uploaded(bytes.clone(), reference.main.as_deref())
        .map_err(|error| Failure::Failed(format!("the contract {}: {error}", reference.digest)))?;
    let contract = parsed(&sources, reference);
    Ok(ReadContract { bytes, reference: reference.clone(), sources, contract })
}

/// The path of a contract in the admin API.
pub(super) fn place(digest: &ContractDigest) -> ResourcePath {
    ResourcePath::new(["contracts", &digest.to_string()])
}

fn parsed(sources: &Sources, reference: &ContractRef) -> Contract {
    contract::read(sources, Options { perspective: reference.perspective, layout: reference.layout })
}

/// The bytes of a source.
fn obtained(source: &str) -> Result<Upload, Failure> {
    if source == STANDARD_INPUT {
        let bytes = bounded(io::stdin().lock()).map_err(|why| Failure::Failed(format!("standard input: {why}")))?;
        return Ok(Upload::new(contract::sources::NO_NAME, bytes));
    }
    if is_url(source) {
        let bytes = Fetcher::new()?.fetch(source)?;
        return Ok(Upload::new(&shown(source), bytes));
    }
    files::upload(Path::new(source)).map_err(|why| Failure::Failed(format!("{source}: {why}")))
}

/// A source in messages and as a name: a URL without its query, which may hold a secret.
pub(super) fn shown(source: &str) -> String {
    if is_url(source) { source.split(['?', '#']).next().unwrap_or_default().to_owned() } else { source.to_owned() }
}

/// Fetches the documents that references lead to outside the upload, and those that these refer to, under their URLs.
fn fetched(sources: &Sources) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let mut fetched: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut fetcher: Option<Fetcher> = None;
    loop {
        let own = sources.iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
        let known = own.chain(fetched.iter().map(|(name, bytes)| (name.clone(), bytes.clone())));
        let all = Sources::files(known, Some(sources.main()))
            .map_err(|error| Failure::Configuration(format!("the documents that references lead to: {error}")))?;
        let wanted = Library::load(&all, &mut Problems::default()).remote_files();
        let wanted: Vec<String> =
            wanted.into_iter().filter(|name| is_url(name) && !fetched.contains_key(name)).collect();
        if wanted.is_empty() {
            return Ok(fetched);
        }
        for url in wanted {
            if fetched.len() >= MAX_FETCHED {
                let why = format!("references lead to more than {MAX_FETCHED} documents of other hosts");
                return Err(Failure::Configuration(why));
            }
            let fetcher = match &fetcher {
                Some(fetcher) => fetcher,
                None => fetcher.insert(Fetcher::new()?),
            };
            let bytes = fetcher.fetch(&url)?;
            fetched.insert(url, bytes);
        }
    }
}
