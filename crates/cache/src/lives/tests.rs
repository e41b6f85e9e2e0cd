use nw_wire::code::{Class, Rcode, RrType};
use nw_wire::header::Flags;
use nw_wire::message::{Message, Section};
use nw_wire::name::Name;
use nw_wire::rrset::Rrset;
use nw_wire::writer::Writer;

use super::*;
use crate::{
    Delegation, DelegationSource, DenialKey, DenialRecord, HitQuestion, KeptFailure, Rank, Trust, WholeAnswer,
};

const SECOND: Micros = 1_000_000;
const DEFAULT: Lives = Lives { data_s: 86_400, absence_s: 3600, failure_s: 300, least_s: 0 };

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn rrset(owner: &str, rtype: RrType, ttl: u32, rdata: &[u8]) -> Rrset {
    let mut set = Rrset::new(name(owner), rtype, Class::IN, ttl);
    set.rdatas.push(rdata);
    set
}

fn soa(ttl: u32) -> Rrset {
    let mut rdata = b"\x02ns\x00\x04host\x00".to_vec();
    rdata.extend([1u32, 7200, 3600, 604_800, 300].iter().flat_map(|number| number.to_be_bytes()));
    rrset("example.", RrType::SOA, ttl, &rdata)
}

/// The TTLs that a client gets; None on a miss.
fn ttls(cache: &Cache, owner: &str, now: Micros) -> Option<Vec<u32>> {
    let asked = name(owner);
    let mut room = [0; 1024];
    let mut out = Writer::new(&mut room, 1024, 7, Flags::default().with_qr(true));
    out.question(asked.as_ref(), RrType::A, Class::IN).expect("it fits");
    let question = HitQuestion {
        name: asked.as_ref(),
        rtype: RrType::A,
        class: Class::IN,
        dnssec_ok: false,
        checking_disabled: false,
    };
    cache.hit(&question, now, &mut out)?;
    let length = out.finish();
    let message = Message::parse(&room[..length]).expect("valid");
    Some(message.answer().chain(message.authority()).map(|record| record.ttl).collect())
}

/// An alias with a TTL of a day to data, or to an absence, with a TTL of 600 s.
fn put_chain(cache: &Cache, owner: &str, denies: bool) {
    let (alias, target) = (name(owner), name("target.example."));
    let mut room = [0; 512];
    let mut out = Writer::new(&mut room, 512, 0, Flags::default());
    out.question(alias.as_ref(), RrType::A, Class::IN).expect("it fits");
    let start = out.question_end();
    let mut offsets = Vec::new();
    let set = rrset(owner, RrType::CNAME, 86_400, target.as_ref().wire());
    let end = if denies { soa(600) } else { rrset("target.example.", RrType::A, 600, &[192, 0, 2, 1]) };
    let section = if denies { Section::Authority } else { Section::Answer };
    for (section, set) in [(Section::Answer, &set), (section, &end)] {
        out.rrset_noting(section, set, |at| offsets.push(at - start)).expect("it fits");
    }
    let [_, answer, authority, _] = out.counts();
    let length = out.finish();
    let whole = WholeAnswer {
        rcode: Rcode::NOERROR,
        counts: (answer, authority),
        body: &room[start..length],
        ttl_offsets: &offsets,
        life_s: 600,
        origin: Rank::Authoritative.into(),
        explained: None,
    };
    let question = HitQuestion {
        name: alias.as_ref(),
        rtype: RrType::A,
        class: Class::IN,
        dnssec_ok: false,
        checking_disabled: false,
    };
    assert!(cache.put_chain(&question, &whole, 0));
}

fn filled() -> Cache {
    let cache = Cache::new(4 << 20);
    for (owner, ttl) in [("day.example.", 86_400), ("short.example.", 30)] {
        cache.put_rrset(&rrset(owner, RrType::A, ttl, &[192, 0, 2, 1]), None, Rank::Authoritative, 0);
    }
    let absent = name("absent.example.");
    cache.put_absence(absent.as_ref(), Some(RrType::A), &soa(3600), &[], Rank::Authoritative, 0);
    put_chain(&cache, "alias.example.", false);
    put_chain(&cache, "dangling.example.", true);
    cache
}

#[test]
fn what_is_cached_is_cut_to_new_limits() {
    let cache = filled();
    let (zone, now) = (name("example."), 20 * SECOND);
    cache.put_cut(
        Arc::new(Delegation {
            zone: zone.clone(),
            servers: Vec::new(),
            source: DelegationSource::Ns,
            trust: Trust::Insecure,
            stored: 0,
            expires: 86_400 * SECOND,
            above: None,
        }),
        0,
    );
    let record = DenialRecord { sets: vec![soa(3600)], stored: 0, expires: 3600 * SECOND };
    cache.put_denial(0, zone.as_ref(), DenialKey::Nsec(name("a.example.")), record, 0);
    let failure = KeptFailure {
        ede: nw_wire::code::Ede::OTHER,
        text: String::new(),
        cause: String::new(),
        network: false,
        alone_s: 5,
    };
    let failed = name("failed.example.");
    cache.put_failure(failed.as_ref(), RrType::A, &failure, 300, Rank::Authoritative, 0);
    let before = cache.flushes();
    let lives = Lives { data_s: 100, absence_s: 50, failure_s: 10, least_s: 0 };
    assert!(lives.are_shorter_than(&DEFAULT) && !DEFAULT.are_shorter_than(&lives));
    cache.shorten(&lives, &DEFAULT);
    for (owner, left) in [
        ("day.example.", Some(vec![80])),
        ("short.example.", Some(vec![10])),
        ("absent.example.", Some(vec![30])),
        ("alias.example.", Some(vec![80, 80])),
        ("dangling.example.", Some(vec![30, 30])),
        ("failed.example.", None),
    ] {
        assert_eq!(ttls(&cache, owner, now), left, "{owner}");
    }
    for (owner, until) in
        [("day.example.", 100), ("absent.example.", 50), ("alias.example.", 100), ("dangling.example.", 50)]
    {
        assert!(ttls(&cache, owner, until * SECOND - 1).is_some(), "{owner}");
        assert_eq!(ttls(&cache, owner, until * SECOND), None, "{owner}");
    }
    assert_eq!(cache.cut(zone.as_ref(), 0).map(|cut| cut.expires), Some(100 * SECOND));
    let denied = cache.nsec_before(0, zone.as_ref(), name("b.example.").as_ref(), 0);
    assert_eq!(denied.map(|record| record.expires), Some(50 * SECOND));
    assert!(cache.flushes() > before, "what was derived from longer lives is outdated");
}

/// A life of the former least may have been extended to it. Its own TTL is not known.
#[test]
fn a_smaller_least_life_ends_what_was_extended() {
    let cache = filled();
    cache.shorten(&DEFAULT, &Lives { least_s: 30, ..DEFAULT });
    assert_eq!(ttls(&cache, "short.example.", 0), None);
    assert_eq!(ttls(&cache, "day.example.", 0), Some(vec![86_400]));
}

/// A lookup that began before the limits changed stores by the former ones.
#[test]
fn what_is_stored_later_lives_within_the_limits() {
    let cache = Cache::new(4 << 20);
    cache.limit_lives(100, 50);
    cache.put_rrset(&rrset("day.example.", RrType::A, 86_400, &[192, 0, 2, 1]), None, Rank::Authoritative, 0);
    let absent = name("absent.example.");
    cache.put_absence(absent.as_ref(), Some(RrType::A), &soa(3600), &[], Rank::Authoritative, 0);
    assert_eq!(ttls(&cache, "day.example.", 20 * SECOND), Some(vec![80]));
    assert_eq!(ttls(&cache, "absent.example.", 20 * SECOND), Some(vec![30]));
}
