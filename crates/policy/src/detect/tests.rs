use std::net::{IpAddr, Ipv4Addr};

use nw_wire::Name;

use super::*;

const SECOND: u64 = 1_000_000;
/// An excerpt of the public suffix list.
const LIST: &str = "\
// ===BEGIN ICANN DOMAINS===
com
net
org
io
arpa
uk
co.uk
*.ck
!www.ck
// ===BEGIN PRIVATE DOMAINS===
cloudfront.net
*.elb.amazonaws.com
s3.amazonaws.com
wordpress.com
";
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// Digits that look random, the same in each run.
struct Digits(u64);

impl Digits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn of(&mut self, alphabet: &str, length: usize) -> String {
        let letters = alphabet.as_bytes();
        (0..length).map(|_| char::from(letters[self.next() as usize % letters.len()])).collect()
    }

    /// Fill the placeholders of *pattern*.
    fn fill(&mut self, pattern: &str, number: u64) -> String {
        let mut out = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once('{') {
            let (word, after) = after.split_once('}').expect("a placeholder ends");
            out.push_str(before);
            let (kind, length) = word.split_once(':').unwrap_or((word, "0"));
            let length = length.parse().expect("a length");
            out.push_str(&match kind {
                "n" => number.to_string(),
                "ip" => (0..4).map(|_| (self.next() % 256).to_string()).collect::<Vec<_>>().join("."),
                "nibbles" => (0..32).map(|_| self.of("0123456789abcdef", 1)).collect::<Vec<_>>().join("."),
                "word" => ["mail", "shop", "images", "news", "static", "api", "login"]
                    [self.next() as usize % 7]
                    .to_owned(),
                "hex" => self.of("0123456789abcdef", length),
                "b32" => self.of("abcdefghijklmnopqrstuvwxyz234567", length),
                "b64" => self.of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", length),
                other => panic!("unknown placeholder {other}"),
            });
            rest = after;
        }
        out + rest
    }
}

/// The allow list of the configuration's default.
fn allow() -> Vec<Name> {
    ["in-addr.arpa.", "ip6.arpa.", "sophosxl.net.", "mcafee.com.", "msbl.org.", "spamhaus.net."]
        .map(name)
        .to_vec()
}

fn detector(tunnels: TunnelSettings) -> Detector {
    Detector::new(DetectSettings { tunnels: Some(tunnels), amplification: None })
}

/// Ask as a line of the data says, and return after how many queries a tunnel was reported, with the report.
fn ask(line: &str, allow: Vec<Name>) -> Option<(u64, Finding)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [_, _, per_second, seconds, types, octets, pattern] = fields[..] else {
        panic!("seven fields: {line}")
    };
    let numbers: Vec<u64> =
        [per_second, seconds, octets].iter().map(|word| word.parse().expect("a number")).collect();
    let types: Vec<RrType> = types.split(' ').map(|word| word.parse().expect("a type")).collect();
    let (detector, suffixes) =
        (detector(TunnelSettings { allow, ..TunnelSettings::default() }), Suffixes::parse(LIST));
    let mut digits = Digits(7);
    for number in 0..numbers[0] * numbers[1] {
        let now = (1000 + number / numbers[0]) * SECOND;
        let asked = name(&digits.fill(pattern, number));
        for rtype in &types {
            let watched = detector.lookup(Some(&suffixes), CLIENT, asked.as_ref(), *rtype, now);
            assert_eq!(watched, Watched::Pass, "only logged");
            detector.answered(Some(&suffixes), asked.as_ref(), numbers[2] as usize);
        }
        if let Some(finding) = detector.take_findings().into_iter().next() {
            return Some((number + 1, finding));
        }
    }
    None
}

#[test]
fn tunnels_are_found_and_other_names_are_not() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/detect/names.tsv");
    let text = std::fs::read_to_string(path).expect("the data");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.len() > 25);
    for line in lines {
        let verdict = line.split('\t').next().expect("a verdict");
        let found = ask(line, allow());
        match verdict {
            "quiet" => assert_eq!(ask(line, Vec::new()), None, "{line}"),
            // The data would say nothing if these were quiet without the list.
            "allowed" => assert_eq!(found, None, "{line}"),
            "tunnel" => {
                let (queries, finding) = found.unwrap_or_else(|| panic!("not found: {line}"));
                assert!(queries <= 60, "found after {queries} queries: {line}");
                assert!(
                    finding.text.contains(": about 5")
                        && finding.text.contains(" distinct subdomains in 60 s (limit 50)"),
                    "{}",
                    finding.text
                );
            }
            other => panic!("unknown verdict {other}"),
        }
    }
}

#[test]
fn a_report_spells_out_every_feature() {
    let line = "tunnel\t\t1\t60\tTXT\t120\t{hex:34}.tunnel-d.net.";
    let (queries, finding) = ask(line, Vec::new()).expect("a tunnel");
    assert_eq!((queries, finding.slug), (53, "tunnel-suspected"));
    let start = "tunnel suspected: tunnel-d.net. from 192.0.2.7: about 51 distinct subdomains in 60 s (limit 50), mean label length 34 (limit 24), entropy 3.";
    assert!(finding.text.starts_with(start), "{}", finding.text);
    let end = "100 % TXT, NULL or private types (limit 50), 1802 octets asked (limit 32 kB), 6240 octets answered (limit 524 kB), a query every 1 s";
    assert!(finding.text.ends_with(end), "{}", finding.text);
}

#[test]
fn hidden_text_is_shown() {
    let hidden = |label: &str| decode::decode(label.as_bytes());
    assert_eq!(hidden("aGVsbG8="), Some(("base64", "hello".to_owned())));
    assert_eq!(hidden("cGFzc3dvcmQ6IGh1bnRlcjI"), Some(("base64", "password: hunter2".to_owned())));
    assert_eq!(hidden("68656c6c6f20776f726c64"), Some(("hex", "hello world".to_owned())));
    assert_eq!(hidden("nbswy3dpeb3w64tmmq"), Some(("base32", "hello world".to_owned())));
    assert_eq!(hidden("nbswy3dp===="), Some(("base32", "hello".to_owned())));
    for plain in
        ["www", "mail", "images", "autodiscover", "e1234", "_domainkey", "a=b=", "====", "", "static-content"]
    {
        assert_eq!(hidden(plain), None, "{plain}");
    }
}

#[test]
fn the_example_of_an_exfiltration_is_decoded_in_its_report() {
    let detector =
        detector(TunnelSettings { max_subdomains: 2, min_features: 0, ..TunnelSettings::default() });
    for (at, label) in ["aGVsbG8=", "d29ybGQ=", "c2VjcmV0"].iter().enumerate() {
        let asked = name(&format!("{label}.exfil.attacker.com."));
        detector.lookup(None, CLIENT, asked.as_ref(), RrType::A, at as u64 * SECOND);
    }
    let findings = detector.take_findings();
    assert!(findings[0].text.ends_with("a label is base64 of \"hello\""), "{findings:?}");
    assert!(findings[0].text.contains("attacker.com. from 192.0.2.7"), "{findings:?}");
}

#[test]
fn a_beacon_is_called_regular() {
    let detector = detector(TunnelSettings::default());
    for n in 0..20u64 {
        let asked = name(&format!("id{n}.c2.example.com."));
        detector.lookup(None, CLIENT, asked.as_ref(), RrType::TXT, n * 30 * SECOND);
    }
    let domains = detector.domains(571 * SECOND, 10);
    assert_eq!(domains.len(), 1);
    assert!(domains[0].ends_with("a query every 30 s"), "{domains:?}");
    assert!(detector.domains(700 * SECOND, 10).is_empty(), "silent for longer than a window");
}

/// Ask for *count* random names of a domain, and return how many were looked up, limited and blocked.
fn flood(detector: &Detector, domain: &str, count: u64, now: u64) -> [usize; 3] {
    let (mut digits, mut counts) = (Digits(now), [0; 3]);
    for _ in 0..count {
        let asked = name(&digits.fill(&format!("{{b32:50}}.{domain}"), 0));
        let at = match detector.lookup(None, CLIENT, asked.as_ref(), RrType::TXT, now) {
            Watched::Pass => 0,
            Watched::Limit(reason) => {
                assert_eq!(reason, format!("tunnel suspected: {domain}"));
                1
            }
            Watched::Block(reason) => {
                assert_eq!(reason, format!("tunnel suspected: {domain}"));
                2
            }
        };
        counts[at] += 1;
    }
    counts
}

#[test]
fn a_suspected_domain_is_blocked_until_it_is_quiet() {
    let detector = detector(TunnelSettings { action: DetectAction::Block, ..TunnelSettings::default() });
    let [pass, _, block] = flood(&detector, "tunnel.com.", 100, SECOND);
    assert!((50..=55).contains(&pass) && pass + block == 100, "{pass} {block}");
    assert_eq!(detector.take_findings().len(), 1, "reported once");
    assert_eq!(flood(&detector, "other.com.", 20, SECOND), [20, 0, 0]);
    let peek = |text: &str| detector.peek(None, name(text).as_ref(), SECOND);
    let Suspicion { features, action, watched } = peek("x.tunnel.com.").expect("it is suspected");
    assert!(features.starts_with("tunnel.com. from 192.0.2.7: "), "{features}");
    assert_eq!((action, peek("x.other.com."), peek("tunnel.com.")), (DetectAction::Block, None, None));
    assert_eq!(watched, Watched::Block("tunnel suspected: tunnel.com.".to_owned()));
    // It stays so for ten minutes after the last window with too much.
    assert_eq!(flood(&detector, "tunnel.com.", 1, 500 * SECOND), [0, 0, 1]);
    assert_eq!(flood(&detector, "tunnel.com.", 1, 700 * SECOND), [1, 0, 0]);
    assert!(detector.take_findings().is_empty());
}

#[test]
fn a_suspected_domain_keeps_a_rate() {
    let settings =
        TunnelSettings { action: DetectAction::RateLimit, per_second: 2, ..TunnelSettings::default() };
    let detector = detector(settings);
    flood(&detector, "tunnel.com.", 100, SECOND);
    assert_eq!(flood(&detector, "tunnel.com.", 10, 2 * SECOND), [1, 9, 0]);
    assert_eq!(flood(&detector, "tunnel.com.", 10, 2 * SECOND + SECOND / 2), [1, 9, 0]);
}

#[test]
fn many_domains_do_not_displace_a_suspected_one() {
    let settings = TunnelSettings { action: DetectAction::Block, domains: 64, ..TunnelSettings::default() };
    let detector = detector(settings);
    flood(&detector, "tunnel.com.", 100, SECOND);
    for n in 0..5000 {
        let asked = name(&format!("www.domain{n}.com."));
        detector.lookup(None, CLIENT, asked.as_ref(), RrType::A, SECOND);
    }
    assert_eq!(flood(&detector, "tunnel.com.", 1, SECOND), [0, 0, 1]);
    assert!(detector.domains(SECOND, usize::MAX).len() <= 64);
}

#[test]
fn the_registered_domain_follows_the_list() {
    let suffixes = Suffixes::parse(LIST);
    let of = |text: &str| {
        suffixes::registered(Some(&suffixes), name(text).as_ref()).map(|found| found.to_string())
    };
    for (asked, registered) in [
        ("www.example.com.", Some("example.com.")),
        ("example.com.", Some("example.com.")),
        ("com.", None),
        (".", None),
        ("a.b.example.co.uk.", Some("example.co.uk.")),
        ("WWW.EXAMPLE.CO.UK.", Some("EXAMPLE.CO.UK.")),
        ("co.uk.", None),
        ("example.unknown-tld.", Some("example.unknown-tld.")),
        ("a.b.c.ck.", Some("b.c.ck.")),
        ("c.ck.", None),
        ("a.www.ck.", Some("www.ck.")),
        ("x.d1234.cloudfront.net.", Some("d1234.cloudfront.net.")),
        ("x.my-elb.eu-west-1.elb.amazonaws.com.", Some("my-elb.eu-west-1.elb.amazonaws.com.")),
    ] {
        assert_eq!(of(asked).as_deref(), registered, "{asked}");
    }
    assert_eq!(suffixes::registered(None, name("a.example.co.uk.").as_ref()), Some(name("co.uk.").as_ref()));
}

fn amplification(action: DetectAction) -> Detector {
    let settings = AmplificationSettings { action, octets: 100_000, ..AmplificationSettings::default() };
    Detector::new(DetectSettings { tunnels: None, amplification: Some(settings) })
}

/// Send *count* responses of *octets* to queries of 40 octets, and return how many were sent, truncated and dropped.
fn responses(
    detector: &Detector,
    client: [u8; 4],
    rtype: RrType,
    octets: usize,
    count: u16,
    now: u64,
) -> [usize; 3] {
    let mut counts = [0; 3];
    for id in 0..count {
        counts[detector.response(client.into(), id, rtype, (40, octets), now) as usize] += 1;
    }
    counts
}

#[test]
fn a_victim_of_amplification_is_reported() {
    let detector = amplification(DetectAction::Log);
    assert_eq!(responses(&detector, [192, 0, 2, 1], RrType::ANY, 1200, 1000, SECOND), [1000, 0, 0]);
    let findings = detector.take_findings();
    assert_eq!((findings.len(), findings[0].slug), (1, "amplification-suspected"));
    let start = "amplification suspected: 192.0.2.0/24 gets about 30.0 octets for each octet of its queries (limit 10): ";
    assert!(findings[0].text.starts_with(start), "{}", findings[0].text);
    assert!(
        findings[0]
            .text
            .ends_with("in 10 s (limit 100 kB), about 100 % ANY, DNSKEY, TXT and the like (limit 50)")
    );
    // Once is enough.
    responses(&detector, [192, 0, 2, 99], RrType::ANY, 1200, 1000, 2 * SECOND);
    assert!(detector.take_findings().is_empty());
}

#[test]
fn usual_clients_are_no_victims() {
    for (rtype, octets, count) in [
        // A resolver behind us with small answers, large answers of usual types, and few large ones.
        (RrType::A, 120, 20_000),
        (RrType::AAAA, 1200, 2000),
        (RrType::DNSKEY, 1200, 50),
        (RrType::TXT, 300, 2000),
    ] {
        let detector = amplification(DetectAction::Block);
        assert_eq!(responses(&detector, [192, 0, 2, 1], rtype, octets, count, SECOND)[2], 0, "{rtype}");
        assert!(detector.take_findings().is_empty(), "{rtype}");
    }
}

#[test]
fn a_suspected_network_gets_nothing_or_tc_until_it_is_quiet() {
    for (action, at) in [(DetectAction::RateLimit, 1), (DetectAction::Block, 2)] {
        let detector = amplification(action);
        let counts = responses(&detector, [192, 0, 2, 1], RrType::DNSKEY, 1200, 2000, SECOND);
        assert!(counts[at] > 1500 && counts[0] + counts[at] == 2000, "{counts:?}");
        // The whole network, and no other.
        assert_eq!(responses(&detector, [192, 0, 2, 200], RrType::A, 100, 10, 2 * SECOND)[at], 10);
        assert_eq!(responses(&detector, [198, 51, 100, 1], RrType::A, 100, 10, 2 * SECOND)[0], 10);
        assert_eq!(responses(&detector, [192, 0, 2, 1], RrType::A, 100, 10, 62 * SECOND)[0], 10);
    }
}

#[test]
fn forged_addresses_do_not_fill_the_memory() {
    let settings =
        AmplificationSettings { networks: 64, octets: 100_000, ..AmplificationSettings::default() };
    let detector = Detector::new(DetectSettings { tunnels: None, amplification: Some(settings) });
    responses(&detector, [192, 0, 2, 1], RrType::ANY, 1200, 1000, SECOND);
    for n in 0..5000u16 {
        let [high, low] = n.to_be_bytes();
        responses(&detector, [10, high, low, 1], RrType::ANY, 1200, 20, SECOND);
    }
    // The victim is still known: it is not reported again.
    assert_eq!(detector.take_findings().len(), 1);
    responses(&detector, [192, 0, 2, 1], RrType::ANY, 1200, 1000, SECOND);
    assert!(detector.take_findings().is_empty());
}

#[test]
fn findings_that_nobody_takes_are_bounded() {
    let detector = detector(TunnelSettings::default());
    for n in 0..200 {
        flood(&detector, &format!("tunnel{n}.com."), 60, SECOND);
    }
    assert_eq!(detector.take_findings().len(), MOST_FINDINGS);
}

#[test]
fn a_report_has_the_entropy_of_the_longest_label() {
    for (label, entropy) in [
        ("aaaa", "0.0"),
        ("abababab", "1.0"),
        ("abcdefgh", "3.0"),
        ("aBcDeFgH", "3.0"),
        ("0123456789abcdef", "4.0"),
    ] {
        let detector = detector(TunnelSettings::default());
        let asked = name(&format!("{label}.x.example.com."));
        detector.lookup(None, CLIENT, asked.as_ref(), RrType::A, SECOND);
        let shown = detector.domains(SECOND, 1);
        assert!(shown[0].contains(&format!("entropy {entropy} bits")), "{label}: {shown:?}");
    }
}
