//! Views: different clients see different zones of one server.
//!
//! A view matches a client by its address, by the TSIG key that its request is signed with, or by either. Views are tried
//! in the order of the plan, and the first that matches is the client's; an address alone proves little over UDP, a
//! verified key proves who asks.
//!
//! ```json
//! "views": [{"name": "inside", "clients": ["10.0.0.0/8"], "keys": ["office."]},
//!           {"name": "outside", "clients": ["0.0.0.0/0", "::/0"], "zones": ["example.com."]}]
//! ```
//!
//! *Limitations*: a view selects among the zones of the server; two versions of one zone need two servers.

use std::net::IpAddr;

use nw_wire::{Name, NameRef};

use crate::acl::Acl;

/// Whom a view is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The view's name, in explanations.
    pub name: String,
    /// Addresses of clients that see it.
    pub clients: Acl,
    /// TSIG keys whose requests see it, from any address.
    pub keys: Vec<Name>,
}

impl View {
    /// Whether the view is for *client*, whose request was verified with *key*.
    pub fn matches(&self, client: IpAddr, key: Option<NameRef<'_>>) -> bool {
        self.clients.allows(client)
            || key.is_some_and(|key| self.keys.iter().any(|listed| listed.as_ref() == key))
    }
}

/// Return the index of the first of *views* that is for the client.
pub fn select<'v>(
    views: impl IntoIterator<Item = &'v View>,
    client: IpAddr,
    key: Option<NameRef<'_>>,
) -> Option<usize> {
    views.into_iter().position(|view| view.matches(client, key))
}

#[cfg(test)]
mod tests;
