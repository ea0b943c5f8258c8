//! The answers to a publisher's POSTs (HTTP/1.1, RFC 9112), which come in the order of the requests.

use ringway::proto::head::{self, HeadLimits};
use ringway::proto::response::{BodyLength, Response};

use crate::record::Trouble;

/// Reads the responses on a connection on which messages are posted.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    /// Bytes of the last answer's body that are still to come.
    body_left: u64,
}

impl Replies {
    /// Reads received bytes and returns how many it used: the rest is the start of a head.
    ///
    /// # Errors
    /// A message was refused, or the response cannot be parsed.
    pub fn read(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<usize, Trouble> {
        let mut used = 0_usize;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let body = usize::try_from(self.body_left).unwrap_or(usize::MAX).min(rest.len());
            self.body_left -= body as u64;
            used += body;
            let rest = rest.get(body..).unwrap_or_default();
            let head = match head::find_end(rest, 0, limits) {
                Ok(Some(end)) => rest.get(..end).unwrap_or_default(),
                Ok(None) => return Ok(used),
                Err(_) => return Err(Trouble::Handshake("the answer to a POST is too long")),
            };
            let response = Response::parse(head, limits).map_err(|refusal| Trouble::Handshake(refusal.detail))?;
            if !(200..300).contains(&response.status) {
                return Err(Trouble::Status(response.status));
            }
            self.body_left = match response.body_length() {
                Ok(BodyLength::None) => 0,
                Ok(BodyLength::Known(length)) => length,
                _ => return Err(Trouble::Handshake("the answer to a POST has no length")),
            };
            used += head.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Replies;
    use crate::record::Trouble;
    use ringway::proto::head::HeadLimits;

    const LIMITS: HeadLimits = HeadLimits { max_bytes: 4096, max_lines: 64 };

    #[test]
    fn answers_are_followed_however_they_are_cut() {
        let wire =
            b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        for cut in 0..=wire.len() {
            let (mut replies, mut held) = (Replies::default(), Vec::new());
            for part in [&wire[..cut], &wire[cut..]] {
                held.extend_from_slice(part);
                let used = replies.read(&held, &LIMITS).unwrap();
                held.drain(..used);
            }
            assert!(held.is_empty(), "cut at {cut}");
        }
    }

    #[test]
    fn a_message_that_was_not_taken_is_told() {
        let read = |wire: &[u8]| Replies::default().read(wire, &LIMITS);
        assert_eq!(read(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), Err(Trouble::Status(404)));
        assert!(read(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(read(b"nonsense\r\n\r\n").is_err());
        assert!(read(&[b'a'; 5000]).is_err());
    }
}
