//! The Python bindings. They contain no logic.
//!
//! ```text
//!   Python  --- wire, one versioned JSON plan, frozen handles ---> engine
//!           <-- wire, tagged events, JSON steps, errors as data ---
//! ```
//! Each file has one class or function: `name`, `rdata` with its `fields`, `rrset`, `edns`, `message` (with `build`,
//! `layout`, `dict`), `code` (the registries), `toml`, `zone`, `edit`, `difference`, `update`, `tsig`, `verify_keys`, `verify_zone`, `zone_key`, `signing`, `snapshot` with its `budget`,
//! `engine` with its `request`s, events and `telemetry`, `artifact`, `play`, `allocator`. Every call uses `call`, and every error uses
//! `raise`. Classes are immutable, so that reading needs no lock.

mod allocator;
mod artifact;
mod budget;
mod build;
mod call;
mod code;
mod dict;
mod difference;
mod edit;
mod edns;
mod engine;
mod fields;
mod layout;
mod message;
mod name;
mod play;
mod raise;
mod rdata;
mod reading;
mod request;
mod rrset;
mod signing;
mod snapshot;
mod telemetry;
mod toml;
mod transfer;
mod tsig;
mod update;
mod verify_keys;
mod verify_zone;
mod zone;
mod zone_key;

use pyo3::prelude::*;

/// The engine of namewise. Import it through `namewise.engine`.
#[pymodule(gil_used = false)]
mod _engine {
    #[pymodule_export]
    use crate::allocator::allocator_arenas;
    #[pymodule_export]
    use crate::artifact::{ListProgress, LocalRoot, NameList, Policies, PolicyList, Suffixes};
    #[pymodule_export]
    use crate::build::{make_message, make_query, make_response};
    #[pymodule_export]
    use crate::code::{registry, type_name, type_value};
    #[pymodule_export]
    use crate::difference::Difference;
    #[pymodule_export]
    use crate::edit::ZoneEdit;
    #[pymodule_export]
    use crate::edns::{Edns, EdnsOption};
    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::message::{Message, Question};
    #[pymodule_export]
    use crate::name::Name;
    #[pymodule_export]
    use crate::play::play;
    #[pymodule_export]
    use crate::rdata::Rdata;
    #[pymodule_export]
    use crate::reading::read_reply;
    #[pymodule_export]
    use crate::request::{Asked, Done, Dropped, Exchange, Fault, Notice, Resolve};
    #[pymodule_export]
    use crate::rrset::{RRset, Record};
    #[pymodule_export]
    use crate::signing::{Due, Signing};
    #[pymodule_export]
    use crate::snapshot::{Snapshot, Unavailable};
    #[pymodule_export]
    use crate::telemetry::{Response, Telemetry};
    #[pymodule_export]
    use crate::toml::parse_toml;
    #[pymodule_export]
    use crate::transfer::Transfer;
    #[pymodule_export]
    use crate::tsig::{Signed, TsigKey, Verifier};
    #[pymodule_export]
    use crate::update::Update;
    #[pymodule_export]
    use crate::verify_keys::verify_keys;
    #[pymodule_export]
    use crate::verify_zone::{verify_zone, verify_zonemd};
    #[pymodule_export]
    use crate::zone::{Zone, format_zone, zone_rules};
    #[pymodule_export]
    use crate::zone_key::ZoneKey;

    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// The secret key for hashes of names is set before the first name exists.
    #[pymodule_init]
    fn init(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        nw_net::random::set_hash_key();
        Ok(())
    }
}
