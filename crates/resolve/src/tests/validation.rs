//! The place of validation, with a toy validator: names tell what they are.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nw_cache::{Reader, State, Trust};
use nw_wire::code::{Ede, Rcode, RrType};
use nw_wire::name::{Name, NameRef};

use super::lab::*;
use crate::classify::Reply;
use crate::join::Boxed;
use crate::scrub::Referral;
use crate::validator::{Lookups, Validator};
use crate::*;

/// Looks up the DNSKEY RRset of the zone, as a validator does, then believes what the name says.
#[derive(Default)]
struct Toy {
    judged: RefCell<Vec<String>>,
}

impl Validator for Toy {
    fn judge<'a>(
        &'a self,
        reply: &'a Reply,
        zone: NameRef<'a>,
        lookups: &'a dyn Lookups,
    ) -> Boxed<'a, State> {
        Box::pin(async move {
            let owner = match reply {
                Reply::Answer(chain) => chain.data[0].rrset.owner.to_string(),
                Reply::Absence(_, absence) => absence.name.to_string(),
                _ => return State::Indeterminate,
            };
            self.judged.borrow_mut().push(owner.clone());
            let zone = zone.to_name();
            if !matches!(reply, Reply::Answer(chain) if chain.data[0].rrset.rtype == RrType::DNSKEY) {
                let _ = lookups.lookup(&zone, RrType::DNSKEY).await;
            }
            match owner.split('.').next() {
                Some("bogus") => State::Bogus,
                Some("secure") => State::Secure,
                _ => State::Insecure,
            }
        })
    }

    fn trust<'a>(
        &'a self,
        _referral: &'a Referral,
        _zone: NameRef<'a>,
        _lookups: &'a dyn Lookups,
    ) -> Boxed<'a, Trust> {
        Box::pin(async { Trust::Insecure })
    }
}

fn validating() -> (Rc<Lab>, Resolver<Lab>, Rc<Toy>) {
    let lab = delegating(
        "example.com. 300 NS n1.example.com.\nexample.com. 300 NS n2.example.com.
         n1.example.com. 300 A 192.0.2.1\nn2.example.com. 300 A 192.0.2.2",
        "",
    );
    let records = "secure.example.com. 300 A 203.0.113.1
                   bogus.example.com. 300 A 203.0.113.2
                   plain.example.com. 300 A 203.0.113.3";
    lab.host("192.0.2.1", zone("example.com.", records));
    lab.host("192.0.2.2", zone("example.com.", records));
    let (config, toy) = (config(), Rc::new(Toy::default()));
    let cache = Arc::new(Cache::new(config.budget.cache_bytes));
    let resolver = Resolver::validating(Rc::clone(&lab), cache, Arc::new(config), Rc::clone(&toy) as _);
    (lab, resolver, toy)
}

/// Ask with CD.
fn ask_cd(lab: &Rc<Lab>, resolver: &Resolver<Lab>, name: &str) -> Resolution {
    let question = ClientQuestion { checking_disabled: true, ..question(name, RrType::A) };
    lab.run(resolver.resolve(question, Trace::start(lab.now(), 400)))
}

/// What the cache holds at *name* for clients without and with CD.
fn held(lab: &Lab, resolver: &Resolver<Lab>, name: &str) -> [bool; 2] {
    let name: Name = name.parse().unwrap();
    [false, true].map(|checking_disabled| {
        let reader = Reader { checking_disabled, ..Reader::default() };
        let found = resolver.cache().get_as(&reader, name.as_ref(), RrType::A, lab.now());
        matches!(found, nw_cache::Lookup::Hit { found: nw_cache::Cached::Rrset(_), .. })
    })
}

#[test]
fn replies_are_judged_before_they_are_kept() {
    let (lab, resolver, toy) = validating();
    let found = ask(&lab, &resolver, "secure.example.com.", RrType::A);
    assert_eq!((found.rcode, found.validation), (Rcode::NOERROR, Validation::Secure));
    assert!(toy.judged.borrow().contains(&"secure.example.com.".to_string()));
    // The state comes back from the cache.
    let before = lab.total();
    let again = ask(&lab, &resolver, "secure.example.com.", RrType::A);
    assert_eq!((again.validation, lab.total()), (Validation::Secure, before));
    assert_eq!(ask(&lab, &resolver, "plain.example.com.", RrType::A).validation, Validation::Insecure);
    let zone: Name = "example.com.".parse().unwrap();
    assert_eq!(resolver.cache().cut(zone.as_ref(), lab.now()).unwrap().trust, Trust::Insecure);
}

#[test]
fn a_bogus_reply_leads_to_the_next_server_and_to_nobody_without_cd() {
    let (lab, resolver, _) = validating();
    let found = ask(&lab, &resolver, "bogus.example.com.", RrType::A);
    assert_eq!((found.rcode, found.answer.len()), (Rcode::SERVFAIL, 0));
    assert!(found.ede.iter().any(|(ede, _)| *ede == Ede::DNSSEC_BOGUS), "{:?}", found.ede);
    for server in ["192.0.2.1", "192.0.2.2"] {
        assert!(lab.questions(server).contains(&"bogus.example.com. A".to_string()));
    }
    assert_eq!(held(&lab, &resolver, "bogus.example.com."), [false, true]);
    // The failure is kept for clients without CD, the data for those with CD.
    let before = lab.total();
    assert_eq!(ask(&lab, &resolver, "bogus.example.com.", RrType::A).rcode, Rcode::SERVFAIL);
    let found = ask_cd(&lab, &resolver, "bogus.example.com.");
    assert_eq!((found.rcode, found.answer.len(), lab.total()), (Rcode::NOERROR, 1, before));
    assert_eq!(found.validation, Validation::Bogus);
}

#[test]
fn what_a_client_with_cd_fetched_is_judged_before_others_get_it() {
    let (lab, resolver, toy) = validating();
    for name in ["secure.example.com.", "bogus.example.com."] {
        let found = ask_cd(&lab, &resolver, name);
        assert_eq!((found.rcode, found.validation), (Rcode::NOERROR, Validation::Indeterminate));
        assert_eq!(held(&lab, &resolver, name), [false, true]);
    }
    assert!(toy.judged.borrow().is_empty());
    let before = lab.total();
    assert_eq!(ask(&lab, &resolver, "secure.example.com.", RrType::A).validation, Validation::Secure);
    assert_eq!(ask(&lab, &resolver, "bogus.example.com.", RrType::A).rcode, Rcode::SERVFAIL);
    assert!(lab.total() > before);
    assert_eq!(held(&lab, &resolver, "secure.example.com."), [true, true]);
}

/// RFC 8020 holds for denials that a validator has accepted, whatever the setting for others.
#[test]
fn a_validated_denial_holds_for_all_names_below() {
    let (lab, resolver, _) = validating();
    for (name, queries) in [("secure.nothing.example.com.", 0), ("plain.nothing.example.com.", 1)] {
        assert_eq!(ask(&lab, &resolver, name, RrType::A).rcode, Rcode::NXDOMAIN);
        let before = lab.total();
        assert_eq!(ask(&lab, &resolver, &format!("below.{name}"), RrType::A).rcode, Rcode::NXDOMAIN);
        assert_eq!((lab.total() - before).min(1), queries, "{name}");
    }
}
