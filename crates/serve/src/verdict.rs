//! The decision of a stage about a request, and the pipeline's result for a packet.

use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nw_cache::Micros;
pub use nw_resolve::Transport;
use nw_resolve::trace::Reason;
use nw_resolve::{ClientQuestion, Resolution};
use nw_wire::edns::EdnsOption;
use nw_wire::{Ede, Message, NameRef, Rcode};

use crate::context::{Context, Environment};
use crate::pipeline;
use crate::policies::{self, Judged};
use crate::query::{OwnedQuery, Query};
use crate::receipt::Receipt;
use crate::report::Sent;
use crate::response::Response;
use crate::sections::Sections;
use crate::snapshot::Snapshot;
use crate::tsig::Signature;

/// The decision of a stage. A stage receives the context of the request and the response so far, and returns one of
/// these.
///
/// `repr(u64)`: verdicts pass through every stage, and this makes them move as two words.
#[derive(Debug)]
#[repr(u64)]
pub enum Verdict {
    /// Continue with the next stage.
    Continue,
    /// The response is complete: filter, finish and send it.
    Answer,
    /// The same with these extended errors and texts: the answer is not as it should be, for example expired.
    AnswerWith(Box<Causes>),
    /// Send nothing.
    Drop,
    /// Empty the response and send it with this rcode and these extended errors (RFC 8914).
    Refuse(Box<Refusal>),
    /// Empty the response and send it as SERVFAIL with these extended errors and texts.
    Fail(Box<Causes>),
    /// The answer needs a lookup that may wait: ask the resolver, then complete the response with its result.
    Ask(Box<Ask>),
    /// The answer consists of many messages, for example a zone transfer. Only stream transports (TCP) carry it.
    Stream(Box<Stream>),
    /// The control plane makes the answer, for example for NOTIFY and UPDATE, and completes the pending request with
    /// it.
    Control,
}

/// One or two lookups that an answer waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What to ask the resolver.
    pub question: ClientQuestion,
    /// A second, simultaneous question: for example, A and AAAA of one name.
    pub second: Option<ClientQuestion>,
    /// The contribution of an authoritative zone: aliases that lead to the question, with their proofs.
    pub before: Sections,
    /// Whether the response is authoritative. AA refers to the first owner in the answer section (RFC 1035 §4.1.1).
    pub authoritative: bool,
    /// Extended errors of the response, if the lookup has none.
    pub because: Vec<(Ede, String)>,
}

/// What is known of the second of two lookups, whose records the response holds beside those of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Second {
    /// Its outcome.
    pub(crate) rcode: Rcode,
    /// Whether a failure of the first one may stand for absent data: it is not bogus, and the second answer is not secure, so that no
    /// proof of absence was due (RFC 6147 §5.5). True as well if nothing had to be checked (CD).
    pub(crate) may_be_absent: bool,
}

impl Ask {
    /// Ask *question* alone, without records before its answer.
    pub fn new(question: ClientQuestion) -> Ask {
        let before = Sections::default();
        Ask { question, second: None, before, authoritative: false, because: Vec::new() }
    }
}

/// The messages of an answer that is a stream.
pub trait Messages: Send {
    /// Write the records of the next message into *response*. Returns false if there is none.
    fn next(&mut self, response: &mut Response<'_, '_>) -> bool;

    /// Whether nothing is missing, once there is no next message.
    fn is_complete(&self) -> bool {
        true
    }
}

/// A stream of responses to one request.
pub struct Stream {
    messages: Box<dyn Messages>,
    /// None until the pipeline has settled the verdict.
    pub(crate) pending: Option<Box<Pending>>,
    sent: Sent,
    complete: bool,
}

impl Stream {
    /// Answer with these messages.
    pub fn new(messages: Box<dyn Messages>) -> Stream {
        Stream { messages, pending: None, sent: Sent::default(), complete: false }
    }

    /// Write the next message to *room*, signed if the request was. Returns its length, or None after the last one.
    /// Call it until then, or call [`Stream::end`] when the client accepts no more.
    ///
    /// `room`: 65,535 octets.
    pub fn next(&mut self, environment: &Environment<'_>, room: &mut [u8]) -> Option<usize> {
        let pending = self.pending.as_mut()?;
        // A panic ends this stream alone.
        let made = catch_unwind(AssertUnwindSafe(|| {
            pipeline::stream_message(environment, pending, &mut *self.messages, room)
        }));
        let length = made.unwrap_or_else(|_| {
            environment.stats.panics.add(1);
            None
        });
        match length {
            Some(length) => self.sent.add(&room[..length]),
            None => {
                self.complete = self.messages.is_complete();
                self.end(environment);
            }
        }
        length
    }

    /// Whether the stream has ended with its last message, and not because of an error.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// End the stream before its last message.
    pub fn end(&mut self, environment: &Environment<'_>) {
        if let Some(pending) = self.pending.take() {
            pipeline::stream_ended(environment, &pending, &self.sent);
        }
    }
}

/// A response that the control plane made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// The outcome.
    pub rcode: Rcode,
    /// Whether it is authoritative (AA).
    pub authoritative: bool,
    /// The RRsets.
    pub sections: Sections,
    /// Extended errors with their text.
    pub ede: Vec<(Ede, String)>,
    /// The response of another server, which is relayed as it is: its signature must stay valid. Only its id becomes that of the
    /// request. Empty: there is none.
    pub relayed: Box<[u8]>,
}

impl Made {
    /// A response without records.
    pub fn empty(rcode: Rcode) -> Made {
        Made { rcode, ..Made::default() }
    }

    /// The content of *message*. The id, question, other flags and OPT come from the request instead.
    pub fn of(message: &Message<'_>) -> Made {
        let options = message.opt();
        let options = options.iter().flat_map(|opt| opt.options()).flatten();
        let ede = options.filter_map(|option| match option {
            EdnsOption::Ede { code, text } => Some((code, String::from_utf8_lossy(text).into_owned())),
            _ => None,
        });
        Made {
            rcode: message.rcode(),
            authoritative: message.flags().aa(),
            sections: Sections::of_message(message),
            ede: ede.collect(),
            relayed: Box::default(),
        }
    }

    /// The response *message*, whose octets are relayed as they are.
    pub fn relayed(message: &Message<'_>, octets: &[u8]) -> Made {
        Made { relayed: octets.into(), ..Made::of(message) }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("pending", &self.pending).finish_non_exhaustive()
    }
}

/// The rcode of a query that is not answered, and why it is not.
#[derive(Debug)]
pub struct Refusal {
    /// The outcome.
    pub rcode: Rcode,
    /// The extended errors with their texts, and what decided.
    pub causes: Causes,
}

impl Verdict {
    /// Refuse the query with *rcode* and the extended error *ede*. *text* says which rule or setting refuses it.
    #[cold]
    pub fn refuse(rcode: Rcode, ede: Ede, text: impl Into<String>) -> Verdict {
        let causes = Causes(vec![(ede, text.into())], None);
        Verdict::Refuse(Box::new(Refusal { rcode, causes }))
    }

    /// For `?` in the list of stages: continue, or leave with the verdict.
    #[inline]
    pub fn go(self) -> Result<(), Verdict> {
        match self {
            Verdict::Continue => Ok(()),
            verdict => Err(verdict),
        }
    }
}

/// The pipeline's result for a packet.
#[derive(Debug)]
pub enum Handled {
    /// The response is the first octets of the room.
    Reply(usize),
    /// There is no response.
    Drop,
    /// The response comes later, from `pipeline::complete`, when the lookups of the pending request have ended.
    Later(Box<Pending>),
    /// The response is a stream of messages.
    Stream(Box<Stream>),
    /// The control plane answers, with `pipeline::complete_with`.
    Control(Box<Pending>),
}

/// The state that a late response needs. It owns its data, because the buffer of the packet is reused meanwhile.
pub struct Pending {
    /// The lookups that it waits for.
    pub ask: Ask,
    /// The client's address.
    pub client: SocketAddr,
    /// How the query arrived.
    pub transport: Transport,
    /// When the query arrived.
    pub received: Micros,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) query: OwnedQuery,
    pub(crate) view: Option<u16>,
    pub(crate) signature: Option<Box<Signature>>,
    pub(crate) lookups: u8,
    pub(crate) judged: Judged,
    pub(crate) receipt: Option<Box<Receipt>>,
    /// The lookups that it waited for before, for the flight recorder.
    pub(crate) earlier: Vec<Resolution>,
}

impl Pending {
    /// Keep the state of *context* until *ask* has been answered.
    pub(crate) fn new(context: &mut Context<'_>, mut ask: Ask) -> Pending {
        for question in std::iter::once(&mut ask.question).chain(&mut ask.second) {
            (question.view, question.walk) = (context.cache_view(), policies::walk(context));
        }
        Pending {
            ask,
            client: context.client,
            transport: context.transport,
            received: context.received,
            snapshot: Arc::clone(context.environment.snapshot),
            query: context.query.into_owned(),
            view: context.view,
            signature: context.signature.take(),
            lookups: context.lookups,
            judged: context.judged.get(),
            receipt: Receipt::of(context.environment),
            earlier: Vec::new(),
        }
    }

    /// The query.
    pub fn query(&self) -> Query<'_> {
        self.query.as_query()
    }

    /// The snapshot that the request started with.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The name of the TSIG key that signed the request, if verified.
    pub fn key(&self) -> Option<NameRef<'_>> {
        self.signature.as_ref().and_then(|signature| signature.verified_key())
    }

    /// The lookups that the response waits for: one or two.
    pub fn questions(&self) -> impl Iterator<Item = &ClientQuestion> {
        std::iter::once(&self.ask.question).chain(&self.ask.second)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("ask", &self.ask)
            .field("client", &self.client)
            .field("transport", &self.transport)
            .field("query", &self.query())
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

/// Extended errors with their texts, the most specific first, and what decided: the rule of a list, a filter or a limit that changed the
/// response, or the failure that the cache holds. The flight recorder keeps a request with such a reason.
#[derive(Debug, Default)]
pub struct Causes(pub Vec<(Ede, String)>, pub Option<Reason>);
