//! Plays the hosts of a TOML scenario on real sockets, sends its queries to another server, and compares the answers
//! with the expectations.
//!
//! `scenario_hosts SCENARIO.toml [RESOLVER [--record] | --anchors]`. With `--anchors`, it prints the trust anchors of the resolver and ends. With
//! `--record`, it sends many queries at once, and prints the answer to each as JSON instead of comparing it,
//! and then the number of queries that the hosts received. The addresses of the hosts must be local, usually in a network
//! namespace, and port 53 must be free on them. Without RESOLVER, another program must play the hosts that steps name
//! in `to`, and listen at their first addresses. The program prints `ready` when all sockets are open. A line on
//! standard input starts the steps, and a JSON object ends the run. Only the answers to clients are compared, because
//! times and upstream queries depend on the simulation.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nw_resolve::Transport;
use nw_sim::net::{Acceptance, Datagram};
use nw_sim::packet::Packet;
use nw_sim::scenario::behaviour::{Emission, ScriptedHost};
use nw_sim::scenario::expect::{self, Seen};
use nw_sim::scenario::format::{ExpectTable, Protocol, Scenario, StepTable, SwapTable};
use nw_sim::scenario::play::{CLIENT, query_packet};
use nw_sim::scenario::sign::Signing;
use nw_wire::message::Message;

/// The time after which a client repeats its query, like a stub resolver.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// The number of tries. Peers need long for servers that do not answer.
const TRIES: u32 = 4;
/// The number of queries that are sent at once when they are recorded.
const CLIENTS: usize = 24;
/// The longest real time that a step may take to advance the clock.
const LONGEST_ADVANCE_S: f64 = 10.0;

/// A host with its sockets.
struct OpenHost {
    name: String,
    host: ScriptedHost,
    udp: Vec<UdpSocket>,
    listeners: Vec<TcpListener>,
    /// The number of queries that have arrived.
    arrived: Cell<u64>,
}

/// A stream with the octets of its incomplete message.
struct Stream {
    host: usize,
    stream: TcpStream,
    read: Vec<u8>,
}

/// A reply to send at a certain time.
struct Scheduled {
    at: Instant,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// A command from the steps to the hosts.
enum Command {
    Swap(SwapTable),
    End,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let words: Vec<String> = std::env::args().collect();
    let file = words.get(1).ok_or("usage: scenario_hosts SCENARIO.toml [RESOLVER [--record] | --anchors]")?;
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let scenario = Scenario::parse(&text)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let signing = Signing::new(&scenario.host, now)?;
    if words.get(2).is_some_and(|word| word == "--anchors") {
        let table = scenario.resolver.unwrap_or_default();
        signing.anchors(&table.trust_anchors)?.iter().for_each(|anchor| say(&anchor.to_string()));
        return Ok(());
    }
    let resolver: Option<IpAddr> = match words.get(2) {
        Some(word) => Some(word.parse().map_err(|_| format!("{word}: not an address"))?),
        None => None,
    };
    // Without a resolver under test, the peer plays the servers that the steps query.
    let played_by_peer: Vec<&String> = if resolver.is_none() {
        scenario.step.iter().filter_map(|step| step.to.as_ref()).collect()
    } else {
        Vec::new()
    };
    let mut hosts = Vec::new();
    for host in scenario.host.iter().filter(|host| !played_by_peer.contains(&&host.name)) {
        let scripted = ScriptedHost::new(signing.read_zones(&host.zones, &host.sign)?, &host.rule)?;
        hosts.push(
            open(host.name.clone(), scripted, &host.addresses)
                .map_err(|error| format!("{}: {error}", host.name))?,
        );
    }
    let recording = words.get(3).is_some_and(|word| word == "--record");
    let (commands, received) = channel();
    let steps = scenario.clone();
    let client = std::thread::spawn(move || {
        let difference = play_steps(&steps, resolver, &commands, recording);
        // The hosts may have ended with an error already.
        let _ = commands.send(Command::End);
        difference
    });
    say("ready");
    serve(&hosts, &signing, &received).map_err(|error| error.to_string())?;
    if recording {
        let arrived: u64 = hosts.iter().map(|host| host.arrived.get()).sum();
        say(&serde_json::json!({"arrived": arrived}).to_string());
    }
    let outcome = client.join().map_err(|_| "the client failed".to_owned())?;
    say(&match outcome {
        Ok(None) => serde_json::json!({"agrees": true}).to_string(),
        Ok(Some((step, difference))) => serde_json::json!({
            "agrees": false, "step": step, "field": difference.field, "expected": difference.expected, "got": difference.got,
        })
        .to_string(),
        Err(problem) => serde_json::json!({"agrees": null, "problem": problem}).to_string(),
    });
    Ok(())
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // The reader of standard output may have ended.
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

fn open(name: String, host: ScriptedHost, addresses: &[IpAddr]) -> io::Result<OpenHost> {
    let (mut udp, mut listeners) = (Vec::new(), Vec::new());
    for address in addresses {
        let at = SocketAddr::new(*address, 53);
        if !host.is_closed() {
            let socket = UdpSocket::bind(at)?;
            socket.set_nonblocking(true)?;
            udp.push(socket);
        }
        if host.accepts() == Acceptance::Accepted {
            let listener = TcpListener::bind(at)?;
            listener.set_nonblocking(true)?;
            listeners.push(listener);
        }
    }
    Ok(OpenHost { name, host, udp, listeners, arrived: Cell::new(0) })
}

/// Answer queries until the steps end.
fn serve(hosts: &[OpenHost], signing: &Signing, commands: &Receiver<Command>) -> io::Result<()> {
    let scheduled: RefCell<Vec<Scheduled>> = RefCell::default();
    let mut streams: Vec<Stream> = Vec::new();
    let mut room = vec![0; 65535];
    loop {
        let mut idle = true;
        for (at, host) in hosts.iter().enumerate() {
            for socket in &host.udp {
                while let Ok((length, from)) = socket.recv_from(&mut room) {
                    idle = false;
                    host.arrived.set(host.arrived.get() + 1);
                    let asked = Datagram {
                        from,
                        to: socket.local_addr()?,
                        via: Transport::Udp,
                        bytes: room[..length].to_vec(),
                    };
                    for emission in host.host.respond(&asked) {
                        if let Emission::Reply { after, from, bytes } = emission {
                            let at = Instant::now() + Duration::from_micros(after);
                            scheduled.borrow_mut().push(Scheduled { at, from, to: asked.from, bytes });
                        }
                    }
                }
            }
            for listener in &host.listeners {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    streams.push(Stream { host: at, stream, read: Vec::new() });
                }
            }
        }
        streams.retain_mut(|stream| answer_stream(hosts, stream, &mut room));
        let now = Instant::now();
        // In the order of their creation: unrelated packets are sent before the true reply.
        let due: Vec<Scheduled> =
            scheduled.borrow_mut().extract_if(.., |scheduled| scheduled.at <= now).collect();
        for one in due {
            let from_host = hosts
                .iter()
                .flat_map(|host| &host.udp)
                .find(|socket| socket.local_addr().ok() == Some(one.from));
            // A reply that cannot be sent counts as lost.
            let _ = match from_host {
                Some(socket) => socket.send_to(&one.bytes, one.to),
                None => UdpSocket::bind(one.from).and_then(|socket| socket.send_to(&one.bytes, one.to)),
            };
        }
        match commands.try_recv() {
            Ok(Command::Swap(swap)) => {
                for host in hosts.iter().filter(|host| host.name == swap.host) {
                    let swapped =
                        signing.read_zones(&swap.zones, &swap.sign).map(|zones| host.host.swap(zones));
                    swapped.map_err(io::Error::other)?;
                }
            }
            Ok(Command::End) => return Ok(()),
            Err(_) if idle => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => {}
        }
    }
}

/// Read available octets and answer complete messages. Return whether the stream stays open.
fn answer_stream(hosts: &[OpenHost], stream: &mut Stream, room: &mut [u8]) -> bool {
    match stream.stream.read(room) {
        Ok(0) => return false,
        Ok(length) => stream.read.extend_from_slice(&room[..length]),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
        Err(_) => return false,
    }
    while let Some((head, rest)) = stream.read.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*head));
        let Some(message) = rest.get(..length) else { break };
        let (Ok(from), Ok(to)) = (stream.stream.peer_addr(), stream.stream.local_addr()) else {
            return false;
        };
        let asked = Datagram { from, to, via: Transport::Tcp, bytes: message.to_vec() };
        stream.read.drain(..2 + length);
        let arrived = &hosts[stream.host].arrived;
        arrived.set(arrived.get() + 1);
        for emission in hosts[stream.host].host.respond(&asked) {
            let Emission::Reply { after, bytes, .. } = emission else { return false };
            std::thread::sleep(Duration::from_micros(after));
            let Ok(length) = u16::try_from(bytes.len()) else { return false };
            if stream.stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat()).is_err() {
                return false;
            }
        }
    }
    true
}

type Found = Option<(usize, nw_sim::matching::Difference)>;

/// Wait for the start command and run the steps.
fn play_steps(
    scenario: &Scenario,
    resolver: Option<IpAddr>,
    commands: &Sender<Command>,
    recording: bool,
) -> Result<Found, String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| error.to_string())?;
    if let (true, Some(resolver)) = (recording, resolver) {
        return record(&scenario.step, resolver);
    }
    for (at, step) in scenario.step.iter().enumerate() {
        if let Some(seconds) = step.advance_s {
            if seconds > LONGEST_ADVANCE_S {
                return Err(format!("step {} lets {seconds} s pass", at + 1));
            }
            std::thread::sleep(Duration::from_secs_f64(seconds));
        } else if let Some(swap) = &step.swap {
            commands.send(Command::Swap(swap.clone())).map_err(|error| error.to_string())?;
            std::thread::sleep(Duration::from_millis(50));
        } else if let Some(question) = &step.query {
            let server = match (&step.to, resolver) {
                (Some(name), _) => {
                    let host = scenario.host.iter().find(|host| &host.name == name).ok_or("no such host")?;
                    *host.addresses.first().ok_or("a host without an address")?
                }
                (None, Some(resolver)) => resolver,
                (None, None) => return Err("the scenario wants a resolver".to_owned()),
            };
            for _ in 0..step.times.unwrap_or(1) {
                let seen = ask(step, question, server)?;
                // Servers may choose different extended errors for a failure.
                let wanted = step.expect.clone().map(|wanted| ExpectTable { ede: Vec::new(), ..wanted });
                if let Some(wanted) = &wanted
                    && let Some(difference) = expect::reply(wanted, &seen)
                {
                    return Ok(Some((at + 1, difference)));
                }
            }
        } else {
            return Err(format!("step {} is the simulation's", at + 1));
        }
    }
    Ok(None)
}

/// Send the queries of *steps* to *resolver*, [`CLIENTS`] at once, and print the answers in order.
fn record(steps: &[StepTable], resolver: IpAddr) -> Result<Found, String> {
    let next = AtomicUsize::new(0);
    let answers: Vec<OnceLock<Result<Seen, String>>> = steps.iter().map(|_| OnceLock::new()).collect();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(step) = steps.get(at) else { return };
                    let seen = match &step.query {
                        Some(question) => ask(step, question, resolver),
                        None => Err(format!("step {} is no query", at + 1)),
                    };
                    // Each step is taken once.
                    let _ = answers[at].set(seen);
                }
            });
        }
    });
    for answer in answers {
        say(&answer.into_inner().ok_or("a step without an answer")??.to_json().to_string());
    }
    Ok(None)
}

fn ask(step: &StepTable, question: &str, server: IpAddr) -> Result<Seen, String> {
    let mut packet = query_packet(step, question)?;
    packet.flags = packet.flags.with_qr(false);
    let began = Instant::now();
    // The port of each query differs, so that the id need not be secret.
    let id = u16::try_from(began.elapsed().as_nanos() & 0xffff).unwrap_or(1);
    let wire = packet.to_wire(id);
    let client = step.client.unwrap_or(CLIENT.parse().map_err(|_| "a literal address")?);
    let server = SocketAddr::new(server, 53);
    let replied =
        if step.via == Protocol::Tcp { over_tcp(&wire, server) } else { over_udp(&wire, client, server) };
    let mut seen =
        Seen { took: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX), ..Seen::default() };
    if let Ok(bytes) = replied {
        let message = Message::parse(&bytes).map_err(|error| format!("the reply is no message: {error}"))?;
        seen.octets = bytes.len();
        seen.reply = Some(Packet::of(&message));
    }
    Ok(seen)
}

fn over_udp(wire: &[u8], client: IpAddr, server: SocketAddr) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind(SocketAddr::new(client, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(MAX_WAIT))?;
    let mut room = vec![0; 65535];
    for _ in 0..TRIES {
        socket.send(wire)?;
        if let Ok(length) = socket.recv(&mut room) {
            room.truncate(length);
            return Ok(room);
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn over_tcp(wire: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, MAX_WAIT)?;
    stream.set_read_timeout(Some(MAX_WAIT))?;
    let length = u16::try_from(wire.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], wire].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}
