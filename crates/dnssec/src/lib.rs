//! Canonical form, RRSIG, DS, NSEC and NSEC3: made and checked.
