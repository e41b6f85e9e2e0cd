//! Zones that revoke a key that is a trust anchor (RFC 5011 §2.1).

use super::*;

/// The signed root whose keys are *keys*; the DNSKEY RRset has no signature by those with an index in *silent*.
fn root(keys: &[ZoneKey], silent: &[usize]) -> Zone {
    let text = format!(". 3600 SOA ns. host. 1 7200 3600 604800 300\n{ROOT_TEXT}");
    let options = SignOptions {
        inception: START - 30 * DAY,
        expiration: START + 30 * DAY,
        jitter: 0,
        denial: DenialOptions::Nsec,
        dnskey_ttl: 3600,
        threads: 1,
    };
    let apex: Name = ".".parse().unwrap();
    let mut all: Vec<Rrset> = Vec::new();
    for one in sign_zone(apex.as_ref(), rrsets(&text), keys, &options).unwrap() {
        let mut signatures = one.rrsig_rrset();
        if let Some(set) = signatures.as_mut().filter(|_| one.rrset.rtype == RrType::DNSKEY) {
            let tags: Vec<u16> = silent.iter().map(|at| keys[*at].tag()).collect();
            let is_silent = |rdata: &&[u8]| tags.contains(&u16::from_be_bytes([rdata[16], rdata[17]]));
            set.rdatas = set.rdatas.iter().filter(|rdata| !is_silent(rdata)).collect();
        }
        all.extend(signatures);
        all.push(one.rrset);
    }
    Zone::from_rrsets(apex.as_ref(), Class::IN, &all).unwrap_or_else(|error| panic!("{error:?}"))
}

/// A key as a zone publishes it with *flags*.
fn with_flags(key: &Arc<SigningKey>, flags: u16) -> ZoneKey {
    let apex: Name = ".".parse().unwrap();
    ZoneKey::new(apex.as_ref(), flags, key.clone())
}

/// The trust anchor for *key* as it is with *flags*.
fn anchor(key: &Arc<SigningKey>, flags: u16) -> TrustAnchor {
    let key = with_flags(key, flags);
    let mut rdata = Vec::new();
    assert!(push_ds(key.owner(), key.dnskey(), DigestType::SHA256, &mut rdata));
    TrustAnchor::Ds { owner: key.owner().to_name(), rdata }
}

/// Ask for the servers of a root that is *zone*, and return the answer with the notices.
fn asked(zone: Zone, anchors: Vec<TrustAnchor>) -> (Resolution, Vec<Notice>) {
    let lab = Lab::new();
    lab.host("198.41.0.4", serves([zone]));
    let resolver = resolver_with(&lab, ResolverConfig { trust_anchors: anchors, ..config() });
    let found = ask(&lab, &resolver, "nothing.", RrType::A);
    let notices = lab.notices.borrow().clone();
    (found, notices)
}

#[test]
fn a_revoked_trust_anchor_is_reported() {
    let [old, new, other] =
        [(); 3].map(|()| Arc::new(SigningKey::generate(Algorithm::ED25519, None).unwrap()));
    let revoked = with_flags(&old, 257 | 0x80);
    let notice = Notice::AnchorRevoked { zone: ".".parse().unwrap(), key_tag: revoked.tag() };
    let keys = [revoked, with_flags(&new, 257)];
    let (found, notices) = asked(root(&keys, &[]), vec![anchor(&old, 257), anchor(&new, 257)]);
    assert_eq!((found.rcode, found.validation), (Rcode::NXDOMAIN, Validation::Secure), "{:#?}", found.steps);
    assert_eq!(notices, std::slice::from_ref(&notice));
    // Without another anchor, nothing validates any more. The other key need not sign.
    for silent in [&[][..], &[1]] {
        let (found, notices) = asked(root(&keys, silent), vec![anchor(&old, 257)]);
        let (ede, text) = bogus(&found);
        assert_eq!(ede, Ede::DNSKEY_MISSING);
        let tag = keys[0].tag();
        assert!(text.contains(&format!("key {tag}, which would match, is published as revoked")), "{text}");
        assert!(!text.contains("no DNSKEY records"), "{text}");
        assert_eq!(notices, std::slice::from_ref(&notice));
    }
    // Anyone can set the bit. Only the key itself revokes.
    let (found, notices) = asked(root(&keys, &[0]), vec![anchor(&old, 257), anchor(&new, 257)]);
    assert_eq!((found.rcode, notices), (Rcode::NXDOMAIN, Vec::new()));
    // The revocation of a key that is no trust anchor is of no concern.
    let keys = [with_flags(&other, 257 | 0x80), with_flags(&new, 257)];
    let (found, notices) = asked(root(&keys, &[]), vec![anchor(&old, 257), anchor(&new, 257)]);
    assert_eq!((found.rcode, notices), (Rcode::NXDOMAIN, Vec::new()));
}

#[test]
fn a_kept_failure_names_its_fault_once() {
    let [old, new] = [(); 2].map(|()| Arc::new(SigningKey::generate(Algorithm::ED25519, None).unwrap()));
    let lab = Lab::new();
    lab.host("198.41.0.4", serves([root(&[with_flags(&new, 257)], &[])]));
    let resolver = resolver_with(&lab, ResolverConfig { trust_anchors: vec![anchor(&old, 257)], ..config() });
    let (_, first) = bogus(&ask(&lab, &resolver, "nothing.", RrType::A));
    let (_, second) = bogus(&ask(&lab, &resolver, "other.", RrType::A));
    assert_eq!(first, "bogus: no DNSKEY of . that signs its keys matches the trust anchor");
    assert_eq!(second, first);
}

/// A key that the zone publishes and that cannot sign its data is not missing (RFC 8914 §4.12).
#[test]
fn keys_that_do_not_count_are_named() {
    let [ksk, zsk] = [(); 2].map(|()| Arc::new(SigningKey::generate(Algorithm::ED25519, None).unwrap()));
    let no_zone_key = "is no zone key: its Zone Key bit is not set";
    // One that signs data.
    let keys = [with_flags(&ksk, 257), with_flags(&zsk, 0)];
    let (found, _) = asked(root(&keys, &[]), vec![anchor(&ksk, 257)]);
    let (ede, text) = bogus(&found);
    assert_eq!(ede, Ede::NO_ZONE_KEY_BIT_SET, "{text}");
    assert!(text.contains(&format!("key {} of ., which {no_zone_key}", keys[1].tag())), "{text}");
    // One that a trust anchor matches as it is published.
    for (flags, code, said) in [
        (1, Ede::NO_ZONE_KEY_BIT_SET, no_zone_key),
        (257 | 0x80, Ede::DNSKEY_MISSING, "is published as revoked (RFC 5011)"),
    ] {
        let keys = [with_flags(&ksk, flags), with_flags(&zsk, 256)];
        let (found, _) = asked(root(&keys, &[]), vec![anchor(&ksk, flags)]);
        let (ede, text) = bogus(&found);
        assert_eq!(ede, code, "{text}");
        assert!(text.contains(&format!("key {}, which would match, {said}", keys[0].tag())), "{text}");
    }
}
