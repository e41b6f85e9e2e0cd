//! The hashes of RFC 5155 App. A, and spans.

use proptest::prelude::*;

use super::*;
use crate::testing::name;

#[test]
fn hashes_of_rfc5155() {
    let expected = [
        ("example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
        ("a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
        ("ai.example", "gjeqe526plbf1g8mklp59enfd789njgi"),
        ("ns1.example", "2t7b4g4vsa5smi47k61mv5bv1a22bojr"),
        ("ns2.example", "q04jkcevqvmu85r014c7dkba38o0ji5r"),
        ("w.example", "k8udemvp1j2f7eg6jebps17vp3n8i58h"),
        ("*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
        ("x.w.example", "b4um86eghhds6nea196smvmlo4ors995"),
        ("y.w.example", "ji6neoaepv8b5o6k4ev33abha8ht9fgc"),
        ("x.y.w.example", "2vptu5timamqttgl4luu9kg21e0aor3s"),
        ("XX.Example", "t644ebqk9bibcna874givr6joj62mlhv"),
        ("2t7b4g4vsa5smi47k61mv5bv1a22bojr.example", "kohar7mbb8dc2ce8a9qvl8hon4k53uhi"),
    ];
    let zone = name("example");
    for (text, label) in expected {
        let hash = nsec3_hash(&[0xaa, 0xbb, 0xcc, 0xdd], 12, name(text).as_ref());
        let owner = hashed_owner(&hash, zone.as_ref()).expect("room");
        assert_eq!(owner.to_string(), format!("{label}.example."), "{text}");
    }
}

#[test]
fn unusable_records_are_ignored() {
    let zone = name("example");
    let owner = name("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.EXAMPLE");
    let rdata = |algorithm, flags, length: u8| {
        [&[algorithm, flags, 0, 12, 4, 1, 2, 3, 4, length][..], &[7; 20], &[0, 1, 0x40]].concat()
    };
    let good = rdata(1, 1, 20);
    let parsed = Nsec3::parse(owner.as_ref(), zone.as_ref(), &good).expect("sound");
    assert!(parsed.is_opt_out());
    assert_eq!((parsed.param.iterations, parsed.param.salt, parsed.next), (12, &[1, 2, 3, 4][..], [7; 20]));
    for bad in
        [rdata(2, 0, 20), rdata(1, 2, 20), rdata(1, 0, 19), good[..29].to_vec(), [&good[..], &[0]].concat()]
    {
        assert_eq!(Nsec3::parse(owner.as_ref(), zone.as_ref(), &bad), None);
    }
    for elsewhere in [
        "example",
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.a.example",
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3to.example",
        "zp9mhaveqvm6t7vbl5lop2u3t2rp3tom.example",
    ] {
        assert_eq!(Nsec3::parse(name(elsewhere).as_ref(), zone.as_ref(), &good), None, "{elsewhere}");
    }
}

proptest! {
    /// In a chain of hashes, exactly one record covers every other hash, and no record covers an owner.
    #[test]
    fn a_chain_covers_everything_once(mut owners in prop::collection::btree_set(any::<[u8; 20]>(), 1..8), asked: [u8; 20]) {
        let chain: Vec<[u8; 20]> = std::mem::take(&mut owners).into_iter().collect();
        let records: Vec<Nsec3<'_>> = (0..chain.len())
            .map(|i| Nsec3 {
                param: Nsec3Param { algorithm: SHA1, flags: 0, iterations: 0, salt: &[] },
                owner: chain[i],
                next: chain[(i + 1) % chain.len()],
                types: TypeBitmap::new(&[]).expect("empty"),
            })
            .collect();
        for hash in chain.iter().chain([&asked]) {
            let covering = records.iter().filter(|record| record.covers(hash)).count();
            prop_assert_eq!(covering, usize::from(!chain.contains(hash)));
        }
    }

    /// Long names, long salts and arbitrary rdata fit the buffers.
    #[test]
    fn no_input_is_too_long(salt in prop::collection::vec(any::<u8>(), 0..300), rdata in prop::collection::vec(any::<u8>(), 0..60)) {
        let long = name(&format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61)));
        prop_assert_eq!(long.as_ref().wire().len(), 255);
        let _ = nsec3_hash(&salt, 1, long.as_ref());
        let _ = Nsec3Param::parse(&rdata);
        let _ = Nsec3::parse(name("00000000000000000000000000000000.a").as_ref(), name("a").as_ref(), &rdata);
    }
}
