//! A bounded table: a hash index over slots, with S3-FIFO eviction.
//!
//! ```text
//! index   hash -> slot number         hashbrown, 5 octets per entry
//! slots   | v h | v h | free | v h |  in blocks, so that growing copies at most one block
//!               ^ hand over the main part
//! new     slot numbers of new values, oldest first: a tenth of the table at most
//! ghosts  hashes of values that were evicted without having been used
//! ```
//!
//! Eviction uses S3-FIFO (Yang et al., SOSP 2023). A value is new until it is the oldest new one while a tenth of the table is
//! new. If it was used by then, it moves to the main part, otherwise it is evicted and leaves its hash. A value whose hash was
//! left goes to the main part at once. In the main part, a hand evicts values with use count zero, sets the count of expired
//! values to zero, and decrements other counts; each use increments the count up to [`HOTTEST`].
//!
//! A stream of names that are queried only once therefore passes through a tenth of the table and leaves the rest alone (scans,
//! cache flushing attacks). `docs/decisions/0141-eviction.md` compares the hit ratio with those of other algorithms. The work of
//! the hand is bounded: it visits a value at most once more than the value was used.
//!
//! The bound includes all memory: values, used and free slots, the index, and the lists.

use std::collections::VecDeque;
use std::sync::Mutex;

use hashbrown::HashTable;

use crate::{Micros, lock};

#[cfg(test)]
mod tests;

/// The interface of values in a [`Table`].
pub(crate) trait Kept {
    /// The number of octets that the value owns outside its slot.
    fn octets(&self) -> usize;
    /// Return whether the lifetime of the value has ended at `now`.
    fn expired(&self, now: Micros) -> bool;
    /// Return whether the value is useless at `now`, although it may be used for `grace` after its lifetime.
    fn useless(&self, now: Micros, grace: Micros) -> bool {
        self.expired(now.saturating_sub(grace))
    }
}

/// The maximum use count: how often the hand passes an entry that is not used again.
const HOTTEST: u8 = 3;
/// The number of slots in a block.
const BLOCK: usize = 512;
/// The initial number of slots in the first block, so that a small cache is small.
const FIRST: usize = 16;
/// The part of the table that new values may fill before the oldest of them is judged: one in this number.
const NEW_PART: usize = 10;
/// The octets that the allocator adds to each value.
const OVERHEAD: usize = 16;

/// A slot of the table.
struct Slot<V> {
    hash: u32,
    heat: u8,
    /// Whether the value is new.
    is_new: bool,
    /// Whether the slot is in the list of new values.
    listed: bool,
    value: Option<V>,
}

/// Values that are found by hash and comparison, bounded in octets.
pub(crate) struct Table<V> {
    index: HashTable<u32>,
    blocks: Vec<Vec<Slot<V>>>,
    free: Vec<u32>,
    /// The slots of new values, oldest first. A slot whose value was removed stays until its turn comes.
    new: VecDeque<u32>,
    /// The number of new values, and the octets that they cost.
    new_count: usize,
    new_octets: usize,
    /// Hashes of values that were evicted unused, each at the place that it chooses; 0 for none. Empty until something is
    /// evicted.
    ghosts: Box<[u32]>,
    hand: usize,
    /// The number of octets of the values.
    values: usize,
    /// The number of allocated slots.
    slots: usize,
    most: usize,
    evicted: u64,
    /// For how long expired values are kept if nothing else needs their memory.
    grace: Micros,
}

/// Call `piece` for one block after the other, until it returns None.
///
/// The lock is released after each block, so that a packet that needs the table waits for at most a few hundred
/// values.
pub(crate) fn block_by_block<V, R>(
    table: &Mutex<Table<V>>,
    mut piece: impl FnMut(&mut Table<V>, usize) -> Option<R>,
) -> impl Iterator<Item = R> {
    let mut number = 0;
    std::iter::from_fn(move || {
        let done = piece(&mut lock(table), number);
        number += 1;
        // Let a waiting thread take the lock. A thread that locks again immediately can starve the others.
        std::thread::yield_now();
        done
    })
}

/// Remove every value of `table` for which `unwanted` returns true, and return their number. Values added meanwhile
/// may remain.
pub(crate) fn remove_all<V: Kept>(table: &Mutex<Table<V>>, unwanted: impl Fn(&V) -> bool) -> usize {
    block_by_block(table, |table, number| table.remove_in(number, &unwanted)).sum()
}

/// Expand the 32-bit hash of a slot to the 64 bits that the index needs.
fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<V: Kept> Table<V> {
    /// Create a table of at most `most` octets, including slots and index.
    pub(crate) fn new(most: usize) -> Table<V> {
        Table {
            index: HashTable::new(),
            blocks: Vec::new(),
            free: Vec::new(),
            new: VecDeque::new(),
            new_count: 0,
            new_octets: 0,
            ghosts: Box::default(),
            hand: 0,
            values: 0,
            slots: 0,
            most,
            evicted: 0,
            grace: 0,
        }
    }

    /// For how long expired values are kept.
    pub(crate) fn grace(&self) -> Micros {
        self.grace
    }

    /// Keep expired values for `grace` if nothing else needs their memory.
    pub(crate) fn keep_expired(&mut self, grace: Micros) {
        self.grace = grace;
    }

    /// The number of octets that `value` costs outside its slot.
    fn cost(value: &V) -> usize {
        OVERHEAD + value.octets()
    }

    /// The number of slots that must be allocated for one more value.
    fn growth(&self) -> usize {
        if !self.free.is_empty() {
            return 0;
        }
        match self.blocks.last() {
            Some(block) if block.len() < block.capacity() => 0,
            // A block doubles in size.
            Some(block) if block.len() < BLOCK => block.len(),
            Some(_) => BLOCK,
            None => FIRST,
        }
    }

    #[inline]
    fn slot(blocks: &[Vec<Slot<V>>], at: u32) -> &Slot<V> {
        &blocks[at as usize / BLOCK][at as usize % BLOCK]
    }

    /// Return the position of the value with `hash` for which `same` returns true. It is valid until the table
    /// changes.
    #[inline]
    pub(crate) fn locate(&self, hash: u32, same: impl Fn(&V) -> bool) -> Option<u32> {
        let blocks = &self.blocks;
        let found = self.index.find(spread(hash), |&at| {
            let slot = Self::slot(blocks, at);
            slot.hash == hash && slot.value.as_ref().is_some_and(&same)
        });
        found.copied()
    }

    /// Call `visit` with the position of each value with `hash`.
    pub(crate) fn each(&self, hash: u32, mut visit: impl FnMut(u32, &V)) {
        for &at in self.index.iter_hash(spread(hash)) {
            let slot = Self::slot(&self.blocks, at);
            if let Some(value) = slot.value.as_ref().filter(|_| slot.hash == hash) {
                visit(at, value);
            }
        }
    }

    /// Return the value with `hash` for which `same` returns true, and increment its use count.
    pub(crate) fn find(&mut self, hash: u32, same: impl Fn(&V) -> bool) -> Option<&mut V> {
        let at = self.locate(hash, same)?;
        Some(self.warm(at))
    }

    /// Return the value at a position from [`Table::locate`], and increment its use count.
    pub(crate) fn warm(&mut self, at: u32) -> &mut V {
        let slot = &mut self.blocks[at as usize / BLOCK][at as usize % BLOCK];
        slot.heat = (slot.heat + 1).min(HOTTEST);
        slot.value.as_mut().expect("the index leads to full slots only")
    }

    /// Do the same as [`Table::warm`], and return whether the value was used before.
    #[inline]
    pub(crate) fn warm_again(&mut self, at: u32) -> (&mut V, bool) {
        let slot = &mut self.blocks[at as usize / BLOCK][at as usize % BLOCK];
        let used = slot.heat > 0;
        slot.heat = (slot.heat + 1).min(HOTTEST);
        (slot.value.as_mut().expect("the index leads to full slots only"), used)
    }

    /// Return the value with `hash` for which `same` returns true, without changing its use count.
    pub(crate) fn peek(&self, hash: u32, same: impl Fn(&V) -> bool) -> Option<&V> {
        Self::slot(&self.blocks, self.locate(hash, same)?).value.as_ref()
    }

    /// Replace the value for which `same` returns true by `value`, or add it. Returns false and stores nothing if the
    /// value would fill a quarter of the table.
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
            if slot.is_new {
                self.new_octets = self.new_octets - old + cost;
            }
            self.make_room(0, 0, now);
            return true;
        }
        self.make_room(cost, 1, now);
        let at = self.free_slot();
        let is_new = self.ghosts.is_empty() || self.ghosts[self.ghost_at(hash)] != hash;
        let slot = &mut self.blocks[at as usize / BLOCK][at as usize % BLOCK];
        let listed = slot.listed || is_new;
        if listed && !slot.listed {
            self.new.push_back(at);
        }
        *slot = Slot { hash, heat: 0, is_new, listed, value: Some(value) };
        if is_new {
            self.new_count += 1;
            self.new_octets += cost;
        }
        let blocks = &self.blocks;
        self.index.insert_unique(spread(hash), at, |&at| spread(Self::slot(blocks, at).hash));
        self.values += cost;
        true
    }

    /// Remove and return the value for which `same` returns true.
    pub(crate) fn remove(&mut self, hash: u32, same: impl Fn(&V) -> bool) -> Option<V> {
        let at = self.locate(hash, same)?;
        self.empty(at)
    }

    /// Remove the values of block `number` for which `unwanted` returns true, and return their number. Returns None
    /// after the last block.
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

    /// Call `change` with the values of block `number`, of which the octets stay the same. Returns None after the last block.
    pub(crate) fn change_in(&mut self, number: usize, change: impl Fn(&mut V)) -> Option<()> {
        let block = self.blocks.get_mut(number)?;
        block.iter_mut().filter_map(|slot| slot.value.as_mut()).for_each(change);
        Some(())
    }

    /// Return the values of block `number`, or None after the last block.
    ///
    /// A value never moves. A reader that visits the blocks one by one, while others change the table in between,
    /// therefore sees each value that exists all the time exactly once.
    pub(crate) fn values_in(&self, number: usize) -> Option<impl Iterator<Item = &V>> {
        let block = self.blocks.get(number)?;
        Some(block.iter().filter_map(|slot| slot.value.as_ref()))
    }

    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// The number of octets in use.
    pub(crate) fn octets(&self) -> usize {
        let numbers = self.free.capacity() + self.new.capacity() + self.ghosts.len();
        let lists = self.index.allocation_size() + numbers * size_of::<u32>();
        self.values + self.slots * size_of::<Slot<V>>() + lists
    }

    /// The number of evicted values.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Remove the value from slot `at`.
    fn empty(&mut self, at: u32) -> Option<V> {
        let slot = &mut self.blocks[at as usize / BLOCK][at as usize % BLOCK];
        let value = slot.value.take()?;
        if let Ok(entry) = self.index.find_entry(spread(slot.hash), |&other| other == at) {
            entry.remove();
        }
        self.values -= Self::cost(&value);
        if slot.is_new {
            self.new_count -= 1;
            self.new_octets -= Self::cost(&value);
        }
        self.free.push(at);
        Some(value)
    }

    /// Return a free slot.
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
        block.push(Slot { hash: 0, heat: 0, is_new: false, listed: false, value: None });
        (before + block.len() - 1) as u32
    }

    /// The place of `hash` among the ghosts.
    fn ghost_at(&self, hash: u32) -> usize {
        (spread(hash) >> 32) as usize & (self.ghosts.len() - 1)
    }

    /// Evict values until `cost` more octets and the slots of `count` more values fit.
    fn make_room(&mut self, cost: usize, count: usize, now: Micros) {
        while self.octets() + cost + count * self.growth() * size_of::<Slot<V>>() > self.most
            && !self.index.is_empty()
        {
            let all_new = self.new_count == self.index.len();
            let new = self.new_octets + self.new_count * size_of::<Slot<V>>();
            if all_new || new * NEW_PART >= self.most {
                self.judge_oldest_new(now);
            } else {
                self.advance(now);
            }
        }
    }

    /// Evict the oldest new value, or move it to the main part.
    fn judge_oldest_new(&mut self, now: Micros) {
        let Some(at) = self.new.pop_front() else { return };
        let grace = self.grace;
        let slot = &mut self.blocks[at as usize / BLOCK][at as usize % BLOCK];
        slot.listed = false;
        let Some(value) = slot.value.as_ref().filter(|_| slot.is_new) else { return };
        if slot.heat > 0 && !value.useless(now, grace) {
            (slot.is_new, slot.heat) = (false, 0);
            self.new_count -= 1;
            self.new_octets -= Self::cost(value);
            return;
        }
        let hash = slot.hash;
        self.empty(at);
        self.evicted += 1;
        if self.ghosts.is_empty() {
            self.ghosts = vec![0; (self.index.len() + 1).next_power_of_two() / 2].into_boxed_slice();
        }
        let place = self.ghost_at(hash);
        self.ghosts[place] = hash;
    }

    /// Advance the hand over the main part by one slot.
    fn advance(&mut self, now: Micros) {
        let (block, at) = (self.hand / BLOCK, self.hand % BLOCK);
        let Some(slot) = self.blocks.get_mut(block).and_then(|block| block.get_mut(at)) else {
            self.hand = 0;
            return;
        };
        let place = self.hand as u32;
        self.hand += 1;
        match &slot.value {
            _ if slot.is_new => {}
            Some(value) if slot.heat == 0 || value.useless(now, self.grace) => {
                self.empty(place);
                self.evicted += 1;
            }
            // An expired value stays for one more turn only, unless it is used.
            Some(value) if value.expired(now) => slot.heat = 0,
            _ => slot.heat = slot.heat.saturating_sub(1),
        }
    }
}
