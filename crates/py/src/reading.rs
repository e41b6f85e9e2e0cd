//! `read_reply`: classifies a reply like the resolver does, as JSON.

use nw_resolve::Budget;
use nw_resolve::reading::{Reading, read_reply as read};
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::call;
use crate::name::Name;
use crate::raise::Raise;

/// Classify `reply`, which a server of `zone` sent in response to `query`, like the resolver does. Returns the result
/// as JSON.
///
/// Keys: outcome (`answer`, `alias`, `nodata`, `nxdomain`, `name-too-long`, `referral`, `unauthoritative`, `lame`,
/// `failure`, `edns-refused`, `truncated`, `unusable`, `malformed`, `discarded`), says (the same, except for
/// `unauthoritative`), reason in words, rcode, aliases (their targets in order), referral (`zone` and `servers` with
/// their addresses), oddities that were ignored, case_changed. `recursive` means that the query requested recursion,
/// and that `zone` is the suffix that is forwarded to the server.
#[pyfunction]
#[pyo3(signature = (query, reply, zone, *, recursive = false))]
pub(crate) fn read_reply(
    py: Python<'_>,
    query: &[u8],
    reply: &[u8],
    zone: &Name,
    recursive: bool,
) -> PyResult<String> {
    call::attached(py, || {
        let reading = read(query, reply, zone.inner.as_ref(), recursive, &Budget::default());
        Ok::<_, Raise>(shown(&reading).to_string())
    })
}

fn shown(reading: &Reading) -> Value {
    let referral = reading.referral.as_ref().map(|(zone, servers)| {
        let servers = servers.iter().map(|server| {
            let addresses: Vec<String> = server.addresses.iter().map(ToString::to_string).collect();
            json!({"name": server.name.to_string(), "addresses": addresses})
        });
        json!({"zone": zone.to_string(), "servers": servers.collect::<Vec<_>>()})
    });
    json!({
        "outcome": reading.outcome.slug(),
        "says": reading.says.slug(),
        "reason": reading.reason,
        "rcode": reading.rcode.map(|rcode| rcode.to_string()),
        "aliases": reading.aliases.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "referral": referral,
        "oddities": {
            "trailing_octets": reading.oddities.trailing_octets,
            "extra_opt": reading.oddities.extra_opt,
            "malformed_records": reading.oddities.malformed_records,
        },
        "case_changed": reading.case_changed,
    })
}
