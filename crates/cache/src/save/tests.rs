use std::io::Cursor;
use std::sync::Arc;

use nw_wire::code::{Class, Ede, RrType};
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use super::*;
use crate::{
    Delegation, DelegationEvidence, DelegationSource, DenialKey, DenialRecord, KeptFailure, Lookup,
    NameServer, Origin, Rank, Trust,
};

const SECOND: Micros = 1_000_000;
const NOW: Micros = 1_000_000 * SECOND;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn rrset(owner: &str, rtype: RrType, ttl: u32, rdata: &[u8]) -> Rrset {
    let mut rrset = Rrset::new(name(owner), rtype, Class::IN, ttl);
    rrset.rdatas.push(rdata);
    rrset
}

/// A cache with data, a denial, bogus data and a failure.
fn filled() -> Cache {
    let cache = Cache::new(4 << 20);
    cache.keep_expired(3600);
    let origin = |state| Origin {
        state,
        server: Some("192.0.2.1:53".parse().expect("an address")),
        ..Rank::Authoritative.into()
    };
    cache.put_rrset(
        &rrset("www.example.", RrType::A, 300, &[192, 0, 2, 80]),
        None,
        origin(State::Secure),
        NOW,
    );
    let mx = [&[0, 10][..], name("mail.example.").as_ref().wire()].concat();
    cache.put_rrset(&rrset("example.", RrType::MX, 60, &mx), None, Rank::NonAuthoritative, NOW);
    let soa = [name("ns.example.").as_ref().wire(), name("h.example.").as_ref().wire(), &[0; 20]].concat();
    let soa = rrset("example.", RrType::SOA, 100, &soa);
    cache.put_absence(name("none.example.").as_ref(), None, &soa, &[], origin(State::Insecure), NOW);
    cache.put_rrset(
        &rrset("bad.example.", RrType::A, 300, &[192, 0, 2, 66]),
        None,
        origin(State::Bogus),
        NOW,
    );
    cache.explain(name("none.example.").as_ref(), None, 0, (Ede::UNSUPPORTED_DNSKEY_ALGORITHM, "why"), NOW);
    let failure = KeptFailure {
        ede: Ede::OTHER,
        text: String::new(),
        cause: String::new(),
        network: false,
        alone_s: 5,
    };
    cache.put_failure(name("dead.example.").as_ref(), RrType::A, &failure, 300, Rank::Authoritative, NOW);
    cache
}

/// Put delegations of `example.`, `a.example.` and `b.example.`, and denial records of `example.`, into `cache`.
fn delegate(cache: &Cache) {
    let cut = |zone: &str, source, trust, above| {
        let server = NameServer {
            name: name(&format!("ns.{}", zone.trim_start_matches('.'))),
            addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        };
        let apart = NameServer { name: name("ns.elsewhere."), addresses: Vec::new() };
        let (stored, expires) = (NOW - 5 * SECOND, NOW + 300 * SECOND);
        let zone = name(zone);
        let cut = Arc::new(Delegation {
            zone,
            servers: vec![server, apart],
            source,
            trust,
            stored,
            expires,
            above,
        });
        cache.put_cut(Arc::clone(&cut), NOW);
        Some(cut)
    };
    let unknown = |evidence| Trust::Unknown { evidence };
    let root = cut(".", DelegationSource::Priming, unknown(DelegationEvidence::default()), None);
    let ds = rrset("example.", RrType::DS, 300, &[0, 1, 13, 2, 7, 7]);
    let example = cut("example.", DelegationSource::Ns, Trust::Secure { ds }, root);
    let nsec = rrset("b.example.", RrType::NSEC, 300, b"\x01c\x00\x00\x01\x20");
    let signature = rrset("b.example.", RrType::RRSIG, 300, &[0; 30]);
    let evidence = DelegationEvidence { ds: Vec::new(), denial: vec![nsec.clone(), signature.clone()] };
    cut("b.example.", DelegationSource::Ns, unknown(evidence), example.clone());
    let a = cut("a.example.", DelegationSource::Ns, Trust::Insecure, example);
    cut("gone.a.example.", DelegationSource::Ns, Trust::Insecure, a.clone());
    cache.flush_name(name("a.example.").as_ref());
    cut("a.example.", DelegationSource::Ns, Trust::Insecure, None);
    let record = |sets| DenialRecord { sets, stored: NOW - 5 * SECOND, expires: NOW + 100 * SECOND };
    let zone = name("example.");
    cache.put_denial(
        1,
        zone.as_ref(),
        DenialKey::Nsec(nsec.owner.clone()),
        record(vec![nsec, signature]),
        NOW,
    );
    let soa = [name("ns.").as_ref().wire(), name("h.").as_ref().wire(), &[0; 20]].concat();
    let soa = rrset("example.", RrType::SOA, 300, &soa);
    cache.put_denial(1, zone.as_ref(), DenialKey::Soa, record(vec![soa]), NOW);
    let hashed = format!("{}.example.", "0".repeat(32));
    let nsec3 = rrset(
        &hashed,
        RrType::NSEC3,
        300,
        &[&[1, 0, 0, 5, 1, 0xaa, 20][..], &[9; 20], &[0, 1, 0x20]].concat(),
    );
    let key = DenialKey::Nsec3([0; 20], vec![1, 0, 5, 0xaa]);
    assert_eq!(DenialKey::of(std::slice::from_ref(&nsec3)), Some(key.clone()));
    cache.put_denial(2, zone.as_ref(), key, record(vec![nsec3]), NOW);
}

fn load_into(cache: &Cache, now: Micros, unix_s: u64, file: &[u8]) -> usize {
    load(cache, now, unix_s, |_| true, &mut Cursor::new(file)).expect("sound")
}

#[test]
fn delegations_and_denial_records_survive() {
    let (before, cache) = (Cache::new(4 << 20), Cache::new(4 << 20));
    delegate(&before);
    let mut file = Vec::new();
    assert_eq!(save(&before, NOW, 5000, "basis", &mut file).unwrap(), 7);
    // 20 s later, with another clock.
    let now = 3_000_000 * SECOND;
    assert_eq!(load_into(&cache, now, 5020, &file), 7);
    assert!(cache.cut(NameRef::ROOT, now).is_none(), "it is primed anew");
    for zone in ["example.", "a.example.", "b.example.", "gone.a.example."] {
        let zone = name(zone);
        let (then, cut) = (before.cut(zone.as_ref(), NOW).unwrap(), cache.cut(zone.as_ref(), now).unwrap());
        assert_eq!((&cut.servers, &cut.trust, cut.source), (&then.servers, &then.trust, then.source));
        assert_eq!((cut.stored, cut.expires), (now - 25 * SECOND, now + 280 * SECOND));
        let above = zone.as_ref().parent().filter(|_| zone != name("a.example."));
        assert_eq!(cut.above.as_ref().map(|cut| cut.zone.as_ref()), above.filter(|above| !above.is_root()));
    }
    let zone = name("example.");
    let nsec = cache.nsec_before(1, zone.as_ref(), name("bb.example.").as_ref(), now).unwrap();
    let then = before.nsec_before(1, zone.as_ref(), name("bb.example.").as_ref(), NOW).unwrap();
    assert_eq!((&nsec.sets, nsec.stored, nsec.expires), (&then.sets, now - 25 * SECOND, now + 80 * SECOND));
    assert!(cache.denial_zone(1, zone.as_ref(), now).unwrap().soa.is_some());
    let hashing = cache.denial_zone(2, zone.as_ref(), now).unwrap().hashing;
    assert_eq!(hashing, Some(vec![1, 0, 5, 0xaa]));
    assert!(cache.nsec3_before(2, zone.as_ref(), &[1; 20], now).is_some());
    // What is known already is newer.
    assert_eq!(load_into(&cache, now, 5020, &file), 0);
    // Denial records expire after 100 s and delegations after 300 s.
    assert_eq!(load_into(&Cache::new(4 << 20), now, 5100, &file), 4);
    assert_eq!(load_into(&Cache::new(4 << 20), now, 5300, &file), 0);
}

#[test]
fn records_of_another_hash_do_not_replace_newer_ones() {
    let (before, cache) = (Cache::new(4 << 20), Cache::new(4 << 20));
    delegate(&before);
    let mut file = Vec::new();
    save(&before, NOW, 5000, "basis", &mut file).unwrap();
    let (zone, hashing) = (name("example."), vec![1, 0, 0]);
    let record = DenialRecord { sets: Vec::new(), stored: NOW, expires: NOW + 100 * SECOND };
    cache.put_denial(2, zone.as_ref(), DenialKey::Nsec3([7; 20], hashing.clone()), record, NOW);
    assert_eq!(load_into(&cache, NOW, 5000, &file), 6);
    assert_eq!(cache.denial_zone(2, zone.as_ref(), NOW).unwrap().hashing, Some(hashing));
}

#[test]
fn a_delegation_without_the_one_above_is_left_out() {
    let before = Cache::new(4 << 20);
    delegate(&before);
    before.flush_name(name("a.example.").as_ref());
    let mut file = Vec::new();
    assert_eq!(save(&before, NOW, 5000, "basis", &mut file).unwrap(), 5, "without the NSEC3 record, too");
    let cache = Cache::new(4 << 20);
    assert_eq!(load_into(&cache, NOW, 5000, &file), 4);
    assert!(cache.cut(name("gone.a.example.").as_ref(), NOW).is_none());
}

#[test]
fn a_file_of_another_version_is_refused_by_its_number() {
    let mut file = saved();
    file[7] = 2;
    let error =
        load(&Cache::new(4 << 20), NOW, 5000, |_| true, &mut Cursor::new(file)).expect_err("version 2");
    assert_eq!(
        error.to_string(),
        "offset 7: a saved cache of version 2, and this server reads version 3; it starts with an empty cache"
    );
}

fn saved() -> Vec<u8> {
    let mut file = Vec::new();
    assert_eq!(
        save(&filled(), NOW + 10 * SECOND, 5000, "basis", &mut file).expect("a vector takes everything"),
        3
    );
    file
}

#[test]
fn entries_survive_and_age_by_the_time_that_has_passed() {
    let cache = Cache::new(4 << 20);
    cache.keep_expired(3600);
    let now = 2_000_000 * SECOND;
    // Saved at the age of 10 s, loaded 90 s later.
    assert_eq!(
        load(&cache, now, 5090, |basis| basis == "basis", &mut Cursor::new(saved())).expect("sound"),
        3
    );
    let www = &cache.inspect(name("www.example.").as_ref(), now)[0];
    assert_eq!(
        (www.age_s, www.left_s(), www.validation, www.rank),
        (100, 200, State::Secure, Rank::Authoritative)
    );
    assert_eq!((www.server, www.records[0].ttl), (Some("192.0.2.1:53".parse().unwrap()), 200));
    let mx = &cache.inspect(name("example.").as_ref(), now)[0];
    assert!(mx.is_stale() && mx.rank == Rank::NonAuthoritative && mx.server.is_none());
    let none = &cache.inspect(name("none.example.").as_ref(), now)[0];
    assert_eq!(none.explained, Some((Ede::UNSUPPORTED_DNSKEY_ALGORITHM, "why".to_owned())));
    let Lookup::Expired { .. } = cache.get(name("none.example.").as_ref(), RrType::A, now) else { panic!() };
    assert!(cache.inspect(name("bad.example.").as_ref(), now).is_empty());
    assert!(cache.inspect(name("dead.example.").as_ref(), now).is_empty());
    // After a long time, nothing is of use.
    let later = Cache::new(4 << 20);
    assert_eq!(
        load(&later, now, 5000 + 90_000, |basis| basis == "basis", &mut Cursor::new(saved())).expect("sound"),
        0
    );
}

#[test]
fn what_is_loaded_lives_within_the_limits() {
    let cache = Cache::new(4 << 20);
    cache.limit_lives(120, 50);
    let now = 2_000_000 * SECOND;
    // Saved at the age of 10 s, loaded 30 s later.
    assert_eq!(load_into(&cache, now, 5030, &saved()), 3);
    let www = &cache.inspect(name("www.example.").as_ref(), now)[0];
    assert_eq!((www.age_s, www.left_s(), www.records[0].ttl), (40, 80, 80));
    let none = &cache.inspect(name("none.example.").as_ref(), now)[0];
    assert_eq!((none.left_s(), none.records[0].ttl), (10, 10));

    let (before, cache) = (Cache::new(4 << 20), Cache::new(4 << 20));
    cache.limit_lives(120, 50);
    delegate(&before);
    let mut file = Vec::new();
    save(&before, NOW, 5000, "basis", &mut file).unwrap();
    // Saved at the age of 5 s, loaded 20 s later.
    assert_eq!(load_into(&cache, now, 5020, &file), 7);
    let zone = name("example.");
    assert_eq!(cache.cut(zone.as_ref(), now).unwrap().expires, now + 95 * SECOND);
    let nsec = cache.nsec_before(1, zone.as_ref(), name("bb.example.").as_ref(), now).unwrap();
    assert_eq!(nsec.expires, now + 25 * SECOND);
    // Nothing is left of what is older than the limits.
    let cache = Cache::new(4 << 20);
    cache.limit_lives(20, 20);
    assert_eq!(load_into(&cache, now, 5020, &file), 0);
}

#[test]
fn what_was_learned_since_stays() {
    let cache = Cache::new(4 << 20);
    let now = 2_000_000 * SECOND;
    cache.put_rrset(
        &rrset("www.example.", RrType::A, 300, &[192, 0, 2, 99]),
        None,
        Rank::NonAuthoritative,
        now,
    );
    assert_eq!(
        load(&cache, now, 5000, |basis| basis == "basis", &mut Cursor::new(saved())).expect("sound"),
        2
    );
    let www = &cache.inspect(name("www.example.").as_ref(), now)[0];
    assert_eq!(www.records[0].rdatas.first(), Some(&[192, 0, 2, 99][..]));
}

/// Whatever octet is changed and wherever the file ends, nothing is taken and the error names a place.
#[test]
fn broken_files_are_refused_as_a_whole() {
    let cache = filled();
    delegate(&cache);
    let mut file = Vec::new();
    save(&cache, NOW, 5000, "basis", &mut file).unwrap();
    let refused = |file: &[u8]| {
        let cache = Cache::new(4 << 20);
        let error =
            load(&cache, NOW, 5000, |basis| basis == "basis", &mut Cursor::new(file)).expect_err("broken");
        let stats = cache.stats();
        assert_eq!((stats.answers, stats.delegations, stats.denials), (0, 0, 0));
        error.to_string()
    };
    for end in 0..file.len() {
        assert!(refused(&file[..end]).starts_with("offset "), "{end}");
    }
    // The octets 8 to 15 are the time.
    for at in (0..8).chain(16..file.len()) {
        let mut changed = file.clone();
        changed[at] ^= 0x20;
        assert!(refused(&changed).starts_with("offset "), "{at}");
    }
    assert!(refused(b"#!/bin/sh\nexit 0\n").contains("not a saved cache;"));
    // Sound checksums over items that are not: whatever octet is changed, an item is refused or another valid one.
    let (mut items, mut whole) = (Vec::new(), file.as_slice());
    whole = &whole[16..];
    while let Some((head, rest)) = whole.split_first_chunk::<8>() {
        let (chunk, rest) = rest.split_at(u32::from_be_bytes(*head.first_chunk().unwrap()) as usize);
        items.push(chunk.to_vec());
        whole = rest;
    }
    let items = &items[1];
    for at in 0..items.len() {
        for bit in [0x01, 0x20, 0xff] {
            let mut changed = items.clone();
            changed[at] ^= bit;
            let cache = Cache::new(4 << 20);
            let mut made = file[..16].to_vec();
            for chunk in [&b"basis"[..], &changed, &[]] {
                write_chunk(&mut made, &mut chunk.to_vec()).unwrap();
            }
            let _ = load(&cache, NOW, 5000, |_| true, &mut Cursor::new(made));
        }
    }
    // A sound checksum over nonsense.
    let mut foreign = file[..16].to_vec();
    write_chunk(&mut foreign, &mut b"basis".to_vec()).unwrap();
    write_chunk(&mut foreign, &mut b"nonsense".to_vec()).unwrap();
    write_chunk(&mut foreign, &mut Vec::new()).unwrap();
    assert!(refused(&foreign).contains("damaged"));
}

#[test]
fn entries_of_another_basis_are_not_taken() {
    let cache = Cache::new(4 << 20);
    let loaded = load(&cache, NOW, 5000, |basis| basis != "basis", &mut Cursor::new(saved()));
    assert!(matches!(loaded, Err(SaveError::Outdated)));
    assert_eq!(cache.stats().answers, 0);
}

#[test]
fn the_checksum_is_crc_32() {
    assert_eq!(crc(b"123456789"), 0xcbf4_3926);
}

#[test]
fn large_caches_are_saved_in_chunks() {
    let cache = Cache::new(16 << 20);
    for i in 0..5000 {
        let rrset = rrset(&format!("host-{i}.example."), RrType::A, 300, &[192, 0, 2, 1]);
        cache.put_rrset(&rrset, None, Rank::Authoritative, NOW);
    }
    let mut file = Vec::new();
    assert_eq!(save(&cache, NOW, 5000, "basis", &mut file).unwrap(), 5000);
    assert!(file.len() > 3 * CHUNK);
    let other = Cache::new(16 << 20);
    assert_eq!(load(&other, NOW, 5000, |basis| basis == "basis", &mut Cursor::new(&file)).unwrap(), 5000);
    assert_eq!(other.stats().answers, 5000);
}
