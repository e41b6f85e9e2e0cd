//! What a stage of the pipeline says about a question, and what the pipeline says about a packet.

use std::net::SocketAddr;

use nw_resolve::ClientQuestion;
pub use nw_resolve::Transport;
use nw_wire::{Ede, Rcode, Rrset};

/// What a stage decides. A stage gets the question and the draft of its reply, and returns one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on with the next stage.
    Continue,
    /// The draft is the answer: finish and send it.
    Answer,
    /// Send nothing.
    Drop,
    /// Empty the draft and send it with this rcode and extended error (RFC 8914).
    Refuse(Rcode, Ede),
    /// Empty the draft and send it as SERVFAIL with this extended error and text.
    Fail(Box<(Ede, String)>),
    /// The answer needs a lookup that may wait: ask the resolver, then complete the draft with what it says.
    Ask(Box<Ask>),
}

/// A lookup that an answer waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What to ask the resolver.
    pub question: ClientQuestion,
    /// What the answer section already holds: aliases from a zone of ours that lead to the question.
    pub before: Vec<Rrset>,
}

impl Verdict {
    /// For `?` in the list of stages: go on, or leave with the verdict.
    #[inline]
    pub fn go(self) -> Result<(), Verdict> {
        match self {
            Verdict::Continue => Ok(()),
            verdict => Err(verdict),
        }
    }
}

/// What became of a packet.
#[derive(Debug)]
pub enum Handled {
    /// The reply is the first octets of the room.
    Reply(usize),
    /// There is no reply.
    Drop,
    /// The reply comes later, from `pipeline::complete`.
    Later(Box<Pending>),
}

/// All that a late reply needs. It owns what it holds: the packet's room is used again meanwhile.
#[derive(Debug)]
pub struct Pending {
    /// The lookup that it waits for.
    pub ask: Ask,
    /// The question as it came; it was read once without error.
    pub packet: Box<[u8]>,
    /// Who asked.
    pub client: SocketAddr,
    /// How.
    pub transport: Transport,
}
