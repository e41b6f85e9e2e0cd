//! For any zone and query: filters that change nothing change nothing, and an order of records keeps the records and the size.

use std::collections::BTreeSet;
use std::sync::Arc;

use nw_serve::{Context, Filter, Response, Transport, Verdict};
use nw_wire::{Message, Section};
use proptest::prelude::*;

use crate::lab::{QUESTIONS, TYPES, answer, load, numbered, query, snapshot, zones};

/// Leaves every response as it is.
struct Nothing;

impl Filter for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn apply(&self, _: &Context<'_>, _: &mut Response<'_, '_>) -> Verdict {
        Verdict::Continue
    }
}

/// Reverses or rotates every RRset.
struct Reorder {
    by: usize,
    reverses: bool,
}

impl Filter for Reorder {
    fn name(&self) -> &'static str {
        "reorder"
    }

    fn apply(&self, _: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        let mut number = 0;
        while let Some(rrset) = numbered(response, number) {
            if self.reverses {
                let picks: Vec<u16> = (0..rrset.count).rev().collect();
                assert!(response.pick(&rrset, &picks));
            } else {
                assert!(response.rotate(&rrset, self.by));
            }
            number = rrset.number + rrset.count;
        }
        Verdict::Continue
    }
}

/// What the records say, in whatever order they stand.
fn records(reply: &[u8]) -> BTreeSet<(Section, String, u16, u32, Vec<u8>)> {
    let message = Message::parse(reply).expect("a valid message");
    let mut all = BTreeSet::new();
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        for record in message.records(section) {
            let mut rdata = Vec::new();
            record.rdata(&mut rdata);
            let owner = record.owner().to_name().to_string().to_ascii_lowercase();
            all.insert((section, owner, record.rtype.0, record.ttl, rdata.to_ascii_lowercase()));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn an_order_keeps_the_records_and_the_size(zone in zones(), by in 0usize..9, reverses in any::<bool>(), payload in prop::option::of(512u16..1400)) {
        let Some(zone) = load(&zone) else { return Ok(()) };
        let plain = snapshot(&zone, None);
        let nothing = snapshot(&zone, Some(Arc::new(Nothing)));
        let reorder = snapshot(&zone, Some(Arc::new(Reorder { by, reverses })));
        for qname in QUESTIONS {
            for rtype in TYPES {
                let packet = query(qname, rtype, payload);
                let whole = answer(&plain, &packet, Transport::Tcp);
                prop_assert_eq!(&answer(&nothing, &packet, Transport::Tcp), &whole);
                let reordered = answer(&reorder, &packet, Transport::Tcp);
                prop_assert_eq!(records(&reordered), records(&whole));
                prop_assert!(reordered.len() <= whole.len());

                let limit = usize::from(payload.unwrap_or(512));
                let short = answer(&plain, &packet, Transport::Udp);
                let tc = |reply: &[u8]| Message::parse(reply).expect("a valid message").flags().tc();
                for snapshot in [&nothing, &reorder] {
                    let reply = answer(snapshot, &packet, Transport::Udp);
                    prop_assert!(reply.len() <= limit, "{} octets of {limit}", reply.len());
                    prop_assert_eq!(tc(&reply), tc(&short), "{} {}", qname, rtype);
                    prop_assert!(records(&reply).is_subset(&records(&whole)));
                    if whole.len() <= limit {
                        prop_assert_eq!(records(&reply), records(&short));
                    }
                }
                prop_assert_eq!(answer(&nothing, &packet, Transport::Udp), short, "{} {}", qname, rtype);
            }
        }
    }
}
