use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

impl Kept for u16 {
    fn octets(&self) -> usize {
        0
    }

    fn expired(&self, _now: Micros) -> bool {
        false
    }
}

/// Put `value` into the table or remove it.
fn change(table: &mut Table<u16>, value: u16, put: bool) {
    let hash = u32::from(value);
    if put {
        table.put(hash, value, 0, |&other| other == value);
    } else {
        table.remove(hash, |&other| other == value);
    }
}

proptest! {
    /// Going through a table that changes meanwhile returns each value that stays exactly once and no value that was
    /// never there, and removes each unwanted value that was there before.
    #[test]
    fn going_block_by_block_sees_every_value_once(
        before in proptest::collection::vec((0u16..3000, any::<bool>()), 0..4000),
        meanwhile in proptest::collection::vec(proptest::collection::vec((0u16..3000, any::<bool>()), 0..300), 10),
    ) {
        let table = Mutex::new(Table::new(1 << 20));
        before.iter().for_each(|&(value, put)| change(&mut lock(&table), value, put));
        let values = |table: &Table<u16>| -> HashSet<u16> {
            (0..).map_while(|number| table.values_in(number)).flat_map(|block| block.copied().collect::<Vec<_>>()).collect()
        };
        let first = values(&lock(&table));
        let touched: HashSet<u16> = meanwhile.iter().flatten().map(|(value, _)| *value).collect();
        let mut seen: HashMap<u16, u32> = HashMap::new();
        let piece = |table: &mut Table<u16>, number| {
            Some(table.values_in(number)?.copied().collect::<Vec<u16>>())
        };
        let mut changes = meanwhile.iter();
        for block in block_by_block(&table, piece) {
            prop_assert!(block.len() <= BLOCK);
            block.into_iter().for_each(|value| *seen.entry(value).or_default() += 1);
            // The lock is free here.
            let mut table = table.try_lock().expect("it was let go");
            changes.next().into_iter().flatten().for_each(|&(value, put)| change(&mut table, value, put));
        }
        for value in first.iter().filter(|value| !touched.contains(value)) {
            prop_assert_eq!(seen.get(value), Some(&1));
        }
        prop_assert!(seen.keys().all(|value| first.contains(value) || touched.contains(value)));
        let left = values(&lock(&table));
        let even = left.iter().filter(|&value| value % 2 == 0).count();
        prop_assert_eq!(remove_all(&table, |value| value % 2 == 0), even);
        prop_assert_eq!(values(&lock(&table)), left.into_iter().filter(|value| value % 2 == 1).collect::<HashSet<_>>());
    }
}

/// A table that was full and is empty again still owns its slots.
#[test]
fn free_slots_are_counted() {
    let mut table = Table::new(200_000);
    let slot = size_of::<Slot<u16>>();
    for value in 0..u16::MAX {
        change(&mut table, value, true);
        // The index may double when it is full.
        assert!(table.octets() <= 200_000 + table.index.allocation_size() / 2, "{}", table.octets());
    }
    let (full, values) = (table.octets(), table.len());
    assert!(values > 2000 && full > 150_000, "{values} {full}");
    (0..u16::MAX).for_each(|value| change(&mut table, value, false));
    assert_eq!(table.len(), 0);
    assert!(table.octets() >= values * (slot + size_of::<u32>()), "{}", table.octets());
    // The slots are reused, and no others are added.
    (0..values as u16).for_each(|value| change(&mut table, value, true));
    assert!(table.octets() <= full + values * 2 * size_of::<u32>());
}
