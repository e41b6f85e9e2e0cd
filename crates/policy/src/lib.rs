//! One file per policy: the file's first page is its manual, its type is built once from the plan, and one method
//! judges one query without I/O, clock or allocation. `serve/pipeline.rs` has one line per policy, at its moment.
//!
//! | file | moment | what it decides |
//! |---|---|---|
//! | [`acl`] | admit | which clients may ask, and for which of them the server recurses |
//! | [`view`] | view | which zones a client sees, by its address or TSIG key |
//!
//! [`prefix`] is the vocabulary that policies share: address blocks as people write them.
//!
//! *Adding a policy*: copy `acl.rs`, replace the page on top, add the line above and the line in `pipeline.rs`.

pub mod acl;
pub mod prefix;
pub mod view;

pub use acl::{Acl, AclError};
pub use prefix::{Prefix, PrefixError};
pub use view::View;
