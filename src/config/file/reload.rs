//! A reload: which options of the file apply at once, which wait for a restart, and which changed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::Faults;
use super::written::{Environment, Listener, Written};
use super::{Configuration, File, check};

/// The result of a reload.
#[derive(Debug)]
pub struct Reload {
    /// The new configuration, with the listeners and environments of the running process.
    pub configuration: Configuration,
    /// The options that change.
    pub changed: Vec<Difference>,
    /// The options whose new value waits for a restart: the running value, and the file's.
    pub kept: Vec<Difference>,
}

/// An option with two different values. Values of variables are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `environments.production.limits.idle_timeout_ms`.
    pub option: String,
    /// The value before; `None` if the option was absent.
    pub before: Option<Value>,
    /// The value after; `None` if the option is absent.
    pub after: Option<Value>,
}

impl File {
    /// Checks the file against the configuration that the program runs with.
    ///
    /// # Errors
    /// All faults of the file; the running configuration stays active.
    pub fn reload(&self, running: &Configuration) -> Result<Reload, Faults> {
        let document = self.document()?;
        let written = self.written(&document)?;
        // The file must be right by itself, as at a start.
        let alone = check::check(&document, written.clone())?;
        let configuration = check::check(&document, merged(written, &running.written))?;
        let changed = differences(&running.written, &configuration.written);
        let kept = by_environment(differences(&configuration.written, &alone.written), &configuration, &alone);
        Ok(Reload { configuration, changed, kept })
    }
}

/// Makes one difference of all options of an environment that only the file has, or only the running process. Then the order
/// of the others says nothing new.
fn by_environment(kept: Vec<Difference>, running: &Configuration, file: &Configuration) -> Vec<Difference> {
    let names = |of: &Configuration| of.environments.iter().map(|it| it.name.to_string()).collect::<BTreeSet<_>>();
    let (running, file) = (names(running), names(file));
    let mut grouped = Vec::new();
    for name in running.symmetric_difference(&file) {
        let told =
            |names: &BTreeSet<String>| Some(Value::from(if names.contains(name) { "there" } else { "not there" }));
        let option = format!("environments.{name}");
        grouped.push(Difference { option, before: told(&running), after: told(&file) });
    }
    let is_grouped = |option: &str| {
        let in_one =
            grouped.iter().any(|one| option.strip_prefix(&one.option).is_some_and(|rest| rest.starts_with('.')));
        let is_order = option.starts_with("environments.") && option.ends_with(".order");
        in_one || (is_order && !grouped.is_empty())
    };
    let mut others: Vec<Difference> = kept.into_iter().filter(|it| !is_grouped(&it.option)).collect();
    others.append(&mut grouped);
    others
}

/// The new file, with the running values of options that need a restart.
fn merged(now: Written, then: &Written) -> Written {
    let mut limits = now.limits;
    limits.max_connections = then.limits.max_connections;
    limits.max_connections_per_address = then.limits.max_connections_per_address;
    limits.tcp_user_timeout = then.limits.tcp_user_timeout;
    limits.tcp_keepalive = then.limits.tcp_keepalive;
    limits.client_send_buffer = then.limits.client_send_buffer;
    limits.client_receive_buffer = then.limits.client_receive_buffer;
    limits.upstream_send_buffer = then.limits.upstream_send_buffer;
    limits.upstream_receive_buffer = then.limits.upstream_receive_buffer;
    let mut admin = now.admin;
    admin.listen = then.admin.listen.clone();
    admin.tls = then.admin.tls.clone();
    admin.token_file = then.admin.token_file.clone();
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

/// A listener keeps its address and TLS; only its balancers may change.
fn listener(now: Listener, then: &Listener) -> Listener {
    Listener { proxy_protocol: now.proxy_protocol, ..then.clone() }
}

/// Every option that differs.
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

/// All options with their values; environments by name.
fn values(written: &Written) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    // Serialising these types cannot fail.
    let mut whole = serde_json::to_value(written.whole()).unwrap_or_default();
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

/// The variables whose value changed: masked values do not show that.
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
