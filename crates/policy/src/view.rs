//! Views: different clients of one server see different zones.
//!
//! A view matches a client by its address, by the TSIG key of its request, or by either. The first matching view, in
//! the order of the plan, applies. Over UDP, source addresses can be forged, whereas a verified key authenticates the
//! client.
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

/// A view and the clients that it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The name of the view, used in explanations.
    pub name: String,
    /// The addresses of clients that the view matches.
    pub clients: Acl,
    /// TSIG keys whose requests the view matches, from any address.
    pub keys: Vec<Name>,
}

impl View {
    /// Return whether the view matches `client`, whose request was verified with `key`.
    pub fn matches(&self, client: IpAddr, key: Option<NameRef<'_>>) -> bool {
        self.clients.allows(client)
            || key.is_some_and(|key| self.keys.iter().any(|listed| listed.as_ref() == key))
    }
}

/// Return the index of the first of `views` that matches the client.
pub fn select<'v>(
    views: impl IntoIterator<Item = &'v View>,
    client: IpAddr,
    key: Option<NameRef<'_>>,
) -> Option<usize> {
    views.into_iter().position(|view| view.matches(client, key))
}

#[cfg(test)]
mod tests;
