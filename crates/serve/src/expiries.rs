//! When copies of other servers' zones expire, for the option EXPIRE (RFC 7314): the owner of the engine sets it after each
//! confirmation by a primary, which does not change the zone.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use nw_wire::Name;

/// By zone, the time when it expires, in seconds since 1970.
#[derive(Debug, Default)]
pub struct Expiries(RwLock<HashMap<Name, u64>>);

impl Expiries {
    /// Let `zone` expire at `unix_s`, or have no known time for None.
    pub fn set(&self, zone: Name, unix_s: Option<u64>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match unix_s {
            Some(unix_s) => all.insert(zone, unix_s),
            None => all.remove(&zone),
        };
    }

    /// When `zone` expires.
    pub(crate) fn get(&self, zone: &Name) -> Option<u64> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(zone).copied()
    }
}
