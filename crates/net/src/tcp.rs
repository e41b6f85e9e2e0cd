//! TCP: connections of clients are accepted and served as streams; connections to upstream servers are opened.
//!
//! The conversation itself is in `conversation.rs`, the task that carries it in `stream.rs` and `connection.rs`, and which
//! connections may be open is in `slots.rs`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use nw_serve::Transport;
use tokio::net::{TcpListener, TcpStream};

use crate::connection::{Connect, Opening, Upward};
use crate::listen::Listener;
use crate::stream;
use crate::worker::{Shutdown, Worker};

/// The pause after an error of accept that is ours, such as too many descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Accept connections until the socket is closed.
pub(crate) async fn accept(worker: Rc<Worker>, listener: Listener, shutdown: Rc<Shutdown>) {
    let Ok(socket) = tokio_listener(listener.socket) else {
        return worker.shared.events.fault(format!("{}/tcp: cannot wait for connections", listener.address));
    };
    let mut closed = std::pin::pin!(shutdown.wait());
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = &mut closed => return,
        };
        match accepted {
            Ok((stream, client)) => {
                worker.stats().tcp_accepted.add(1);
                match worker.slots.take(client, worker.now(), &worker.tcp_plan()) {
                    Some(slot) => {
                        // Replies are small and complete: waiting to fill a segment only delays them.
                        let _ = stream.set_nodelay(true);
                        let (worker, shutdown) = (Rc::clone(&worker), Rc::clone(&shutdown));
                        tokio::task::spawn_local(async move {
                            let serve =
                                stream::serve(Rc::clone(&worker), stream, Transport::Tcp, slot, shutdown);
                            worker.guarded(serve).await;
                        });
                    }
                    None => worker.stats().tcp_rejected.add(1),
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

/// Opens TCP connections to upstream servers.
pub(crate) struct Tcp;

impl Connect for Tcp {
    fn connect(&self, server: SocketAddr) -> Opening {
        Box::pin(async move {
            let stream = TcpStream::connect(server).await?;
            let _ = stream.set_nodelay(true);
            Ok(Box::new(stream) as Box<dyn Upward>)
        })
    }
}
