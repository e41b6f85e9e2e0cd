//! Questions in streams: two octets of length before each message (RFC 1035 §4.2.2, RFC 7766).
//!
//! ```text
//! read ─▶ frames ─▶ pipeline::handle ─▶ reply ──────────┐
//!             └─ must wait ─▶ a task ─▶ mailbox ────────┴─▶ unsent ─▶ write
//! ```
//!
//! A client may send many questions before it reads an answer; answers leave as they are ready, in any order
//! (RFC 7766 §6.2.1.1 and §7). One task serves a connection and waits for whatever comes first: octets, room to write, a
//! late answer, the idle limit.
//!
//! **What a hostile client can hold** (attack D3): a connection, bounded in number over all and per address; the octets of
//! one question; [`max_pipelined`](nw_serve::plan::TcpPlan::max_pipelined) questions under way; `max_unsent` octets of
//! answers that it does not read, and one answer more. Nothing is read from a connection that has used up either of the
//! last two. A connection on which nothing happens is closed after `idle_ms`, earlier the fewer slots are free; a whole
//! question and an octet taken by the client are something, an octet sent by it is not. A message that deserves no reply
//! (none at all, less than a header, or a reply) ends the connection: nobody who means well sends one. After
//! `max_lifetime_ms` or `max_queries` questions no more are read, and it is closed when all have been answered.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use nw_serve::plan::TcpPlan;
use nw_serve::{Handled, Transport};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::listen::Listener;
use crate::worker::{Retire, Worker};

/// Octets read at a time.
const READ: usize = 16 << 10;
/// The shortest idle limit that crowding leads to.
const LEAST_IDLE: Duration = Duration::from_millis(200);
/// The pause after an error of accept that is ours, as too many descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Accept connections until the socket is retired.
pub(crate) async fn accept(worker: Rc<Worker>, listener: Listener, retire: Rc<Retire>) {
    let Ok(socket) = tokio_listener(listener.socket) else {
        return worker.shared.events.fault(format!("{}/tcp: cannot wait for connections", listener.address));
    };
    let mut retired = std::pin::pin!(retire.wait());
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = &mut retired => return,
        };
        match accepted {
            Ok((stream, client)) => {
                worker.stats.tcp_accepted.add(1);
                match Slot::take(&worker, client) {
                    Some(slot) => {
                        let (worker, retire) = (Rc::clone(&worker), Rc::clone(&retire));
                        tokio::task::spawn_local(serve(worker, stream, slot, retire));
                    }
                    None => worker.stats.tcp_rejected.add(1),
                }
            }
            Err(error) => {
                // The connection went away before it was accepted, or there is no descriptor for it.
                let scarce = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
                if error.raw_os_error().is_some_and(|code| scarce.contains(&code)) {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

fn tokio_listener(socket: OwnedFd) -> io::Result<TcpListener> {
    TcpListener::from_std(std::net::TcpListener::from(socket))
}

/// A connection's place among those that are allowed.
struct Slot {
    worker: Rc<Worker>,
    client: SocketAddr,
}

impl Slot {
    fn take(worker: &Rc<Worker>, client: SocketAddr) -> Option<Slot> {
        let plan = worker.state().snapshot().plan().server.tcp;
        let mut clients = worker.clients.borrow_mut();
        let of_client = clients.get(&client.ip()).copied().unwrap_or(0);
        if worker.stats.tcp_open.value() >= u64::from(plan.max_connections)
            || of_client >= plan.max_per_client
        {
            return None;
        }
        clients.insert(client.ip(), of_client + 1);
        worker.stats.tcp_open.add(1);
        Some(Slot { worker: Rc::clone(worker), client })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.worker.stats.tcp_open.sub(1);
        let mut clients = self.worker.clients.borrow_mut();
        match clients.get_mut(&self.client.ip()) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(clients.remove(&self.client.ip())),
        }
    }
}

/// Answers that are ready, framed; shared with the tasks that make late ones.
#[derive(Default)]
struct Mailbox {
    unsent: RefCell<Vec<u8>>,
    under_way: Cell<u32>,
    late: Notify,
}

impl Mailbox {
    fn put(&self, reply: &[u8]) {
        let Ok(length) = u16::try_from(reply.len()) else { return };
        let mut unsent = self.unsent.borrow_mut();
        unsent.extend_from_slice(&length.to_be_bytes());
        unsent.extend_from_slice(reply);
    }

    fn put_late(&self, reply: &[u8]) {
        self.put(reply);
        self.under_way.set(self.under_way.get() - 1);
        self.late.notify_one();
    }
}

/// Serve one connection to its end.
async fn serve(worker: Rc<Worker>, stream: TcpStream, slot: Slot, retire: Rc<Retire>) {
    // Answers are small and complete: waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    let mailbox = Rc::new(Mailbox::default());
    let mut received: Vec<u8> = Vec::new();
    let mut active = Instant::now();
    let end =
        active + Duration::from_millis(worker.state().snapshot().plan().server.tcp.max_lifetime_ms.into());
    let mut asked = 0;
    let (mut ended, mut retiring) = (false, false);
    loop {
        let plan = worker.state().snapshot().plan().server.tcp;
        let sent = match write(&stream, &mailbox) {
            Ok(sent) => sent,
            Err(_) => return,
        };
        let most = if plan.max_queries == 0 { u32::MAX } else { plan.max_queries.saturating_sub(asked) };
        let (taken, junk) = take_questions(&worker, &mailbox, &mut received, slot.client, &plan, most);
        asked = asked.saturating_add(taken);
        if sent || taken > 0 {
            active = Instant::now();
        }
        if junk {
            worker.stats.tcp_junk.add(1);
            received = Vec::new();
            ended = true;
        } else if !retiring && (taken == most || active >= end) {
            worker.stats.tcp_expired.add(1);
            retiring = true;
        }
        if taken > 0 {
            // Answers that were made at once leave before anything is waited for; others get their turn in between, for
            // a client that never pauses would keep the worker to itself.
            tokio::task::yield_now().await;
            continue;
        }
        let (unsent, under_way) = (!mailbox.unsent.borrow().is_empty(), mailbox.under_way.get());
        if (ended || retiring) && !unsent && under_way == 0 {
            return;
        }
        let listen = !ended && !retiring && has_room(&mailbox, &plan);
        let interest = match (listen, unsent) {
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        };
        let idle = active + idle_limit(&worker, &plan);
        let patience = if retiring { idle } else { idle.min(end) };
        tokio::select! {
            biased;
            ready = ready(&stream, interest) => match ready {
                Ok(ready) if ready.is_readable() && listen => match read(&stream, &mut received) {
                    Ok(Read::Some | Read::Nothing) => {}
                    Ok(Read::End) => ended = true,
                    Err(_) => return,
                },
                Ok(_) => {}
                Err(_) => return,
            },
            () = mailbox.late.notified() => {}
            () = retire.wait(), if !retiring => retiring = true,
            // The client is not to blame for the time that its questions take; those have limits of their own.
            () = tokio::time::sleep_until(patience), if under_way == 0 || unsent => {
                if patience == idle {
                    worker.stats.tcp_idle.add(1);
                    return;
                }
                worker.stats.tcp_expired.add(1);
                retiring = true;
            }
        }
    }
}

/// How long a connection may be idle now: less the fewer slots are free.
fn idle_limit(worker: &Worker, plan: &TcpPlan) -> Duration {
    let (open, most) = (worker.stats.tcp_open.value(), u64::from(plan.max_connections));
    let idle = Duration::from_millis(plan.idle_ms.into());
    let idle = if open * 5 > most * 4 {
        idle / 10
    } else if open * 2 > most {
        idle / 2
    } else {
        idle
    };
    idle.max(LEAST_IDLE)
}

async fn ready(stream: &TcpStream, interest: Option<Interest>) -> io::Result<tokio::io::Ready> {
    match interest {
        Some(interest) => stream.ready(interest).await,
        None => std::future::pending().await,
    }
}

fn has_room(mailbox: &Mailbox, plan: &TcpPlan) -> bool {
    mailbox.under_way.get() < plan.max_pipelined && mailbox.unsent.borrow().len() < plan.max_unsent as usize
}

enum Read {
    Some,
    Nothing,
    End,
}

/// Read what there is, once.
fn read(stream: &TcpStream, received: &mut Vec<u8>) -> io::Result<Read> {
    received.reserve(READ);
    match stream.try_read_buf(received) {
        Ok(0) => Ok(Read::End),
        Ok(_) => Ok(Read::Some),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Read::Nothing),
        Err(error) => Err(error),
    }
}

/// Handle the whole questions that were received, as many as may be under way, *most* at most. How many there were, and
/// whether what follows them is none.
fn take_questions(
    worker: &Rc<Worker>,
    mailbox: &Rc<Mailbox>,
    received: &mut Vec<u8>,
    client: SocketAddr,
    plan: &TcpPlan,
    most: u32,
) -> (u32, bool) {
    let (mut taken, mut questions, mut junk) = (0, 0, false);
    while questions < most && has_room(mailbox, plan) {
        let Some((&[l0, l1], rest)) = received[taken..].split_first_chunk::<2>() else { break };
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let Some(packet) = rest.get(..length) else { break };
        match worker.handle(packet, client, Transport::Tcp, |reply| mailbox.put(reply)) {
            Handled::Reply(_) => {}
            Handled::Later(pending) => {
                mailbox.under_way.set(mailbox.under_way.get() + 1);
                let mailbox = Rc::clone(mailbox);
                worker.look_up(pending, move |reply| mailbox.put_late(reply));
            }
            Handled::Drop => {
                junk = true;
                break;
            }
        }
        taken += 2 + length;
        questions += 1;
    }
    received.drain(..taken);
    if received.is_empty() && received.capacity() > READ {
        // A connection that once sent something large does not keep its room.
        *received = Vec::new();
    }
    (questions, junk)
}

/// Write what is ready as far as the client takes it. Whether it took something.
fn write(stream: &TcpStream, mailbox: &Mailbox) -> io::Result<bool> {
    let mut unsent = mailbox.unsent.borrow_mut();
    let mut sent = 0;
    let result = loop {
        if sent == unsent.len() {
            break Ok(sent > 0);
        }
        match stream.try_write(&unsent[sent..]) {
            Ok(n) => sent += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(sent > 0),
            Err(error) => break Err(error),
        }
    };
    unsent.drain(..sent);
    if unsent.is_empty() && unsent.capacity() > READ {
        *unsent = Vec::new();
    }
    result
}
