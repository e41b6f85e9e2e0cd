//! Policies, one per file. The module comment of a file is the manual page of its policy. The type of a policy is
//! built once from the plan, and one method decides on one query without I/O, clock or allocation.
//! `serve/pipeline.rs` has one line per policy at its stage.
//!
//! | file | stage | what it decides |
//! |---|---|---|
//! | [`acl`] | admit | which clients may send queries, and for which clients the server recurses |
//! | [`view`] | view | which zones a client sees, by its address or TSIG key |
//! | [`rules`] | before and after the lookup | which answers lists and response policy zones change |
//! | [`rrl`] | exit, before finish | which responses are left out, because too many equal ones go to one network |
//! | [`detect`] | before a lookup, exit | which domains are tunnels, and which networks are victims of amplification |
//!
//! [`buckets`] counts rates. [`lists`] reads lists of names, [`rpz`] response policy zones. [`matcher`] maps millions of names to rules, [`prefixes`]
//! address blocks. [`prefix`] parses address blocks, and [`names`] lists of names. [`progress`] shows how far the reading of a list has come. All policies may use them.
//!
//! *Adding a policy*: copy `acl.rs`, replace its module comment, and add a line to the table above and to
//! `pipeline.rs`.

pub mod acl;
pub mod buckets;
pub mod detect;
pub mod lists;
pub mod matcher;
pub mod names;
pub mod prefix;
pub mod prefixes;
pub mod progress;
pub mod rpz;
pub mod rrl;
pub mod rules;
pub mod view;

pub use acl::{Acl, AclError};
pub use detect::{DetectAction, DetectSettings, Detector, Share, Suffixes, Suspicion, Watched};
pub use names::{NameList, NameListError};
pub use prefix::{Prefix, PrefixError};
pub use rrl::{Exceeded, Limited, LimitedBucket, ResponseClass, Rrl, RrlSettings};
pub use view::View;
