//! Toy filters that rearrange RRsets: one reorders, one keeps a subset.

use std::net::SocketAddr;
use std::sync::Arc;

use nw_cache::Rank;
use nw_resolve::Resolution;
use nw_serve::{
    Context, Environment, Filter, Handled, Response, Sections, Snapshot, Transport, Verdict, pipeline,
};
use nw_wire::{Class, Message, Name, Opcode, Rcode, RrType, Rrset, Section};

use crate::bench::{Bench, PLAN, name, query, snapshot, zone};
use crate::filter::Mark;

/// Turns every RRset of the answer and of the additional section by one.
struct Turn;

impl Filter for Turn {
    fn name(&self) -> &'static str {
        "turn"
    }

    fn apply(&self, _: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        let mut next = response.rrset_after(None);
        while let Some(mut rrset) = next {
            if rrset.rtype != RrType::RRSIG {
                assert!(response.rotate(&rrset, 1), "every RRset can be turned");
                // Records with names are written anew, so that borders move.
                let numbers = |run: &nw_wire::Run| run.number == rrset.number;
                rrset =
                    std::iter::successors(response.rrset_after(None), |run| response.rrset_after(Some(run)))
                        .find(numbers)
                        .expect("it is still there");
            }
            next = response.rrset_after(Some(&rrset));
        }
        Verdict::Continue
    }
}

/// Keeps the addresses in 192.0.2.0/24, the last one first: what a client in that network gets.
struct Near;

impl Filter for Near {
    fn name(&self) -> &'static str {
        "near"
    }

    fn apply(&self, _: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        let mut next = response.rrset_after(None);
        while let Some(rrset) = next {
            next = response.rrset_after(Some(&rrset));
            if rrset.rtype != RrType::A || rrset.section != Section::Answer {
                continue;
            }
            let near =
                response.rdata(&rrset).enumerate().filter(|(_, rdata)| rdata.starts_with(&[192, 0, 2]));
            let mut near: Vec<u16> = near.map(|(at, _)| at as u16).collect();
            near.reverse();
            response.pick(&rrset, &near);
            break;
        }
        Verdict::Continue
    }
}

/// The last octets of the addresses in *section*.
fn last_octets(reply: &[u8], section: Section) -> Vec<u8> {
    let message = Message::parse(reply).expect("valid");
    let addresses = message.records(section).filter(|record| record.rtype == RrType::A);
    addresses.map(|record| record.rdata_raw()[3]).collect()
}

fn addresses(owner: &str, numbers: impl IntoIterator<Item = u8>) -> Rrset {
    let mut set = Rrset::new(name(owner), RrType::A, Class::IN, 60);
    for number in numbers {
        set.rdatas.push(&[if number % 3 == 0 { 198 } else { 192 }, 0, 2, number]);
    }
    set
}

/// A signature over the type *covered* of the owner of *set*.
fn signature(set: &Rrset, covered: u8, ttl: u32) -> Rrset {
    let mut signature = Rrset::new(set.owner.clone(), RrType::RRSIG, Class::IN, ttl);
    let head = [0, covered, 13, 3, 0, 0, 0, 60, 0, 0, 0, 9, 0, 0, 0, 1, 0, 7, 0];
    signature.rdatas.push(&[&head[..], &[7; 64]].concat());
    signature
}

/// *packet* with DO.
fn dnssec_ok(mut packet: Vec<u8>) -> Vec<u8> {
    packet[11] = 1;
    packet.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]);
    packet
}

/// The answer to *packet* when a lookup finds *set*.
fn answer_with(bench: &mut Bench, packet: &[u8], set: &Rrset, now: u64) -> Vec<u8> {
    let mut room = std::mem::take(&mut bench.room);
    let environment = Environment { now, ..bench.environment() };
    let client: SocketAddr = "127.0.0.1:4242".parse().expect("an address");
    let mut handled = pipeline::handle(&environment, packet, client, Transport::Udp, &mut room);
    if let Handled::Later(pending) = handled {
        let found = Resolution { answer: vec![set.clone()], ..Resolution::empty(Rcode::NOERROR) };
        handled = pipeline::complete(&environment, pending, &[found], &mut room);
    }
    let Handled::Reply(length) = handled else { panic!("{handled:?}") };
    let reply = room[..length].to_vec();
    bench.room = room;
    reply
}

#[test]
fn a_filter_reorders_zone_answers_cache_hits_and_late_answers() {
    let mut plain = Bench::new(snapshot(""));
    let mut turned = Bench::new(snapshot("").with_filter(Arc::new(Turn)));
    for bench in [&plain, &turned] {
        let set = addresses("pool.example.net.", [1, 2, 3, 4]);
        bench.cache.put_rrset(&set, None, Rank::Authoritative, 0);
    }
    let late = addresses("late.example.net.", [1, 2, 3, 4]);
    for (qname, before) in [
        ("pool.example.com.", vec![1, 2, 4, 3]),
        ("alias.example.com.", vec![1, 2, 4, 3]),
        ("a.b.wild.example.com.", vec![7, 9, 8]),
        ("pool.example.net.", vec![1, 2, 3, 4]),
        ("late.example.net.", vec![1, 2, 3, 4]),
    ] {
        let mut after = before.clone();
        after.rotate_left(1);
        let packet = query(qname, Opcode::QUERY);
        // Twice: nothing that the filter did reached the zone or the cache. Ten seconds later TTLs are counted down.
        for now in [0, 10_000_000] {
            let whole = answer_with(&mut plain, &packet, &late, now);
            let reply = answer_with(&mut turned, &packet, &late, now);
            assert_eq!(last_octets(&whole, Section::Answer), before, "{qname}");
            assert_eq!(last_octets(&reply, Section::Answer), after, "{qname}");
            assert_eq!(reply.len(), whole.len(), "{qname}");
            let ttls = |reply: &[u8]| -> Vec<u32> {
                Message::parse(reply).expect("valid").answer().map(|record| record.ttl).collect()
            };
            assert_eq!(ttls(&reply), ttls(&whole), "{qname}");
        }
    }
}

#[test]
fn names_are_compressed_again_when_their_records_move() {
    let mut plain = Bench::new(snapshot(""));
    let mut turned = Bench::new(snapshot("").with_filter(Arc::new(Turn)));
    for (qname, rtype) in [
        ("mail.example.com.", RrType::MX),
        ("example.com.", RrType::NS),
        ("x.sub.example.com.", RrType::A),
        ("missing.example.com.", RrType::A),
        ("pool.example.com.", RrType::ANY),
    ] {
        let mut packet = query(qname, Opcode::QUERY);
        let at = packet.len() - 4;
        packet[at..at + 2].copy_from_slice(&rtype.0.to_be_bytes());
        // Without RD a referral is the answer.
        packet[2] &= !1;
        let [whole, reply] = [&mut plain, &mut turned].map(|bench| bench.answer(&packet, None));
        assert!(reply.len() <= whole.len(), "{qname}");
        let sorted = |reply: &[u8]| {
            let message = Message::parse(reply).expect("valid");
            let sections = Sections::of_message(&message);
            let mut sets: Vec<(Name, RrType, Vec<Vec<u8>>)> = Vec::new();
            for set in sections.answer.iter().chain(&sections.authority).chain(&sections.additional) {
                let mut rdatas: Vec<Vec<u8>> = set.rdatas.iter().map(<[u8]>::to_vec).collect();
                rdatas.sort();
                sets.push((set.owner.clone(), set.rtype, rdatas));
            }
            (message.rcode(), sets)
        };
        assert_eq!(sorted(&reply), sorted(&whole), "{qname}");
    }
}

#[test]
fn a_subset_of_an_rrset_that_is_too_large_for_the_client_arrives() {
    // 100 addresses need more than 1,600 octets; the client takes 512.
    let many = addresses("many.example.net.", (0..100).map(|i| i * 2 % 201));
    let mut near = Bench::new(snapshot("").with_filter(Arc::new(Near)));
    let packet = query("many.example.net.", Opcode::QUERY);
    let late = answer_with(&mut near, &packet, &many, 0);
    assert!(Message::parse(&late).expect("valid").flags().tc(), "66 addresses are still too many");
    assert!(late.len() <= 512 && last_octets(&late, Section::Answer).is_empty());

    let some =
        addresses("many.example.net.", (0..40).chain([203, 206]).map(|i| if i < 40 { i * 3 } else { i }));
    assert_eq!(last_octets(&answer_with(&mut near, &packet, &some, 0), Section::Answer), [206, 203]);
    near.cache.put_rrset(&some, None, Rank::Authoritative, 0);
    for _ in 0..2 {
        let hit = near.answer(&packet, None);
        assert_eq!(last_octets(&hit, Section::Answer), [206, 203]);
        assert!(!Message::parse(&hit).expect("valid").flags().tc());
    }
    let whole = near.cache.get(many.owner.as_ref(), RrType::A, 0);
    assert!(
        matches!(whole, nw_cache::Lookup::Hit { found: nw_cache::Cached::Rrset(sets), .. } if sets[0] == some)
    );
    let mut room = vec![0; 65_535];
    match near.handle(&packet, "127.0.0.1:1", Transport::Tcp, &mut room) {
        Handled::Reply(length) => assert_eq!(last_octets(&room[..length], Section::Answer), [206, 203]),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        last_octets(&near.answer(&query("pool.example.com.", Opcode::QUERY), None), Section::Answer),
        [4, 2, 1]
    );
    assert_eq!(
        last_octets(&near.answer(&query("a.wild.example.com.", Opcode::QUERY), None), Section::Answer),
        [9, 7]
    );
    assert_eq!(
        last_octets(&near.answer(&query("alias.example.com.", Opcode::QUERY), None), Section::Answer),
        [4, 2, 1]
    );
}

#[test]
fn a_signed_rrset_is_reordered_but_not_reduced() {
    let set = addresses("signed.example.net.", [1, 3, 5]);
    let signature = signature(&set, 1, 60);
    let plain = query("signed.example.net.", Opcode::QUERY);
    let signed = dnssec_ok(plain.clone());
    for (filter, with_signature, without) in [
        (Arc::new(Near) as Arc<dyn Filter>, vec![1, 3, 5], vec![5, 1]),
        (Arc::new(Turn), vec![3, 5, 1], vec![3, 5, 1]),
    ] {
        let mut bench = Bench::new(snapshot("").with_filter(filter));
        bench.cache.put_rrset(&set, Some(&signature), Rank::Authoritative, 0);
        let reply = bench.answer(&signed, None);
        assert_eq!(last_octets(&reply, Section::Answer), with_signature);
        let message = Message::parse(&reply).expect("valid");
        assert_eq!(message.answer().filter(|record| record.rtype == RrType::RRSIG).count(), 1);
        assert_eq!(last_octets(&bench.answer(&plain, None), Section::Answer), without);
    }
}

/// Writes the message anew, without the first records of the answer.
struct Rewrite {
    without: usize,
}

impl Filter for Rewrite {
    fn name(&self) -> &'static str {
        "rewrite"
    }

    fn apply(&self, _: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        response.ad = true;
        let mut sections = response.sections().expect("a message");
        if let Some(set) = sections.answer.first_mut() {
            set.rdatas = set.rdatas.iter().skip(self.without).collect();
        }
        response.replace(&sections);
        Verdict::Continue
    }
}

/// RFC 4035 §5.3.2: a signature covers the whole RRset.
#[test]
fn the_signatures_of_a_replaced_rrset_are_left_out() {
    let set = addresses("signed.example.net.", [1, 3, 5]);
    let signature = signature(&set, 1, 60);
    let packet = dnssec_ok(query("signed.example.net.", Opcode::QUERY));
    for (without, addresses, valid) in [(0, vec![1, 3, 5], true), (1, vec![3, 5], false), (3, vec![], false)]
    {
        let mut bench = Bench::new(snapshot("").with_filter(Arc::new(Rewrite { without })));
        bench.cache.put_rrset(&set, Some(&signature), Rank::Authoritative, 0);
        let reply = bench.answer(&packet, None);
        assert_eq!(last_octets(&reply, Section::Answer), addresses);
        let message = Message::parse(&reply).expect("valid");
        let signatures = message.answer().filter(|record| record.rtype == RrType::RRSIG).count();
        assert_eq!((signatures, message.flags().ad()), (usize::from(valid), valid));
    }
}

/// What did not fit into the buffer is still missing when a filter writes the message anew.
#[test]
fn a_filter_that_replaces_a_truncated_answer_keeps_tc() {
    let mut many = Rrset::new(name("many.example.net."), RrType::A, Class::IN, 60);
    for number in 0u16..400 {
        let [high, low] = number.to_be_bytes();
        many.rdatas.push(&[192, 0, high, low]);
    }
    let mut bench = Bench::new(snapshot("").with_filter(Arc::new(Mark)));
    bench.room.truncate(4096);
    let reply = answer_with(&mut bench, &query("many.example.net.", Opcode::QUERY), &many, 0);
    let message = Message::parse(&reply).expect("valid");
    assert_eq!((message.flags().tc(), message.answer().count()), (true, 0));
}

#[test]
fn the_order_of_addresses_follows_the_setting() {
    let with = |order: &str| {
        let plan = PLAN.replace("VIEWS", &format!(r#""server":{{"rrset_order":"{order}"}},"#));
        let zones = vec![zone("example.com."), zone("inside.example.com.")];
        Bench::new(Snapshot::build(plan.as_bytes(), zones).unwrap_or_else(|errors| panic!("{errors:?}")))
    };
    for order in ["fixed", "rotate", "random"] {
        let mut bench = with(order);
        bench.cache.put_rrset(&addresses("pool.example.net.", [1, 2, 3, 4]), None, Rank::Authoritative, 0);
        for qname in ["pool.example.com.", "pool.example.net.", "late.example.net.", "alias.example.com."] {
            let mut seen = std::collections::HashSet::new();
            for id in 0..200u16 {
                let mut packet = query(qname, Opcode::QUERY);
                packet[..2].copy_from_slice(&id.to_be_bytes());
                let late = addresses("late.example.net.", [1, 2, 3, 4]);
                let got = last_octets(&answer_with(&mut bench, &packet, &late, 0), Section::Answer);
                let mut sorted = got.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, [1, 2, 3, 4], "{order} {qname}");
                seen.insert(got);
            }
            let orders = match order {
                "fixed" => 1..2,
                "rotate" => 4..5,
                _ => 20..25,
            };
            assert!(orders.contains(&seen.len()), "{order} {qname}: {} orders", seen.len());
        }
    }
}

/// RFC 2181 §5.2 speaks of one RRset; the signatures of one owner belong to several.
#[test]
fn signatures_keep_their_own_ttls_when_a_filter_replaces_an_answer() {
    let set = addresses("late.example.net.", [1]);
    let signatures = [signature(&set, 1, 60), signature(&set, 28, 30)];
    let bench = Bench::new(snapshot("").with_filter(Arc::new(Mark)));
    let mut room = vec![0; 4096];
    let packet = query("late.example.net.", Opcode::QUERY);
    let handled = bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room);
    let Handled::Later(pending) = handled else { panic!("{handled:?}") };
    let answer = std::iter::once(set).chain(signatures).collect();
    let found = Resolution { answer, ..Resolution::empty(Rcode::NOERROR) };
    let handled = pipeline::complete(&bench.environment(), pending, &[found], &mut room);
    let Handled::Reply(length) = handled else { panic!("{handled:?}") };
    let message = Message::parse(&room[..length]).expect("valid");
    let ttls: Vec<u32> = message.answer().map(|record| record.ttl).collect();
    assert_eq!(ttls, [60, 60, 30]);
}
