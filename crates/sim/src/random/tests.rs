use super::*;
use proptest::prelude::*;

#[test]
fn known_numbers() {
    // SplitMix64 with seed 1234567, as published with the algorithm.
    let mut rng = Random::new(1_234_567);
    let first: Vec<u64> = (0..3).map(|_| rng.next()).collect();
    assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
}

#[test]
fn streams_are_independent_and_repeatable() {
    let draw = |seed, label| Random::stream(seed, label).next();
    assert_eq!(draw(1, "a"), draw(1, "a"));
    assert_ne!(draw(1, "a"), draw(1, "b"));
    assert_ne!(draw(1, "a"), draw(2, "a"));
}

#[test]
fn probabilities_zero_and_one_are_exact() {
    let mut rng = Random::new(3);
    assert!((0..1000).all(|_| !rng.happens(0.0)));
    assert!((0..1000).all(|_| rng.happens(1.0)));
    let hits = (0..10_000).filter(|_| rng.happens(0.25)).count();
    assert!((2300..2700).contains(&hits), "{hits}");
}

#[test]
fn fnv_vector() {
    let mut hash = Fnv::new();
    hash.write(b"foobar");
    assert_eq!(hash.finish(), 0x8594_4171_f739_67e8);
}

proptest! {
    #[test]
    fn below_stays_below(seed: u64, bound in 1u64..) {
        prop_assert!(Random::new(seed).below(bound) < bound);
    }
}
