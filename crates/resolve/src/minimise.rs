//! How much of a name each server gets to see (RFC 9156).
//!
//! A server is asked for one label more than its zone has, with type A, until a referral, or until the whole name is
//! shown. The first labels go one by one; when a name has more, the rest is shown in a few larger steps, so that a name of
//! 120 labels costs no more than `Budget::max_minimise` questions (§2.3). A server that fails at a shortened
//! question is asked the whole one before it is blamed: some answer wrongly for empty non-terminals.

use nw_wire::code::RrType;
use nw_wire::name::{Name, NameRef};

/// Questions that reveal a single label each.
const ONE_LABEL_STEPS: u32 = 4;

/// How far a name has been shown to the servers of one cut.
pub(crate) struct Minimiser {
    /// Labels shown; None when the whole name is.
    shown: Option<usize>,
    asked: u32,
    most: u32,
}

impl Minimiser {
    /// Begin at the top, with at most *most* shortened questions; 0 shows the whole name at once.
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

    /// There is no zone cut at *shortened* on the way to *name*: show more.
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

    /// What the cache knows of *shortened* says that there is no cut: show one label more, at no cost.
    pub(crate) fn known(&mut self, shortened: NameRef<'_>) {
        self.shown = self.shown.map(|_| shortened.label_count() + 1);
    }

    /// Show the whole name from now on.
    pub(crate) fn whole(&mut self) {
        self.shown = None;
    }
}
