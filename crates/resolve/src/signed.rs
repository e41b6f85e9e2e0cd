//! RRsets with the signatures that came with them, from the reply to the cache and to the client.
//!
//! A signature stays with its RRset all the way, so that whatever is to be validated can be: [`Signed::signer`] names the zone
//! whose keys are needed (RFC 4035 §5.3.1). Lists of plain RRsets, as messages and the cache have them, are made by
//! [`flatten`] and taken apart by [`pair`].

use nw_cache::State;
use nw_wire::code::{Class, RrType};
use nw_wire::name::{NameBuf, NameRef};
use nw_wire::rrset::Rrset;

#[cfg(test)]
/// Octets of RRSIG rdata before the signer's name (RFC 4034 §3.1).
const BEFORE_SIGNER: usize = 18;

/// An RRset and its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) rrset: Rrset,
    /// RRSIG records that cover the type of `rrset`.
    pub(crate) signatures: Option<Rrset>,
    /// Made here from a DNAME: sent to clients, not cached (RFC 6672 §3.4).
    pub(crate) synthesised: bool,
    /// Its own validation state, if that does not depend on other records.
    pub(crate) state: Option<State>,
}

impl Signed {
    /// An RRset without signatures.
    pub(crate) fn unsigned(rrset: Rrset) -> Signed {
        Signed { rrset, signatures: None, synthesised: false, state: None }
    }

    /// The zone that signed it, by its first signature; None without one.
    #[cfg(test)]
    pub(crate) fn signer(&self) -> Option<NameRef<'_>> {
        let rdata = self.signatures.as_ref()?.rdatas.first()?;
        NameRef::read(rdata.get(BEFORE_SIGNER..)?).ok().map(|(signer, _)| signer)
    }

    /// Whether a wildcard made it: a signature counts fewer labels than the owner has (RFC 4035 §5.3.4).
    pub(crate) fn is_expansion(&self) -> bool {
        let labels = self.rrset.owner.as_ref().labels().filter(|label| *label != b"*").count();
        let counted = |rdata: &[u8]| rdata.get(3).is_some_and(|&counted| usize::from(counted) < labels);
        self.signatures.as_ref().is_some_and(|signatures| signatures.rdatas.iter().any(counted))
    }

    /// *rrset* with *signatures* over it. Both have the lesser of their TTLs: one is of no use without the other
    /// (RFC 4035 §2.2, §5.3.3).
    pub(crate) fn with_signatures(rrset: Rrset, signatures: Option<Rrset>) -> Signed {
        let mut signed = Signed { rrset, signatures, synthesised: false, state: None };
        if let Some(ttl) = signed.signatures.as_ref().map(|signatures| signatures.ttl) {
            signed.shorten(ttl.min(signed.rrset.ttl));
        }
        signed
    }

    /// Let neither the RRset nor its signatures live longer than *ttl*.
    pub(crate) fn shorten(&mut self, ttl: u32) {
        self.rrset.ttl = self.rrset.ttl.min(ttl);
        if let Some(signatures) = &mut self.signatures {
            signatures.ttl = signatures.ttl.min(ttl);
        }
    }
}

/// The RRsets, each followed by its signatures.
pub(crate) fn flatten(signed: impl IntoIterator<Item = Signed>) -> Vec<Rrset> {
    let signed = signed.into_iter();
    let mut sets = Vec::with_capacity(signed.size_hint().0);
    for one in signed {
        sets.push(one.rrset);
        sets.extend(one.signatures);
    }
    sets
}

/// The RRsets of *sets* with their signatures, which may stand anywhere after them. Signatures over RRsets that are not there
/// stay as RRsets of their own. See [`Signed::with_signatures`] for the TTLs.
pub(crate) fn pair(sets: Vec<Rrset>) -> Vec<Signed> {
    let mut paired: Vec<Signed> = Vec::with_capacity(sets.len());
    for set in sets {
        if set.rtype != RrType::RRSIG {
            paired.push(Signed::unsigned(set));
            continue;
        }
        let mut orphans = Rrset::new(set.owner.clone(), RrType::RRSIG, set.class, set.ttl);
        for rdata in set.rdatas.iter() {
            let covers = |one: &&mut Signed| {
                one.rrset.rtype != RrType::RRSIG
                    && Some(one.rrset.rtype) == covered(rdata)
                    && one.rrset.owner == set.owner
            };
            let Some(one) = paired.iter_mut().find(covers) else {
                orphans.rdatas.push(rdata);
                continue;
            };
            let signatures = one
                .signatures
                .get_or_insert_with(|| Rrset::new(set.owner.clone(), RrType::RRSIG, set.class, set.ttl));
            signatures.rdatas.push(rdata);
            one.shorten(one.rrset.ttl.min(set.ttl));
        }
        if !orphans.rdatas.is_empty() {
            paired.push(Signed::unsigned(orphans));
        }
    }
    paired
}

/// The type that the RRSIG *rdata* covers (RFC 4034 §3.1.1).
pub(crate) fn covered(rdata: &[u8]) -> Option<RrType> {
    rdata.first_chunk().map(|covered| RrType(u16::from_be_bytes(*covered)))
}

/// The target of the first record of a CNAME or DNAME RRset.
pub(crate) fn target_of(alias: &Rrset) -> Option<NameBuf> {
    NameRef::from_wire(alias.rdatas.first()?).ok().map(NameRef::to_buf)
}

/// The name that *dname* redirects *name* to; None when *name* is not below its owner. Err when that name would have more than
/// 255 octets (RFC 6672 §2.2).
pub(crate) fn substitute(name: NameRef<'_>, dname: &Rrset) -> Result<Option<NameBuf>, TooLong> {
    let Some(target) = target_of(dname) else { return Ok(None) };
    match name.with_suffix(dname.owner.as_ref(), target.as_ref()) {
        Some(Ok(name)) => Ok(Some(name)),
        Some(Err(_)) => Err(TooLong),
        None => Ok(None),
    }
}

/// A DNAME leads to a name of more than 255 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The CNAME that follows from *dname* for *name*, with the DNAME's TTL (RFC 6672 §3.1).
pub(crate) fn synthesise(name: NameRef<'_>, dname: &Rrset, target: NameRef<'_>) -> Signed {
    let mut rrset = Rrset::new(name.to_name(), RrType::CNAME, Class::IN, dname.ttl);
    rrset.rdatas.push(target.wire());
    Signed { rrset, signatures: None, synthesised: true, state: None }
}
