//! The sockets that a server listens on: opened here, or adopted from a process or thread that had the right to open them.
//!
//! Each worker has its own socket for each address (SO_REUSEPORT): the kernel spreads clients over them, and no two
//! workers wait for each other. A descriptor that is adopted is duplicated, so that its owner may close its
//! own; its kind, family and address are read from the socket itself.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

use nw_serve::Transport;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::mmsg;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Octets of datagrams that may wait to be received: about 2,000 questions, 10 ms at full speed.
const RECEIVE_BUFFER: usize = 2 << 20;

/// A socket that is ready to be served.
#[derive(Debug)]
pub struct Listener {
    /// The socket: bound, for TCP listening, non-blocking.
    pub(crate) socket: OwnedFd,
    /// Identifies the socket, whatever descriptor refers to it.
    pub(crate) identity: Identity,
    /// The address it is bound to.
    pub address: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
}

/// What all descriptors of one socket have in common: its inode. Never reused while one of them is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64);

impl Identity {
    fn of(socket: &OwnedFd) -> io::Result<Identity> {
        Ok(Identity(File::from(socket.try_clone()?).metadata()?.ino()))
    }
}

/// Why an address cannot be listened on.
#[derive(Debug)]
pub struct ListenError {
    /// The address, if it is known.
    pub address: Option<SocketAddr>,
    /// The transport, if it is known.
    pub transport: Option<Transport>,
    /// The error of the system; `raw_os_error` tells a port in use (EADDRINUSE) from a missing right (EACCES).
    pub error: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.transport) {
            (Some(address), Some(transport)) => write!(f, "{address}/{}: {}", transport.slug(), self.error),
            _ => write!(f, "descriptor: {}", self.error),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Listener {
    /// Open a socket on *address*; port 0 takes any that is free.
    pub fn open(address: SocketAddr, transport: Transport) -> Result<Listener, ListenError> {
        let open = || -> io::Result<OwnedFd> {
            let (kind, protocol) = match transport {
                Transport::Udp => (Type::DGRAM, Protocol::UDP),
                Transport::Tcp => (Type::STREAM, Protocol::TCP),
            };
            let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), Some(protocol))?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.set_reuse_port(true)?;
            if transport == Transport::Tcp {
                // A server that is restarted must not wait until the kernel has forgotten its old connections.
                socket.set_reuse_address(true)?;
            }
            socket.bind(&address.into())?;
            if transport == Transport::Tcp {
                socket.listen(BACKLOG)?;
            }
            Ok(socket.into())
        };
        let fail = |error| ListenError { address: Some(address), transport: Some(transport), error };
        open().and_then(Listener::prepare).map_err(fail)
    }

    /// Open *count* sockets on one address, one for each worker; port 0 takes one that is free for all of them.
    pub fn open_each(
        address: SocketAddr,
        transport: Transport,
        count: usize,
    ) -> Result<Vec<Listener>, ListenError> {
        let mut listeners = vec![Listener::open(address, transport)?];
        let address = listeners[0].address;
        for _ in 1..count {
            listeners.push(Listener::open(address, transport)?);
        }
        Ok(listeners)
    }

    /// Adopt an open socket by the number of its descriptor. The caller still closes that descriptor.
    pub fn adopt(fd: RawFd) -> Result<Listener, ListenError> {
        let adopt = || {
            let socket = mmsg::duplicate(fd)?;
            SockRef::from(&socket).set_nonblocking(true)?;
            Listener::prepare(socket)
        };
        adopt().map_err(|error| ListenError { address: None, transport: None, error })
    }

    /// Whether the socket is bound to every address of its family.
    pub fn is_wildcard(&self) -> bool {
        self.address.ip().is_unspecified()
    }

    /// Read the kind and address of the socket, and set the options that serving it needs.
    fn prepare(socket: OwnedFd) -> io::Result<Listener> {
        let view = SockRef::from(&socket);
        let transport = match view.r#type()? {
            Type::DGRAM => Transport::Udp,
            Type::STREAM => Transport::Tcp,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "neither a datagram nor a stream socket",
                ));
            }
        };
        let address = view
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not an IP socket"))?;
        if transport == Transport::Udp {
            let (fd, v6) = (socket.as_fd(), address.is_ipv6());
            if address.ip().is_unspecified() {
                mmsg::report_local_address(fd, v6)?;
            }
            mmsg::ignore_path_mtu(fd, v6)?;
            // The kernel caps it at net.core.rmem_max; less only means that bursts are lost earlier.
            view.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        let identity = Identity::of(&socket)?;
        Ok(Listener { socket, identity, address, transport })
    }
}

#[cfg(test)]
mod tests;
