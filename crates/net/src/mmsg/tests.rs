use std::net::UdpSocket;
use std::os::fd::AsFd;

use super::*;

fn socket(address: &str) -> UdpSocket {
    UdpSocket::bind(address).expect("loopback has free ports")
}

/// Echo what waits on *server*; the addresses that asked.
fn echo(batch: &mut Batch, server: &UdpSocket) -> Vec<SocketAddr> {
    let n = batch.receive(server.as_fd()).expect("datagrams wait");
    let mut from = Vec::new();
    for i in 0..n {
        let (datagram, room) = batch.packet(i);
        from.push(datagram.from);
        let len = datagram.bytes.len();
        room[..len].copy_from_slice(datagram.bytes);
        batch.reply(i, len);
    }
    assert_eq!(batch.flush(server.as_fd()), Flushed { sent: n, lost: 0 });
    from
}

#[test]
fn batches_come_back_to_whoever_sent_them() {
    for (bind, ..) in [("127.0.0.1:0", 4), ("[::1]:0", 6)] {
        let server = socket(bind);
        let clients: Vec<UdpSocket> = (0..10).map(|_| socket(bind)).collect();
        let to = server.local_addr().expect("bound");
        // More than one batch, of different lengths, the empty one too.
        let mut batch = Batch::new();
        for i in 0..90usize {
            clients[i % 10].send_to(&vec![i as u8; i * 7 % 600], to).expect("loopback takes it");
        }
        let mut seen = 0;
        while seen < 90 {
            seen += echo(&mut batch, &server).len();
        }
        let nothing = batch.receive(server.as_fd()).expect_err("all is taken");
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        let mut buffer = [0; 1024];
        for i in 0..90usize {
            let (len, from) = clients[i % 10].recv_from(&mut buffer).expect("every datagram comes back");
            assert_eq!((&buffer[..len], from), (&vec![i as u8; i * 7 % 600][..], to));
        }
    }
}

#[test]
fn a_wildcard_socket_answers_from_the_address_asked() {
    for (bind, v6, asked) in
        [("0.0.0.0:0", false, "127.9.8.7"), ("0.0.0.0:0", false, "127.0.0.1"), ("[::]:0", true, "::1")]
    {
        let server = socket(bind);
        report_local_address(server.as_fd(), v6).expect("the option exists");
        ignore_path_mtu(server.as_fd(), v6).expect("the option exists");
        let to =
            SocketAddr::new(asked.parse().expect("an address"), server.local_addr().expect("bound").port());
        // A connected client takes a reply from the address it asked and from no other.
        let client = socket(if v6 { "[::1]:0" } else { "127.0.0.1:0" });
        client.connect(to).expect("loopback is reachable");
        client.send(b"at once").expect("sent");
        let mut batch = Batch::new();
        echo(&mut batch, &server);
        let mut buffer = [0; 16];
        assert_eq!(client.recv(&mut buffer).expect("comes back"), 7);

        client.send(b"later").expect("sent");
        assert_eq!(batch.receive(server.as_fd()).expect("waits"), 1);
        let peer = batch.peer(0);
        assert_eq!(peer.address, client.local_addr().expect("bound"));
        assert_eq!(peer.local, Some(LocalAddress { ip: to.ip(), interface: 0 }));
        let sent = send_each(server.as_fd(), [(&peer, &b"now"[..])].into_iter());
        assert_eq!(sent, Flushed { sent: 1, lost: 0 });
        assert_eq!(client.recv(&mut buffer).expect("comes back"), 3);
    }
}

#[test]
fn a_long_datagram_is_marked() {
    let (server, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let to = server.local_addr().expect("bound");
    client.send_to(&[1; PACKET_ROOM + 1], to).expect("sent");
    client.send_to(&[2; PACKET_ROOM], to).expect("sent");
    let mut batch = Batch::new();
    assert_eq!(batch.receive(server.as_fd()).expect("two wait"), 2);
    assert!(batch.packet(0).0.cut && batch.packet(0).0.bytes.len() == PACKET_ROOM);
    assert!(!batch.packet(1).0.cut && batch.packet(1).0.bytes == [2; PACKET_ROOM]);
}

#[test]
fn a_full_batch_of_full_replies_fits() {
    let (server, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let to = server.local_addr().expect("bound");
    let mut batch = Batch::new();
    for i in 0..BATCH {
        client.send_to(&[i as u8], to).expect("sent");
    }
    let mut buffer = vec![0; REPLY_ROOM + 1];
    assert_eq!(batch.receive(server.as_fd()).expect("a batch waits"), BATCH);
    for i in 0..BATCH {
        let (datagram, room) = batch.packet(i);
        let mark = datagram.bytes[0];
        room.fill(mark);
        batch.reply(i, REPLY_ROOM);
    }
    // The receiving socket may not hold them all; those that it holds are whole.
    assert_eq!(batch.flush(server.as_fd()).sent, BATCH);
    client.set_nonblocking(true).expect("a socket");
    let mut got = 0;
    while let Ok(len) = client.recv(&mut buffer) {
        assert_eq!(&buffer[..len], &vec![got as u8; REPLY_ROOM][..]);
        got += 1;
    }
    assert!(got > 0);
}

#[test]
fn one_refused_datagram_does_not_hold_up_the_others() {
    // A datagram to port 0 is refused by the kernel; it can stand in for any that is.
    let (server, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let to = server.local_addr().expect("bound");
    for _ in 0..3 {
        client.send_to(b"q", to).expect("sent");
    }
    let mut batch = Batch::new();
    assert_eq!(batch.receive(server.as_fd()).expect("three wait"), 3);
    for i in 0..3 {
        batch.reply(i, 1);
    }
    let (name, _) = name_of("127.0.0.1:0".parse().expect("an address"));
    // SAFETY: the batch is not shared, and slot 1 exists.
    unsafe { (*batch.slots.as_ptr()).names[1] = name };
    assert_eq!(batch.flush(server.as_fd()), Flushed { sent: 2, lost: 1 });

    // More than one batch of single datagrams, the second of which is refused.
    let peer = |address: &str| Peer { address: address.parse().expect("an address"), local: None };
    let (there, nowhere) = (peer(&client.local_addr().expect("bound").to_string()), peer("127.0.0.1:0"));
    let datagrams: Vec<_> =
        (0..BATCH + 5).map(|i| (if i == 1 { &nowhere } else { &there }, &b"x"[..])).collect();
    assert_eq!(send_each(server.as_fd(), datagrams.into_iter()), Flushed { sent: BATCH + 4, lost: 1 });
}

#[test]
fn only_open_descriptors_are_duplicated() {
    let server = socket("127.0.0.1:0");
    let copy = UdpSocket::from(duplicate(server.as_raw_fd()).expect("open"));
    assert_eq!(copy.local_addr().expect("the same socket"), server.local_addr().expect("bound"));
    assert_eq!(duplicate(-1).expect_err("not a descriptor").raw_os_error(), Some(libc::EBADF));
}
