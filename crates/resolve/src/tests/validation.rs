//! Validation against zones that the signer of this project signed and the zone store serves.

use std::rc::Rc;
use std::sync::Arc;

use nw_cache::{KeptFailure, Rank, Reader, Trust};
use nw_crypto::{Algorithm, SigningKey};
use nw_dnssec::{DenialOptions, DigestType, SignOptions, ZoneKey, ds::push_ds, sign_zone};
use nw_wire::code::{Class, Ede, Rcode, RrType};
use nw_wire::header::{Flags, Header};
use nw_wire::message::{Message, Section};
use nw_wire::name::Name;
use nw_wire::rrset::{RdataSet, Rrset};
use nw_wire::writer::Writer;
use nw_zone::{Zone, ZoneQuestion};

use super::lab::*;
use crate::*;

mod restart;
mod revocation;

/// The time at which the lab starts, seconds since 1970.
const START: u32 = 1_800_001_000;
const DAY: u32 = 86_400;

/// How a zone is signed.
struct Signing {
    key: ZoneKey,
    denial: DenialOptions,
    inception: u32,
    expiration: u32,
}

impl Signing {
    fn new(apex: &str) -> Signing {
        Signing::with(apex, Algorithm::ED25519)
    }

    fn with(apex: &str, algorithm: Algorithm) -> Signing {
        let apex: Name = apex.parse().unwrap();
        let key = Arc::new(SigningKey::generate(algorithm, None).unwrap());
        Signing {
            key: ZoneKey::new(apex.as_ref(), 257, key),
            denial: DenialOptions::Nsec,
            inception: START - 30 * DAY,
            expiration: START + 30 * DAY,
        }
    }

    fn nsec3(self, opt_out: bool) -> Signing {
        Signing { denial: DenialOptions::Nsec3 { iterations: 0, salt: Vec::new(), opt_out }, ..self }
    }

    /// The DS record for the parent, as a line.
    fn ds(&self) -> String {
        let mut rdata = Vec::new();
        assert!(push_ds(self.key.owner(), self.key.dnskey(), DigestType::SHA256, &mut rdata));
        let mut text = String::new();
        nw_wire::rr::to_text(RrType::DS, &rdata, &mut text);
        format!("{} 3600 DS {text}\n", self.key.owner())
    }

    fn anchor(&self) -> TrustAnchor {
        let mut rdata = Vec::new();
        push_ds(self.key.owner(), self.key.dnskey(), DigestType::SHA256, &mut rdata);
        TrustAnchor::Ds { owner: self.key.owner().to_name(), rdata }
    }

    /// The signed zone of *text*, changed by *tamper* after it was signed.
    fn sign_and(&self, text: &str, tamper: impl FnOnce(&mut Vec<Rrset>)) -> Zone {
        let apex = self.key.owner();
        let text = format!("{apex} 3600 SOA ns. host. 1 7200 3600 604800 300\n{text}");
        let options = SignOptions {
            inception: self.inception,
            expiration: self.expiration,
            jitter: 0,
            denial: self.denial.clone(),
            dnskey_ttl: 3600,
            threads: 1,
        };
        let key = std::slice::from_ref(&self.key);
        let signed = sign_zone(apex, rrsets(&text), key, &options).unwrap();
        let mut all: Vec<Rrset> = Vec::new();
        for one in signed {
            all.extend(one.rrsig_rrset());
            all.push(one.rrset);
        }
        tamper(&mut all);
        all.retain(|set| !set.rdatas.is_empty());
        Zone::from_rrsets(apex, Class::IN, &all).unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn sign(&self, text: &str) -> Zone {
        self.sign_and(text, |_| {})
    }
}

/// The zone of *text* without signatures.
fn unsigned(apex: &str, text: &str) -> Zone {
    let apex: Name = apex.parse().unwrap();
    let text = format!("{apex} 3600 SOA ns. host. 1 7200 3600 604800 300\n{text}");
    Zone::from_rrsets(apex.as_ref(), Class::IN, &rrsets(&text)).unwrap()
}

/// A host that serves *zones* as an authoritative server does.
fn serves(zones: impl IntoIterator<Item = Zone>) -> Host {
    let zones: Vec<Zone> = zones.into_iter().collect();
    Rc::new(move |asked| {
        let name = asked.name.as_ref();
        let parental = asked.rtype == RrType::DS;
        let owns = |zone: &&Zone| name.is_at_or_below(zone.apex());
        let best = |parental: bool| {
            let zones = zones.iter().filter(owns).filter(|zone| !parental || zone.apex() != name);
            zones.max_by_key(|zone| zone.apex().label_count())
        };
        let zone = best(parental).or_else(|| best(false));
        let header = Header::read(&asked.query).unwrap();
        let mut buf = vec![0; 65_535];
        let flags = Flags::default().with_qr(true);
        let mut writer = Writer::new(&mut buf, 65_535, header.id, flags);
        writer.question(name, asked.rtype, Class::IN).unwrap();
        let Some(zone) = zone else {
            writer.set_flags(flags.with_rcode(Rcode::REFUSED));
            let length = writer.finish();
            return Says::Reply(buf[..length].to_vec());
        };
        let dnssec_ok = Message::parse(&asked.query).unwrap().opt().is_some_and(|opt| opt.dnssec_ok());
        let question = ZoneQuestion { qname: name, qtype: asked.rtype, dnssec_ok, transport_udp: false };
        let outcome = zone.answer(&question, &mut writer);
        writer.set_flags(flags.with_aa(outcome.aa).with_rcode(outcome.rcode));
        let length = writer.finish();
        Says::Reply(buf[..length].to_vec())
    })
}

const ROOT_TEXT: &str = ". 518400 NS a.root-servers.net.
a.root-servers.net. 518400 A 198.41.0.4
test. 172800 NS ns.nic.test.
ns.nic.test. 172800 A 192.0.2.1
";

const NIC: &str = "test. 3600 NS ns.nic.test.
ns.nic.test. 3600 A 192.0.2.1
example.test. 3600 NS ns.example.test.
ns.example.test. 3600 A 192.0.2.2
plain.test. 3600 NS ns.plain.test.
ns.plain.test. 3600 A 192.0.2.3
";

const EXAMPLE: &str = "example.test. 3600 NS ns.example.test.
ns.example.test. 3600 A 192.0.2.2
www.example.test. 300 A 203.0.113.1
alias.example.test. 300 CNAME www.example.test.
out.example.test. 300 CNAME www.plain.test.
*.wild.example.test. 300 A 203.0.113.2
*.walias.example.test. 300 CNAME www.example.test.
a.b.ent.example.test. 300 A 203.0.113.3
moved.example.test. 300 DNAME example.test.
";

/// A signed root, `test.` and `example.test.`, and an unsigned `plain.test.`.
struct Signed {
    lab: Rc<Lab>,
    resolver: Resolver<Lab>,
    tld: Signing,
    example: Signing,
}

impl Signed {
    fn new() -> Signed {
        Signed::with(Signing::new("test."), Signing::new("example.test."), |_| {})
    }

    fn with(tld: Signing, example: Signing, tamper: impl FnOnce(&mut Vec<Rrset>)) -> Signed {
        let (lab, root) = (Lab::new(), Signing::new("."));
        lab.host("198.41.0.4", serves([root.sign(&format!("{ROOT_TEXT}{}", tld.ds()))]));
        lab.host("192.0.2.1", serves([tld.sign(&format!("{NIC}{}", example.ds()))]));
        lab.host("192.0.2.2", serves([example.sign_and(EXAMPLE, tamper)]));
        let plain = "plain.test. 3600 NS ns.plain.test.
ns.plain.test. 3600 A 192.0.2.3
www.plain.test. 300 A 203.0.113.9";
        lab.host("192.0.2.3", serves([unsigned("plain.test.", plain)]));
        let config = ResolverConfig { trust_anchors: vec![root.anchor()], ..config() };
        let resolver = resolver_with(&lab, config);
        Signed { lab, resolver, tld, example }
    }

    fn ask(&self, name: &str, rtype: RrType) -> Resolution {
        ask(&self.lab, &self.resolver, name, rtype)
    }

    fn ask_cd(&self, name: &str, rtype: RrType) -> Resolution {
        let question = ClientQuestion { checking_disabled: true, ..question(name, rtype) };
        self.lab.run(self.resolver.resolve(question, Trace::start(self.lab.now(), 400)))
    }

    /// Check code and state of the first answer, and that the cache gives the same without a query.
    fn expect(&self, name: &str, rtype: RrType, rcode: Rcode, state: Validation) -> Resolution {
        let found = self.ask(name, rtype);
        assert_eq!((found.rcode, found.validation), (rcode, state), "{name} {rtype}: {:#?}", found.steps);
        let before = self.lab.total();
        // Answers with a proof are kept as a whole.
        if hit(&self.lab, &self.resolver, name, rtype).is_none_or(|(found, _)| found != rcode) {
            let again = self.ask(name, rtype);
            assert_eq!((again.rcode, again.validation), (rcode, state), "{name} {rtype} again");
        }
        assert_eq!(self.lab.total(), before, "{name} {rtype} comes from the cache");
        found
    }
}

#[test]
fn a_chain_of_trust_makes_answers_secure() {
    use RrType as T;
    for nsec3 in [false, true] {
        let (mut tld, mut example) = (Signing::new("test."), Signing::new("example.test."));
        if nsec3 {
            (tld, example) = (tld.nsec3(false), example.nsec3(false));
        }
        let world = Signed::with(tld, example, |_| {});
        for (name, rtype, rcode) in [
            ("www.example.test.", T::A, Rcode::NOERROR),
            ("alias.example.test.", T::A, Rcode::NOERROR),
            ("www.example.test.", T::AAAA, Rcode::NOERROR),
            ("x.wild.example.test.", T::A, Rcode::NOERROR),
            ("x.wild.example.test.", T::AAAA, Rcode::NOERROR),
            ("y.walias.example.test.", T::A, Rcode::NOERROR),
            ("nothing.example.test.", T::A, Rcode::NXDOMAIN),
            ("b.ent.example.test.", T::A, Rcode::NOERROR),
            ("www.moved.example.test.", T::A, Rcode::NOERROR),
            ("example.test.", T::DNSKEY, Rcode::NOERROR),
            ("example.test.", T::DS, Rcode::NOERROR),
            ("www.example.test.", T::DS, Rcode::NOERROR),
            ("test.", T::NS, Rcode::NOERROR),
            (".", T::NS, Rcode::NOERROR),
            (".", T::DNSKEY, Rcode::NOERROR),
            ("nothing.", T::A, Rcode::NXDOMAIN),
        ] {
            world.expect(name, rtype, rcode, Validation::Secure);
        }
        world.expect("plain.test.", T::DS, Rcode::NOERROR, Validation::Secure);
        world.expect("www.plain.test.", T::A, Rcode::NOERROR, Validation::Insecure);
        world.expect("nothing.plain.test.", T::A, Rcode::NXDOMAIN, Validation::Insecure);
        world.expect("out.example.test.", T::A, Rcode::NOERROR, Validation::Insecure);
    }
}

/// The network was away when the keys of the zone were looked up: its data are not bogus.
#[test]
fn keys_that_the_network_withheld_make_nothing_bogus() {
    let world = Signed::new();
    let zone: Name = "example.test.".parse().unwrap();
    let kept = KeptFailure {
        ede: Ede::NETWORK_ERROR,
        text: String::new(),
        cause: String::new(),
        network: true,
        alone_s: 5,
    };
    let (cache, now) = (world.resolver.cache(), world.lab.now());
    cache.put_failure(zone.as_ref(), RrType::DNSKEY, &kept, 1, Rank::NonAuthoritative, now);
    let found = world.ask("www.example.test.", RrType::A);
    assert_eq!((found.rcode, found.validation), (Rcode::SERVFAIL, Validation::Indeterminate));
    assert_eq!(found.ede[0].0, Ede::NETWORK_ERROR);
    world.lab.pass(1);
    world.expect("www.example.test.", RrType::A, Rcode::NOERROR, Validation::Secure);
}

#[test]
fn every_algorithm_validates() {
    for algorithm in [
        Algorithm::RSASHA256,
        Algorithm::RSASHA512,
        Algorithm::ECDSAP256SHA256,
        Algorithm::ECDSAP384SHA384,
        Algorithm::ED448,
    ] {
        let world = Signed::with(Signing::new("test."), Signing::with("example.test.", algorithm), |_| {});
        world.expect("www.example.test.", RrType::A, Rcode::NOERROR, Validation::Secure);
    }
}

/// The fault of *found*, which must be a bogus answer: the extended error and its text.
fn bogus(found: &Resolution) -> (Ede, String) {
    assert_eq!(found.rcode, Rcode::SERVFAIL, "{:#?}", found.steps);
    let bogus = found.steps.iter().find_map(|step| match &step.reason {
        Reason::Bogus { fault } => Some(fault.to_string()),
        _ => None,
    });
    let (ede, text) = found.ede.first().cloned().expect("an extended error");
    assert!(text.contains(&bogus.expect("a step that says why")), "{text}");
    (ede, text)
}

/// The rrset of *owner* and *rtype* in *all*, or the signatures over it.
fn find<'a>(all: &'a mut [Rrset], owner: &str, rtype: RrType, signatures: bool) -> &'a mut Rrset {
    let owner: Name = owner.parse().unwrap();
    let is = |set: &&mut Rrset| {
        let covered = set.rdatas.first().map(|rdata| RrType(u16::from_be_bytes([rdata[0], rdata[1]])));
        set.owner == owner
            && if signatures {
                set.rtype == RrType::RRSIG && covered == Some(rtype)
            } else {
                set.rtype == rtype
            }
    };
    all.iter_mut().find(is).unwrap()
}

#[test]
fn what_is_tampered_with_is_bogus_and_says_why() {
    let tampered = |tamper: fn(&mut Vec<Rrset>), name: &str| {
        let world = Signed::with(Signing::new("test."), Signing::new("example.test."), tamper);
        bogus(&world.ask(name, RrType::A))
    };
    let (ede, text) = tampered(
        |all| {
            find(all, "www.example.test.", RrType::A, false).rdatas =
                [&[203u8, 0, 113, 66][..]].into_iter().collect()
        },
        "www.example.test.",
    );
    assert_eq!(ede, Ede::DNSSEC_BOGUS);
    assert!(text.contains("RRSIG for www.example.test. A by key "), "{text}");
    let (ede, text) = tampered(
        |all| find(all, "www.example.test.", RrType::A, true).rdatas = RdataSet::default(),
        "www.example.test.",
    );
    assert_eq!((ede, text.contains("has no signature")), (Ede::RRSIGS_MISSING, true), "{text}");
    let (ede, text) = tampered(
        |all| all.retain(|set| set.rtype != RrType::DNSKEY || set.owner.to_string() != "example.test."),
        "www.example.test.",
    );
    assert_eq!(ede, Ede::DNSKEY_MISSING, "{text}");
    let (ede, text) = tampered(
        |all| all.retain(|set| set.rtype != RrType::NSEC || set.owner.to_string() == "example.test."),
        "nothing.example.test.",
    );
    assert_eq!(ede, Ede::NSEC_MISSING, "{text}");
}

#[test]
fn expired_signatures_name_how_long_ago() {
    let example = Signing { expiration: START - 3 * DAY, ..Signing::new("example.test.") };
    let (ede, text) =
        bogus(&Signed::with(Signing::new("test."), example, |_| {}).ask("www.example.test.", RrType::A));
    assert_eq!(ede, Ede::SIGNATURE_EXPIRED);
    assert!(text.contains("expired 3 days ago"), "{text}");
    let example = Signing { inception: START + 3 * DAY, ..Signing::new("example.test.") };
    let (ede, text) =
        bogus(&Signed::with(Signing::new("test."), example, |_| {}).ask("www.example.test.", RrType::A));
    assert_eq!(
        (ede, text.contains("is not valid for another")),
        (Ede::SIGNATURE_NOT_YET_VALID, true),
        "{text}"
    );
}

#[test]
fn lifetimes_end_with_the_signature() {
    let example = Signing { expiration: START + 60, ..Signing::new("example.test.") };
    let world = Signed::with(Signing::new("test."), example, |_| {});
    let found = world.ask("www.example.test.", RrType::A);
    assert_eq!(found.validation, Validation::Secure);
    assert!(found.answer[0].ttl <= 60, "{}", found.answer[0].ttl);
}

#[test]
fn bogus_data_is_for_clients_with_cd_only() {
    let world = Signed::with(Signing::new("test."), Signing::new("example.test."), |all| {
        all.retain(|set| set.rtype != RrType::RRSIG || set.owner.to_string() != "www.example.test.");
    });
    bogus(&world.ask("www.example.test.", RrType::A));
    let before = world.lab.total();
    let again = world.ask("www.example.test.", RrType::A);
    assert_eq!((again.rcode, world.lab.total()), (Rcode::SERVFAIL, before), "the failure is kept");
    let found = world.ask_cd("www.example.test.", RrType::A);
    assert_eq!((found.rcode, found.answer.len()), (Rcode::NOERROR, 1));
    let name: Name = "www.example.test.".parse().unwrap();
    let held = [false, true].map(|checking_disabled| {
        let reader = Reader { checking_disabled, ..Reader::default() };
        let found = world.resolver.cache().get_as(&reader, name.as_ref(), RrType::A, world.lab.now());
        matches!(found, nw_cache::Lookup::Hit { found: nw_cache::Cached::Rrset(_), .. })
    });
    assert_eq!(held, [false, true]);
}

#[test]
fn what_a_client_with_cd_fetched_is_validated_before_others_get_it() {
    let world = Signed::new();
    let found = world.ask_cd("www.example.test.", RrType::A);
    assert_eq!((found.rcode, found.validation), (Rcode::NOERROR, Validation::Indeterminate));
    world.expect("www.example.test.", RrType::A, Rcode::NOERROR, Validation::Secure);
}

#[test]
fn a_bogus_server_leads_to_the_next() {
    let world = Signed::new();
    let tampered = world.example.sign_and(EXAMPLE, |all| {
        find(all, "www.example.test.", RrType::A, false).rdatas =
            [&[203u8, 0, 113, 66][..]].into_iter().collect();
    });
    world.lab.host("192.0.2.2", serves([tampered]));
    let text = format!(
        "{NIC}example.test. 3600 NS ns2.example.test.\nns2.example.test. 3600 A 192.0.2.4\n{}",
        world.example.ds()
    );
    world.lab.host("192.0.2.1", serves([world.tld.sign(&text)]));
    world.lab.host("192.0.2.4", serves([world.example.sign(EXAMPLE)]));
    // Whichever is asked first.
    for _ in 0..8 {
        let resolver = resolver_with(&world.lab, world.resolver.config().clone());
        let found = ask(&world.lab, &resolver, "www.example.test.", RrType::A);
        assert_eq!((found.rcode, found.validation), (Rcode::NOERROR, Validation::Secure));
        assert_eq!(shown(&found.answer), ["www.example.test. 300 IN A 203.0.113.1"]);
    }
}

#[test]
fn opt_out_makes_what_it_hides_insecure() {
    let world = Signed::with(Signing::new("test.").nsec3(true), Signing::new("example.test."), |_| {});
    world.expect("www.example.test.", RrType::A, Rcode::NOERROR, Validation::Secure);
    world.expect("www.plain.test.", RrType::A, Rcode::NOERROR, Validation::Insecure);
    world.expect("nothing.test.", RrType::A, Rcode::NXDOMAIN, Validation::Insecure);
}

#[test]
fn negative_trust_anchors_switch_validation_off_below() {
    let world = Signed::with(Signing::new("test."), Signing::new("example.test."), |all| {
        all.retain(|set| set.rtype != RrType::RRSIG);
    });
    bogus(&world.ask("www.example.test.", RrType::A));
    let negative = vec!["example.test.".parse().unwrap()];
    let config = ResolverConfig { negative_trust_anchors: negative, ..world.resolver.config().clone() };
    let resolver = resolver_with(&world.lab, config);
    let found = ask(&world.lab, &resolver, "www.example.test.", RrType::A);
    assert_eq!((found.rcode, found.validation), (Rcode::NOERROR, Validation::Insecure));
}

#[test]
fn an_island_of_trust_is_secure_below_an_unsigned_parent() {
    let world = Signed::new();
    let island = Signing::new("island.plain.test.");
    let plain = "plain.test. 3600 NS ns.plain.test.
ns.plain.test. 3600 A 192.0.2.3
island.plain.test. 3600 NS ns.island.plain.test.
ns.island.plain.test. 3600 A 192.0.2.5";
    world.lab.host("192.0.2.3", serves([unsigned("plain.test.", plain)]));
    let text = "island.plain.test. 3600 NS ns.island.plain.test.
ns.island.plain.test. 3600 A 192.0.2.5
www.island.plain.test. 300 A 203.0.113.4";
    world.lab.host("192.0.2.5", serves([island.sign(text)]));
    let found = world.ask("www.island.plain.test.", RrType::A);
    assert_eq!(found.validation, Validation::Insecure);
    let mut config = world.resolver.config().clone();
    config.trust_anchors.push(island.anchor());
    let resolver = resolver_with(&world.lab, config);
    let found = ask(&world.lab, &resolver, "www.island.plain.test.", RrType::A);
    assert_eq!((found.rcode, found.validation), (Rcode::NOERROR, Validation::Secure));
}

/// Parent and child on one server: no referral ever shows the cut, and the DS RRset is asked for.
#[test]
fn cuts_without_referral_are_found_by_ds() {
    let world = Signed::new();
    let (example, tld) = (&world.example, &world.tld);
    let zones = [tld.sign(&format!("{NIC}{}", example.ds())), example.sign(EXAMPLE)];
    world.lab.host("192.0.2.1", serves(zones));
    world.expect("www.example.test.", RrType::A, Rcode::NOERROR, Validation::Secure);
    let plain =
        unsigned("plain.test.", "plain.test. 3600 NS ns.plain.test.\nwww.plain.test. 300 A 203.0.113.9");
    world.lab.host("192.0.2.1", serves([tld.sign(&format!("{NIC}{}", example.ds())), plain]));
    let resolver = resolver_with(&world.lab, world.resolver.config().clone());
    let found = ask(&world.lab, &resolver, "www.plain.test.", RrType::A);
    assert_eq!((found.rcode, found.validation), (Rcode::NOERROR, Validation::Insecure));
}

#[test]
fn delegations_carry_their_trust() {
    let world = Signed::new();
    world.ask("www.example.test.", RrType::A);
    world.ask("www.plain.test.", RrType::A);
    let trust = |zone: &str| {
        let zone: Name = zone.parse().unwrap();
        world.resolver.cache().cut(zone.as_ref(), world.lab.now()).unwrap().trust.clone()
    };
    assert!(matches!(trust("example.test."), Trust::Secure { .. }));
    assert_eq!(trust("plain.test."), Trust::Insecure);
}

/// The octets of *key* in another order that has the same key tag (RFC 4034 App. B): two pairs change places.
fn twin(key: &[u8], at: usize) -> Vec<u8> {
    let mut twin = key.to_vec();
    let (a, b) = (4 + 2 * (at % 16), 4 + 2 * ((at * 7 + 3) % 16));
    (twin[a], twin[b], twin[a + 1], twin[b + 1]) = (key[b], key[a], key[b + 1], key[a + 1]);
    twin
}

/// KeyTrap (CVE-2023-50387): many keys with one tag, many signatures by it, none of them valid.
#[test]
fn keys_with_one_tag_and_invalid_signatures_cost_a_bounded_number_of_verifications() {
    let trap = |all: &mut Vec<Rrset>| {
        let keys = find(all, "example.test.", RrType::DNSKEY, false);
        let key = keys.rdatas.first().unwrap().to_vec();
        (1..16).for_each(|at| keys.rdatas.push(&twin(&key, at)));
        let signatures = find(all, "www.example.test.", RrType::A, true);
        let valid = signatures.rdatas.first().unwrap().to_vec();
        signatures.rdatas = RdataSet::default();
        for at in 0..100u8 {
            let mut invalid = valid.clone();
            *invalid.last_mut().unwrap() ^= at + 1;
            signatures.rdatas.push(&invalid);
        }
    };
    let world = Signed::with(Signing::new("test."), Signing::new("example.test."), trap);
    let found = world.ask("www.example.test.", RrType::A);
    let (ede, text) = bogus(&found);
    assert_eq!(ede, Ede::DNSSEC_BOGUS);
    assert!(
        text.contains("max_failed_signatures") || text.contains("RRSIG for example.test. DNSKEY"),
        "{text}"
    );
}

/// Keys that no DS record of the parent names sign nothing.
#[test]
fn a_zone_signed_with_other_keys_than_its_ds_records_name_is_bogus() {
    let world = Signed::new();
    world.lab.host("192.0.2.2", serves([Signing::new("example.test.").sign(EXAMPLE)]));
    let (ede, text) = bogus(&world.ask("www.example.test.", RrType::A));
    assert_eq!(ede, Ede::DNSKEY_MISSING, "{text}");
    assert!(text.contains("no DNSKEY of example.test."), "{text}");
}

/// RFC 9276 §3.2: nothing is hashed, and the zone counts as insecure.
#[test]
fn nsec3_with_many_iterations_is_insecure() {
    let denial = DenialOptions::Nsec3 { iterations: 100, salt: vec![0xaa], opt_out: false };
    let example = Signing { denial, ..Signing::new("example.test.") };
    let world = Signed::with(Signing::new("test."), example, |_| {});
    world.expect("www.example.test.", RrType::A, Rcode::NOERROR, Validation::Secure);
    world.expect("nothing.example.test.", RrType::A, Rcode::NXDOMAIN, Validation::Insecure);
    world.expect("www.example.test.", RrType::AAAA, Rcode::NOERROR, Validation::Insecure);
}

/// RFC 4035 §5.2: algorithms and digests that are not known make a zone insecure.
#[test]
fn unknown_algorithms_make_a_zone_insecure() {
    let (tld, example) = (Signing::new("test."), Signing::new("example.test."));
    let world = Signed::new();
    for ds in [
        "12345 8 99 00112233",
        "12345 200 2 e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d",
    ] {
        let root = Signing::new(".");
        world.lab.host("198.41.0.4", serves([root.sign(&format!("{ROOT_TEXT}{}", tld.ds()))]));
        let text = format!("{NIC}example.test. 3600 DS {ds}\n");
        world.lab.host("192.0.2.1", serves([tld.sign(&text)]));
        world.lab.host("192.0.2.2", serves([example.sign(EXAMPLE)]));
        let config = ResolverConfig { trust_anchors: vec![root.anchor()], ..config() };
        let resolver = resolver_with(&world.lab, config);
        let found = ask(&world.lab, &resolver, "www.example.test.", RrType::A);
        assert_eq!((found.rcode, found.validation), (Rcode::NOERROR, Validation::Insecure), "{ds}");
    }
}

/// A forwarder shows no referrals: the chain is walked by DS and DNSKEY.
#[test]
fn answers_of_a_forwarder_are_validated() {
    let world = Signed::new();
    let behind = resolver_with(
        &world.lab,
        ResolverConfig { trust_anchors: Vec::new(), ..world.resolver.config().clone() },
    );
    // What the forwarder would say, worked out beforehand.
    let names = [
        "www.example.test.",
        "alias.example.test.",
        "www.plain.test.",
        "nothing.example.test.",
        "out.example.test.",
    ];
    let mut said: Vec<(Name, RrType, Resolution)> = Vec::new();
    let mut learn = |name: &str, rtype: RrType| {
        let question = ClientQuestion { dnssec_ok: true, checking_disabled: true, ..question(name, rtype) };
        let found = world.lab.run(behind.resolve(question, Trace::start(world.lab.now(), 400)));
        said.push((name.parse().unwrap(), rtype, found));
    };
    names.iter().for_each(|name| learn(name, RrType::A));
    for name in [".", "test.", "example.test.", "plain.test.", "www.example.test.", "nothing.example.test."] {
        learn(name, RrType::DS);
        learn(name, RrType::DNSKEY);
    }
    world.lab.host(
        "192.0.2.53",
        Rc::new(move |asked| {
            let found = said.iter().find(|(name, rtype, _)| *name == asked.name && *rtype == asked.rtype);
            let (_, _, found) = found.unwrap_or_else(|| panic!("{} {}", asked.name, asked.rtype));
            let header = Header::read(&asked.query).unwrap();
            let mut buf = vec![0; 65_535];
            let flags = Flags::default().with_qr(true).with_ra(true).with_rcode(found.rcode);
            let mut writer = Writer::new(&mut buf, 65_535, header.id, flags);
            writer.question(asked.name.as_ref(), asked.rtype, Class::IN).unwrap();
            for set in &found.answer {
                writer.rrset(Section::Answer, set).unwrap();
            }
            for set in &found.authority {
                writer.rrset(Section::Authority, set).unwrap();
            }
            let length = writer.finish();
            Says::Reply(buf[..length].to_vec())
        }),
    );
    let forward = Forward::new(Name::root(), vec!["192.0.2.53:53".parse().unwrap()]);
    let config = ResolverConfig { forwards: vec![forward], ..world.resolver.config().clone() };
    let resolver = resolver_with(&world.lab, config);
    for (name, rcode, state) in [
        ("www.example.test.", Rcode::NOERROR, Validation::Secure),
        ("alias.example.test.", Rcode::NOERROR, Validation::Secure),
        ("nothing.example.test.", Rcode::NXDOMAIN, Validation::Secure),
        ("www.plain.test.", Rcode::NOERROR, Validation::Insecure),
        ("out.example.test.", Rcode::NOERROR, Validation::Insecure),
    ] {
        let found = ask(&world.lab, &resolver, name, RrType::A);
        assert_eq!((found.rcode, found.validation), (rcode, state), "{name} {:#?}", found.steps);
    }
}
