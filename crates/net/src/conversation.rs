//! A DNS conversation over a stream, without I/O: octets and times go in, messages and octets come out.
//!
//! ```text
//!                     ┌──────── Server: queries of a client ────────┐
//! octets received ──▶ │ frames ─▶ take_query ─▶ (caller) ─▶ reply ─▶ │ ──▶ octets to send
//!                     └─────────────────────────────────────────────┘
//!                     ┌──────── Client: our queries upstream ───────┐
//! octets received ──▶ │ frames ─▶ next_reply (by id and question)    │ ──▶ octets to send
//!                     │ send(query) ───────────────────────────────▶ │
//!                     └─────────────────────────────────────────────┘
//! ```
//!
//! Two octets of length precede each message (RFC 1035 §4.2.2). A client may send many queries before it reads a reply, and
//! replies may come in any order (RFC 7766 §6.2.1.1 and §7). The state machines here know the framing, the
//! limits, and when a conversation is idle, expired or over; `stream.rs` and `connection.rs` carry them over anything that
//! reads and writes octets: TCP today, TLS, HTTP/2 and QUIC streams alike.
//!
//! **What a hostile client can hold** (attack D3): the octets of one query;
//! [`max_pipelined`](TcpPlan::max_pipelined) queries under way; [`max_unsent`](TcpPlan::max_unsent) octets of replies that
//! it does not read, and one reply more. [`Server::wants_input`] is false while either of the last two is used up. Only a
//! whole query and an octet taken by the client count as activity; an octet sent by the client does not.

use std::collections::HashMap;

use nw_resolve::{Fit, Micros};

use nw_resolve::Discarded;
use nw_serve::plan::TcpPlan;

/// Octets read at a time. A buffer that once was larger is given back when it is empty.
pub(crate) const READ: usize = 16 << 10;

/// The messages in a stream of octets.
#[derive(Debug, Default)]
struct Frames {
    octets: Vec<u8>,
    /// Octets at the start that were returned already.
    taken: usize,
}

impl Frames {
    /// Where to read octets to: at the end of what was received.
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.octets.drain(..self.taken);
        self.taken = 0;
        if self.octets.is_empty() && self.octets.capacity() > READ {
            self.octets = Vec::new();
        }
        &mut self.octets
    }

    /// The next whole message.
    fn next(&mut self) -> Option<&[u8]> {
        let (&[l0, l1], rest) = self.octets[self.taken..].split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let message = rest.get(..length)?;
        self.taken += 2 + length;
        Some(message)
    }
}

/// Octets that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct Output {
    octets: Vec<u8>,
    /// Octets at the start that were sent already.
    sent: usize,
}

impl Output {
    /// Queue *message* behind its length; a longer one than a frame can hold is left out, and false returned.
    pub(crate) fn put(&mut self, message: &[u8]) -> bool {
        let Ok(length) = u16::try_from(message.len()) else { return false };
        self.octets.extend_from_slice(&length.to_be_bytes());
        self.octets.extend_from_slice(message);
        true
    }

    fn unsent(&self) -> &[u8] {
        &self.octets[self.sent..]
    }

    fn sent(&mut self, octets: usize) {
        self.sent += octets;
        if self.sent == self.octets.len() {
            self.sent = 0;
            self.octets.clear();
            if self.octets.capacity() > READ {
                self.octets = Vec::new();
            }
        }
    }
}

/// The server's side: queries in, replies out.
#[derive(Debug)]
pub(crate) struct Server {
    frames: Frames,
    output: Output,
    /// Queries whose reply is made later.
    under_way: u32,
    /// Queries read so far.
    queries: u32,
    /// When a whole query was read or an octet was taken by the client.
    active: Micros,
    /// When no more queries are read.
    end: Micros,
    /// When the conversation ends, whatever is under way. Stops a client from reading one long answer forever.
    last: Micros,
    /// The client sends nothing more; what it has sent is still answered.
    ended: bool,
    /// No more queries are taken; the conversation ends when those under way are answered.
    closing: bool,
}

/// What is to be done when a time limit of a conversation has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Nothing: the limit has moved on meanwhile.
    Not,
    /// Nothing moved for too long: end the conversation now.
    Idle,
    /// The conversation has reached its lifetime: it closes when what is under way is answered.
    Lifetime,
}

impl Server {
    /// A conversation that begins now.
    pub(crate) fn new(now: Micros, plan: &TcpPlan) -> Server {
        Server {
            frames: Frames::default(),
            output: Output::default(),
            under_way: 0,
            queries: 0,
            active: now,
            end: now + micros(plan.max_lifetime_ms),
            last: now + 2 * micros(plan.max_lifetime_ms),
            ended: false,
            closing: false,
        }
    }

    /// Whether octets of the client should be read now.
    pub(crate) fn wants_input(&self, plan: &TcpPlan) -> bool {
        !self.closing && !self.ended && self.has_room(plan)
    }

    /// Where octets of the client are appended.
    pub(crate) fn input(&mut self) -> &mut Vec<u8> {
        self.frames.buffer()
    }

    /// The client has ended its side of the stream.
    pub(crate) fn end_of_input(&mut self) {
        self.ended = true;
    }

    /// Take no more queries.
    pub(crate) fn close(&mut self) {
        self.closing = true;
        self.frames = Frames::default();
    }

    /// Whether no more queries are taken.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Give the next whole query to *answer*, with what queues replies, unless a limit forbids to take one now.
    pub(crate) fn take_query<T>(
        &mut self,
        now: Micros,
        plan: &TcpPlan,
        answer: impl FnOnce(&[u8], &mut Output) -> T,
    ) -> Option<T> {
        if self.closing || !self.has_room(plan) {
            return None;
        }
        let query = self.frames.next()?;
        self.queries = self.queries.saturating_add(1);
        self.active = now;
        Some(answer(query, &mut self.output))
    }

    /// Close if the conversation has had its number of queries or its lifetime; whether it closes because of that now.
    pub(crate) fn expire(&mut self, now: Micros, plan: &TcpPlan) -> bool {
        let expired = plan.max_queries != 0 && self.queries >= plan.max_queries || now >= self.end;
        let expires = expired && !self.closing;
        if expires {
            self.close();
        }
        expires
    }

    /// A query will be answered by [`Server::reply_later`].
    pub(crate) fn will_reply(&mut self) {
        self.under_way += 1;
    }

    /// Queue the reply to a query that was under way; none when the client gets no reply.
    pub(crate) fn reply_later(&mut self, message: Option<&[u8]>) {
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(message) = message {
            self.output.put(message);
        }
    }

    /// Whether the next message of a stream may be queued.
    pub(crate) fn takes_part(&self, plan: &TcpPlan) -> bool {
        self.output.unsent().len() < plan.max_unsent as usize
    }

    /// Queue a message of a stream, which stays under way.
    pub(crate) fn reply_part(&mut self, message: &[u8]) {
        self.output.put(message);
    }

    /// Octets to send.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.output.unsent()
    }

    /// The client has taken so many of them.
    pub(crate) fn sent(&mut self, octets: usize, now: Micros) {
        if octets > 0 {
            self.output.sent(octets);
            self.active = now;
        }
    }

    /// When the client last did something that counts.
    pub(crate) fn active(&self) -> Micros {
        self.active
    }

    /// Whether everything has been answered and sent and no query will come. Call it after [`Server::take_query`] found none.
    pub(crate) fn is_over(&self) -> bool {
        (self.closing || self.ended) && self.under_way == 0 && self.unsent().is_empty()
    }

    /// When [`Server::check`] is to be called next. None: the client waits for us, and is not to blame for the time.
    pub(crate) fn deadline(&self, idle: Micros) -> Option<Micros> {
        if self.under_way > 0 && self.unsent().is_empty() {
            return None;
        }
        Some((self.active + idle).min(if self.closing { self.last } else { self.end }))
    }

    /// What follows from the time; *idle*: how long a conversation may be idle now.
    pub(crate) fn check(&mut self, now: Micros, idle: Micros) -> Expiry {
        match self.deadline(idle) {
            Some(deadline) if now >= deadline => {}
            _ => return Expiry::Not,
        }
        if now >= self.active + idle || now >= self.last {
            return Expiry::Idle;
        }
        self.close();
        Expiry::Lifetime
    }

    fn has_room(&self, plan: &TcpPlan) -> bool {
        self.under_way < plan.max_pipelined
            && self.takes_part(plan)
            && (plan.max_queries == 0 || self.queries < plan.max_queries)
    }
}

/// The client's side: our queries out, replies in, many under way at once.
#[derive(Debug, Default)]
pub(crate) struct Client {
    frames: Frames,
    output: Output,
    /// Queries under way by the id on the wire, as they were sent.
    under_way: HashMap<u16, Sent>,
    /// Replies received.
    replies: u64,
    /// When the last reply came.
    replied: Micros,
    /// Messages that answered nothing, not counted yet by the caller.
    junk: u64,
}

#[derive(Debug)]
struct Sent {
    query: Vec<u8>,
    at: Micros,
    /// The id that the caller chose.
    id: [u8; 2],
    discarded: Discarded,
}

impl Client {
    /// Queue *query*. The id on the wire is its own, or *random* and those after it while another query has that. Returns
    /// the id on the wire; None when the query cannot be sent in a stream or all ids are taken. *discarded* records messages that
    /// come for it and are no reply.
    pub(crate) fn send(
        &mut self,
        query: &[u8],
        random: u16,
        now: Micros,
        discarded: &Discarded,
    ) -> Option<u16> {
        if self.under_way.len() >= usize::from(u16::MAX) {
            return None;
        }
        let own = *query.first_chunk::<2>()?;
        let mut id = u16::from_be_bytes(own);
        let mut next = random;
        while self.under_way.contains_key(&id) {
            id = next;
            next = next.wrapping_add(1);
        }
        let mut query = query.to_vec();
        query[..2].copy_from_slice(&id.to_be_bytes());
        if !self.output.put(&query) {
            return None;
        }
        let discarded = discarded.clone();
        self.under_way.insert(id, Sent { query, at: now, id: own, discarded });
        Some(id)
    }

    /// Forget the query with *id* on the wire: nobody waits for it. Whether the server has been silent since it was sent.
    pub(crate) fn abandon(&mut self, id: u16) -> bool {
        self.under_way.remove(&id).is_some_and(|sent| self.replied <= sent.at)
    }

    /// Where octets of the server are appended.
    pub(crate) fn input(&mut self) -> &mut Vec<u8> {
        self.frames.buffer()
    }

    /// The next reply: the id on the wire, and the message with the id that its query had. Other messages are counted.
    pub(crate) fn next_reply(&mut self, now: Micros) -> Option<(u16, Vec<u8>)> {
        while let Some(message) = self.frames.next() {
            let id = message.first_chunk().map(|id| u16::from_be_bytes(*id));
            let sent = id.and_then(|id| self.under_way.get(&id).map(|sent| (id, sent)));
            match sent {
                Some((id, sent)) if Fit::of(&sent.query, message) == Fit::Reply => {
                    let mut reply = message.to_vec();
                    reply[..2].copy_from_slice(&sent.id);
                    self.under_way.remove(&id);
                    self.replies += 1;
                    self.replied = now;
                    return Some((id, reply));
                }
                _ => {
                    // One with an id of none of the queries may be meant for any of them.
                    let meant = id.filter(|id| self.under_way.contains_key(id));
                    for (id, sent) in &self.under_way {
                        if meant.is_none_or(|meant| meant == *id) {
                            sent.discarded.note(&sent.query, message);
                        }
                    }
                    self.junk += 1;
                }
            }
        }
        None
    }

    /// Octets to send.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.output.unsent()
    }

    /// So many of them were sent.
    pub(crate) fn sent(&mut self, octets: usize) {
        self.output.sent(octets);
    }

    /// Queries under way.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether any reply has come.
    pub(crate) fn has_replied(&self) -> bool {
        self.replies > 0
    }

    /// Octets of the buffers.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.frames.octets.capacity() + self.output.octets.capacity()
    }

    /// Messages that answered nothing, since the last call.
    pub(crate) fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }
}

/// Milliseconds of a plan as microseconds.
pub(crate) fn micros(ms: u32) -> Micros {
    Micros::from(ms) * nw_resolve::MILLISECOND
}

#[cfg(test)]
mod tests;
