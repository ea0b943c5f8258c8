//! Plain counts, which add up over shards and seconds.

/// Counts of messages that were due in the window, and of connections of the whole run. Duplicate, reordered and
/// changed messages count at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages due in the window.
    pub due: u64,
    /// Messages due in the window and handed to the network.
    pub sent: u64,
    /// Messages due in the window and taken up late.
    pub late: u64,
    /// Messages due in the window and not sent.
    pub unsent: u64,
    /// Answers to messages that were due in the window.
    pub received: u64,
    /// Answers that did not arrive.
    pub lost: u64,
    /// Answers that arrived more than once.
    pub duplicates: u64,
    /// Answers that arrived after a later one.
    pub out_of_order: u64,
    /// Answers that differ from the message sent.
    pub mismatched: u64,
    /// Answers with the right payload that came as text instead of binary, or the other way round.
    pub other_form: u64,
    /// Messages that the server sent on its own.
    pub unexpected: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// Connections that got their 101, in the whole run.
    pub opened: u64,
    /// Connections that failed before the 101, in the whole run.
    pub failed: u64,
    /// Connections that ended earlier than intended.
    pub ended: u64,
}

impl Counts {
    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        let Self { due, sent, late, unsent, received, lost, duplicates, out_of_order, mismatched, .. } = self;
        for (mine, theirs) in [
            (due, other.due),
            (sent, other.sent),
            (late, other.late),
            (unsent, other.unsent),
            (received, other.received),
            (lost, other.lost),
            (duplicates, other.duplicates),
            (out_of_order, other.out_of_order),
            (mismatched, other.mismatched),
            (&mut self.other_form, other.other_form),
            (&mut self.unexpected, other.unexpected),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.bytes_received, other.bytes_received),
            (&mut self.opened, other.opened),
            (&mut self.failed, other.failed),
            (&mut self.ended, other.ended),
        ] {
            *mine = mine.saturating_add(theirs);
        }
    }
}

/// Results of a TLS handshake, with rustls' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Agreed {
    /// The TLS version.
    pub version: &'static str,
    /// The cipher suite.
    pub suite: &'static str,
    /// The key exchange group.
    pub group: &'static str,
    /// `true` if the handshake resumed an earlier session.
    pub resumed: bool,
}
