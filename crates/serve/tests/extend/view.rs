//! Toy views, by address and by key.

use nw_cache::{Origin, Rank};
use nw_serve::{Handled, Transport};
use nw_wire::{Class, Message, Opcode, Rcode, RrType, Rrset};

use crate::bench::{Bench, name, query, sign, snapshot};

#[test]
fn a_view_shows_its_zones_to_clients_by_address_or_key() {
    let views = r#""views":[{"name":"inside","clients":["10.0.0.0/8"],"keys":["key."]},
        {"name":"outside","clients":["192.0.2.0/24"],"zones":["example.com."]}],"#;
    let bench = Bench::new(snapshot(views));
    let mut room = vec![0; 4096];
    let mut shown = |packet: &[u8], client: &str| {
        let handled = bench.handle(packet, client, Transport::Udp, &mut room);
        let Handled::Reply(length) = handled else { panic!("{handled:?}") };
        let message = Message::parse(&room[..length]).expect("valid");
        (message.rcode(), message.answer().count())
    };
    let packet = query("www.inside.example.com.", Opcode::QUERY);
    assert_eq!(shown(&packet, "10.1.2.3:1"), (Rcode::NOERROR, 1));
    assert_eq!(shown(&packet, "192.0.2.1:1"), (Rcode::NXDOMAIN, 0), "the zone above denies it");
    assert_eq!(shown(&packet, "198.51.100.1:1"), (Rcode::REFUSED, 0), "no view matches");
    let mut signed = packet;
    sign(&mut signed);
    assert_eq!(shown(&signed, "192.0.2.1:1"), (Rcode::NOERROR, 1), "the key comes first");
    let packet = query("www.example.com.", Opcode::QUERY);
    assert_eq!(shown(&packet, "192.0.2.1:1"), (Rcode::NOERROR, 1));
}

#[test]
fn views_share_the_cache_only_where_the_plan_says_so() {
    let views = |shared: bool| {
        format!(
            r#""views":[{{"name":"inside","clients":["127.0.0.1"],"shared_cache":{shared}}},
            {{"name":"outside","clients":["127.0.0.2"],"shared_cache":{shared}}}],"#
        )
    };
    for shared in [true, false] {
        let bench = Bench::new(snapshot(&views(shared)));
        let mut room = vec![0; 4096];
        let packet = query("cached.example.net.", Opcode::QUERY);
        // What no view has looked up belongs to those that share.
        let hit = bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room);
        assert_eq!(matches!(hit, Handled::Reply(_)), shared, "{hit:?}");
        let packet = query("www.example.net.", Opcode::QUERY);
        let mut asked = |client: &str| match bench.handle(&packet, client, Transport::Udp, &mut room) {
            Handled::Later(pending) => pending.ask.question.view,
            other => panic!("{other:?}"),
        };
        let (inside, outside) = (asked("127.0.0.1:1"), asked("127.0.0.2:1"));
        assert_eq!(inside == outside, shared, "lookups of {inside} and {outside}");
        // What the resolver keeps for one view.
        let mut set = Rrset::new(name("www.example.net."), RrType::A, Class::IN, 60);
        set.rdatas.push(&[192, 0, 2, 8]);
        let origin = Origin { view: inside, ..Rank::Authoritative.into() };
        assert!(bench.cache.put_rrset(&set, None, origin, 0));
        let hit = bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room);
        assert!(matches!(hit, Handled::Reply(_)), "its own entry: {hit:?}");
        let other = bench.handle(&packet, "127.0.0.2:1", Transport::Udp, &mut room);
        assert_eq!(matches!(other, Handled::Reply(_)), shared, "{other:?}");
    }
}
