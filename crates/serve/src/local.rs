//! TXT records in class CH that identify the server (RFC 4892, and the names that BIND uses).
//!
//! | name | setting |
//! |---|---|
//! | `id.server.`, `hostname.bind.` | `server.identity` |
//! | `version.server.`, `version.bind.` | `server.version` |
//!
//! The server refuses a name whose setting is absent, and every other name in class CH. `acls.control_names` can
//! restrict the clients further.

use nw_policy::Acl;
use nw_wire::{Class, Name, NameRef, Rcode, RrType, Section};

use crate::plan::Plan;
use crate::query::Query;
use crate::response::{Response, ResponseKind};
use crate::verdict::Verdict;

/// A name in class CH and its TXT record.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    name: Name,
    /// TXT rdata.
    rdata: Vec<u8>,
    /// The clients that may query it. None: all clients that the server answers.
    pub(crate) acl: Option<Acl>,
}

/// The names whose setting is in *plan*.
pub(crate) fn names(plan: &Plan) -> Vec<Identity> {
    let (identity, version) = (&plan.server.identity, &plan.server.version);
    let names: [(&[u8], _); 4] = [
        (b"id.server.", identity),
        (b"hostname.bind.", identity),
        (b"version.server.", version),
        (b"version.bind.", version),
    ];
    names
        .into_iter()
        .filter_map(|(name, text)| {
            let name = Name::parse(name, None).expect("a literal without escapes");
            let text = text.as_ref()?.as_bytes();
            let length = u8::try_from(text.len()).expect("the plan's reader allows 255 octets");
            let acl = plan
                .acls
                .control_names
                .iter()
                .find(|(listed, _)| *listed == name)
                .map(|(_, acl)| acl.clone());
            Some(Identity { name, rdata: [&[length], text].concat(), acl })
        })
        .collect()
}

/// The entry of *names* for *qname*.
pub(crate) fn find<'l>(names: &'l [Identity], qname: NameRef<'_>) -> Option<&'l Identity> {
    names.iter().find(|local| local.name.as_ref() == qname)
}

/// Write the TXT record. Other types have no data.
pub(crate) fn answer(local: &Identity, query: &Query<'_>, response: &mut Response<'_, '_>) -> Verdict {
    (response.rcode, response.aa, response.ra, response.kind) =
        (Rcode::NOERROR, true, false, ResponseKind::Local);
    if matches!(query.qtype, RrType::TXT | RrType::ANY) {
        let written =
            response.out.record(Section::Answer, query.qname, RrType::TXT, Class::CH, 0, &local.rdata);
        response.truncated = written.is_err();
    }
    Verdict::Answer
}
