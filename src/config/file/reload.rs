//! A file that is read again while the program runs: what of it can be had at once, what has to wait for a restart, and
//! what is another than before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::Faults;
use super::written::{Environment, Listener, Written};
use super::{Configuration, File, check};

/// What a file that is read again leads to.
#[derive(Debug)]
pub struct Reload {
    /// What is to be in force: with the listeners and environments that there are.
    pub configuration: Configuration,
    /// What is another in it than before.
    pub changed: Vec<Difference>,
    /// What the file has otherwise, and keeps its value until a restart: its value, and the file's.
    pub kept: Vec<Difference>,
}

/// An option that has two values; none where it is not there. Values of variables are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `environments.production.limits.idle_timeout_ms`.
    pub option: String,
    /// What it was, or is.
    pub before: Option<Value>,
    /// What it is, or would be.
    pub after: Option<Value>,
}

impl File {
    /// What the file says now, for a program that runs with another configuration.
    ///
    /// # Errors
    /// All that is wrong with it; what runs stays as it is.
    pub fn reload(&self, running: &Configuration) -> Result<Reload, Faults> {
        let document = self.document()?;
        let written = self.written(&document)?;
        // First by itself, as a start would have it.
        let alone = check::check(&document, written.clone())?;
        let configuration = check::check(&document, merged(written, &running.written))?;
        let changed = differences(&running.written, &configuration.written);
        let kept = differences(&configuration.written, &alone.written);
        Ok(Reload { configuration, changed, kept })
    }
}

/// What was written now, with what cannot change while the program runs from what was written then.
fn merged(now: Written, then: &Written) -> Written {
    let mut limits = now.limits;
    limits.max_connections = then.limits.max_connections;
    limits.max_connections_per_address = then.limits.max_connections_per_address;
    limits.tcp_user_timeout = then.limits.tcp_user_timeout;
    limits.tcp_keepalive = then.limits.tcp_keepalive;
    let mut admin = now.admin;
    admin.listen = then.admin.listen.clone();
    let mut log = now.log;
    log.log_format = then.log.log_format;
    let mut given: BTreeMap<String, Environment> =
        now.environments.into_iter().map(|environment| (environment.name.clone(), environment)).collect();
    let environments = then.environments.iter().map(|then| match given.remove(&then.name) {
        Some(now) => Environment {
            external: listener(now.external, &then.external),
            internal: listener(now.internal, &then.internal),
            ..now
        },
        None => then.clone(),
    });
    let environments = environments.collect();
    Written { cpus: then.cpus.clone(), metrics: then.metrics.clone(), admin, log, limits, environments, ..now }
}

/// A listener stays where it is, and speaks as it does: whom its balancers are is all that may change.
fn listener(now: Listener, then: &Listener) -> Listener {
    Listener { proxy_protocol: now.proxy_protocol, ..then.clone() }
}

/// Every option that has not the same value in both.
fn differences(before: &Written, after: &Written) -> Vec<Difference> {
    let ([before_values, after_values], secrets) = ([before, after].map(values), other_secrets(before, after));
    let names: BTreeSet<&String> = before_values.keys().chain(after_values.keys()).collect();
    let differs = |name: &&&String| before_values.get(**name) != after_values.get(**name) || secrets.contains(**name);
    let difference = |name: &String| Difference {
        option: name.clone(),
        before: before_values.get(name).cloned(),
        after: after_values.get(name).cloned(),
    };
    names.iter().filter(differs).map(|name| difference(name)).collect()
}

/// Options and their values, environments by their names.
fn values(written: &Written) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    // Nothing in it can fail to be written.
    let mut whole = serde_json::to_value(written).unwrap_or_default();
    if let Some(environments) = whole.as_object_mut().and_then(|whole| whole.remove("environments")) {
        for (order, environment) in environments.as_array().into_iter().flatten().enumerate() {
            let name = environment.get("name").and_then(Value::as_str).unwrap_or_default();
            let path = format!("environments.{name}");
            flatten(environment, &path, &mut all);
            all.insert(format!("{path}.order"), order.into());
        }
    }
    flatten(&whole, "", &mut all);
    all
}

fn flatten(value: &Value, path: &str, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            let dot = if path.is_empty() { "" } else { "." };
            fields.iter().for_each(|(name, value)| flatten(value, &format!("{path}{dot}{name}"), into));
        }
        Value::Null => {}
        other => {
            into.insert(path.to_owned(), other.clone());
        }
    }
}

/// Variables that stand for something else: that shows in no value.
fn other_secrets(before: &Written, after: &Written) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for environment in &after.environments {
        let Some(was) = before.environments.iter().find(|was| was.name == environment.name) else { continue };
        for (name, value) in &environment.variables {
            if was.variables.get(name).is_some_and(|was| was != value) {
                names.insert(format!("environments.{}.variables.{name}", environment.name));
            }
        }
    }
    names
}
