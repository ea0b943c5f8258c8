//! One shard of the generator, as the engine sees it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use ringway::engine::{Next, Service, Slot, Socket, Time, Transport};
use ringway::tls::secured::{Secured, Sessions};

use super::client::Purpose;
use super::clients::{Clients, Opening};
use super::script::{Run, Script};
use crate::record::Event;

/// The pause of a closed storm after a connection that could not be started.
const PAUSE: Duration = Duration::from_millis(10);

/// The owner of a TLS session outside of any step. A session wakes its owner only after a receive, and none happens there; a step
/// without a cause does no harm.
const NOBODY: Slot = Slot(0);

/// Commands from the thread that runs the phases. They come in this order; all but the last are optional.
#[derive(Clone, Copy, Debug)]
pub enum Command {
    /// Opens connections. May be repeated once the earlier ones are settled.
    Open(Opening),
    /// Starts the messages.
    Run(Run),
    /// Ends the message phase at this time, if it would end later.
    Cut(Time),
    /// Hands the counts over, and reports `Drained` as soon as no answer is awaited.
    Drain,
    /// Stops waiting for answers: those that have not come are lost.
    Close,
}

/// One shard of the generator.
#[derive(Debug)]
pub struct Load<P: Script> {
    clients: Clients<P::State>,
    script: P,
    sessions: Sessions,
    scratch: Vec<u8>,
    draining: bool,
    closing: bool,
}

impl<P: Script> Load<P> {
    /// A shard that waits for commands.
    pub fn new(mut clients: Clients<P::State>, script: P) -> Self {
        let scratch = clients.shard.pool.take();
        Self { clients, script, sessions: Sessions::default(), scratch, draining: false, closing: false }
    }

    fn dial<T: Transport>(&mut self, net: &mut T) {
        let net = &mut Secured::new(net, &mut self.sessions, NOBODY);
        self.clients.dial_what_is_due(&mut self.script, net);
        let now = Time::of_the_clock();
        while !self.closing
            && let Some(due) = self.script.wants_connection(now, &mut self.clients.shard.recorder)
        {
            if !self.clients.dial(due, Purpose::Load, &mut self.script, net) {
                self.script.pause(now.after(PAUSE));
            }
        }
    }

    fn say_if_drained<T: Transport>(&mut self, net: &T) {
        // A message that was due and has not been sent has no answer either.
        if self.draining && self.script.next_due().is_none() && self.script.is_drained() {
            self.draining = false;
            self.clients.shard.recorder.hand_over(Time::of_the_clock(), net.figures().idle);
            self.clients.shard.recorder.tell(Event::Drained);
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
        let next = self.clients.step(slot, &mut self.script, &mut self.scratch, secured);
        if next == Next::Done || self.clients.next_dial().is_some() {
            self.dial(net);
        }
        self.say_if_drained(net);
        next
    }

    fn command<T: Transport>(&mut self, net: &mut T, command: Command) {
        match command {
            Command::Open(opening) => {
                self.clients.open(opening);
                self.dial(net);
            }
            Command::Run(run) => {
                self.clients.shard.recorder.measure(run.window);
                self.clients.line_up();
                let net = &mut Secured::new(net, &mut self.sessions, NOBODY);
                self.script.run(&run, &mut self.clients, net);
            }
            Command::Cut(at) => {
                self.clients.stop_opening();
                self.clients.shard.recorder.cut(at);
                self.script.cut(at);
            }
            Command::Drain => {
                self.draining = true;
                self.say_if_drained(net);
            }
            Command::Close => {
                self.closing = true;
                self.clients.shard.closing = true;
                self.clients.dismiss(&mut self.script, &mut Secured::new(net, &mut self.sessions, NOBODY));
                self.clients.shard.recorder.hand_over(Time::of_the_clock(), net.figures().idle);
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
        let update = Some(self.clients.shard.recorder.next_update());
        [update, self.clients.next_dial(), self.script.next_due()].into_iter().flatten().min()
    }

    fn housekeep<T: Transport>(&mut self, net: &mut T) {
        let now = Time::of_the_clock();
        self.script.due(now, &mut self.clients, &mut Secured::new(net, &mut self.sessions, NOBODY));
        self.dial(net);
        self.clients.shard.recorder.update(now, net.figures().idle);
        self.say_if_drained(net);
    }

    fn is_accepting(&self) -> bool {
        !self.closing
    }

    fn is_finished(&self) -> bool {
        self.closing && self.clients.is_empty()
    }
}
