//! Serving a client over a stream: what carries a [`Server`] conversation over anything that reads and writes octets.
//!
//! ```text
//! stream ─▶ octets ─▶ Server ─▶ query ─▶ pipeline ─▶ reply ──────────┐
//!                                  ├─ must wait ─▶ a task ─▶ mailbox ─┼─▶ Server ─▶ octets ─▶ stream
//!                                  └─ is a stream of messages ────────┘
//! ```
//!
//! One task serves a connection and waits for whatever comes first: octets, room to write, a late reply, the idle limit, the
//! end of its slot or of the listening socket. TCP hands its connections to [`serve`]; a TLS or QUIC stream needs
//! [`AsyncRead`] and [`AsyncWrite`], and nothing else.
//!
//! A message that deserves no reply (none at all, less than a header, or a reply) ends the connection: no honest client
//! sends one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nw_resolve::{Micros, Transport};
use nw_serve::Handled;
use nw_serve::plan::TcpPlan;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::conversation::{Expiry, Server};
use crate::slots::Slot;
use crate::worker::{Shutdown, Worker};

/// A stream of octets both ways.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Answers that are streams of messages, whose next messages are made as the client takes those before.
type Streams = VecDeque<Box<nw_serve::Stream>>;

/// Replies that were made late, on their way to the task that sends them. None: the client gets no reply.
#[derive(Default)]
struct Mailbox {
    replies: RefCell<Vec<Option<Vec<u8>>>>,
    arrived: Notify,
}

/// The reply to one query, on its way to the mailbox. Dropping it says that there is none.
struct Late {
    mailbox: Rc<Mailbox>,
    reply: Option<Vec<u8>>,
}

impl Late {
    fn send(mut self, reply: &[u8]) {
        self.reply = Some(reply.to_vec());
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.mailbox.replies.borrow_mut().push(self.reply.take());
        self.mailbox.arrived.notify_one();
    }
}

/// Serve one connection to its end.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    stream: impl Stream,
    transport: Transport,
    slot: Slot,
    shutdown: Rc<Shutdown>,
) {
    let mut streams = Streams::new();
    converse(&worker, stream, transport, &slot, &shutdown, &mut streams).await;
    streams.iter_mut().for_each(|stream| worker.end_stream(stream));
}

async fn converse(
    worker: &Rc<Worker>,
    stream: impl Stream,
    transport: Transport,
    slot: &Slot,
    shutdown: &Shutdown,
    streams: &mut Streams,
) {
    let mut stream = Carrier { stream, unflushed: false };
    let mailbox = Rc::new(Mailbox::default());
    let mut server = Server::new(worker.now(), &worker.tcp_plan());
    let sleep = tokio::time::sleep(Duration::ZERO);
    let mut sleep = std::pin::pin!(sleep);
    // The time that `sleep` ends. A deadline that has moved on since is noticed when it does, so that a query need not set it.
    let mut ends = Micros::MAX;
    loop {
        let plan = worker.tcp_plan();
        mailbox.replies.take().iter().for_each(|reply| server.reply_later(reply.as_deref()));
        let filled = fill(worker, &mut server, streams, &plan);
        let taken = take_queries(worker, &mailbox, &mut server, streams, slot, transport, &plan);
        if taken == Taken::Junk {
            worker.stats().tcp_junk.add(1);
            server.close();
        } else if server.expire(worker.now(), &plan) {
            worker.stats().tcp_expired.add(1);
        }
        if filled || taken != Taken::Nothing {
            // Replies that are ready leave before anything is waited for. Other tasks run in between: a client that never
            // pauses would keep the worker to itself.
            let written = poll_fn(|context| Poll::Ready(stream.write(&mut server, worker, context))).await;
            if let Poll::Ready(Err(_)) = written {
                return;
            }
            slot.active_at(server.active());
            tokio::task::yield_now().await;
            continue;
        }
        if server.is_over() {
            return;
        }
        let deadline = server.deadline(worker.slots.idle_limit(&plan));
        if let Some(deadline) = deadline.filter(|deadline| *deadline < ends) {
            sleep.as_mut().reset(worker.shared.clock.instant(deadline));
            ends = deadline;
        }
        let closing = server.is_closing();
        let moved = poll_fn(|context| stream.transfer(&mut server, worker, &plan, context));
        let event = tokio::select! {
            biased;
            moved = moved => Event::Moved(moved),
            () = mailbox.arrived.notified() => Event::Replies,
            () = shutdown.wait(), if !closing => Event::Shutdown,
            () = slot.evicted() => Event::Evicted,
            () = &mut sleep, if deadline.is_some() && ends != Micros::MAX => Event::Time,
        };
        match event {
            Event::Moved(Ok(())) => slot.active_at(server.active()),
            Event::Moved(Err(_)) | Event::Evicted => return,
            Event::Replies => {}
            Event::Shutdown => server.close(),
            Event::Time => {
                ends = Micros::MAX;
                match server.check(worker.now(), worker.slots.idle_limit(&plan)) {
                    Expiry::Not => {}
                    Expiry::Idle => {
                        worker.stats().tcp_idle.add(1);
                        return;
                    }
                    Expiry::Lifetime => worker.stats().tcp_expired.add(1),
                }
            }
        }
    }
}

/// What a connection waits for.
enum Event {
    /// Octets moved, or the stream failed.
    Moved(io::Result<()>),
    /// Replies that were made late.
    Replies,
    /// The listening socket is closed.
    Shutdown,
    /// The slot is needed for another.
    Evicted,
    /// A deadline.
    Time,
}

#[derive(PartialEq, Eq)]
enum Taken {
    Nothing,
    Queries,
    Junk,
}

/// Make the next messages of streams, as many as may be unsent; whether there were any. One stream ends before the next begins.
fn fill(worker: &Worker, server: &mut Server, streams: &mut Streams, plan: &TcpPlan) -> bool {
    let mut filled = false;
    while let Some(stream) = streams.front_mut().filter(|_| server.takes_part(plan)) {
        filled = true;
        if !worker.next_message(stream, |message| server.reply_part(message)) {
            if !stream.is_complete() {
                // The client learns from the end of the connection that messages are missing.
                server.close();
            }
            streams.pop_front();
            server.reply_later(None);
        }
    }
    filled
}

/// Handle the whole queries that were received, as many as the limits allow.
fn take_queries(
    worker: &Rc<Worker>,
    mailbox: &Rc<Mailbox>,
    server: &mut Server,
    streams: &mut Streams,
    slot: &Slot,
    transport: Transport,
    plan: &TcpPlan,
) -> Taken {
    let (now, mut taken) = (worker.now(), Taken::Nothing);
    loop {
        let handled = server.take_query(now, plan, |query, output| {
            worker.handle(query, slot.client, transport, |reply| {
                output.put(reply);
            })
        });
        match handled {
            None => return taken,
            Some(Handled::Reply(_)) => {}
            Some(Handled::Later(pending)) => {
                server.will_reply();
                let late = Late { mailbox: Rc::clone(mailbox), reply: None };
                worker.look_up(pending, |reply| late.send(reply));
            }
            Some(Handled::Control(pending)) => {
                server.will_reply();
                let late = Late { mailbox: Rc::clone(mailbox), reply: None };
                worker.ask_owner(pending, |reply| late.send(reply));
            }
            Some(Handled::Stream(stream)) => {
                server.will_reply();
                streams.push_back(stream);
            }
            Some(Handled::Drop) => return Taken::Junk,
        }
        taken = Taken::Queries;
    }
}

/// A stream and what has been asked of it.
struct Carrier<S> {
    stream: S,
    /// Octets were written and not flushed: a stream that encrypts may hold them back.
    unflushed: bool,
}

impl<S: Stream> Carrier<S> {
    /// Write and read until something that matters has happened: octets of the client came, or its end, or nothing is left
    /// unsent.
    fn transfer(
        &mut self,
        server: &mut Server,
        worker: &Worker,
        plan: &TcpPlan,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let waited = !server.unsent().is_empty();
        let written = self.write(server, worker, context)?;
        if server.wants_input(plan) {
            let mut room = worker.read_room.borrow_mut();
            let mut room = ReadBuf::new(&mut room[..]);
            match Pin::new(&mut self.stream).poll_read(context, &mut room) {
                Poll::Ready(Ok(())) if room.filled().is_empty() => server.end_of_input(),
                Poll::Ready(Ok(())) => server.input().extend_from_slice(room.filled()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if waited && written.is_ready() => {}
                Poll::Pending => return Poll::Pending,
            }
            return Poll::Ready(Ok(()));
        }
        ready!(written);
        if waited { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Write what is unsent. Ready when nothing is left.
    fn write(
        &mut self,
        server: &mut Server,
        worker: &Worker,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !server.unsent().is_empty() {
            let octets = ready!(Pin::new(&mut self.stream).poll_write(context, server.unsent()))?;
            if octets == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            server.sent(octets, worker.now());
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
