//! Tests of proofs with broken chains. The tests of `denial` cover the content of proofs.

use super::*;
use crate::testing::name;

/// A chain without records.
struct Nothing;

impl Chain for Nothing {
    type Record = u8;

    fn matching(&self, _: NameRef<'_>) -> Option<u8> {
        None
    }

    fn covering(&self, _: NameRef<'_>) -> Option<u8> {
        None
    }
}

/// A chain in which every lookup returns the same record.
struct Same;

impl Chain for Same {
    type Record = u8;

    fn matching(&self, _: NameRef<'_>) -> Option<u8> {
        Some(7)
    }

    fn covering(&self, _: NameRef<'_>) -> Option<u8> {
        Some(7)
    }
}

#[test]
fn missing_records_are_reported_and_no_record_is_returned_twice() {
    let (qname, encloser) = (name("a.b.example"), name("example"));
    let (qname, encloser) = (qname.as_ref(), encloser.as_ref());
    for claim in [
        Claim::NxDomain { qname, encloser },
        Claim::NoData { qname },
        Claim::WildcardNoData { qname, encloser },
        Claim::WildcardAnswer { qname, encloser },
        Claim::UnsignedDelegation { cut: qname },
        Claim::NoData { qname: NameRef::ROOT },
    ] {
        for method in [Method::Nsec, Method::Nsec3] {
            let none = prove(method, &Nothing, claim);
            assert!(!none.is_complete() && none.iter().next().is_none(), "{claim:?}");
            let same = prove(method, &Same, claim);
            assert!(same.is_complete() && same.iter().eq([7]), "{claim:?}");
        }
    }
}
