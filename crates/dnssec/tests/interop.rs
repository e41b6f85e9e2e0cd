//! Verifies zones signed by BIND, and lets BIND, ldns and Knot verify zones signed here, for every algorithm, NSEC,
//! NSEC3 and opt-out. Each test names the tools that are missing.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use common::{Folder, ZONE, name, rrsets, run};
use nw_crypto::{Algorithm, PrivateKeyFile, SigningKey};
use nw_dnssec::{
    Canonical, DenialOptions, Dnskey, Ds, Nsec3Param, Rrsig, SignOptions, SignedRrset, Verifier, ZoneKey,
    nsec3_hash, sign_zone, verify_rrset,
};
use nw_wire::{RrType, Rrset};

const APEX: &str = "example.com.";

/// The three kinds of chains, with the arguments that make dnssec-signzone produce the same chain.
fn chains() -> [(&'static str, DenialOptions, &'static [&'static str]); 3] {
    let nsec3 = |opt_out| DenialOptions::Nsec3 { iterations: 2, salt: vec![0xab, 0xcd], opt_out };
    [
        ("nsec", DenialOptions::Nsec, &[]),
        ("nsec3", nsec3(false), &["-3", "abcd", "-H", "2"]),
        ("opt-out", nsec3(true), &["-3", "abcd", "-H", "2", "-A"]),
    ]
}

fn now() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as u32
}

fn options(denial: DenialOptions) -> SignOptions {
    SignOptions {
        inception: now() - 3600,
        expiration: now() + 86_400 * 20,
        jitter: 3600,
        denial,
        dnskey_ttl: 3600,
        threads: 2,
    }
}

/// Write the zone as a master file.
fn text(zone: &[SignedRrset]) -> String {
    let mut out = String::new();
    for signed in zone {
        writeln!(out, "{}", signed.rrset).expect("a String takes everything");
        if let Some(rrsigs) = signed.rrsig_rrset() {
            writeln!(out, "{rrsigs}").expect("a String takes everything");
        }
    }
    out
}

/// Check every signature in a signed zone and return the number of signatures.
fn verify_all(zone: &[Rrset]) -> usize {
    let dnskeys = zone.iter().find(|rrset| rrset.rtype == RrType::DNSKEY).expect("keys");
    let keys: Vec<Verifier> = dnskeys
        .rdatas
        .iter()
        .map(|rdata| {
            Verifier::new(dnskeys.owner.as_ref(), Dnskey::parse(rdata).expect("a key")).expect("sound")
        })
        .collect();
    let mut index = BTreeMap::new();
    for rrset in zone.iter().filter(|rrset| rrset.rtype != RrType::RRSIG) {
        index.insert((rrset.owner.clone(), rrset.rtype), rrset);
    }
    let (mut count, mut scratch) = (0, Canonical::new());
    for rrsigs in zone.iter().filter(|rrset| rrset.rtype == RrType::RRSIG) {
        for rdata in rrsigs.rdatas.iter() {
            let rrsig = Rrsig::parse(rdata).expect("an RRSIG");
            let rrset = index[&(rrsigs.owner.clone(), rrsig.type_covered)];
            let key = keys.iter().find(|key| rrsig.names(key)).expect("its key");
            let good = verify_rrset(rrset, &rrsig, key, now(), &mut scratch)
                .unwrap_or_else(|e| panic!("{} {}: {e}", rrset.owner, rrset.rtype));
            assert_eq!(good.wildcard, None);
            count += 1;
        }
    }
    count
}

/// Make a key pair with dnssec-keygen in `folder`. Returns None if the tool is missing.
fn keygen(folder: &Folder, arguments: &[&str]) -> Option<String> {
    let all = [&["-q"], arguments, &[APEX]].concat();
    Some(run(folder, "dnssec-keygen", &all)?.trim().to_owned())
}

#[test]
fn zones_signed_by_bind_verify() {
    for (algorithm, number) in [
        ("RSASHA1", 5),
        ("NSEC3RSASHA1", 7),
        ("RSASHA256", 8),
        ("RSASHA512", 10),
        ("ECDSAP256SHA256", 13),
        ("ECDSAP384SHA384", 14),
        ("ED25519", 15),
        ("ED448", 16),
    ] {
        let folder = Folder::new(&format!("bind-{number}"));
        folder.write("zone", ZONE);
        let bits: &[&str] = if number <= 7 { &["-b", "1024"] } else { &[] };
        let Some(zsk) = keygen(&folder, &[&["-a", algorithm], bits].concat()) else { return };
        let Some(ksk) = keygen(&folder, &[&["-a", algorithm, "-f", "KSK"], bits].concat()) else { return };
        for (kind, denial, arguments) in chains() {
            if number == 5 && kind != "nsec" {
                continue; // RFC 5155 §2
            }
            let output = format!("{kind}.signed");
            let fixed = ["-S", "-P", "-q", "-O", "full", "-o", APEX, "-f", &output];
            let Some(_) = run(&folder, "dnssec-signzone", &[&fixed, arguments, &["zone"]].concat()) else {
                return;
            };
            let theirs = rrsets(&folder.read(&output));
            assert!(verify_all(&theirs) > 30, "{algorithm} {kind}");
            same_chain(&theirs, denial, &format!("{algorithm} {kind}"));
        }
        ds_agree(&folder, &ksk);
        assert!(folder.read(&format!("{zsk}.key")).contains("DNSKEY"));
    }
}

/// Our chain over the same data has the same records as theirs.
fn same_chain(theirs: &[Rrset], denial: DenialOptions, what: &str) {
    let signer = SigningKey::generate(Algorithm::ED25519, None).expect("a key");
    let key = ZoneKey::new(name(APEX).as_ref(), 257, Arc::new(signer));
    let plain: Vec<Rrset> = theirs.iter().filter(|rrset| rrset.rtype != RrType::DNSKEY).cloned().collect();
    let ours = sign_zone(name(APEX).as_ref(), plain, &[key], &options(denial)).expect("a zone");
    let of_chain = |rrset: &&Rrset| matches!(rrset.rtype, RrType::NSEC | RrType::NSEC3 | RrType::NSEC3PARAM);
    let text = |rrset: &Rrset| rrset.to_string().to_ascii_lowercase();
    let expected: BTreeSet<String> = theirs.iter().filter(of_chain).map(text).collect();
    let made: BTreeSet<String> = ours.iter().map(|signed| &signed.rrset).filter(of_chain).map(text).collect();
    assert_eq!(made, expected, "{what}");
}

/// A DS made by dnssec-dsfromkey matches our key.
fn ds_agree(folder: &Folder, ksk: &str) {
    let Some(lines) = run(folder, "dnssec-dsfromkey", &["-a", "1", "-a", "2", "-a", "4", "-T", "60", ksk])
    else {
        return;
    };
    let sets = rrsets(&folder.read(&format!("{ksk}.key")).replace(" IN ", " 60 IN "));
    let key = Dnskey::parse(sets[0].rdatas.first().expect("a key")).expect("a key");
    let made = rrsets(&lines);
    assert_eq!(made[0].rdatas.len(), 3);
    for rdata in made[0].rdatas.iter() {
        let ds = Ds::parse(rdata).expect("a DS");
        assert_eq!(ds.check(name(APEX).as_ref(), key), Ok(()));
        let mut ours = Vec::new();
        assert!(nw_dnssec::ds::push_ds(name(APEX).as_ref(), key, ds.digest_type, &mut ours));
        assert_eq!(ours, rdata);
    }
}

#[test]
fn other_tools_verify_zones_signed_here() {
    let mut missing = BTreeSet::new();
    for number in [8, 10, 13, 14, 15, 16] {
        let folder = Folder::new(&format!("ours-{number}"));
        let make = |flags| {
            let signer = SigningKey::generate(Algorithm(number), None).expect("a key");
            ZoneKey::new(name(APEX).as_ref(), flags, Arc::new(signer))
        };
        for (kind, denial, _) in chains() {
            // Two keys, or one key for both roles.
            let keys = if kind == "nsec3" { vec![make(257)] } else { vec![make(257), make(256)] };
            let zone = sign_zone(name(APEX).as_ref(), rrsets(ZONE), &keys, &options(denial)).expect("a zone");
            let file = format!("{kind}.zone");
            folder.write(&file, &text(&zone));
            // dnssec-verify needs an option for a single key with both roles.
            for (tool, arguments) in [
                ("dnssec-verify", &["-q", "-o", APEX, &file][..]),
                ("ldns-verify-zone", &["-V", "1", &file]),
                ("kzonecheck", &["-v", "-d", "on", "-o", APEX, &file]),
                ("named-checkzone", &["-q", "-i", "none", APEX, &file]),
            ] {
                let lone = tool == "dnssec-verify" && kind == "nsec3";
                let arguments: Vec<&str> =
                    lone.then_some("-z").into_iter().chain(arguments.iter().copied()).collect();
                if run(&folder, tool, &arguments).is_none() {
                    missing.insert(tool);
                }
            }
        }
    }
    if !missing.is_empty() {
        eprintln!("not compared with {missing:?}");
    }
}

#[test]
fn bind_signs_with_our_key_files() {
    for number in [8, 10, 13, 14, 15, 16] {
        let folder = Folder::new(&format!("keys-{number}"));
        folder.write("zone", ZONE);
        for flags in [256, 257] {
            let signer = SigningKey::generate(Algorithm(number), None).expect("a key");
            // dnssec-signzone -S publishes and uses a key according to its times.
            let times =
                ["Created", "Publish", "Activate"].map(|time| (time.to_owned(), "20260101000000".to_owned()));
            let copy = SigningKey::from_bind_private(&signer.to_bind_private()).expect("our own file");
            let private = PrivateKeyFile { key: copy, fields: times.to_vec() }.to_text();
            let key = ZoneKey::new(name(APEX).as_ref(), flags, Arc::new(signer));
            folder.write(&format!("{}.key", key.file_stem()), &key.key_file());
            folder.write(&format!("{}.private", key.file_stem()), &private);
        }
        let arguments = ["-S", "-q", "-O", "full", "-o", APEX, "-f", "signed", "zone"];
        let Some(_) = run(&folder, "dnssec-signzone", &arguments) else { return };
        assert!(verify_all(&rrsets(&folder.read("signed"))) > 30);
    }
}

#[test]
fn key_pairs_of_bind_sign() {
    let folder = Folder::new("pairs");
    for algorithm in ["RSASHA256", "ECDSAP256SHA256", "ED448"] {
        let Some(stem) = keygen(&folder, &["-a", algorithm, "-f", "KSK"]) else { return };
        let (public, private) =
            (folder.read(&format!("{stem}.key")), folder.read(&format!("{stem}.private")));
        let key = ZoneKey::from_files(&public, &private).expect("a pair");
        assert_eq!(key.file_stem(), stem);
        let zone = sign_zone(name(APEX).as_ref(), rrsets(ZONE), &[key], &options(DenialOptions::Nsec));
        let zone = rrsets(&text(&zone.expect("a zone")));
        assert!(verify_all(&zone) > 30);
    }
}

#[test]
fn hashes_agree_with_nsec3hash() {
    let folder = Folder::new("nsec3hash");
    let long = format!("{0}.{0}.{0}.{1}.", "x".repeat(63), "y".repeat(61));
    for (salt, iterations, at) in [
        ("-", 0, "example.com."),
        ("aabbccdd", 12, "*.W.Example."),
        ("00", 1, "."),
        ("ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100", 150, &long),
    ] {
        let rounds = iterations.to_string();
        let Some(output) = run(&folder, "nsec3hash", &[salt, "1", &rounds, at]) else { return };
        let mut octets = Vec::new();
        if salt != "-" {
            nw_wire::base::Hex::default().push(salt.as_bytes(), &mut octets).expect("hex");
        }
        let hash = nsec3_hash(&octets, iterations, name(at).as_ref());
        let param = Nsec3Param { algorithm: 1, flags: 0, iterations, salt: &octets };
        assert_eq!(param.hash(name(at).as_ref()), hash);
        let mut label = String::new();
        nw_wire::base::push_base32hex(&mut label, &hash);
        let theirs = output.split_ascii_whitespace().next().expect("a hash");
        assert!(theirs.eq_ignore_ascii_case(&label), "{at}: {theirs} {label}");
    }
}
