//! NOTIFY (RFC 1996): who may say that a zone has changed. The control plane does the rest.
//!
//! | request | response |
//! |---|---|
//! | for a name that is not the apex of a zone here | NOTAUTH (§3.10, as RFC 2136 does) |
//! | from an address, or signed with a key, that the zone does not take it from | REFUSED (§3.10) |
//! | any other | the control plane makes it |
//!
//! A forged message so costs what a refused query costs, and no place among the requests that wait.

use std::collections::HashMap;

use nw_wire::{Ede, Name, Opcode, Rcode, RrType};

use crate::context::Context;
use crate::opcode::Handler;
use crate::plan::{ClientRule, Plan};
use crate::response::Response;
use crate::verdict::Verdict;

/// The senders of each zone that has any.
pub(crate) struct Notify(HashMap<Name, Vec<ClientRule>>);

impl Notify {
    /// The handler, if a zone of *plan* takes NOTIFY.
    pub(crate) fn of(plan: &Plan) -> Option<Notify> {
        let senders = plan.zones.iter().filter_map(|zone| Some((zone.name.clone(), zone.notify.clone()?)));
        let senders: HashMap<_, _> = senders.collect();
        (!senders.is_empty()).then_some(Notify(senders))
    }
}

impl Handler for Notify {
    fn opcode(&self) -> Opcode {
        Opcode::NOTIFY
    }

    fn handle(&self, context: &Context<'_>, _: &mut Response<'_, '_>) -> Verdict {
        let name = context.query.qname;
        let Some(senders) = self.0.get(&name.to_name()) else {
            let zone = context.snapshot().find_zone(None, name, RrType::SOA);
            return if zone.is_some_and(|zone| zone.apex() == name) {
                let text =
                    format!("{name} is no copy of another server's zone: nobody can notify it of changes");
                Verdict::refuse(Rcode::REFUSED, Ede::PROHIBITED, text)
            } else {
                Verdict::refuse(
                    Rcode::NOTAUTH,
                    Ede::NOT_AUTHORITATIVE,
                    format!("{name} is no zone of this server"),
                )
            };
        };
        let (client, key) = (context.client_ip(), context.key());
        if senders.iter().any(|rule| rule.admits(client, key)) {
            return Verdict::Control;
        }
        let text =
            format!("{client} is no primary of {name}, and the message is not signed with the key of one");
        Verdict::refuse(Rcode::REFUSED, Ede::PROHIBITED, text)
    }
}
