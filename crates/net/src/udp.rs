//! UDP: a batch of queries in, replies made in place, a batch out.
//!
//! ```text
//! readable ─▶ recvmmsg ─▶ for each: pipeline::handle ─▶ reply into the batch ─▶ sendmmsg
//!                                       └─ must wait ─▶ the worker's tasks; the reply leaves through `outbox`
//! ```
//!
//! Each worker has a thread that does nothing else. A reply that can be made at once thus waits for no lookup, no stream and
//! no signature, and little code lies between the wake-up and the reply: at moderate load a server is woken
//! for every query, and what it touches then is not in the processor's cache. A wake-up costs three system calls: the wait,
//! one receive, one send. Nothing waits for a batch to fill. A batch that was not full emptied the socket, so that the next
//! step is to wait (readiness is edge-triggered: what comes after the receive wakes again). After some full batches in a row
//! the thread's other sockets are served.
//!
//! A panic of the thread is reported as an event, and the thread goes on with the same sockets. An error of the wait is fatal.

use std::convert::Infallible;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token, Waker};
use nw_resolve::{Limit, Reason};
use nw_serve::{Environment, Handled, Pending, Transport, pipeline};
use nw_wire::Ede;
use nw_wire::header::HEADER;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::listen::{Identity, Listener};
use crate::mmsg::{BATCH, Batch, Peer};
use crate::worker::{Published, Reports, Shared, environment};

/// Full batches in a row until other sockets are served: about half a millisecond.
const TURN: u32 = 4;
/// Queries on their way to the worker that looks them up; further ones fail at once. What waits for a lookup is bounded by
/// `Budget::max_waiting`; this bounds what a flood puts before it.
const QUEUE: usize = 4096;
/// The token of the waker; sockets have those above.
const WAKE: Token = Token(0);
/// The pause after a panic, so that one that comes again and again does not fill the log.
const PAUSE: Duration = Duration::from_millis(100);

/// The thread that serves the UDP sockets of one worker, as its owner sees it. Dropping it closes the sockets.
pub(crate) struct Datagrams {
    /// Some until it is dropped.
    commands: Option<Sender<Command>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// A query that has to wait. The task that waits sends the reply.
pub(crate) struct Deferred {
    pub(crate) pending: Box<Pending>,
    pub(crate) awaits: Awaits,
    pub(crate) client: ReplyTo,
}

/// What a query waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// The lookups that its `Ask` names.
    Lookup,
    /// The owner of the engine.
    Control,
}

/// Where a reply goes: the client's address, and the socket that the query came to.
pub(crate) struct ReplyTo {
    socket: Arc<OwnedFd>,
    peer: Peer,
}

enum Command {
    /// Serve these sockets, keep those that are served already, and close the others.
    Serve(Vec<Listener>),
    /// Use the published snapshot, then drop this.
    Follow(Sender<Infallible>),
    /// Answer only what needs no wait.
    Drain,
    /// Panic.
    #[cfg(test)]
    Panic,
}

impl Datagrams {
    /// Start a thread that serves no socket yet; also returns the queue of queries that need a lookup.
    pub(crate) fn start(
        name: String,
        shared: Arc<Shared>,
        reports: Reports,
    ) -> io::Result<(Datagrams, mpsc::Receiver<Deferred>)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let (commands, inbox) = channel();
        let (lookups, deferred) = mpsc::channel(QUEUE);
        let published = shared.current.load_full();
        let mut thread = Thread {
            shared,
            reports,
            commands: inbox,
            lookups: Some(lookups),
            poll,
            published,
            sockets: Vec::new(),
            last: WAKE,
            batch: Batch::new(),
        };
        let thread = std::thread::Builder::new().name(name).spawn(move || thread.run_on())?;
        Ok((Datagrams { commands: Some(commands), waker, thread: Some(thread) }, deferred))
    }

    /// Serve *listeners*, keep those that are served already, and close the others.
    pub(crate) fn serve(&self, listeners: Vec<Listener>) {
        self.command(Command::Serve(listeners));
    }

    /// Use the published snapshot, then drop *following*.
    pub(crate) fn follow(&self, following: Sender<Infallible>) {
        self.command(Command::Follow(following));
    }

    /// Answer only what needs no wait from now on: other queries fail, so that their clients ask another server. The queue of queries
    /// that need a lookup ends.
    pub(crate) fn drain(&self) {
        self.command(Command::Drain);
    }

    /// Make the thread panic.
    #[cfg(test)]
    pub(crate) fn panic(&self) {
        self.command(Command::Panic);
    }

    fn command(&self, command: Command) {
        // The thread ends only when `commands` is dropped.
        let _ = self.commands.as_ref().map(|commands| commands.send(command));
        let _ = self.waker.wake();
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // It ends within a batch, or after the pause that follows a panic.
            let _ = thread.join();
        }
    }
}

impl ReplyTo {
    pub(crate) fn new(socket: Arc<OwnedFd>, peer: Peer) -> ReplyTo {
        ReplyTo { socket, peer }
    }

    /// The socket that the query came to.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The client.
    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether *other* asked at the same socket.
    pub(crate) fn shares_socket(&self, other: &ReplyTo) -> bool {
        Arc::ptr_eq(&self.socket, &other.socket)
    }
}

/// The thread itself.
struct Thread {
    shared: Arc<Shared>,
    reports: Reports,
    commands: Receiver<Command>,
    /// None while the server stops.
    lookups: Option<mpsc::Sender<Deferred>>,
    poll: Poll,
    published: Arc<Published>,
    sockets: Vec<Served>,
    /// The token used last.
    last: Token,
    batch: Batch,
}

struct Served {
    socket: Arc<OwnedFd>,
    identity: Identity,
    token: Token,
    /// Whether queries may be waiting in it.
    readable: bool,
}

impl Thread {
    /// Run until the owner drops its end. A panic is reported, and the thread goes on; an error of the wait is fatal.
    fn run_on(&mut self) {
        loop {
            // What a panic may leave half done is the batch, which the next receive sets anew.
            match catch_unwind(AssertUnwindSafe(|| self.run())) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    return self.shared.events.fatal(format!("cannot wait for datagrams: {error}"));
                }
                Err(_) => {
                    self.reports.stats.panics.add(1);
                    let text = "the thread that answers datagrams panicked; it goes on with the same sockets";
                    self.shared.events.fault(text.to_owned());
                }
            }
            std::thread::sleep(PAUSE);
            // An event may have been lost.
            self.sockets.iter_mut().for_each(|served| served.readable = true);
        }
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = mio::Events::with_capacity(64);
        loop {
            // Commands first: their wake-up may have been lost with a fault.
            if self.carry_out().is_break() {
                return Ok(());
            }
            let wait = self.sockets.iter().any(|served| served.readable).then_some(Duration::ZERO);
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                if event.token() == WAKE {
                    if self.carry_out().is_break() {
                        return Ok(());
                    }
                } else if let Some(served) = self.sockets.iter_mut().find(|one| one.token == event.token()) {
                    served.readable = true;
                }
            }
            for i in 0..self.sockets.len() {
                if self.sockets[i].readable {
                    self.sockets[i].readable = self.turn(i);
                }
            }
        }
    }

    /// Carry out the commands that wait. Break: the owner is gone.
    fn carry_out(&mut self) -> ControlFlow<()> {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Serve(listeners)) => self.serve(listeners),
                Ok(Command::Follow(following)) => {
                    self.follow();
                    drop(following);
                }
                Ok(Command::Drain) => self.lookups = None,
                #[cfg(test)]
                Ok(Command::Panic) => panic!("commanded"),
                Err(TryRecvError::Empty) => return ControlFlow::Continue(()),
                Err(TryRecvError::Disconnected) => return ControlFlow::Break(()),
            }
        }
    }

    fn serve(&mut self, listeners: Vec<Listener>) {
        let mut former = std::mem::take(&mut self.sockets);
        for listener in listeners {
            if let Some(at) = former.iter().position(|served| served.identity == listener.identity) {
                self.sockets.push(former.swap_remove(at));
                continue;
            }
            self.last = Token(self.last.0 + 1);
            let (token, fd) = (self.last, listener.socket.as_raw_fd());
            match self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE) {
                Ok(()) => self.sockets.push(Served {
                    socket: Arc::new(listener.socket),
                    identity: listener.identity,
                    token,
                    // What came before the registration raises no event of its own on every kernel.
                    readable: true,
                }),
                Err(error) => self
                    .shared
                    .events
                    .fault(format!("{}/udp: cannot wait for datagrams: {error}", listener.address)),
            }
        }
        for served in former {
            // The descriptor may live on for a deferred reply, and must not wake the thread.
            let _ = self.poll.registry().deregister(&mut SourceFd(&served.socket.as_raw_fd()));
        }
    }

    fn follow(&mut self) {
        if self.shared.version.load(Ordering::Acquire) != self.published.version {
            self.published = self.shared.current.load_full();
        }
    }

    /// Answer what waits in socket *i*, some batches at most; whether more may be waiting.
    fn turn(&mut self, i: usize) -> bool {
        for _ in 0..TURN {
            match self.batch.receive(self.sockets[i].socket.as_fd()) {
                Ok(received) => {
                    self.answer(i, received);
                    if received < BATCH {
                        return false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // An error of a datagram that was sent (ICMP): reading it cleared it, and queries may lie behind it.
                Err(_) => {}
            }
        }
        true
    }

    /// Answer every packet of a batch.
    fn answer(&mut self, i: usize, received: usize) {
        self.follow();
        let now = self.shared.clock.now();
        let environment = Environment {
            recorder: Some(&self.shared.recorder),
            ..environment(&self.published, now, &self.reports)
        };
        let (socket, batch) = (&self.sockets[i].socket, &mut self.batch);
        for i in 0..received {
            let (datagram, room) = batch.packet(i);
            // Of a query that was cut off only the header is sure: the client gets FORMERR.
            let bytes = if datagram.cut { &datagram.bytes[..HEADER] } else { datagram.bytes };
            match pipeline::handle(&environment, bytes, datagram.from, Transport::Udp, room) {
                Handled::Reply(length) => batch.reply(i, length),
                Handled::Drop | Handled::Stream(_) => {}
                waits @ (Handled::Later(_) | Handled::Control(_)) => {
                    let (pending, awaits) = match waits {
                        Handled::Control(pending) => (pending, Awaits::Control),
                        Handled::Later(pending) => (pending, Awaits::Lookup),
                        _ => continue,
                    };
                    let client = ReplyTo::new(Arc::clone(socket), batch.peer(i));
                    let deferred = Deferred { pending, awaits, client };
                    let length = match &self.lookups {
                        None => stopping(&environment, deferred.pending, batch.packet(i).1),
                        Some(lookups) => match lookups.try_send(deferred) {
                            Err(TrySendError::Full(deferred)) => {
                                too_many(&environment, deferred.pending, batch.packet(i).1)
                            }
                            _ => continue,
                        },
                    };
                    batch.reply(i, length);
                }
            }
        }
        self.shared.events.findings(&self.published.snapshot);
        let lost = batch.flush(socket.as_fd()).lost;
        if lost > 0 {
            self.reports.stats.dropped_send.add(lost as u64);
        }
    }
}

/// Make the response to a client that is one too many to wait for a lookup; its length.
pub(crate) fn too_many(environment: &Environment<'_>, pending: Box<Pending>, room: &mut [u8]) -> usize {
    environment.stats.dropped_busy.add(1);
    let reason = Reason::LimitReached { limit: Limit::Waiting }.to_string();
    give_up(environment, pending, (Ede::OTHER, reason), room)
}

/// Make the response to a request that is one too many for the owner of the engine; its length.
pub(crate) fn too_many_requests(
    environment: &Environment<'_>,
    pending: Box<Pending>,
    room: &mut [u8],
) -> usize {
    environment.stats.dropped_busy.add(1);
    let most = pending.snapshot().plan().control.max_pending;
    let reason = format!("{most} requests wait for the control plane already (max_pending)");
    give_up(environment, pending, (Ede::OTHER, reason), room)
}

/// Make the response to a client that would have to wait while the server stops; its length.
fn stopping(environment: &Environment<'_>, pending: Box<Pending>, room: &mut [u8]) -> usize {
    give_up(environment, pending, (Ede::NOT_READY, "the server is stopping".to_owned()), room)
}

fn give_up(
    environment: &Environment<'_>,
    pending: Box<Pending>,
    why: (Ede, String),
    room: &mut [u8],
) -> usize {
    match pipeline::give_up(environment, pending, &[why], room) {
        Handled::Reply(length) => length,
        _ => 0,
    }
}
