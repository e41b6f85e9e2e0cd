use std::io::Cursor;

use nw_wire::name::Name;

use super::*;
use crate::{KeptFailure, Lookup, Origin};

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
    let failure = KeptFailure { ede: nw_wire::code::Ede::OTHER, text: String::new(), cause: String::new() };
    cache.put_failure(name("dead.example.").as_ref(), RrType::A, &failure, 300, Rank::Authoritative, NOW);
    cache
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
    let file = saved();
    let refused = |file: &[u8]| {
        let cache = Cache::new(4 << 20);
        let error =
            load(&cache, NOW, 5000, |basis| basis == "basis", &mut Cursor::new(file)).expect_err("broken");
        assert_eq!(cache.stats().answers, 0);
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
    assert!(refused(b"#!/bin/sh\nexit 0\n").contains("not a saved cache"));
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
