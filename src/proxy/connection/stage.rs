//! The stage of a connection, and the result of one step of it.

use crate::engine::Next;
use crate::proxy::answer::Answer;
use crate::proxy::closing::Closing;
use crate::proxy::decline::Decline;
use crate::proxy::dial::Dial;
use crate::proxy::end::{End, SideRecord};
use crate::proxy::handshake::Handshake;
use crate::proxy::inspection::InspectedRelay;
use crate::proxy::linger::Linger;
use crate::proxy::preamble::Preamble;
use crate::proxy::relay::Relay;
use crate::proxy::respond::Respond;
use crate::proxy::secure::Secure;
use crate::proxy::terminated::echo::Echo;
use crate::proxy::upgrade::Upgrade;

/// The stage of a connection. An open tunnel is stored in place, because there are many; short-lived stages are boxed.
#[derive(Debug)]
pub(super) enum Stage {
    Preamble(Box<Preamble>),
    Secure(Box<Secure>),
    Handshake(Box<Handshake>),
    Dial(Box<Dial>),
    Upgrade(Box<Upgrade>),
    Decline(Box<Decline>),
    Respond(Box<Respond>),
    /// With the end that its record will have.
    Answer(Box<Answer>, End),
    Relay(Relay),
    /// A tunnel whose messages are checked against the contract.
    Inspected(Box<InspectedRelay>),
    Closing(Box<Closing>),
    Echo(Box<Echo>),
    /// With the end and the client's totals that its record will have.
    Linger(Box<Linger>, End, SideRecord),
    /// With the end and the totals of both sides that its record will have.
    Gone(End, SideRecord, SideRecord),
}

/// The result of one step.
#[expect(clippy::large_enum_variant, reason = "lives for one move: a box for the stage would cost an allocation")]
pub(super) enum Turn {
    /// The connection stays in its stage.
    Stay(Next),
    /// The connection goes on in this stage, at once.
    To(Stage),
}
