use std::sync::Arc;

use nw_policy::LimitedBucket;
use nw_wire::{Class, Message, OptionCode, RrType};

use crate::testing::{client, environment, name, question, snapshot, zone};
use crate::verdict::Handled;
use crate::{Snapshot, Stats, Transport, pipeline};

const LIMITED: &str = r#"{"version":1,ZONES,"server":{"nsid":"61626364656667"},
    "rrl":{"responses_per_second":5,"nxdomains_per_second":3,"errors_per_second":2,"slip":2}}"#;

/// How many of *times* queries for each of *names* get a full reply; and the truncated ones.
fn flood(
    snapshot: &Arc<Snapshot>,
    stats: &Stats,
    names: &[String],
    rtype: RrType,
    times: usize,
    transport: Transport,
) -> (usize, Vec<(usize, Vec<u8>)>) {
    let (mut full, mut slipped) = (0, Vec::new());
    for round in 0..times {
        for (at, name) in names.iter().enumerate() {
            let id = round * names.len() + at;
            let mut packet = question(name, rtype, Class::IN, Some(1232));
            packet[..2].copy_from_slice(&(id as u16).to_be_bytes());
            let mut room = [0; 65535];
            let environment = environment(snapshot, stats);
            match pipeline::handle(&environment, &packet, client(), transport, &mut room) {
                Handled::Reply(length) if room[2] & 2 != 0 => {
                    slipped.push((packet.len(), room[..length].to_vec()))
                }
                Handled::Reply(_) => full += 1,
                Handled::Drop => {}
                other => panic!("{other:?}"),
            }
        }
    }
    (full, slipped)
}

#[test]
fn a_flood_gets_its_rate_and_the_rest_never_amplifies() {
    let numbered = |suffix: &str| (0..50).map(|at| format!("x{at}.{suffix}")).collect::<Vec<_>>();
    for (names, rtype, full) in [
        (vec!["big.example.com.".to_owned()], RrType::TXT, 5),
        (vec!["example.com.".to_owned()], RrType::ANY, 5),
        (numbered("wild.example.com."), RrType::TXT, 5),
        (numbered("sub.example.com."), RrType::A, 5),
        (numbered("example.com."), RrType::A, 3),
        (numbered("example.net."), RrType::A, 2),
    ] {
        let (snapshot, stats) = (Arc::new(snapshot(LIMITED)), Stats::default());
        let (sent, slipped) = flood(&snapshot, &stats, &names, rtype, 1000 / names.len(), Transport::Udp);
        assert_eq!(sent, full, "{names:?}");
        assert!((400..600).contains(&slipped.len()), "{names:?}: {}", slipped.len());
        let (limited, queries) = (1000 - sent, slipped.iter().map(|(query, _)| query).sum::<usize>());
        for (query, reply) in &slipped {
            let message = Message::parse(reply).unwrap();
            assert!(reply.len() <= *query, "{} octets for {query}", reply.len());
            assert!(message.opt().unwrap().raw_options().all(|(code, _)| code != OptionCode::NSID));
        }
        assert!(queries < limited * slipped[0].0, "half of them get nothing at all");
        let counted = (stats.rrl_dropped.value() + stats.rrl_slipped.value()) as usize;
        assert_eq!(counted, limited);
        let listed = snapshot.rrl().unwrap().listed();
        let sum = |one: &LimitedBucket| (one.dropped + one.slipped) as usize;
        assert_eq!(listed.iter().map(sum).sum::<usize>(), limited);
        assert_eq!(listed[0].prefix, "192.0.2.0/24");
    }
}

#[test]
fn names_below_a_dname_and_packets_that_are_no_query_do_not_evade_the_limit() {
    let stats = Stats::default();
    let plan = LIMITED.replace("ZONES", r#""zones":[{"name":"example.com."}]"#);
    let aliases = zone("example.com.", "@ SOA ns h 1 1 1 1 60\n@ NS ns\nold DNAME example.net.\n");
    let snapshot = Arc::new(Snapshot::build(plan.as_bytes(), vec![aliases]).unwrap());
    let names: Vec<String> = (0..100).map(|at| format!("x{at}.old.example.com.")).collect();
    assert_eq!(flood(&snapshot, &stats, &names, RrType::A, 1, Transport::Udp).0, 5);
    assert_eq!(snapshot.rrl().unwrap().listed()[0].name, name("old.example.com."));

    let opcode = |opcode: u8| move |packet: &mut Vec<u8>| packet[2] |= opcode << 3;
    let malformed = |packet: &mut Vec<u8>| packet.push(0);
    for (spoil, transport, full) in [
        (&opcode(2) as &dyn Fn(&mut Vec<u8>), Transport::Udp, 2),
        (&malformed, Transport::Udp, 2),
        (&malformed, Transport::Tcp, 100),
    ] {
        let snapshot = Arc::new(crate::testing::snapshot(LIMITED));
        let (mut sent, mut slipped) = (0, 0);
        for id in 0..100u16 {
            let mut packet = question("www.example.com.", RrType::A, Class::IN, Some(1232));
            packet[..2].copy_from_slice(&id.to_be_bytes());
            spoil(&mut packet);
            let mut room = [0; 65535];
            match pipeline::handle(&environment(&snapshot, &stats), &packet, client(), transport, &mut room) {
                Handled::Reply(length) if room[2] & 2 != 0 => {
                    assert!(length <= packet.len());
                    slipped += 1;
                }
                Handled::Reply(_) => sent += 1,
                Handled::Drop => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sent, full);
        assert_eq!(slipped > 0, full < 100, "{slipped} of {}", 100 - sent);
    }
}

#[test]
fn streams_and_other_settings_are_not_limited_and_the_table_survives_a_reload() {
    let (limited, stats) = (Arc::new(snapshot(LIMITED)), Stats::default());
    let names = ["www.example.com.".to_owned()];
    assert_eq!(flood(&limited, &stats, &names, RrType::A, 100, Transport::Tcp).0, 100);
    assert_eq!(flood(&limited, &stats, &names, RrType::A, 100, Transport::Udp).0, 5);
    let again = Arc::new(snapshot(LIMITED).succeeding(&limited));
    assert_eq!(flood(&again, &stats, &names, RrType::A, 100, Transport::Udp).0, 0, "it owes still");
    let other = LIMITED.replace(r#""slip":2"#, r#""slip":1"#);
    let other = Arc::new(snapshot(&other).succeeding(&again));
    assert_eq!(flood(&other, &stats, &names, RrType::A, 100, Transport::Udp).0, 5);
    let off = Arc::new(snapshot(r#"{"version":1,ZONES}"#).succeeding(&other));
    assert!(off.rrl().is_none());
    assert_eq!(flood(&off, &stats, &names, RrType::A, 100, Transport::Udp).0, 100);
}
