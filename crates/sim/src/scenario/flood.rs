//! Streams of queries: many clients that ask at a steady rate, attackers and honest ones side by side.
//!
//! ```text
//! [[step]]
//! flood = [
//!   { query = "r{n}.silent.com. A", count = 5000, per_s = 2500, prefixes = 8 },
//!   { query = "www.good.com. A", count = 100, per_s = 50, expect = { answered = { min = 99 }, max_median_ms = 40 } },
//! ]
//! ```
//!
//! All streams of a step start together. The step ends when each query has an answer or [`MAX_WAIT`] has passed.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use nw_wire::code::Rcode;
use nw_wire::message::Message;
use serde::Deserialize;

use super::expect::differs;
use super::format::{Count, Protocol, StepTable};
use super::play::query_packet;
use crate::exec::Micros;
use crate::matching::Difference;
use crate::net::{Arrival, Net};
use crate::random::Random;
use crate::report::Measure;

/// The time that a client waits for its answer.
const MAX_WAIT: Micros = 10_000_000;
/// Answers that reach one client within this time are one pulse.
const PULSE: Micros = 10_000;
const SECOND: Micros = 1_000_000;
/// The clients of one /24 network.
const CLIENTS: u32 = 200;

/// One stream of queries.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamTable {
    /// `name [class] type`; `{n}` is the number of the query.
    pub query: String,
    /// The number of queries.
    pub count: u32,
    /// The number of queries in a second.
    pub per_s: u32,
    /// `{n}` starts again at 0 after this many numbers; 0: never.
    pub cycle: u32,
    /// The clients are in this many /24 networks; 0 means 1.
    pub prefixes: u8,
    /// The clients are in networks of the honest stream 0 instead of their own.
    pub neighbours: bool,
    /// All queries come from this one client.
    pub client: Option<IpAddr>,
    /// The transport.
    pub via: Protocol,
    /// Flags. Default: RD.
    pub flags: Option<Vec<String>>,
    /// Send the queries with EDNS.
    pub edns: bool,
    /// Set DO; implies `edns`.
    pub dnssec_ok: bool,
    /// Options in hexadecimal; implies `edns`. `{n}` is the number of the query in eight digits.
    pub options: Option<String>,
    /// The expected result.
    pub expect: StreamExpect,
}

/// What the clients of a stream must see; omitted fields are not checked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamExpect {
    /// The rcode that counts as an answer. Default: NOERROR.
    pub rcode: Option<String>,
    /// The percentage of queries with such an answer.
    pub answered: Option<Count>,
    /// The maximum of the median time until an answer, in milliseconds.
    pub max_median_ms: Option<u64>,
    /// The maximum time until an answer, in milliseconds.
    pub max_ms: Option<u64>,
    /// The maximum number of answers that reach one client within 10 ms.
    pub max_pulse: Option<usize>,
    /// The maximum of the octets of all answers, as a percentage of the octets of all queries (without UDP and IP headers).
    pub max_amplification: Option<usize>,
}

/// An answer to a query of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// When it arrived.
    pub at: Micros,
    /// The time since the query.
    pub took: Micros,
    /// Who asked.
    pub client: IpAddr,
    /// The rcode.
    pub rcode: Rcode,
    /// Its length.
    pub octets: usize,
    /// The length of the query.
    pub asked_octets: usize,
}

/// The answers to one stream.
pub type Answers = Rc<RefCell<Vec<Answer>>>;

/// Send the queries of `streams` to `server`, and return the answers of each stream.
pub fn play(
    net: &Net,
    server: IpAddr,
    streams: &[StreamTable],
    rng: &mut Random,
) -> Result<Vec<Answers>, String> {
    let began = net.clock().now();
    let waiting: Rc<RefCell<u64>> = Rc::default();
    let mut answers = Vec::new();
    let mut last = began;
    for (at, stream) in streams.iter().enumerate() {
        if stream.per_s == 0 || stream.count == 0 {
            return Err("a stream needs count and per_s".to_owned());
        }
        let found: Answers = Rc::default();
        let via = stream.via.transport();
        for number in 0..stream.count {
            let client = stream.client.unwrap_or_else(|| client(stream, at, number));
            let packet = packet(stream, number)?;
            let wire = packet.to_wire(u16::try_from(rng.below(0x10000)).expect("below 2^16"));
            let asked_octets = wire.len();
            let sent = began + Micros::from(number) * SECOND / Micros::from(stream.per_s);
            last = last.max(sent);
            let (inner, found, waiting) = (net.clone(), Rc::clone(&found), Rc::clone(&waiting));
            let mut ports = Random::new(rng.next());
            *waiting.borrow_mut() += 1;
            net.clock().at(sent, move || {
                let net = inner.clone();
                inner.clock().spawn(async move {
                    let socket = net.bind(client, &mut ports);
                    socket.send(SocketAddr::new(server, 53), via, wire);
                    if let Some(Arrival::Message(_, reply)) = socket.receive(sent + MAX_WAIT).await {
                        let now = net.clock().now();
                        let rcode = Message::parse(&reply).map_or(Rcode::FORMERR, |reply| reply.rcode());
                        let (took, octets) = (now - sent, reply.len());
                        found.borrow_mut().push(Answer {
                            at: now,
                            took,
                            client,
                            rcode,
                            octets,
                            asked_octets,
                        });
                    }
                    *waiting.borrow_mut() -= 1;
                });
            });
        }
        answers.push(found);
    }
    net.clock().run_while_pending(last + MAX_WAIT + 1, || *waiting.borrow() == 0);
    Ok(answers)
}

fn client(stream: &StreamTable, at: usize, number: u32) -> IpAddr {
    let prefixes = u32::from(stream.prefixes.max(1));
    let network = if stream.neighbours { 60 } else { 60 + at };
    let octet = |number: u32| u8::try_from(number).expect("a remainder below 256");
    let (third, fourth) = (octet(number % prefixes), octet(2 + number / prefixes % CLIENTS));
    IpAddr::V4(Ipv4Addr::new(10, u8::try_from(network).unwrap_or(u8::MAX), third, fourth))
}

fn packet(stream: &StreamTable, number: u32) -> Result<crate::packet::Packet, String> {
    let step = StepTable {
        flags: stream.flags.clone(),
        edns: stream.edns,
        dnssec_ok: stream.dnssec_ok,
        options: stream.options.as_ref().map(|digits| digits.replace("{n}", &format!("{number:08x}"))),
        ..StepTable::default()
    };
    let shown = number.checked_rem(stream.cycle).unwrap_or(number);
    query_packet(&step, &stream.query.replace("{n}", &shown.to_string()))
}

/// Compare the answers to `stream` with its expectations. The second value has the measured numbers.
pub fn compare(
    stream: &StreamTable,
    answers: &Answers,
    step: u64,
) -> Result<(Option<Difference>, Vec<Measure>), String> {
    let expect = &stream.expect;
    let wanted: Rcode = match &expect.rcode {
        Some(word) => word.parse().map_err(|_| format!("{word:?} is no rcode"))?,
        None => Rcode::NOERROR,
    };
    let answers = answers.borrow();
    let mut took: Vec<Micros> = answers.iter().map(|answer| answer.took / 1000).collect();
    took.sort_unstable();
    let good = answers.iter().filter(|answer| answer.rcode == wanted).count();
    let percent = good * 100 / stream.count as usize;
    let mut difference = None;
    let mut measures = Vec::new();
    let mut limit = |what: &'static str, measured: u64, most: u64| {
        let bound = format!("at most {most}");
        measures.push(Measure { step, what: format!("{what} of {}", stream.query), measured, bound });
        if measured > most && difference.is_none() {
            difference = Some(differs(what, most, measured));
        }
    };
    if let Some(most) = expect.max_median_ms {
        limit("median_ms", took.get(took.len() / 2).copied().unwrap_or(Micros::MAX), most);
    }
    if let Some(most) = expect.max_ms {
        limit("max_ms", took.last().copied().unwrap_or(0), most);
    }
    if let Some(most) = expect.max_pulse {
        limit("pulse", pulse(&answers) as u64, most as u64);
    }
    if let Some(most) = expect.max_amplification {
        let octets: usize = answers.iter().map(|answer| answer.octets).sum();
        // Every query of a stream has the same length but for the digits of its number.
        let each = answers.first().map_or(1, |answer| answer.asked_octets);
        limit("amplification_percent", (octets * 100 / (each * stream.count as usize)) as u64, most as u64);
    }
    if let Some(wanted) = expect.answered {
        let what = format!("percent answered of {}", stream.query);
        measures.push(Measure { step, what, measured: percent as u64, bound: wanted.to_string() });
        if !wanted.holds(percent) {
            difference = Some(differs("answered", wanted, percent));
        }
    }
    Ok((difference, measures))
}

/// The largest number of answers that reached one client within [`PULSE`].
fn pulse(answers: &[Answer]) -> usize {
    let mut arrivals: Vec<(IpAddr, Micros)> =
        answers.iter().map(|answer| (answer.client, answer.at)).collect();
    arrivals.sort_unstable();
    let (mut first, mut most) = (0, 0);
    for (last, (client, at)) in arrivals.iter().enumerate() {
        while arrivals[first].0 != *client || arrivals[first].1 + PULSE < *at {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most
}
