//! The domain model: projects, APIs, revisions, deployments, lifecycle, and the rules of each.
//!
//! In: what somebody wrote, as [`request`] has it. Out: either the checked thing, or every rule that it breaks with the
//! field that breaks it ([`problem`]). What others are shown is in [`view`]. Pure: no store, no clock, no socket; time
//! comes in as an argument. The words, and the JSON they have everywhere, are docs/apis.md's.

pub mod audit;
pub mod change;
pub mod definition;
pub mod deployed;
pub mod environment;
pub mod etag;
pub mod key;
pub mod lifecycle;
pub mod nearest;
pub mod page;
pub mod policy;
pub mod problem;
pub mod request;
pub mod target;
pub mod text;
pub mod units;
pub mod version;
pub mod view;

pub use audit::{Action, Actor, AuditEntry};
pub use change::Change;
pub use definition::{Access, Definition, Kind, NewApi, NewDefinition};
pub use deployed::{Deployed, DeploymentId};
pub use environment::{Environment, Environments};
pub use etag::{Condition, ETag};
pub use key::{ApiKey, EnvironmentName, Identifier, ProjectName};
pub use lifecycle::Lifecycle;
pub use nearest::nearest;
pub use page::{Page, PageRequest};
pub use policy::{Policies, PolicyValues};
pub use problem::{FieldError, Problem, Problems};
pub use target::TargetUrl;
pub use text::{Description, Name};
pub use version::Version;
pub use view::{Api, Deployment, Project, Revision};
