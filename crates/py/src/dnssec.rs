//! `ZoneKeys`: the DNSKEY RRset of a zone, ready to check signatures; and the NSEC3 hash.

use nw_dnssec::{Canonical, Dnskey, Rrsig, Verifier, nsec3_hash as hash, verify_rrset};
use nw_wire::RrType;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::gate;
use crate::name::NameArg;
use crate::raise::Raise;
use crate::rrset::RRset;

/// The keys of a zone: `ZoneKeys(dnskey_rrset)`. Keys that cannot check signatures are left out and named in `unusable`.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct ZoneKeys {
    verifiers: Vec<Verifier>,
    /// Key tag and reason of each key that is left out.
    #[pyo3(get)]
    unusable: Vec<(u16, String)>,
}

/// One signature over an RRset: key tag, algorithm, and why it does not count, or None if it does.
type Judged = (u16, u8, Option<String>);

#[pymethods]
impl ZoneKeys {
    #[new]
    fn new(py: Python<'_>, dnskeys: &RRset) -> PyResult<Self> {
        if dnskeys.inner.rtype != RrType::DNSKEY {
            return Err(PyValueError::new_err("expected a DNSKEY RRset"));
        }
        gate::brief(py, || {
            let (mut verifiers, mut unusable) = (Vec::new(), Vec::new());
            for rdata in dnskeys.inner.rdatas.iter() {
                let Some(dnskey) = Dnskey::parse(rdata) else { continue };
                match Verifier::new(dnskeys.inner.owner.as_ref(), dnskey) {
                    Ok(verifier) => verifiers.push(verifier),
                    Err(error) => unusable.push((dnskey.tag(), error.to_string())),
                }
            }
            Ok::<_, Raise>(Self { verifiers, unusable })
        })
    }

    /// The key tags of the usable keys.
    #[getter]
    fn tags<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.verifiers.iter().map(Verifier::tag))
    }

    /// Judge every signature in `signatures` that covers the type of `rrset`, at `now` (seconds since 1970):
    /// `(key tag, algorithm, None or what is wrong)` for each (RFC 4035 §5.3).
    fn verify(&self, py: Python<'_>, rrset: &RRset, signatures: &RRset, now: u64) -> PyResult<Vec<Judged>> {
        gate::detached(py, || {
            let mut scratch = Canonical::default();
            let covering = signatures.inner.rdatas.iter().filter_map(Rrsig::parse);
            let judged = covering.filter(|rrsig| rrsig.type_covered == rrset.inner.rtype).map(|rrsig| {
                // Serial arithmetic wraps with the 32 bits of the record (RFC 4034 §3.1.5).
                let fault = self.judge(rrset, &rrsig, now as u32, &mut scratch);
                (rrsig.key_tag, rrsig.algorithm.0, fault)
            });
            Ok::<_, Raise>(judged.collect())
        })
    }
}

impl ZoneKeys {
    fn judge(&self, rrset: &RRset, rrsig: &Rrsig<'_>, now: u32, scratch: &mut Canonical) -> Option<String> {
        let mut fault = None;
        for key in self.verifiers.iter().filter(|key| rrsig.names(key)) {
            match verify_rrset(&rrset.inner, rrsig, key, now, scratch) {
                Ok(_) => return None,
                Err(error) => fault = Some(error.to_string()),
            }
        }
        Some(fault.unwrap_or_else(|| "no key of the zone has this tag and algorithm".to_owned()))
    }
}

/// The NSEC3 hash of `name` (RFC 5155 §5), 20 octets.
#[pyfunction]
pub(crate) fn nsec3_hash(name: NameArg, salt: &[u8], iterations: u16) -> Vec<u8> {
    hash(salt, iterations, name.0.as_ref()).to_vec()
}
