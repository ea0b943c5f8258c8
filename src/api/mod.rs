//! The domain model: projects, APIs, revisions, deployments, lifecycle, consumers, and the rules of each.
//!
//! In: requests and documents as clients wrote them ([`request`], [`definition`]). Out: checked values, or every rule that
//! is broken with the field that breaks it ([`problem`]); and the answers of the admin API ([`view`]). This folder must
//! never touch a store, a clock or a socket: time comes in as an argument. docs/apis.md defines the words.

pub mod actor;
pub mod audit;
pub mod change;
pub mod consumers;
pub mod contract;
pub mod definition;
pub mod deployed;
pub mod environment;
pub mod etag;
pub mod identity;
pub mod key;
pub mod lifecycle;
pub mod misfit;
pub mod moment;
pub mod nearest;
pub mod page;
pub mod policy;
pub mod problem;
pub mod request;
pub mod spelling;
pub mod target;
pub mod text;
pub mod units;
pub mod version;
pub mod view;
pub mod written;

pub use actor::Actor;
pub use audit::{Action, AuditEntry};
pub use change::Change;
pub use contract::{ContractDigest, ContractRef};
pub use definition::{Access, Definition, Kind, NewApi, NewDefinition};
pub use deployed::{Deployed, DeploymentId};
pub use environment::{Environment, Environments};
pub use etag::{Condition, ETag};
pub use identity::{IdentityName, Permission, Role, Roles};
pub use key::{ApiKey, EnvironmentName, Identifier, ProjectName};
pub use lifecycle::Lifecycle;
pub use nearest::nearest;
pub use page::{Page, PageRequest};
pub use policy::{Policies, PolicyLayer, PolicyValues};
pub use problem::{FieldError, Problem, Problems};
pub use target::TargetUrl;
pub use text::{Description, Name};
pub use version::Version;
pub use view::{Api, Deployment, Project, Revision};
