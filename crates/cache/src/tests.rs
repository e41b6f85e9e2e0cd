//! Compares the cache with a model, and checks what it writes into messages.

use std::collections::HashMap;

use nw_wire::header::Flags;
use nw_wire::message::{Message, Section};
use nw_wire::name::Name;
use nw_wire::writer::Writer;
use proptest::prelude::*;

use super::*;

const SECOND: Micros = 1_000_000;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn rrset(owner: &str, rtype: RrType, ttl: u32, rdatas: &[&[u8]]) -> Rrset {
    let mut set = Rrset::new(name(owner), rtype, Class::IN, ttl);
    rdatas.iter().for_each(|rdata| set.rdatas.push(rdata));
    set
}

fn soa(owner: &str, ttl: u32) -> Rrset {
    let mut rdata = b"\x02ns\x00\x04host\x00".to_vec();
    rdata.extend([1u32, 7200, 3600, 604_800, 300].iter().flat_map(|number| number.to_be_bytes()));
    rrset(owner, RrType::SOA, ttl, &[&rdata])
}

/// The hit for a question, as the octets of a message.
fn ask(cache: &Cache, text: &str, rtype: RrType, dnssec_ok: bool, now: Micros) -> Option<(Hit, Vec<u8>)> {
    let asked = name(text);
    let mut buf = [0; 4096];
    let mut writer = Writer::new(&mut buf, 4096, 7, Flags::default().with_qr(true));
    writer.question(asked.as_ref(), rtype, Class::IN).unwrap();
    let question =
        HitQuestion { name: asked.as_ref(), rtype, class: Class::IN, dnssec_ok, checking_disabled: false };
    let hit = cache.hit(&question, now, &mut writer)?;
    let length = writer.finish();
    Message::parse(&buf[..length]).expect("what is hit is a message");
    Some((hit, buf[..length].to_vec()))
}

#[test]
fn hits_have_the_case_of_the_question_and_reduced_ttls() {
    let cache = Cache::new(1 << 20);
    cache.put_rrset(
        &rrset("www.Example.", RrType::A, 300, &[&[1, 2, 3, 4], &[5, 6, 7, 8]]),
        None,
        Rank::Authoritative,
        0,
    );
    let (hit, reply) = ask(&cache, "WWW.example.", RrType::A, true, 10 * SECOND + 1).unwrap();
    assert_eq!((hit.rcode, hit.age_s), (Rcode::NOERROR, 10));
    let message = Message::parse(&reply).unwrap();
    let records: Vec<_> = message.answer().collect();
    assert_eq!(records.len(), 2);
    assert!(
        records.iter().all(
            |record| record.ttl == 290 && record.owner().as_ref().eq_exact(name("WWW.example.").as_ref())
        )
    );
    assert!(ask(&cache, "www.example.", RrType::A, false, 300 * SECOND - 1).is_some());
    assert!(ask(&cache, "www.example.", RrType::A, false, 300 * SECOND).is_none());
    assert!(ask(&cache, "www.example.", RrType::AAAA, false, 0).is_none());
}

#[test]
fn signatures_are_sent_only_with_do() {
    let cache = Cache::new(1 << 20);
    let mut signature = vec![0, 1, 13, 2, 0, 0, 1, 44, 0, 0, 0, 9, 0, 0, 0, 1, 1, 1];
    signature.extend(name("example.").as_ref().wire());
    signature.extend([9; 64]);
    let signatures = rrset("www.example.", RrType::RRSIG, 300, &[&signature]);
    let data = rrset("www.example.", RrType::A, 300, &[&[1, 2, 3, 4]]);
    cache.put_rrset(&data, Some(&signatures), Rank::Authoritative, 0);
    let count = |dnssec_ok| {
        let (_, reply) = ask(&cache, "www.example.", RrType::A, dnssec_ok, 0).unwrap();
        Message::parse(&reply).unwrap().answer().count()
    };
    assert_eq!((count(false), count(true)), (1, 2));
    let Lookup::Hit { found: Cached::Rrset(sets), .. } =
        cache.get(name("www.example.").as_ref(), RrType::A, 0)
    else {
        panic!("it is kept")
    };
    assert_eq!(sets, [data, signatures]);
}

#[test]
fn negative_answers_read_back() {
    let cache = Cache::new(1 << 20);
    let nsec = rrset("a.other.example.", RrType::NSEC, 60, &[b"\x01b\x07example\x00\x00\x01\x40"]);
    let soa = soa("example.", 60);
    cache.put_absence(
        name("x.y.example.").as_ref(),
        None,
        &soa,
        std::slice::from_ref(&nsec),
        Rank::Authoritative,
        0,
    );
    let (hit, reply) = ask(&cache, "x.y.example.", RrType::MX, false, 5 * SECOND).unwrap();
    assert_eq!(hit.rcode, Rcode::NXDOMAIN);
    let message = Message::parse(&reply).unwrap();
    assert_eq!((message.answer().count(), message.authority().count()), (0, 1));
    assert_eq!(message.authority().next().unwrap().ttl, 55);
    let (_, reply) = ask(&cache, "x.y.example.", RrType::MX, true, 0).unwrap();
    let message = Message::parse(&reply).unwrap();
    let owners: Vec<String> = message.authority().map(|record| record.owner().to_string()).collect();
    assert_eq!(owners, ["example.", "a.other.example."]);
    let Lookup::Hit { found: Cached::NxDomain(authority), .. } =
        cache.get(name("x.y.example.").as_ref(), RrType::A, 0)
    else {
        panic!("it is kept")
    };
    assert_eq!(authority, [soa, nsec]);
    // Data for the name ends its negative answer.
    cache.put_rrset(&rrset("x.y.example.", RrType::A, 9, &[&[1, 1, 1, 1]]), None, Rank::Authoritative, 0);
    assert!(ask(&cache, "x.y.example.", RrType::MX, false, 0).is_none());
}

/// A label may end in any octet, including one that would elsewhere be a pointer.
#[test]
fn an_owner_that_ends_like_a_pointer_reads_back() {
    let cache = Cache::new(1 << 20);
    let nsec = rrset("\\255.", RrType::NSEC, 60, &[b"\x01b\x00\x00\x01\x40"]);
    cache.put_absence(
        name("x.").as_ref(),
        None,
        &soa(".", 60),
        std::slice::from_ref(&nsec),
        Rank::Authoritative,
        0,
    );
    let Lookup::Hit { found: Cached::NxDomain(authority), .. } = cache.get(name("x.").as_ref(), RrType::A, 0)
    else {
        panic!("it is kept")
    };
    assert_eq!(authority[1], nsec);
}

#[test]
fn more_credible_data_is_not_replaced() {
    let cache = Cache::new(1 << 20);
    let good = rrset("www.example.", RrType::A, 60, &[&[1, 2, 3, 4]]);
    let other = rrset("www.example.", RrType::A, 600, &[&[6, 6, 6, 6]]);
    assert!(cache.put_rrset(&good, None, Rank::Authoritative, 0));
    assert!(!cache.put_rrset(&other, None, Rank::NonAuthoritative, 0));
    assert!(!cache.put_failure(
        name("www.example.").as_ref(),
        RrType::A,
        &network_failure(),
        5,
        Rank::NonAuthoritative,
        0
    ));
    assert!(cache.put_rrset(&other, None, Rank::Authoritative, 0));
    assert!(cache.put_rrset(&good, None, Rank::NonAuthoritative, 600 * SECOND));
}

/// Names in the types of RFC 1035 are compressed. The cached answer is no larger than the one that a writer makes.
fn message_of(sets: &[&Rrset], question: &Name, rtype: RrType) -> Vec<u8> {
    let mut buf = vec![0; 65_535];
    let mut writer = Writer::new(&mut buf, 65_535, 7, Flags::default());
    writer.question(question.as_ref(), rtype, Class::IN).unwrap();
    for set in sets {
        writer.rrset(Section::Answer, set).unwrap();
    }
    let length = writer.finish();
    buf.truncate(length);
    buf
}

proptest! {
    #[test]
    fn cached_answers_are_no_larger_than_upstream_answers(
        owner in 0..4usize,
        rtype in 0..5usize,
        targets in proptest::collection::vec((0..12usize, any::<u8>()), 1..40),
    ) {
        const OWNERS: [&str; 4] = ["www.example.com.", "EXAMPLE.com.", "a.b.c.example.org.", "."];
        const ENDS: [&str; 4] = ["example.com.", "Example.COM.", "mail.example.net.", "."];
        let rtype = [RrType::MX, RrType::NS, RrType::PTR, RrType::SOA, RrType::A][rtype];
        let question = name(OWNERS[owner]);
        let mut set = Rrset::new(question.clone(), rtype, Class::IN, 300);
        for (target, salt) in targets {
            let label = if target % 3 == 0 { String::new() } else { format!("m{}.", salt % 16) };
            let end = ENDS[target % 4];
            let target = name(&if end == "." && !label.is_empty() { label } else { format!("{label}{end}") });
            let wire = target.as_ref().wire();
            let rdata = match rtype {
                RrType::MX => [&[0, salt][..], wire].concat(),
                RrType::SOA => [wire, b"\x0ahostmaster", wire, &[salt; 20]].concat(),
                RrType::A => vec![10, 0, 0, salt],
                _ => wire.to_vec(),
            };
            if !set.rdatas.contains(&rdata) {
                set.rdatas.push(&rdata);
            }
        }
        let signature = rrset(OWNERS[owner], RrType::RRSIG, 300, &[&[0, rtype.0 as u8, 13, 2, 0, 0, 1, 44, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 2, 3]]);
        let cache = Cache::new(1 << 20);
        prop_assert!(cache.put_rrset(&set, Some(&signature), Rank::Authoritative, 0));
        for dnssec_ok in [false, true] {
            let (_, cached) = ask(&cache, OWNERS[owner], rtype, dnssec_ok, 0).unwrap();
            let sets = if dnssec_ok { vec![&set, &signature] } else { vec![&set] };
            let fresh = message_of(&sets, &question, rtype);
            prop_assert!(cached.len() <= fresh.len(), "{} octets, fresh {}", cached.len(), fresh.len());
            let read = |bytes: &[u8]| -> Vec<(Name, RrType, Vec<u8>)> {
                let message = Message::parse(bytes).unwrap();
                message.answer().map(|record| {
                    let mut rdata = Vec::new();
                    record.rdata(&mut rdata);
                    rdata.make_ascii_lowercase();
                    (record.owner().to_name(), record.rtype, rdata)
                }).collect()
            };
            prop_assert_eq!(read(&cached), read(&fresh));
        }
        // The resolver reads back what was stored.
        let Lookup::Hit { found: Cached::Rrset(sets), .. } = cache.get(question.as_ref(), rtype, 0) else { panic!() };
        prop_assert_eq!(sets.len(), 2);
        let lower = |set: &Rrset| set.rdatas.iter().map(|rdata| rdata.to_ascii_lowercase()).collect::<Vec<_>>();
        prop_assert_eq!((&sets[0].owner, lower(&sets[0])), (&set.owner, lower(&set)));
        prop_assert_eq!(&sets[1], &signature);
    }
}

fn network_failure() -> KeptFailure {
    let text = "192.0.2.1:53: timeout".to_string();
    KeptFailure {
        ede: Ede::NETWORK_ERROR,
        text,
        cause: "no server of example. gave a usable reply é".repeat(9),
        network: true,
        alone_s: 5,
    }
}

#[test]
fn failures_are_stored_and_hit() {
    let cache = Cache::new(1 << 20);
    cache.put_failure(
        name("www.example.").as_ref(),
        RrType::A,
        &network_failure(),
        5,
        Rank::NonAuthoritative,
        0,
    );
    let (hit, _) = ask(&cache, "www.example.", RrType::A, false, 0).unwrap();
    assert_eq!((hit.rcode, hit.failure), (Rcode::SERVFAIL, Some(Ede::NETWORK_ERROR)));
    let found = cache.get(name("www.example.").as_ref(), RrType::A, 2 * SECOND);
    let Lookup::Hit { found: Cached::Failure(kept), age_s: 2, left_s: 3, .. } = found else {
        panic!("{found:?}")
    };
    assert_eq!((kept.ede, &kept.text, kept.network), (Ede::NETWORK_ERROR, &network_failure().text, true));
    assert!(network_failure().cause.starts_with(&kept.cause) && kept.cause.len() > 290);
    assert!(ask(&cache, "www.example.", RrType::A, false, 5 * SECOND).is_none());
}

#[test]
fn answers_that_do_not_fit_are_truncated() {
    let cache = Cache::new(1 << 20);
    let rdatas: Vec<[u8; 4]> = (0..50).map(|i| [10, 0, 0, i]).collect();
    let rdatas: Vec<&[u8]> = rdatas.iter().map(|rdata| &rdata[..]).collect();
    cache.put_rrset(&rrset("www.example.", RrType::A, 60, &rdatas), None, Rank::Authoritative, 0);
    let asked = name("www.example.");
    let mut buf = [0; 512];
    let mut writer = Writer::new(&mut buf, 512, 7, Flags::default());
    writer.question(asked.as_ref(), RrType::A, Class::IN).unwrap();
    let question = HitQuestion {
        name: asked.as_ref(),
        rtype: RrType::A,
        class: Class::IN,
        dnssec_ok: false,
        checking_disabled: false,
    };
    assert!(cache.hit(&question, 0, &mut writer).unwrap().truncated);
    assert_eq!(writer.counts(), [1, 0, 0, 0]);
}

/// Attack B7: a stream of names that are queried only once does not evict entries in use.
#[test]
fn a_flood_of_new_names_does_not_evict_used_entries() {
    let cache = Cache::new(2 << 20);
    let data = |text: String| rrset(&text, RrType::A, 3600, &[&[1, 2, 3, 4]]);
    for i in 0..2000 {
        cache.put_rrset(&data(format!("hot{i}.example.")), None, Rank::Authoritative, 0);
    }
    let hot = |cache: &Cache| {
        (0..2000).filter(|i| ask(cache, &format!("hot{i}.example."), RrType::A, false, 0).is_some()).count()
    };
    assert_eq!(hot(&cache), 2000);
    let mut least = 2000;
    for round in 0..20 {
        for i in 0..5000 {
            cache.put_rrset(&data(format!("r{round}-{i}.evil.")), None, Rank::Authoritative, 0);
        }
        least = least.min(hot(&cache));
    }
    assert!(cache.stats().evicted > 50_000, "{:?}", cache.stats());
    assert!(least >= 1900, "{least}");
}

#[test]
fn flushing_removes_a_name_or_a_tree() {
    let cache = Cache::new(1 << 20);
    for text in ["a.example.", "b.a.example.", "c.example.", "a.other."] {
        cache.put_rrset(&rrset(text, RrType::A, 60, &[&[1, 2, 3, 4]]), None, Rank::Authoritative, 0);
    }
    assert_eq!(cache.flush_name(name("a.example.").as_ref()), 1);
    assert_eq!(cache.flush_tree(name("example.").as_ref()), 2);
    assert!(ask(&cache, "a.other.", RrType::A, false, 0).is_some());
    assert_eq!(cache.inspect(name("a.other.").as_ref(), 0)[0].kind, Kind::Data);
    cache.clear();
    assert_eq!(cache.stats().answers, 0);
}

/// The absence of a name answers every type: it goes with each of them, and so do the records that would prove it again.
#[test]
fn flushing_a_type_removes_the_absence_of_the_name() {
    let absent = name("a.example.");
    for only in [None, Some(FlushOnly::Negative)] {
        let cache = Cache::new(1 << 20);
        cache.put_absence(absent.as_ref(), None, &soa("example.", 60), &[], Rank::Authoritative, 0);
        let other = name("b.example.");
        cache.put_absence(other.as_ref(), None, &soa("example.", 60), &[], Rank::Authoritative, 0);
        let record = DenialRecord { sets: vec![], stored: 0, expires: 60_000_000 };
        cache.put_denial(0, name("example.").as_ref(), DenialKey::Nsec(name("example.")), record, 0);
        let wanted = Flush { name: Some(absent.as_ref()), rtype: Some(RrType::A), only, ..Flush::default() };
        assert_eq!(cache.flush(&wanted), 2, "{only:?}");
        assert!(ask(&cache, "a.example.", RrType::A, false, 0).is_none(), "{only:?}");
        assert!(ask(&cache, "b.example.", RrType::A, false, 0).is_some(), "{only:?}");
    }
}

#[test]
fn a_million_answers_use_little_memory() {
    let cache = Cache::new(64 << 20);
    for i in 0..100_000 {
        cache.put_rrset(
            &rrset(&format!("host-{i}.example.com."), RrType::A, 60, &[&[1, 2, 3, 4]]),
            None,
            Rank::Authoritative,
            0,
        );
    }
    let stats = cache.stats();
    assert_eq!(stats.answers, 100_000);
    assert!(stats.octets / stats.answers <= 140, "{}", stats.octets / stats.answers);
}

/// An operation on a cache.
#[derive(Clone, Debug)]
enum Act {
    Data { name: u8, rtype: u8, ttl: u32, value: u8 },
    NoData { name: u8, rtype: u8, ttl: u32 },
    NxDomain { name: u8, ttl: u32 },
    Failure { name: u8, rtype: u8, life: u32 },
    Wait { seconds: u32 },
    Flush { name: u8 },
    Ask { name: u8, rtype: u8 },
}

fn act() -> impl Strategy<Value = Act> {
    let (name, rtype, ttl) = (0u8..6, 0u8..3, 1u32..40);
    prop_oneof![
        (name.clone(), rtype.clone(), ttl.clone(), any::<u8>())
            .prop_map(|(name, rtype, ttl, value)| Act::Data { name, rtype, ttl, value }),
        (name.clone(), rtype.clone(), ttl.clone()).prop_map(|(name, rtype, ttl)| Act::NoData {
            name,
            rtype,
            ttl
        }),
        (name.clone(), ttl.clone()).prop_map(|(name, ttl)| Act::NxDomain { name, ttl }),
        (name.clone(), rtype.clone(), ttl).prop_map(|(name, rtype, life)| Act::Failure { name, rtype, life }),
        (1u32..20).prop_map(|seconds| Act::Wait { seconds }),
        name.clone().prop_map(|name| Act::Flush { name }),
        (name, rtype).prop_map(|(name, rtype)| Act::Ask { name, rtype }),
    ]
}

/// The model's entry for a key. The type is None for the name as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    Data(u8),
    NoData,
    NxDomain,
    Failure,
}

proptest! {
    /// For any operations, a cache with enough memory behaves like a map with expiry times.
    #[test]
    fn the_cache_is_a_map_with_expiry(acts in proptest::collection::vec(act(), 1..80)) {
        const TYPES: [RrType; 3] = [RrType::A, RrType::AAAA, RrType::TXT];
        let cache = Cache::new(4 << 20);
        let owner = |number: u8| format!("n{number}.example.");
        let mut model: HashMap<(u8, Option<u8>), (Known, Micros, Micros)> = HashMap::new();
        let mut now: Micros = 5;
        for act in acts {
            let until = |ttl: u32| now + ttl as Micros * SECOND;
            let alive = |model: &HashMap<_, (Known, Micros, Micros)>, key| {
                model.get(&key).copied().filter(|(_, _, until)| now < *until)
            };
            match act {
                Act::Data { name, rtype, ttl, value } => {
                    let rdata: &[u8] = match rtype {
                        0 => &[1, 2, 3, value],
                        1 => &[value; 16],
                        _ => &[1, value],
                    };
                    cache.put_rrset(&rrset(&owner(name), TYPES[rtype as usize], ttl, &[rdata]), None, Rank::Authoritative, now);
                    model.insert((name, Some(rtype)), (Known::Data(value), now, until(ttl)));
                    model.remove(&(name, None));
                }
                Act::NoData { name, rtype, ttl } => {
                    cache.put_absence(self::name(&owner(name)).as_ref(), Some(TYPES[rtype as usize]), &soa("example.", ttl), &[], Rank::Authoritative, now);
                    model.insert((name, Some(rtype)), (Known::NoData, now, until(ttl)));
                }
                Act::NxDomain { name, ttl } => {
                    cache.put_absence(self::name(&owner(name)).as_ref(), None, &soa("example.", ttl), &[], Rank::Authoritative, now);
                    model.insert((name, None), (Known::NxDomain, now, until(ttl)));
                }
                Act::Failure { name, rtype, life } => {
                    cache.put_failure(self::name(&owner(name)).as_ref(), TYPES[rtype as usize], &network_failure(), life, Rank::NonAuthoritative, now);
                    let better = alive(&model, (name, Some(rtype))).is_some_and(|(known, ..)| known != Known::Failure);
                    if !better {
                        model.insert((name, Some(rtype)), (Known::Failure, now, until(life)));
                    }
                }
                Act::Wait { seconds } => now += seconds as Micros * SECOND,
                Act::Flush { name } => {
                    cache.flush_name(self::name(&owner(name)).as_ref());
                    model.retain(|(other, _), _| *other != name);
                }
                Act::Ask { name, rtype } => {
                    let expected = alive(&model, (name, Some(rtype))).or_else(|| alive(&model, (name, None)));
                    let got = ask(&cache, &owner(name), TYPES[rtype as usize], false, now);
                    prop_assert_eq!(got.is_some(), expected.is_some());
                    let (Some((hit, reply)), Some((known, stored, until))) = (got, expected) else { continue };
                    let message = Message::parse(&reply).unwrap();
                    let left = ((until - stored) / SECOND - (now - stored) / SECOND) as u32;
                    match known {
                        Known::Data(value) => {
                            let record = message.answer().next().unwrap();
                            prop_assert_eq!((hit.rcode, record.ttl), (Rcode::NOERROR, left));
                            prop_assert_eq!(record.rdata_raw().last(), Some(&value));
                        }
                        Known::NoData | Known::NxDomain => {
                            let rcode = if known == Known::NoData { Rcode::NOERROR } else { Rcode::NXDOMAIN };
                            prop_assert_eq!((hit.rcode, message.authority().next().unwrap().ttl), (rcode, left));
                        }
                        Known::Failure => prop_assert_eq!(hit.rcode, Rcode::SERVFAIL),
                    }
                }
            }
        }
    }

    /// The byte bound holds for any entries.
    #[test]
    fn the_bound_holds(sizes in proptest::collection::vec((any::<u16>(), 1usize..200), 1..400)) {
        let cache = Cache::new(200_000);
        for (number, size) in sizes {
            let rdata = [vec![(size % 256) as u8], vec![0; size % 256]].concat();
            cache.put_rrset(&rrset(&format!("n{number}.example."), RrType::TXT, 60, &[&rdata]), None, Rank::Authoritative, 0);
            prop_assert!(cache.stats().octets <= 200_000);
        }
    }
}

/// Write the hit for `reader`, and return it with the TTL of its first record.
fn ask_as(cache: &Cache, reader: &Reader, text: &str, now: Micros) -> Option<(Hit, u32)> {
    let asked = name(text);
    let mut buf = [0; 4096];
    let mut writer = Writer::new(&mut buf, 4096, 7, Flags::default().with_qr(true));
    writer.question(asked.as_ref(), RrType::A, Class::IN).unwrap();
    let question = HitQuestion {
        name: asked.as_ref(),
        rtype: RrType::A,
        class: Class::IN,
        dnssec_ok: false,
        checking_disabled: reader.checking_disabled,
    };
    let hit = cache.hit_as(reader, &question, now, &mut writer)?;
    let length = writer.finish();
    let ttl = Message::parse(&buf[..length]).unwrap().answer().next().map_or(0, |record| record.ttl);
    Some((hit, ttl))
}

fn address(last: u8) -> Rrset {
    rrset("www.example.", RrType::A, 60, &[&[192, 0, 2, last]])
}

fn found(cache: &Cache, reader: &Reader) -> Option<u8> {
    match cache.get_as(reader, name("www.example.").as_ref(), RrType::A, 0) {
        Lookup::Hit { found: Cached::Rrset(sets), .. } => Some(sets[0].rdatas.first().unwrap()[3]),
        _ => None,
    }
}

#[test]
fn unvalidated_data_is_only_for_clients_that_set_cd() {
    let origin = |state| Origin { state, ..Rank::Authoritative.into() };
    let (plain, cd) = (Reader::default(), Reader { checking_disabled: true, ..Reader::default() });
    for state in [State::Unchecked, State::Bogus] {
        let cache = Cache::new(1 << 20);
        assert!(cache.put_rrset(&address(6), None, origin(state), 0));
        assert_eq!((found(&cache, &plain), found(&cache, &cd)), (None, Some(6)));
        assert!(ask_as(&cache, &plain, "www.example.", 0).is_none());
        assert_eq!(ask_as(&cache, &cd, "www.example.", 0).unwrap().0.state, state);
        // It is stored beside validated data, and neither replaces the other.
        assert!(cache.put_rrset(&address(1), None, origin(State::Secure), 0));
        assert!(cache.put_rrset(&address(6), None, origin(state), 0));
        assert_eq!(found(&cache, &plain), Some(1));
        assert_eq!(ask_as(&cache, &plain, "www.example.", 0).unwrap().0.state, State::Secure);
    }
    // A validation failure is a failure for readers without CD.
    let cache = Cache::new(1 << 20);
    cache.put_failure(
        name("www.example.").as_ref(),
        RrType::A,
        &network_failure(),
        5,
        origin(State::Bogus),
        0,
    );
    assert!(ask_as(&cache, &plain, "www.example.", 0).is_some());
    assert!(ask_as(&cache, &cd, "www.example.", 0).is_none());
}

#[test]
fn views_and_networks_have_separate_entries() {
    let cache = Cache::new(1 << 20);
    let put = |last, view, scope| {
        cache.put_rrset(&address(last), None, Origin { view, scope, ..Rank::Authoritative.into() }, 0)
    };
    let network = |text: &str, length| Scope::new(text.parse().unwrap(), length);
    let before = cache.stats().octets;
    assert!(put(1, 0, None) && put(2, 1, None));
    assert!(put(3, 2, network("198.51.100.77", 24)) && put(4, 2, network("2001:db8::", 32)));
    assert!(cache.stats().octets > before);
    let client =
        |view, client: &str| Reader { view, client: Some(client.parse().unwrap()), ..Reader::default() };
    assert_eq!(found(&cache, &Reader::default()), Some(1));
    assert_eq!(found(&cache, &client(1, "198.51.100.1")), Some(2));
    assert_eq!(found(&cache, &client(2, "198.51.100.1")), Some(3));
    assert_eq!(found(&cache, &client(2, "2001:db8:1::1")), Some(4));
    assert_eq!(found(&cache, &client(2, "198.51.101.1")), None);
    assert_eq!(found(&cache, &Reader { view: 2, ..Reader::default() }), None);
    assert_eq!(Scope::new("192.0.2.1".parse().unwrap(), 0), None);
}

#[test]
fn readers_can_accept_stale_entries() {
    let cache = Cache::new(1 << 20);
    cache.put_rrset(&address(1), None, Rank::Authoritative, 0);
    let patient = Reader { stale_s: 3600, stale_ttl_s: 30, ..Reader::default() };
    let at = |now| ask_as(&cache, &patient, "www.example.", now).map(|(hit, ttl)| (hit.freshness, ttl));
    assert_eq!(at(59 * SECOND), Some((Freshness::Fresh, 1)));
    assert_eq!(at(60 * SECOND), Some((Freshness::Stale, 30)));
    assert_eq!(at(3659 * SECOND), Some((Freshness::Stale, 30)));
    assert_eq!(at(3660 * SECOND), None);
    assert!(ask_as(&cache, &Reader::default(), "www.example.", 60 * SECOND).is_none());
}

#[test]
fn an_entry_can_be_made_to_expire() {
    let cache = Cache::new(1 << 20);
    cache.put_rrset(&address(1), None, Rank::Authoritative, 0);
    let patient = Reader { stale_s: 60, stale_ttl_s: 30, ..Reader::default() };
    let at = |now| ask_as(&cache, &patient, "www.example.", now).map(|(hit, ttl)| (hit.freshness, ttl));
    let name: Name = "www.example.".parse().unwrap();
    assert_eq!(cache.expire(name.as_ref(), RrType::AAAA, 0), 0);
    assert_eq!(at(0), Some((Freshness::Fresh, 60)));
    // Also in the moment in which it was stored.
    assert_eq!(cache.expire(name.as_ref(), RrType::A, 0), 1);
    assert_eq!(at(0), Some((Freshness::Stale, 30)));
    assert_eq!(at(59 * SECOND), Some((Freshness::Stale, 30)));
    assert_eq!(at(60 * SECOND), None);
    let question = HitQuestion {
        name: name.as_ref(),
        rtype: RrType::A,
        class: Class::IN,
        dnssec_ok: false,
        checking_disabled: false,
    };
    assert_eq!(cache.stale(&patient, &question, SECOND / 2).map(|stale| stale.expired_s), Some(1));
}

#[test]
fn a_panic_under_a_lock_leaves_the_cache_usable() {
    let cache = Arc::new(Cache::new(1 << 20));
    assert!(cache.put_rrset(&address(1), None, Rank::Authoritative, 0));
    let other = Arc::clone(&cache);
    let panicked = std::thread::spawn(move || {
        let _held: Vec<_> = other.shards.iter().map(|shard| lock(&shard.answers)).collect();
        panic!("while every shard is locked");
    });
    assert!(panicked.join().is_err());
    assert_eq!(found(&cache, &Reader::default()), Some(1));
    assert!(cache.put_rrset(&address(2), None, Rank::Authoritative, 0));
    assert_eq!(found(&cache, &Reader::default()), Some(2));
}

#[test]
fn an_explanation_stays_with_its_entry_and_out_of_the_answer() {
    let cache = Cache::new(4 << 20);
    let origin = Origin { state: State::Insecure, ..Rank::Authoritative.into() };
    let mx = [&[0, 10][..], name("mail.example.").as_ref().wire()].concat();
    let set = rrset("www.example.", RrType::MX, 60, &[&mx]);
    let signatures = rrset("www.example.", RrType::RRSIG, 60, &[&[0; 40]]);
    cache.put_rrset(&set, Some(&signatures), origin, 0);
    let (owner, ede) = (name("www.example."), Ede::UNSUPPORTED_DNSKEY_ALGORITHM);
    let found = || {
        let Lookup::Hit { found: Cached::Rrset(sets), explained, .. } =
            cache.get(owner.as_ref(), RrType::MX, 0)
        else {
            panic!("it is cached");
        };
        (sets, explained)
    };
    let answer = |dnssec_ok| {
        let (hit, octets) = ask(&cache, "www.example.", RrType::MX, dnssec_ok, 0).expect("it is cached");
        (hit.explained, octets)
    };
    let before = (found().0, answer(false).1, answer(true).1);
    assert_eq!((found().1, answer(true).0), (None, false));
    let octets = cache.stats().octets;
    assert!(!cache.explain(owner.as_ref(), Some(RrType::A), 0, (ede, "why"), 0), "no such entry");
    for text in ["because", "why"] {
        assert!(cache.explain(owner.as_ref(), Some(RrType::MX), 0, (ede, text), 0));
        assert_eq!(found(), (before.0.clone(), Some((ede, text.to_owned()))));
        assert_eq!((answer(false), answer(true)), ((true, before.1.clone()), (true, before.2.clone())));
    }
    assert!((7..64).contains(&(cache.stats().octets - octets)), "its own octets, and those of the table");
    assert!(cache.explain(owner.as_ref(), Some(RrType::MX), 0, (ede, &"\u{e9}".repeat(300)), 0));
    assert_eq!(found().1, Some((ede, "\u{e9}".repeat(150))));
    // A secure entry has no reason to be insecure.
    cache.put_rrset(&set, None, Origin { state: State::Secure, ..origin }, 0);
    assert!(!cache.explain(owner.as_ref(), Some(RrType::MX), 0, (ede, "why"), 0));
    assert_eq!(found().1, None);
}
