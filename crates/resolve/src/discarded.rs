//! Why packets that came while a query waited were not its reply, counted for the caller who wants to know.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use nw_wire::message::{Mismatch, mismatch};

/// Each reason with the number of packets. A flood costs a number: there are few reasons.
pub type Reasons = Vec<(Mismatch, u64)>;

/// The record of one exchange, shared with whatever receives for it. The default records nothing.
#[derive(Clone, Debug, Default)]
pub struct Discarded(Option<Rc<RefCell<Reasons>>>);

impl Discarded {
    /// A record that is kept.
    pub fn kept() -> Discarded {
        Discarded(Some(Rc::default()))
    }

    /// Record *packet*, which is not the reply to *query*.
    pub fn note(&self, query: &[u8], packet: &[u8]) {
        let Some(kept) = &self.0 else { return };
        let Some(reason) = mismatch(query, packet) else { return };
        let mut kept = kept.borrow_mut();
        match kept.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, packets)) => *packets += 1,
            None => kept.push((reason, 1)),
        }
    }

    /// What was recorded, in the order in which the reasons came up.
    pub fn reasons(&self) -> Reasons {
        self.0.as_ref().map(|kept| kept.borrow().clone()).unwrap_or_default()
    }
}

/// What went wrong, and what arrived and was discarded: `timeout: 3 replies arrived and were discarded: wrong id 2, wrong question 1`.
pub(crate) struct Discards<'d>(pub(crate) &'static str, pub(crate) &'d [(Mismatch, u64)]);

impl fmt::Display for Discards<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Discards(what, discarded) = self;
        f.write_str(what)?;
        let sum: u64 = discarded.iter().map(|(_, packets)| packets).sum();
        match sum {
            0 => return Ok(()),
            1 => f.write_str(": 1 reply arrived and was discarded: ")?,
            _ => write!(f, ": {sum} replies arrived and were discarded: ")?,
        }
        discarded.iter().enumerate().try_for_each(|(at, (mismatch, packets))| {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{} {packets}", label(*mismatch))
        })
    }
}

/// The reason in two words.
fn label(mismatch: Mismatch) -> &'static str {
    match mismatch {
        Mismatch::NoHeader => "too short",
        Mismatch::NotAReply => "not a reply",
        Mismatch::Id => "wrong id",
        Mismatch::Opcode => "wrong opcode",
        Mismatch::Question => "wrong question",
        Mismatch::NoQuestion => "without question",
    }
}
