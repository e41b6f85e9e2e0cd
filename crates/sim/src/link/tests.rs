use super::*;
use proptest::prelude::*;

#[test]
fn a_perfect_link_is_immediate() {
    assert_eq!(Link::default().carry(&mut Random::new(1)), [0]);
}

#[test]
fn loss_and_duplication_follow_their_probability() {
    let mut rng = Random::new(9);
    let lossy = Link { loss: 0.3, ..Link::with_delay(10) };
    let lost = (0..10_000).filter(|_| lossy.carry(&mut rng).is_empty()).count();
    assert!((2800..3200).contains(&lost), "{lost}");
    let doubling = Link { duplicate: 1.0, ..Link::with_delay(10) };
    assert_eq!(doubling.carry(&mut rng), [10, 10]);
    let dead = Link { loss: 1.0, duplicate: 1.0, ..Link::default() };
    assert!(dead.carry(&mut rng).is_empty());
}

#[test]
fn reordering_delays_a_packet() {
    let link = Link { reorder: 1.0, reorder_by: 500, ..Link::with_delay(10) };
    assert_eq!(link.carry(&mut Random::new(4)), [510]);
}

proptest! {
    #[test]
    fn travel_stays_in_its_bounds(seed: u64, delay in 0u64..1_000_000, jitter in 0u64..1_000_000) {
        let link = Link { delay, jitter, ..Link::default() };
        for took in link.carry(&mut Random::new(seed)) {
            prop_assert!((delay..=delay + jitter).contains(&took));
        }
    }

    #[test]
    fn equal_seeds_give_equal_faults(seed: u64) {
        let link = Link { delay: 5, jitter: 100, loss: 0.5, duplicate: 0.5, reorder: 0.5, reorder_by: 50 };
        let run = || { let mut rng = Random::new(seed); (0..32).map(|_| link.carry(&mut rng)).collect::<Vec<_>>() };
        prop_assert_eq!(run(), run());
    }
}
