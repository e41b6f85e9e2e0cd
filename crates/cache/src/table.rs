//! A bounded table: a hash index over slots, and a clock hand that makes room.
//!
//! ```text
//! index  hash -> slot number          hashbrown, 5 octets per place
//! slots  | v h | v h | free | v h |   in blocks, so that growing copies one block at the most
//!              ^ hand
//! ```
//!
//! Eviction is the CLOCK of second chances, with a count instead of a bit. An entry comes in cold; each use warms it, up
//! to [`HOTTEST`]. The hand takes expired and cold entries and cools the others. So a stream of names that nobody asks
//! for again evicts itself and leaves what is in use (cache flushing attacks), and the hand needs a bounded number of
//! turns: it never looks at an entry more often than the entry was used, plus once.
//!
//! All memory counts against the bound: values, slots whether free or not, the index, the list of free slots.

use std::sync::Mutex;

use hashbrown::HashTable;

use crate::{Micros, lock};

#[cfg(test)]
mod tests;

/// What a [`Table`] must know of its values.
pub(crate) trait Kept {
    /// Octets that the value holds outside its slot.
    fn octets(&self) -> usize;
    /// Whether the value is of no more use at *now*.
    fn expired(&self, now: Micros) -> bool;
}

/// How often an entry can be passed over by the hand without having been used again.
const HOTTEST: u8 = 3;
/// Slots in one block.
const BLOCK: usize = 512;
/// Slots in the first block at first, so that a small cache is small.
const FIRST: usize = 16;
/// Octets that the allocator takes per value.
const OVERHEAD: usize = 16;

/// One place of the table.
struct Slot<V> {
    hash: u32,
    heat: u8,
    value: Option<V>,
}

/// Values found by hash and comparison, at most so many octets of them.
pub(crate) struct Table<V> {
    index: HashTable<u32>,
    blocks: Vec<Vec<Slot<V>>>,
    free: Vec<u32>,
    hand: usize,
    /// Octets of the values.
    values: usize,
    /// Slots that memory was allocated for.
    slots: usize,
    most: usize,
    evicted: u64,
}

/// Do *piece* with one block after the other, until it returns None.
///
/// The lock is let go after each block, so that a packet which needs the table waits for a few hundred values at the most,
/// and not for all of them.
pub(crate) fn block_by_block<V, R>(
    table: &Mutex<Table<V>>,
    mut piece: impl FnMut(&mut Table<V>, usize) -> Option<R>,
) -> impl Iterator<Item = R> {
    let mut number = 0;
    std::iter::from_fn(move || {
        let done = piece(&mut lock(table), number);
        number += 1;
        // Let a waiting thread take the lock: a thread that takes it again at once may keep it all the time.
        std::thread::yield_now();
        done
    })
}

/// Remove every value of *table* for which *unwanted* holds and return how many there were. What is put in meanwhile may stay.
pub(crate) fn remove_all<V: Kept>(table: &Mutex<Table<V>>, unwanted: impl Fn(&V) -> bool) -> usize {
    block_by_block(table, |table, number| table.remove_in(number, &unwanted)).sum()
}

/// All 64 bits that the index wants from the 32 that a slot keeps.
fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<V: Kept> Table<V> {
    /// A table that holds at most *most* octets, slots and index included.
    pub(crate) fn new(most: usize) -> Table<V> {
        Table {
            index: HashTable::new(),
            blocks: Vec::new(),
            free: Vec::new(),
            hand: 0,
            values: 0,
            slots: 0,
            most,
            evicted: 0,
        }
    }

    /// Octets that *value* costs outside its slot.
    fn cost(value: &V) -> usize {
        OVERHEAD + value.octets()
    }

    /// Slots that must be allocated before one more value can come in.
    fn growth(&self) -> usize {
        if !self.free.is_empty() {
            return 0;
        }
        match self.blocks.last() {
            Some(block) if block.len() < block.capacity() => 0,
            // A block grows to twice its size.
            Some(block) if block.len() < BLOCK => block.len(),
            Some(_) => BLOCK,
            None => FIRST,
        }
    }

    fn slot(blocks: &[Vec<Slot<V>>], at: u32) -> &Slot<V> {
        &blocks[at as usize / BLOCK][at as usize % BLOCK]
    }

    /// The place of the value with *hash* for which *same* holds; good until the table changes.
    pub(crate) fn locate(&self, hash: u32, same: impl Fn(&V) -> bool) -> Option<u32> {
        let blocks = &self.blocks;
        let found = self.index.find(spread(hash), |&at| {
            let slot = Self::slot(blocks, at);
            slot.hash == hash && slot.value.as_ref().is_some_and(&same)
        });
        found.copied()
    }

    /// The value with *hash* for which *same* holds. It is warmer from now on.
    pub(crate) fn find(&mut self, hash: u32, same: impl Fn(&V) -> bool) -> Option<&mut V> {
        let at = self.locate(hash, same)?;
        Some(self.warm(at))
    }

    /// The value at a place that [`Table::locate`] returned. It is warmer from now on.
    pub(crate) fn warm(&mut self, at: u32) -> &mut V {
        let slot = &mut self.blocks[at as usize / BLOCK][at as usize % BLOCK];
        slot.heat = (slot.heat + 1).min(HOTTEST);
        slot.value.as_mut().expect("the index leads to full slots only")
    }

    /// The value with *hash* for which *same* holds, as warm as before.
    pub(crate) fn peek(&self, hash: u32, same: impl Fn(&V) -> bool) -> Option<&V> {
        Self::slot(&self.blocks, self.locate(hash, same)?).value.as_ref()
    }

    /// Put *value* in the place of the one for which *same* holds, or in a new place. Returns whether it was taken: one
    /// that would fill a quarter of the table is not.
    pub(crate) fn put(&mut self, hash: u32, value: V, now: Micros, same: impl Fn(&V) -> bool) -> bool {
        let cost = Self::cost(&value);
        if cost > self.most / 4 {
            self.remove(hash, same);
            return false;
        }
        if let Some(at) = self.locate(hash, same) {
            let slot = &mut self.blocks[at as usize / BLOCK][at as usize % BLOCK];
            let old = slot.value.replace(value).map_or(0, |old| Self::cost(&old));
            self.values = self.values - old + cost;
            self.make_room(0, 0, now);
            return true;
        }
        self.make_room(cost, 1, now);
        let at = self.free_slot();
        self.blocks[at as usize / BLOCK][at as usize % BLOCK] = Slot { hash, heat: 0, value: Some(value) };
        let blocks = &self.blocks;
        self.index.insert_unique(spread(hash), at, |&at| spread(Self::slot(blocks, at).hash));
        self.values += cost;
        true
    }

    /// Remove the value for which *same* holds and return it.
    pub(crate) fn remove(&mut self, hash: u32, same: impl Fn(&V) -> bool) -> Option<V> {
        let at = self.locate(hash, same)?;
        self.empty(at)
    }

    /// Remove the values of block *number* for which *unwanted* holds and return how many there were; None behind the last
    /// block.
    pub(crate) fn remove_in(&mut self, number: usize, unwanted: impl Fn(&V) -> bool) -> Option<usize> {
        let mut count = 0;
        for at in 0..self.blocks.get(number)?.len() {
            let at = (number * BLOCK + at) as u32;
            if Self::slot(&self.blocks, at).value.as_ref().is_some_and(&unwanted) {
                self.empty(at);
                count += 1;
            }
        }
        Some(count)
    }

    /// The values of block *number*; None behind the last block.
    ///
    /// A value keeps its place while it lives. A reader that visits the blocks one by one, and lets others change the table
    /// in between, therefore sees each value that was there all the time, once.
    pub(crate) fn values_in(&self, number: usize) -> Option<impl Iterator<Item = &V>> {
        let block = self.blocks.get(number)?;
        Some(block.iter().filter_map(|slot| slot.value.as_ref()))
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Octets in use.
    pub(crate) fn octets(&self) -> usize {
        let lists = self.index.allocation_size() + self.free.capacity() * size_of::<u32>();
        self.values + self.slots * size_of::<Slot<V>>() + lists
    }

    /// How many values had to make room.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Take the value out of slot *at*.
    fn empty(&mut self, at: u32) -> Option<V> {
        let slot = &mut self.blocks[at as usize / BLOCK][at as usize % BLOCK];
        let value = slot.value.take()?;
        if let Ok(entry) = self.index.find_entry(spread(slot.hash), |&other| other == at) {
            entry.remove();
        }
        self.values -= Self::cost(&value);
        self.free.push(at);
        Some(value)
    }

    /// A slot without a value.
    fn free_slot(&mut self) -> u32 {
        if let Some(at) = self.free.pop() {
            return at;
        }
        let growth = self.growth();
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.reserve_exact(growth),
            _ => self.blocks.push(Vec::with_capacity(growth)),
        }
        self.slots += growth;
        let before = (self.blocks.len() - 1) * BLOCK;
        let block = self.blocks.last_mut().expect("one was pushed if there was none");
        block.push(Slot { hash: 0, heat: 0, value: None });
        (before + block.len() - 1) as u32
    }

    /// Turn the hand until *cost* more octets, and the slots of *count* more values, fit.
    fn make_room(&mut self, cost: usize, count: usize, now: Micros) {
        while self.octets() + cost + count * self.growth() * size_of::<Slot<V>>() > self.most
            && !self.index.is_empty()
        {
            let (block, at) = (self.hand / BLOCK, self.hand % BLOCK);
            let Some(slot) = self.blocks.get_mut(block).and_then(|block| block.get_mut(at)) else {
                self.hand = 0;
                continue;
            };
            let place = self.hand as u32;
            self.hand += 1;
            match &slot.value {
                Some(value) if slot.heat == 0 || value.expired(now) => {
                    self.empty(place);
                    self.evicted += 1;
                }
                _ => slot.heat = slot.heat.saturating_sub(1),
            }
        }
    }
}
