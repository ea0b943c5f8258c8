//! An upload as the admin API answers it: the reference to send in a definition, the problems, the pre-defined values.

use std::sync::Arc;

use super::channels::channels;
use super::{ContractFault, Contracts, options};
use crate::api::contract::{ContractRef, Layout, Side};
use crate::api::problem::{Code, Problems};
use crate::api::view::contract::{ContractProblem, Predefined, ProblemCounts, Suggestion, UploadedContract};
use crate::contract::predefined::{self, Choice, Suggested};
use crate::contract::{self, Contract, Level, Sources};

/// The most problems that one sentence repeats.
const MAX_REPEATED: usize = 5;

/// The operator's choices that come with an upload.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// The file name of the AsyncAPI document: in an archive that of its entry, else that of the upload.
    pub main: Option<String>,
    /// The side that the document is written from.
    pub perspective: Option<Side>,
    /// The way in which channels become routes.
    pub layout: Layout,
}

/// The reason why an upload is refused.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The refusal: its reason, and the next step of the uploader.
    pub problems: Problems,
    /// Every problem of the contract, if that is the reason.
    pub contract: Vec<ContractProblem>,
}

impl From<ContractFault> for Rejected {
    fn from(fault: ContractFault) -> Self {
        Self { problems: fault.into(), contract: Vec::new() }
    }
}

impl Contracts {
    /// Reads an upload, and keeps it if its channels can become routes. This takes up to a second of a CPU. Also returns true if
    /// the node did not have these bytes.
    ///
    /// # Errors
    /// The upload is no contract, something in it blocks routing, or it cannot be kept.
    pub fn take(&self, bytes: &[u8], choices: Choices) -> Result<(UploadedContract, bool), Rejected> {
        let Choices { main, perspective, layout } = choices;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let sources = Sources::uploaded(bytes.to_vec(), main.as_deref()).map_err(ContractFault::Sources)?;
        let digest = crate::api::ContractDigest::of(bytes);
        let reference = ContractRef { digest, main: Some(sources.main().to_owned()), perspective, layout };
        let read = contract::read(&sources, options(&reference));
        let table = channels(&read).map(|channels| channels.map(Arc::new));
        if let Err(why) = &table {
            return Err(rejected(&read, why));
        }
        let kept = self.keep(bytes)?;
        self.hold(&reference, &table);
        Ok((answer(reference, length, &read), kept.is_new))
    }
}

fn rejected(read: &Contract, why: &str) -> Rejected {
    let blocking = read.problems.list().iter().filter(|problem| problem.level == Level::BlocksRouting);
    let told: Vec<String> = blocking.take(MAX_REPEATED).map(ToString::to_string).collect();
    let told = if told.is_empty() { vec![why.to_owned()] } else { told };
    let more = read.problems.count(Level::BlocksRouting).saturating_sub(told.len());
    let more = if more > 0 { format!("; and {more} more, see `problems`") } else { String::new() };
    let detail = format!("The contract is not kept: {}{more}.", told.join("; "));
    Rejected {
        problems: Problems::new(Code::CONTRACT_INVALID, detail),
        contract: read.problems.list().iter().map(ContractProblem::from).collect(),
    }
}

fn answer(contract: ContractRef, bytes: u64, read: &Contract) -> UploadedContract {
    let model = read.model.as_ref();
    let predefined = model.and_then(|model| predefined::predefined(model, &Choice::default()).ok());
    UploadedContract {
        contract,
        bytes,
        asyncapi: model.map_or_else(String::new, |model| model.asyncapi.clone()),
        perspective: model.map_or(Side::Server, |model| model.perspective.side),
        perspective_reason: model.map_or_else(String::new, |model| model.perspective.reason.clone()),
        routes: count(model.map_or(0, |model| model.routes.len())),
        channels: count(model.map_or(0, |model| model.channels.len())),
        messages: count(model.map_or(0, |model| model.messages.len())),
        predefined: predefined.map(shown),
        problem_counts: ProblemCounts {
            blocks_routing: count(read.problems.count(Level::BlocksRouting)),
            blocks_validation: count(read.problems.count(Level::BlocksValidation)),
            note: count(read.problems.count(Level::Note)),
        },
        problems: read.problems.list().iter().map(ContractProblem::from).collect(),
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn shown(values: predefined::Predefined) -> Predefined {
    let suggestion = |Suggested { value, remark }: Suggested| Suggestion { value, remark };
    Predefined {
        name: suggestion(values.name),
        version: suggestion(values.version),
        description: suggestion(values.description),
        target: values.target,
        server: values.server,
        missing_variables: values.missing.into_iter().map(|variable| variable.name).collect(),
        found: values.found,
    }
}
