//! UPDATE (RFC 2136): who may send one for a zone at all. The control plane decides the rest, or forwards it (§6).
//!
//! | request | response |
//! |---|---|
//! | for a zone that is not served to the client | NOTAUTH (§3.1.2) |
//! | for a copy of another server's zone that does not forward updates | REFUSED (§6) |
//! | without a rule of the zone that matches the key and the address | REFUSED (§3.3) |
//! | any other | the control plane makes it |
//!
//! A forged request so costs what a refused query costs, and no place among the requests that wait.

use std::collections::HashMap;

use nw_wire::{Ede, Name, Opcode, Rcode, RrType};

use crate::context::Context;
use crate::opcode::Handler;
use crate::plan::{ClientRule, Plan, ZonePlan};
use crate::response::Response;
use crate::verdict::Verdict;

/// The rules of each zone.
pub(crate) struct Update(HashMap<Name, Rules>);

struct Rules {
    rules: Vec<ClientRule>,
    /// Whether the zone is a copy of another server's.
    is_copy: bool,
}

impl Update {
    /// The handler, if a zone of *plan* takes updates, or is a copy.
    pub(crate) fn of(plan: &Plan) -> Option<Update> {
        let concerned = |zone: &&ZonePlan| !zone.update.is_empty() || zone.notify.is_some();
        let rules = plan.zones.iter().filter(concerned).map(|zone| {
            (zone.name.clone(), Rules { rules: zone.update.clone(), is_copy: zone.notify.is_some() })
        });
        let rules: HashMap<_, _> = rules.collect();
        (!rules.is_empty()).then_some(Update(rules))
    }
}

impl Handler for Update {
    fn opcode(&self) -> Opcode {
        Opcode::UPDATE
    }

    fn handle(&self, context: &Context<'_>, _: &mut Response<'_, '_>) -> Verdict {
        let name = context.query.qname;
        let zone = context.snapshot().find_zone(context.view(), name, RrType::SOA);
        if zone.is_none_or(|zone| zone.apex() != name) {
            let text = format!("{name} is no zone of this server");
            return Verdict::refuse(Rcode::NOTAUTH, Ede::NOT_AUTHORITATIVE, text);
        }
        let (client, key) = (context.client_ip(), context.key());
        let text = match self.0.get(&name.to_name()) {
            Some(zone) if zone.rules.iter().any(|rule| rule.admits(client, key)) => return Verdict::Control,
            Some(zone) if zone.is_copy && zone.rules.is_empty() => {
                format!("{name} is a copy of another server's zone: send updates to its primary")
            }
            Some(zone) if zone.is_copy => {
                format!("`forward_updates` of {name} does not permit the key and the address {client}")
            }
            _ => format!("no [[update]] of {name} permits the key and the address {client}"),
        };
        Verdict::refuse(Rcode::REFUSED, Ede::PROHIBITED, text)
    }
}
