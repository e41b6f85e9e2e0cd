use std::collections::HashSet;
use std::hash::BuildHasher;

use proptest::prelude::*;

use super::{HashKey, Keyed, eq_folded, fold8, mix};

/// Labels of 15 octets, including the length octet, that all have the same hash under `known`. The second word
/// cancels the effect of the first word on the state.
fn colliding(known: HashKey, count: usize) -> Vec<Vec<u8>> {
    let mut labels = Vec::new();
    let mut number = 0u64;
    while labels.len() < count {
        number += 1;
        let mut label = vec![15u8];
        label.extend_from_slice(&number.to_le_bytes()[..7]);
        let first = u64::from_le_bytes(*label.first_chunk().expect("eight octets"));
        let second = mix(known.start ^ fold8(first), known.inner) ^ 0x0123_4567_89ab_cdef;
        if fold8(first) == first && fold8(second) == second {
            label.extend_from_slice(&second.to_le_bytes());
            labels.push(label);
        }
    }
    labels
}

#[test]
fn names_that_collide_under_a_known_key_differ_under_another() {
    let known = HashKey::new([1, 0x9e37_79b9_7f4a_7c15, 3]);
    let labels = colliding(known, 10_000);
    let hashes = |key: HashKey| -> HashSet<u64> {
        labels.iter().map(|label| key.extend(key.start(), label)).collect()
    };
    assert_eq!(hashes(known).len(), 1);
    // Every part of the key must be secret: a different value of any part spreads the names.
    for other in [[9, 0x9e37_79b9_7f4a_7c15, 3], [1, 0x1234_5678_9abc_def1, 3]] {
        assert_eq!(hashes(HashKey::new(other)).len(), labels.len());
    }
    // The tag of the zone index and its slots must spread as well, not only the 64 bits.
    let tags: HashSet<u32> = hashes(HashKey::new([0xfeed_beef, 0x1234_5678_9abc_def1, 77]))
        .iter()
        .map(|hash| *hash as u32)
        .collect();
    assert!(tags.len() > labels.len() - 10);
}

#[test]
fn keyed_hashes_tell_parts_and_lengths_apart() {
    let values = (0..256u32).map(|n| (n as u8, u64::from(n) << 32, vec![n as u8; n as usize], n % 3 == 0));
    let hashes: HashSet<u64> = values.map(|value| Keyed.hash_one(value)).collect();
    assert_eq!(hashes.len(), 256);
    let zeros: HashSet<u64> = (0..40).map(|length| Keyed.hash_one(vec![0u8; length])).collect();
    assert_eq!(zeros.len(), 40);
    let slots: HashSet<u64> = (0..4096u64).map(|n| Keyed.hash_one(n << 40) >> 52).collect();
    assert!(slots.len() > 2300, "{} of 4096 slots", slots.len());
}

proptest! {
    #[test]
    fn equality_and_hashes_ignore_case(a in prop::collection::vec(any::<u8>(), 1..40), b in prop::collection::vec(any::<u8>(), 1..40)) {
        let key = HashKey::new([1, 2, 3]);
        prop_assert_eq!(eq_folded(&a, &b), a.eq_ignore_ascii_case(&b));
        let upper = a.to_ascii_uppercase();
        prop_assert!(eq_folded(&a, &upper));
        prop_assert_eq!(key.extend(5, &a), key.extend(5, &upper));
        prop_assert_eq!(key.name(&a), key.name(&upper));
        prop_assert_eq!(key.name(&a) == key.name(&b), eq_folded(&a, &b));
    }

    #[test]
    fn equality_sees_every_octet(a in prop::collection::vec(any::<u8>(), 1..40), at in any::<prop::sample::Index>(), change in any::<u8>()) {
        let mut b = a.to_ascii_lowercase();
        b[at.index(a.len())] ^= change;
        prop_assert_eq!(eq_folded(&a, &b), a.eq_ignore_ascii_case(&b));
    }

    #[test]
    fn folding_eight_octets_is_folding_each(word in any::<u64>()) {
        let mut bytes = word.to_le_bytes();
        bytes.make_ascii_lowercase();
        prop_assert_eq!(fold8(word), u64::from_le_bytes(bytes));
    }
}
