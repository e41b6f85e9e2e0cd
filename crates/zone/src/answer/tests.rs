use nw_wire::{Rcode, RrType};

use super::AnswerKind;
use crate::Zone;
use crate::tests::{ask, ask_within, zone};

const EXAMPLE: &str = "\
$TTL 3600
@ SOA ns1 hostmaster 1 3600 900 604800 300
@ NS ns1
@ NS ns.other.net.
@ MX 10 mail
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
mail A 192.0.2.2
www CNAME mail
far CNAME www.elsewhere.net.
loop1 CNAME loop2
loop2 CNAME loop1
www.deep.ent TXT \"below two empty names\"
*.wild TXT \"made\"
*.wild MX 5 mail
*.wcname CNAME mail
x.*.wild A 192.0.2.9
sub NS ns.sub
sub NS ns1
sub NS ns.sibling
ns.sub A 198.51.100.1
sibling NS ns.sibling
ns.sibling A 198.51.100.2
old DNAME new
a.new A 192.0.2.3
out DNAME elsewhere.net.
";

fn example() -> Zone {
    zone("example.", EXAMPLE)
}

fn lines(text: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = text.iter().map(|line| (*line).to_owned()).collect();
    lines.sort();
    lines
}

const SOA: &str = "example. 300 SOA ns1.example. hostmaster.example. 1 3600 900 604800 300";

/// RFC 1034 §4.3.2 step 3a.
#[test]
fn existing_names_get_their_rrset_and_addresses() {
    let answer = ask(&example(), "example.", RrType::MX, false);
    assert_eq!((answer.outcome.rcode, answer.outcome.aa), (Rcode::NOERROR, true));
    assert_eq!(answer.sections[0], lines(&["example. 3600 MX 10 mail.example."]));
    assert_eq!(answer.sections[1], lines(&[]));
    assert_eq!(answer.sections[2], lines(&["mail.example. 3600 A 192.0.2.2"]));
}

/// RFC 1034 §4.2.1. Glue below the cut comes first, then other addresses if they fit (RFC 9471).
#[test]
fn names_below_a_cut_get_a_referral() {
    for qname in ["sub.example.", "www.sub.example.", "a.b.c.SUB.example."] {
        let answer = ask(&example(), qname, RrType::A, false);
        assert_eq!(answer.outcome.kind, AnswerKind::Referral);
        assert!(!answer.outcome.aa && !answer.outcome.truncated);
        assert_eq!(answer.sections[0], lines(&[]));
        let mut targets: Vec<String> = answer.sections[1]
            .iter()
            .filter_map(|line| Some(line.split(' ').nth(3)?.to_lowercase()))
            .collect();
        targets.sort();
        assert_eq!(targets, ["ns.sibling.example.", "ns.sub.example.", "ns1.example."]);
        assert_eq!(answer.sections[2].len(), 4);
    }
}

/// RFC 4035 §3.1.4.1: the parent answers for DS, with authority.
#[test]
fn ds_at_a_cut_is_answered_by_the_parent() {
    let answer = ask(&example(), "sub.example.", RrType::DS, false);
    assert_eq!((answer.outcome.kind, answer.outcome.aa), (AnswerKind::NoData, true));
    assert_eq!(answer.sections[1], lines(&[SOA]));
}

/// RFC 2308 §2.1, §2.2, §3: the SOA's TTL is its minimum if that is lower.
#[test]
fn missing_names_and_types_are_denied_with_the_soa() {
    let zone = example();
    for (qname, kind, rcode) in [
        ("nothing.example.", AnswerKind::NxDomain, Rcode::NXDOMAIN),
        ("a.b.mail.example.", AnswerKind::NxDomain, Rcode::NXDOMAIN),
        ("mail.example.", AnswerKind::NoData, Rcode::NOERROR),
        ("ent.example.", AnswerKind::NoData, Rcode::NOERROR),
        ("deep.ent.example.", AnswerKind::NoData, Rcode::NOERROR),
        ("x.ent.example.", AnswerKind::NxDomain, Rcode::NXDOMAIN),
    ] {
        let answer = ask(&zone, qname, RrType::AAAA, false);
        assert_eq!((answer.outcome.kind, answer.outcome.rcode), (kind, rcode), "{qname}");
        assert_eq!(answer.sections, [lines(&[]), lines(&[SOA]), lines(&[])], "{qname}");
    }
}

/// RFC 1034 §3.6.2. A chain stops when it leaves the zone or forms a loop.
#[test]
fn aliases_are_followed_inside_the_zone() {
    let zone = example();
    let answer = ask(&zone, "www.example.", RrType::A, false);
    assert_eq!(
        answer.sections[0],
        lines(&["www.example. 3600 CNAME mail.example.", "mail.example. 3600 A 192.0.2.2"])
    );
    let answer = ask(&zone, "www.example.", RrType::AAAA, false);
    assert_eq!((answer.outcome.kind, answer.outcome.rcode), (AnswerKind::NoData, Rcode::NOERROR));
    assert_eq!(answer.sections[1], lines(&[SOA]));
    let answer = ask(&zone, "far.example.", RrType::A, false);
    assert_eq!(answer.outcome.kind, AnswerKind::Alias);
    assert_eq!(answer.sections[0], lines(&["far.example. 3600 CNAME www.elsewhere.net."]));
    let answer = ask(&zone, "loop1.example.", RrType::A, false);
    assert_eq!(answer.outcome.kind, AnswerKind::Alias);
    assert_eq!(
        answer.sections[0],
        lines(&["loop1.example. 3600 CNAME loop2.example.", "loop2.example. 3600 CNAME loop1.example."])
    );
}

/// RFC 4592 §2.2.1, §3.3.1.
#[test]
fn wildcards_answer_for_missing_names_below_them() {
    let zone = example();
    for qname in ["a.wild.example.", "a.b.c.wild.example."] {
        let answer = ask(&zone, qname, RrType::MX, false);
        assert_eq!(answer.sections[0], vec![format!("{qname} 3600 MX 5 mail.example.")]);
        assert_eq!(answer.sections[2], lines(&["mail.example. 3600 A 192.0.2.2"]));
    }
    let answer = ask(&zone, "a.wild.example.", RrType::A, false);
    assert_eq!(answer.outcome.kind, AnswerKind::NoData);
    // The wildcard itself exists, with a name below it, and does not match names below that.
    assert_eq!(ask(&zone, "*.wild.example.", RrType::TXT, false).sections[0].len(), 1);
    assert_eq!(ask(&zone, "y.*.wild.example.", RrType::TXT, false).outcome.kind, AnswerKind::NxDomain);
    let answer = ask(&zone, "q.wcname.example.", RrType::A, false);
    assert_eq!(
        answer.sections[0],
        lines(&["q.wcname.example. 3600 CNAME mail.example.", "mail.example. 3600 A 192.0.2.2"])
    );
}

/// RFC 6672 §2.2, §3.2.
#[test]
fn dname_makes_a_cname_for_each_name_below_it() {
    let zone = example();
    let answer = ask(&zone, "a.old.example.", RrType::A, false);
    assert_eq!(
        answer.sections[0],
        lines(&[
            "old.example. 3600 DNAME new.example.",
            "a.old.example. 3600 CNAME a.new.example.",
            "a.new.example. 3600 A 192.0.2.3",
        ])
    );
    // The DNAME is not an alias for its own owner.
    assert_eq!(ask(&zone, "old.example.", RrType::A, false).outcome.kind, AnswerKind::NoData);
    let answer = ask(&zone, "x.out.example.", RrType::A, false);
    assert_eq!(answer.outcome.kind, AnswerKind::Alias);
    assert_eq!(answer.sections[0].len(), 2);
    let label = "l".repeat(60);
    let long = format!("{label}.{label}.{label}.{}.out.example.", "l".repeat(57));
    let answer = ask(&zone, &long, RrType::A, false);
    assert_eq!((answer.outcome.kind, answer.outcome.rcode), (AnswerKind::TooLong, Rcode::YXDOMAIN));
    assert_eq!(answer.sections[0].len(), 1);
}

/// RFC 2181 §5.5: an RRset that an alias chain passes twice is in the answer once, for any question type.
#[test]
fn a_dname_that_a_chain_uses_twice_is_in_the_answer_once() {
    let zone =
        zone("example.", "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nd DNAME @\nd TXT t\nlong DNAME a.long\n");
    for (qname, qtype, octets) in [("d.d.d.example.", RrType::ANY, 4), ("d.d.example.", RrType::DNAME, 2)] {
        let answer = ask_within(&zone, qname, qtype, false, false, 65_535);
        let dnames = answer.sections[0].iter().filter(|line| line.contains(" DNAME ")).count();
        assert_eq!(
            (dnames, answer.sections[0].len()),
            (1, octets),
            "{qname} {qtype} {:?}",
            answer.sections[0]
        );
        assert_eq!(answer.outcome.kind, AnswerKind::Answer);
    }
    // A DNAME below itself ends after the maximum number of aliases, with the chain so far. If a name grows too long
    // before, the answer is YXDOMAIN with the DNAME (RFC 6672 §2.2).
    let answer = ask_within(&zone, "x.long.example.", RrType::A, false, false, 65_535);
    let dnames = |answer: &crate::tests::Answer| {
        answer.sections[0].iter().filter(|line| line.contains(" DNAME ")).count()
    };
    assert_eq!((answer.outcome.rcode, dnames(&answer)), (Rcode::NOERROR, 1));
    assert_eq!(answer.sections[0].len(), 1 + crate::MOST_ALIASES + 1);
    let label = "l".repeat(55);
    let answer = ask_within(
        &zone,
        &format!("{label}.{label}.{label}.{label}.long.example."),
        RrType::A,
        false,
        false,
        65_535,
    );
    assert_eq!((answer.outcome.rcode, dnames(&answer)), (Rcode::YXDOMAIN, 1));
}

/// RFC 8482 §4.1.
#[test]
fn any_gets_one_rrset_over_udp_and_all_over_tcp() {
    let zone = example();
    assert_eq!(ask(&zone, "ns1.example.", RrType::ANY, false).sections[0].len(), 1);
    let answer = ask_within(&zone, "ns1.example.", RrType::ANY, false, false, 65_535);
    assert_eq!(answer.sections[0].len(), 2);
}

/// RFC 9471 §3: required glue that does not fit sets TC. RFC 2181 §9: no RRset is split.
#[test]
fn rrsets_that_do_not_fit_are_omitted_whole() {
    let zone = example();
    let whole = ask(&zone, "www.sub.example.", RrType::A, false).octets;
    for limit in 40..=whole {
        let answer = ask_within(&zone, "www.sub.example.", RrType::A, false, true, limit);
        let has_glue = answer.sections[2].iter().any(|line| line.starts_with("ns.sub"));
        assert_eq!(answer.outcome.truncated, !has_glue, "{limit}");
        assert!([0, 3].contains(&answer.sections[1].len()));
        assert!(!answer.outcome.aa);
    }
}
