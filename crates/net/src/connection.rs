//! Connections to upstream servers: reused, pipelined, bounded.
//!
//! ```text
//! exchange(query) ─▶ Session ─▶ Connection ─▶ Client (conversation) ─▶ stream      one task for each connection
//!                       │ fewest under way, else a new one            ◀─ replies, each to the exchange that waits for it
//! ```
//!
//! Queries to one server share connections (RFC 7766 §6.2.1); a connection stays open for a while when nothing is under way
//! (§6.2.3). A server that accepts connections and never replies (a tarpit, attack A13) holds `max_per_server` of
//! them, whatever the number of queries; all such servers together hold `max_connections`, and the connection that has
//! been silent longest gives way to a newcomer. A connection on which a query ran out of time, and nothing has come since it
//! was sent, gets no further queries.
//!
//! A server may close an idle connection at any time. A query that meets this is sent once more over a new one.
//!
//! Each transport implements [`Connect`] and is registered in [`connector`]; the rest is the same for all.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nw_resolve::{Endpoint, ExchangeError, Micros, Transport};
use nw_serve::Stats;
use nw_serve::plan::StreamPlan;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::conversation::{Client, READ, micros};
use crate::random::Random;
use crate::tcp::Tcp;
use crate::upstream::classify;
use crate::world::Clock;
use nw_resolve::Discarded;

/// A stream to an upstream server.
pub(crate) trait Upward: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Upward for S {}

/// A stream that is being opened.
pub(crate) type Opening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Upward>>>>>;

/// Opens streams of one transport.
pub(crate) trait Connect {
    /// A stream to *server* that is ready for queries.
    fn connect(&self, server: SocketAddr) -> Opening;
}

/// What opens streams of *transport*: one line for each.
pub(crate) fn connector(transport: Transport) -> Option<Rc<dyn Connect>> {
    match transport {
        Transport::Udp => None,
        Transport::Tcp => Some(Rc::new(Tcp)),
    }
}

/// The connections of one worker to all upstream servers.
pub(crate) struct Connections {
    clock: Clock,
    random: Rc<Random>,
    stats: Arc<Stats>,
    plan: Cell<StreamPlan>,
    open: RefCell<Vec<Weak<Connection>>>,
    /// Where octets are read to, by one connection at a time: a connection that waits holds no such buffer.
    read_room: RefCell<Box<[u8]>>,
}

impl Connections {
    pub(crate) fn new(clock: Clock, random: Rc<Random>, stats: Arc<Stats>) -> Rc<Connections> {
        let plan = Cell::new(StreamPlan::default());
        let read_room = RefCell::new(vec![0; READ].into_boxed_slice());
        Rc::new(Connections { clock, random, stats, plan, open: RefCell::default(), read_room })
    }

    /// Use these limits from now on.
    pub(crate) fn set_plan(&self, plan: StreamPlan) {
        self.plan.set(plan);
    }

    /// Make room for one more connection: when too many are open, the one that has been silent longest ends.
    fn make_room(&self) {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| connection.strong_count() > 0);
        if open.len() < self.plan.get().max_connections as usize {
            return;
        }
        let alive = open.iter().filter_map(Weak::upgrade).filter(|connection| !connection.ended.get());
        if let Some(silent) = alive.min_by_key(|connection| connection.heard.get()) {
            silent.end(ExchangeError::Local);
        }
    }
}

/// What is remembered of one endpoint that is reached over a stream.
pub(crate) struct Session {
    connect: Rc<dyn Connect>,
    server: SocketAddr,
    connections: RefCell<Vec<Rc<Connection>>>,
    /// One permit for each query that may be under way.
    permits: Semaphore,
}

impl Session {
    /// A session with *endpoint*; None when its transport is no stream.
    pub(crate) fn new(endpoint: &Endpoint, plan: StreamPlan) -> Option<Session> {
        let connect = connector(endpoint.transport)?;
        Some(Session::over(connect, endpoint.address, plan))
    }

    /// A session with *server* over what *connect* opens.
    pub(crate) fn over(connect: Rc<dyn Connect>, server: SocketAddr, plan: StreamPlan) -> Session {
        let permits = Semaphore::new(plan.max_per_server as usize * plan.max_pipelined as usize);
        Session { connect, server, connections: RefCell::default(), permits }
    }

    /// Send *query* and return its reply. The caller sets the time limit by dropping the future.
    pub(crate) async fn exchange(
        &self,
        all: &Rc<Connections>,
        query: &[u8],
        discarded: &Discarded,
    ) -> Result<Vec<u8>, ExchangeError> {
        let _permit = self.permits.acquire().await.map_err(|_| ExchangeError::Local)?;
        let connection = self.connection(all).ok_or(ExchangeError::Timeout)?;
        let reused = connection.state.borrow().client.has_replied();
        match connection.exchange(all, query, discarded).await {
            // It was closed between two queries: that says nothing about the server.
            Err(ExchangeError::Closed) if reused => {
                let connection = self.connection(all).ok_or(ExchangeError::Timeout)?;
                connection.exchange(all, query, discarded).await
            }
            result => result,
        }
    }

    /// The connection for the next query: that with the fewest under way, a new one when all are busy and one more may be
    /// open. None: as many as may be open are silent.
    fn connection(&self, all: &Rc<Connections>) -> Option<Rc<Connection>> {
        /// Queries under way on a connection above which another is opened.
        const BUSY: usize = 16;
        let plan = all.plan.get();
        let now = all.clock.now();
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.ended.get());
        let open = connections.len();
        let usable = connections.iter().filter(|connection| connection.is_usable(now, &plan));
        let best = usable.min_by_key(|connection| connection.state.borrow().client.under_way()).cloned();
        let busy = best.as_ref().is_none_or(|best| best.state.borrow().client.under_way() >= BUSY);
        match best {
            Some(best) if !busy || open >= plan.max_per_server as usize => return Some(best),
            _ => {}
        }
        if open >= plan.max_per_server as usize {
            // All are silent, and end when the queries on them have run out of time.
            return None;
        }
        all.make_room();
        let connection = Rc::new(Connection {
            state: RefCell::default(),
            changed: Notify::new(),
            opened: now,
            heard: Cell::new(now),
            suspected: Cell::new(false),
            ended: Cell::new(false),
        });
        all.open.borrow_mut().push(Rc::downgrade(&connection));
        connections.push(Rc::clone(&connection));
        let stream = self.connect.connect(self.server);
        tokio::task::spawn_local(carry(Rc::clone(&connection), stream, Rc::clone(all)));
        Some(connection)
    }

    /// Whether no connection is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.connections.borrow().iter().all(|connection| connection.ended.get())
    }

    /// Open a stream for the caller alone.
    pub(crate) async fn open(&self) -> io::Result<Box<dyn Upward>> {
        self.connect.connect(self.server).await
    }
}

/// One connection, shared by the task that carries it and the exchanges that wait for replies.
struct Connection {
    state: RefCell<State>,
    /// A query was queued or abandoned, or the connection was ended.
    changed: Notify,
    opened: Micros,
    /// When the server last sent something; at first, when the connection was opened.
    heard: Cell<Micros>,
    /// A query ran out of time and nothing has come since: no further queries are sent here.
    suspected: Cell<bool>,
    ended: Cell<bool>,
}

#[derive(Default)]
struct State {
    client: Client,
    waiting: HashMap<u16, oneshot::Sender<Result<Vec<u8>, ExchangeError>>>,
}

impl Connection {
    fn is_usable(&self, now: Micros, plan: &StreamPlan) -> bool {
        let under_way = self.state.borrow().client.under_way();
        !self.ended.get()
            && !self.suspected.get()
            && now < self.opened + micros(plan.lifetime_ms)
            && under_way < plan.max_pipelined as usize
    }

    async fn exchange(
        &self,
        all: &Connections,
        query: &[u8],
        discarded: &Discarded,
    ) -> Result<Vec<u8>, ExchangeError> {
        let (reply, arrives) = oneshot::channel();
        let random = all.random.bits() as u16;
        let id = {
            let mut state = self.state.borrow_mut();
            let sent = state.client.send(query, random, all.clock.now(), discarded);
            let id = sent.ok_or(ExchangeError::Local)?;
            state.waiting.insert(id, reply);
            id
        };
        let _abandon = Abandon { connection: self, id };
        self.changed.notify_one();
        arrives.await.unwrap_or(Err(ExchangeError::Closed))
    }

    /// End the connection: every exchange that waits fails with *error*. Its buffers are freed, for its session may keep it until the
    /// server is asked again.
    fn end(&self, error: ExchangeError) {
        self.ended.set(true);
        let State { waiting, .. } = self.state.take();
        waiting.into_values().for_each(|reply| drop(reply.send(Err(error))));
        self.changed.notify_one();
    }
}

/// Forgets a query whose exchange has ended, whatever the way.
struct Abandon<'c> {
    connection: &'c Connection,
    id: u16,
}

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        let mut state = self.connection.state.borrow_mut();
        if state.waiting.remove(&self.id).is_some() {
            if state.client.abandon(self.id) {
                self.connection.suspected.set(true);
            }
            // The connection may be idle now, or not worth keeping.
            self.connection.changed.notify_one();
        }
    }
}

/// Carry a connection from its opening to its end.
async fn carry(connection: Rc<Connection>, stream: Opening, all: Rc<Connections>) {
    let plan = all.plan.get();
    let mut stream = tokio::select! {
        stream = stream => match stream {
            Ok(stream) => stream,
            Err(error) => return connection.end(classify(&error)),
        },
        () = abandoned(&connection) => return connection.end(ExchangeError::Timeout),
    };
    loop {
        let idle = connection.state.borrow().client.under_way() == 0;
        let old = all.clock.now() >= connection.opened + micros(plan.lifetime_ms);
        if idle && (old || connection.suspected.get()) {
            return connection.end(ExchangeError::Closed);
        }
        let moved = poll_fn(|context| transfer(&mut stream, &connection, &all, context));
        let until = all.clock.instant(all.clock.now() + micros(plan.idle_ms));
        tokio::select! {
            moved = moved => if let Err(error) = moved {
                return connection.end(error);
            },
            () = connection.changed.notified() => if connection.ended.get() {
                return;
            },
            () = tokio::time::sleep_until(until), if idle => return connection.end(ExchangeError::Closed),
        }
    }
}

/// Return when no exchange waits any more for a connection that is being opened.
async fn abandoned(connection: &Connection) {
    let is_wanted = || {
        let silent = connection.suspected.get() && connection.state.borrow().client.under_way() == 0;
        !connection.ended.get() && !silent
    };
    while is_wanted() {
        connection.changed.notified().await;
    }
}

/// Write what is queued, read what there is, and deliver replies. Ready when replies came, or the connection is over.
fn transfer(
    stream: &mut Box<dyn Upward>,
    connection: &Connection,
    all: &Connections,
    context: &mut Context<'_>,
) -> Poll<Result<(), ExchangeError>> {
    let fail = |error: io::Error| Poll::Ready(Err(classify(&error)));
    if connection.ended.get() {
        return Poll::Ready(Err(ExchangeError::Closed));
    }
    let mut state = connection.state.borrow_mut();
    let State { client, waiting } = &mut *state;
    let mut stream = Pin::new(stream);
    while !client.unsent().is_empty() {
        match stream.as_mut().poll_write(context, client.unsent()) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(ExchangeError::Closed)),
            Poll::Ready(Ok(octets)) => client.sent(octets),
            Poll::Ready(Err(error)) => return fail(error),
            Poll::Pending => break,
        }
    }
    if let Poll::Ready(Err(error)) = stream.as_mut().poll_flush(context) {
        return fail(error);
    }
    let mut room = all.read_room.borrow_mut();
    let mut room = ReadBuf::new(&mut room[..]);
    match ready!(stream.as_mut().poll_read(context, &mut room)) {
        Ok(()) if room.filled().is_empty() => return Poll::Ready(Err(ExchangeError::Closed)),
        Ok(()) => client.input().extend_from_slice(room.filled()),
        Err(error) => return fail(error),
    }
    let now = all.clock.now();
    connection.heard.set(now);
    while let Some((id, reply)) = client.next_reply(now) {
        if let Some(exchange) = waiting.remove(&id) {
            let _ = exchange.send(Ok(reply));
        }
    }
    all.stats.upstream_junk.add(client.take_junk());
    Poll::Ready(Ok(()))
}

#[cfg(test)]
mod tests;
