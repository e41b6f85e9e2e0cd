use super::*;
use crate::tests::{name, zone};
use nw_wire::header::{Flags, Header};
use nw_wire::text::Tokens;
use nw_wire::{Opcode, rr};

const TEXT: &str = "\
$TTL 3600
@ SOA ns hostmaster 10 2 3 4 5
@ NS ns
@ NS ns2
ns A 192.0.2.1
ns A 192.0.2.2
ns2 A 192.0.2.3
alias CNAME ns
a.b TXT x
";

/// An update message. Each record: `owner ttl class type rdata`; without rdata its data is empty.
fn message(zone: &str, prerequisites: &[&str], changes: &[&str]) -> Vec<u8> {
    let counts = [1, prerequisites.len() as u16, changes.len() as u16, 0];
    let flags = Flags::default().with_opcode(Opcode::UPDATE);
    let mut wire = Header { id: 1, flags, counts }.to_wire().to_vec();
    wire.extend_from_slice(name(zone).as_ref().wire());
    wire.extend_from_slice(&[0, 6, 0, 1]);
    for record in prerequisites.iter().chain(changes) {
        let words: Vec<&str> = record.splitn(5, ' ').collect();
        wire.extend_from_slice(name(words[0]).as_ref().wire());
        let rtype: RrType = words[3].parse().expect("a type");
        wire.extend_from_slice(&rtype.0.to_be_bytes());
        wire.extend_from_slice(&words[2].parse::<Class>().expect("a class").0.to_be_bytes());
        wire.extend_from_slice(&words[1].parse::<u32>().expect("a TTL").to_be_bytes());
        let mut rdata = Vec::new();
        if let Some(text) = words.get(4) {
            let origin = name("example.");
            let mut tokens = Tokens::new(text.as_bytes());
            rr::from_text(rtype, &mut tokens, origin.as_ref(), &mut rdata).expect("rdata");
        }
        wire.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        wire.extend_from_slice(&rdata);
    }
    wire
}

fn update(prerequisites: &[&str], changes: &[&str]) -> Result<Option<Zone>, Refusal> {
    let wire = message("example.", prerequisites, changes);
    let message = Message::parse(&wire).expect("a message");
    Update::read(&message)?.apply(&zone("example.", TEXT), Serial::Next).map(|applied| applied.zone)
}

/// The records of `owner` and `rtype` after *changes*; the serial.
fn after(changes: &[&str], owner: &str, rtype: RrType) -> (Vec<String>, u32) {
    let before = zone("example.", TEXT);
    let made = update(&[], changes).expect("permitted").unwrap_or(before);
    let rrset = made.rrset(name(owner).as_ref(), rtype);
    let mut lines: Vec<String> = rrset
        .iter()
        .flat_map(|rrset| rrset.to_string().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    lines.iter_mut().for_each(|line| *line = line.replace('\t', " ").replace("NS.", "ns."));
    lines.sort();
    (lines, made.serial())
}

#[test]
fn prerequisites_have_the_rcodes_of_the_rfc() {
    for (prerequisites, expected) in [
        (&["ns.example. 0 ANY ANY"][..], None),
        (&["b.example. 0 ANY ANY"], Some((Rcode::NXDOMAIN, "§3.2.1"))),
        (&["b.example. 0 NONE ANY"], None),
        (&["NS.example. 0 NONE ANY"], Some((Rcode::YXDOMAIN, "§3.2.2"))),
        (&["ns.example. 0 ANY A"], None),
        (&["ns.example. 0 ANY AAAA"], Some((Rcode::NXRRSET, "§3.2.1"))),
        (&["ns.example. 0 NONE AAAA"], None),
        (&["ns.example. 0 NONE A"], Some((Rcode::YXRRSET, "§3.2.2"))),
        (&["ns.example. 0 IN A 192.0.2.2", "ns.example. 0 IN A 192.0.2.1"], None),
        (&["ns.example. 0 IN A 192.0.2.2"], Some((Rcode::NXRRSET, "§3.2.3"))),
        (&["alias.example. 0 IN CNAME NS.Example."], None),
        (&["x.example. 0 IN A 192.0.2.2"], Some((Rcode::NXRRSET, "§3.2.3"))),
        (&["ns.example. 1 ANY A"], Some((Rcode::FORMERR, "§3.2"))),
        (&["ns.example. 0 ANY A 192.0.2.1"], Some((Rcode::FORMERR, "§3.2"))),
        (&["ns.example. 0 CH A 192.0.2.1"], Some((Rcode::FORMERR, "§3.2"))),
        (&["ns.other. 0 ANY A"], Some((Rcode::NOTZONE, "§3.2"))),
        // The first that fails decides, and values are compared last.
        (&["ns.example. 0 NONE A", "ns.other. 0 ANY A"], Some((Rcode::YXRRSET, "§3.2.2"))),
        (&["ns.example. 0 IN A 192.0.2.2", "ns.example. 0 NONE A"], Some((Rcode::YXRRSET, "§3.2.2"))),
    ] {
        let found = update(prerequisites, &[]).err().map(|refusal| (refusal.rcode, refusal.rule));
        assert_eq!(found, expected, "{prerequisites:?}");
    }
}

#[test]
fn malformed_updates_change_nothing() {
    for (change, rcode) in [
        ("www.other. 60 IN A 192.0.2.1", Rcode::NOTZONE),
        ("www.example. 60 IN AXFR", Rcode::FORMERR),
        ("www.example. 60 CH A 192.0.2.1", Rcode::FORMERR),
        ("www.example. 60 ANY A", Rcode::FORMERR),
        ("www.example. 0 ANY A 192.0.2.1", Rcode::FORMERR),
        ("www.example. 0 ANY AXFR", Rcode::FORMERR),
        ("www.example. 60 NONE A 192.0.2.1", Rcode::FORMERR),
        ("www.example. 0 NONE ANY", Rcode::FORMERR),
        ("www.example. 0 NONE A", Rcode::FORMERR),
    ] {
        let found = update(&[], &["new.example. 60 IN A 192.0.2.1", change]).expect_err(change);
        assert_eq!((found.rcode, found.rule), (rcode, "§3.4.1"), "{change}");
        // Prerequisites come first.
        let found = update(&["ns.example. 0 NONE A"], &[change]).expect_err(change);
        assert_eq!(found.rcode, Rcode::YXRRSET, "{change}");
    }
    let refused =
        |wire: &[u8]| Update::read(&Message::parse(wire).expect("a message")).expect_err("malformed").rcode;
    let mut wire = message("example.", &[], &[]);
    let end = wire.len();
    wire[end - 3] = 1;
    assert_eq!(refused(&wire), Rcode::FORMERR);
    let found = Update::read(&Message::parse(&message("other.", &[], &[])).expect("a message"));
    let found = found.expect("well formed").apply(&zone("example.", TEXT), Serial::Next);
    assert_eq!(found.expect_err("another zone").rcode, Rcode::NOTAUTH);
}

#[test]
fn updates_have_the_effects_of_the_rfc() {
    const SOA: &str = "example. 3600 IN SOA ns.example. hostmaster.example.";
    let old = [format!("{SOA} 10 2 3 4 5")];
    let next = [format!("{SOA} 11 2 3 4 5")];
    let soa = |changes: &[&str]| after(changes, "example.", RrType::SOA).0;
    let records = |changes: &[&str], owner: &str, rtype| after(changes, owner, rtype).0;
    let (ns1, ns2) = ("example. 3600 IN NS ns.example.", "example. 3600 IN NS ns2.example.");
    // Added records give the RRset their TTL, equal ones change nothing.
    assert_eq!(
        records(
            &["ns.example. 60 IN A 192.0.2.9", "NS.example. 60 IN A 192.0.2.1"],
            "ns.example.",
            RrType::A
        ),
        ["ns.example. 60 IN A 192.0.2.1", "ns.example. 60 IN A 192.0.2.2", "ns.example. 60 IN A 192.0.2.9"],
    );
    assert_eq!(soa(&["ns.example. 3600 IN A 192.0.2.1"]), old);
    assert_eq!(soa(&["ns.example. 60 IN A 192.0.2.1"]), next);
    assert_eq!(soa(&["new.example. 60 IN A 192.0.2.1", "new.example. 0 ANY ANY"]), old);
    // CNAME.
    assert_eq!(soa(&["ns.example. 60 IN CNAME alias.example."]), old);
    assert_eq!(soa(&["alias.example. 60 IN A 192.0.2.1"]), old);
    let replaced = records(&["alias.example. 60 IN CNAME ns2.example."], "alias.example.", RrType::CNAME);
    assert_eq!(replaced, ["alias.example. 60 IN CNAME ns2.example."]);
    let swapped = ["alias.example. 0 ANY CNAME", "alias.example. 60 IN A 192.0.2.1"];
    assert_eq!(records(&swapped, "alias.example.", RrType::A), ["alias.example. 60 IN A 192.0.2.1"]);
    // SOA: newer ones only, and it is never deleted.
    assert_eq!(soa(&["example. 60 IN SOA ns. h. 9 2 3 4 5"]), old);
    assert_eq!(soa(&["example. 60 IN SOA ns. h. 20 2 3 4 5"]), ["example. 60 IN SOA ns. h. 20 2 3 4 5"]);
    assert_eq!(soa(&["www.example. 60 IN SOA ns. h. 20 2 3 4 5"]), old);
    assert_eq!(soa(&["example. 0 ANY SOA", "example. 0 NONE SOA ns hostmaster 10 2 3 4 5"]), old);
    // NS at the apex: never all.
    assert_eq!(records(&["example. 0 ANY NS", "example. 0 ANY ANY"], "example.", RrType::NS), [ns1, ns2]);
    let both = ["example. 0 NONE NS ns", "example. 0 NONE NS ns2"];
    assert_eq!(records(&both, "example.", RrType::NS), [ns2]);
    // Deleted records, RRsets and names; absent ones change nothing.
    let one = ["ns.example. 0 NONE A 192.0.2.1", "ns.example. 0 NONE A 192.0.2.77"];
    assert_eq!(records(&one, "ns.example.", RrType::A), ["ns.example. 3600 IN A 192.0.2.2"]);
    assert_eq!(records(&["ns.example. 0 ANY A"], "ns.example.", RrType::A), [""; 0]);
    assert_eq!(records(&["a.b.example. 0 ANY ANY"], "a.b.example.", RrType::TXT), [""; 0]);
    assert_eq!(soa(&["c.b.example. 0 ANY ANY", "c.b.example. 0 ANY A"]), old);
    // WKS: one for each address and protocol.
    let wks = ["w.example. 60 IN TYPE11 \\# 6 c000020106ff", "w.example. 60 IN TYPE11 \\# 6 c000020106f0"];
    assert_eq!(records(&wks, "w.example.", WKS).len(), 1);
}

#[test]
fn changes_without_effect_are_named_with_their_rule() {
    let changes = [
        "alias.example. 60 IN A 192.0.2.1",
        "example. 0 ANY NS",
        "example. 60 IN SOA ns. h. 9 2 3 4 5",
        "example. 0 NONE SOA ns hostmaster 10 2 3 4 5",
        "new.example. 60 IN A 192.0.2.1",
    ];
    let wire = message("example.", &[], &changes);
    let update = Update::read(&Message::parse(&wire).expect("a message")).expect("well formed");
    let applied = update.apply(&zone("example.", TEXT), Serial::Next).expect("permitted");
    assert!(applied.zone.is_some(), "the last change has an effect");
    let rules: Vec<_> =
        applied.ignored.iter().filter_map(|text| text.rsplit_once('§')).map(|(_, rule)| rule).collect();
    assert_eq!(rules, ["3.4.2.2)", "3.4.2.3)", "3.4.2.2)", "3.4.2.4)"]);
    assert!(applied.ignored[0].starts_with("add alias.example. 60 IN A 192.0.2.1: a CNAME"), "{applied:?}");
    let many = vec!["example. 0 ANY NS"; 100];
    let wire = message("example.", &[], &many);
    let update = Update::read(&Message::parse(&wire).expect("a message")).expect("well formed");
    let applied = update.apply(&zone("example.", TEXT), Serial::Next).expect("permitted");
    assert_eq!((applied.zone.is_none(), applied.ignored.len()), (true, super::MOST_IGNORED));
}

#[test]
fn a_result_that_is_no_zone_is_refused() {
    let found = update(&[], &["x.example. 60 IN DS 1 8 2 00"]).expect_err("a digest of one octet");
    assert_eq!((found.rcode, found.rule), (Rcode::REFUSED, "§3.4.2"));
    // The DS RRset at the apex is a warning, and not why.
    let apex = "example. 60 IN DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000";
    let found = update(&[], &[apex, "x.example. 60 IN DS 1 8 2 00"]).expect_err("a digest of one octet");
    assert!(!found.text.contains("apex"), "{}", found.text);
}

#[test]
fn what_an_update_touches_are_owners_and_types() {
    let wire =
        message("example.", &[], &["example. 0 ANY ANY", "ns.example. 0 ANY ANY", "x.example. 1 IN TXT x"]);
    let update = Update::read(&Message::parse(&wire).expect("a message")).expect("well formed");
    let touched: Vec<String> = update
        .touched(&zone("example.", TEXT))
        .into_iter()
        .map(|(owner, rtype)| format!("{owner} {rtype}"))
        .collect();
    assert_eq!(touched, ["ns.example. A", "x.example. TXT"]);
    let lines: Vec<String> = update.changes().iter().map(Change::to_string).collect();
    assert_eq!(lines, ["delete example.", "delete ns.example.", "add x.example. 1 IN TXT \"x\""]);
}
