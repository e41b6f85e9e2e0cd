use nw_dnssec::Nsec3Limits;
use nw_wire::code::{Class, RrType};
use nw_wire::name::Name;
use nw_wire::rrset::Rrset;

use super::{Proofs, Proved};
use crate::config::ResolverConfig;
use crate::validator::Effort;

/// The fault, as text, of an answer that only the NSEC3 record with *head* (algorithm and flags) at *owner* could prove.
fn said(owner: &str, head: [u8; 2], rest: &[u8]) -> String {
    let (zone, name): (Name, Name) = ("example.".parse().unwrap(), "nothing.example.".parse().unwrap());
    let mut set = Rrset::new(owner.parse().unwrap(), RrType::NSEC3, Class::IN, 300);
    set.rdatas.push(&[&head[..], rest].concat());
    let effort = Effort::new(&ResolverConfig::default());
    let proved = Proved::from(vec![set]);
    let proofs = Proofs::new(zone.as_ref(), &proved, Nsec3Limits::default(), &effort);
    let denied = proofs.absence(name.as_ref(), RrType::A, true).unwrap_err().to_string();
    assert!(denied.starts_with("it is not proved that nothing.example. does not exist: "), "{denied}");
    let expanded = proofs.expansion(name.as_ref(), RrType::A, 1).unwrap_err().to_string();
    assert_eq!(denied, expanded);
    denied
}

#[test]
fn an_nsec3_record_that_is_ignored_is_named() {
    let hash = "0".repeat(32);
    let owner = format!("{hash}.example.");
    let rest = [&[0, 0, 0, 20][..], &[0; 20]].concat();
    for (owner, head, rest, expected) in [
        (&owner, [2, 0], &rest[..], "an NSEC3 record is ignored: the hash algorithm 2 is unknown"),
        (&owner, [1, 2], &rest, "an NSEC3 record is ignored: the flags 0x02 are unknown"),
        (
            &format!("{hash}.sub.example."),
            [1, 0],
            &rest,
            "an NSEC3 record is ignored: the owner is not directly below the apex of the zone",
        ),
        (&"short.example.".to_string(), [1, 0], &rest, "an NSEC3 record is ignored: it is malformed"),
        (&owner, [1, 0], &rest[..9], "an NSEC3 record is ignored: it is malformed"),
    ] {
        let said = said(owner, head, rest);
        assert!(said.ends_with(expected), "{said}");
    }
}
