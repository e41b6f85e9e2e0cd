//! AXFR and IXFR: the transfer of a zone to a secondary.
//!
//! | query | response |
//! |---|---|
//! | a name that is not the apex of a zone here, or a class other than IN | NOTAUTH with EDE 20 (RFC 5936 §2.2.1) |
//! | from a client that the zone's `transfer` does not admit | REFUSED with EDE 18 |
//! | a zone without usable data | SERVFAIL with EDE 14 or 24 |
//! | IXFR without the client's SOA; AXFR over UDP (RFC 5936 §4.2) | FORMERR |
//! | too many transfers in progress | SERVFAIL with the limit in the text: secondaries try again |
//! | AXFR | the zone between two SOAs |
//! | IXFR | one SOA, the differences, or the zone, see [`Outgoing::since`] (RFC 1995 §2 and §4) |
//! | IXFR over UDP | the same in one datagram, else the SOA alone, which sends the client to TCP (RFC 1995 §2) |
//!
//! A transfer over a stream is made message by message as the client reads, and each message is signed if the query was. Filters,
//! lists and the rate limit do not act on it: what is sent is the zone.
//!
//! **Limits.** A transfer in progress keeps its version of the zone. [`TransfersPlan`](crate::plan::TransfersPlan) bounds
//! their number. The TCP limits end those of clients that stop reading or take longer than twice `max_lifetime_ms`.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nw_policy::Prefix;
use nw_resolve::trace::{AccessList, Layer, Reason, TransferStep};
use nw_wire::{Class, Ede, Message, Name, NameRef, Rcode, RrType, Section};
use nw_zone::{Contents, Outgoing, Zone, ZoneEntry};

use crate::context::Context;
use crate::plan::{ClientRule, TransfersPlan};
use crate::response::{Response, ResponseKind};
use crate::route;
use crate::verdict::{Causes, Messages, Refusal, Stream, Transport, Verdict};

/// Answer a query for a transfer.
#[cold]
pub(crate) fn answer(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    let query = context.query;
    let entry = context.snapshot().find_zone(context.view(), query.qname, query.qtype);
    let Some(entry) = entry.filter(|entry| query.qclass == Class::IN && entry.apex() == query.qname) else {
        return refuse(context, Rcode::NOTAUTH, Ede::NOT_AUTHORITATIVE, TransferStep::NotApex);
    };
    let apex = entry.apex();
    if !is_admitted(context, apex) {
        let reason = Reason::ClientRefused { list: AccessList::Transfer(apex.to_name()) };
        return refuse_because(context, Rcode::REFUSED, Ede::PROHIBITED, reason);
    }
    let zone = match entry {
        ZoneEntry::Loaded(zone) => zone,
        ZoneEntry::Unavailable(zone) => return route::fail(context, zone),
    };
    if query.qtype == RrType::IXFR {
        return match serial(context) {
            Some(since) => send(context, Outgoing::since(zone.clone(), since), Some(since), response),
            None => refuse(context, Rcode::FORMERR, Ede::OTHER, TransferStep::NoSerial),
        };
    }
    if context.transport == Transport::Udp {
        return refuse(context, Rcode::FORMERR, Ede::NOT_SUPPORTED, TransferStep::NeedsStream);
    }
    send(context, Outgoing::zone(zone.clone()), None, response)
}

/// Whether the client may transfer the zone *apex*.
fn is_admitted(context: &Context<'_>, apex: NameRef<'_>) -> bool {
    let (client, key) = (context.client_ip(), context.key());
    context.snapshot().transfer_clients(apex).iter().any(|rule| rule.admits(client, key))
}

/// The serial of the client's version, in the SOA that its query for IXFR has (RFC 1995 §3).
fn serial(context: &Context<'_>) -> Option<u32> {
    let message = Message::parse(context.query.packet).ok()?;
    let soa = message.records(Section::Authority).next()?;
    if soa.rtype != RrType::SOA || soa.owner().as_ref() != context.query.qname {
        return None;
    }
    let mut rdata = Vec::new();
    soa.rdata(&mut rdata);
    let fields = rdata.len().checked_sub(20)?;
    rdata[fields..].first_chunk().map(|octets| u32::from_be_bytes(*octets))
}

/// Send *outgoing* to a client that has the version *since*, if it has one.
fn send(
    context: &Context<'_>,
    mut outgoing: Outgoing,
    since: Option<u32>,
    response: &mut Response<'_, '_>,
) -> Verdict {
    let serial = outgoing.of().serial();
    let step = match (outgoing.contents(), since) {
        (Contents::Current, Some(since)) => TransferStep::Current { since, serial },
        (Contents::Differences(count), Some(since)) => TransferStep::Differences { count, since, serial },
        (_, since) => TransferStep::Zone { serial, since },
    };
    let apex = outgoing.of().apex();
    let expire_s =
        context.wants_expire().then(|| context.snapshot().expire_s(outgoing.of(), context.unix_s()));
    let expire_s = expire_s.flatten();
    if context.transport != Transport::Udp {
        match Transfers::begin(context, apex) {
            Ok(place) => {
                context.step_in(Some(apex), || (Layer::Zone, Reason::Transfer(step)));
                return Verdict::Stream(Box::new(Stream::new(Box::new(Sending {
                    outgoing,
                    expire_s,
                    _place: place,
                }))));
            }
            Err((limit, most)) => {
                let reason = Reason::Transfer(TransferStep::Busy { limit, most });
                context.step_in(Some(apex), || (Layer::Zone, reason.clone()));
                let cause = (Ede::OTHER, reason.to_string());
                return Verdict::Fail(Box::new(Causes(vec![cause], Some(reason))));
            }
        }
    }
    (response.aa, response.kind, response.expire_s) = (true, ResponseKind::Transfer, expire_s);
    let whole = outgoing.write(response.out).is_ok() && outgoing.is_complete();
    let step = if whole { step } else { TransferStep::TooLarge { serial } };
    context.step_in(Some(outgoing.of().apex()), || (Layer::Zone, Reason::Transfer(step)));
    if !whole {
        response.out.clear();
        response.truncated = outgoing.write_soa(response.out).is_err();
    }
    Verdict::Answer
}

fn refuse(context: &Context<'_>, rcode: Rcode, ede: Ede, step: TransferStep) -> Verdict {
    refuse_because(context, rcode, ede, Reason::Transfer(step))
}

/// Refuse the query. The client learns the reason, and the flight recorder keeps it.
fn refuse_because(context: &Context<'_>, rcode: Rcode, ede: Ede, reason: Reason) -> Verdict {
    context.step(|| (Layer::Admission, reason.clone()));
    let causes = Causes(vec![(ede, reason.to_string())], Some(reason));
    Verdict::Refuse(Box::new(Refusal { rcode, causes }))
}

/// The messages of a transfer.
struct Sending {
    outgoing: Outgoing,
    /// What the first message says (RFC 7314).
    expire_s: Option<u32>,
    _place: Place,
}

impl Messages for Sending {
    fn next(&mut self, response: &mut Response<'_, '_>) -> bool {
        response.expire_s = self.expire_s.take();
        // A record that fits in no message ends the transfer before its last SOA, so that no client takes it for whole.
        self.outgoing.write(response.out).unwrap_or(false)
    }

    fn is_complete(&self) -> bool {
        self.outgoing.is_complete()
    }
}

/// The transfers in progress. They outlive the snapshot that they began with.
#[derive(Debug, Default)]
pub(crate) struct Transfers(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    zones: HashMap<Name, u32>,
    clients: HashMap<Prefix, u32>,
}

/// The place of one transfer in the counts, given back when dropped.
struct Place {
    transfers: Arc<Transfers>,
    zone: Name,
    client: Prefix,
}

impl Transfers {
    /// Count one more transfer of the zone *apex*, or return the limit that forbids it.
    fn begin(context: &Context<'_>, apex: NameRef<'_>) -> Result<Place, (&'static str, u32)> {
        let snapshot = context.snapshot();
        let transfers = Arc::clone(snapshot.transfers());
        let (zone, client) = (apex.to_name(), prefix(context.client_ip()));
        transfers.counts().take(&zone, client, &snapshot.plan().transfers)?;
        Ok(Place { transfers, zone, client })
    }

    /// The counts. No code panics while it changes them.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn take(&mut self, zone: &Name, client: Prefix, plan: &TransfersPlan) -> Result<(), (&'static str, u32)> {
        let count = |found: Option<&u32>| found.copied().unwrap_or(0);
        for (limit, most, taken) in [
            ("most", plan.most, self.all),
            ("most_per_zone", plan.most_per_zone, count(self.zones.get(zone))),
            ("most_per_client", plan.most_per_client, count(self.clients.get(&client))),
        ] {
            if taken >= most {
                return Err((limit, most));
            }
        }
        self.all += 1;
        *self.zones.entry(zone.clone()).or_default() += 1;
        *self.clients.entry(client).or_default() += 1;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.transfers.counts();
        counts.all = counts.all.saturating_sub(1);
        one_less(&mut counts.zones, &self.zone);
        one_less(&mut counts.clients, &self.client);
    }
}

/// Count one less under *key*. Keys without a count are removed.
fn one_less<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// The least block of addresses that one client has: an IPv4 address, an IPv6 /64 (RFC 6177).
fn prefix(client: IpAddr) -> Prefix {
    match client {
        IpAddr::V4(_) => Prefix::host(client),
        IpAddr::V6(_) => Prefix::covering(client, 64).unwrap_or_else(|_| Prefix::host(client)),
    }
}

/// What the history of *zone* becomes when it follows *former*, by *differences*. Only zones that clients may transfer have one.
pub(crate) fn with_history(
    zone: Zone,
    former: Option<&ZoneEntry>,
    differences: Option<&[nw_zone::Difference]>,
    plan: &TransfersPlan,
    clients: &[ClientRule],
) -> Zone {
    let most = usize::try_from(plan.history_bytes).unwrap_or(usize::MAX);
    match differences {
        Some(differences) if !clients.is_empty() => {
            zone.with_history(former.and_then(ZoneEntry::zone), differences, most)
        }
        _ => zone.with_history(None, &[], 0),
    }
}

#[cfg(test)]
mod tests;
