//! Security schemes, and what is asked for at a server or an operation: by name in 2.x, by reference or inline in 3.x.

use super::context::Context;
use crate::contract::document::Value;
use crate::contract::library::is_reference;
use crate::contract::model::{Credential, Proposal, SecurityScheme};
use crate::contract::problem::{Level, Problem, near, quoted};

/// The schemes of a document.
#[derive(Debug, Default)]
pub(super) struct Schemes<'l> {
    list: Vec<(Value<'l>, SecurityScheme)>,
}

impl<'l> Schemes<'l> {
    /// The schemes below `components`.
    pub(super) fn new(context: &mut Context<'l, '_>, root: Value<'l>) -> Self {
        let mut schemes = Self::default();
        let all = root.get("components").and_then(|components| components.get("securitySchemes"));
        for (name, value) in all.into_iter().flat_map(Value::fields) {
            schemes.add(context, name.to_owned(), value);
        }
        schemes
    }

    /// All schemes.
    pub(super) fn into_all(self) -> Vec<SecurityScheme> {
        self.list.into_iter().map(|(_, scheme)| scheme).collect()
    }

    /// The scheme that claims a query parameter or a header of the handshake.
    pub(super) fn claim(&self, place: Place, name: &str) -> Option<String> {
        let claims = |scheme: &SecurityScheme| match (&scheme.proposal, place) {
            (Proposal::ApiKey(Credential::Query(claimed)), Place::Query) => claimed == name,
            (Proposal::ApiKey(Credential::Header(claimed)), Place::Header) => claimed.eq_ignore_ascii_case(name),
            (Proposal::ApiKey(Credential::Cookie(_)), Place::Header) => name.eq_ignore_ascii_case("cookie"),
            (Proposal::Basic | Proposal::Bearer(_) | Proposal::OpenId(_), Place::Header) => {
                name.eq_ignore_ascii_case("authorization")
            }
            (
                Proposal::ApiKey(_) | Proposal::Basic | Proposal::Bearer(_) | Proposal::OpenId(_) | Proposal::None(_),
                _,
            ) => false,
        };
        self.list.iter().map(|(_, scheme)| scheme).find(|scheme| claims(scheme)).map(|scheme| scheme.name.clone())
    }

    /// The alternatives of a `security` list: of each the names that are asked for together.
    pub(super) fn requirements(&mut self, context: &mut Context<'l, '_>, list: Option<Value<'l>>) -> Vec<Vec<String>> {
        let mut alternatives = Vec::new();
        for one in list.into_iter().flat_map(Value::items) {
            if !context.may_use(1) {
                break;
            }
            if is_reference(one) || one.get("type").is_some() {
                alternatives.extend(self.inline(context, one).map(|name| vec![name]));
                continue;
            }
            let mut together = Vec::new();
            for (name, value) in one.fields() {
                if !self.list.iter().any(|(_, scheme)| scheme.name == name) {
                    let message = format!("there is no security scheme {}", quoted(name));
                    let known = self.list.iter().map(|(_, scheme)| scheme.name.as_str());
                    let known = near(name, known).map(str::to_owned);
                    let problem = Problem::new(Level::Note, "security", value.name_place(), message);
                    context.add(problem.nearest(known.as_deref()));
                }
                together.push(name.to_owned());
            }
            alternatives.push(together);
        }
        alternatives
    }

    /// A scheme that stands where it is asked for, or behind a reference there.
    fn inline(&mut self, context: &mut Context<'l, '_>, value: Value<'l>) -> Option<String> {
        let found = context.resolved(value, Level::Note)?;
        if let Some((_, scheme)) = self.list.iter().find(|(known, _)| *known == found) {
            return Some(scheme.name.clone());
        }
        let name = context.key(found);
        self.add(context, name.clone(), found);
        Some(name)
    }

    fn add(&mut self, context: &mut Context<'l, '_>, name: String, value: Value<'l>) {
        let Some(found) = context.resolved(value, Level::Note) else { return };
        let kind = context.text(found, "type").unwrap_or_default();
        let proposal = proposal(context, found, &kind);
        if let Proposal::None(reason) = &proposal {
            let message = format!("the security scheme {} becomes no policy: {reason}", quoted(&name));
            context.note("security", found.place(), message);
        }
        let scheme = SecurityScheme { name, kind, proposal, description: context.text(found, "description") };
        self.list.push((found, scheme));
    }
}

/// The part of the handshake that a name is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The query.
    Query,
    /// A header.
    Header,
}

fn proposal<'l>(context: &mut Context<'l, '_>, value: Value<'l>, kind: &str) -> Proposal {
    let (name, place) = (context.text(value, "name"), context.text(value, "in").unwrap_or_default());
    let none = |reason: &str| Proposal::None(reason.to_owned());
    let api_key = |name: Option<String>| match (name, place.as_str()) {
        (None, _) => none("it has no `name`"),
        (Some(name), "header") => Proposal::ApiKey(Credential::Header(name)),
        (Some(name), "query") => Proposal::ApiKey(Credential::Query(name)),
        (Some(name), "cookie") => Proposal::ApiKey(Credential::Cookie(name)),
        (Some(_), _) => none("its `in` is neither `header`, `query` nor `cookie`"),
    };
    match kind {
        "httpApiKey" => api_key(name),
        // Meant for protocols with a user and password; documents use it where `httpApiKey` is meant.
        "apiKey" if matches!(place.as_str(), "header" | "query" | "cookie") && name.is_some() => {
            context.note("security", value.place(), "`apiKey` with a `name` is read as `httpApiKey`");
            api_key(name)
        }
        "apiKey" => none(
            "`apiKey` is for protocols with a user and password; `httpApiKey` says where the key is in a handshake",
        ),
        "http" => {
            if name.is_some() {
                context.note("security", value.place(), "`name` means nothing for `http`");
            }
            match context.text(value, "scheme").unwrap_or_default().to_ascii_lowercase().as_str() {
                "basic" => Proposal::Basic,
                "bearer" => Proposal::Bearer(context.text(value, "bearerFormat")),
                _ => none("its `scheme` is neither `basic` nor `bearer`"),
            }
        }
        "openIdConnect" => Proposal::OpenId(context.text(value, "openIdConnectUrl")),
        "oauth2" => Proposal::Bearer(None),
        "userPassword" => Proposal::Basic,
        "X509" => none("client certificates are a setting of the listener"),
        "" => none("it has no `type`"),
        _ => none("its `type` does not fit a handshake"),
    }
}
