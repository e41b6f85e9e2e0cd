//! Proofs of nonexistence: the chain of NSEC or NSEC3 records of a signed zone, and the records of it that an answer
//! contains.
//!
//! [`nw_dnssec::prove`] decides which records prove a claim; this module finds them. The build looks up the NSEC3
//! records that match a name of the zone, and that match or cover the wildcard below it. It stores them in the name's
//! node ([`EntryKind::Link`]), so that a question costs one hash: that of the next closer name.
//!
//! RFCs: 4034 §4, 4035 §3.1.3, 5155 §7. *Limitations*: one NSEC3 chain, that of the first NSEC3PARAM with hash algorithm 1.

use nw_dnssec::{Chain, Claim, Method, Nsec3Hash, nsec3_hash, prove};
use nw_wire::hash::eq_folded;
use nw_wire::{Full, NameRef, RrType, Section, Writer};

use crate::answer::MOST_ALIASES;
use crate::delta::View;
use crate::place::{NamePlace, put, put_beside, put_with_owner};
use crate::store::{EntryKind, Node, NodeFlags, Store};
use crate::suffix::{LabelStarts, sort_key, whole};

/// No record.
pub(crate) const NO_LINK: u32 = u32::MAX;
/// One record may prove each alias of a chain, and three records the end of it.
const MOST_RECORDS: usize = MOST_ALIASES + 3;

/// How a zone proves nonexistence.
#[derive(Debug, Default)]
pub(crate) enum Denial {
    /// The zone has no proofs.
    #[default]
    Unsigned,
    /// By NSEC.
    Nsec(NsecChain),
    /// By NSEC3.
    Nsec3(Nsec3Chain),
}

impl Denial {
    /// Octets on the heap.
    pub(crate) fn octets(&self) -> usize {
        match self {
            Denial::Unsigned => 0,
            Denial::Nsec(chain) => chain.places.len() * 20,
            Denial::Nsec3(chain) => chain.places.len() * 24,
        }
    }
}

/// The owners of NSEC records in canonical order.
#[derive(Debug)]
pub(crate) struct NsecChain {
    /// The sort key of each owner. It decides nearly all comparisons without reading the node.
    pub(crate) keys: Box<[u128]>,
    pub(crate) places: Box<[u32]>,
}

/// The hashes of the NSEC3 records in order.
#[derive(Debug)]
pub(crate) struct Nsec3Chain {
    pub(crate) parameters: HashParameters,
    pub(crate) hashes: Box<[Nsec3Hash]>,
    pub(crate) places: Box<[u32]>,
}

/// The hash parameters of a zone (RFC 5155 §4).
#[derive(Debug, Clone)]
pub(crate) struct HashParameters {
    pub(crate) salt: Box<[u8]>,
    pub(crate) iterations: u16,
}

impl HashParameters {
    pub(crate) fn hash(&self, name: NameRef<'_>) -> Nsec3Hash {
        nsec3_hash(&self.salt, self.iterations, name)
    }
}

/// The number of the record with `hash` (Ok), or of the record whose span covers it (Err). The chain is a ring. None
/// for an empty chain.
pub(crate) fn locate(hashes: &[Nsec3Hash], hash: &Nsec3Hash) -> Option<Result<usize, usize>> {
    let count = hashes.len();
    if count == 0 {
        return None;
    }
    // Hashes are distributed evenly. The search starts at the expected position and widens until the bounds enclose
    // the hash.
    let word = u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]);
    let guess = ((word as u128 * count as u128) >> 64) as usize;
    let (mut low, mut high, mut step) = (guess, guess, 16);
    while low > 0 && hashes[low - 1] >= *hash {
        low = low.saturating_sub(step);
        step *= 2;
    }
    step = 16;
    while high < count && hashes[high] < *hash {
        high = (high + step).min(count);
        step *= 2;
    }
    let at = low + hashes[low..high].partition_point(|other| other < hash);
    Some(match hashes.get(at) {
        Some(found) if found == hash => Ok(at),
        _ => Err(at.checked_sub(1).unwrap_or(count - 1)),
    })
}

impl<'z> View<'z> {
    /// The node of `name`, unless it holds only NSEC3 records.
    fn name_node(self, name: NameRef<'_>) -> Option<Node<'z>> {
        let starts = LabelStarts::of(name.wire());
        if starts.count() < self.store.apex_labels {
            return None;
        }
        let node = self.find(name.wire(), &starts, starts.count())?;
        (!node.flags().has(NodeFlags::HASHED)).then_some(node)
    }

    /// The place of the record with `hash` (Ok), or of the record whose span covers it (Err).
    pub(crate) fn locate_hash(self, chain: &Nsec3Chain, hash: &Nsec3Hash) -> Option<Result<u32, u32>> {
        match self.delta {
            Some(delta) if self.chain_changed() => self.locate_nsec3(delta, chain, hash),
            _ => Some(match locate(&chain.hashes, hash)? {
                Ok(at) => Ok(chain.places[at]),
                Err(at) => Err(chain.places[at]),
            }),
        }
    }

    /// The place of the record of `name` (Ok), or of the one before it in the ring (Err).
    fn locate_name(self, chain: &NsecChain, name: NameRef<'_>) -> Option<Result<u32, u32>> {
        match self.delta {
            Some(delta) if self.chain_changed() => self.locate_nsec(delta, chain, name),
            _ => Some(match chain.locate(self.store, name)? {
                Ok(at) => Ok(chain.places[at]),
                Err(at) => Err(chain.places[at]),
            }),
        }
    }

    /// The numbers of `node`'s records in the store's chain, if that is still the zone's chain.
    fn links(self, node: &Node<'_>) -> Option<(u32, u32)> {
        if self.chain_changed() { None } else { node.links() }
    }
}

impl Chain for View<'_> {
    type Record = u32;

    fn matching(&self, name: NameRef<'_>) -> Option<u32> {
        match &self.store.denial {
            Denial::Unsigned => None,
            Denial::Nsec(chain) => self.locate_name(chain, name)?.ok(),
            Denial::Nsec3(chain) => match self.links(&self.name_node(name)?) {
                Some((own, _)) => chain.places.get(own as usize).copied(),
                None => self.locate_hash(chain, &chain.parameters.hash(name))?.ok(),
            },
        }
    }

    fn covering(&self, name: NameRef<'_>) -> Option<u32> {
        match &self.store.denial {
            Denial::Unsigned => None,
            Denial::Nsec(chain) => self.locate_name(chain, name)?.err(),
            Denial::Nsec3(chain) => {
                if name.is_wildcard()
                    && let Some(node) = name.parent().and_then(|above| self.name_node(above))
                    && !node.flags().has(NodeFlags::OCCLUDED)
                {
                    if let Some((_, wildcard)) = self.links(&node) {
                        return chain.places.get(wildcard as usize).copied();
                    }
                    let (Ok(place) | Err(place)) = self.locate_hash(chain, &chain.parameters.hash(name))?;
                    return Some(place);
                }
                self.locate_hash(chain, &chain.parameters.hash(name))?.err()
            }
        }
    }
}

impl NsecChain {
    /// The number of the record at `name` (Ok), or of the one before it in the ring (Err).
    fn locate(&self, store: &Store, name: NameRef<'_>) -> Option<Result<usize, usize>> {
        let last = self.places.len().checked_sub(1)?;
        Some(self.search(store, name).map_err(|at| at.checked_sub(1).unwrap_or(last)))
    }

    /// The number of the record at `name` (Ok), or the number of records before it (Err).
    pub(crate) fn search(&self, store: &Store, name: NameRef<'_>) -> Result<usize, usize> {
        let key = sort_key(name.wire(), &LabelStarts::of(name.wire()), store.apex_labels);
        let low = self.keys.partition_point(|&other| other < key);
        let same = self.keys[low..].iter().take_while(|&&other| other == key).count();
        if same > 0 && whole(key) {
            return Ok(low);
        }
        // Several names start with the same octets: search among them.
        let order = |at: usize| store.node(self.places[at]).owner().cmp(&name);
        let (mut from, mut to) = (low, low + same);
        while from < to {
            let middle = from + (to - from) / 2;
            match order(middle) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        Err(from)
    }
}

/// The records that an answer must contain as proof, without duplicates.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    records: [u32; MOST_RECORDS],
    count: usize,
}

impl Proofs {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Request the proof of `claim`.
    pub(crate) fn add(&mut self, view: View<'_>, claim: Claim<'_>) {
        let method = match view.store.denial {
            Denial::Unsigned => return,
            Denial::Nsec(_) => Method::Nsec,
            Denial::Nsec3(_) => Method::Nsec3,
        };
        for record in prove(method, &view, claim).iter() {
            if self.count < MOST_RECORDS && !self.records[..self.count].contains(&record) {
                self.records[self.count] = record;
                self.count += 1;
            }
        }
    }

    /// Write the records into the authority section, each with its signatures, and clear the list.
    pub(crate) fn write(&mut self, view: View<'_>, qname: &[u8], out: &mut Writer<'_>) -> Result<(), Full> {
        let store = view.store;
        let rtype = if matches!(store.denial, Denial::Nsec(_)) { RrType::NSEC } else { RrType::NSEC3 };
        let question = NamePlace::question(qname.len());
        let apex_len = store.apex.as_ref().wire().len();
        for &place in &self.records[..self.count] {
            let node = view.node(place);
            let Some((set, mut behind)) = node.find(rtype) else { continue };
            let owner = node.wire();
            // In a proof of no data, the owner is the question name.
            let placed = if eq_folded(owner, qname) {
                put(out, Section::Authority, &set, owner, question)?
            } else {
                put_with_owner(out, Section::Authority, &set, owner.len(), owner, question.suffix(apex_len))?
            };
            if let Some(signatures) = behind.next_of(EntryKind::Signatures) {
                put_beside(out, Section::Authority, &signatures, &placed)?;
            }
        }
        self.count = 0;
        Ok(())
    }
}
