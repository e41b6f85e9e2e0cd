//! Questions in datagrams: a batch in, answers made in place, a batch out.
//!
//! ```text
//! readable ─▶ recvmmsg ─▶ for each: pipeline::handle ─▶ reply into the batch ─▶ sendmmsg
//!                                       └─ must wait ─▶ a task, whose reply leaves by itself
//! ```
//!
//! A wake-up costs three system calls: the wait, one receive, one send. Nothing waits for a batch to fill. A batch that
//! was not full emptied the socket, so that the next step is to wait (readiness is edge-triggered: what comes after the
//! receive wakes again). After some full batches in a row the worker's other tasks get their turn.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nw_serve::{Handled, Transport, pipeline};
use nw_wire::header::HEADER;
use tokio::io::unix::AsyncFd;

use crate::listen::Listener;
use crate::mmsg::{self, BATCH, Batch};
use crate::worker::{Retire, Worker};

/// Full batches in a row until others get their turn: about half a millisecond.
const TURN: u32 = 4;

/// Serve one socket until it is retired.
pub(crate) async fn serve(worker: Rc<Worker>, listener: Listener, retire: Rc<Retire>) {
    let Ok(socket) = mmsg::readable_only(listener.socket) else {
        return worker.shared.events.fault(format!("{}/udp: cannot wait for datagrams", listener.address));
    };
    let socket = Rc::new(socket);
    let mut batch = Batch::new();
    let mut retired = std::pin::pin!(retire.wait());
    let mut full = 0;
    loop {
        let mut ready = tokio::select! {
            biased;
            () = &mut retired => return,
            ready = socket.readable() => match ready {
                Ok(ready) => ready,
                Err(_) => return,
            },
        };
        let received = match batch.receive(socket.as_fd()) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            // An error of a datagram that was sent (ICMP): reading it cleared it, and questions may lie behind it.
            Err(_) => {
                tokio::task::yield_now().await;
                continue;
            }
        };
        if received < BATCH {
            // A batch that was not full emptied the socket: the next step is to wait.
            ready.clear_ready();
        }
        if received > 0 {
            answer(&worker, &socket, &mut batch, received);
        }
        full = if received == BATCH { full + 1 } else { 0 };
        if full == TURN {
            full = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Answer every packet of a batch.
fn answer(worker: &Rc<Worker>, socket: &Rc<AsyncFd<OwnedFd>>, batch: &mut Batch, received: usize) {
    let state = worker.state();
    let desk = state.desk(worker.now(), &worker.stats);
    for i in 0..received {
        let (datagram, room) = batch.packet(i);
        // Of a question that was cut off only the header is sure; a malformed one is what the client is told.
        let bytes = if datagram.cut { &datagram.bytes[..HEADER] } else { datagram.bytes };
        match pipeline::handle(&desk, bytes, datagram.from, Transport::Udp, room) {
            Handled::Reply(length) => batch.reply(i, length),
            Handled::Drop => {}
            Handled::Later(pending) => {
                let (peer, socket, worker_then) = (batch.peer(i), Rc::clone(socket), Rc::clone(worker));
                worker.look_up(pending, move |reply| {
                    if mmsg::send(socket.as_fd(), reply, &peer).is_err() {
                        worker_then.stats.dropped_send.add(1);
                    }
                });
            }
        }
    }
    let lost = batch.flush(socket.as_fd()).lost;
    if lost > 0 {
        worker.stats.dropped_send.add(lost as u64);
    }
}
