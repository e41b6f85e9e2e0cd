use super::*;

#[test]
fn colliding_keys_have_one_tag() {
    let apex: Name = "example.".parse().unwrap();
    let first = key(apex.as_ref(), 1, FLAGS).unwrap();
    let mut seen = std::collections::BTreeSet::from([first.dnskey().rdata().to_vec()]);
    for number in 1..=500 {
        let other = colliding(first.dnskey().rdata(), number);
        assert_eq!(nw_dnssec::key_tag(&other), first.tag(), "{number}");
        assert!(seen.insert(other), "{number}");
    }
}
