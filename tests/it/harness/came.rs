//! Everything that came from the other end of a connection, and how it ended, read as an HTTP answer.

use super::peer::{Ended, header};

/// The bytes that [`super::Peer::all`] read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ended: Ended,
}

impl Came {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The head, without its empty line.
    #[track_caller]
    pub(crate) fn head(&self) -> String {
        let end = self.end_of_head();
        String::from_utf8_lossy(&self.bytes[..end]).into_owned()
    }

    #[track_caller]
    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[self.end_of_head() + 4..]
    }

    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        let text = self.text();
        let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        status.unwrap_or_else(|| panic!("no HTTP/1.1 answer came: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        header(&self.head(), name).map(str::to_owned)
    }

    /// The code of the problem document.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.problem()["code"].as_str().unwrap_or_else(|| panic!("no code came: {}", self.text())).to_owned()
    }

    /// The problem document.
    #[track_caller]
    pub(crate) fn problem(&self) -> serde_json::Value {
        serde_json::from_slice(self.body()).unwrap_or_else(|_| panic!("no document came: {}", self.text()))
    }

    /// This refusal came, whole, with an end in order.
    #[track_caller]
    pub(crate) fn is_refusal(&self, status: u16, code: &str) {
        assert_eq!((self.status(), self.code().as_str(), self.ended), (status, code, Ended::Fin), "{}", self.text());
        assert_eq!(self.header("content-length"), Some(self.body().len().to_string()), "{}", self.text());
    }

    #[track_caller]
    fn end_of_head(&self) -> usize {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        end.unwrap_or_else(|| panic!("no whole head came: {self:?}"))
    }
}
