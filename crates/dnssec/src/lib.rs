//! DNSSEC as pure functions: signing, validation, and denial of existence.
//!
//! ```text
//!   sign     Rrset + ZoneKey ──────────────> RRSIG            rrsig.rs   (canonical form: canonical.rs)
//!            zone's RRsets + keys ─────────> signed zone      sign.rs    (NSEC or NSEC3 chain: chain.rs)
//!   serve    Claim + Chain ────────────────> Proof            proof.rs   which records to add to an answer
//!   check    Rrset + RRSIG + Verifier, now ─> Verified        rrsig.rs
//!            name, type + Evidence ────────> Denial           denial.rs  (denial/nsec.rs, denial/nsec3.rs)
//!            DS + DNSKEY ──────────────────> match or fault   ds.rs
//!   reuse    name, type + known records ───> Synthesis         synthesis.rs (RFC 8198)
//!            zone's RRsets, now ───────────> Report           verify_zone.rs
//!            zone's RRsets, ZONEMD ────────> ZonemdVerified   zonemd.rs
//! ```
//!
//! The crate reads no clock, draws no random numbers and does no I/O. Time and keys are arguments. The policy of a
//! validator (trust anchors, limits on attempts, treatment of insecure data) belongs to `resolve/validate`. The state
//! of keys and rollovers belongs to Python. Both use these functions.
//!
//! RFCs: 4033, 4034, 4035 (base), 5155 (NSEC3), 6840 (clarifications), 4509, 6605 (DS), 9077 (TTL of NSEC), 9276
//! (NSEC3 parameters), 8976 (ZONEMD).
//!
//! *Limitations.* NSEC3 supports only SHA-1, the only registered hash.
#![forbid(unsafe_code)]

pub mod canonical;
pub mod chain;
pub mod denial;
pub mod dnskey;
pub mod ds;
pub mod nsec;
pub mod nsec3;
pub mod proof;
pub mod rrsig;
pub mod sign;
pub mod synthesis;
pub mod verify_zone;
pub mod zonekey;
pub mod zonemd;

#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod testing;

pub use canonical::Canonical;
pub use denial::{Denial, Evidence, Expansion, Unproved, Unsigned, deny, expansion, unsigned_delegation};
pub use dnskey::{Dnskey, Verifier, key_tag};
pub use ds::{DigestType, Ds, DsFault};
pub use nsec::Nsec;
pub use nsec3::{Nsec3, Nsec3Hash, Nsec3Ignored, Nsec3Limits, Nsec3Param, nsec3_hash};
pub use nw_wire::rr::{TypeBitmap, push_bitmap};
pub use proof::{Chain, Claim, Method, Proof, prove};
pub use rrsig::{Rrsig, RrsigFault, SignParams, Verified, sign_rrset, verify_rrset};
pub use sign::{
    DenialOptions, Keep, SignOptions, SignZoneError, SignedRrset, Signers, Signing, Zonemd, sign_zone,
};
pub use synthesis::{Synthesis, Synthesised, from_nsec, from_nsec3};
pub use verify_zone::{Report, VerifyOptions, verify_zone};
pub use zonekey::{ZoneKey, ZoneKeyError};
pub use zonemd::{RecordFault, ZonemdFault, ZonemdTrust, ZonemdVerified, verify_zonemd, zone_digest};
