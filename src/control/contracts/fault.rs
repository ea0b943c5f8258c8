//! The reasons why a contract is not kept or not there.

use std::fmt;
use std::io::{self, ErrorKind};

use crate::api::ContractDigest;
use crate::api::problem::{Code, Fault, Problems};
use crate::contract::sources::SourceError;

/// The reason why a contract is not kept or not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContractFault {
    /// The node has no contract with this digest.
    Missing(ContractDigest),
    /// The file holds other bytes than were uploaded.
    Damaged(ContractDigest),
    /// The upload is longer than [`MAX_BYTES`](super::MAX_BYTES).
    TooLarge,
    /// The node has as many contracts as it keeps.
    Full,
    /// The bytes are not the files of a contract.
    Sources(SourceError),
    /// The disk is full.
    DiskFull,
    /// The files cannot be used: why.
    Failed(String),
}

impl ContractFault {
    /// The fault of a definition's field that refers to the contract.
    pub(in crate::control) fn into_fault(self) -> Fault {
        let rule = match &self {
            Self::Missing(_) => "unknown",
            Self::Sources(_) => "routable",
            _ => "readable",
        };
        Fault::new(rule, self.to_string())
    }
}

impl From<io::Error> for ContractFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull,
            kind => Self::Failed(kind.to_string()),
        }
    }
}

impl fmt::Display for ContractFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(digest) => write!(
                f,
                "the node has no contract {digest}: upload it first, with `ringway api import` or POST /api/v1/contracts; one that \
                 nothing refers to is removed after an hour"
            ),
            Self::Damaged(digest) => {
                write!(f, "the file of the contract {digest} is damaged: upload the contract again")
            }
            Self::TooLarge => write!(f, "a contract has {} MiB at most", super::MAX_BYTES >> 20),
            Self::Full => write!(
                f,
                "the node keeps {} contracts of {} MiB together at most: delete APIs that nobody needs; what nothing refers to is \
                 removed after an hour",
                super::MAX_CONTRACTS,
                super::MAX_ALL_BYTES >> 20
            ),
            Self::Sources(error) => error.fmt(f),
            Self::DiskFull => f.write_str("the disk of the state directory is full: make room on it"),
            Self::Failed(why) => write!(f, "the folder `contracts` of the state directory cannot be used: {why}"),
        }
    }
}

impl std::error::Error for ContractFault {}

impl From<ContractFault> for Problems {
    fn from(fault: ContractFault) -> Self {
        let code = match &fault {
            ContractFault::Missing(_) => Code::CONTRACT_NOT_FOUND,
            ContractFault::Full => Code::CONTRACTS_FULL,
            ContractFault::TooLarge | ContractFault::Sources(_) => Code::CONTRACT_INVALID,
            ContractFault::DiskFull => Code::STORE_FULL,
            ContractFault::Damaged(_) | ContractFault::Failed(_) => Code::STORE_UNAVAILABLE,
        };
        let mut detail = format!("{fault}.");
        if let Some(first) = detail.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Self::new(code, detail)
    }
}
