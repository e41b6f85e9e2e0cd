use super::*;
use crate::testing::{framed, question, reply};
use nw_wire::Rcode;
use proptest::prelude::*;

fn plan() -> TcpPlan {
    TcpPlan {
        idle_ms: 1000,
        max_pipelined: 3,
        max_unsent: 1000,
        max_lifetime_ms: 10_000,
        ..TcpPlan::default()
    }
}

fn take(server: &mut Server, now: Micros, plan: &TcpPlan) -> Option<Vec<u8>> {
    server.take_query(now, plan, |query, _| query.to_vec())
}

proptest! {
    /// However the octets are divided, the same messages come out.
    #[test]
    fn messages_do_not_depend_on_how_octets_arrive(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
        pieces in prop::collection::vec(1usize..200, 1..20),
    ) {
        let octets: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
        let (mut frames, mut seen, mut rest, mut i) = (Frames::default(), Vec::new(), &octets[..], 0);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(pieces[i % pieces.len()].min(rest.len()));
            frames.buffer().extend_from_slice(piece);
            while let Some(message) = frames.next() {
                seen.push(message.to_vec());
            }
            (rest, i) = (after, i + 1);
        }
        prop_assert_eq!(seen, messages);
    }
}

#[test]
fn input_stops_while_too_much_is_under_way_or_unsent() {
    let plan = plan();
    let mut server = Server::new(0, &plan);
    for id in 0..5 {
        server.input().extend(framed(&question(id, "www.example.com.")));
    }
    for _ in 0..3 {
        assert!(take(&mut server, 1, &plan).is_some());
        server.will_reply();
    }
    assert!(take(&mut server, 1, &plan).is_none() && !server.wants_input(&plan), "three are under way");
    server.reply_later(Some(&[0; 999]));
    assert!(take(&mut server, 1, &plan).is_none() && !server.wants_input(&plan), "too much is unsent");
    server.sent(2, 2);
    assert!(take(&mut server, 3, &plan).is_some());
    assert_eq!(server.active(), 3);
}

#[test]
fn a_query_and_an_octet_taken_are_activity_and_an_octet_sent_is_not() {
    let plan = plan();
    let idle = 1_000_000;
    let mut server = Server::new(0, &plan);
    server.input().push(0);
    assert_eq!(server.deadline(idle), Some(1_000_000));
    assert_eq!(server.check(999_999, idle), Expiry::Not);
    assert_eq!(server.check(1_000_000, idle), Expiry::Idle);
    server.will_reply();
    server.reply_later(Some(&[0; 12]));
    server.sent(1, 500_000);
    assert_eq!(server.deadline(idle), Some(1_500_000));
    // While we owe a reply, time does not count against the client.
    server.sent(13, 500_000);
    server.will_reply();
    assert_eq!(server.deadline(idle), None);
}

#[test]
fn a_conversation_ends_by_age_and_by_number_of_queries_after_what_is_under_way() {
    let plan = TcpPlan { max_queries: 1, ..plan() };
    let mut server = Server::new(0, &plan);
    for id in 0..2 {
        server.input().extend(framed(&question(id, "www.example.com.")));
    }
    assert!(take(&mut server, 1, &plan).is_some());
    server.will_reply();
    assert!(take(&mut server, 1, &plan).is_none() && server.expire(1, &plan));
    assert!(!server.expire(1, &plan), "once");
    assert!(!server.is_over());
    server.reply_later(None);
    assert!(server.is_over());

    let mut server = Server::new(0, &plan);
    server.sent(0, 0);
    assert_eq!(server.check(10_000_000, 60_000_000), Expiry::Lifetime);
    assert!(server.is_over());
}

#[test]
fn replies_in_any_order_reach_their_queries_under_the_callers_ids() {
    let mut client = Client::default();
    let queries = [question(7, "a.example."), question(7, "b.example."), question(9, "c.example.")];
    let ids: Vec<u16> = queries
        .iter()
        .map(|query| client.send(query, 9, 0, &Discarded::default()).expect("an id is free"))
        .collect();
    assert_eq!((ids[0], ids[1]), (7, 9));
    assert!(ids[2] != 7 && ids[2] != 9);
    let on_wire = client.unsent().to_vec();
    client.sent(on_wire.len());
    let mut frames = Frames::default();
    frames.buffer().extend_from_slice(&on_wire);
    let mut answers: Vec<Vec<u8>> = Vec::new();
    while let Some(query) = frames.next() {
        answers.push(reply(query, Rcode::NOERROR, |_| {}));
    }
    // A right id with another question, and an id that nobody waits for, are junk.
    client.input().extend(framed(&reply(&question(7, "x.example."), Rcode::NOERROR, |_| {})));
    client.input().extend(framed(&reply(&question(8, "a.example."), Rcode::NOERROR, |_| {})));
    for answer in answers.iter().rev() {
        client.input().extend(framed(answer));
    }
    for i in [2, 1, 0] {
        let (id, message) = client.next_reply(5).expect("a reply");
        assert_eq!(id, ids[i]);
        assert_eq!(Fit::of(&queries[i], &message), Fit::Reply);
    }
    assert!(client.next_reply(5).is_none() && client.under_way() == 0);
    assert_eq!(client.take_junk(), 2);
    // A query that is given up says whether the server said anything after it.
    let id = client.send(&queries[0], 0, 5, &Discarded::default()).expect("free");
    assert!(client.abandon(id), "silent since");
    let id = client.send(&queries[0], 0, 4, &Discarded::default()).expect("free");
    assert!(!client.abandon(id));
}
