//! Requests to an engine (`Resolve`, `Exchange`) and its events (`Done`, `Asked`, `Fault`, `Notice`, `Dropped`).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nw_net::{Outcome, Request, WhatIf};
use nw_resolve::{ClientQuestion, Endpoint, Transport, explain};
use nw_wire::{Class, RrType};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::code::Code;
use crate::name::NameArg;

/// The maximum time of an argument: one day. A longer time is probably in the wrong unit.
const MOST_SECONDS: f64 = 86_400.0;

/// Resolve a question: `Resolve("example.com", "A")`.
///
/// steps: answer it as `client` would be answered over `transport` (`udp`, `tcp`), with every step: a dry run of the client's
/// whole path, access lists and views included. Without steps the resolver of the published snapshot is asked.
///
/// With steps, three assumptions can be made: `empty_cache`; `forwarders` (`ADDRESS:PORT`), which replace the configured forwarders of
/// the name, or the root; and `policy_off`, without lists. What a lookup with one of the first two learns is not kept.
///
/// Raises ValueError for a client that is no IP address, a forwarder without address and port, and an unknown transport.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Resolve {
    pub(crate) question: ClientQuestion,
    /// As whom the question is explained, if it is.
    explained: Option<(SocketAddr, Transport)>,
    what_if: WhatIf,
}

#[pymethods]
impl Resolve {
    #[new]
    #[pyo3(signature = (
        name, rtype = Code(RrType::A), rclass = Code(Class::IN), *, dnssec_ok = false, checking_disabled = false,
        steps = true, client = "127.0.0.1", transport = "tcp", empty_cache = false, forwarders = Vec::new(),
        policy_off = false,
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        name: NameArg,
        rtype: Code<RrType>,
        rclass: Code<Class>,
        dnssec_ok: bool,
        checking_disabled: bool,
        steps: bool,
        client: &str,
        transport: &str,
        empty_cache: bool,
        forwarders: Vec<String>,
        policy_off: bool,
    ) -> PyResult<Self> {
        let (name, rtype, class) = (name.0, rtype.0, rclass.0);
        let question =
            ClientQuestion { class, dnssec_ok, checking_disabled, ..ClientQuestion::new(name, rtype) };
        let asker = (client_of(client)?, transport_of(transport)?);
        let forwarders = forwarders.iter().map(|text| server_of(text)).collect::<PyResult<_>>()?;
        let what_if = WhatIf { empty_cache, forwarders, policy_off };
        Ok(Self { question, explained: steps.then_some(asker), what_if })
    }
}

impl Resolve {
    pub(crate) fn request(&self) -> Request {
        let question = self.question.clone();
        match self.explained {
            Some((client, transport)) => {
                Request::Explain { question, client, transport, what_if: self.what_if.clone() }
            }
            None => Request::Resolve { question },
        }
    }
}

/// The client's port in a dry run; no rule uses it.
const CLIENT_PORT: u16 = 53_000;

/// A client at the address *text*.
pub(crate) fn client_of(text: &str) -> PyResult<SocketAddr> {
    let address: IpAddr =
        text.parse().map_err(|_| PyValueError::new_err(format!("{text:?} is not an IP address")))?;
    Ok(SocketAddr::new(address, CLIENT_PORT))
}

/// The server *text*.
fn server_of(text: &str) -> PyResult<SocketAddr> {
    text.parse()
        .map_err(|_| PyValueError::new_err(format!("{text:?} is not a server: expected ADDRESS:PORT")))
}

/// The transport *text*.
pub(crate) fn transport_of(text: &str) -> PyResult<Transport> {
    match text {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        _ => Err(PyValueError::new_err(format!("{text:?} is not a transport: udp or tcp"))),
    }
}

/// A query to one server over the routes of the published snapshot: `Exchange("192.0.2.1:53", query.wire)`.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Exchange {
    endpoint: Endpoint,
    wire: Vec<u8>,
    timeout: Duration,
}

#[pymethods]
impl Exchange {
    #[new]
    #[pyo3(signature = (server, wire, *, tcp = false, timeout_s = 2.0))]
    fn new(server: &str, wire: Vec<u8>, tcp: bool, timeout_s: f64) -> PyResult<Self> {
        let server = server_of(server)?;
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        Ok(Self { endpoint: Endpoint::new(server, transport), wire, timeout: seconds(timeout_s)? })
    }
}

impl Exchange {
    pub(crate) fn request(&self) -> Request {
        Request::Exchange {
            endpoint: self.endpoint.clone(),
            wire: self.wire.clone(),
            timeout: self.timeout.as_micros() as u64,
        }
    }
}

/// A request has finished.
#[pyclass(frozen, get_all, module = "namewise.engine")]
pub(crate) struct Done {
    /// The ticket of the request.
    ticket: u64,
    /// The reply as a message, or None.
    wire: Option<Py<PyBytes>>,
    /// The reason why there is no reply, as a slug. A failed resolution has a reply with the failure.
    error: Option<String>,
    /// The `namewise.explain/1` document of a resolution as JSON text, or None.
    explanation: Option<String>,
    /// The reasons why packets were not the reply of an exchange, with the number of packets.
    discarded: Vec<(String, u64)>,
    /// Microseconds from the request to its result.
    took_us: u64,
}

impl Done {
    /// Make the result of the request `ticket`. `asked` is its question and the time of the request in seconds since
    /// 1970.
    pub(crate) fn new(
        py: Python<'_>,
        ticket: u64,
        asked: Option<(ClientQuestion, u64)>,
        outcome: Outcome,
    ) -> Self {
        let (wire, error, explanation, discarded, took_us) = match outcome {
            Outcome::Resolved { wire, resolution } => {
                let text = asked.map(|(question, at)| explain::document(&question, at, &resolution));
                (Some(wire), None, text, Vec::new(), resolution.took)
            }
            Outcome::Silent { resolution } => {
                let text = asked.map(|(question, at)| explain::document(&question, at, &resolution));
                (None, Some("no-response"), text, Vec::new(), resolution.took)
            }
            Outcome::Exchanged { result: Ok(wire), discarded, took } => {
                (Some(wire), None, None, discarded, took)
            }
            Outcome::Exchanged { result: Err(error), discarded, took } => {
                (None, Some(error.slug()), None, discarded, took)
            }
            Outcome::Unable => (None, Some("unable"), None, Vec::new(), 0),
        };
        let wire = wire.map(|octets| PyBytes::new(py, &octets).unbind());
        let discarded = discarded.iter().map(|(reason, packets)| (reason.to_string(), *packets)).collect();
        Self { ticket, wire, error: error.map(str::to_owned), explanation, discarded, took_us }
    }
}

#[pymethods]
impl Done {
    fn __repr__(&self) -> String {
        let what = self.error.as_deref().unwrap_or("reply");
        format!("<Done {} {what} {} us>", self.ticket, self.took_us)
    }
}

/// A client's request that Python answers, with `Engine.answer(ticket, response)`.
#[pyclass(frozen, get_all, module = "namewise.engine")]
pub(crate) struct Asked {
    /// Its number, for the answer.
    pub(crate) ticket: u64,
    /// The request as the client sent it: a message with one question. Its signature is verified, if it has one.
    pub(crate) query: Py<PyBytes>,
    /// The client: `ADDRESS:PORT`.
    pub(crate) client: String,
    /// `udp` or `tcp`.
    pub(crate) transport: &'static str,
    /// The name of the TSIG key that it is signed with, or None.
    pub(crate) key: Option<String>,
}

impl Asked {
    pub(crate) fn new(py: Python<'_>, asked: nw_net::Asked) -> Self {
        let nw_net::Asked { ticket, query, client, transport, key } = asked;
        Self {
            ticket,
            query: PyBytes::new(py, &query).unbind(),
            client: client.to_string(),
            transport: transport.slug(),
            key: key.map(|key| key.to_string()),
        }
    }
}

/// A part of the engine failed. The event is for the log.
#[pyclass(frozen, get_all, module = "namewise.engine")]
pub(crate) struct Fault {
    /// A description of the failure.
    pub(crate) text: String,
    /// Whether a thread has ended. The engine must then be restarted.
    pub(crate) fatal: bool,
}

/// The resolver found something that the operator should know. The event is for the log.
#[pyclass(frozen, get_all, module = "namewise.engine")]
pub(crate) struct Notice {
    /// The notice's stable name.
    pub(crate) slug: &'static str,
    /// What the resolver found.
    pub(crate) text: String,
    /// The zone that the owner is to act for, if there is one.
    pub(crate) zone: Option<String>,
}

/// Events were dropped because the queue was full.
#[pyclass(frozen, get_all, module = "namewise.engine")]
pub(crate) struct Dropped {
    /// The number of dropped events.
    pub(crate) count: u64,
}

/// Convert a time span in seconds.
pub(crate) fn seconds(given: f64) -> PyResult<Duration> {
    if (0.0..=MOST_SECONDS).contains(&given) {
        Ok(Duration::from_secs_f64(given))
    } else {
        Err(PyValueError::new_err(format!("{given} is not a time from 0 to {MOST_SECONDS} seconds")))
    }
}
