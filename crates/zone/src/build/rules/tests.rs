use super::*;
use crate::LoadOptions;
use crate::scan::{self, Text};
use crate::tests::name;

const HEAD: &str = "$TTL 3600\n@ SOA ns hostmaster 2024010101 14400 3600 1209600 3600\n@ NS ns\n@ NS ns.example.net.\n\
    @ MX 10 www\nns A 192.5.5.1\nwww A 192.5.5.2\nalias CNAME www\ntext TXT x\nsub NS ns.sub\nsub NS ns.example.net.\n\
    ns.sub A 192.5.5.3\n*.wild A 192.5.5.4\nold DNAME new.example.net.\n";
const LINES: i64 = 14;
/// 1 June 2026.
const NOW: u64 = 1_780_272_000;
/// A DNSKEY of algorithm 13.
const KEY: [u8; 68] = {
    let mut rdata = [7; 68];
    (rdata[0], rdata[1], rdata[2], rdata[3]) = (1, 1, 3, 13);
    rdata
};

/// Replace `{KEY}`, `{TAG}` and `{DIGEST}` by the key of the tests, its tag and its digest in DS.
fn with_key(text: &str) -> String {
    let mut key = String::new();
    nw_wire::base::push_base64(&mut key, &KEY[4..]);
    let mut ds = Vec::new();
    let dnskey = nw_dnssec::Dnskey::parse(&KEY).expect("a key");
    nw_dnssec::ds::push_ds(name("example.com.").as_ref(), dnskey, nw_dnssec::DigestType::SHA256, &mut ds);
    let mut digest = String::new();
    nw_wire::base::push_hex(&mut digest, &ds[4..]);
    let tag = nw_dnssec::key_tag(&KEY).to_string();
    text.replace("{KEY}", &key).replace("{TAG}", &tag).replace("{DIGEST}", &digest)
}

/// The ids that the check of `text` reports as the zone `origin`, with their lines.
fn check_zone(origin: &str, text: &[u8]) -> Vec<(&'static str, i64)> {
    let options = LoadOptions { now: Some(NOW), ..LoadOptions::default() };
    let checked = scan::check(&mut Text::new("zone", text), name(origin).as_ref(), &options);
    let ids = checked.findings.iter().map(|finding| (finding.problem.facts().id, i64::from(finding.line)));
    assert_eq!(checked.zone.is_none(), checked.findings.iter().any(|finding| finding.problem.is_error()));
    ids.collect()
}

/// The ids that the check of `text`, after a valid head, reports, with the line in `text`.
fn found(text: &[u8]) -> Vec<(&'static str, i64)> {
    let all = [HEAD.as_bytes(), text].concat();
    check_zone("example.com.", &all).into_iter().map(|(id, line)| (id, line - LINES)).collect()
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
    (
        "target-host-name",
        &["a MX 10 my_mail", "a SRV 1 1 1 -a.example.net."],
        &["a MX 10 www", "a CNAME _x._tcp"],
    ),
    (
        "final-dot",
        &["a MX 10 mail.example.net", "a CNAME www.other.com", "b DNAME x.org"],
        &[
            "a MX 10 mail.example.net.",
            "a CNAME com",
            "x.com A 192.5.5.9\na CNAME x.com",
            "a PTR www.other.com",
        ],
    ),
    (
        "alias-chain",
        &["a CNAME b\nb CNAME c\nc CNAME d\nd CNAME e\ne CNAME f\nf CNAME g\ng CNAME alias"],
        &["b CNAME c\nc CNAME d\nd CNAME e\ne CNAME f\nf CNAME g\ng CNAME alias", "a CNAME b\nb CNAME a"],
    ),
    ("dname-loop", &["a DNAME x.a", "a DNAME a"], &["a DNAME xa"]),
    (
        "host-name",
        &["a_b A 192.5.5.9", "-a AAAA 2a00::1", "a_b MX 10 www", "a.b_c A 192.5.5.9"],
        &["a-b A 192.5.5.9", "a_b TXT x", "*.a A 192.5.5.9", "_x._tcp SRV 1 1 1 www"],
    ),
    (
        "punycode",
        &["xn--0 A 192.5.5.9", "xn--99999999 TXT x"],
        &["xn--bcher-kva TXT x", "xn--mgbh0fb TXT x", "xn TXT x"],
    ),
    (
        "reserved-label",
        &["ab--cd A 192.5.5.9"],
        &["xn--bcher-kva A 192.5.5.9", "a--b A 192.5.5.9", "ab-- TXT x"],
    ),
    ("asterisk", &["a* A 192.5.5.9", "x.*.a A 192.5.5.9"], &["*.a A 192.5.5.9"]),
    ("owner-case", &["a A 192.5.5.9\nb A 192.5.5.9\nA TXT x"], &["a A 192.5.5.9\na TXT x"]),
    ("obsolete-type", &["a WKS 192.5.5.9 TCP smtp", "a MB www"], &["a HINFO a b"]),
    (
        "data-at-cut",
        &["sub TXT x", "sub A 192.5.5.9"],
        &["d NS d\nd NS ns.example.net.\nd A 192.5.5.9", "text TXT y"],
    ),
    (
        "glue-unused",
        &["x.sub A 192.5.5.9"],
        &["ns2.sub A 192.5.5.9\nd NS ns2.sub\nd NS ns", "x A 192.5.5.9", "NS.SUB AAAA 2a00::1"],
    ),
    ("delegation-single-ns", &["d NS ns.example.net."], &["d NS ns\nd NS ns.example.net."]),
    ("wildcard-ns", &["*.a NS ns"], &["a NS ns"]),
    ("wildcard-dname", &["*.a DNAME b.example.net."], &["a DNAME b.example.net."]),
    (
        "wildcard-hidden",
        &["a.wild TXT x", "a.wild MX 10 www"],
        &["a.wild A 192.5.5.9", "_a.wild TXT x", "a.wild CNAME www", "x TXT x", "*.w TXT x\na.w MX 10 www"],
    ),
    (
        "empty-non-terminal",
        &["a.b.wild A 192.5.5.9"],
        &["a.b A 192.5.5.9", "b.wild A 192.5.5.9", "a._b.wild A 192.5.5.9"],
    ),
    ("ttl-zero", &["a 0 A 192.5.5.9"], &["a 1 A 192.5.5.9"]),
    ("ttl-low", &["a 29 A 192.5.5.9", "a 1 TYPE1234 \\# 0"], &["a 30 A 192.5.5.9", "a 0 A 192.5.5.9"]),
    ("ttl-high", &["a 604801 A 192.5.5.9"], &["a 604800 A 192.5.5.9"]),
    (
        "address-special",
        &[
            "a A 127.0.0.1",
            "a A 0.0.0.0",
            "a A 169.254.1.1",
            "a A 224.0.0.1",
            "a A 255.255.255.255",
            "a AAAA ::",
            "a AAAA ::1",
            "a AAAA fe80::1",
            "a AAAA ff02::1",
            "a AAAA ::ffff:192.5.5.1",
        ],
        &["localhost A 127.0.0.1", "localhost AAAA ::1", "a A 128.0.0.1", "a AAAA 2a00::1"],
    ),
    (
        "address-private",
        &["a A 10.0.0.1", "a A 192.168.0.1", "a A 172.31.0.1", "a A 100.64.0.1", "a AAAA fd00::1"],
        &["a A 11.0.0.1", "a A 172.32.0.1", "a A 192.169.0.1", "a A 100.128.0.1", "a AAAA 2a00::1"],
    ),
    (
        "address-documentation",
        &["a A 192.0.2.1", "a A 203.0.113.1", "a AAAA 2001:db8::1"],
        &["a A 192.0.3.1", "a AAAA 2001:db9::1"],
    ),
    ("ptr-in-forward", &["a PTR www"], &["_a._tcp PTR b._a._tcp", "a TXT x"]),
    ("null-mx", &["a MX 0 .\na MX 10 www"], &["a MX 0 .", "a MX 10 www"]),
    ("null-mx-preference", &["a MX 10 ."], &["a MX 0 .", "a MX 10 www"]),
    ("txt-quotes", &["a TXT \"\\\"v=spf1 -all\\\"\""], &["a TXT \"x\"", "a TXT \"\\\"x\\\" y\""]),
    (
        "txt-unquoted",
        &["a._domainkey TXT v=DKIM1; k=rsa", "_dmarc TXT v=DMARC1; p=none"],
        &["_dmarc TXT \"v=DMARC1; p=none\""],
    ),
    (
        "spf-syntax",
        &[
            "a TXT \"v=spf1 ipv4:192.5.5.1 -all\"",
            "a TXT \"v=spf1 ip4:192.5.5.256 -all\"",
            "a TXT \"v=spf1 ip6:192.5.5.1 -all\"",
            "a TXT \"v=spf1 include -all\"",
            "a TXT \"v=spf1 include=x.example.net -all\"",
            "a TXT \"v=spf1 a/33 -all\"",
            "a TXT \"v=spf1 -all:x\"",
            "a TXT \"v=spf1 redirect=a.example redirect=b.example\"",
        ],
        &[
            "a TXT \"v=spf1 ip4:192.5.5.0/24 ip6:2a00::/16 a mx:example.net/24//64 a:%{d}/24 exists:%{i}.x.example -all\"",
            "a TXT \"v=spf10 nonsense\"",
            "a TXT \"V=SPF1 ?all exp=x.example.net\"",
            "a TXT \"v=spf1 redirect=_spf.example.net\"",
            "a TXT \"v=spf1 unknown=x -all\"",
        ],
    ),
    (
        "spf-several",
        &["a TXT \"v=spf1 -all\"\na TXT \"v=spf1 mx -all\""],
        &["a TXT \"v=spf1 -all\"\na TXT x", "a TXT \"v=spf1 -all\"\nb TXT \"v=spf1 -all\""],
    ),
    (
        "spf-lookups",
        &[
            "a TXT \"v=spf1 a mx a:a.example.net a:b.example.net a:c.example.net a:d.example.net a:e.example.net exists:x.example.net include:y.example.net ptr mx:z.example.net -all\"",
            "a TXT \"v=spf1 include:b.example.com include:b.example.com -all\"\nb TXT \"v=spf1 a:a.net a:b.net a:c.net a:d.net a:e.net -all\"",
            "a TXT \"v=spf1 include:a.example.com -all\"",
        ],
        &[
            "a TXT \"v=spf1 a mx a:a.net a:b.net a:c.net a:d.net a:e.net exists:x.net include:y.net ptr ip4:192.5.5.1 -all\"",
        ],
    ),
    (
        "spf-all",
        &["a TXT \"v=spf1 +all\"", "a TXT \"v=spf1 mx all\""],
        &["a TXT \"v=spf1 ~all\"", "a TXT \"v=spf1 ?all\""],
    ),
    (
        "spf-after-all",
        &["a TXT \"v=spf1 -all mx\"", "a TXT \"v=spf1 redirect=x.net -all\""],
        &["a TXT \"v=spf1 mx -all exp=x.net\""],
    ),
    (
        "spf-no-all",
        &["a TXT \"v=spf1 mx\""],
        &["a TXT \"v=spf1 redirect=x.example.net\"", "a TXT \"v=spf1 mx -all\""],
    ),
    ("spf-ptr", &["a TXT \"v=spf1 ptr -all\""], &["a TXT \"v=spf1 a:ptr.example.net -all\""]),
    (
        "spf-split",
        &["a TXT v=spf1 mx -all", "a TXT \"v=spf1 ip4:192.5.5.1\" \"include:x.example.net -all\""],
        &[
            "a TXT \"v=spf1 ip4:192.5.5.1 \" \"include:x.example.net -all\"",
            "a TXT \"v=spf1 include:x.exa\" \"mple.net -all\"",
        ],
    ),
    (
        "dkim-syntax",
        &[
            "a._domainkey TXT \"k=rsa; v=DKIM1; p=\"",
            "a._domainkey TXT \"v=DKIM1; k=rsa\"",
            "a._domainkey TXT \"v=DKIM1; p=!!\"",
            "a._domainkey TXT \"v=DKIM1; k=rsa; p=AAAA\"",
            "a._domainkey TXT \"v=DKIM1; k=ed25519; p=AAAA\"",
            "a._domainkey TXT \"v=DKIM2; p=\"",
            "a._domainkey TXT \"no tags\"",
        ],
        &[
            "a._domainkey TXT \"v=DKIM1; p=\"",
            "a._domainkey TXT \"k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"",
            "a TXT \"v=DKIM1; k=rsa\"",
        ],
    ),
    (
        "dkim-weak",
        &[
            "a._domainkey TXT \"v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL5LYnk9oT1bqYjVTvD2wWmFCXo8VyYbVVBGQvBqZq9fRkRZgeQ1Z9WTm6J2d0Q8rjKYBq2JqV7xT0yvGn1nZt0CAwEAAQ==\"",
        ],
        &["a._domainkey TXT \"v=DKIM1; p=\""],
    ),
    (
        "dkim-testing",
        &["a._domainkey TXT \"v=DKIM1; t=s:y; p=\""],
        &["a._domainkey TXT \"v=DKIM1; t=s; p=\""],
    ),
    (
        "dmarc-syntax",
        &[
            "_dmarc TXT \"p=none; v=DMARC1\"",
            "_dmarc TXT \"v=DMARC1\"",
            "_dmarc TXT \"v=DMARC1; p=deny\"",
            "_dmarc TXT \"v=DMARC1; p=none; rua=x@example.com\"",
            "_dmarc TXT \"v=DMARC1; p=none; pct=200\"",
            "_dmarc TXT \"v=DMARC1; p=none; aspf=x\"",
        ],
        &[
            "_dmarc TXT \"v=DMARC1; p=reject; sp=none; rua=mailto:a@example.com,mailto:b@example.com; pct=5\"",
            "a TXT \"v=DMARC1\"",
        ],
    ),
    (
        "dmarc-several",
        &["_dmarc TXT \"v=DMARC1; p=none\"\n_dmarc TXT \"v=DMARC1; p=reject\""],
        &["_dmarc TXT \"v=DMARC1; p=reject\""],
    ),
    ("dmarc-none", &["_dmarc TXT \"v=DMARC1; p=none\""], &["_dmarc TXT \"v=DMARC1; p=reject; sp=none\""]),
    (
        "mta-sts",
        &["_mta-sts TXT \"v=STSv1\"", "_mta-sts TXT \"v=STSv1; id=a-b\""],
        &["_mta-sts TXT \"v=STSv1; id=20260131;\""],
    ),
    (
        "tls-reports",
        &["_smtp._tls TXT \"v=TLSRPTv1\"", "_smtp._tls TXT \"v=TLSRPTv1; rua=a@example.com\""],
        &["_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:a@example.com,https://example.com/\""],
    ),
    ("srv-owner", &["a SRV 1 1 1 www", "_sip SRV 1 1 1 www"], &["_sip._tcp SRV 1 1 1 www"]),
    ("srv-none", &["_a._tcp SRV 0 0 0 .\n_a._tcp SRV 1 1 1 www"], &["_a._tcp SRV 0 0 0 ."]),
    ("srv-port", &["_a._tcp SRV 1 1 0 www"], &["_a._tcp SRV 0 0 0 .", "_a._tcp SRV 0 0 1 www"]),
    ("svcb-alias-params", &["a HTTPS 0 www alpn=h2"], &["a HTTPS 0 www", "a HTTPS 1 www alpn=h2"]),
    (
        "svcb-alias-several",
        &["a HTTPS 0 www\na HTTPS 1 www", "a SVCB 0 www\na SVCB 0 ns"],
        &["a HTTPS 1 www\na HTTPS 2 ns", "a HTTPS 0 www\na SVCB 1 www"],
    ),
    ("svcb-alias-self", &["a HTTPS 0 a"], &["a HTTPS 1 a", "a HTTPS 0 ."]),
    (
        "svcb-hints",
        &["a HTTPS 1 www ipv4hint=192.5.5.9", "www HTTPS 1 . ipv4hint=192.5.5.2,192.5.5.9"],
        &[
            "a HTTPS 1 www ipv4hint=192.5.5.2",
            "a HTTPS 1 x.example.net. ipv4hint=192.5.5.9",
            "a HTTPS 1 www ipv6hint=2a00::1",
        ],
    ),
    ("caa-tag", &["a CAA 0 isue \"ca.example.net\"", "a CAA 128 x y"], &["a CAA 0 ISSUE \"ca.example.net\""]),
    ("caa-flags", &["a CAA 1 issue \"ca.example.net\""], &["a CAA 128 issue \"ca.example.net\""]),
    (
        "caa-value",
        &[
            "a CAA 0 issue \"https://ca.example.net\"",
            "a CAA 0 iodef \"a@example.com\"",
            "a CAA 0 issue \"ca.net; x\"",
        ],
        &[
            "a CAA 0 issue \";\"",
            "a CAA 0 issue \"ca.example.net; account=1\"",
            "a CAA 0 iodef \"mailto:a@example.com\"",
        ],
    ),
    (
        "uri",
        &["a URI 1 1 \"www.example.net/x\"", "a URI 1 1 \"http://a b\""],
        &["a URI 1 1 \"https://www.example.net/x\""],
    ),
    (
        "naptr",
        &[
            "a NAPTR 1 1 \"U\" \"SIP\" \"!a!b!\" www",
            "a NAPTR 1 1 \"S\" \"SIP\" \"\" .",
            "a NAPTR 1 1 \"U\" \"SIP\" \"\" www",
            "a NAPTR 1 1 \"SU\" \"SIP\" \"\" www",
            "a NAPTR 1 1 \"U\" \"SIP\" \"!a!b\" .",
        ],
        &[
            "a NAPTR 1 1 \"U\" \"E2U+sip\" \"!^.*$!sip:a@example.com!i\" .",
            "a NAPTR 1 1 \"S\" \"SIP\" \"\" _sip._udp",
        ],
    ),
    (
        "sshfp-fields",
        &["a SSHFP 9 1 0102030405060708091011121314151617181920", "a SSHFP 1 9 00"],
        &["a SSHFP 4 1 0102030405060708091011121314151617181920"],
    ),
    (
        "sshfp-sha1",
        &["a SSHFP 1 1 0102030405060708091011121314151617181920"],
        &["a SSHFP 1 1 0102030405060708091011121314151617181920\na SSHFP 1 2 {DIGEST}"],
    ),
    (
        "tlsa-fields",
        &[
            "_1._tcp TLSA 4 1 1 {DIGEST}",
            "_1._tcp TLSA 3 2 1 {DIGEST}",
            "_1._tcp TLSA 3 1 3 00",
            "_1._tcp TLSA 3 0 0 00",
        ],
        &["_1._tcp TLSA 3 1 1 {DIGEST}", "_1._tcp TLSA 3 0 0 3082"],
    ),
    (
        "tlsa-owner",
        &["a TLSA 3 1 1 {DIGEST}", "_x._tcp TLSA 3 1 1 {DIGEST}"],
        &["_443._tcp.www TLSA 3 1 1 {DIGEST}", "*._tcp TLSA 3 1 1 {DIGEST}"],
    ),
    (
        "smimea-owner",
        &["a SMIMEA 3 1 1 {DIGEST}"],
        &["c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._smimecert SMIMEA 3 1 1 {DIGEST}"],
    ),
    (
        "openpgpkey-owner",
        &["a._openpgpkey OPENPGPKEY mQEN"],
        &["c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._openpgpkey OPENPGPKEY mQEN"],
    ),
    ("openpgpkey-data", &["a OPENPGPKEY LS0t"], &["a OPENPGPKEY mQEN"]),
    (
        "ds-sha1",
        &["sub DS 1 13 1 0102030405060708091011121314151617181920"],
        &["sub DS 1 13 1 0102030405060708091011121314151617181920\nsub DS 1 13 2 {DIGEST}", "a CDS 0 0 0 00"],
    ),
    ("ds-algorithm", &["sub DS 1 5 2 {DIGEST}", "sub DS 1 13 3 {DIGEST}"], &["sub DS 1 13 2 {DIGEST}"]),
    ("dnskey-algorithm", &["@ DNSKEY 257 3 5 {KEY}"], &["@ DNSKEY 257 3 13 {KEY}"]),
    (
        "dnskey-fields",
        &["@ DNSKEY 257 1 13 {KEY}", "@ DNSKEY 1 3 13 {KEY}", "@ DNSKEY 259 3 13 {KEY}"],
        &["@ DNSKEY 257 3 13 {KEY}", "@ DNSKEY 385 3 13 {KEY}"],
    ),
    ("dnskey-place", &["a DNSKEY 257 3 13 {KEY}", "a CDS 0 0 0 00"], &["@ DNSKEY 257 3 13 {KEY}"]),
    (
        "dnskey-without-sep",
        &["@ DNSKEY 256 3 13 {KEY}"],
        &["@ DNSKEY 256 3 13 {KEY}\n@ DNSKEY 257 3 13 {KEY}"],
    ),
    ("dnskey-short", &["@ DNSKEY 257 3 13 AAAA", "@ DNSKEY 257 3 8 AwEAAQ=="], &["@ DNSKEY 257 3 13 {KEY}"]),
    (
        "signature-expired",
        &["www RRSIG A 13 3 3600 20260531235959 20260501000000 1 example.com. AAAA"],
        &["www RRSIG A 13 3 3600 20260701000000 20260501000000 1 example.com. AAAA"],
    ),
    (
        "signature-expiring",
        &["www RRSIG A 13 3 3600 20260603000000 20260501000000 1 example.com. AAAA"],
        &["www RRSIG A 13 3 3600 20260604000001 20260501000000 1 example.com. AAAA"],
    ),
    (
        "signature-future",
        &["www RRSIG A 13 3 3600 20260701000000 20260601000001 1 example.com. AAAA"],
        &["www RRSIG A 13 3 3600 20260701000000 20260531000000 1 example.com. AAAA"],
    ),
    (
        "signature-without-key",
        &[
            "@ DNSKEY 257 3 13 {KEY}\nwww RRSIG A 13 3 3600 20260701000000 20260531000000 1 example.com. AAAA",
            "@ DNSKEY 257 3 13 {KEY}\nwww RRSIG A 13 3 3600 20260701000000 20260531000000 {TAG} example.net. AAAA",
        ],
        &[
            "@ DNSKEY 257 3 13 {KEY}\nwww RRSIG A 13 3 3600 20260701000000 20260531000000 {TAG} example.com. AAAA",
        ],
    ),
    (
        "signature-orphan",
        &["www RRSIG AAAA 13 3 3600 20260701000000 20260531000000 1 example.com. AAAA"],
        &["www RRSIG A 13 3 3600 20260701000000 20260531000000 1 example.com. AAAA"],
    ),
    (
        "signature-ttl",
        &["a 60 A 192.5.5.9\na RRSIG A 13 3 30 20260701000000 20260531000000 1 example.com. AAAA"],
        &["www RRSIG A 13 3 3600 20260701000000 20260531000000 1 example.com. AAAA"],
    ),
    (
        "unsigned",
        &[
            "@ DNSKEY 257 3 13 {KEY}\n@ RRSIG SOA 13 2 3600 20260701000000 20260531000000 {TAG} example.com. AAAA\na A 192.5.5.9",
        ],
        &["@ DNSKEY 257 3 13 {KEY}\na A 192.5.5.9"],
    ),
    (
        "cds-key",
        &[
            "@ DNSKEY 257 3 13 {KEY}\n@ CDS 1 13 2 {DIGEST}",
            "@ DNSKEY 257 3 13 {KEY}\n@ CDS {TAG} 13 2 0000000000000000000000000000000000000000000000000000000000000000",
        ],
        &["@ DNSKEY 257 3 13 {KEY}\n@ CDS {TAG} 13 2 {DIGEST}", "@ CDS 0 0 0 00"],
    ),
    (
        "cdnskey-key",
        &["@ DNSKEY 257 3 13 {KEY}\n@ CDNSKEY 256 3 13 {KEY}"],
        &["@ DNSKEY 257 3 13 {KEY}\n@ CDNSKEY 257 3 13 {KEY}", "@ CDNSKEY 0 3 0 AA=="],
    ),
    (
        "cds-sets",
        &[
            "@ CDS 0 0 0 00\n@ CDS 1 13 2 {DIGEST}",
            "@ CDS 1 13 2 {DIGEST}\n@ CDNSKEY 257 3 13 {KEY}",
            "@ CDNSKEY 0 3 0 AA==\n@ CDNSKEY 257 3 13 {KEY}",
        ],
        &["@ CDS {TAG} 13 2 {DIGEST}\n@ CDNSKEY 257 3 13 {KEY}", "@ CDS 0 0 0 00\n@ CDNSKEY 0 3 0 AA=="],
    ),
    ("nsec3-salt", &["@ NSEC3PARAM 1 0 0 aabb"], &["@ NSEC3PARAM 1 0 0 -"]),
    (
        "nsec3-algorithm",
        &["@ NSEC3PARAM 1 0 0 -\n@ DNSKEY 257 3 5 {KEY}"],
        &["@ NSEC3PARAM 1 0 0 -\n@ DNSKEY 257 3 13 {KEY}"],
    ),
    ("apex-cname", &["@ CNAME www"], &["a CNAME www"]),
    ("ds-at-apex", &["@ DS 1 13 2 {DIGEST}"], &["sub DS 1 13 2 {DIGEST}"]),
    ("below-dname", &["x.old A 192.5.5.9"], &["x.sub TXT x"]),
    ("occluded", &["x.sub TXT x"], &["x.old A 192.5.5.9"]),
    ("last-line", &["a A 192.0.2.1\u{0}"], &["a A 192.0.2.1", "a A 192.0.2.1\n; the end\u{0}"]),
];

/// For each rule about the apex: changes of the head that it reports, and neighbours that it does not.
type Changes = &'static [(&'static str, &'static str)];
const APEX: &[(&str, Changes, Changes)] = &[
    ("serial-zero", &[("2024010101", "0")], &[("2024010101", "1")]),
    (
        "serial-future",
        &[("2024010101", "2026060301"), ("2024010101", "2027010101")],
        &[("2024010101", "2026060201"), ("2024010101", "4000000000")],
    ),
    (
        "serial-format",
        &[("2024010101", "2024130101"), ("2024010101", "2024010001")],
        &[("2024010101", "1"), ("2024010101", "1700000000")],
    ),
    ("soa-refresh", &[("14400", "60"), ("14400", "1000000")], &[("14400", "7200")]),
    (
        "soa-retry",
        &[("14400 3600", "14400 14400"), ("14400 3600", "14400 60")],
        &[("14400 3600", "14400 900")],
    ),
    ("soa-expire", &[("1209600", "18000")], &[("1209600", "18001")]),
    ("soa-expire-short", &[("1209600", "86400")], &[("1209600", "604800")]),
    (
        "soa-minimum",
        &[
            ("1209600 3600", "1209600 0"),
            (
                "$TTL 3600\n@ SOA ns hostmaster 2024010101 14400 3600 1209600 3600",
                "$TTL 3600\n@ 1w SOA ns hostmaster 2024010101 14400 3600 1209600 604800",
            ),
        ],
        &[("1209600 3600", "1209600 604800")],
    ),
    ("soa-not-first", &[("$TTL 3600\n", "$TTL 3600\n@ TXT x\n")], &[("$TTL 3600\n", "$TTL 3600\na TXT x\n")]),
    ("contact-at", &[("hostmaster", "admin@example.com.")], &[("hostmaster", "admin.example.com.")]),
    (
        "contact-host",
        &[("hostmaster", "first.last"), ("hostmaster", ".")],
        &[("hostmaster", "first\\.last"), ("hostmaster", "a.example.net.")],
    ),
    ("contact-no-mail", &[("@ MX 10 www\n", "")], &[("@ MX 10 www\n", "@ A 192.5.5.9\n")]),
    ("mname-not-ns", &[("SOA ns ", "SOA www ")], &[("SOA ns ", "SOA NS ")]),
    (
        "mname-missing",
        &[("SOA ns ", "SOA primary "), ("SOA ns ", "SOA alias ")],
        &[("SOA ns ", "SOA x.example.net. ")],
    ),
    ("single-ns", &[("@ NS ns.example.net.\n", "")], &[("@ NS ns.example.net.\n", "@ NS www\n")]),
    (
        "ns-one-network",
        &[("@ NS ns.example.net.", "@ NS www")],
        &[("@ NS ns.example.net.\n", "@ NS n2\nn2 A 192.5.6.1\n")],
    ),
    (
        "https-apex-alias",
        &[("@ MX 10 www", "@ HTTPS 0 www")],
        &[("@ MX 10 www", "@ HTTPS 0 www\n@ A 192.5.5.2"), ("@ MX 10 www", "@ HTTPS 1 www")],
    ),
    (
        "zonemd-mismatch",
        &[("@ MX 10 www", "@ ZONEMD 2024010101 1 1 {SHA384}")],
        &[("@ MX 10 www", "a ZONEMD 2024010101 1 1 {SHA384}")],
    ),
    ("inherited-ttl", &[("$TTL 3600\n", "")], &[("$TTL 3600\n", "$TTL 60\n")]),
];

#[test]
fn every_rule_about_the_apex_reports_what_it_is_for_and_nothing_else() {
    for (id, bad, good) in APEX {
        for (changes, expected) in [(bad, true), (good, false)] {
            for (from, to) in *changes {
                assert!(HEAD.contains(from), "{id}: {from}");
                let text = with_key(&HEAD.replacen(from, &to.replace("{SHA384}", &"00".repeat(48)), 1));
                let found = check_zone("example.com.", text.as_bytes());
                assert_eq!(found.iter().any(|finding| finding.0 == *id), expected, "{id}: {to}: {found:?}");
            }
        }
    }
}

/// For each rule about addresses: records of a reverse zone that it reports, and neighbours that it does not.
const REVERSE: &[(&str, &str, &[&str], &[&str])] = &[
    (
        "forward-in-reverse",
        "2.0.192.in-addr.arpa.",
        &["1 A 192.5.5.9", "@ MX 10 a.example.net."],
        &["ns A 192.5.5.9", "1 PTR a.example.net."],
    ),
    (
        "ptr-several",
        "2.0.192.in-addr.arpa.",
        &["1 PTR a.example.net.\n1 PTR b.example.net."],
        &["1 PTR a.example.net.\n1 PTR A.example.net."],
    ),
    ("ptr-target", "2.0.192.in-addr.arpa.", &["1 PTR a.example.net"], &["1 PTR a.example.net."]),
    (
        "reverse-owner",
        "2.0.192.in-addr.arpa.",
        &["256 PTR a.example.net.", "01 PTR a.example.net.", "1.1 PTR a.example.net."],
        &[
            "255 PTR a.example.net.",
            "1.0/25 PTR a.example.net.",
            "1.0-127 PTR a.example.net.",
            "* PTR a.example.net.",
        ],
    ),
    ("reverse-owner", "168.192.in-addr.arpa.", &["1 PTR a.example.net."], &["1.2 PTR a.example.net."]),
    (
        "reverse-owner",
        "8.b.d.0.1.0.0.2.ip6.arpa.",
        &["1.0 PTR a.example.net.", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.00 PTR a.example.net."],
        &["1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR a.example.net."],
    ),
];

#[test]
fn every_rule_about_addresses_reports_what_it_is_for_and_nothing_else() {
    for (id, origin, bad, good) in REVERSE {
        for (texts, expected) in [(bad, true), (good, false)] {
            for text in *texts {
                let head = "$TTL 3600\n@ SOA ns.example.net. h.example.net. 1 14400 3600 1209600 3600\n@ NS ns.example.net.\n@ NS ns\n";
                let found = check_zone(origin, format!("{head}{text}\n").as_bytes());
                assert_eq!(found.iter().any(|finding| finding.0 == *id), expected, "{id}: {text}: {found:?}");
            }
        }
    }
}

#[test]
fn every_rule_reports_what_it_is_for_and_nothing_else() {
    let mut wrong: Vec<String> = Vec::new();
    for (id, bad, good) in CASES {
        let ended = |text: &str| match text.strip_suffix('\u{0}') {
            Some(unended) => unended.to_owned(),
            None => with_key(&format!("{text}\n")),
        };
        for text in *bad {
            let found = found(ended(text).as_bytes());
            if !found.iter().any(|finding| finding.0 == *id && finding.1 > 0) {
                wrong.push(format!("{id} does not report {text}: {found:?}"));
            }
        }
        for text in *good {
            let found = found(ended(text).as_bytes());
            if found.iter().any(|finding| finding.0 == *id) {
                wrong.push(format!("{id} reports {text}: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let untested: Vec<_> = RULES
        .iter()
        .map(|rule| rule.facts.id)
        .filter(|id| {
            let others = APEX.iter().map(|case| case.0).chain(REVERSE.iter().map(|case| case.0));
            let mut tested = CASES.iter().map(|case| case.0).chain(others);
            !tested.any(|case| case == *id) && !["encoding", "byte-order-mark"].contains(id)
        })
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
            let all = with_key(&format!("{HEAD}{text}\n"));
            let (origin, options) = (name("example.com."), LoadOptions::default());
            let checked = scan::check(&mut Text::new("zone", all.clone()), origin.as_ref(), &options);
            let loaded = scan::load(&mut Text::new("zone", all), origin.as_ref(), &options);
            assert_eq!(checked.zone.is_some(), loaded.is_ok(), "{id}: {text}");
        }
    }
}

#[test]
fn ids_are_unique_and_remedies_are_given() {
    let all: Vec<&Facts> = RULES.iter().map(|rule| &rule.facts).chain(crate::PROBLEMS).collect();
    let mut ids: Vec<_> = all.iter().map(|facts| facts.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len());
    assert!(all.iter().all(|facts| !facts.about.is_empty()));
    assert!(RULES.iter().all(|rule| rule.facts.rfc.starts_with("RFC ") && !rule.facts.remedy.is_empty()));
}

/// One rule with many findings does not hide another, and all are counted.
#[test]
fn each_rule_has_its_own_limit() {
    let text = (0..5_000).map(|i| format!("h{i} 0 A 192.5.{}.{}\n", i >> 8, i & 255)).collect::<String>();
    let all = format!("{HEAD}{text}a 700000 A 192.5.5.9\n");
    for threads in [1, 4] {
        let options = LoadOptions { threads, max_findings: 3, ..LoadOptions::default() };
        let checked =
            scan::check(&mut Text::new("zone", all.clone()), name("example.com.").as_ref(), &options);
        let listed = |id| checked.findings.iter().filter(|finding| finding.problem.code() == id).count();
        let count = |id| checked.counts.iter().find(|count| count.0 == id).map(|count| count.1);
        assert_eq!((listed("ttl-zero"), count("ttl-zero")), (3, Some(5_000)));
        assert_eq!((listed("ttl-high"), count("ttl-high")), (1, Some(1)));
        assert_eq!(checked.errors, 0);
    }
}
