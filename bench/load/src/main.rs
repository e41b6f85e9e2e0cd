//! A batching DNS load generator: queries from a file, many in flight, one system call for up to 64 packets.
//!
//! ```text
//! load --server 127.0.0.1:5300 --queries FILE --seconds 5 [--outstanding 200 | --rate 20000] [--sockets 4 | --clients N]
//!      [--seed 1] [--fresh LABEL] [--patience 1] [--failures FILE] [--count QUERIES]
//! ```
//!
//! FILE holds queries in wire form, each behind its length (two octets, as over TCP). They are asked in random order. With
//! `--outstanding` a query follows each answer (closed loop: what is the most that the server can do?); with `--rate`
//! queries leave on time whatever comes back (open loop: how long does an answer take at that load?). A generator that was
//! kept from running for more than a millisecond leaves out what it missed, and counts it as skipped: sent in a burst,
//! it would be another load than the one asked for, and its delay the generator's own.
//! A query that is not answered within `--patience` seconds is lost. The result is one line of JSON on standard output: queries sent, skipped,
//! answered, lost, per rcode and truncated, seconds, and for latencies the percentiles in microseconds.
//!
//! With `--fresh N` no question with eight octets in label N (0 is the first) is asked twice: they are replaced by
//! a number in hexadecimal that counts from `--seed` times 2^24, so that a resolver's cache never has the answer. Other queries are asked
//! as they are.
//!
//! With `--clients N` there is one socket for each of N networks: the addresses 127.0.0.1, 127.0.1.1 and so on. A server that limits
//! what one client may ask then sees as many clients.
//!
//! With `--count N` the run ends when N queries are answered or lost, and the seconds are those until the last answer.
//!
//! With `--failures FILE` a line is appended to FILE for each SERVFAIL (`S`, the time in milliseconds since 1970, the reply in
//! hexadecimal) and for each query that is lost (`L`, the time, the query).
//!
//! Ids are the numbers of the slots in flight, so that matching an answer is one look-up; the question is
//! compared as well, so that a server cannot win by answering wrongly.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const BATCH: usize = 64;
const BUFFER: usize = 4096;
const SERVFAIL: u8 = 2;
const PAUSE: Duration = Duration::from_micros(100);
/// Seconds that the generator may be late without leaving queries out.
const LATE: f64 = 0.001;

struct Options {
    server: SocketAddr,
    queries: Vec<Vec<u8>>,
    seconds: f64,
    outstanding: usize,
    rate: Option<f64>,
    sockets: usize,
    /// Whether each socket has an address of its own.
    clients: bool,
    seed: u64,
    fresh: Option<usize>,
    patience: Duration,
    failures: Option<BufWriter<File>>,
    count: Option<u64>,
}

fn options() -> Result<Options, String> {
    let mut args = std::env::args().skip(1);
    let (mut server, mut file, mut seconds, mut outstanding, mut rate, mut sockets, mut seed, mut fresh) =
        (None, None, 5.0, 200, None, 4, 1, None);
    let (mut patience, mut failures, mut count, mut clients) = (Duration::from_secs(1), None, None, false);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number = || value.parse::<f64>().map_err(|_| format!("{flag}: {value} is not a number"));
        match flag.as_str() {
            "--server" => server = Some(value.parse().map_err(|_| format!("{value} is not ADDRESS:PORT"))?),
            "--queries" => file = Some(value),
            "--seconds" => seconds = number()?,
            "--outstanding" => outstanding = number()? as usize,
            "--rate" => rate = Some(number()?),
            "--sockets" => sockets = number()? as usize,
            "--clients" => (sockets, clients) = (number()? as usize, true),
            "--seed" => seed = number()? as u64,
            "--fresh" => fresh = Some(number()? as usize),
            "--patience" => patience = Duration::from_secs_f64(number()?),
            "--count" => count = Some(number()? as u64),
            "--failures" => {
                let opened = File::options().create(true).append(true).open(&value);
                failures = Some(BufWriter::new(opened.map_err(|error| format!("{value}: {error}"))?));
            }
            _ => return Err(format!("unknown option {flag}")),
        }
    }
    let file = file.ok_or("--queries is missing")?;
    let bytes = std::fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
    let mut rest = bytes.as_slice();
    let mut queries = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let (query, tail) = tail
            .split_at_checked(u16::from_be_bytes(*length) as usize)
            .ok_or("the file ends inside a query")?;
        queries.push(query.to_vec());
        rest = tail;
    }
    let server: SocketAddr = server.ok_or("--server is missing")?;
    if clients && (sockets > 255 || server.is_ipv6()) {
        return Err("--clients: at most 255, and a server with an IPv4 address".into());
    }
    if queries.is_empty() || outstanding == 0 || outstanding > 60_000 || sockets == 0 {
        return Err("no queries, or a count out of range".into());
    }
    if let Some(label) = fresh
        && queries.iter().all(|query| counter(query, label).is_none())
    {
        return Err(format!("--fresh: label {label} of no query has eight octets"));
    }
    Ok(Options {
        server,
        queries,
        seconds,
        outstanding,
        rate,
        sockets,
        clients,
        seed,
        fresh,
        patience,
        failures,
        count,
    })
}

/// Where the octets of label *label* of the question are, if there are eight.
fn counter(query: &[u8], label: usize) -> Option<usize> {
    let mut at = 12;
    for _ in 0..label {
        at += 1 + usize::from(*query.get(at)?);
    }
    (*query.get(at)? == 8 && query.len() >= at + 9).then_some(at + 1)
}

/// One query in flight.
#[derive(Clone, Copy)]
struct Flight {
    query: u32,
    /// The number in its question, with `--fresh`.
    number: u32,
    sent: Instant,
    pending: bool,
}

#[derive(Default)]
struct Outcome {
    sent: u64,
    answered: u64,
    lost: u64,
    stray: u64,
    skipped: u64,
    truncated: u64,
    octets: u64,
    rcodes: [u64; 16],
    latencies_ns: Vec<u32>,
}

struct Load {
    options: Options,
    sockets: Vec<UdpSocket>,
    flights: Vec<Flight>,
    free: Vec<u16>,
    order: VecDeque<u16>,
    last_answer: Option<Instant>,
    random: u64,
    next_socket: usize,
    next_number: u32,
    result: Outcome,
    buffers: Vec<[u8; BUFFER]>,
}

impl Load {
    fn new(options: Options) -> std::io::Result<Load> {
        let mut sockets = Vec::new();
        for number in 0..options.sockets {
            let network = if options.clients { number as u8 } else { 0 };
            let address = match options.server {
                SocketAddr::V4(_) => IpAddr::from([127, 0, network, 1]),
                SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
            };
            let socket = UdpSocket::bind((address, 0))?;
            socket.connect(options.server)?;
            socket.set_nonblocking(true)?;
            for option in [libc::SO_RCVBUF, libc::SO_SNDBUF] {
                let size: libc::c_int = 4 << 20;
                // SAFETY: the descriptor is open and the pointer and length describe `size`.
                unsafe {
                    libc::setsockopt(
                        socket.as_raw_fd(),
                        libc::SOL_SOCKET,
                        option,
                        (&raw const size).cast(),
                        4,
                    );
                }
            }
            sockets.push(socket);
        }
        let slots = if options.rate.is_some() { 60_000 } else { options.outstanding };
        let now = Instant::now();
        Ok(Load {
            sockets,
            flights: vec![Flight { query: 0, number: 0, sent: now, pending: false }; slots],
            free: (0..slots as u16).rev().collect(),
            order: VecDeque::with_capacity(slots),
            last_answer: None,
            random: options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            next_socket: 0,
            next_number: (options.seed << 24) as u32,
            result: Outcome::default(),
            buffers: vec![[0; BUFFER]; BATCH],
            options,
        })
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Send up to `count` queries in one call and return how many left.
    fn send(&mut self, count: usize) -> usize {
        let left = self.options.count.map_or(u64::MAX, |count| count.saturating_sub(self.result.sent));
        let count = count.min(BATCH).min(self.free.len()).min(left as usize);
        if count == 0 {
            return 0;
        }
        let mut slots = [0u16; BATCH];
        let mut picks = [0u32; BATCH];
        for i in 0..count {
            slots[i] = self.free[self.free.len() - 1 - i];
            picks[i] = (self.random() % self.options.queries.len() as u64) as u32;
        }
        // SAFETY: all-zero is a valid value of these plain C structures.
        let (mut vectors, mut messages): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { std::mem::zeroed() };
        for i in 0..count {
            let query = &mut self.options.queries[picks[i] as usize];
            let buffer = &mut self.buffers[i];
            buffer[..query.len()].copy_from_slice(query);
            buffer[..2].copy_from_slice(&slots[i].to_be_bytes());
            if let Some(at) = self.options.fresh.and_then(|label| counter(query, label)) {
                write_number(&mut buffer[at..at + 8], self.next_number.wrapping_add(i as u32));
            }
            vectors[i] = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: query.len() };
            messages[i].msg_hdr.msg_iov = &raw mut vectors[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        self.next_socket = (self.next_socket + 1) % self.sockets.len();
        let fd = self.sockets[self.next_socket].as_raw_fd();
        // SAFETY: the first `count` headers point to vectors and buffers that outlive the call.
        let sent = unsafe { libc::sendmmsg(fd, messages.as_mut_ptr(), count as u32, 0) };
        let sent = usize::try_from(sent).unwrap_or(0);
        let now = Instant::now();
        for i in 0..sent {
            self.free.pop();
            let number = self.next_number.wrapping_add(i as u32);
            self.flights[slots[i] as usize] = Flight { query: picks[i], number, sent: now, pending: true };
            self.order.push_back(slots[i]);
        }
        self.next_number = self.next_number.wrapping_add(sent as u32);
        self.result.sent += sent as u64;
        sent
    }

    /// Take what has arrived on every socket.
    fn receive(&mut self) -> usize {
        let mut total = 0;
        for socket in 0..self.sockets.len() {
            // SAFETY: all-zero is a valid value of these plain C structures.
            let (mut vectors, mut messages): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
                unsafe { std::mem::zeroed() };
            for i in 0..BATCH {
                vectors[i] = libc::iovec { iov_base: self.buffers[i].as_mut_ptr().cast(), iov_len: BUFFER };
                messages[i].msg_hdr.msg_iov = &raw mut vectors[i];
                messages[i].msg_hdr.msg_iovlen = 1;
            }
            let fd = self.sockets[socket].as_raw_fd();
            // SAFETY: every header points to a vector and a buffer that outlive the call.
            let got = unsafe {
                libc::recvmmsg(
                    fd,
                    messages.as_mut_ptr(),
                    BATCH as u32,
                    libc::MSG_DONTWAIT,
                    std::ptr::null_mut(),
                )
            };
            let got = usize::try_from(got).unwrap_or(0);
            let now = Instant::now();
            for (i, message) in messages.iter().enumerate().take(got) {
                self.answer(i, message.msg_len as usize, now);
            }
            total += got;
        }
        total
    }

    fn answer(&mut self, buffer: usize, length: usize, now: Instant) {
        let reply = &self.buffers[buffer][..length];
        let slot = if length < 12 { usize::MAX } else { u16::from_be_bytes([reply[0], reply[1]]) as usize };
        let Some(flight) = self.flights.get_mut(slot).filter(|flight| flight.pending) else {
            self.result.stray += 1;
            return;
        };
        let query = &self.options.queries[flight.query as usize];
        let question = question_end(query);
        let mut asked = [0; 300];
        let asked = &mut asked[..question - 12];
        asked.copy_from_slice(&query[12..question]);
        if let Some(at) = self.options.fresh.and_then(|label| counter(query, label)) {
            write_number(&mut asked[at - 12..at - 4], flight.number);
        }
        if reply[2] & 0x80 == 0 || reply.get(12..question) != Some(asked) {
            self.result.stray += 1;
            return;
        }
        flight.pending = false;
        self.last_answer = Some(now);
        if let (Some(file), SERVFAIL) = (&mut self.options.failures, reply[3] & 15) {
            report(file, 'S', flight.sent, reply);
        }
        self.free.push(slot as u16);
        self.result.answered += 1;
        self.result.octets += length as u64;
        self.result.rcodes[(reply[3] & 15) as usize] += 1;
        self.result.truncated += u64::from(reply[2] & 2 != 0);
        let nanoseconds = now.duration_since(flight.sent).as_nanos();
        self.result.latencies_ns.push(u32::try_from(nanoseconds).unwrap_or(u32::MAX));
    }

    /// Give up on queries that were sent too long ago.
    fn expire(&mut self, now: Instant) {
        while let Some(&slot) = self.order.front() {
            let flight = self.flights[slot as usize];
            if flight.pending && now.duration_since(flight.sent) < self.options.patience {
                break;
            }
            self.order.pop_front();
            if flight.pending {
                self.give_up(slot);
            }
        }
    }

    fn give_up(&mut self, slot: u16) {
        let flight = &mut self.flights[slot as usize];
        flight.pending = false;
        self.result.lost += 1;
        self.free.push(slot);
        if let Some(file) = &mut self.options.failures {
            let mut query = self.options.queries[flight.query as usize].clone();
            if let Some(at) = self.options.fresh.and_then(|label| counter(&query, label)) {
                write_number(&mut query[at..at + 8], flight.number);
            }
            report(file, 'L', flight.sent, &query);
        }
    }

    fn run(&mut self) -> f64 {
        let start = Instant::now();
        let end = start + Duration::from_secs_f64(self.options.seconds);
        let mut now = start;
        while now < end && self.options.count != Some(self.result.answered + self.result.lost) {
            match self.options.rate {
                None => while self.free.len() >= 16.min(self.flights.len()) && self.send(BATCH) == BATCH {},
                Some(rate) => {
                    let due = (now.duration_since(start).as_secs_f64() * rate) as u64;
                    let mut behind = due.saturating_sub(self.result.sent + self.result.skipped);
                    if behind as f64 > (rate * LATE).max(1.0) {
                        self.result.skipped += behind - 1;
                        behind = 1;
                    }
                    self.send(behind as usize);
                }
            }
            // At the rates of `--count` the generator need not be awake all the time, and the server may want this core.
            if self.receive() == 0 && self.options.count.is_some() {
                std::thread::sleep(PAUSE);
            }
            now = Instant::now();
            self.expire(now);
        }
        let ended = self.last_answer.filter(|_| self.options.count.is_some()).unwrap_or_else(Instant::now);
        let seconds = (ended - start).as_secs_f64();
        // Without a report of failures, nobody waits for what will be lost.
        let patience = match self.options.failures {
            Some(_) => self.options.patience,
            None => Duration::from_millis(300),
        };
        let grace = Instant::now() + patience;
        while self.result.answered + self.result.lost < self.result.sent && Instant::now() < grace {
            self.receive();
        }
        for slot in 0..self.flights.len() {
            if self.flights[slot].pending {
                self.give_up(slot as u16);
            }
        }
        if let Some(file) = &mut self.options.failures {
            file.flush().expect("the file of failures takes lines");
        }
        seconds
    }
}

/// Append a line to the file of failures: the kind, when the query was sent and when it failed (milliseconds since 1970), the message.
fn report(file: &mut BufWriter<File>, kind: char, sent: Instant, message: &[u8]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let before = now.saturating_sub(sent.elapsed().as_millis());
    let mut line = format!("{kind} {before} {now} ");
    for octet in message {
        let _ = write!(line, "{octet:02x}");
    }
    line.push('\n');
    file.write_all(line.as_bytes()).expect("the file of failures takes lines");
}

/// Write *number* in hexadecimal.
fn write_number(octets: &mut [u8], number: u32) {
    for (i, octet) in octets.iter_mut().enumerate() {
        *octet = b"0123456789abcdef"[(number >> (28 - 4 * i) & 15) as usize];
    }
}

/// Where the question section of a query (one question, no compression) ends.
fn question_end(query: &[u8]) -> usize {
    let mut at = 12;
    while query.get(at).is_some_and(|&length| length != 0) {
        at += 1 + query[at] as usize;
    }
    at + 5
}

fn main() {
    let mut load = match options().and_then(|options| Load::new(options).map_err(|error| error.to_string())) {
        Ok(load) => load,
        Err(error) => {
            eprintln!("load: {error}");
            std::process::exit(1);
        }
    };
    let seconds = load.run();
    let result = &mut load.result;
    result.latencies_ns.sort_unstable();
    let percentile = |p: f64| {
        let index = ((result.latencies_ns.len() as f64 * p) as usize)
            .min(result.latencies_ns.len().saturating_sub(1));
        result.latencies_ns.get(index).map_or(0.0, |&ns| f64::from(ns) / 1000.0)
    };
    let rcodes: Vec<String> =
        (0..16).filter(|&i| result.rcodes[i] > 0).map(|i| format!("\"{i}\":{}", result.rcodes[i])).collect();
    println!(
        "{{\"sent\":{},\"answered\":{},\"lost\":{},\"stray\":{},\"skipped\":{},\"truncated\":{},\"octets\":{},\"seconds\":{seconds:.4},\
         \"rcodes\":{{{}}},\"p50_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1}}}",
        result.sent,
        result.answered,
        result.lost,
        result.stray,
        result.skipped,
        result.truncated,
        result.octets,
        rcodes.join(","),
        percentile(0.50),
        percentile(0.99),
        percentile(0.999)
    );
}
