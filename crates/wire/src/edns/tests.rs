use super::*;
use crate::code::Ede;
use crate::name::NameRef;
use proptest::prelude::*;
use std::net::IpAddr;

fn any_code() -> impl Strategy<Value = OptionCode> {
    prop_oneof![9 => (0..OptionCode::NAMED.len()).prop_map(|at| OptionCode::NAMED[at].0), 1 => any::<u16>().prop_map(OptionCode)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// An option that decodes is written as the same octets, and its text has no control characters.
    #[test]
    fn decode_then_write_is_identity(code in any_code(), data in prop::collection::vec(any::<u8>(), 0..48)) {
        if let Ok(option) = EdnsOption::decode(code, &data) {
            prop_assert_eq!(option.code(), code);
            let (mut written, mut given) = (Vec::new(), Vec::new());
            option.write(&mut written);
            push_option(&mut given, code, &data);
            prop_assert_eq!(written, given);
            prop_assert!(!option.to_string().chars().any(char::is_control));
        }
    }

    /// A list of options passes the check exactly if the options fill the list. Each option is then returned.
    #[test]
    fn options_fill_the_list_exactly(rdata in prop::collection::vec(0u8..6, 0..40)) {
        let seen: usize = Opt::from_record(0, 0, &rdata).raw_options().map(|(_, data)| 4 + data.len()).sum();
        prop_assert_eq!(check(&rdata).is_ok(), seen == rdata.len());
    }

    /// A subnet made from any address is valid for any prefix length and decodes again.
    #[test]
    fn subnets_are_masked(v6 in any::<bool>(), octets in any::<[u8; 16]>(), source in any::<u8>()) {
        let address = if v6 { IpAddr::from(octets) } else { IpAddr::from([octets[0], octets[1], octets[2], octets[3]]) };
        let subnet = EdnsOption::ClientSubnet(ClientSubnet::new(address, source));
        let mut written = Vec::new();
        subnet.write(&mut written);
        prop_assert_eq!(Opt::from_record(0, 0, &written).options().collect::<Vec<_>>(), vec![Ok(subnet)]);
    }
}

/// Options with lengths and values that their RFCs forbid are refused with the section.
#[test]
fn hostile_options_are_refused_by_section() {
    use OptionFault::*;
    for (code, data, fault, section) in [
        (OptionCode::LLQ, &[0; 17][..], Length, "RFC 8764 §3.2"),
        (OptionCode::UL, &[0; 5], Length, "RFC 9664 §4"),
        (OptionCode::CLIENT_SUBNET, &[0, 1, 24], Length, "RFC 7871 §6"),
        (OptionCode::CLIENT_SUBNET, &[0, 3, 0, 0], Family, "RFC 7871 §6"),
        (OptionCode::CLIENT_SUBNET, &[0, 0, 8, 0, 1], Family, "RFC 7871 §6"),
        (OptionCode::CLIENT_SUBNET, &[0, 1, 33, 0, 1, 2, 3, 4, 5], Prefix, "RFC 7871 §6"),
        (OptionCode::CLIENT_SUBNET, &[0, 1, 24, 0, 192, 0], Length, "RFC 7871 §6"),
        (OptionCode::CLIENT_SUBNET, &[0, 1, 24, 0, 192, 0, 2, 1], Length, "RFC 7871 §6"),
        (OptionCode::CLIENT_SUBNET, &[0, 1, 23, 0, 192, 0, 3], Bits, "RFC 7871 §6"),
        (OptionCode::EXPIRE, &[0; 3], Length, "RFC 7314 §3"),
        (OptionCode::COOKIE, &[0; 7], Length, "RFC 7873 §5.2.2"),
        (OptionCode::COOKIE, &[0; 12], Length, "RFC 7873 §5.2.2"),
        (OptionCode::COOKIE, &[0; 41], Length, "RFC 7873 §5.2.2"),
        (OptionCode::TCP_KEEPALIVE, &[0], Length, "RFC 7828 §3.1"),
        (OptionCode::CHAIN, b"\x03abc", Name, "RFC 7901 §4"),
        (OptionCode::KEY_TAG, &[], Length, "RFC 8145 §4.1"),
        (OptionCode::KEY_TAG, &[1, 2, 3], Length, "RFC 8145 §4.1"),
        (OptionCode::EDE, &[0], Length, "RFC 8914 §2"),
        (OptionCode::CLIENT_TAG, &[0; 3], Length, "draft-bellis-dnsop-edns-tags-01 §4"),
        (OptionCode::REPORT_CHANNEL, b"\xc0\x0c", Name, "RFC 9567 §6"),
        (OptionCode::ZONEVERSION, &[2], Length, "RFC 9660 §2"),
        (OptionCode::ZONEVERSION, &[2, 0, 1], Length, "RFC 9660 §2"),
    ] {
        let error = EdnsOption::decode(code, data).unwrap_err();
        assert_eq!((error.fault, error.section()), (fault, section), "{code} {data:?}");
    }
    assert_eq!(check(&[0, 3, 0, 5, 1]).unwrap_err().section(), "RFC 6891 §6.1.2");
}

#[test]
fn options_are_shown_as_dig_shows_them() {
    let name = NameRef::from_wire(b"\x05agent\x07example\x00").unwrap();
    for (option, text) in [
        (EdnsOption::Ede { code: Ede(18), text: b"no" }, "EDE: 18 (Prohibited): (no)"),
        (EdnsOption::Nsid(b"ns1"), "NSID: 6e7331 (\"ns1\")"),
        (
            EdnsOption::ClientSubnet(ClientSubnet::new([192, 0, 2, 77].into(), 24)),
            "CLIENT-SUBNET: 192.0.2.0/24/0",
        ),
        (EdnsOption::TcpKeepalive(Some(301)), "TCP-KEEPALIVE: 30.1 secs"),
        (EdnsOption::ReportChannel(name), "REPORT-CHANNEL: agent.example."),
        (
            EdnsOption::ZoneVersion(Some(ZoneVersion { labels: 2, kind: 0, version: &[0, 0, 0, 7] })),
            "ZONEVERSION: SOA-SERIAL: 7 (2 labels)",
        ),
    ] {
        assert_eq!(option.to_string(), text);
    }
}

/// RFC 6891 §6.1.3, RFC 8467 §4.1.
#[test]
fn fields_and_padding() {
    let opt = Opt::from_record(100, ttl_field(Rcode::BADVERS, 0, true), &[]);
    assert_eq!((opt.udp_payload(), opt.extended_rcode(), opt.version(), opt.dnssec_ok()), (512, 1, 0, true));
    assert_eq!([padding(50, 128), padding(124, 128), padding(125, 128), padding(7, 0)], [74, 0, 127, 0]);
}

/// The code has a variant for exactly the options that the registry marks as decoded.
#[test]
fn options_agree_with_registry() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../registry/edns-options.tsv");
    for line in std::fs::read_to_string(file).unwrap().lines().filter(|line| !line.starts_with('#')) {
        let [number, mnemonic, status, note] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let code = OptionCode(number.parse().unwrap());
        let known = (0..=18).any(|length| {
            matches!(EdnsOption::decode(code, &vec![0; length]), Ok(option) if !matches!(option, EdnsOption::Unknown { .. }))
        });
        assert_eq!(known, status == "decoded", "{line}");
        assert_eq!(code.mnemonic().unwrap_or("-"), mnemonic, "{line}");
        assert!(!note.is_empty());
    }
}
