//! `verify_keys`: which keys of a DNSKEY RRset sign it.

use nw_dnssec::{Canonical, Dnskey, Rrsig, Verifier, verify_rrset};
use pyo3::prelude::*;

use crate::rrset::RRset;

/// Signatures and keys that are looked at, each; stops an RRset of thousands of both.
const MOST: usize = 32;

/// Return `(place, original_ttl, expiration)` for each key of the RRset `keys` that one of `signatures`, an RRSIG RRset,
/// proves to sign it at `now` (seconds since 1970): `place` counts the records from 0. Revoked keys count (RFC 5011 §2.1).
#[pyfunction]
pub(crate) fn verify_keys(keys: &RRset, signatures: &RRset, now: u64) -> Vec<(usize, u32, u32)> {
    let set = &keys.inner;
    let (owner, now, mut scratch) = (set.owner.as_ref(), now as u32, Canonical::new());
    let mut left = MOST;
    let rrsigs: Vec<Rrsig<'_>> = signatures.inner.rdatas.iter().take(MOST).filter_map(Rrsig::parse).collect();
    let mut found = Vec::new();
    for (place, rdata) in set.rdatas.iter().take(MOST).enumerate() {
        let verifier = Dnskey::parse(rdata).and_then(|key| Verifier::new(owner, key).ok());
        let Some(verifier) = verifier else { continue };
        for rrsig in rrsigs.iter().filter(|rrsig| rrsig.names(&verifier)) {
            if left == 0 {
                return found;
            }
            left -= 1;
            if verify_rrset(set, rrsig, &verifier, now, &mut scratch).is_ok() {
                found.push((place, rrsig.original_ttl, rrsig.expiration));
                break;
            }
        }
    }
    found
}
