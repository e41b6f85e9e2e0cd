//! Compares the store and its answers with a model: RFC 1034 §4.3.2 over a sorted map, written for clarity, not
//! speed.

use std::collections::{BTreeMap, BTreeSet};

use nw_wire::{Name, NameRef, Rcode, RrType};
use proptest::prelude::*;

use crate::tests::{ask_within, load_with, name};
use crate::{LoadOptions, Zone};

pub(crate) const APEX: &str = "e.";

/// Owner to type to rdata texts.
pub(crate) type Records = BTreeMap<Name, BTreeMap<RrType, BTreeSet<String>>>;

#[derive(Debug, PartialEq, Eq)]
struct Expected {
    rcode: Rcode,
    aa: bool,
    answer: BTreeSet<String>,
    authority: BTreeSet<String>,
    /// Required addresses: those of name servers at or below the cut.
    glue: BTreeSet<String>,
}

struct Model<'r> {
    records: &'r Records,
    apex: Name,
}

impl Model<'_> {
    fn sets(&self, owner: NameRef<'_>) -> Option<&BTreeMap<RrType, BTreeSet<String>>> {
        self.records.get(&owner.to_name())
    }

    fn has(&self, owner: NameRef<'_>, rtype: RrType) -> bool {
        self.sets(owner).is_some_and(|sets| sets.contains_key(&rtype))
    }

    /// A name exists if it or anything below it has records (RFC 4592 §2.2).
    fn exists(&self, owner: NameRef<'_>) -> bool {
        self.records.keys().any(|other| other.as_ref().is_at_or_below(owner))
    }

    fn lines(&self, at: NameRef<'_>, shown: NameRef<'_>, rtype: RrType) -> BTreeSet<String> {
        let rdatas = self.sets(at).and_then(|sets| sets.get(&rtype)).into_iter().flatten();
        rdatas.map(|rdata| format!("{shown} 60 {rtype} {rdata}").to_lowercase()).collect()
    }

    fn answer(&self, qname: NameRef<'_>, qtype: RrType) -> Expected {
        let mut expected = Expected {
            rcode: Rcode::NOERROR,
            aa: true,
            answer: BTreeSet::new(),
            authority: BTreeSet::new(),
            glue: BTreeSet::new(),
        };
        let soa = BTreeSet::from(["e. 5 soa ns.e. h.e. 1 2 3 4 5".to_owned()]);
        let mut target = qname.to_name();
        let mut passed = vec![target.clone()];
        loop {
            let name = target.as_ref();
            // Walks down from the apex: a cut or a DNAME on the path ends the walk (steps 3b, and RFC 6672 §3.2 step
            // 3B).
            let (mut next, mut found) = (None, None);
            for labels in self.apex.as_ref().label_count()..=name.label_count() {
                let at = name.suffix(labels);
                let is_end = labels == name.label_count();
                if at != self.apex.as_ref() && self.has(at, RrType::NS) && !(is_end && qtype == RrType::DS) {
                    expected.aa = !expected.answer.is_empty();
                    expected.authority = self.lines(at, at, RrType::NS);
                    for server in self.sets(at).map(|sets| &sets[&RrType::NS]).into_iter().flatten() {
                        let server = crate::tests::name(server);
                        if server.as_ref().is_at_or_below(at) {
                            expected.glue.extend(self.lines(server.as_ref(), server.as_ref(), RrType::A));
                        }
                    }
                    return expected;
                }
                if !is_end && self.has(at, RrType::DNAME) {
                    expected.answer.extend(self.lines(at, at, RrType::DNAME));
                    let to = self.sets(at).map(|sets| &sets[&RrType::DNAME]).and_then(BTreeSet::first);
                    let to = crate::tests::name(to.expect("there is a DNAME"));
                    let Ok(alias) = name.with_suffix(at, to.as_ref()).expect("it lies below") else {
                        expected.rcode = Rcode::YXDOMAIN;
                        return expected;
                    };
                    let alias = alias.to_name();
                    expected.answer.insert(format!("{name} 60 CNAME {alias}").to_lowercase());
                    if qtype == RrType::CNAME {
                        return expected;
                    }
                    next = Some(alias);
                    break;
                }
                if !self.exists(at) {
                    // Step 3c.
                    let wildcard =
                        at.parent().and_then(|encloser| encloser.with_label(b"*")).map(|name| name.to_name());
                    let wildcard = wildcard.filter(|wildcard| self.exists(wildcard.as_ref()));
                    let Some(wildcard) = wildcard else {
                        expected.rcode = Rcode::NXDOMAIN;
                        expected.authority = soa;
                        return expected;
                    };
                    found = Some(wildcard);
                    break;
                }
            }
            if next.is_none() {
                let at = found.as_ref().map_or(name, |wildcard| wildcard.as_ref());
                if self.has(at, qtype) {
                    expected.answer.extend(self.lines(at, name, qtype));
                    return expected;
                }
                let alias = self.sets(at).and_then(|sets| sets.get(&RrType::CNAME)).and_then(BTreeSet::first);
                let Some(alias) = alias else {
                    expected.authority = soa;
                    return expected;
                };
                expected.answer.extend(self.lines(at, name, RrType::CNAME));
                next = Some(crate::tests::name(alias));
            }
            target = next.expect("the chain goes on");
            let long = passed.len() > crate::MOST_ALIASES;
            if long || passed.contains(&target) || !target.as_ref().is_at_or_below(self.apex.as_ref()) {
                return expected;
            }
            passed.push(target.clone());
        }
    }
}

fn label() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("a"), 4 => Just("b"), 1 => Just("*"), 1 => Just("A")]
}

pub(crate) fn owner() -> impl Strategy<Value = String> {
    prop::collection::vec(label(), 0..4)
        .prop_map(|labels| labels.iter().map(|label| format!("{label}.")).collect::<String>() + APEX)
}

fn target() -> impl Strategy<Value = String> {
    prop_oneof![6 => owner(), 1 => Just("a.other.".to_owned())]
}

pub(crate) fn record() -> impl Strategy<Value = (String, &'static str, String)> {
    prop_oneof![
        4 => (owner(), Just("A"), (1u8..4).prop_map(|last| format!("192.0.2.{last}"))),
        1 => (owner(), Just("TXT"), Just("\"t\"".to_owned())),
        1 => (owner(), Just("MX"), target().prop_map(|target| format!("1 {target}"))),
        2 => (owner(), Just("NS"), target()),
        2 => (owner(), Just("CNAME"), target()),
        1 => (owner(), Just("DNAME"), target()),
        1 => (owner(), Just("DS"), Just("1 8 200 00".to_owned())),
    ]
}

/// Load the `lines` that form a valid zone together, one after the other.
pub(crate) fn load(lines: &[(String, &'static str, String)], threads: usize) -> (Zone, Records) {
    let mut text = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\n".to_owned();
    let mut records = Records::new();
    let mut add = |owner: &str, rtype: &str, rdata: &str| {
        let sets = records.entry(name(owner)).or_default();
        let rtype: RrType = rtype.parse().expect("tests use known types");
        let alone = |rtype: RrType| matches!(rtype, RrType::CNAME | RrType::DNAME);
        let clash = sets.contains_key(&RrType::CNAME)
            || (rtype == RrType::CNAME && !sets.is_empty())
            || (alone(rtype) && sets.contains_key(&rtype))
            || (rtype == RrType::DNAME && sets.contains_key(&RrType::NS) && owner != APEX)
            || (rtype == RrType::NS && sets.contains_key(&RrType::DNAME) && owner != APEX);
        let fresh = !clash && sets.entry(rtype).or_default().insert(rdata.to_lowercase());
        if sets.is_empty() {
            records.remove(&name(owner));
        }
        fresh
    };
    add(APEX, "SOA", "ns.e. h.e. 1 2 3 4 5");
    add(APEX, "NS", "ns.e.");
    for (owner, rtype, rdata) in lines {
        if add(owner, rtype, rdata) {
            text += &format!("{owner} 60 {rtype} {rdata}\n");
        }
    }
    let options = LoadOptions { threads, ..LoadOptions::default() };
    (load_with(APEX, &text, &options).unwrap_or_else(|errors| panic!("{text}\n{errors}")), records)
}

pub(crate) const TYPES: [RrType; 8] =
    [RrType::A, RrType::NS, RrType::CNAME, RrType::TXT, RrType::MX, RrType::DNAME, RrType::DS, RrType::SOA];

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4000, ..ProptestConfig::default() })]

    /// RFC 1034 §4.3.2, RFC 4592, RFC 6672: the same answers as the model, for every type.
    #[test]
    fn answers_are_those_of_the_model(lines in prop::collection::vec(record(), 0..14), qname in owner(), whole in 0usize..20) {
        let (zone, records) = load(&lines, 1);
        let model = Model { records: &records, apex: name(APEX) };
        for qtype in TYPES {
            let expected = model.answer(name(&qname).as_ref(), qtype);
            let answer = ask_within(&zone, &qname, qtype, false, true, 65_535);
            let set = |i: usize| -> BTreeSet<String> {
                answer.sections[i].iter().map(|line| line.to_lowercase()).collect()
            };
            prop_assert_eq!(answer.outcome.rcode, expected.rcode, "{} {}", &qname, qtype);
            prop_assert_eq!(answer.outcome.aa, expected.aa, "{} {}", &qname, qtype);
            prop_assert_eq!(&set(0), &expected.answer, "{} {}", &qname, qtype);
            prop_assert_eq!(&set(1), &expected.authority, "{} {}", &qname, qtype);
            prop_assert!(set(2).is_superset(&expected.glue), "{} {}", &qname, qtype);
            // Every additional record is in the zone.
            for line in set(2) {
                let owner = name(line.split(' ').next().unwrap_or(""));
                prop_assert!(model.lines(owner.as_ref(), owner.as_ref(), RrType::A).contains(&line), "{}", line);
            }
            // With less space, the answer is a subset of the whole, and TC indicates missing data.
            let limit = 12 + qname.len() + 6 + (answer.octets - 12) * whole / 20;
            let short = ask_within(&zone, &qname, qtype, false, true, limit);
            prop_assert!(short.octets <= limit.max(12 + qname.len() + 5));
            for i in 0..3 {
                prop_assert!(short.sections[i].iter().all(|line| answer.sections[i].contains(line)));
            }
            if !short.outcome.truncated {
                prop_assert_eq!(&short.sections[0], &answer.sections[0]);
                prop_assert_eq!(&short.sections[1], &answer.sections[1]);
            }
        }
    }

    /// A loaded zone can be read back, edited and compared.
    #[test]
    fn a_zone_holds_what_was_put_in(lines in prop::collection::vec(record(), 0..20), others in prop::collection::vec(record(), 0..20)) {
        let (zone, records) = load(&lines, 1);
        let found: BTreeSet<String> = zone
            .rrsets()
            .flat_map(|rrset| rrset.to_string().lines().map(|line| line.replace("\tIN", "").replace('\t', " ").to_lowercase()).collect::<Vec<_>>())
            .collect();
        let expected: BTreeSet<String> = records
            .iter()
            .flat_map(|(owner, sets)| {
                sets.iter().flat_map(move |(rtype, rdatas)| {
                    rdatas.iter().map(move |rdata| format!("{owner} 60 {rtype} {rdata}").to_lowercase())
                })
            })
            .collect();
        prop_assert_eq!(found, expected);
        let owners: Vec<Name> = zone.nodes().map(|node| node.owner().to_name()).collect();
        prop_assert!(owners.windows(2).all(|pair| pair[0].as_ref() < pair[1].as_ref()));

        let (other, _) = load(&others, 1);
        let mut edit = zone.edit();
        edit.apply(&zone.diff(&other));
        let made = edit.commit(crate::Serial::Keep).expect("the other zone is good");
        prop_assert!(made.diff(&other).is_empty());
        prop_assert_eq!(made.to_text().to_lowercase(), other.to_text().to_lowercase());
    }
}
