//! A map from address blocks to rules, by the longest block that contains an address.
//!
//! *Cost*: one binary search for each length of prefix that occurs, the longest first.

use std::net::IpAddr;

use crate::prefix::Prefix;

/// An immutable map from address blocks to rules.
#[derive(Clone, Debug, Default)]
pub struct PrefixMap(Box<[OfLength]>);

/// The blocks of one family and length, by their first address.
#[derive(Clone, Debug)]
struct OfLength {
    len: u8,
    v4: bool,
    blocks: Box<[(IpAddr, u32)]>,
}

impl PrefixMap {
    /// Build the map. If a block occurs more than once, its first rule holds.
    pub fn new(mut blocks: Vec<(Prefix, u32)>) -> PrefixMap {
        blocks.sort_by_key(|(block, _)| (std::cmp::Reverse(block.len()), block.first()));
        blocks.dedup_by_key(|(block, _)| *block);
        let same = |a: &(Prefix, u32), b: &(Prefix, u32)| {
            (a.0.len(), a.0.first().is_ipv4()) == (b.0.len(), b.0.first().is_ipv4())
        };
        let of_length = |group: &[(Prefix, u32)]| OfLength {
            len: group[0].0.len(),
            v4: group[0].0.first().is_ipv4(),
            blocks: group.iter().map(|(block, rule)| (block.first(), *rule)).collect(),
        };
        PrefixMap(blocks.chunk_by(same).map(of_length).collect())
    }

    /// Whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of blocks.
    pub fn len(&self) -> usize {
        self.0.iter().map(|group| group.blocks.len()).sum()
    }

    /// The blocks, the longest first.
    pub fn blocks(&self) -> impl Iterator<Item = Prefix> {
        let of = |group: &OfLength| {
            let len = group.len;
            group
                .blocks
                .iter()
                .filter_map(move |(first, _)| Prefix::new(*first, len).ok())
                .collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of)
    }

    /// The number of octets that the map occupies.
    pub fn octets(&self) -> usize {
        size_of_val(&*self.0) + self.0.iter().map(|group| size_of_val(&*group.blocks)).sum::<usize>()
    }

    /// The longest block that contains *address*, and its rule. An IPv4 address in IPv6 form is an IPv4 address.
    pub fn find(&self, address: IpAddr) -> Option<(Prefix, u32)> {
        let address = address.to_canonical();
        self.0.iter().filter(|group| group.v4 == address.is_ipv4()).find_map(|group| {
            let block = Prefix::covering(address, group.len).ok()?;
            let at = group.blocks.binary_search_by_key(&block.first(), |(first, _)| *first).ok()?;
            Some((block, group.blocks[at].1))
        })
    }
}

#[cfg(test)]
mod tests;
