//! Why packets that came while a query waited were not its reply, counted for the caller who wants to know.

use std::cell::RefCell;
use std::rc::Rc;

use nw_wire::message::{Mismatch, mismatch};

/// Each reason with the number of packets. A flood costs a number: there are few reasons.
pub(crate) type Reasons = Vec<(Mismatch, u64)>;

/// The record of one exchange, shared with whatever receives for it. The default records nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Discarded(Option<Rc<RefCell<Reasons>>>);

impl Discarded {
    /// A record that is kept.
    pub(crate) fn kept() -> Discarded {
        Discarded(Some(Rc::default()))
    }

    /// Record *packet*, which is not the reply to *query*.
    pub(crate) fn note(&self, query: &[u8], packet: &[u8]) {
        let Some(kept) = &self.0 else { return };
        let Some(reason) = mismatch(query, packet) else { return };
        let mut kept = kept.borrow_mut();
        match kept.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, packets)) => *packets += 1,
            None => kept.push((reason, 1)),
        }
    }

    /// What was recorded, in the order in which the reasons came up.
    pub(crate) fn reasons(&self) -> Reasons {
        self.0.as_ref().map(|kept| kept.borrow().clone()).unwrap_or_default()
    }
}
