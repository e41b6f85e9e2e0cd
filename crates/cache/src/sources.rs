//! Addresses of servers as small numbers, so that each entry knows at the cost of four octets which server it is from.

use std::collections::HashMap;
use std::net::SocketAddr;

use nw_wire::hash::Keyed;

/// Addresses kept at most. When there are more, all are forgotten, and the entries that are from them do not know their server
/// any more; stops floods of servers from filling the memory.
const MOST: usize = 100_000;

/// Addresses by number. Numbers are never used twice.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    numbers: HashMap<SocketAddr, u32, Keyed>,
    addresses: Vec<SocketAddr>,
    /// The number of addresses that were forgotten.
    forgotten: u32,
}

impl Sources {
    /// The number of `address`; 0 for none.
    pub(crate) fn number(&mut self, address: Option<SocketAddr>) -> u32 {
        let Some(address) = address else { return 0 };
        if let Some(&number) = self.numbers.get(&address) {
            return number;
        }
        if self.addresses.len() >= MOST {
            self.forgotten = self.forgotten.wrapping_add(MOST as u32);
            self.numbers.clear();
            self.addresses.clear();
        }
        self.addresses.push(address);
        let number = self.forgotten.wrapping_add(self.addresses.len() as u32);
        self.numbers.insert(address, number);
        number
    }

    /// The address with `number`, unless it was forgotten.
    pub(crate) fn address(&self, number: u32) -> Option<SocketAddr> {
        let at = number.checked_sub(self.forgotten)?.checked_sub(1)?;
        self.addresses.get(at as usize).copied()
    }

    /// The octets in use.
    pub(crate) fn octets(&self) -> usize {
        self.addresses.capacity() * size_of::<SocketAddr>()
            + self.numbers.capacity() * (size_of::<(SocketAddr, u32)>() + 1)
    }
}

#[cfg(test)]
mod tests;
