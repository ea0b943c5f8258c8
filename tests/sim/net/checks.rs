//! Checks made while the run goes on: what may be sent to whom and when, and how many bytes the proxy held.

use super::SimNet;

/// The first byte of an alert, for who began as TLS does and went on as it does not.
const TLS_ALERT: u8 = 21;

impl SimNet {
    pub(super) fn check_send(&mut self, sock: usize, bytes: &[u8]) {
        let this = &self.socks[sock];
        if !this.is_upstream {
            self.lines[this.connection].answered_at.get_or_insert(self.now);
        }
        let line = &self.lines[this.connection];
        let upstream_received = line.upstream.map_or(0, |upstream| self.socks[upstream].received);
        let agreed = line.agreed_len.is_some_and(|len| upstream_received >= len);
        if this.is_upstream {
            let before = this.sent.len();
            let mut all = this.sent.get(..before.min(32 * 1024)).unwrap_or_default().to_vec();
            all.extend_from_slice(&bytes[..bytes.len().min(32 * 1024)]);
            let head = crate::wire::head_len(&all);
            if !agreed && head.is_none_or(|head| before + bytes.len() > head) {
                self.fault("bytes behind the request before the upstream's 101 was verified");
            }
        } else if this.sent.is_empty() && bytes.starts_with(b"HTTP/1.1 101") && line.dialled.is_empty() {
            // An echo has no upstream: its own request is what it answers.
            if line.request_len.is_none_or(|len| this.received < len) {
                self.fault("101 before the request was whole and valid");
            }
        } else if this.sent.is_empty() && bytes.starts_with(b"HTTP/1.1 101") && !agreed {
            self.fault("101 before the upstream's was verified");
        } else if this.sent.is_empty() && !bytes.starts_with(b"HTTP/1.1 ") && !(self.alerts && bytes[0] == TLS_ALERT) {
            self.fault("the client's first bytes are no HTTP answer");
        }
    }

    pub(super) fn mark(&mut self, sock: usize) {
        let this = &self.socks[sock];
        let line = &self.lines[this.connection];
        let other = if this.is_upstream { line.client } else { line.upstream };
        let sent = other.map_or(0, |other| self.socks[other].sent.len());
        let received = this.received;
        let marks = &mut self.socks[sock].marks;
        match marks.last_mut() {
            Some(last) if last.1 == sent => last.0 = received,
            _ => marks.push((received, sent)),
        }
    }
}
