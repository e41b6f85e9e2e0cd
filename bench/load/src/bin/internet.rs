//! The sockets of the invented internet (`load::internet`): one UDP and one TCP socket for all addresses, each with its own
//! round-trip time. It runs in a network namespace where every address is local (`ip route add local 0.0.0.0/0 dev lo`).
//!
//! ```text
//! internet --key FILE [--port 53] [--ttl 3600] [--median-ms 20] [--dead PERCENT] [--pool 1000]
//! ```
//!
//! It prints `ready`, then reads commands, one a line: `fault KIND SUFFIX` begins a fault at the servers of the zones at and below SUFFIX
//! (see `Fault`), `clear` ends all. `counts` prints the number of queries and replies, and for how long this machine has not let the program
//! run, in milliseconds, at most since the last `counts`. It ends with its standard input.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{BufRead, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use load::internet::{Fault, Internet, wire};
use load::sign::Sign;

const BATCH: usize = 64;
const BUFFER: usize = 1500;
/// Octets of control messages of one datagram: room for one `in_pktinfo`.
const CONTROL: usize = 64;
/// How many streams may be open.
const STREAMS: usize = 512;
/// How long a stream may be idle.
const IDLE: Duration = Duration::from_secs(10);

/// How often the program looks whether it runs.
const BEAT: Duration = Duration::from_millis(10);

static LATE_MS: AtomicU64 = AtomicU64::new(0);
static QUERIES: AtomicU64 = AtomicU64::new(0);
static REPLIES: AtomicU64 = AtomicU64::new(0);

/// A reply that waits: when, in which order, from and to where.
type Waiting = Reverse<(Instant, u64, Ipv4Addr, (Ipv4Addr, u16), Vec<u8>)>;

fn main() {
    let (mut key, mut port, mut ttl, mut median, mut dead, mut pool) = (None, 53, 3600, 20.0, 0, 1000);
    let mut args = std::env::args().skip(1);
    while let Some(option) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{option} needs a value"));
        let number = || value.parse::<f64>().unwrap_or_else(|_| panic!("{option}: {value} is not a number"));
        match option.as_str() {
            "--key" => key = Some(value),
            "--port" => port = number() as u16,
            "--ttl" => ttl = number() as u32,
            "--median-ms" => median = number(),
            "--dead" => dead = number() as u32,
            "--pool" => pool = number() as u32,
            other => panic!("no option {other}"),
        }
    }
    let internet = Arc::new(Internet {
        sign: Sign::new(&key.expect("--key is missing")),
        ttl,
        pool,
        median: Duration::from_secs_f64(median / 1000.0),
        dead,
        faults: Mutex::default(),
        signatures: Mutex::new(HashMap::new()),
    });
    let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))
        .unwrap_or_else(|error| panic!("UDP port {port}: {error}"));
    let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        .unwrap_or_else(|error| panic!("TCP port {port}: {error}"));
    for (level, option, value) in [
        (libc::SOL_SOCKET, libc::SO_RCVBUF, 8 << 20),
        (libc::SOL_SOCKET, libc::SO_SNDBUF, 8 << 20),
        (libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
    ] {
        let value: libc::c_int = value;
        // SAFETY: the descriptor is open and the pointer and length describe `value`.
        unsafe { libc::setsockopt(udp.as_raw_fd(), level, option, (&raw const value).cast(), 4) };
    }
    let (datagrams, streams) = (Arc::clone(&internet), Arc::clone(&internet));
    std::thread::spawn(move || answer_datagrams(&datagrams, &udp));
    std::thread::spawn(move || accept(&streams, &tcp));
    std::thread::spawn(|| {
        loop {
            let began = Instant::now();
            std::thread::sleep(BEAT);
            let late = began.elapsed().saturating_sub(BEAT);
            LATE_MS.fetch_max(late.as_millis() as u64, Ordering::Relaxed);
        }
    });
    say("ready");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut faults = internet.faults.lock().expect("no holder panics");
        match words[..] {
            ["fault", kind, suffix] if Fault::named(kind).is_some() => {
                faults.extend(Fault::named(kind).map(|fault| (fault, wire(suffix))));
            }
            ["clear"] => faults.clear(),
            ["counts"] => say(&format!(
                "{{\"queries\":{},\"replies\":{},\"late_ms\":{}}}",
                QUERIES.load(Ordering::Relaxed),
                REPLIES.load(Ordering::Relaxed),
                LATE_MS.swap(0, Ordering::Relaxed)
            )),
            _ => eprintln!("internet: no command {line:?}"),
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The reader may have ended.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn answer_datagrams(internet: &Internet, socket: &UdpSocket) {
    let mut buffers = vec![[0u8; BUFFER]; BATCH];
    let mut controls = vec![[0u64; CONTROL / 8]; BATCH];
    let mut waiting: BinaryHeap<Waiting> = BinaryHeap::new();
    let (fd, mut order) = (socket.as_raw_fd(), 0);
    loop {
        let now = Instant::now();
        while waiting.peek().is_some_and(|Reverse(first)| first.0 <= now) {
            if let Some(Reverse((_, _, from, to, bytes))) = waiting.pop() {
                send(fd, from, to, &bytes);
            }
        }
        let pause = waiting.peek().map_or(Duration::from_secs(1), |Reverse(first)| first.0 - now);
        let timeout = libc::timespec { tv_sec: pause.as_secs() as i64, tv_nsec: pause.subsec_nanos().into() };
        let mut readable = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: the pointers describe one descriptor and one time that outlive the call.
        unsafe { libc::ppoll(&raw mut readable, 1, &raw const timeout, std::ptr::null()) };
        // SAFETY: all-zero is a valid value of these plain C structures.
        let (mut vectors, mut messages, mut names): (
            [libc::iovec; BATCH],
            [libc::mmsghdr; BATCH],
            [libc::sockaddr_in; BATCH],
        ) = unsafe { std::mem::zeroed() };
        for i in 0..BATCH {
            vectors[i] = libc::iovec { iov_base: buffers[i].as_mut_ptr().cast(), iov_len: BUFFER };
            let header = &mut messages[i].msg_hdr;
            header.msg_iov = &raw mut vectors[i];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut names[i]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_control = controls[i].as_mut_ptr().cast();
            header.msg_controllen = CONTROL;
        }
        // SAFETY: every header points to a vector, a buffer, a name and a control buffer that outlive the call.
        let got = unsafe {
            libc::recvmmsg(fd, messages.as_mut_ptr(), BATCH as u32, libc::MSG_DONTWAIT, std::ptr::null_mut())
        };
        let got = usize::try_from(got).unwrap_or(0);
        QUERIES.fetch_add(got as u64, Ordering::Relaxed);
        let now = Instant::now();
        for i in 0..got {
            // SAFETY: the kernel filled the control buffer of this header; its first message is checked for its kind.
            let to = unsafe {
                let control = libc::CMSG_FIRSTHDR(&raw const messages[i].msg_hdr);
                if control.is_null() || (*control).cmsg_type != libc::IP_PKTINFO {
                    continue;
                }
                let info: libc::in_pktinfo = std::ptr::read_unaligned(libc::CMSG_DATA(control).cast());
                Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr))
            };
            let query = &buffers[i][..messages[i].msg_len as usize];
            let Some(reply) = internet.reply(query, to) else { continue };
            let client =
                (Ipv4Addr::from(u32::from_be(names[i].sin_addr.s_addr)), u16::from_be(names[i].sin_port));
            order += 1;
            waiting.push(Reverse((now + reply.after, order, to, client, reply.bytes)));
        }
    }
}

fn send(fd: i32, from: Ipv4Addr, to: (Ipv4Addr, u16), bytes: &[u8]) {
    let mut control = [0u64; CONTROL / 8];
    // SAFETY: all-zero is a valid value of these plain C structures.
    let (mut name, mut message): (libc::sockaddr_in, libc::msghdr) = unsafe { std::mem::zeroed() };
    name.sin_family = libc::AF_INET as u16;
    name.sin_port = to.1.to_be();
    name.sin_addr.s_addr = u32::from(to.0).to_be();
    let mut vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: the control buffer has room for one `in_pktinfo` and is aligned; everything outlives the call.
    unsafe {
        let info = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr { s_addr: u32::from(from).to_be() },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        message.msg_controllen = libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as u32) as usize;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::IPPROTO_IP;
        (*header).cmsg_type = libc::IP_PKTINFO;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as u32) as usize;
        std::ptr::write_unaligned(libc::CMSG_DATA(header).cast(), info);
        if libc::sendmsg(fd, &raw const message, 0) >= 0 {
            REPLIES.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn accept(internet: &Arc<Internet>, listener: &TcpListener) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().flatten() {
        if open.load(Ordering::Relaxed) >= STREAMS {
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (internet, open) = (Arc::clone(internet), Arc::clone(&open));
        std::thread::spawn(move || {
            // The end of a stream is the client's business.
            let _ = answer_stream(&internet, stream);
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

fn answer_stream(internet: &Internet, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    let IpAddr::V4(to) = stream.local_addr()?.ip() else { return Ok(()) };
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        QUERIES.fetch_add(1, Ordering::Relaxed);
        let Some(reply) = internet.reply(&query, to) else { continue };
        std::thread::sleep(reply.after);
        stream.write_all(&[&(reply.bytes.len() as u16).to_be_bytes()[..], &reply.bytes].concat())?;
        REPLIES.fetch_add(1, Ordering::Relaxed);
    }
}
