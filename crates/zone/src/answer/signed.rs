//! A validator accepts every answer of a signed zone. The tests sign random zones, query them, and check the proofs
//! in the answers with the validator of [`nw_dnssec`].

use std::sync::Arc;

use nw_crypto::{Algorithm, SignError, Signer};
use nw_dnssec::{
    Denial, DenialOptions, Evidence, Nsec, Nsec3, Nsec3Limits, Rrsig, SignOptions, ZoneKey, deny, expansion,
    sign_zone, unsigned_delegation,
};
use nw_wire::{Flags, Message, Name, NameRef, RrType, Section, Writer};
use proptest::prelude::*;

use super::model::{APEX, TYPES, load, owner, record};
use super::{AnswerKind, Outcome, ZoneQuestion};
use crate::Zone;
use crate::tests::name;

/// Makes placeholder signatures: the tests check which records an answer contains, not whether the signatures are valid.
struct Stamp;

impl Signer for Stamp {
    fn algorithm(&self) -> Algorithm {
        Algorithm(13)
    }

    fn public_key(&self) -> &[u8] {
        &[7; 64]
    }

    fn sign(&self, _message: &[u8], signature: &mut Vec<u8>) -> Result<(), SignError> {
        signature.extend_from_slice(b"stamp");
        Ok(())
    }
}

pub(crate) fn sign(zone: &Zone, denial: DenialOptions) -> Zone {
    let options =
        SignOptions { inception: 1000, expiration: 9000, jitter: 0, denial, dnskey_ttl: 60, threads: 1 };
    let keys = [257, 256].map(|flags| ZoneKey::new(zone.apex(), flags, Arc::new(Stamp)));
    let signed =
        sign_zone(zone.apex(), zone.rrsets().collect(), &keys, &options).expect("the zone can be signed");
    let rrsets: Vec<_> =
        signed.iter().flat_map(|set| [Some(set.rrset.clone()), set.rrsig_rrset()]).flatten().collect();
    Zone::from_rrsets(zone.apex(), zone.class(), &rrsets).expect("a signed zone is a zone")
}

/// One record of an answer.
struct AnswerRecord {
    section: Section,
    owner: Name,
    rtype: RrType,
    ttl: u32,
    rdata: Vec<u8>,
}

fn ask(zone: &Zone, qname: &Name, qtype: RrType) -> (Outcome, Vec<AnswerRecord>) {
    let mut buffer = vec![0; 65_535];
    let mut writer = Writer::new(&mut buffer, 65_535, 7, Flags::default());
    writer.question(qname.as_ref(), qtype, zone.class()).expect("a question fits");
    let question = ZoneQuestion { qname: qname.as_ref(), qtype, dnssec_ok: true, transport_udp: true };
    let outcome = zone.answer(&question, &mut writer);
    let length = writer.finish();
    let message = Message::parse(&buffer[..length]).expect("answers are messages");
    let mut found = Vec::new();
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        for record in message.records(section) {
            let mut rdata = Vec::new();
            record.rdata(&mut rdata);
            let owner = record.owner().to_name();
            found.push(AnswerRecord { section, owner, rtype: record.rtype, ttl: record.ttl, rdata });
        }
    }
    (outcome, found)
}

fn convince(zone: &Zone, qname: &Name, qtype: RrType) -> Result<(), TestCaseError> {
    let (outcome, found) = ask(zone, qname, qtype);
    let of = |section: Section, rtype: RrType| {
        found.iter().filter(move |record| record.section == section && record.rtype == rtype)
    };
    let nsec3 = matches!(zone.store.denial, crate::denial::Denial::Nsec3(_));
    let apex = zone.apex();
    let nsecs: Vec<Nsec<'_>> = of(Section::Authority, RrType::NSEC)
        .map(|record| Nsec::parse(record.owner.as_ref(), &record.rdata).expect("a valid NSEC"))
        .collect();
    let nsec3s: Vec<Nsec3<'_>> = of(Section::Authority, RrType::NSEC3)
        .map(|record| Nsec3::parse(record.owner.as_ref(), apex, &record.rdata).expect("a valid NSEC3"))
        .collect();
    let limits = Nsec3Limits { records: 64, ..Nsec3Limits::default() };
    let evidence = if nsec3 { Evidence::Nsec3(&nsec3s, limits) } else { Evidence::Nsec(&nsecs) };

    // SIGNATURES: each of the zone's own RRsets has signatures with its TTL, and none occurs without its RRset or
    // twice.
    let mut end = qname.clone();
    for record in found.iter().filter(|record| record.rtype != RrType::RRSIG) {
        let signatures = || {
            of(record.section, RrType::RRSIG).filter_map(|rrsig| {
                let parsed = Rrsig::parse(&rrsig.rdata).expect("a valid RRSIG");
                (rrsig.owner == record.owner && parsed.type_covered == record.rtype)
                    .then_some((rrsig.ttl, parsed))
            })
        };
        let glue = record.section == Section::Additional;
        let cut = record.section == Section::Authority && record.rtype == RrType::NS;
        let made = record.rtype == RrType::CNAME
            && of(Section::Answer, RrType::DNAME)
                .any(|dname| record.owner.as_ref().is_below(dname.owner.as_ref()));
        if glue || cut || made {
            continue;
        }
        prop_assert!(signatures().next().is_some(), "{} {} has no signature", record.owner, record.rtype);
        for (ttl, rrsig) in signatures() {
            prop_assert_eq!(ttl, record.ttl);
            // An RRset expanded from a wildcard has fewer labels in its signature (RFC 4035 §5.3.4).
            let labels = rrsig.labels as usize;
            let own = record.owner.as_ref().label_count() - usize::from(record.owner.as_ref().is_wildcard());
            if record.section == Section::Answer && labels < own {
                let proved = expansion(apex, record.owner.as_ref(), rrsig.labels, evidence);
                prop_assert!(proved.is_ok(), "{} {}: {:?}", record.owner, record.rtype, proved);
            }
        }
    }
    for (i, record) in found.iter().enumerate() {
        let twice = found[..i].iter().any(|other| {
            (other.section, &other.owner, other.rtype, &other.rdata)
                == (record.section, &record.owner, record.rtype, &record.rdata)
        });
        prop_assert!(!twice, "{} {} twice", record.owner, record.rtype);
    }

    // PROOFS: for the name at the end of the chain of aliases.
    // A loop has no end. For any other chain, the number of records bounds the number of links.
    for _ in 0..found.len() {
        let alias = of(Section::Answer, RrType::CNAME).find(|record| record.owner == end);
        match alias.filter(|_| qtype != RrType::CNAME) {
            Some(alias) => end = Name::from_wire(&alias.rdata).expect("a CNAME is a name"),
            None => break,
        }
    }
    match outcome.kind {
        // The parent answers for DS of the zone itself, and a validator does not accept the child's answer.
        _ if qtype == RrType::DS && end.as_ref() == apex => {}
        AnswerKind::NxDomain => {
            let proved = deny(apex, end.as_ref(), qtype, evidence);
            prop_assert!(matches!(proved, Ok(Denial::NxDomain { .. })), "{}: {:?}", end, proved);
        }
        AnswerKind::NoData => {
            let proved = deny(apex, end.as_ref(), qtype, evidence);
            let fine = matches!(proved, Ok(Denial::NoData | Denial::WildcardNoData { .. } | Denial::OptOut))
                // An empty non-terminal with only unsigned delegations below it: an opt-out span covers it.
                || matches!(proved, Ok(Denial::NxDomain { opt_out: true, .. }));
            prop_assert!(fine, "{} {}: {:?}", end, qtype, proved);
        }
        AnswerKind::Referral => {
            let cut = of(Section::Authority, RrType::NS).next().expect("a referral has NS");
            if of(Section::Authority, RrType::DS).next().is_none() {
                let proved = unsigned_delegation(apex, cut.owner.as_ref(), evidence);
                prop_assert!(proved.is_ok(), "{}: {:?}", cut.owner, proved);
            }
        }
        AnswerKind::Answer | AnswerKind::Alias | AnswerKind::TooLong => {}
    }
    Ok(())
}

pub(crate) fn denials() -> [DenialOptions; 3] {
    [
        DenialOptions::Nsec,
        DenialOptions::Nsec3 { iterations: 0, salt: vec![], opt_out: false },
        DenialOptions::Nsec3 { iterations: 2, salt: vec![1, 2], opt_out: true },
    ]
}

proptest! {
    // Each case is three zones and 72 questions.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    /// RFC 4035 §3.1, RFC 5155 §7.2.
    #[test]
    fn answers_convince_a_validator(lines in prop::collection::vec(record(), 0..12), qnames in prop::collection::vec(owner(), 3)) {
        // NS at a wildcard is undefined (RFC 4592 §4.2).
        let lines: Vec<_> = lines.into_iter().filter(|line| !(line.0.starts_with('*') && line.1 == "NS")).collect();
        let (zone, _) = load(&lines, 1);
        // An empty non-terminal that opt-out omits from the chain appears to be below the wildcards above it. No
        // proof is possible, and none is required (RFC 5155 §9.2, erratum 3441).
        let plain: Vec<_> = lines.into_iter().filter(|line| !line.0.contains('*')).collect();
        let (plain, _) = load(&plain, 1);
        for denial in denials() {
            let opt_out = matches!(denial, DenialOptions::Nsec3 { opt_out: true, .. });
            let signed = sign(if opt_out { &plain } else { &zone }, denial);
            prop_assert!(signed.is_signed());
            for qname in &qnames {
                for qtype in TYPES {
                    convince(&signed, &name(qname), qtype)?;
                }
            }
        }
    }
}

/// RFC 5155 §7.2.8: the owner of an NSEC3 record is not a name of the zone.
#[test]
fn hashed_owners_do_not_exist() {
    let (zone, _) = load(&[], 1);
    let signed = sign(&zone, denials()[1].clone());
    let hashed = signed.nodes().find(|node| node.types().contains(&RrType::NSEC3)).expect("a chain");
    let (outcome, _) = ask(&signed, &hashed.owner().to_name(), RrType::NSEC3);
    assert_eq!(outcome.kind, AnswerKind::NxDomain);
    assert!(hashed.owner().is_below(NameRef::from_wire(name(APEX).as_ref().wire()).expect("a name")));
}
