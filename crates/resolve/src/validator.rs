//! The interface of a validator, and of the lookups that it makes. The step that calls it is `validate.rs`.

use nw_cache::{State, Trust};
use nw_wire::code::RrType;
use nw_wire::name::{Name, NameRef};

use crate::answer::{Answer, Failure};
use crate::classify::Reply;
use crate::join::Boxed;
use crate::scrub::Referral;

/// Decides what is known of the signatures of replies.
pub(crate) trait Validator {
    /// Judge *reply* of a server of *zone*.
    fn judge<'a>(&'a self, reply: &'a Reply, zone: NameRef<'a>, lookups: &'a dyn Lookups)
    -> Boxed<'a, State>;

    /// Judge what a server of *zone* says about the security of the zone that it refers to.
    fn trust<'a>(
        &'a self,
        referral: &'a Referral,
        zone: NameRef<'a>,
        lookups: &'a dyn Lookups,
    ) -> Boxed<'a, Trust>;
}

/// What a validator may ask for: lookups that count against the client's question and end where they would go in a circle.
#[cfg_attr(not(test), expect(dead_code, reason = "the resolver has no validator yet; tests have one"))]
pub(crate) trait Lookups {
    /// Look up *name* and *rtype*, a DNSKEY or DS RRset.
    fn lookup<'a>(&'a self, name: &'a Name, rtype: RrType) -> Boxed<'a, Result<Answer, Failure>>;
}
