//! One shard of the generator, as the engine sees it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use ringway::engine::{Next, Service, Slot, Socket, Time, Transport};
use ringway::tls::secured::{Secured, Sessions};

use super::crew::{Crew, Opening};
use super::script::{Run, Script};
use crate::record::Event;

/// How long a closed storm rests when a connection could not even be begun.
const PAUSE: Duration = Duration::from_millis(10);

/// Outside of a step no socket is received from, which is what a session would want its owner stepped for; and a step
/// without a cause does no harm.
const NOBODY: Slot = Slot(0);

/// What the thread that runs the phases can tell a shard. In this order, each optional but the last.
#[derive(Clone, Copy, Debug)]
pub enum Command {
    /// Open connections. Again once those before are settled.
    Open(Opening),
    /// Begin with messages.
    Run(Run),
    /// End the message phase at this moment, if it would end later.
    Cut(Time),
    /// Hand over, and tell whether anything is still awaited: now, and from then on as soon as nothing is.
    Drain,
    /// Wait no longer for answers: what has not come is lost.
    Close,
}

/// One shard of the generator.
#[derive(Debug)]
pub struct Load<P: Script> {
    crew: Crew<P::State>,
    script: P,
    sessions: Sessions,
    scratch: Vec<u8>,
    draining: bool,
    closing: bool,
}

impl<P: Script> Load<P> {
    /// A shard that waits for commands.
    pub fn new(mut crew: Crew<P::State>, script: P) -> Self {
        let scratch = crew.kit.pool.take();
        Self { crew, script, sessions: Sessions::default(), scratch, draining: false, closing: false }
    }

    fn dial<T: Transport>(&mut self, net: &mut T) {
        let net = &mut Secured::new(net, &mut self.sessions, NOBODY);
        self.crew.dial_what_is_due(&mut self.script, net);
        let now = Time::of_the_clock();
        while !self.closing
            && let Some(due) = self.script.wants_connection(now, &mut self.crew.kit.recorder)
        {
            if !self.crew.dial(due, false, &mut self.script, net) {
                self.script.pause(now.after(PAUSE));
            }
        }
    }

    fn say_if_drained<T: Transport>(&mut self, net: &T) {
        // What was due and has not been sent yet has no answer either.
        if self.draining && self.script.next_due().is_none() && self.script.is_drained() {
            self.draining = false;
            self.crew.kit.recorder.hand_over(Time::of_the_clock(), net.figures().idle);
            self.crew.kit.recorder.tell(Event::Drained);
        }
    }
}

impl<P: Script> Service for Load<P> {
    type Command = Command;
    type Mail = Infallible;

    fn accept<T: Transport>(
        &mut self,
        _net: &mut T,
        _socket: Socket,
        _peer: SocketAddr,
        _listener: u16,
    ) -> Option<Slot> {
        None
    }

    fn step<T: Transport>(&mut self, net: &mut T, slot: Slot) -> Next {
        let secured = &mut Secured::new(net, &mut self.sessions, slot);
        let next = self.crew.step(slot, &mut self.script, &mut self.scratch, secured);
        if next == Next::Done || self.crew.next_dial().is_some() {
            self.dial(net);
        }
        self.say_if_drained(net);
        next
    }

    fn command<T: Transport>(&mut self, net: &mut T, command: Command) {
        match command {
            Command::Open(opening) => {
                self.crew.open(opening);
                self.dial(net);
            }
            Command::Run(run) => {
                self.crew.kit.recorder.measure(run.window);
                self.crew.line_up();
                let net = &mut Secured::new(net, &mut self.sessions, NOBODY);
                self.script.run(&run, &mut self.crew, net);
            }
            Command::Cut(at) => {
                self.crew.stop_opening();
                self.crew.kit.recorder.cut(at);
                self.script.cut(at);
            }
            Command::Drain => {
                self.draining = true;
                self.say_if_drained(net);
            }
            Command::Close => {
                self.closing = true;
                self.crew.kit.closing = true;
                self.crew.dismiss(&mut self.script, &mut Secured::new(net, &mut self.sessions, NOBODY));
                self.crew.kit.recorder.hand_over(Time::of_the_clock(), net.figures().idle);
            }
        }
    }

    fn mail<T: Transport>(&mut self, _: &mut T, mail: Infallible) {
        match mail {}
    }

    fn next_housekeeping(&self) -> Option<Time> {
        if self.closing {
            return None;
        }
        let update = Some(self.crew.kit.recorder.next_update());
        [update, self.crew.next_dial(), self.script.next_due()].into_iter().flatten().min()
    }

    fn housekeep<T: Transport>(&mut self, net: &mut T) {
        let now = Time::of_the_clock();
        self.script.due(now, &mut self.crew, &mut Secured::new(net, &mut self.sessions, NOBODY));
        self.dial(net);
        self.crew.kit.recorder.update(now, net.figures().idle);
        self.say_if_drained(net);
    }

    fn is_accepting(&self) -> bool {
        !self.closing
    }

    fn is_finished(&self) -> bool {
        self.closing && self.crew.is_empty()
    }
}
