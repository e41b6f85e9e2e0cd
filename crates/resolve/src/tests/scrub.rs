//! Whatever a server says, what is taken of it lies in its zone and on the way to the name asked.

use nw_wire::code::{Class, Rcode, RrType};
use nw_wire::header::Flags;
use nw_wire::message::{Message, Section};
use nw_wire::name::{Name, NameRef};
use nw_wire::writer::Writer;
use proptest::prelude::*;

use crate::budget::Budget;
use crate::classify::{Asked, Reply, classify};
use crate::minimise::Minimiser;

/// Names in, above and beside the zone `zone.test.`
const NAMES: [&str; 10] = [
    ".",
    "test.",
    "zone.test.",
    "www.zone.test.",
    "sub.zone.test.",
    "ns.sub.zone.test.",
    "a.sub.zone.test.",
    "other.test.",
    "ns.other.test.",
    "evilzone.test.",
];

fn name(number: u8) -> Name {
    NAMES[number as usize % NAMES.len()].parse().unwrap()
}

/// A record: section, owner, kind, target.
type Rough = (u8, u8, u8, u8);

fn write(records: &[Rough], asked: &Name, rtype: RrType, flags: Flags) -> Vec<u8> {
    let mut buf = vec![0; 8192];
    let mut writer = Writer::new(&mut buf, 8192, 1, flags);
    writer.question(asked.as_ref(), rtype, Class::IN).unwrap();
    for section in 0..3 {
        for &(_, owner, kind, target) in records.iter().filter(|rough| rough.0 % 3 == section) {
            let (owner, target) = (name(owner), name(target));
            let target = target.as_ref().wire();
            let (rtype, rdata) = match kind % 7 {
                0 => (RrType::A, vec![192, 0, 2, 1]),
                1 => (RrType::NS, target.to_vec()),
                2 => (RrType::CNAME, target.to_vec()),
                3 => (RrType::DNAME, target.to_vec()),
                4 => (RrType::SOA, [target, target, &[0; 20]].concat()),
                5 => (RrType::NSEC, [target, &[0, 1, 0x40]].concat()),
                _ => (RrType::AAAA, vec![1; 16]),
            };
            let section = [Section::Answer, Section::Authority, Section::Additional][section as usize];
            writer.record(section, owner.as_ref(), rtype, Class::IN, 60, &rdata).unwrap();
        }
    }
    let length = writer.finish();
    buf.truncate(length);
    buf
}

proptest! {
    #[test]
    fn nothing_foreign_is_taken(
        records in proptest::collection::vec(any::<Rough>(), 0..24),
        asked in 2u8..7,
        rtype in 0usize..4,
        aa: bool,
        recursive: bool,
        nxdomain: bool,
    ) {
        let rtype = [RrType::A, RrType::CNAME, RrType::NS, RrType::ANY][rtype];
        let (asked, zone) = (name(asked), name(2));
        let rcode = if nxdomain { Rcode::NXDOMAIN } else { Rcode::NOERROR };
        let bytes = write(&records, &asked, rtype, Flags::default().with_qr(true).with_aa(aa).with_rcode(rcode));
        let message = Message::parse(&bytes).unwrap();
        let question = Asked { name: asked.as_ref(), rtype, zone: zone.as_ref(), recursive, delegated: &|_| false };
        let inside = |name: &Name| name.as_ref().is_at_or_below(zone.as_ref());
        let reply = match classify(&message, &question, &Budget::default()) {
            Reply::Unauthoritative(reply) => *reply,
            reply => reply,
        };
        match reply {
            Reply::Answer(chain) | Reply::Alias(chain, _) | Reply::TooLong(chain) => {
                // Link by link from the name asked, and never outside.
                let mut at = asked;
                for link in &chain.links {
                    let owner = &link.rrset.owner;
                    prop_assert!(inside(owner));
                    if link.rrset.rtype == RrType::CNAME {
                        prop_assert_eq!(owner, &at);
                        at = Name::from_wire(link.rrset.rdatas.first().unwrap()).unwrap();
                    } else {
                        prop_assert!(at.as_ref().is_below(owner.as_ref()));
                    }
                }
                for data in &chain.data {
                    prop_assert!(inside(&data.rrset.owner));
                    prop_assert_eq!(&data.rrset.owner, &at);
                }
            }
            Reply::Absence(chain, absence) => {
                prop_assert!(chain.links.iter().all(|link| inside(&link.rrset.owner)));
                prop_assert!(inside(&absence.name));
                // What is denied is the name asked for, and behind an alias only what a forwarder says.
                prop_assert!(absence.name == asked || recursive);
                if let Some(soa) = absence.soa {
                    prop_assert!(inside(&soa.rrset.owner) && absence.name.as_ref().is_at_or_below(soa.rrset.owner.as_ref()));
                }
                prop_assert!(absence.proof.iter().all(|set| inside(&set.rrset.owner)));
            }
            Reply::Referral(referral) => {
                prop_assert!(!recursive);
                prop_assert!(referral.child.as_ref().is_below(zone.as_ref()));
                prop_assert!(asked.as_ref().is_at_or_below(referral.child.as_ref()));
                for server in referral.servers {
                    prop_assert!(server.addresses.is_empty() || inside(&server.name));
                }
            }
            Reply::Unauthoritative(_) | Reply::Lame(_) | Reply::Failed(_) | Reply::Unusable(_) => {}
        }
    }

    /// However long the name, the whole of it is asked after at most so many shortened questions, each longer than the last.
    #[test]
    fn shortened_questions_end(labels in 1usize..126, zone in 0usize..126, most in 0u32..20) {
        let name: Name = "a.".repeat(labels).parse().unwrap();
        let zone = name.as_ref().suffix(zone.min(labels)).to_name();
        let mut minimiser = Minimiser::new(most);
        let (mut asked, mut last) = (0, zone.as_ref().label_count());
        loop {
            let (shown, rtype, shortened) = minimiser.question(zone.as_ref(), name.as_ref(), RrType::TXT);
            if !shortened {
                prop_assert_eq!((shown, rtype), (name, RrType::TXT));
                break;
            }
            prop_assert!(shown.as_ref().label_count() > last);
            last = shown.as_ref().label_count();
            asked += 1;
            minimiser.more(shown.as_ref(), name.as_ref());
        }
        prop_assert!(asked <= most);
    }
}

#[test]
fn the_root_is_asked_whole() {
    let (shown, rtype, shortened) = Minimiser::new(10).question(NameRef::ROOT, NameRef::ROOT, RrType::NS);
    assert_eq!((shown, rtype, shortened), (Name::root(), RrType::NS, false));
}

/// The signatures of each RRset find it, in whatever order they are stored, and name their signer.
#[test]
fn signatures_find_their_rrset() {
    use crate::signed::{flatten, pair};
    use nw_wire::rrset::Rrset;
    let set = |rtype, rdatas: &[&[u8]]| {
        let mut set = Rrset::new(name(3), rtype, Class::IN, 60);
        rdatas.iter().for_each(|rdata| set.rdatas.push(rdata));
        set
    };
    let rrsig = |covers: u8| [&[0, covers], &[8; 16][..], b"\x04zone\x04test\0", b"signature"].concat();
    let soa = set(RrType::SOA, &[b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"]);
    let nsec = set(RrType::NSEC, &[b"\0\0\x01\x40"]);
    // As the cache returns them: signatures of one owner and TTL in one set.
    let both = set(RrType::RRSIG, &[&rrsig(6), &rrsig(47), &rrsig(1)]);
    let paired = pair(vec![soa.clone(), nsec.clone(), both]);
    let signers: Vec<_> = paired.iter().map(|one| one.signer().map(NameRef::to_name)).collect();
    assert_eq!(signers, [Some(name(2)), Some(name(2)), None]);
    let types: Vec<RrType> = flatten(paired).iter().map(|set| set.rtype).collect();
    assert_eq!(types, [RrType::SOA, RrType::RRSIG, RrType::NSEC, RrType::RRSIG, RrType::RRSIG]);
}
