//! The content of an HTTP body, found among the bytes of its framing (RFC 9112 sections 6 and 7): a length, chunks, or the
//! end of the connection. Extensions of chunks, and trailers, are dropped.

use crate::invariant::Invariant;

/// The longest line with the size of a chunk, its extensions included.
const MAX_SIZE_LINE_BYTES: usize = 1024;

/// The length of a body by its head (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body.
    None,
    /// Content-Length gives the number of bytes.
    Known(u64),
    /// The body comes in chunks.
    Chunked,
    /// The body ends when the sender closes.
    UntilClose,
}

/// The reader of a body.
#[derive(Debug)]
pub struct Content {
    state: State,
    /// The start of a line between chunks that has not arrived whole.
    line: Vec<u8>,
}

/// The next part of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// This many bytes of a body of known length are left.
    Known(u64),
    /// Bytes until the sender closes.
    UntilClose,
    /// The line with a chunk's size.
    Size,
    /// This many bytes of a chunk are left.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Nothing.
    Whole,
}

/// The chunks do not fit their grammar (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Content {
    /// The reader of a body of which nothing has arrived.
    #[must_use]
    pub fn new(length: BodyLength) -> Self {
        let state = match length {
            BodyLength::None | BodyLength::Known(0) => State::Whole,
            BodyLength::Known(length) => State::Known(length),
            BodyLength::Chunked => State::Size,
            BodyLength::UntilClose => State::UntilClose,
        };
        Self { state, line: Vec::new() }
    }

    /// True once the last byte of the body has arrived. The last chunk counts as that byte: trailers are not waited for.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    /// Takes bytes from the front of `bytes`, one at least, and returns the content among them: nothing if they were
    /// framing. Once the body is whole nothing more is taken.
    ///
    /// # Errors
    /// The bytes break the grammar.
    pub fn take<'b>(&mut self, bytes: &mut &'b [u8]) -> Result<&'b [u8], Malformed> {
        match self.state {
            State::Known(left) => {
                let (piece, left) = take_up_to(bytes, left);
                self.state = if left == 0 { State::Whole } else { State::Known(left) };
                Ok(piece)
            }
            State::Chunk(left) => {
                let (piece, left) = take_up_to(bytes, left);
                self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                Ok(piece)
            }
            State::UntilClose => Ok(std::mem::take(bytes)),
            State::Size | State::ChunkEnd => self.take_line(bytes).map(|()| &[][..]),
            State::Whole => Ok(&[]),
        }
    }

    /// Notes that the sender has ended its connection in order: `true` if the body is whole.
    pub fn end(&mut self) -> bool {
        if self.state == State::UntilClose {
            self.state = State::Whole;
        }
        self.is_whole()
    }

    /// Takes bytes of a line between chunks, up to its end.
    fn take_line(&mut self, bytes: &mut &[u8]) -> Result<(), Malformed> {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.line.extend_from_slice(std::mem::take(bytes));
            return if self.line.len() > MAX_SIZE_LINE_BYTES { Err(Malformed) } else { Ok(()) };
        };
        let (rest, behind) = bytes.split_at_checked(end.saturating_add(1)).expected_or_default();
        *bytes = behind;
        self.line.extend_from_slice(rest);
        let line = std::mem::take(&mut self.line);
        if line.len() > MAX_SIZE_LINE_BYTES {
            return Err(Malformed);
        }
        match self.state {
            State::ChunkEnd if line == b"\r\n" => self.state = State::Size,
            State::ChunkEnd => return Err(Malformed),
            // httparse reads a line without a digit as the size 0, which would end the body.
            _ if !line.first().is_some_and(u8::is_ascii_hexdigit) => return Err(Malformed),
            _ => match httparse::parse_chunk_size(&line) {
                Ok(httparse::Status::Complete((_, 0))) => self.state = State::Whole,
                Ok(httparse::Status::Complete((_, size))) => self.state = State::Chunk(size),
                Ok(httparse::Status::Partial) | Err(_) => return Err(Malformed),
            },
        }
        Ok(())
    }
}

/// Takes `left` bytes at most. Returns them, and how many of `left` are left.
fn take_up_to<'b>(bytes: &mut &'b [u8], left: u64) -> (&'b [u8], u64) {
    let end = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    let (piece, rest) = bytes.split_at_checked(end).expected_or_default();
    *bytes = rest;
    (piece, left.saturating_sub(u64::try_from(end).expected_or(u64::MAX)))
}
