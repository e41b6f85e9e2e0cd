use proptest::prelude::*;

use super::*;

fn acl(entries: &[&str]) -> Acl {
    Acl::parse(entries).expect("the list of the test is right")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("the address of the test is right")
}

#[test]
fn any_none_and_loopback() {
    for address in
        ["0.0.0.0", "255.255.255.255", "::", "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
    {
        assert!(Acl::any().allows(ip(address)), "{address}");
        assert!(!Acl::none().allows(ip(address)), "{address}");
        assert!(!Acl::loopback().allows(ip(address)), "{address}");
    }
    assert_eq!(Acl::any(), acl(&["0.0.0.0/0", "::/0"]));
    for address in ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"] {
        assert!(Acl::loopback().allows(ip(address)), "{address}");
    }
}

#[test]
fn ipv4_in_ipv6_is_ipv4() {
    let list = acl(&["192.0.2.0/24"]);
    assert!(list.allows(ip("::ffff:192.0.2.9")));
    assert!(!list.allows(ip("::ffff:192.0.3.9")));
    assert!(!acl(&["::/0"]).allows(ip("::ffff:192.0.2.9")), "an IPv6 block never matches an IPv4 client");
}

#[test]
fn adjacent_and_nested_blocks_become_one_range() {
    let list = acl(&["10.1.0.0/16", "10.0.0.0/16", "10.0.5.0/24", "10.0.0.0/32"]);
    assert_eq!(list.v4.0.len(), 1);
    assert!(
        list.allows(ip("10.1.255.255")) && !list.allows(ip("10.2.0.0")) && !list.allows(ip("9.255.255.255"))
    );
}

#[test]
fn every_wrong_entry_is_reported() {
    let errors = Acl::parse(&["10.0.0.0/8", "10.0.0.1/8", "x", "::1/129"]).expect_err("three are wrong");
    assert_eq!(errors.iter().map(|e| e.index).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(errors[0].to_string(), "entry 1: 10.0.0.1/8 has host bits set; the block is 10.0.0.0/8");
}

proptest! {
    /// `allows(a)` holds if and only if a prefix of the list contains `a`.
    #[test]
    fn ranges_agree_with_the_prefixes(
        blocks in prop::collection::vec((any::<u32>(), 0u8..=32), 0..40),
        blocks6 in prop::collection::vec((any::<u128>(), 0u8..=128), 0..40),
        extra in prop::collection::vec(any::<u32>(), 20),
    ) {
        let mut prefixes: Vec<Prefix> = Vec::new();
        for (bits, len) in blocks { prefixes.push(Prefix::covering(Ipv4Addr::from_bits(bits).into(), len).expect("len is at most 32")); }
        for (bits, len) in blocks6 { prefixes.push(Prefix::covering(Ipv6Addr::from_bits(bits).into(), len).expect("len is at most 128")); }
        let list = Acl::new(prefixes.iter().copied());
        let mut asked: Vec<IpAddr> = extra.into_iter().map(|bits| Ipv4Addr::from_bits(bits).into()).collect();
        for prefix in &prefixes {
            asked.extend([prefix.first(), prefix.last()]);
            match (prefix.first(), prefix.last()) {
                (IpAddr::V4(f), IpAddr::V4(l)) => {
                    asked.push(Ipv4Addr::from_bits(f.to_bits().wrapping_sub(1)).into());
                    asked.push(Ipv4Addr::from_bits(l.to_bits().wrapping_add(1)).into());
                }
                (IpAddr::V6(f), IpAddr::V6(l)) => {
                    asked.push(Ipv6Addr::from_bits(f.to_bits().wrapping_sub(1)).into());
                    asked.push(Ipv6Addr::from_bits(l.to_bits().wrapping_add(1)).into());
                }
                _ => unreachable!("first and last are of one family"),
            }
        }
        for address in asked {
            prop_assert_eq!(list.allows(address), prefixes.iter().any(|p| p.contains(address)), "{}", address);
        }
    }
}
