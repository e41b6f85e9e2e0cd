//! Proofs for random zones, compared with a simple lookup in those zones.
//!
//! Completeness: the records that [`prove`] selects prove every true claim. Soundness: no selection of records proves
//! a false claim.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nw_wire::{Class, Name, Rrset};
use proptest::prelude::*;

use super::*;
use crate::nsec3::{Nsec3Hash, Nsec3Param};
use crate::proof::{Chain, Claim, Method, prove};
use crate::sign::{DenialOptions, SignOptions, sign_zone};
use crate::testing::{name, rrsets, signer::Stamp};
use crate::zonekey::ZoneKey;

const APEX: &str = "z.t.";
const TYPES: [RrType; 5] = [RrType::A, RrType::TXT, RrType::DS, RrType::CNAME, RrType::NS];

/// A zone as a table of names and types.
#[derive(Clone, Debug)]
struct Model {
    names: BTreeMap<Name, BTreeSet<RrType>>,
    options: DenialOptions,
}

/// The result of a simple lookup.
#[derive(Clone, Debug, PartialEq)]
enum Truth {
    /// The type or a CNAME exists, at the name itself or at a wildcard below the given closest encloser.
    Answer(Option<Name>),
    /// The name exists without the type.
    NoData,
    /// A wildcard below this name exists without the type.
    WildcardNoData(Name),
    /// Neither the name nor a wildcard exists. The closest encloser is given.
    NxDomain(Name),
    /// The name is at or below the given delegation.
    Referral(Name),
    /// Below a DNAME, or DS of the apex.
    Elsewhere,
}

impl Model {
    fn has(&self, at: &Name, rtype: RrType) -> bool {
        self.names.get(at).is_some_and(|types| types.contains(&rtype))
    }

    /// The names from the apex to `qname`.
    fn path(qname: &Name) -> impl DoubleEndedIterator<Item = Name> + use<> {
        let qname = qname.clone();
        (2..=qname.as_ref().label_count()).map(move |labels| qname.as_ref().suffix(labels).to_name())
    }

    /// The first name at or above `qname` that occludes the names below it.
    fn hidden_by(&self, qname: &Name) -> Option<(Name, RrType)> {
        Self::path(qname).find_map(|at| {
            let cut = at != name(APEX) && self.has(&at, RrType::NS);
            if cut {
                Some((at, RrType::NS))
            } else {
                (self.has(&at, RrType::DNAME) && at != *qname).then_some((at, RrType::DNAME))
            }
        })
    }

    /// Whether a name that is not occluded is at or below `at`.
    fn exists(&self, at: &Name) -> bool {
        self.names.keys().any(|owner| {
            owner.as_ref().is_at_or_below(at.as_ref())
                && self.hidden_by(owner).is_none_or(|(top, rtype)| top == *owner && rtype == RrType::NS)
        })
    }

    fn lookup(&self, qname: &Name, qtype: RrType) -> Truth {
        match self.hidden_by(qname) {
            Some((top, RrType::NS)) if top != *qname || qtype != RrType::DS => return Truth::Referral(top),
            Some((_, RrType::DNAME)) => return Truth::Elsewhere,
            _ => {}
        }
        if qtype == RrType::DS && *qname == name(APEX) {
            return Truth::Elsewhere;
        }
        let answers = |at: &Name| self.has(at, qtype) || self.has(at, RrType::CNAME);
        if self.exists(qname) {
            return if answers(qname) { Truth::Answer(None) } else { Truth::NoData };
        }
        let encloser = Self::path(qname).rev().find(|at| self.exists(at)).expect("the apex exists");
        let wildcard = encloser.as_ref().with_label(b"*").expect("room").to_name();
        if !self.exists(&wildcard) {
            Truth::NxDomain(encloser)
        } else if answers(&wildcard) {
            Truth::Answer(Some(encloser))
        } else {
            Truth::WildcardNoData(encloser)
        }
    }

    /// Whether `at` exists with something signed at or below it.
    fn exists_signed(&self, at: &Name) -> bool {
        let signed = Model {
            names: self
                .names
                .iter()
                .filter(|(owner, _)| {
                    !(**owner != name(APEX) && self.has(owner, RrType::NS) && !self.has(owner, RrType::DS))
                })
                .map(|(owner, types)| (owner.clone(), types.clone()))
                .filter(|(owner, _)| {
                    self.hidden_by(owner).is_none_or(|(top, rtype)| top == *owner && rtype == RrType::NS)
                })
                .collect(),
            options: self.options.clone(),
        };
        signed.names.keys().any(|owner| owner.as_ref().is_at_or_below(at.as_ref()))
    }

    /// The zone's denial records.
    fn chain(&self) -> Vec<Rrset> {
        let rdata = |rtype| -> &[u8] {
            match rtype {
                RrType::A => &[192, 0, 2, 1],
                RrType::DS => &[0, 1, 13, 2, 7],
                RrType::TXT => b"\x01x",
                RrType::SOA => b"\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x3c",
                _ => b"\x02ns\x01x\0",
            }
        };
        let rrsets = self.names.iter().flat_map(|(owner, types)| {
            types.iter().map(move |rtype| {
                let mut rrset = Rrset::new(owner.clone(), *rtype, Class::IN, 60);
                rrset.rdatas.push(rdata(*rtype));
                rrset
            })
        });
        let key = ZoneKey::new(name(APEX).as_ref(), 256, Arc::new(Stamp));
        let options = SignOptions {
            inception: 0,
            expiration: 10,
            jitter: 0,
            denial: self.options.clone(),
            dnskey_ttl: 60,
            threads: 1,
        };
        let signed = sign_zone(name(APEX).as_ref(), rrsets.collect(), &[key], &options).expect("a zone");
        let chain = signed.into_iter().map(|signed| signed.rrset);
        chain.filter(|rrset| matches!(rrset.rtype, RrType::NSEC | RrType::NSEC3)).collect()
    }
}

/// The records of a zone, searched one by one.
enum Store<'a> {
    Nsec(Vec<Nsec<'a>>),
    Nsec3(Vec<Nsec3<'a>>),
}

impl<'a> Store<'a> {
    fn new(chain: &'a [Rrset]) -> Self {
        let rdata = |rrset: &'a Rrset| rrset.rdatas.first().expect("one record");
        if chain[0].rtype == RrType::NSEC {
            let parse = |rrset: &'a Rrset| Nsec::parse(rrset.owner.as_ref(), rdata(rrset)).expect("our own");
            return Self::Nsec(chain.iter().map(parse).collect());
        }
        let apex = name(APEX);
        let parse = |rrset: &'a Rrset| {
            Nsec3::parse(rrset.owner.as_ref(), apex.as_ref(), rdata(rrset)).expect("our own")
        };
        Self::Nsec3(chain.iter().map(parse).collect())
    }

    fn method(&self) -> Method {
        match self {
            Self::Nsec(_) => Method::Nsec,
            Self::Nsec3(_) => Method::Nsec3,
        }
    }

    /// Only the records with these indexes.
    fn pick(&self, places: impl Iterator<Item = usize>) -> Self {
        match self {
            Self::Nsec(all) => Self::Nsec(places.map(|at| all[at]).collect()),
            Self::Nsec3(all) => Self::Nsec3(places.map(|at| all[at]).collect()),
        }
    }

    fn evidence(&self) -> Evidence<'_> {
        match self {
            Self::Nsec(records) => Evidence::Nsec(records),
            Self::Nsec3(records) => {
                Evidence::Nsec3(records, Nsec3Limits { records: usize::MAX, ..Nsec3Limits::default() })
            }
        }
    }
}

impl Chain for Store<'_> {
    type Record = usize;

    fn matching(&self, name: NameRef<'_>) -> Option<usize> {
        match self {
            Self::Nsec(all) => all.iter().position(|record| record.owner == name),
            Self::Nsec3(all) => all.iter().position(|record| record.owner == record.param.hash(name)),
        }
    }

    fn covering(&self, name: NameRef<'_>) -> Option<usize> {
        match self {
            Self::Nsec(all) => all.iter().position(|record| record.covers(name)),
            Self::Nsec3(all) => all.iter().position(|record| record.covers(&record.param.hash(name))),
        }
    }
}

/// Names of up to four labels with few letters, below the apex.
fn qname() -> impl Strategy<Value = Name> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "*"]), 0..4)
        .prop_map(|labels| name(&labels.into_iter().chain([APEX]).collect::<Vec<_>>().join(".")))
}

fn model() -> impl Strategy<Value = Model> {
    let kinds = prop::sample::select(vec![
        vec![RrType::A],
        vec![RrType::A, RrType::TXT],
        vec![RrType::TXT],
        vec![RrType::CNAME],
        vec![RrType::NS],
        vec![RrType::NS],
        vec![RrType::NS, RrType::DS],
        vec![RrType::DNAME],
    ]);
    let options = prop::sample::select(vec![
        DenialOptions::Nsec,
        DenialOptions::Nsec3 { iterations: 0, salt: vec![], opt_out: false },
        DenialOptions::Nsec3 { iterations: 3, salt: vec![1, 2], opt_out: true },
    ]);
    (prop::collection::vec((qname(), kinds), 0..8), options).prop_map(|(entries, options)| {
        let mut names: BTreeMap<Name, BTreeSet<RrType>> = BTreeMap::new();
        for (owner, types) in entries {
            // NS and DNAME at wildcards have no meaning (RFC 4592 §4.2, RFC 6672 §3.3).
            let wild = Model::path(&owner).any(|at| at.as_ref().is_wildcard());
            let fits = !(wild && types.iter().any(|rtype| matches!(*rtype, RrType::NS | RrType::DNAME)));
            if fits && owner != name(APEX) {
                names.insert(owner, types.into_iter().collect());
            }
        }
        names.insert(name(APEX), [RrType::SOA, RrType::NS].into());
        Model { names, options }
    })
}

proptest! {
    #[test]
    fn true_claims_are_proved(model in model(), qname in qname(), rtype in 0usize..5) {
        let (zone, qtype, chain) = (name(APEX), TYPES[rtype], model.chain());
        let store = Store::new(&chain);
        let opt_out = matches!(model.options, DenialOptions::Nsec3 { opt_out: true, .. });
        let evidence = |claim| {
            let proof = prove(store.method(), &store, claim);
            assert!(proof.is_complete(), "{claim:?}");
            store.pick(proof.iter())
        };
        let denied = |store: Store<'_>| deny(zone.as_ref(), qname.as_ref(), qtype, store.evidence());
        let (q, z) = (qname.as_ref(), zone.as_ref());
        match model.lookup(&qname, qtype) {
            Truth::NxDomain(encloser) => {
                let found = denied(evidence(Claim::NxDomain { qname: q, encloser: encloser.as_ref() }));
                match found {
                    Ok(Denial::NxDomain { encloser: labels, opt_out: false }) => {
                        prop_assert_eq!(usize::from(labels), encloser.as_ref().label_count());
                    }
                    Ok(Denial::NxDomain { opt_out: true, .. }) if opt_out => {}
                    Ok(Denial::OptOut | Denial::WildcardNoData { opt_out: true, .. })
                        if opt_out && !model.exists_signed(&encloser) => {}
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            Truth::NoData => match denied(evidence(Claim::NoData { qname: q })) {
                Ok(Denial::NoData) => {}
                Ok(Denial::OptOut | Denial::NxDomain { opt_out: true, .. } | Denial::WildcardNoData { opt_out: true, .. })
                    if opt_out && !model.exists_signed(&qname) => {}
                other => prop_assert!(false, "{other:?}"),
            },
            Truth::WildcardNoData(encloser) => {
                let found = denied(evidence(Claim::WildcardNoData { qname: q, encloser: encloser.as_ref() }));
                match found {
                    Ok(Denial::WildcardNoData { encloser: labels, .. }) => {
                        prop_assert_eq!(usize::from(labels), encloser.as_ref().label_count());
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            Truth::Answer(Some(encloser)) => {
                let store = evidence(Claim::WildcardAnswer { qname: q, encloser: encloser.as_ref() });
                let labels = encloser.as_ref().label_count() as u8;
                prop_assert!(expansion(z, q, labels, store.evidence()).is_ok());
            }
            Truth::Referral(cut) if !model.has(&cut, RrType::DS) => {
                let cut = cut.as_ref();
                let found = unsigned_delegation(z, cut, evidence(Claim::UnsignedDelegation { cut }).evidence());
                let expected = if opt_out { Unsigned::OptOut } else { Unsigned::NoDs };
                prop_assert_eq!(found, Ok(expected));
            }
            Truth::Answer(None) | Truth::Referral(_) | Truth::Elsewhere => {}
        }
    }

    #[test]
    fn false_claims_are_not_proved(
        model in model(),
        qname in qname(),
        rtype in 0usize..5,
        chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..10),
        all: bool,
    ) {
        let (zone, qtype, chain) = (name(APEX), TYPES[rtype], model.chain());
        let places: BTreeSet<usize> = chosen.iter().map(|index| index.index(chain.len())).collect();
        let whole = Store::new(&chain);
        let store = if all { whole } else { whole.pick(places.into_iter()) };
        let (q, z) = (qname.as_ref(), zone.as_ref());
        let truth = model.lookup(&qname, qtype);
        // Opt-out proves only that a name has nothing signed.
        let unsigned = |at: &Name| !model.exists_signed(at);
        let ok = match deny(z, q, qtype, store.evidence()) {
            Err(_) => true,
            Ok(Denial::NoData) => truth == Truth::NoData,
            Ok(Denial::NxDomain { opt_out: false, .. }) => matches!(truth, Truth::NxDomain(_)),
            Ok(Denial::WildcardNoData { opt_out: false, .. }) => matches!(truth, Truth::WildcardNoData(_)),
            Ok(_) => unsigned(&qname),
        };
        prop_assert!(ok, "deny: {truth:?}");

        for labels in z.label_count()..q.label_count() {
            let next_closer = q.suffix(labels + 1).to_name();
            let hidden = model.hidden_by(&next_closer).filter(|(top, _)| *top != next_closer);
            let ok = match expansion(z, q, labels as u8, store.evidence()) {
                Err(_) => true,
                // No signature of this zone makes an answer below a delegation or DNAME, so that the result does not
                // matter.
                Ok(_) if hidden.is_some() => true,
                Ok(Expansion { opt_out: false }) => !model.exists(&next_closer),
                Ok(Expansion { opt_out: true }) => unsigned(&next_closer),
            };
            prop_assert!(ok, "expansion from {labels}: {truth:?}");
        }

        let cut = model.has(&qname, RrType::NS) && !model.has(&qname, RrType::DS) && qname != zone;
        let ok = match unsigned_delegation(z, q, store.evidence()) {
            Err(_) => true,
            Ok(Unsigned::NoDs) => cut && model.hidden_by(&qname).is_some_and(|(top, _)| top == qname),
            Ok(Unsigned::OptOut) => unsigned(&qname),
        };
        prop_assert!(ok, "unsigned_delegation: {truth:?}");
    }
}

/// What follows from those records of `chain` that `known` names.
fn synthesised(
    chain: &[Rrset],
    known: &[bool],
    qname: &Name,
    qtype: RrType,
) -> Option<crate::synthesis::Synthesised> {
    let (zone, q) = (name(APEX), qname.as_ref());
    let zone = zone.as_ref();
    let known: Vec<usize> = (0..chain.len()).filter(|at| known.get(*at).copied().unwrap_or(true)).collect();
    match Store::new(chain).pick(known.into_iter()) {
        Store::Nsec(all) => {
            let known = |at: NameRef<'_>| {
                all.iter().filter(|one| one.owner <= at).max_by_key(|one| one.owner).copied()
            };
            crate::synthesis::from_nsec(zone, q, qtype, known, |one| Some(*one)).map(|found| found.kind)
        }
        Store::Nsec3(all) => {
            let known =
                |hash: &Nsec3Hash| all.iter().find(|one| one.owner == *hash || one.covers(hash)).copied();
            let (param, limits) = (all.first()?.param, Nsec3Limits::default());
            crate::synthesis::from_nsec3(zone, q, qtype, &param, limits, known, |one| Some(*one))
                .map(|found| found.kind)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever records are known, what follows from them is what the zone itself would answer. If all are known, everything
    /// follows that does not depend on an opt-out span.
    #[test]
    fn synthesised_answers_are_those_of_the_zone(
        model in model(),
        qname in qname(),
        qtype in prop::sample::select(TYPES.to_vec()),
        known in prop::collection::vec(any::<bool>(), 0..24),
    ) {
        use crate::synthesis::Synthesised;
        let chain = model.chain();
        let truth = model.lookup(&qname, qtype);
        let some = synthesised(&chain, &known, &qname, qtype);
        let all = synthesised(&chain, &[], &qname, qtype);
        for found in some.iter().chain(&all) {
            let agrees = match (found, &truth) {
                (Synthesised::Denied(Denial::NxDomain { opt_out: false, .. }), Truth::NxDomain(_)) => true,
                (Synthesised::Denied(Denial::NoData), Truth::NoData) => true,
                // The type at a delegation is the child's, except DS.
                (Synthesised::Denied(Denial::WildcardNoData { opt_out: false, .. }), Truth::WildcardNoData(_)) => true,
                (Synthesised::Wildcard(wildcard), Truth::Answer(Some(encloser))) => {
                    wildcard.as_ref().parent() == Some(encloser.as_ref())
                }
                _ => false,
            };
            prop_assert!(agrees, "{found:?}, but {truth:?}");
        }
        let opt_out = matches!(model.options, DenialOptions::Nsec3 { opt_out: true, .. });
        let follows = !matches!(truth, Truth::Answer(None) | Truth::Referral(_) | Truth::Elsewhere);
        if follows && !opt_out {
            prop_assert!(all.is_some(), "{truth:?}");
        }
    }
}

/// A zone for cases that random zones do not reach.
const ZONE: &str = "z.t. 60 IN NSEC a.z.t. SOA NS RRSIG NSEC
a.z.t. 60 IN NSEC cut.z.t. A RRSIG NSEC
cut.z.t. 60 IN NSEC dname.z.t. NS RRSIG NSEC
dname.z.t. 60 IN NSEC x.ent.z.t. DNAME RRSIG NSEC
x.ent.z.t. 60 IN NSEC www.z.t. A RRSIG NSEC
www.z.t. 60 IN NSEC z.t. CNAME RRSIG NSEC";

#[test]
fn each_fault_is_reported_by_name() {
    let chain = rrsets(ZONE);
    let Store::Nsec(records) = Store::new(&chain) else { panic!("NSEC") };
    let zone = name(APEX);
    let check =
        |qname: &str, qtype| deny(zone.as_ref(), name(qname).as_ref(), qtype, Evidence::Nsec(&records));
    for (qname, qtype, expected) in [
        ("a.z.t", RrType::AAAA, Ok(Denial::NoData)),
        ("a.z.t", RrType::A, Err(Unproved::TypeExists)),
        ("a.z.t", RrType::ANY, Err(Unproved::TypeExists)),
        ("www.z.t", RrType::A, Err(Unproved::CnameExists)),
        ("www.z.t", RrType::CNAME, Err(Unproved::TypeExists)),
        ("cut.z.t", RrType::DS, Ok(Denial::NoData)),
        ("cut.z.t", RrType::A, Err(Unproved::AncestorDelegation)),
        ("b.cut.z.t", RrType::A, Err(Unproved::AncestorDelegation)),
        ("b.cut.z.t", RrType::DS, Err(Unproved::AncestorDelegation)),
        ("b.dname.z.t", RrType::A, Err(Unproved::AncestorDelegation)),
        ("dname.z.t", RrType::A, Ok(Denial::NoData)),
        ("z.t", RrType::DS, Err(Unproved::ChildApex)),
        ("z.t", RrType::A, Ok(Denial::NoData)),
        ("ent.z.t", RrType::A, Ok(Denial::NoData)),
        ("b.ent.z.t", RrType::A, Ok(Denial::NxDomain { encloser: 3, opt_out: false })),
        ("zz.z.t", RrType::A, Ok(Denial::NxDomain { encloser: 2, opt_out: false })),
        ("t", RrType::A, Err(Unproved::OutOfZone)),
    ] {
        assert_eq!(check(qname, qtype), expected, "{qname} {qtype}");
    }
    let few =
        |records, qname: &str| deny(zone.as_ref(), name(qname).as_ref(), RrType::A, Evidence::Nsec(records));
    assert_eq!(few(&[], "b.z.t"), Err(Unproved::NoRecords));
    assert_eq!(few(&records[..1], "b.z.t"), Err(Unproved::NotCovered));
    assert_eq!(few(&records[1..], "b.z.t"), Err(Unproved::WildcardNotDenied));
    let cut = |at: &str| unsigned_delegation(zone.as_ref(), name(at).as_ref(), Evidence::Nsec(&records));
    assert_eq!(cut("cut.z.t"), Ok(Unsigned::NoDs));
    assert_eq!(cut("a.z.t"), Err(Unproved::NotADelegation));
    assert_eq!(cut("z.t"), Err(Unproved::ChildApex));
    assert_eq!(cut("b.z.t"), Err(Unproved::NotCovered));
    let wild = |qname: &str, labels| {
        expansion(zone.as_ref(), name(qname).as_ref(), labels, Evidence::Nsec(&records))
    };
    assert_eq!(wild("b.z.t", 2), Ok(Expansion { opt_out: false }));
    assert_eq!(wild("a.z.t", 2), Err(Unproved::CloserNameExists));
    assert_eq!(wild("b.ent.z.t", 2), Err(Unproved::CloserNameExists));
    assert_eq!(wild("ent.z.t", 2), Err(Unproved::CloserNameExists));
    assert_eq!(wild("b.z.t", 1), Err(Unproved::OutOfZone));
    assert_eq!(wild("b.z.t", 3), Err(Unproved::OutOfZone));
}

/// An NSEC3 record that matches nothing and covers everything.
fn nsec3<'a>(iterations: u16, salt: &'a [u8]) -> Nsec3<'a> {
    Nsec3 {
        param: Nsec3Param { algorithm: 1, flags: 0, iterations, salt },
        owner: Nsec3Hash::default(),
        next: Nsec3Hash::default(),
        types: TypeBitmap::new(&[]).expect("empty"),
    }
}

#[test]
fn costly_proofs_are_refused() {
    let zone = name(APEX);
    let check = |qname: &str, records: &[Nsec3<'_>], limits| {
        deny(zone.as_ref(), name(qname).as_ref(), RrType::A, Evidence::Nsec3(records, limits))
    };
    let limits = Nsec3Limits::default();
    assert_eq!(check("a.z.t", &[nsec3(50, &[])], limits), Err(Unproved::NoClosestEncloser));
    let many = Unproved::InsecureIterations { iterations: 51 };
    assert_eq!(check("a.z.t", &[nsec3(51, &[])], limits), Err(many));
    let strict = Nsec3Limits { bogus_above: 100, ..limits };
    let many = Unproved::BogusIterations { iterations: 101 };
    assert_eq!(check("a.z.t", &[nsec3(101, &[])], strict), Err(many));
    assert_eq!(check("a.z.t", &[nsec3(0, &[]), nsec3(0, &[1])], limits), Err(Unproved::MixedParameters));
    assert_eq!(check("a.z.t", &[nsec3(0, &[]), nsec3(1, &[])], limits), Err(Unproved::MixedParameters));
    assert_eq!(check("a.z.t", &[nsec3(0, &[]); 9], limits), Err(Unproved::TooMuchWork));
    let deep = format!("{}{APEX}", "a.".repeat(120));
    assert_eq!(check(&deep, &[nsec3(0, &[])], limits), Err(Unproved::NoClosestEncloser));
    assert_eq!(check(&deep, &[nsec3(50, &[])], limits), Err(Unproved::TooMuchWork));
    assert_eq!(
        check("a.z.t", &[nsec3(50, &[7; 255])], Nsec3Limits { blocks: 100, ..limits }),
        Err(Unproved::TooMuchWork)
    );
    assert_eq!(check("a.z.t", &[], limits), Err(Unproved::NoRecords));
}
