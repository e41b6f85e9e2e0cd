use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd;

use super::*;

fn any(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn workers_share_one_port() {
    for (address, transport) in [
        ("127.0.0.1:0", Transport::Udp),
        ("[::1]:0", Transport::Tcp),
        ("0.0.0.0:0", Transport::Udp),
        ("[::]:0", Transport::Udp),
    ] {
        let listeners = Listener::open_each(any(address), transport, 3).expect("loopback has free ports");
        assert!(listeners.iter().all(|l| l.address == listeners[0].address && l.transport == transport));
        assert_ne!(listeners[0].address.port(), 0);
        assert_eq!(listeners[0].is_wildcard(), address.starts_with("0.") || address.starts_with("[::]"));
    }
}

#[test]
fn a_port_in_use_is_told_with_address_and_errno() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = holder.local_addr().expect("bound");
    let error = Listener::open(address, Transport::Tcp).expect_err("somebody else listens there");
    assert_eq!(error.address, Some(address));
    assert_eq!(error.error.raw_os_error(), Some(libc::EADDRINUSE));
    assert!(error.to_string().starts_with(&format!("{address}/tcp: ")), "{error}");
}

#[test]
fn sockets_of_others_are_recognised() {
    let udp = UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = udp.local_addr().expect("bound");
    let listener = Listener::adopt(udp.as_raw_fd()).expect("a datagram socket");
    drop(udp);
    assert_eq!((listener.address, listener.transport), (address, Transport::Udp));
    let file = std::fs::File::open("/dev/null").expect("there is one");
    assert!(Listener::adopt(file.as_raw_fd()).is_err());
    assert!(Listener::adopt(-1).is_err());
}
