//! Notes on each connection while it is open: the version by which it was judged, its stage, since when it must end and why.
//! A connection's stage is the one that `Command::List` shows after each of its steps.

use ringway::command::Cause;
use ringway::command::view::{self, ConnectionView};

use super::{APIS, Ask, Plan, State, objection};
use crate::net::SimNet;

/// Ends are spread in steps of so many milliseconds.
const TICK: u64 = 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    Coming,
    Open,
    Closing,
    Gone,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) number: Option<u64>,
    /// The one it came through.
    pub(crate) listener: u16,
    pub(crate) accepted_at: u64,
    /// How often there had been another certificate then.
    pub(crate) certificates: usize,
    /// The version that was in force when its request was looked at.
    pub(crate) judged: Option<usize>,
    /// The one that was when the upstream's agreement was.
    pub(crate) switched: Option<usize>,
    /// The one that was when it left its handshake.
    pub(crate) left: Option<usize>,
    /// The API whose route it takes, and how often that had been forgotten before.
    pub(crate) entered: Option<(usize, u32)>,
    /// The how many-eth it was that took any route.
    pub(crate) turn: Option<u64>,
    pub(crate) target: Option<usize>,
    pub(crate) stage: Stage,
    pub(crate) opened_at: Option<u64>,
    pub(crate) closing_at: Option<u64>,
    /// Reasons to end that stay.
    pub(crate) sticky: Vec<Cause>,
    /// The event since which it is to end.
    doom: Option<usize>,
    /// Reasons to end that there were since its last step.
    held: Vec<Cause>,
    /// The reasons that held when its end began.
    pub(crate) reasons: Vec<Cause>,
}

/// An event by which connections are to end.
#[derive(Debug)]
pub(crate) struct Doom {
    at: u64,
    window: u64,
    count: u64,
    members: Vec<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The active states, one after another.
    pub(crate) versions: Vec<State>,
    pub(crate) seen: Vec<Seen>,
    dooms: Vec<Doom>,
    /// How often each API was forgotten: undeployed, its last connection gone, and the window of its ends over.
    pub(crate) epochs: Vec<u32>,
    /// When the last of those windows is over.
    windows: Vec<u64>,
    pub(crate) has_drained: bool,
}

impl Watch {
    pub(crate) fn new(first: State, connections: usize) -> Self {
        let mut watch = Self {
            versions: vec![first],
            epochs: vec![0; APIS.len()],
            windows: vec![0; APIS.len()],
            ..Self::default()
        };
        watch.seen.resize_with(connections, Seen::default);
        watch
    }

    pub(crate) fn state(&self) -> &State {
        self.versions.last().unwrap()
    }

    pub(crate) fn version(&self) -> usize {
        self.versions.len() - 1
    }

    /// Connections that have come and are not gone.
    pub(crate) fn living(&self) -> impl Iterator<Item = (usize, &Seen)> {
        self.seen.iter().enumerate().filter(|(_, seen)| seen.number.is_some() && seen.stage != Stage::Gone)
    }

    pub(crate) fn by_number(&self, number: u64) -> Option<usize> {
        self.seen.iter().position(|seen| seen.number == Some(number))
    }

    /// Takes note of what a step came to. `unanswered` is whether nothing had been sent to the client before it.
    pub(crate) fn stepped(
        &mut self,
        plan: &Plan,
        net: &SimNet,
        (index, unanswered): (usize, bool),
        view: Option<&ConnectionView>,
    ) {
        let version = self.version();
        let line = &net.lines[index];
        let Some(client) = line.client.map(|sock| &net.socks[sock]) else { return };
        let upstream = line.upstream.map(|sock| &net.socks[sock]);
        let seen = &mut self.seen[index];
        let has_come = line.request_len.is_some_and(|len| client.received >= len);
        // Who is gone with this step was not asked any more if there was a reason to end it.
        let is_judged = view.map_or(unanswered && seen.sticky.is_empty(), |view| !view.path.is_empty());
        if seen.judged.is_none() && has_come && is_judged {
            seen.judged = Some(version);
            self.enter(line.ask.as_ref(), index);
        }
        let seen = &mut self.seen[index];
        let has_agreed = upstream.is_some_and(|upstream| line.agreed_len.is_some_and(|len| upstream.received >= len));
        if seen.switched.is_none() && has_agreed && view.is_none_or(|view| view.stage != view::Stage::Handshake) {
            seen.switched = Some(version);
        }
        seen.target = line.dialled.last().and_then(|(_, address)| plan.target_at(*address));
        self.moved_on(index, view, net.now);
    }

    fn enter(&mut self, ask: Option<&Ask>, index: usize) {
        let api = ask.and_then(|ask| ask.api(self.state()));
        let turn = self.seen.iter().filter(|seen| seen.turn.is_some()).count() as u64;
        let seen = &mut self.seen[index];
        (seen.entered, seen.turn) = (api.map(|api| (api, self.epochs[api])), Some(turn));
    }

    fn moved_on(&mut self, index: usize, view: Option<&ConnectionView>, now: u64) {
        let (reasons, version) = (self.reasons(index), self.version());
        let seen = &mut self.seen[index];
        let stage = match view.map(|view| view.stage) {
            None => Stage::Gone,
            Some(view::Stage::Open) => Stage::Open,
            Some(view::Stage::Closing) => Stage::Closing,
            Some(_) => Stage::Coming,
        };
        if stage != Stage::Coming {
            seen.left.get_or_insert(version);
        }
        if stage == Stage::Open && seen.stage == Stage::Coming {
            seen.opened_at = Some(now);
        }
        if stage != Stage::Open && seen.stage == Stage::Open {
            seen.closing_at = Some(now);
            seen.reasons = seen.held.iter().chain(&reasons).copied().collect();
        }
        seen.held = reasons;
        if std::mem::replace(&mut seen.stage, stage) != stage && stage == Stage::Gone {
            self.forget(now);
        }
    }

    /// Undeployed APIs without connections are forgotten.
    pub(crate) fn forget(&mut self, now: u64) {
        for api in 0..self.epochs.len() {
            let place = Some((api, self.epochs[api]));
            let was_known = self.seen.iter().any(|seen| seen.entered == place);
            let is_over = self.windows[api] <= now;
            if self.state()[api].is_none()
                && is_over
                && was_known
                && !self.living().any(|(_, seen)| seen.entered == place)
            {
                self.epochs[api] += 1;
            }
        }
    }

    /// Why a connection is to end now.
    fn reasons(&self, index: usize) -> Vec<Cause> {
        let seen = &self.seen[index];
        let mut reasons = seen.sticky.clone();
        if let (Some((api, _)), Some(target)) = (seen.entered, seen.target) {
            reasons.extend(objection(self.state(), api, seen.listener, target));
        }
        reasons
    }

    /// Something was ordered: who is to end from now on, and who need not any more.
    pub(crate) fn weigh(&mut self, plan: &Plan, now: u64) {
        let mut begun: Vec<(usize, Vec<usize>)> = Vec::new();
        for index in 0..self.seen.len() {
            if self.seen[index].stage != Stage::Open {
                continue;
            }
            let reasons = self.reasons(index);
            let seen = &mut self.seen[index];
            match (reasons.is_empty(), seen.doom, seen.entered) {
                (true, ..) => seen.doom = None,
                (false, None, Some((api, _))) => match begun.iter_mut().find(|(of, _)| *of == api) {
                    Some((_, members)) => members.push(index),
                    None => begun.push((api, vec![index])),
                },
                _ => {}
            }
            seen.held.extend(reasons);
        }
        for (api, members) in begun {
            let policy = self.versions.iter().rev().find_map(|state| state[api].as_ref()).unwrap().policy;
            let window = u64::try_from(plan.policies[policy].drain_window.as_millis()).unwrap();
            self.windows[api] = self.windows[api].max(now + window);
            self.doom(members, now, window);
        }
    }

    /// These are to end within so many milliseconds.
    pub(crate) fn doom(&mut self, members: Vec<usize>, at: u64, window: u64) {
        for member in &members {
            self.seen[*member].doom = Some(self.dooms.len());
        }
        self.dooms.push(Doom { at, window, count: members.len() as u64, members });
    }

    /// Open tunnels of an API that are to end, but for those that are stepped at once.
    pub(crate) fn ending(&self, place: (usize, u32), net: &SimNet) -> u64 {
        let ready: Vec<usize> = net.ready.iter().filter_map(|slot| net.line_of.get(&slot.0).copied()).collect();
        let of = |seen: &Seen| seen.stage == Stage::Open && seen.entered == Some(place) && seen.doom.is_some();
        self.seen.iter().enumerate().filter(|(index, seen)| of(seen) && !ready.contains(index)).count() as u64
    }

    /// Nobody that is to end lives longer than that.
    pub(crate) fn outlived(&self, now: u64) -> Result<(), String> {
        for (index, seen) in self.seen.iter().enumerate() {
            let Some(doom) = seen.doom.filter(|_| seen.stage == Stage::Open).map(|doom| &self.dooms[doom]) else {
                continue;
            };
            if now > doom.at + doom.window + TICK {
                return Err(format!("connection {index} is open at {now}: {doom:?}, {:?}", self.reasons(index)));
            }
        }
        Ok(())
    }

    /// Nobody ended before its turn: of the ends of an event, the n-th comes no earlier than an even spread has it.
    pub(crate) fn paced(&self, drained: impl Fn(usize) -> bool) -> Result<(), String> {
        for (number, doom) in self.dooms.iter().enumerate() {
            let still = |member: &&usize| self.seen[**member].doom == Some(number) && drained(**member);
            let mut ends: Vec<u64> =
                doom.members.iter().filter(still).filter_map(|member| self.seen[*member].closing_at).collect();
            ends.sort_unstable();
            for (nth, end) in (0..).zip(&ends) {
                // One that an operator closed at the same moment may have had a place among them.
                if (end - doom.at) * (doom.count + 1) < nth * doom.window {
                    return Err(format!("{} of {} ended by {end}: {doom:?}", nth + 1, doom.count));
                }
            }
        }
        Ok(())
    }

    /// Somebody was accepted, or turned away.
    pub(crate) fn accepted(
        &mut self,
        index: usize,
        view: Option<&ConnectionView>,
        (now, certificates, listener): (u64, usize, u16),
    ) {
        let seen = &mut self.seen[index];
        seen.number = view.map(|view| view.id);
        (seen.accepted_at, seen.certificates, seen.listener) = (now, certificates, listener);
        if self.has_drained {
            self.seen[index].sticky.push(Cause::Shutdown);
        }
    }
}
