//! For any signed zone, query and filter: the response is a message within the limit, and every signature that is sent covers
//! the RRset that is sent with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use nw_crypto::{Algorithm, SigningKey};
use nw_dnssec::{Canonical, DenialOptions, Rrsig, SignOptions, Verifier, ZoneKey, sign_zone, verify_rrset};
use nw_serve::{Context, Filter, Response, Sections, Transport, Verdict};
use nw_wire::{Class, Message, Name, RdataSet, RrType, Rrset, Run, Section};
use nw_zone::Zone;
use proptest::prelude::*;

use crate::lab::{QUESTIONS, answer, load, query, snapshot, zones};

const NOW: u32 = 1_000_000;
const TYPES: [RrType; 6] = [RrType::A, RrType::NS, RrType::MX, RrType::TXT, RrType::ANY, RrType::DNSKEY];
const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];

static KEY: LazyLock<ZoneKey> = LazyLock::new(|| {
    let key = SigningKey::generate(Algorithm::ED25519, None).expect("the algorithm signs");
    let apex: Name = "example.".parse().expect("valid");
    ZoneKey::new(apex.as_ref(), 257, Arc::new(key))
});

/// *zone*, signed.
fn sign(zone: &Zone) -> Option<Zone> {
    let options = SignOptions {
        inception: NOW - 1000,
        expiration: NOW + 1000,
        jitter: 0,
        denial: DenialOptions::Nsec,
        dnskey_ttl: 60,
        threads: 1,
    };
    let signed =
        sign_zone(zone.apex(), zone.rrsets().collect(), std::slice::from_ref(&*KEY), &options).ok()?;
    let signatures: Vec<Rrset> = signed.iter().filter_map(|set| set.rrsig_rrset()).collect();
    let sets = signed.iter().map(|set| &set.rrset).chain(&signatures);
    Some(Zone::from_rrsets(zone.apex(), zone.class(), sets).expect("a signed zone is a zone"))
}

/// What is done to one RRset of a response.
#[derive(Clone, Debug)]
enum Edit {
    /// Rotate it by so many records.
    Rotate(usize),
    /// Keep every record whose bit is set, the last one first.
    Pick(u16),
    /// Write it without its first record.
    DropFirst,
    /// Write it with one record more.
    Add,
    /// Write the response without it.
    Remove,
    /// Write it in the additional section.
    Move,
}

/// Changes RRsets by their number in the response.
#[derive(Clone, Debug)]
struct Edits(Vec<(usize, Edit)>);

impl Filter for Edits {
    fn name(&self) -> &'static str {
        "edits"
    }

    fn apply(&self, _: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        for (number, edit) in &self.0 {
            match edit {
                Edit::Rotate(by) => {
                    if let Some(rrset) = nth(response, *number) {
                        response.rotate(&rrset, *by);
                    }
                }
                Edit::Pick(bits) => {
                    if let Some(rrset) = nth(response, *number) {
                        let picks: Vec<u16> =
                            (0..rrset.count).rev().filter(|at| bits >> (at % 16) & 1 == 1).collect();
                        response.pick(&rrset, &picks);
                    }
                }
                _ => rewrite(response, *number, edit),
            }
        }
        Verdict::Continue
    }
}

/// The RRset with the number *at* of those that are written.
fn nth(response: &Response<'_, '_>, at: usize) -> Option<Run> {
    let first = response.rrset_after(None);
    std::iter::successors(first, |run| response.rrset_after(Some(run))).nth(at)
}

/// Apply *edit* to the RRset with the number *at* of those that are written.
fn rewrite(response: &mut Response<'_, '_>, at: usize, edit: &Edit) {
    let mut sections = response.sections().expect("what was written is a message");
    let Sections { answer, authority, additional } = &mut sections;
    let mut moved = None;
    let mut left = at;
    for sets in [answer, authority, &mut *additional] {
        if left >= sets.len() {
            left -= sets.len();
            continue;
        }
        let set = &mut sets[left];
        match edit {
            Edit::DropFirst => set.rdatas = set.rdatas.iter().skip(1).collect::<RdataSet>(),
            Edit::Add if set.rtype == RrType::A => set.rdatas.push(&[203, 0, 113, 1]),
            Edit::Remove => drop(sets.remove(left)),
            Edit::Move => moved = Some(sets.remove(left)),
            _ => {}
        }
        break;
    }
    additional.extend(moved);
    response.replace(&sections);
}

fn edits() -> impl Strategy<Value = Edits> {
    let edit = prop_oneof![
        2 => (0usize..9).prop_map(Edit::Rotate),
        3 => any::<u16>().prop_map(Edit::Pick),
        1 => Just(Edit::DropFirst),
        1 => Just(Edit::Add),
        1 => Just(Edit::Remove),
        1 => Just(Edit::Move),
    ];
    prop::collection::vec((0usize..4, edit), 1..5).prop_map(Edits)
}

/// The RRsets of *section*, and the signatures in it.
fn sets(message: &Message<'_>, section: Section) -> (BTreeMap<(Name, RrType), Rrset>, Vec<Rrset>) {
    let (mut data, mut signatures) = (BTreeMap::new(), Vec::new());
    for record in message.records(section).filter(|record| record.rtype != RrType::OPT) {
        let (mut rdata, owner) = (Vec::new(), record.owner().to_name());
        record.rdata(&mut rdata);
        let one = || Rrset::new(owner.clone(), record.rtype, Class::IN, record.ttl);
        if record.rtype == RrType::RRSIG {
            let mut set = one();
            set.rdatas.push(&rdata);
            signatures.push(set);
        } else {
            let set = data.entry((owner.clone(), record.rtype)).or_insert_with(one);
            set.rdatas.push(&rdata);
        }
    }
    (data, signatures)
}

/// Check every signature of *reply* against the RRset that it comes with. Returns how many there are.
fn verify(reply: &[u8]) -> Result<usize, TestCaseError> {
    let message = Message::parse(reply).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let key = Verifier::new(KEY.owner(), KEY.dnskey()).expect("our own key");
    let (mut scratch, mut count) = (Canonical::new(), 0);
    for section in SECTIONS {
        let (data, signatures) = sets(&message, section);
        for set in signatures {
            let rrsig = Rrsig::parse(set.rdatas.first().expect("one each")).expect("as in the zone");
            let covered = data.get(&(set.owner.clone(), rrsig.type_covered));
            prop_assert!(covered.is_some(), "{} {} without its RRset", set.owner, rrsig.type_covered);
            let verified = verify_rrset(covered.expect("checked"), &rrsig, &key, NOW, &mut scratch);
            prop_assert!(verified.is_ok(), "{} {}: {verified:?}", set.owner, rrsig.type_covered);
            count += 1;
        }
    }
    Ok(count)
}

fn types(reply: &[u8]) -> BTreeSet<RrType> {
    let message = Message::parse(reply).expect("checked before");
    message.answer().map(|record| record.rtype).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_signature_is_sent_with_the_rrset_that_it_covers(zone in zones(), edits in edits(), payload in 512u16..1400) {
        let Some(zone) = load(&zone).as_ref().and_then(sign) else { return Ok(()) };
        let plain = snapshot(&zone, None);
        let filtered = snapshot(&zone, Some(Arc::new(edits)));
        let mut signatures = 0;
        for qname in QUESTIONS {
            for rtype in TYPES {
                let packet = query(qname, rtype, Some(payload));
                signatures += verify(&answer(&plain, &packet, Transport::Tcp))?;
                verify(&answer(&filtered, &packet, Transport::Tcp))?;
                let reply = answer(&filtered, &packet, Transport::Udp);
                verify(&reply)?;
                prop_assert!(reply.len() <= usize::from(payload));
                // A client that does not ask for signatures gets none.
                let reply = answer(&filtered, &query(qname, rtype, None), Transport::Udp);
                prop_assert!(reply.len() <= 512);
                prop_assert!(rtype == RrType::ANY || !types(&reply).contains(&RrType::RRSIG));
            }
        }
        prop_assert!(signatures > 0, "the zone is signed");
    }
}
