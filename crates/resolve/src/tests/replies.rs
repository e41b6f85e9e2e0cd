//! Replies that are odd, and what of them is believed.

use std::rc::Rc;

use nw_cache::Trust;
use nw_wire::code::{Ede, Rcode, RrType};
use nw_wire::header::{Flags, Header};
use nw_wire::name::Name;

use super::lab::*;
use crate::*;

const TWO: &str = "example.com. 172800 NS ns1.example.com.
    example.com. 172800 NS ns2.example.com.
    ns1.example.com. 172800 A 192.0.2.1
    ns2.example.com. 172800 A 192.0.2.2";
const ONE: &str = "example.com. 172800 NS ns1.example.com.
    ns1.example.com. 172800 A 192.0.2.1";
const WWW: &str = "www.example.com. 300 A 203.0.113.1";

/// The zone example.com. served by *host* alone.
fn world(host: Host) -> Rc<Lab> {
    let lab = delegating(ONE, "");
    lab.host("192.0.2.1", host);
    lab
}

/// *host* with its replies changed.
fn changed(host: Host, change: impl Fn(&Asked, &mut Vec<u8>) + 'static) -> Host {
    Rc::new(move |asked| match host(asked) {
        Says::Reply(mut reply) => {
            change(asked, &mut reply);
            Says::Reply(reply)
        }
        other => other,
    })
}

/// The first look-up of www.example.com. A is answered at once and by one question to the server.
fn answers_at_once(lab: &Rc<Lab>) -> Resolver<Lab> {
    let resolver = resolver(lab);
    let found = ask(lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(shown(&found.answer), [WWW.replace(" A ", " IN A ")], "{:#?}", found.steps);
    assert_eq!(lab.asked("192.0.2.1"), 1, "{:?}", slugs(&found));
    resolver
}

/// RFC 4343 §3: a server or forwarder may change the case of the question.
#[test]
fn a_server_that_changes_case_is_understood() {
    for change in [<[u8]>::make_ascii_uppercase, <[u8]>::make_ascii_lowercase] {
        let host = changed(zone("example.com.", WWW), move |asked, reply| {
            change(&mut reply[12..12 + asked.name.as_ref().wire().len()]);
        });
        let lab = world(host);
        let resolver = resolver(&lab);
        for name in ["wWw.eXample.com.", "www.example.com.", "WWW.EXAMPLE.COM."] {
            let found = ask(&lab, &resolver, name, RrType::A);
            assert_eq!((found.rcode, found.answer.len()), (Rcode::NOERROR, 1), "{name}");
        }
        assert_eq!(lab.asked("192.0.2.1"), 1);
    }
}

/// Twelve octets: a server that cannot read a query has nothing else to send.
fn header_only(asked: &Asked, rcode: Rcode) -> Vec<u8> {
    let id = Header::read(&asked.query).unwrap().id;
    Header { id, flags: Flags::default().with_qr(true).with_rcode(rcode), counts: [0; 4] }.to_wire().to_vec()
}

#[test]
fn an_error_without_question_leads_to_the_next_step() {
    for rcode in [Rcode::FORMERR, Rcode::NOTIMP, Rcode::SERVFAIL, Rcode::REFUSED] {
        // For EDNS: the same server is asked without.
        let good = zone("example.com.", WWW);
        let lab = world(Rc::new(move |asked| match asked.edns {
            true => Says::Reply(header_only(asked, rcode)),
            false => good(asked),
        }));
        let found = ask(&lab, &resolver(&lab), "www.example.com.", RrType::A);
        assert_eq!((found.rcode, lab.asked("192.0.2.1")), (Rcode::NOERROR, 2), "{rcode}");
        assert!(found.took < 100 * MILLISECOND, "{rcode}: {}", found.took);
        // For everything: another server is asked.
        let lab = delegating(TWO, "");
        lab.host("192.0.2.1", Rc::new(move |asked| Says::Reply(header_only(asked, rcode))));
        lab.host("192.0.2.2", zone("example.com.", "*.example.com. 300 A 203.0.113.1"));
        let resolver = resolver(&lab);
        for i in 0..8 {
            let found = ask(&lab, &resolver, &format!("{i}.example.com."), RrType::TXT);
            assert_eq!(found.rcode, Rcode::NXDOMAIN, "{rcode}");
            assert!(found.took < 150 * MILLISECOND, "{rcode}: {}", found.took);
        }
        assert!(lab.asked("192.0.2.1") > 0);
        assert!(resolver.cache().servers().odd_replies().no_question > 0);
    }
}

#[test]
fn octets_after_the_end_are_ignored() {
    let host = changed(zone("example.com.", WWW), |_, reply| reply.extend_from_slice(b"\0\0\0junk"));
    let resolver = answers_at_once(&world(host));
    assert_eq!(resolver.cache().servers().odd_replies().trailing_octets, 1);
}

#[test]
fn a_second_opt_is_ignored() {
    let host = changed(zone("example.com.", WWW), |_, reply| {
        reply.extend_from_slice(&[0, 0, 41, 2, 0, 0, 0, 0, 0, 0, 0]);
        reply[11] += 1;
    });
    let resolver = answers_at_once(&world(host));
    assert_eq!(resolver.cache().servers().odd_replies().extra_opt, 1);
}

/// Add records in wire form to the answer section of a reply that has no others behind it but OPT.
fn add_answer(reply: &mut Vec<u8>, records: &[&[u8]]) {
    let opt = reply.len() - 11;
    for record in records.iter().rev() {
        reply.splice(opt..opt, record.iter().copied());
        reply[7] += 1;
    }
}

/// One bad record spoils its RRset, not the reply.
#[test]
fn a_malformed_record_of_another_rrset_is_ignored() {
    let host = changed(zone("example.com.", WWW), |_, reply| {
        add_answer(reply, &[b"\xc0\x0c\0\x1c\0\x01\0\0\0\x05\0\x03\x01\x02\x03"]);
    });
    let resolver = answers_at_once(&world(host));
    assert_eq!(resolver.cache().servers().odd_replies().malformed_record, 1);
}

#[test]
fn a_malformed_record_spoils_its_rrset() {
    let lab = delegating(TWO, "");
    let text = "*.example.com. 300 A 203.0.113.1\nexample.com. 300 A 203.0.113.1";
    for address in ["192.0.2.1", "192.0.2.2"] {
        lab.host(
            address,
            changed(zone("example.com.", text), |_, reply| {
                add_answer(reply, &[b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x03\x01\x02\x03"]);
            }),
        );
    }
    let found = ask(&lab, &resolver(&lab), "example.com.", RrType::A);
    assert_eq!((found.rcode, found.answer.len()), (Rcode::SERVFAIL, 0));
    // Another server may have it whole.
    lab.host("192.0.2.2", zone("example.com.", text));
    assert_eq!(ask(&lab, &resolver(&lab), "example.com.", RrType::A).rcode, Rcode::NOERROR);
}

/// RFC 9460 §2.2: service parameters are the client's business.
#[test]
fn service_parameters_pass_unread() {
    let host: Host = Rc::new(|asked| {
        let mut reply = say(asked, "aa", [&[], &[], &[]]);
        // Priority 1, target ".", ech with a length that is none, then a parameter out of order.
        let rdata = b"\0\x01\0\0\x05\0\x03\0\x09\0\0\x01\0\x01\x05";
        let record = [&b"\xc0\x0c\0\x41\0\x01\0\0\0\x3c\0"[..], &[rdata.len() as u8], rdata].concat();
        add_answer(&mut reply, &[&record]);
        Says::Reply(reply)
    });
    let lab = world(host);
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::HTTPS);
    assert_eq!((found.rcode, found.answer.len()), (Rcode::NOERROR, 1), "{:?}", slugs(&found));
    let rdata = found.answer[0].rdatas.first().unwrap().to_vec();
    assert_eq!(rdata, b"\0\x01\0\0\x05\0\x03\0\x09\0\0\x01\0\x01\x05");
    assert!(hit(&lab, &resolver, "www.example.com.", RrType::HTTPS).is_some());
}

/// RFC 1035 §4.1.1: AA speaks of the first owner. The target of the alias lives in a zone of its own, which this server does not
/// know of.
#[test]
fn a_denial_behind_an_alias_is_asked_where_the_target_lives() {
    let lab = delegating(
        "example.com. 172800 NS ns1.example.com.
         ns1.example.com. 172800 A 192.0.2.1",
        "",
    );
    let soa = "example.com. 300 SOA ns. host. 1 7200 3600 604800 300";
    let parent = zone(
        "example.com.",
        "sub.example.com. 300 NS ns.sub.example.com.\nns.sub.example.com. 300 A 192.0.2.9",
    );
    for (words,) in [("aa NXDOMAIN",), ("aa",)] {
        let (parent, alias) = (Rc::clone(&parent), lines("www.example.com. 300 CNAME host.sub.example.com."));
        let denial = lines(soa);
        lab.host(
            "192.0.2.1",
            Rc::new(move |asked| {
                if asked.name == "www.example.com.".parse::<Name>().unwrap() {
                    Says::Reply(say(asked, words, [&alias, &denial, &[]]))
                } else {
                    parent(asked)
                }
            }),
        );
        lab.host("192.0.2.9", zone("sub.example.com.", "host.sub.example.com. 300 A 203.0.113.5"));
        let resolver = resolver(&lab);
        let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
        assert_eq!(found.rcode, Rcode::NOERROR);
        assert_eq!(
            shown(&found.answer),
            [
                "www.example.com. 300 IN CNAME host.sub.example.com.",
                "host.sub.example.com. 300 IN A 203.0.113.5"
            ]
        );
        let found = ask(&lab, &resolver, "host.sub.example.com.", RrType::A);
        assert_eq!((found.rcode, found.queries), (Rcode::NOERROR, 0));
    }
}

/// RFC 2181 §5.4.1: what a server says about a zone that is known to be delegated further is asked again there.
#[test]
fn a_chain_that_enters_a_known_delegation_is_asked_there() {
    let lab = delegating(
        "example.com. 172800 NS ns1.example.com.
         ns1.example.com. 172800 A 192.0.2.1",
        "",
    );
    let parent = zone(
        "example.com.",
        "sub.example.com. 300 NS ns.sub.example.com.\nns.sub.example.com. 300 A 192.0.2.9",
    );
    let chain = lines(
        "www.example.com. 300 CNAME host.sub.example.com.
         host.sub.example.com. 300 A 203.0.113.66",
    );
    lab.host(
        "192.0.2.1",
        Rc::new(move |asked| {
            if asked.name == "www.example.com.".parse::<Name>().unwrap() {
                Says::Reply(say(asked, "aa", [&chain, &[], &[]]))
            } else {
                parent(asked)
            }
        }),
    );
    lab.host(
        "192.0.2.9",
        zone(
            "sub.example.com.",
            "*.sub.example.com. 300 A 203.0.113.5\nhost.sub.example.com. 300 A 203.0.113.5",
        ),
    );
    let resolver = resolver(&lab);
    // The delegation becomes known.
    ask(&lab, &resolver, "other.sub.example.com.", RrType::A);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(shown(&found.answer)[1..], ["host.sub.example.com. 300 IN A 203.0.113.5"]);
}

/// All servers of the zone are resolvers in front of it: their answers are used when nothing better comes.
#[test]
fn answers_without_authority_are_the_last_resort() {
    let resolvers = |text: &'static str| -> Host {
        let zone = zone("example.com.", text);
        changed(zone, |_, reply| {
            // AA off, RA on.
            reply[2] &= !0x04;
            reply[3] |= 0x80;
        })
    };
    let text = "www.example.com. 300 A 203.0.113.1\nalias.example.com. 300 CNAME www.example.com.";
    for other in [resolvers(text), silent(), says("REFUSED", "", "", ""), says("SERVFAIL", "", "", "")] {
        let lab = delegating(TWO, "");
        lab.host("192.0.2.1", resolvers(text));
        lab.host("192.0.2.2", other);
        let resolver = resolver(&lab);
        for (name, rcode, records) in [
            ("www.example.com.", Rcode::NOERROR, 1),
            ("alias.example.com.", Rcode::NOERROR, 2),
            ("nothere.example.com.", Rcode::NXDOMAIN, 0),
        ] {
            let found = ask(&lab, &resolver, name, RrType::A);
            assert_eq!((found.rcode, found.answer.len()), (rcode, records), "{name}: {:?}", slugs(&found));
        }
    }
    // A server of the zone is believed first.
    let lab = delegating(TWO, "");
    lab.host("192.0.2.1", resolvers("www.example.com. 300 A 203.0.113.66"));
    lab.host("192.0.2.2", zone("example.com.", "www.example.com. 300 A 203.0.113.1"));
    for _ in 0..8 {
        let found = ask(&lab, &resolver(&lab), "www.example.com.", RrType::A);
        assert_eq!(shown(&found.answer), ["www.example.com. 300 IN A 203.0.113.1"]);
    }
}

/// What comes without authority lies in the zone like anything else.
#[test]
fn the_last_resort_stays_in_its_zone() {
    let lab = world(says(
        "ra",
        "www.example.com. 300 CNAME www.example.net.
         www.example.net. 300 A 203.0.113.66",
        "",
        "",
    ));
    lab.host("192.5.6.31", zone("net.", "www.example.net. 300 A 203.0.113.7"));
    let found = ask(&lab, &resolver(&lab), "www.example.com.", RrType::A);
    assert_eq!(shown(&found.answer)[1..], ["www.example.net. 300 IN A 203.0.113.7"]);
}

/// AA, no answer, and the servers of a zone above: the server does not serve the zone.
#[test]
fn an_upward_referral_with_aa_is_lame() {
    for authority in ["com. 300 NS a.gtld-servers.net.", ". 300 NS a.root-servers.net."] {
        let lab = world(says("aa", "", authority, ""));
        let found = ask(&lab, &resolver(&lab), "www.example.com.", RrType::A);
        assert_eq!(found.rcode, Rcode::SERVFAIL, "{:?}", slugs(&found));
        assert!(slugs(&found).contains(&"lame"));
        let lab = delegating(TWO, "");
        lab.host("192.0.2.1", says("aa", "", authority, ""));
        lab.host("192.0.2.2", zone("example.com.", WWW));
        for _ in 0..4 {
            let found = ask(&lab, &resolver(&lab), "www.example.com.", RrType::A);
            assert_eq!(found.rcode, Rcode::NOERROR);
        }
    }
    // The servers of the zone itself beside an absence are no referral.
    let lab = world(says("aa", "", "example.com. 300 NS ns1.example.com.", ""));
    let found = ask(&lab, &resolver(&lab), "www.example.com.", RrType::A);
    assert_eq!((found.rcode, found.answer.len()), (Rcode::NOERROR, 0));
}

/// RFC 2308 §2.2: NS records without SOA make a referral. One that leads away from the name, or whose NS record is malformed, is
/// no denial, AA or not.
#[test]
fn a_referral_that_leads_nowhere_is_no_denial_with_aa() {
    for authority in [
        "other.com. 300 NS ns1.example.com.",
        "example.net. 300 NS ns1.example.com.",
        "other.example.com. 300 NS ns1.example.com.",
        "below.www.example.com. 300 NS ns1.example.com.",
    ] {
        let lab = world(says("aa", "", authority, ""));
        let found = ask(&lab, &resolver(&lab), "www.example.com.", RrType::A);
        assert_eq!(found.rcode, Rcode::SERVFAIL, "{authority}: {:?}", slugs(&found));
        assert!(slugs(&found).contains(&"lame"), "{authority}");
    }
    for owner in ["example.com.", "www.example.com.", "com."] {
        let authority = format!("{owner} 300 NS a.");
        // The name has an octet too few.
        let host = changed(says("aa", "", &authority, ""), |asked, reply| {
            let rdata_end = reply.len() - if asked.edns { 11 } else { 0 };
            reply.splice(rdata_end - 5..rdata_end, [0, 2, 1, b'a']);
        });
        let lab = world(host);
        let found = ask(&lab, &resolver(&lab), "www.example.com.", RrType::A);
        let own = owner == "example.com.";
        let rcode = if own { Rcode::NOERROR } else { Rcode::SERVFAIL };
        assert_eq!(found.rcode, rcode, "{owner}: {:?}", slugs(&found));
    }
}

#[test]
fn a_forwarder_that_refers_upward_has_failed() {
    let lab = Lab::new();
    lab.host("192.0.2.53", says("ra", "", ". 300 NS a.root-servers.net.", ""));
    lab.host("192.0.2.54", says("ra", "www.example.com. 300 A 203.0.113.1", "", ""));
    let servers = ["192.0.2.53:53", "192.0.2.54:53"].map(|address| address.parse().unwrap()).to_vec();
    let both = ResolverConfig { forwards: vec![Forward::new(Name::root(), servers.clone())], ..config() };
    for _ in 0..6 {
        let found = ask(&lab, &resolver_with(&lab, both.clone()), "www.example.com.", RrType::A);
        assert_eq!((found.rcode, found.answer.len()), (Rcode::NOERROR, 1), "{:?}", slugs(&found));
    }
    let one =
        ResolverConfig { forwards: vec![Forward::new(Name::root(), servers[..1].to_vec())], ..config() };
    let found = ask(&lab, &resolver_with(&lab, one), "www.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    let ede = (Ede::NETWORK_ERROR, "forwarder 192.0.2.53:53 does not recurse".to_owned());
    assert!(found.ede.contains(&ede), "{:?}", found.ede);
    let texts: Vec<String> = found.steps.iter().map(|step| step.text().to_string()).collect();
    assert!(texts.iter().any(|text| text.contains("the forwarder does not recurse")), "{texts:?}");
    assert!(!texts.iter().any(|text| text.contains("no server of")), "{texts:?}");
}

/// The cause names the forwarder, as that of another server names the server.
#[test]
fn a_forwarder_that_fails_is_named() {
    let refuses = || says("ra REFUSED", "", "", "");
    for (host, what) in [
        (refuses(), "rcode=REFUSED for www.example.com. A"),
        (silent(), "timeout"),
        (Rc::new(|_: &Asked| Says::Error(ExchangeError::Refused)) as Host, "connection-refused"),
    ] {
        let lab = Lab::new();
        lab.host("192.0.2.53", host);
        let forwards = vec![Forward::new(Name::root(), vec!["192.0.2.53:53".parse().unwrap()])];
        let resolver = resolver_with(&lab, ResolverConfig { forwards, ..config() });
        let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
        assert_eq!(found.rcode, Rcode::SERVFAIL);
        let ede = (Ede::NETWORK_ERROR, format!("forwarder 192.0.2.53:53 {what}"));
        assert!(found.ede.contains(&ede), "{:?}", found.ede);
        let last = found.steps.iter().last().expect("a step").text();
        assert!(last.contains("no forwarder for . gave a usable reply"), "{last}");
    }
}

/// RFC 6672 §2.2.
#[test]
fn yxdomain_needs_its_dname() {
    let lab = world(says("aa YXDOMAIN", "", "", ""));
    assert_eq!(ask(&lab, &resolver(&lab), "www.example.com.", RrType::A).rcode, Rcode::SERVFAIL);
    let long = ["a"; 3].map(|label| label.repeat(60)).join(".");
    let answer = format!("d.example.com. 300 DNAME {long}.example.com.");
    let lab = world(says("aa YXDOMAIN", &answer, "", ""));
    let resolver = resolver(&lab);
    let name = format!("{}.d.example.com.", "b".repeat(60));
    let found = ask(&lab, &resolver, &name, RrType::A);
    assert_eq!((found.rcode, found.answer.len()), (Rcode::YXDOMAIN, 1), "{:?}", slugs(&found));
    assert_eq!(found.answer[0].rtype, RrType::DNAME);
    // From the cache, too.
    let found = ask(&lab, &resolver, &name.replace('b', "c"), RrType::A);
    assert_eq!((found.rcode, found.answer.len(), found.queries), (Rcode::YXDOMAIN, 1, 0));
}

/// RFC 2181 §5.5: an RRset stands once in a section, also one that applies again and again.
#[test]
fn a_dname_that_applies_twice_stands_once() {
    let lab = world(says("aa", "d.example.com. 300 DNAME e.d.example.com.", "", ""));
    let resolver = resolver(&lab);
    for _ in 0..2 {
        let found = ask(&lab, &resolver, "x.d.example.com.", RrType::A);
        let dnames = found.answer.iter().filter(|set| set.rtype == RrType::DNAME).count();
        assert!(dnames <= 1, "{dnames}");
    }
    let lab = world(zone("example.com.", ""));
    lab.host(
        "192.0.2.1",
        says(
            "aa",
            "d.example.com. 300 DNAME f.d.example.com.
             x.f.f.d.example.com. 300 A 203.0.113.1",
            "",
            "",
        ),
    );
    let found = ask(&lab, &super::lab::resolver(&lab), "x.d.example.com.", RrType::A);
    let owners: Vec<String> = found.answer.iter().map(|set| format!("{} {}", set.owner, set.rtype)).collect();
    assert_eq!(
        owners,
        [
            "d.example.com. DNAME",
            "x.d.example.com. CNAME",
            "x.f.d.example.com. CNAME",
            "x.f.f.d.example.com. A"
        ]
    );
}

const SIGNATURE: &str = "8 2 300 20300101000000 20200101000000 1 com. AAAA";

/// The signatures of a referral's DS, or of the records that deny it, are what a validator will need.
#[test]
fn a_delegation_keeps_ds_or_the_proof_of_its_absence() {
    let kept = |authority: &str| {
        let lab = delegating("", "");
        let text = format!("example.com. 300 NS ns1.example.com.\n{authority}");
        lab.host("192.5.6.30", says("", "", &text, "ns1.example.com. 300 A 192.0.2.1"));
        lab.host("192.0.2.1", zone("example.com.", WWW));
        let resolver = resolver(&lab);
        assert_eq!(ask(&lab, &resolver, "www.example.com.", RrType::A).rcode, Rcode::NOERROR);
        let zone: Name = "example.com.".parse().unwrap();
        let cut = resolver.cache().cut(zone.as_ref(), lab.now()).unwrap();
        let Trust::Unknown { evidence } = &cut.trust else { panic!("nothing was validated") };
        let types = |sets: &[nw_wire::rrset::Rrset]| sets.iter().map(|set| set.rtype).collect::<Vec<_>>();
        (types(&evidence.ds), types(&evidence.denial))
    };
    let ds = format!(
        "example.com. 300 DS 1 8 2 {}\nexample.com. 300 RRSIG DS {SIGNATURE}\nother.com. 300 DS 1 8 2 {}",
        "ab".repeat(32),
        "cd".repeat(32)
    );
    assert_eq!(kept(&ds), (vec![RrType::DS, RrType::RRSIG], vec![]));
    let nsec = format!("example.com. 300 NSEC f.com. NS RRSIG NSEC\nexample.com. 300 RRSIG NSEC {SIGNATURE}");
    assert_eq!(kept(&nsec), (vec![], vec![RrType::NSEC, RrType::RRSIG]));
    // Of another zone: not the parent's to say.
    assert_eq!(kept("a.net. 300 NSEC f.net. NS RRSIG NSEC"), (vec![], vec![]));
    assert_eq!(kept(""), (vec![], vec![]));
}

/// RFC 2308 §5: a negative answer without SOA says nothing about its life. A few seconds keep a client that repeats its question
/// from repeating ours.
#[test]
fn an_absence_without_soa_is_kept_for_seconds() {
    for (words, rcode) in [("aa", Rcode::NOERROR), ("aa NXDOMAIN", Rcode::NXDOMAIN)] {
        let lab = world(says(words, "", "", ""));
        let resolver = resolver(&lab);
        let asked = |seconds| {
            lab.pass(seconds);
            let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
            assert_eq!((found.rcode, found.answer.len()), (rcode, 0));
            found.queries
        };
        assert!(asked(0) > 0);
        assert_eq!(hit(&lab, &resolver, "www.example.com.", RrType::A), Some((rcode, vec![])));
        assert_eq!(asked(4), 0);
        assert_eq!(asked(2), 1);
    }
}

/// RFC 8020 is right, but some servers deny names that have others below them.
#[test]
fn an_unvalidated_denial_hides_nothing_below_it() {
    let broken = || {
        let good = zone("example.com.", "below.ent.example.com. 300 A 203.0.113.1");
        let soa = lines("example.com. 300 SOA ns. host. 1 7200 3600 604800 300");
        world(Rc::new(move |asked| {
            if asked.name == "ent.example.com.".parse::<Name>().unwrap() {
                Says::Reply(say(asked, "aa NXDOMAIN", [&[], &soa, &[]]))
            } else {
                good(asked)
            }
        }))
    };
    for (nxdomain_cut, rcode) in [(false, Rcode::NOERROR), (true, Rcode::NXDOMAIN)] {
        let lab = broken();
        let resolver = resolver_with(&lab, ResolverConfig { nxdomain_cut, ..config() });
        assert_eq!(ask(&lab, &resolver, "ent.example.com.", RrType::A).rcode, Rcode::NXDOMAIN);
        assert_eq!(ask(&lab, &resolver, "below.ent.example.com.", RrType::A).rcode, rcode);
    }
}

#[test]
fn a_timeout_states_what_was_discarded_meanwhile() {
    let other = |name: &'static str| {
        changed(zone("example.com.", WWW), move |_, reply| reply[13] = name.as_bytes()[0])
    };
    let lab = world(other("x"));
    let found = ask(&lab, &resolver(&lab), "www.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    let what = "timeout: 1 reply arrived and was discarded: wrong question 1";
    assert!(found.steps.iter().any(|step| step.text().contains(what)), "{:#?}", found.steps);
    assert!(
        found.ede.iter().any(|(ede, text)| *ede == Ede::NETWORK_ERROR && text.contains(what)),
        "{:?}",
        found.ede
    );
}
