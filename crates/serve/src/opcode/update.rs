//! UPDATE (RFC 2136): who may send one for a zone at all. The control plane decides the rest.
//!
//! | request | response |
//! |---|---|
//! | for a zone that is not served to the client | NOTAUTH (§3.1.2) |
//! | without a rule of the zone that matches the key and the address | REFUSED (§3.3) |
//! | any other | the control plane makes it |
//!
//! A forged request so costs what a refused query costs, and no place among the requests that wait.

use std::collections::HashMap;

use nw_wire::{Ede, Name, Opcode, Rcode, RrType};

use crate::context::Context;
use crate::opcode::Handler;
use crate::plan::{Plan, UpdatePlan};
use crate::response::Response;
use crate::verdict::Verdict;

/// The rules of each zone.
pub(crate) struct Update(HashMap<Name, Vec<UpdatePlan>>);

impl Update {
    /// The handler, if a zone of *plan* takes updates.
    pub(crate) fn of(plan: &Plan) -> Option<Update> {
        let rules = plan.zones.iter().filter(|zone| !zone.update.is_empty());
        let rules: HashMap<_, _> = rules.map(|zone| (zone.name.clone(), zone.update.clone())).collect();
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
        let (key, client) = (context.key(), context.client_ip());
        let matches = |rule: &UpdatePlan| {
            rule.key.as_ref().is_none_or(|wanted| key == Some(wanted.as_ref()))
                && rule.clients.as_ref().is_none_or(|clients| clients.allows(client))
        };
        match self.0.get(&name.to_name()) {
            Some(rules) if rules.iter().any(matches) => Verdict::Control,
            _ => {
                let text = format!("no [[update]] of {name} permits the key and the address {client}");
                Verdict::refuse(Rcode::REFUSED, Ede::PROHIBITED, text)
            }
        }
    }
}
