//! Answers that follow from validated records in the cache (RFC 8198): the denial of a name or type, and the answer of a wildcard.
//!
//! The closest zone above the name whose denial records are known decides. `nw_dnssec::synthesis` draws the conclusion, with the same
//! code that checks the proof of a server. What is denied is kept like a denial that was asked for, so that a name that is asked for
//! again needs one look into the cache.
//!
//! Nothing is concluded for clients that set CD, from opt-out spans, at negative trust anchors, and across the suffix of a forward: names below
//! it are those of its servers.
//!
//! RFCs: 8198, 4035 §5.3.4 (wildcards), 5155 §6 (opt-out), 7646 (negative trust anchors).

use std::sync::Arc;

use nw_cache::{Cache, Cached, DenialKey, DenialRecord, DenialZone, Lookup, Origin, Rank, Reader, State};
use nw_dnssec::{Denial, Nsec, Nsec3, Nsec3Param, Synthesis, Synthesised, from_nsec, from_nsec3};
use nw_wire::base::base32hex;
use nw_wire::code::RrType;
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use crate::classify::Finding;
use crate::config::{Forward, ResolverConfig};
use crate::signed::{Signed, pair};
use crate::task::Task;
use crate::trace::Reason;
use crate::validator::{TrustPoint, Validator, zone_side};
use crate::world::{Micros, SECOND, World};

/// Octets of RRSIG rdata before the signer's name, and the place of the number of labels (RFC 4034 §3.1).
const BEFORE_SIGNER: usize = 18;
const LABELS: usize = 3;

/// What known denial records say about a name.
struct Conclusion {
    /// Their zone.
    zone: Name,
    known: DenialZone,
    found: Synthesis<Arc<DenialRecord>>,
}

/// What follows from records in *cache* for a name and a type.
fn conclude(
    cache: &Cache,
    validator: &Validator,
    view: u16,
    (name, rtype): (NameRef<'_>, RrType),
    forward: Option<&Forward>,
    now: Micros,
) -> Option<Conclusion> {
    if matches!(rtype, RrType::ANY | RrType::RRSIG | RrType::NSEC | RrType::NSEC3) {
        return None;
    }
    let within = zone_side(name, rtype);
    let above = std::iter::successors(Some(within), |name| name.parent());
    let above =
        above.take_while(|at| forward.is_none_or(|forward| at.is_at_or_below(forward.suffix.as_ref())));
    let mut known = above.filter_map(|at| Some((at, cache.denial_zone(view, at, now)?)));
    let (zone, known) = known.next()?;
    match validator.points.nearest(within)? {
        TrustPoint::Anchor(anchor, _) if zone.is_at_or_below(anchor.as_ref()) => {}
        _ => return None,
    }
    let by_nsec = from_nsec(
        zone,
        name,
        rtype,
        |at| cache.nsec_before(view, zone, at, now),
        |record: &Arc<DenialRecord>| {
            let set = record.sets.first()?;
            Nsec::parse(set.owner.as_ref(), set.rdatas.first()?)
        },
    );
    let by_nsec3 = || {
        let hashing = known.hashing.as_deref()?;
        let (&[algorithm, high, low], salt) = hashing.split_first_chunk()?;
        let iterations = u16::from_be_bytes([high, low]);
        let param = Nsec3Param { algorithm, flags: 0, iterations, salt };
        let known = |hash: &[u8; 20]| cache.nsec3_before(view, zone, hash, now);
        from_nsec3(zone, name, rtype, &param, validator.limits, known, |record: &Arc<DenialRecord>| {
            let set = record.sets.first()?;
            Nsec3::parse(set.owner.as_ref(), zone, set.rdatas.first()?)
        })
    };
    let found = by_nsec.or_else(by_nsec3)?;
    Some(Conclusion { zone: zone.to_name(), known, found })
}

/// The zone whose records in *cache* answer *name* and *rtype* to *reader* without a lookup, and whether a wildcard of it answers. For a
/// server with the settings *config*.
#[must_use]
pub fn synthesis(
    config: &ResolverConfig,
    cache: &Cache,
    reader: &Reader,
    (name, rtype): (NameRef<'_>, RrType),
    now: Micros,
) -> Option<(Name, bool)> {
    let validator = Validator::new(config).filter(|_| config.aggressive_nsec)?;
    let forward = config.forward(name);
    let asked = (name, rtype);
    let Conclusion { zone, known, found } = conclude(cache, &validator, reader.view, asked, forward, now)?;
    let life = found.records.iter().map(|record| record.left_s(now)).min()?;
    match found.kind {
        Synthesised::Denied(_) => (known.soa?.left_s(now).min(life) > 0).then_some((zone, false)),
        Synthesised::Wildcard(wildcard) => {
            let found = cache.get_as(reader, wildcard.as_ref(), rtype, now);
            let answers = matches!(found, Lookup::Hit { found: Cached::Rrset(_), state: State::Secure, .. });
            (answers && life > 0).then_some((zone, true))
        }
    }
}

impl<W: World> Task<'_, W> {
    /// What follows for *name* and *rtype* from known records, with the zone that they belong to.
    pub(crate) fn synthesise(
        &self,
        name: &Name,
        rtype: RrType,
        forward: Option<&Forward>,
        now: Micros,
    ) -> Option<(Finding, Name, Reason)> {
        let core = self.core;
        let validator = core.validator.as_ref().filter(|_| core.config.aggressive_nsec)?;
        if self.checking_disabled {
            return None;
        }
        let (cache, view, q) = (&core.cache, self.view, name.as_ref());
        let Conclusion { zone, known, found } = conclude(cache, validator, view, (q, rtype), forward, now)?;
        let life = found.records.iter().map(|record| record.left_s(now)).min()?;
        let proof = || found.records.iter().flat_map(|record| record.aged(now));
        match found.kind {
            Synthesised::Denied(denial) => {
                let nxdomain = matches!(denial, Denial::NxDomain { .. });
                let mut soa = known.soa?.aged(now);
                soa.iter_mut().for_each(|set| set.ttl = set.ttl.min(life));
                if soa.first()?.ttl == 0 {
                    return None;
                }
                let origin = self.origin(Rank::Authoritative, State::Secure);
                let rest: Vec<Rrset> = soa.iter().skip(1).cloned().chain(proof()).collect();
                cache.put_absence(q, (!nxdomain).then_some(rtype), soa.first()?, &rest, origin, now);
                let authority = pair(soa.into_iter().chain(proof()).collect());
                let finding = Finding::Absence { sets: Vec::new(), nxdomain, authority };
                Some((finding, zone, Reason::Synthesised { wildcard: false }))
            }
            Synthesised::Wildcard(wildcard) => {
                let found = cache.get_as(&self.reader(), wildcard.as_ref(), rtype, now);
                let Lookup::Hit { found: Cached::Rrset(mut sets), state: State::Secure, .. } = found else {
                    return None;
                };
                if life == 0 {
                    return None;
                }
                for set in &mut sets {
                    (set.owner, set.ttl) = (name.clone(), set.ttl.min(life));
                }
                let finding = Finding::Data { sets: pair(sets), proof: pair(proof().collect()) };
                Some((finding, zone, Reason::Synthesised { wildcard: true }))
            }
        }
    }

    /// Keep the validated records among *proof*, and the SOA of their zone.
    pub(crate) fn keep_denials(&self, soa: Option<&Signed>, proof: &[Signed], now: Micros) {
        let core = self.core;
        if core.validator.is_none() || !core.config.aggressive_nsec {
            return;
        }
        for signed in proof.iter().filter(|signed| signed.state == Some(State::Secure)) {
            if let Some((zone, key)) = place(signed) {
                self.keep_denial(zone.as_ref(), key, signed, now);
            }
        }
        if let Some(soa) = soa {
            self.keep_denial(soa.rrset.owner.as_ref(), DenialKey::Soa, soa, now);
        }
    }

    fn keep_denial(&self, zone: NameRef<'_>, key: DenialKey, signed: &Signed, now: Micros) {
        let sets: Vec<Rrset> =
            std::iter::once(signed.rrset.clone()).chain(signed.signatures.clone()).collect();
        let life = sets.iter().map(|set| set.ttl).min().unwrap_or(0);
        let expires = now + Micros::from(life.min(self.core.config.budget.max_negative_ttl)) * SECOND;
        let record = DenialRecord { sets, stored: now, expires };
        self.core.cache.put_denial(self.view, zone, key, record, now);
    }

    /// Keep *signed*, which a wildcard made, under the name of the wildcard: its signature is that of the wildcard's RRset
    /// (RFC 4035 §5.3.2).
    pub(crate) fn keep_wildcard(&self, signed: &Signed, origin: Origin, now: Micros) {
        let Some(signatures) = &signed.signatures else { return };
        let labels = signatures.rdatas.first().and_then(|rdata| rdata.get(LABELS)).copied().unwrap_or(0);
        let owner = signed.rrset.owner.as_ref();
        let Some(wildcard) = (usize::from(labels) < owner.label_count())
            .then(|| owner.suffix(labels.into()).with_label(b"*"))
            .flatten()
        else {
            return;
        };
        let (mut rrset, mut signatures) = (signed.rrset.clone(), signatures.clone());
        (rrset.owner, signatures.owner) = (wildcard.to_name(), wildcard.to_name());
        self.core.cache.put_rrset(&rrset, Some(&signatures), origin, now);
    }
}

/// The zone of a validated NSEC or NSEC3 RRset, which is its signer, and its place there.
fn place(signed: &Signed) -> Option<(Name, DenialKey)> {
    let rdata = signed.signatures.as_ref()?.rdatas.first()?;
    let (zone, _) = NameRef::read(rdata.get(BEFORE_SIGNER..)?).ok()?;
    let (owner, rdata) = (signed.rrset.owner.as_ref(), signed.rrset.rdatas.first()?);
    let key = match signed.rrset.rtype {
        RrType::NSEC => DenialKey::Nsec(owner.to_name()),
        RrType::NSEC3 => {
            let record = Nsec3::parse(owner, zone, rdata)?;
            let mut hash = Vec::with_capacity(20);
            base32hex(owner.first_label()?, &mut hash).ok()?;
            let [high, low] = record.param.iterations.to_be_bytes();
            let hashing = [&[record.param.algorithm, high, low], record.param.salt].concat();
            DenialKey::Nsec3(hash.try_into().ok()?, hashing)
        }
        _ => return None,
    };
    Some((zone.to_name(), key))
}
