//! Rules for each connection while deployments change: it takes the route of its path, reaches a target of that route, and ends
//! for a reason that holds.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ringway::command::Cause;
use ringway::proxy::end::End;
use ringway::proxy::record::Record;
use ringway::routing::route::Gate;

use super::force::labels;
use super::orders::Operator;
use super::watch::Seen;
use super::{Ask, DEPRECATION, Deployed, Plan, Reach, State, objection, tally};
use crate::check::whole_answer;
use crate::net::Line;
use crate::plan::Outcome;
use crate::wire;
use crate::world::World;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Checks what all connections together came to.
pub(crate) fn run(world: &World, records: &BTreeMap<usize, &Record>) -> Result<(), String> {
    let Some(operator) = &world.operator else { return Ok(()) };
    let drained = |index: usize| records.get(&index).is_some_and(|record| matches!(record.end, End::Drained(_)));
    operator.watch.paced(drained)?;
    in_turn(world, operator, records)?;
    tally::check(world, operator, records)
}

/// One connection's handshake.
pub(crate) fn handshake(world: &World, index: usize, record: &Record) -> Result<(), String> {
    let Some(operator) = &world.operator else { return Ok(()) };
    let (seen, line) = (&operator.watch.seen[index], &world.net.lines[index]);
    let Some(ask) = &line.ask else { return Err("nothing was asked".to_owned()) };
    let shown = line.client.and_then(|sock| world.net.socks[sock].tls.as_ref()).and_then(|tls| tls.certificate());
    ensure(shown.is_none_or(|shown| shown == seen.certificates % 2), || format!("was shown certificate {shown:?}"))?;
    // A request that breaks a rule is none of the operator's clients', and has the path of every scene.
    let is_asked = *record.path == *ask.path() || (seen.judged.is_none() && &*record.path == "/chat");
    ensure(record.path.is_empty() || is_asked, || format!("path {}", record.path))?;
    let Some(version) = seen.judged else {
        // The path is known once the request line has come.
        let is_routed = record.labels.is_some() || !line.dialled.is_empty();
        return ensure(!is_routed && record.status != 101, || "it has a route without a request".to_owned());
    };
    let judged = Judged { world, operator, index, record, seen, line, ask };
    let switched = seen.switched;
    judged.by(version).map_err(|what| format!("{what}; judged by version {version}, switched by {switched:?}"))
}

struct Judged<'a> {
    world: &'a World,
    operator: &'a Operator,
    index: usize,
    record: &'a Record,
    seen: &'a Seen,
    line: &'a Line,
    ask: &'a Ask,
}

impl Judged<'_> {
    fn by(&self, version: usize) -> Result<(), String> {
        let state = &self.operator.watch.versions[version];
        let api = self.ask.api(state);
        let own = api.map(labels);
        ensure(self.record.labels.as_deref() == own.as_ref(), || {
            format!("labels {:?}, not {own:?}", self.record.labels)
        })?;
        let Some((api, deployed)) = api.and_then(|api| Some((api, state[api].as_ref()?))) else {
            return self.refused(404, "route-not-found");
        };
        match deployed.gate {
            Gate::Blocked => self.refused(503, "api-blocked"),
            Gate::Stopped => self.refused(503, "api-stopped"),
            Gate::Unavailable => self.refused(503, "policy-unavailable"),
            Gate::Open => self.routed(api, deployed),
        }
    }

    /// Checks that the client got this refusal and that the proxy dialled no target.
    fn refused(&self, status: u16, code: &str) -> Result<(), String> {
        ensure(self.line.dialled.is_empty(), || format!("dialled {:?} instead of {code}", self.line.dialled))?;
        ensure(self.is_refused(code), || format!("due was {status} {code}"))?;
        self.answered(status, code)
    }

    fn is_refused(&self, code: &str) -> bool {
        matches!(self.record.end, End::Refused(refusal) if refusal.code == code)
    }

    fn answered(&self, status: u16, code: &str) -> Result<(), String> {
        ensure(self.record.status == status, || format!("status {}, not {status} {code}", self.record.status))?;
        let sent = self.line.client.map_or(&[][..], |sock| &self.world.net.socks[sock].sent);
        if self.world.scene.smooth {
            whole_answer(&self.world.peers[self.index * 2], sent, status, code)
        } else {
            Ok(())
        }
    }

    fn routed(&self, api: usize, deployed: &Deployed) -> Result<(), String> {
        let plan = &self.operator.plan;
        let dialled: Vec<SocketAddr> = self.line.dialled.iter().map(|(_, address)| *address).collect();
        ensure(goes(plan, deployed, &dialled), || format!("dialled {dialled:?}, not as {deployed:?}"))?;
        self.requests(deployed)?;
        let was_closed = self.seen.sticky.contains(&Cause::Closed);
        let stands = self.seen.switched.map(|version| self.stands(api, version));
        if self.record.status == 101 {
            ensure(stands == Some(true), || "opened to where its route did not go any more".to_owned())?;
            return self.lines(deployed);
        }
        if self.is_refused("api-changing") {
            let changed = stands == Some(false) || self.lost_trust(api, deployed);
            ensure(changed || was_closed, || "refused for a change that there was not".to_owned())?;
            return self.answered(503, "api-changing");
        }
        let gone = self.world.gone_at[self.index];
        let drained = self.world.drained_at.is_some_and(|at| gone.is_some_and(|gone| at <= gone));
        if drained && self.is_refused("draining") {
            return self.answered(503, "draining");
        }
        let interrupted = was_closed || drained || matches!(self.record.end, End::LeftEarly | End::LeftSilently);
        if self.world.scene.smooth && !interrupted {
            ensure(stands != Some(false), || "a change was not noticed".to_owned())?;
            return self.undisturbed(plan, deployed);
        }
        Ok(())
    }

    /// True if a tunnel to its target was allowed when the upstream had answered 101.
    fn stands(&self, api: usize, version: usize) -> bool {
        let state = &self.operator.watch.versions[version];
        self.seen.target.is_some_and(|target| objection(state, api, self.seen.listener, target).is_none())
    }

    /// True if the authorities to trust in TLS may have changed since it was judged: its route is a new object.
    fn lost_trust(&self, api: usize, deployed: &Deployed) -> bool {
        let is_tls = |target: &usize| self.operator.plan.targets[*target].url.starts_with("wss");
        let (Some(judged), Some(left)) = (self.seen.judged, self.seen.left) else { return false };
        let mut states = self.operator.watch.versions[judged..=left].iter();
        let is_other = |state: &State| state[api].as_ref().is_none_or(|now| now.edition != deployed.edition);
        deployed.targets.iter().any(is_tls) && states.any(is_other)
    }

    /// Nothing was in its way: it comes to what its targets make of it.
    fn undisturbed(&self, plan: &Plan, deployed: &Deployed) -> Result<(), String> {
        let reaches: Vec<Reach> = deployed.targets.iter().map(|target| plan.targets[*target].reach).collect();
        if reaches.iter().any(|reach| matches!(reach, Reach::Good { .. })) {
            return match &self.world.scene.connections[self.index].outcome {
                Outcome::Refused(status, code) if self.is_refused(code) => self.answered(*status, code),
                // Another endpoint was tried in its place, and says why it failed too.
                Outcome::Refused(..) if self.record.dialled > 1 && self.record.status >= 502 => Ok(()),
                Outcome::Declined(status, _) => ensure(self.record.status == *status, || format!("not {status}")),
                due => Err(format!("due was {due:?}")),
            };
        }
        let (status, codes) = if reaches.iter().any(|reach| matches!(reach, Reach::Untrusted(_))) {
            (502, &["upstream-certificate-untrusted", "upstream-certificate-name", "upstream-not-tls"][..])
        } else if reaches.iter().any(|reach| matches!(reach, Reach::Unreachable { .. })) {
            (502, &["upstream-unreachable"][..])
        } else {
            (503, &["upstream-unresolved"][..])
        };
        let code = codes.iter().find(|code| self.is_refused(code)).ok_or_else(|| format!("due was {codes:?}"))?;
        self.answered(status, code)
    }

    /// Checks the requests to targets: the path after the base path, appended to the target's own path.
    fn requests(&self, deployed: &Deployed) -> Result<(), String> {
        // Who refused at once left its socket's number to the next.
        let sockets: BTreeMap<usize, SocketAddr> = self.line.dialled.iter().copied().collect();
        for (sock, address) in &sockets {
            let sock = self.world.net.socks.get(*sock).filter(|sock| sock.is_upstream && sock.connection == self.index);
            let Some(sent) = sock.map(|sock| &sock.sent) else { continue };
            let Some(target) = self.operator.plan.target_at(*address).map(|at| &self.operator.plan.targets[at]) else {
                return Err(format!("nobody is at {address}"));
            };
            let host = if deployed.preserve_host { &self.ask.host } else { &target.authority };
            let path = format!("{}{}", target.base_path, self.ask.rest);
            let slash = if path.starts_with('/') { "" } else { "/" };
            let due = format!("GET {slash}{path} HTTP/1.1\r\nHost: {host}\r\n");
            let is_due = sent.iter().zip(due.as_bytes()).all(|(sent, due)| sent == due);
            ensure(is_due, || format!("asked for {:.60?}, due was {due:?}", String::from_utf8_lossy(sent)))?;
            let requests = sent.windows(11).filter(|window| window == b" HTTP/1.1\r\n").count();
            ensure(requests <= 1 || wire::head_len(sent).is_some_and(|head| sent.len() > head + 100), || {
                format!("{requests} requests")
            })?;
        }
        Ok(())
    }

    /// Checks that the 101 has the additional lines that the API had at the request, and no other API's.
    fn lines(&self, deployed: &Deployed) -> Result<(), String> {
        let sent = self.line.client.map_or(&[][..], |sock| &self.world.net.socks[sock].sent);
        let Some(head) = wire::head_len(sent) else { return Ok(()) };
        let line = wire::header_value(&sent[..head], "deprecation");
        let due = deployed.deprecated.then(|| DEPRECATION.trim().rsplit_once(' ').map_or("", |(_, value)| value));
        ensure(line.as_deref() == due, || format!("deprecation {line:?}, due was {due:?}"))
    }
}

/// Checks whether a handshake may have come to these addresses: each target once, whatever the order, and each of its addresses
/// once. One that refuses or is silent is left after all its addresses.
fn goes(plan: &Plan, deployed: &Deployed, dialled: &[SocketAddr]) -> bool {
    let (mut left, mut seen) = (dialled, Vec::new());
    while let Some(first) = left.first() {
        let at = |target: &&usize| plan.targets[**target].addresses.contains(first);
        let Some(target) = deployed.targets.iter().find(at).filter(|target| !seen.contains(*target)) else {
            return false;
        };
        seen.push(*target);
        let of = &plan.targets[*target];
        let count = left.iter().take_while(|address| of.addresses.contains(address)).count();
        let (own, behind) = left.split_at(count);
        let twice = own.iter().enumerate().any(|(at, address)| own[..at].contains(address));
        let never_accepts = matches!(of.reach, Reach::Unreachable { .. } | Reach::Silent);
        if twice || (never_accepts && !behind.is_empty() && own.len() < of.addresses.len()) {
            return false;
        }
        left = behind;
    }
    true
}

/// Endpoints are taken in turn while all of them work: who came to an API one after the other began with one endpoint after
/// the other.
fn in_turn(world: &World, operator: &Operator, records: &BTreeMap<usize, &Record>) -> Result<(), String> {
    let watch = &operator.watch;
    let mut routed: BTreeMap<(usize, u32, usize), Vec<(u64, usize)>> = BTreeMap::new();
    let mut troubled = Vec::new();
    for (index, seen) in watch.seen.iter().enumerate() {
        if let (Some((api, epoch)), Some(version), Some(turn)) = (seen.entered, seen.judged, seen.turn) {
            routed.entry((api, epoch, version)).or_default().push((turn, index));
            if records.get(&index).is_none_or(|record| record.status != 101) {
                troubled.push(api);
            }
        }
    }
    for ((api, _, version), mut routed) in routed {
        let Some(deployed) = &watch.versions[version][api] else { continue };
        if deployed.gate != Gate::Open || troubled.contains(&api) {
            continue;
        }
        routed.sort_unstable();
        let turns = deployed.targets.len();
        let fits = |start: usize| {
            routed.iter().enumerate().all(|(nth, (_, index))| {
                let target = deployed.targets[(start + nth) % turns];
                let begun = world.net.lines[*index].dialled.first();
                begun.is_none_or(|(_, address)| operator.plan.targets[target].addresses.contains(address))
            })
        };
        let works = |target: &usize| matches!(operator.plan.targets[*target].reach, Reach::Good { .. });
        let all_work = deployed.targets.iter().all(works);
        ensure(!all_work || (0..turns).any(fits), || format!("the endpoints of API {api} not in turn: {routed:?}"))?;
    }
    Ok(())
}

/// Checks that this reason to end a connection held when the end began.
pub(crate) fn ended(world: &World, index: usize, cause: Cause) -> Result<(), String> {
    let Some(operator) = &world.operator else { return Ok(()) };
    let seen = &operator.watch.seen[index];
    let reasons = if seen.opened_at.is_some() { &seen.reasons } else { &seen.sticky };
    ensure(reasons.contains(&cause), || format!("ended for {cause:?}, reasons were {reasons:?}"))
}
