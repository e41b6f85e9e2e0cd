//! The order of addresses: distributes clients that use the first address of an RRset over all addresses.
//!
//! | `rrset_order` | order of the A and AAAA records in the answer section |
//! |---|---|
//! | `fixed` | as in the zone, or in the server's reply |
//! | `rotate` | rotated, starting at the record that the query's id selects |
//! | `random` | a random order, selected by the query's id |
//!
//! The id of a query is as random as the client makes it, differs from query to query, and needs no state shared by
//! workers. The order of records has no meaning (RFC 2181 §5), and signatures hold for every order (RFC 4034 §6.3).

use nw_wire::hash;
use nw_wire::{RrType, Section};

use crate::context::Context;
use crate::filter::Filter;
use crate::plan::RrsetOrder;
use crate::response::Response;
use crate::verdict::Verdict;

/// Reorders addresses.
pub(crate) struct Order {
    pub(crate) random: bool,
}

impl Order {
    /// The filter for `order`. None: no reordering is required.
    pub(crate) fn new(order: RrsetOrder) -> Option<Order> {
        match order {
            RrsetOrder::Fixed => None,
            RrsetOrder::Rotate => Some(Order { random: false }),
            RrsetOrder::Random => Some(Order { random: true }),
        }
    }
}

impl Filter for Order {
    fn name(&self) -> &'static str {
        "rrset_order"
    }

    fn apply(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        let id = context.query.id;
        let mut next = response.rrset_after(None);
        while let Some(run) = next {
            if run.section != Section::Answer {
                break;
            }
            if matches!(run.rtype, RrType::A | RrType::AAAA) && run.count > 1 {
                if self.random {
                    response.pick(&run, &shuffled(run.count, id));
                } else {
                    response.rotate(&run, id.into());
                }
            }
            // Both operations keep all records, so the end of the RRset stays the same.
            next = response.rrset_after(Some(&run));
        }
        Verdict::Continue
    }
}

/// The numbers below `count` in an order that `id` selects (Fisher-Yates shuffle).
fn shuffled(count: u16, id: u16) -> Vec<u16> {
    let mut numbers: Vec<u16> = (0..count).collect();
    for at in (1..count).rev() {
        let random = hash::key().number(u128::from(id) << 16 | u128::from(at));
        numbers.swap(at.into(), (random % (u64::from(at) + 1)) as usize);
    }
    numbers
}
