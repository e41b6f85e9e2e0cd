use super::*;
use crate::LoadOptions;
use crate::scan::{self, Text};
use crate::tests::name;

const HEAD: &str = "$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\nalias CNAME www\ntext TXT x\n\
    sub NS ns.sub\nns.sub A 192.0.2.3\n*.wild A 192.0.2.4\nold DNAME new.example.net.\n";
const LINES: u32 = 11;

/// The ids that the check of `text`, after a valid head, reports, with the line in `text`.
fn found(text: &[u8]) -> Vec<(&'static str, u32)> {
    let all = [HEAD.as_bytes(), text].concat();
    let checked =
        scan::check(&mut Text::new("zone", all), name("example.com.").as_ref(), &LoadOptions::default());
    let ids: Vec<_> =
        checked.findings.iter().map(|finding| (finding.problem.facts().id, finding.line - LINES)).collect();
    assert_eq!(checked.zone.is_none(), checked.findings.iter().any(|finding| finding.problem.is_error()));
    ids
}

/// For each rule: text that it reports, and neighbours that it does not.
const CASES: &[(&str, &[&str], &[&str])] = &[
    (
        "ds-digest",
        &[
            "sub DS 1 8 1 00",
            "sub DS 1 8 2 00",
            "sub DS 1 8 4 00",
            "a CDS 1 8 2 00",
            "a DLV 1 8 1 00",
            "a TA 1 8 6 00",
            "sub DS \\# 5 0001080200",
        ],
        &["sub DS 1 8 1 0102030405060708091011121314151617181920", "a CDS 0 0 0 00", "sub DS 1 8 200 00"],
    ),
    (
        "sshfp-digest",
        &["a SSHFP 1 1 00", "a SSHFP 1 2 0102030405060708091011121314151617181920"],
        &["a SSHFP 1 1 0102030405060708091011121314151617181920", "a SSHFP 1 9 00"],
    ),
    (
        "tlsa-digest",
        &["a TLSA 3 1 1 00", "a TLSA 3 1 2 00", "a SMIMEA 3 1 1 00"],
        &["a TLSA 3 0 0 3082", "a TLSA 3 1 9 00"],
    ),
    (
        "zonemd-digest",
        &["a ZONEMD 1 1 1 00", "a ZONEMD 1 1 2 00", "a ZONEMD 1 1 3 00"],
        &["a ZONEMD 1 1 3 000000000000000000000000"],
    ),
    (
        "target-alias",
        &["a MX 10 alias", "a SRV 1 1 1 alias", "b NS alias", "a KX 1 alias", "a AFSDB 1 ALIAS"],
        &["a MX 10 www", "a CNAME alias", "a PTR alias", "a HTTPS 1 alias"],
    ),
    (
        "target-missing",
        &[
            "a MX 10 nowhere",
            "a SRV 1 1 1 x.www",
            "b NS nowhere",
            "a CNAME nowhere",
            "a HTTPS 1 nowhere",
            "a LP 1 nowhere",
        ],
        &[
            "a MX 10 x.wild",
            "a MX 10 x.sub",
            "a MX 10 sub",
            "a MX 10 x.old",
            "a MX 10 mail.example.net.",
            "a MX 0 .",
            "a PTR nowhere",
        ],
    ),
    (
        "target-no-address",
        &["a MX 10 text", "a SRV 1 1 1 wild", "b NS text"],
        &["a MX 10 www", "a CNAME text", "a MX 10 alias"],
    ),
    (
        "target-address",
        &[
            "a MX 10 192.0.2.1",
            "b NS 192.0.2.1.",
            "a SRV 1 1 1 2001:db8::1",
            "a CNAME 192.0.2.1",
            "a HTTPS 1 ::1.",
        ],
        &["a PTR 192.0.2.1", "a MX 10 1.2.3", "a MX 10 1.2.3.400.example.net."],
    ),
    (
        "target-url",
        &["a MX 10 https://mail.example.net/", "a CNAME http://www"],
        &["a CNAME 1.0/25.2.0.192.in-addr.arpa."],
    ),
    ("alias-loop", &["a CNAME b\nb CNAME a", "a CNAME A"], &["a CNAME alias", "a CNAME a.example.net."]),
    (
        "origin-twice",
        &["a MX 10 www.example.com", "a CNAME example.com", "a TXT x\na SOA example.com h 1 1 1 1 1"],
        &["a MX 10 www.example.com.", "a CNAME x.example.com.example.net."],
    ),
    ("owner-origin-twice", &["a.example.com A 192.0.2.1"], &["example.com.www A 192.0.2.1"]),
    ("not-ascii", &["b\\252cher A 192.0.2.1"], &["xn--bcher-kva A 192.0.2.1"]),
    ("nsec3-iterations", &["a NSEC3PARAM 1 0 12 -"], &["a NSEC3PARAM 1 0 0 -"]),
    ("spf-type", &["a SPF x"], &["a TXT x"]),
    ("last-line", &["a A 192.0.2.1\u{0}"], &["a A 192.0.2.1"]),
];

#[test]
fn every_rule_reports_what_it_is_for_and_nothing_else() {
    for (id, bad, good) in CASES {
        let ended = |text: &str| match text.strip_suffix('\u{0}') {
            Some(unended) => unended.to_owned(),
            None => format!("{text}\n"),
        };
        for text in *bad {
            let found = found(ended(text).as_bytes());
            assert!(found.iter().any(|finding| finding.0 == *id && finding.1 > 0), "{id}: {text}: {found:?}");
        }
        for text in *good {
            let found = found(ended(text).as_bytes());
            assert!(found.iter().all(|finding| finding.0 != *id), "{id}: {text}: {found:?}");
        }
    }
    let untested: Vec<_> = RULES
        .iter()
        .map(|rule| rule.id)
        .filter(|id| !CASES.iter().any(|case| case.0 == *id) && !["encoding", "byte-order-mark"].contains(id))
        .collect();
    assert!(untested.is_empty(), "rules without a case: {untested:?}");
}

/// A loop is one finding, however many aliases it consists of and lead into it.
#[test]
fn a_loop_of_aliases_is_reported_once() {
    for text in ["B CNAME a\na CNAME c\nc CNAME b\nx CNAME b", "a CNAME b\nb CNAME a", "a CNAME A"] {
        let found = found(format!("{text}\n").as_bytes());
        assert_eq!(found.iter().filter(|finding| finding.0 == "alias-loop").count(), 1, "{text}: {found:?}");
    }
}

#[test]
fn a_good_zone_has_no_findings() {
    assert_eq!(found(b""), []);
}

#[test]
fn encodings_are_named() {
    let check = |text: Vec<u8>| {
        let checked =
            scan::check(&mut Text::new("zone", text), name("example.com.").as_ref(), &LoadOptions::default());
        let ids: Vec<_> = checked.findings.iter().map(|finding| finding.problem.facts().id).collect();
        (ids, checked.zone.is_some())
    };
    let utf16 = |mark: &[u8], swap: bool| -> Vec<u8> {
        let units =
            HEAD.encode_utf16().flat_map(|unit| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() });
        mark.iter().copied().chain(units).collect()
    };
    for text in [utf16(&[0xff, 0xfe], false), utf16(&[0xfe, 0xff], true), utf16(&[], false)] {
        let (ids, served) = check(text);
        assert_eq!((ids[0], served), ("encoding", false), "{ids:?}");
        assert!(ids.len() <= 2, "one finding for the whole file: {ids:?}");
    }
    let marked = [&BYTE_ORDER_MARK[..], HEAD.as_bytes()].concat();
    assert_eq!(check(marked), (vec!["byte-order-mark"], true));
}

/// A problem fails the check exactly if it prevents the zone from being served.
#[test]
fn serving_and_checking_agree() {
    for (id, bad, good) in CASES {
        for text in bad.iter().chain(*good) {
            let all = format!("{HEAD}{text}\n");
            let (origin, options) = (name("example.com."), LoadOptions::default());
            let checked = scan::check(&mut Text::new("zone", all.clone()), origin.as_ref(), &options);
            let loaded = scan::load(&mut Text::new("zone", all), origin.as_ref(), &options);
            assert_eq!(checked.zone.is_some(), loaded.is_ok(), "{id}: {text}");
        }
    }
}

#[test]
fn ids_are_unique_and_remedies_are_given() {
    let mut ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), RULES.len());
    assert!(RULES.iter().all(|rule| rule.rfc.starts_with("RFC ") && !rule.remedy.is_empty()));
}
