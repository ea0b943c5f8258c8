//! The inspection of one direction: what is known of the message that is on its way, and the bytes of it that are kept.

use super::Subject;
use super::shard::Inspection;
use crate::command::sighting::{Action, CheckLabel, CheckResult, Sighting};
use crate::engine::Time;
use crate::proto::Violation;
use crate::proto::frame::{Header, MAX_HEADER_BYTES, Opcode};
use crate::proto::mask::{self, Key};
use crate::proto::scan::Scanner;
use crate::proxy::routes::LocalRoute;
use crate::routing::validation::{
    ChannelCheck, CheckMode, Checked, Direction, Finding, Kind, OnViolation, OverLimit, Reason, Validation, Verdict,
};

/// One direction of an inspected tunnel.
#[derive(Debug)]
pub(in crate::proxy) struct Inspector {
    direction: Direction,
    subject: Subject,
    state: State,
    frame: Frame,
    /// The message's payload so far, unmasked.
    payload: Vec<u8>,
    /// The message's frames so far, as they were received.
    held: Vec<u8>,
    /// The longest payload that is checked: the policy when the message began.
    max_bytes: usize,
    /// Bytes that the shard counts as waiting.
    occupied: usize,
}

/// The message that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No message: the next frame begins one.
    Between,
    /// It is forwarded and not looked at.
    Passing,
    /// It is forwarded and copied.
    Copying(Kind),
    /// It is held until its end, and these policies decide then.
    Holding(Kind, OnViolation, OverLimit),
    /// It is dropped to its end.
    Discarding,
}

/// The frame that is on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    key: Option<Key>,
    offset: u64,
    is_last: bool,
}

/// What a step of the inspection needs beside the bytes.
pub(super) struct Desk<'a> {
    pub(super) route: &'a mut LocalRoute,
    pub(super) inspection: &'a mut Inspection,
    pub(super) now: Time,
    /// Bytes for the other side.
    pub(super) out: &'a mut Vec<u8>,
    /// Messages that were forwarded to their ends.
    pub(super) messages: u64,
    /// The work of this step, in looks at values.
    pub(super) looks: u32,
}

impl Inspector {
    pub(super) fn new(direction: Direction, scanner: &Scanner, subject: Subject) -> Self {
        let state = if scanner.between_messages() { State::Between } else { State::Passing };
        // The end of a message that has begun is not inspected, so its key is of no use.
        let frame = Frame { is_last: scanner.ends_message(), ..Frame::default() };
        Self { direction, subject, state, frame, payload: Vec::new(), held: Vec::new(), max_bytes: 0, occupied: 0 }
    }

    /// Replaces the rules and policies.
    pub(super) fn update(&mut self, check: Option<ChannelCheck>) {
        self.subject.check = check;
    }

    /// True if no bytes of a message are kept.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Between | State::Passing)
    }

    /// True if the bytes that were forwarded end between two frames: what is held or discarded was not forwarded.
    pub(in crate::proxy) fn is_at_boundary(&self, scanner: &Scanner) -> bool {
        matches!(self.state, State::Holding(..) | State::Discarding) || scanner.at_boundary()
    }

    /// Gives back the bytes of a message that will not be forwarded.
    pub(in crate::proxy) fn discard(&mut self, inspection: &mut Inspection) {
        inspection.release(std::mem::take(&mut self.occupied));
        inspection.give(std::mem::take(&mut self.payload));
        inspection.give(std::mem::take(&mut self.held));
        if matches!(self.state, State::Copying(_) | State::Holding(..)) {
            self.state = State::Discarding;
        }
    }

    /// Takes the header of a data frame, whose bytes are `raw`.
    ///
    /// # Errors
    /// The message ends the connection.
    pub(super) fn header(&mut self, header: &Header, raw: &[u8], desk: &mut Desk<'_>) -> Result<(), Violation> {
        self.frame = Frame { key: header.mask, offset: 0, is_last: header.fin };
        if header.opcode != Opcode::Continuation {
            self.begin(header, desk);
        }
        if let State::Copying(_) | State::Holding(..) = self.state {
            let reason = if self.is_too_long(header, raw) {
                Some(Reason::TooLong)
            } else {
                (!self.occupy(header, raw, desk.inspection)).then_some(Reason::NoRoom)
            };
            if let Some(reason) = reason {
                self.exceeded(&reason, desk)?;
            }
        }
        self.keep(raw, desk);
        if header.payload_len == 0 && header.fin { self.end(desk) } else { Ok(()) }
    }

    /// Takes a part of a data frame's payload. `is_complete` tells that the frame ends with it.
    ///
    /// # Errors
    /// The message ends the connection.
    pub(super) fn payload(&mut self, raw: &[u8], is_complete: bool, desk: &mut Desk<'_>) -> Result<(), Violation> {
        if let State::Copying(_) | State::Holding(..) = self.state {
            let start = self.payload.len();
            self.payload.extend_from_slice(raw);
            if let (Some(key), Some(copy)) = (self.frame.key, self.payload.get_mut(start..)) {
                mask::apply(copy, key, self.frame.offset);
            }
            self.frame.offset = self.frame.offset.saturating_add(raw.len() as u64);
        }
        self.keep(raw, desk);
        if is_complete && self.frame.is_last { self.end(desk) } else { Ok(()) }
    }

    /// Decides what becomes of a message that begins.
    fn begin(&mut self, header: &Header, desk: &mut Desk<'_>) {
        self.state = State::Passing;
        let Some(ChannelCheck { checker, validation }) = &self.subject.check else { return };
        let mode = match self.direction {
            Direction::ClientSends => validation.client_sends,
            Direction::ClientReceives => validation.client_receives,
        };
        if mode == CheckMode::Off {
            return;
        }
        if self.subject.is_opaque {
            return self.count(CheckResult::Unchecked(Reason::Extension.label()), Action::Forwarded, desk);
        }
        if header.opcode == Opcode::Binary {
            return self.count(CheckResult::Unchecked(Reason::Binary.label()), Action::Forwarded, desk);
        }
        let Validation { on_violation, over_limit, max_bytes, .. } = *validation;
        self.max_bytes = max_bytes;
        self.state = if mode == CheckMode::Enforce && !checker.is_undirected() {
            self.held = desk.inspection.take();
            State::Holding(Kind::Text, on_violation, over_limit)
        } else {
            State::Copying(Kind::Text)
        };
        self.payload = desk.inspection.take();
    }

    /// True if a message with this frame exceeds the bound: by its payload, or by the headers of its held frames. A message of
    /// empty frames consists of headers alone.
    fn is_too_long(&self, header: &Header, raw: &[u8]) -> bool {
        let payload = usize::try_from(header.payload_len).unwrap_or(usize::MAX).saturating_add(self.payload.len());
        let headers = self.held.len().saturating_sub(self.payload.len()).saturating_add(raw.len());
        payload > self.max_bytes || headers > self.max_bytes.saturating_add(MAX_HEADER_BYTES)
    }

    fn occupy(&mut self, header: &Header, raw: &[u8], inspection: &mut Inspection) -> bool {
        let payload = usize::try_from(header.payload_len).unwrap_or(usize::MAX);
        let bytes = match self.state {
            State::Holding(..) => payload.saturating_mul(2).saturating_add(raw.len()),
            _ => payload,
        };
        if !inspection.occupy(bytes) {
            return false;
        }
        self.occupied = self.occupied.saturating_add(bytes);
        true
    }

    /// Forwards, holds or drops bytes, as the state says.
    fn keep(&mut self, raw: &[u8], desk: &mut Desk<'_>) {
        match self.state {
            State::Between | State::Passing | State::Copying(_) => desk.out.extend_from_slice(raw),
            State::Holding(..) => self.held.extend_from_slice(raw),
            State::Discarding => {}
        }
    }

    /// A bound was exceeded: the message is forwarded from here on, or dropped, or ends the connection.
    fn exceeded(&mut self, reason: &Reason, desk: &mut Desk<'_>) -> Result<(), Violation> {
        let over_limit = match self.state {
            State::Holding(_, _, over_limit) => over_limit,
            _ => OverLimit::Pass,
        };
        let (action, next) = match over_limit {
            OverLimit::Pass => (Action::Forwarded, State::Passing),
            OverLimit::Drop => (Action::Dropped, State::Discarding),
            OverLimit::Close => (Action::Closed, State::Discarding),
        };
        self.count(CheckResult::Unchecked(reason.label()), action, desk);
        if action == Action::Forwarded {
            desk.out.append(&mut self.held);
        }
        self.discard(desk.inspection);
        self.state = next;
        if action == Action::Closed { Err(Violation::NotChecked) } else { Ok(()) }
    }

    /// Checks a message that is complete.
    fn end(&mut self, desk: &mut Desk<'_>) -> Result<(), Violation> {
        let state = std::mem::replace(&mut self.state, State::Between);
        let (kind, policies) = match state {
            State::Between | State::Passing => {
                desk.messages = desk.messages.saturating_add(1);
                return Ok(());
            }
            State::Discarding => return Ok(()),
            State::Copying(kind) => (kind, None),
            State::Holding(kind, on_violation, over_limit) => (kind, Some((on_violation, over_limit))),
        };
        let verdict = match &self.subject.check {
            Some(ChannelCheck { checker, .. }) => {
                let Checked { verdict, looks } = checker.check(self.direction, kind, &self.payload);
                desk.looks = desk.looks.saturating_add(looks);
                verdict
            }
            None => Verdict::Valid,
        };
        let (result, action) = judged(&verdict, policies);
        self.count(result, action, desk);
        if let Verdict::Violation(finding) | Verdict::Ambiguous(finding) = verdict {
            self.sight(*finding, action, desk);
        }
        if action == Action::Forwarded {
            desk.out.append(&mut self.held);
            desk.messages = desk.messages.saturating_add(1);
        }
        self.discard(desk.inspection);
        match (action, result) {
            (Action::Closed, CheckResult::Violation(_)) => Err(Violation::BreaksContract),
            (Action::Closed, _) => Err(Violation::NotChecked),
            _ => Ok(()),
        }
    }

    fn count(&self, result: CheckResult, action: Action, desk: &mut Desk<'_>) {
        let label = CheckLabel { channel: self.subject.channel.clone(), direction: self.direction, result, action };
        desk.route.checked(label);
    }

    fn sight(&self, finding: Finding, action: Action, desk: &mut Desk<'_>) {
        let labels = desk.route.labels();
        desk.inspection.sight(desk.now, labels, || Sighting {
            labels: labels.cloned(),
            channel: self.subject.channel.clone(),
            direction: self.direction,
            client: self.subject.client,
            connection: self.subject.connection,
            finding,
            action,
        });
    }
}

/// The count of a verdict, and the treatment of the message. Without policies everything is forwarded.
fn judged(verdict: &Verdict, policies: Option<(OnViolation, OverLimit)>) -> (CheckResult, Action) {
    match (verdict, policies) {
        (Verdict::Valid, _) => (CheckResult::Valid, Action::Forwarded),
        (Verdict::Ambiguous(_), _) => (CheckResult::Ambiguous, Action::Forwarded),
        (Verdict::Violation(finding), policies) => {
            let action = match policies {
                None => Action::Forwarded,
                Some((OnViolation::Drop, _)) => Action::Dropped,
                Some((OnViolation::Close, _)) => Action::Closed,
            };
            (CheckResult::Violation(finding.rule), action)
        }
        (Verdict::Unchecked(reason), policies) => {
            let action = match policies.filter(|_| reason.is_over_limit()) {
                None | Some((_, OverLimit::Pass)) => Action::Forwarded,
                Some((_, OverLimit::Drop)) => Action::Dropped,
                Some((_, OverLimit::Close)) => Action::Closed,
            };
            (CheckResult::Unchecked(reason.label()), action)
        }
    }
}
