//! `verify_zone`: verifies a complete signed zone and returns a report as JSON.

use nw_dnssec::verify_zone::ChainKind;
use nw_dnssec::{Report, VerifyOptions, ZonemdFault, ZonemdTrust};
use nw_wire::RrType;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::call;
use crate::raise::Raise;
use crate::rrset::RRset;
use crate::zone::Zone;

/// Verify the signatures, the chains and the keys of `zone` at `now` (seconds since 1970), and return the report as
/// JSON.
///
/// `anchors` are DS and DNSKEY RRsets. If there are any, one of their records must match a key that signs the DNSKEY
/// RRset. `most` is the maximum number of problems that are described; all are counted.
#[pyfunction]
#[pyo3(signature = (zone, now, *, anchors = Vec::new(), most = 100))]
pub(crate) fn verify_zone(
    py: Python<'_>,
    zone: &Zone,
    now: u64,
    anchors: Vec<PyRef<'_, RRset>>,
    most: usize,
) -> PyResult<String> {
    let anchors = anchor_rdatas(&anchors);
    let options = VerifyOptions {
        // Times wrap at 32 bits, as in the record (RFC 4034 §3.1.5).
        now: now as u32,
        anchors,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        max_problems: most,
    };
    let zone = zone.inner.clone();
    call::interruptible(py, move || {
        let report = nw_dnssec::verify_zone(zone.apex(), zone.rrsets().collect(), &options);
        Ok::<_, Raise>(report_json(&report).to_string())
    })
}

/// Verify `zone` by its ZONEMD records at `now` (RFC 8976 §4), and return the name of the hash algorithm.
///
/// `anchors` are DS and DNSKEY RRsets of the zone. If there are any, a key that they name must have signed SOA and
/// ZONEMD. Raises ValueError with the reason. None: there is no ZONEMD record; if there are anchors, the zone proves
/// that.
#[pyfunction]
#[pyo3(signature = (zone, now, anchors = Vec::new()))]
pub(crate) fn verify_zonemd(
    py: Python<'_>,
    zone: &Zone,
    now: u64,
    anchors: Vec<PyRef<'_, RRset>>,
) -> PyResult<Option<&'static str>> {
    let trust = ZonemdTrust { anchors: anchor_rdatas(&anchors), now: now as u32 };
    let zone = zone.inner.clone();
    let verified = call::detached(py, move || {
        let rrsets: Vec<_> = zone.rrsets().collect();
        Ok::<_, Raise>(nw_dnssec::verify_zonemd(zone.apex(), &rrsets, &trust))
    })?;
    match verified {
        Ok(verified) => Ok(Some(hash_name(verified.hash))),
        Err(ZonemdFault::Absent) => Ok(None),
        Err(fault) => Err(PyValueError::new_err(fault.to_string())),
    }
}

/// The records of *anchors* that are DS or DNSKEY.
fn anchor_rdatas(anchors: &[PyRef<'_, RRset>]) -> Vec<(RrType, Vec<u8>)> {
    anchors
        .iter()
        .filter(|anchor| matches!(anchor.inner.rtype, RrType::DS | RrType::DNSKEY))
        .flat_map(|anchor| anchor.inner.rdatas.iter().map(|rdata| (anchor.inner.rtype, rdata.to_vec())))
        .collect()
}

/// The name of a hash algorithm of ZONEMD that this server computes.
fn hash_name(hash: u8) -> &'static str {
    if hash == 1 { "SHA-384" } else { "SHA-512" }
}

fn report_json(report: &Report) -> Value {
    let keys = report.keys.iter().map(|key| {
        json!({
            "tag": key.tag,
            "algorithm": key.algorithm.to_string(),
            "flags": key.flags,
            "signs": key.signs,
            "signs_keys": key.signs_keys,
            "anchored": key.anchored,
        })
    });
    let chains = report.chains.iter().map(|chain| match chain {
        ChainKind::Nsec { records } => json!({"type": "NSEC", "records": records}),
        ChainKind::Nsec3 { records, iterations, salt, opt_out } => json!({
            "type": "NSEC3",
            "records": records,
            "iterations": iterations,
            "salt": salt.iter().map(|octet| format!("{octet:02x}")).collect::<String>(),
            "opt_out": opt_out,
        }),
    });
    let problems = report.problems.iter().map(|problem| {
        json!({
            "severity": if problem.fault.is_error() { "error" } else { "warning" },
            "code": problem.fault.code(),
            "owner": problem.owner.to_string(),
            "type": problem.rtype.map(|rtype| rtype.to_string()),
            "message": problem.fault.to_string(),
        })
    });
    json!({
        "rrsets": report.rrsets,
        "signatures": report.signatures,
        "keys": keys.collect::<Vec<_>>(),
        "chains": chains.collect::<Vec<_>>(),
        "first_expiration": report.first_expiration,
        "zonemd": report.zonemd.map(hash_name),
        "errors": report.errors,
        "warnings": report.warnings,
        "problems": problems.collect::<Vec<_>>(),
    })
}
