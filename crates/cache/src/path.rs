//! Data paths: the delegations that led to the servers of a name, for policies about name servers.
//!
//! A path is kept apart from the answers and without a lifetime: as long as an answer is cached, fresh or expired, the verdict
//! about its servers is that of the lookup that brought it. Its delegations stay in memory with it, although the table of delegations
//! has replaced or evicted them.

use std::sync::Arc;

use nw_wire::name::NameRef;

use crate::Micros;
use crate::delegation::{Delegation, NameServer};
use crate::table::Kept;

/// The delegations that led to the servers of a name (draft-vixie-dnsop-dns-rpz §4.4: "the data path").
#[derive(Clone, Debug)]
pub struct DataPath {
    /// The keyed hash of the name, which stands for the name: nobody else can find two names with one hash of 64 bits.
    hash: u64,
    view: u16,
    /// The deepest delegation. None: the name did not come from a delegation, for example from a forwarder.
    pub cut: Option<Arc<Delegation>>,
    /// The addresses of servers that came without addresses. None: they were not looked up.
    pub looked_up: Option<Arc<[NameServer]>>,
}

impl DataPath {
    /// The path to *name* as clients of *view* see it.
    pub fn new(view: u16, name: NameRef<'_>, cut: Option<Arc<Delegation>>) -> DataPath {
        DataPath { hash: name.hash64(), view, cut, looked_up: None }
    }

    /// The delegations, the deepest first.
    pub fn cuts(&self) -> impl Iterator<Item = &Delegation> {
        std::iter::successors(self.cut.as_deref(), |cut| cut.above.as_deref())
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn view(&self) -> u16 {
        self.view
    }

    /// Whether it is the path to the name with this hash in *view*.
    pub(crate) fn is(&self, view: u16, hash: u64) -> bool {
        self.hash == hash && self.view == view
    }
}

impl Kept for DataPath {
    fn octets(&self) -> usize {
        let addresses = |server: &NameServer| size_of_val(&*server.addresses) + size_of::<NameServer>();
        self.looked_up.iter().flat_map(|servers| servers.iter()).map(addresses).sum()
    }

    fn expired(&self, _now: Micros) -> bool {
        false
    }
}
