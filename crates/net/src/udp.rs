//! Questions in datagrams: a batch in, answers made in place, a batch out.
//!
//! ```text
//! readable ─▶ recvmmsg ─▶ for each: pipeline::handle ─▶ reply into the batch ─▶ sendmmsg
//!                                       └─ must wait ─▶ the worker's tasks, whose reply leaves by itself
//! ```
//!
//! Each worker has a thread that does nothing else, so that an answer which is at hand waits for no lookup, no stream and
//! no signature, and so that little code lies between the wake-up and the answer: at moderate load a server is woken
//! for every question, and what it touches then is cold. A wake-up costs three system calls: the wait, one receive, one
//! send. Nothing waits for a batch to fill. A batch that was not full emptied the socket, so that the next step is to wait
//! (readiness is edge-triggered: what comes after the receive wakes again). After some full batches in a row
//! the thread's other sockets get their turn.

use std::convert::Infallible;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token, Waker};
use nw_resolve::{Limit, Reason};
use nw_serve::{Desk, Handled, Pending, Stats, Transport, pipeline};
use nw_wire::Ede;
use nw_wire::header::HEADER;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::listen::{Identity, Listener};
use crate::mmsg::{self, BATCH, Batch, Peer};
use crate::worker::{Published, Shared};

/// Full batches in a row until others get their turn: about half a millisecond.
const TURN: u32 = 4;
/// Questions on their way to those who look them up; further ones fail at once. What waits for a lookup is bounded by
/// `Budget::max_waiting`; this bounds what a flood puts before it.
const HANDED_OVER: usize = 4096;
/// The token of the waker; sockets have those above.
const WAKE: Token = Token(0);

/// The thread that serves the datagram sockets of one worker, as its owner sees it. Dropping it closes the sockets.
pub(crate) struct Datagrams {
    /// Some until it is dropped.
    inbox: Option<Sender<Told>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// A question that must be waited for: whoever looks it up sends the reply.
pub(crate) struct Late {
    pending: Box<Pending>,
    back: Back,
}

/// The way back to a client: its address, and the socket that it asked.
pub(crate) struct Back {
    socket: Arc<OwnedFd>,
    peer: Peer,
}

enum Told {
    /// Serve these sockets, go on with those that are served already, and close those that are not among them.
    Serve(Vec<Listener>),
    /// Use what is published, then drop this.
    Follow(Sender<Infallible>),
}

impl Datagrams {
    /// Start a thread that serves nothing yet, and where its questions come that must be waited for.
    pub(crate) fn start(
        name: String,
        shared: Arc<Shared>,
        stats: Arc<Stats>,
    ) -> io::Result<(Datagrams, mpsc::Receiver<Late>)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let (inbox, told) = channel();
        let (lookups, late) = mpsc::channel(HANDED_OVER);
        let published = shared.current.load_full();
        let events = Arc::clone(&shared.events);
        let thread = Thread {
            shared,
            stats,
            told,
            lookups,
            poll,
            published,
            sockets: Vec::new(),
            last: WAKE,
            batch: Batch::new(),
        };
        let thread = std::thread::Builder::new().name(name.clone()).spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| thread.run())).is_err() {
                events.fatal(format!("the thread {name} ended in a panic: it answers no datagrams any more"));
            }
        })?;
        Ok((Datagrams { inbox: Some(inbox), waker, thread: Some(thread) }, late))
    }

    /// Serve *listeners*, go on with those that are served already, and close those that are not among them.
    pub(crate) fn serve(&self, listeners: Vec<Listener>) {
        self.tell(Told::Serve(listeners));
    }

    /// Use what is published, then drop *following*.
    pub(crate) fn follow(&self, following: Sender<Infallible>) {
        self.tell(Told::Follow(following));
    }

    fn tell(&self, told: Told) {
        // A thread that is gone has said why.
        let _ = self.inbox.as_ref().map(|inbox| inbox.send(told));
        let _ = self.waker.wake();
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.inbox = None;
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // It ends within a batch. A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

impl Late {
    pub(crate) fn divide(self) -> (Box<Pending>, Back) {
        (self.pending, self.back)
    }
}

impl Back {
    /// Send *reply*; whether the kernel took it.
    pub(crate) fn send(&self, reply: &[u8]) -> bool {
        mmsg::send(self.socket.as_fd(), reply, &self.peer).is_ok()
    }
}

/// The thread itself.
struct Thread {
    shared: Arc<Shared>,
    stats: Arc<Stats>,
    told: Receiver<Told>,
    lookups: mpsc::Sender<Late>,
    poll: Poll,
    published: Arc<Published>,
    sockets: Vec<Served>,
    /// The token given last.
    last: Token,
    batch: Batch,
}

struct Served {
    socket: Arc<OwnedFd>,
    identity: Identity,
    token: Token,
    /// Whether questions may be waiting in it.
    readable: bool,
}

impl Thread {
    fn run(mut self) {
        let mut events = mio::Events::with_capacity(64);
        loop {
            let wait = self.sockets.iter().any(|served| served.readable).then_some(Duration::ZERO);
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return self.shared.events.fatal(format!("cannot wait for datagrams: {error}"));
                }
                _ => {}
            }
            for event in &events {
                if event.token() == WAKE {
                    if self.obey().is_break() {
                        return;
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

    /// Do as we are told, until nothing is left to do or nobody is left to tell.
    fn obey(&mut self) -> ControlFlow<()> {
        loop {
            match self.told.try_recv() {
                Ok(Told::Serve(listeners)) => self.serve(listeners),
                Ok(Told::Follow(following)) => {
                    self.follow();
                    drop(following);
                }
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
            // The descriptor may live on for a late reply, and must not wake us.
            let _ = self.poll.registry().deregister(&mut SourceFd(&served.socket.as_raw_fd()));
        }
    }

    fn follow(&mut self) {
        if self.shared.generation.load(Ordering::Acquire) != self.published.generation {
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
                // An error of a datagram that was sent (ICMP): reading it cleared it, and questions may lie behind it.
                Err(_) => {}
            }
        }
        true
    }

    /// Answer every packet of a batch.
    fn answer(&mut self, i: usize, received: usize) {
        self.follow();
        let desk = Desk {
            snapshot: &self.published.snapshot,
            cache: Some(&self.published.cache),
            now: self.shared.clock.now(),
            stats: &self.stats,
        };
        let (socket, batch) = (&self.sockets[i].socket, &mut self.batch);
        for i in 0..received {
            let (datagram, room) = batch.packet(i);
            // Of a question that was cut off only the header is sure; a malformed one is what the client is told.
            let bytes = if datagram.cut { &datagram.bytes[..HEADER] } else { datagram.bytes };
            match pipeline::handle(&desk, bytes, datagram.from, Transport::Udp, room) {
                Handled::Reply(length) => batch.reply(i, length),
                Handled::Drop => {}
                Handled::Later(pending) => {
                    let back = Back { socket: Arc::clone(socket), peer: batch.peer(i) };
                    let late = Late { pending, back };
                    if let Err(TrySendError::Full(late)) = self.lookups.try_send(late) {
                        let length = too_many(&desk, &late.pending, batch.packet(i).1);
                        batch.reply(i, length);
                    }
                }
            }
        }
        let lost = batch.flush(socket.as_fd()).lost;
        if lost > 0 {
            self.stats.dropped_send.add(lost as u64);
        }
    }
}

/// The reply to a client that is one too many to wait; its length.
pub(crate) fn too_many(desk: &Desk<'_>, pending: &Pending, room: &mut [u8]) -> usize {
    desk.stats.dropped_busy.add(1);
    let reason = Reason::LimitReached { limit: Limit::Waiting }.to_string();
    pipeline::give_up(desk, pending, &[(Ede::OTHER, reason)], room)
}
