use std::collections::HashSet;

use super::*;

#[test]
fn numbers_do_not_repeat_and_reach_everywhere() {
    let random = Random::default();
    let seen: HashSet<u64> = (0..10 * STOCK).map(|_| random.bits()).collect();
    assert_eq!(seen.len(), 10 * STOCK);
    let small: HashSet<usize> = (0..1000).map(|_| random.below(7)).collect();
    assert_eq!(small, (0..7).collect());
    assert_eq!(random.below(1), 0);
}
