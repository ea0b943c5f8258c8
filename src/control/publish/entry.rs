//! The rules of who may enter a route, from the policies of its layers.

use std::sync::Arc;

use crate::api::policy::{AuthMode, COOKIE_ORIGINS, lists_pages};
use crate::api::problem::Fault;
use crate::api::{Deployed, PolicyValues};
use crate::proto::credential::{Place, Places};
use crate::routing::consumers::ApiFamily;
use crate::routing::entry::{Authentication, EntryRules, KeyRules};
use crate::routing::origins::Origins;

/// The policies of authentication and origins in effect.
#[derive(Clone, Debug)]
pub(super) struct EntryPolicy {
    mode: AuthMode,
    places: Places,
    origins: Origins,
    forwards_identity: bool,
}

impl EntryPolicy {
    pub(super) fn of(values: &PolicyValues) -> Self {
        let name = |place, name: &str| values.credentials_in.has(place).then(|| name.into());
        let places = Places {
            header: name(Place::Header, values.key_header.as_str()),
            query: name(Place::Query, values.key_query.as_str()),
            cookie: name(Place::Cookie, values.key_cookie.as_str()),
            has_subprotocol: values.credentials_in.has(Place::Subprotocol),
        };
        Self {
            mode: values.auth_mode,
            places,
            origins: values.origins.clone(),
            forwards_identity: values.forward_identity,
        }
    }

    /// The rules of a deployment's route; `None` if everybody may enter. `verifies_clients` tells if its listener verifies
    /// certificates of clients.
    ///
    /// # Errors
    /// The policies of the layers do not fit each other, or the listener: nobody is let in by mistake.
    pub(super) fn rules(&self, deployed: &Deployed, verifies_clients: bool) -> Result<Option<Arc<EntryRules>>, Fault> {
        let environment = &deployed.environment;
        let authentication = match self.mode {
            AuthMode::None => Authentication::None,
            AuthMode::Key if self.places.cookie.is_some() && !lists_pages(&self.origins) => {
                return Err(Fault::new("cookie-origins", format!("in {environment}: {COOKIE_ORIGINS}")));
            }
            AuthMode::Key => Authentication::Key(KeyRules {
                family: Arc::new(family(deployed)),
                environment: environment.as_str().into(),
                places: self.places.clone(),
            }),
            AuthMode::Mtls if !verifies_clients => {
                let message = format!(
                    "in {environment}: `auth.mode` is `mtls`, and the {} listener verifies no client certificates: give it \
                     `client_ca`, or choose another mode",
                    deployed.access
                );
                return Err(Fault::new("mtls-listener", message));
            }
            AuthMode::Mtls => Authentication::Certificate,
        };
        let rules =
            EntryRules { authentication, origins: self.origins.clone(), forwards_identity: self.forwards_identity };
        Ok((!rules.are_open()).then(|| Arc::new(rules)))
    }
}

fn family(deployed: &Deployed) -> ApiFamily {
    let key = &deployed.key;
    ApiFamily {
        project: key.project.as_str().into(),
        identifier: key.identifier.as_str().into(),
        major: key.version.major,
    }
}
