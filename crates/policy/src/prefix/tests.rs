use proptest::prelude::*;

use super::*;

#[test]
fn text_forms() {
    for (text, shown) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
    ] {
        assert_eq!(text.parse::<Prefix>().expect(text).to_string(), shown);
    }
}

#[test]
fn errors_give_the_reason() {
    for (text, said) in [
        ("", "\"\" is not an IP address or block"),
        ("10.0.0/8", "\"10.0.0/8\" is not an IP address or block"),
        ("10.0.0.0/", "\"10.0.0.0/\": the length after the slash is not a number"),
        ("10.0.0.0/+8", "\"10.0.0.0/+8\": the length after the slash is not a number"),
        ("10.0.0.0/33", "/33 is longer than an address of 32 bits"),
        ("::/999", "/999 is longer than an address of 128 bits"),
        ("2001:db8::1/32", "2001:db8::1/32 has host bits set; the block is 2001:db8::/32"),
    ] {
        assert_eq!(text.parse::<Prefix>().expect_err(text).to_string(), said);
    }
}

proptest! {
    /// Parsing the text of a block is the identity, and a block contains its ends and the address it was made from.
    #[test]
    fn show_then_parse(bits in any::<u128>(), len in 0u8..=128, four in any::<bool>()) {
        let (address, len): (IpAddr, u8) = if four {
            (Ipv4Addr::from_bits(bits as u32).into(), len.min(32))
        } else {
            (Ipv6Addr::from_bits(bits).into(), len)
        };
        let prefix = Prefix::covering(address, len).expect("len fits the family");
        prop_assert_eq!(prefix.to_string().parse::<Prefix>(), Ok(prefix));
        prop_assert!(prefix.contains(address) && prefix.contains(prefix.first()) && prefix.contains(prefix.last()));
    }
}
