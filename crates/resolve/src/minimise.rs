//! QNAME minimisation: how many labels of a name a server is sent (RFC 9156).
//!
//! A server is asked for one label more than its zone has, with type A, until a referral comes or the whole name has been sent.
//! The first labels are added one by one, the rest in a few larger steps, so that a name of 120 labels costs at most
//! `Budget::max_minimise` queries (§2.3). A server that fails for a shortened name is asked for the whole name: some servers
//! deny empty non-terminals.

use nw_wire::code::RrType;
use nw_wire::name::{Name, NameRef};

/// Queries that add a single label each.
const ONE_LABEL_STEPS: u32 = 4;

/// What is known of a shortened name before a server is asked for it.
pub(crate) enum Shortened {
    /// Nothing: a server is asked.
    Unknown,
    /// It holds data, or lacks data of the type that is asked for: there is no zone cut, and one label more is shown.
    NoCut,
    /// It does not exist. A server would say so again, and is asked for the whole name.
    Denied,
}

/// How many labels of a name the servers of one cut have been sent.
pub(crate) struct Minimiser {
    /// Labels sent; None for the whole name.
    shown: Option<usize>,
    asked: u32,
    most: u32,
}

impl Minimiser {
    /// Start with no label, with at most *most* shortened queries; 0 sends the whole name at once.
    pub(crate) fn new(most: u32) -> Minimiser {
        Minimiser { shown: Some(0).filter(|_| most > 0), asked: 0, most }
    }

    /// The question for the servers of *zone* on the way to *name* and *rtype*, and whether it is shortened.
    pub(crate) fn question(
        &self,
        zone: NameRef<'_>,
        name: NameRef<'_>,
        rtype: RrType,
    ) -> (Name, RrType, bool) {
        let total = name.label_count();
        match self.shown.map(|shown| shown.max(zone.label_count() + 1)) {
            Some(shown) if shown < total => (name.suffix(shown).to_name(), RrType::A, true),
            _ => (name.to_name(), rtype, false),
        }
    }

    /// There is no zone cut at *shortened* on the way to *name*: send more labels.
    pub(crate) fn more(&mut self, shortened: NameRef<'_>, name: NameRef<'_>) {
        self.asked += 1;
        let (shown, total) = (shortened.label_count(), name.label_count());
        let left = self.most.saturating_sub(self.asked) as usize;
        self.shown = match left {
            0 => None,
            _ if self.asked < ONE_LABEL_STEPS => Some(shown + 1),
            _ => Some(shown + (total - shown).div_ceil(left)),
        };
    }

    /// The cache shows that there is no cut at *shortened*: send one label more. This query is not counted.
    pub(crate) fn known(&mut self, shortened: NameRef<'_>) {
        self.shown = self.shown.map(|_| shortened.label_count() + 1);
    }

    /// Send the whole name from now on.
    pub(crate) fn whole(&mut self) {
        self.shown = None;
    }
}
