//! A zone whose changes are signed is the zone that signing it as a whole makes.

use std::sync::{Arc, LazyLock};

use nw_crypto::SigningKey;
use nw_dnssec::{
    DenialOptions, Keep, SignOptions, Signers, Signing, VerifyOptions, ZoneKey, Zonemd, verify_zone,
};
use nw_wire::{Name, RrType, Rrset};
use proptest::prelude::*;

use super::versions::rrset;
use crate::answer::model::{APEX, load, owner, record};
use crate::answer::signed::denials;
use crate::edit::{Serial, contains};
use crate::tests::name;
use crate::{Due, SigningError, Zone};

/// A key with a fixed secret: equal data have equal signatures (RFC 8032 §5.1.6).
fn key(flags: u16, letter: char) -> ZoneKey {
    let secret = letter.to_string().repeat(42) + "A=";
    let file = format!("Private-key-format: v1.3\nAlgorithm: 15 (ED25519)\nPrivateKey: {secret}\n");
    let file = nw_crypto::PrivateKeyFile::parse(&file).expect("a key file");
    let key: SigningKey = file.key;
    ZoneKey::new(name(APEX).as_ref(), flags, Arc::new(key))
}

static KEYS: LazyLock<[ZoneKey; 3]> = LazyLock::new(|| [key(257, 'a'), key(256, 'b'), key(256, 'c')]);

fn signing(denial: DenialOptions) -> Signing {
    let options =
        SignOptions { inception: 1000, expiration: 9000, jitter: 500, denial, dnskey_ttl: 60, threads: 1 };
    let signers = Signers::by_flags(&KEYS[..2]).expect("a key of each kind");
    Signing { zonemd: Zonemd::Absent, ..Signing::new(signers, options) }
}

/// The errors that a validator of the whole zone finds. (Iterations of NSEC3 are a warning.)
fn problems(zone: &Zone) -> Vec<String> {
    let options = VerifyOptions { now: 2000, ..VerifyOptions::default() };
    let report = verify_zone(zone.apex(), zone.rrsets().collect(), &options);
    let errors = report.problems.iter().filter(|problem| problem.fault.is_error());
    errors.map(|problem| format!("{problem:?}")).collect()
}

/// The zone without what signing makes.
fn plain(zone: &Zone) -> Vec<Rrset> {
    let signing = signing(DenialOptions::Nsec);
    let made = |rrset: &Rrset| signing.makes(zone.apex(), rrset.owner.as_ref(), rrset.rtype);
    zone.rrsets().filter(|rrset| !made(rrset)).collect()
}

/// Check that `made` is what signing its data as a whole makes.
fn check(made: &Zone, signing: &Signing) -> Result<(), TestCaseError> {
    let data = plain(made);
    let whole = Zone::from_rrsets(made.apex(), made.class(), &data).expect("it was a zone before");
    let whole = whole.sign(signing).expect("it can be signed");
    prop_assert!(made.diff(&whole).is_empty(), "{:#?}\n{}", made.diff(&whole), whole.to_text());
    prop_assert_eq!(problems(made), Vec::<String>::new(), "{}", made.to_text());
    Ok(())
}

/// A change to a zone: records to add, RRsets to remove by number, names to empty by number.
type Step = (Vec<(String, &'static str, String)>, Vec<usize>, Vec<usize>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let numbers = || prop::collection::vec(0usize..30, 0..3);
    prop::collection::vec((prop::collection::vec(record(), 0..4), numbers(), numbers()), 1..6)
}

/// The edit of one step, if it makes a zone.
fn edit(zone: &Zone, (add, remove, empty): &Step) -> Option<crate::ZoneEdit> {
    let sets = plain(zone);
    let keeps = |set: &Rrset| {
        set.owner == zone.apex() && matches!(set.rtype, RrType::SOA | RrType::NS | RrType::DNSKEY)
    };
    let mut edit = zone.edit();
    for number in remove {
        let set = &sets[number % sets.len()];
        if !keeps(set) {
            edit.remove(set);
        }
    }
    for number in empty {
        let owner = &sets[number % sets.len()].owner;
        if *owner != zone.apex() {
            edit.delete_name(owner.as_ref());
        }
    }
    for line in add {
        edit.add(&rrset(line));
    }
    edit.clone().commit(Serial::Next).is_ok().then_some(edit)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, max_shrink_iters: 3000, ..ProptestConfig::default() })]

    /// Names that appear and vanish, delegations with and without DS, glue, DNAME, empty non-terminals, wildcards.
    #[test]
    fn what_changes_is_signed_as_in_the_whole_zone(
        lines in prop::collection::vec(record(), 0..14),
        steps in steps(),
        folds in prop::collection::vec(any::<bool>(), 6),
        zonemd in prop_oneof![Just(Zonemd::Absent), (1u8..3).prop_map(Zonemd::Made)],
    ) {
        for denial in denials() {
            let signing = Signing { zonemd, ..signing(denial) };
            let mut zone = load(&lines, 1).0.sign(&signing).expect("it can be signed");
            for (step, fold) in steps.iter().zip(&folds) {
                let Some(edit) = edit(&zone, step) else { continue };
                let made = match edit.commit_signed(Serial::Next, &signing, &[]) {
                    Ok(made) => made,
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                };
                check(&made, &signing)?;
                zone = if *fold { made.fold() } else { made };
            }
        }
    }

    /// New keys and later times, in batches of any size, with edits between them.
    #[test]
    fn signatures_are_renewed_in_batches(
        lines in prop::collection::vec(record(), 0..14),
        most in 1usize..12,
        steps in steps(),
        others in prop::collection::vec(owner(), 2),
    ) {
        for denial in denials() {
            let older = signing(denial.clone());
            let mut newer = signing(denial);
            newer.options.inception = 1500;
            newer.options.expiration = 20_000;
            newer.dnskey_expiration = 20_000;
            newer.signers = Signers::by_flags(&[KEYS[0].clone(), KEYS[2].clone()]).expect("a key of each kind");
            let mut zone = load(&lines, 1).0.sign(&older).expect("it can be signed");
            prop_assert_eq!(zone.due(&older, 8500, None, usize::MAX).rrsets.len(), 0);
            let mut steps = steps.iter();
            let mut after: Option<Name> = None;
            loop {
                let due = zone.due(&newer, 9001, after.as_ref().map(Name::as_ref), most);
                prop_assert!(due.rrsets.len() < most + 12);
                let edit = steps.next().and_then(|step| edit(&zone, step)).unwrap_or_else(|| zone.edit());
                zone = edit.commit_signed(Serial::Next, &newer, &due.rrsets).expect("a good change");
                after = due.after;
                if after.is_none() {
                    break;
                }
            }
            // A name that is not there begins a search as well.
            for other in &others {
                let rest = zone.due(&newer, 30_000, Some(name(other).as_ref()), usize::MAX);
                prop_assert!(rest.rrsets.iter().all(|(owner, _)| owner.as_ref() > name(other).as_ref()));
            }
            let Due { rrsets, after, next } = zone.due(&newer, 9001, None, usize::MAX);
            prop_assert_eq!((rrsets, after), (vec![], None));
            prop_assert!(next.is_some_and(|next| (19_500..=20_000).contains(&next)));
            // A clock that is set back finds them not valid yet.
            for (now, valid) in [(1500, true), (1499, false)] {
                newer.keep = Some(Keep { now, until: 9001 });
                prop_assert_eq!(zone.due(&newer, 9001, None, usize::MAX).rrsets.is_empty(), valid);
            }
            newer.keep = None;
            check(&zone, &newer)?;
        }
    }
}

#[test]
fn only_what_changes_is_signed_again() {
    let mut text = String::from("@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n");
    for number in 0..2000 {
        text += &format!("n{number} 60 A 192.0.2.7\n");
    }
    for (denial, most) in denials().into_iter().zip([4, 5, 5]) {
        let signing = signing(denial);
        let zone = crate::tests::zone(APEX, &text).sign(&signing).expect("it can be signed");
        let mut edit = zone.edit();
        edit.add(&rrset(&("new.e.".to_owned(), "A", "192.0.2.9".to_owned())));
        let next = edit.commit_signed(Serial::Next, &signing, &[]).expect("a good change");
        assert!(std::ptr::eq(zone.view().store, next.view().store));
        let signatures = zone.diff(&next).added.iter().filter(|set| set.rtype == RrType::RRSIG).count();
        // SOA, the new RRset, its record in the chain, and the one before it.
        assert!(signatures <= most, "{signatures}");
    }
}

#[test]
fn another_denial_signs_the_whole_zone() {
    let [nsec, nsec3, opt_out] = denials().map(signing);
    let zone =
        crate::tests::zone(APEX, "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\na.b 60 A 192.0.2.1\nc 60 NS ns\n");
    let mut last = zone.edit().commit_signed(Serial::Next, &nsec, &[]).expect("the first signing");
    for signing in [&nsec3, &opt_out, &nsec] {
        last = last.edit().commit_signed(Serial::Next, signing, &[]).expect("another chain");
        check(&last, signing).expect("the same zone");
    }
    // The TTL of the chain follows the SOA.
    let mut edit = last.edit();
    edit.put(
        crate::tests::zone(APEX, "@ 30 SOA ns h 1 2 3 4 3\n@ 60 NS ns\n")
            .rrset(last.apex(), RrType::SOA)
            .expect("one"),
    );
    let next = edit.commit_signed(Serial::Next, &nsec, &[]).expect("a good change");
    check(&next, &nsec).expect("the same zone");
    assert_eq!(next.rrset(name("a.b.e.").as_ref(), RrType::NSEC).map(|set| set.ttl), Some(3));
    assert_eq!(next.serial(), last.serial().wrapping_add(1));
}

#[test]
fn records_that_signing_makes_are_not_edited_and_keys_are_published() {
    let [nsec, ..] = denials().map(signing);
    let zone = crate::tests::zone(APEX, "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\na 60 A 192.0.2.1\n")
        .sign(&nsec)
        .expect("signed");
    let mut edit = zone.edit();
    edit.delete(name("a.e.").as_ref(), RrType::NSEC);
    edit.delete(name("a.e.").as_ref(), RrType::RRSIG);
    edit.delete(zone.apex(), RrType::DNSKEY);
    let next = edit.commit_signed(Serial::Next, &nsec, &[]).expect("a good change");
    check(&next, &nsec).expect("the same zone");
    let keys = next.rrset(next.apex(), RrType::DNSKEY).expect("published again");
    assert!(nsec.signers.published.iter().all(|key| contains(&keys, key)));
    let mut edit = next.edit();
    edit.delete(next.apex(), RrType::NS);
    assert!(matches!(edit.commit_signed(Serial::Next, &nsec, &[]), Err(SigningError::Zone(_))));
}
