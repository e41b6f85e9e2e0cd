//! The flight recorder: the last queries that failed, were refused or were slow, with every step of their processing.
//!
//! The resolver makes the steps of each lookup in any case. The recorder keeps the notable ones in a bounded ring,
//! and drops the oldest records. So `nw why NAME` explains a failure of some minutes ago without a log.
//!
//! | kept | where |
//! |---|---|
//! | a lookup that failed, took long, or met a server that gave no usable reply | the ring of lookups |
//! | a refusal, a failure without a lookup or of this server itself, or a response that a list, local data or the protection from rebinding keeps back or changes | the ring of refusals, an eighth of the size |
//! | a few of the responses that the rate limit keeps back (`nw_policy::rrl`) | the same |
//! | an answer for which the client wanted a receipt (`receipt.rs`) | the ring of receipts, an eighth of the size |
//!
//! Other answers from a zone or the cache never touch a ring. A flood of refusals does not cause waiting: a refusal is
//! not kept if another worker is writing to that ring.
//!
//! **When full**, by number or by octets: the oldest records are dropped and [`Recorder::dropped`] counts them.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nw_resolve::trace::{AccessList, Action, Draft, Graft, Layer, Reason};
use nw_resolve::{Micros, Resolution, Steps, Trace};
use nw_wire::hash::Keyed;
use nw_wire::{Ede, Message, Name, NameRef, Rcode, RrType, Rrset};

use crate::context::Context;
use crate::explanation;
use crate::plan::RecorderPlan;
use crate::response::Response;
use crate::sections::Sections;
use crate::verdict::{Pending, Transport};

/// One question and its processing.
#[derive(Clone, Debug)]
pub struct FlightRecord {
    /// Counts up from 1 for as long as the server runs.
    pub id: u64,
    /// Seconds since 1970 when it was answered.
    pub unix_s: u64,
    /// The client; None for the server's own questions.
    pub client: Option<(SocketAddr, Transport)>,
    /// The name, in the client's case.
    pub name: Name,
    /// The type.
    pub rtype: RrType,
    /// The outcome.
    pub rcode: Rcode,
    /// Extended errors, the most specific first.
    pub ede: Vec<(Ede, String)>,
    /// The RRsets of the answer.
    pub answer: Vec<Rrset>,
    /// The steps.
    pub steps: Steps,
    /// The elapsed time, microseconds.
    pub took: Micros,
}

impl FlightRecord {
    /// The record of *resolution*.
    pub(crate) fn of(
        id: u64,
        unix_s: u64,
        client: Option<(SocketAddr, Transport)>,
        name: Name,
        rtype: RrType,
        resolution: &Resolution,
    ) -> FlightRecord {
        FlightRecord {
            id,
            unix_s,
            client,
            name,
            rtype,
            rcode: resolution.rcode,
            ede: resolution.ede.clone(),
            answer: resolution.answer.clone(),
            steps: resolution.steps.clone(),
            took: resolution.took,
        }
    }

    /// Approximate octets of memory, without the steps.
    fn octets(&self) -> usize {
        let texts: usize = self.ede.iter().map(|(_, text)| text.len() + 32).sum();
        let answer: usize = self.answer.iter().map(rrset_octets).sum();
        std::mem::size_of::<FlightRecord>() + self.name.as_ref().wire().len() + texts + answer
    }
}

/// Approximate octets of memory of an RRset.
fn rrset_octets(set: &Rrset) -> usize {
    std::mem::size_of::<Rrset>() + set.owner.as_ref().wire().len() + set.rdatas.octets()
}

/// The rings, shared by all workers.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Maximum number of lookups. Written while their ring is locked, as `slow` is.
    entries: AtomicUsize,
    slow: AtomicU64,
    last_id: AtomicU64,
    lookups: Mutex<Ring>,
    refusals: Mutex<Ring>,
    receipts: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    most: usize,
    most_octets: usize,
    octets: usize,
    dropped: u64,
    records: VecDeque<Arc<FlightRecord>>,
    /// How many of the records share each list of steps, by its address. A list counts once.
    lists: HashMap<usize, u32, Keyed>,
}

impl Recorder {
    /// An empty recorder.
    pub fn new(plan: RecorderPlan) -> Recorder {
        let recorder = Recorder::default();
        recorder.set(plan);
        recorder
    }

    /// Apply the limits of *plan*. Excess records are dropped, the oldest first.
    pub fn set(&self, plan: RecorderPlan) {
        let (entries, octets) = (plan.entries as usize, plan.bytes as usize);
        self.entries.store(entries, Ordering::Relaxed);
        self.slow.store(Micros::from(plan.slow_ms) * nw_resolve::MILLISECOND, Ordering::Relaxed);
        let over = [
            lock(&self.lookups).resize(entries, octets - 2 * (octets / 8)),
            lock(&self.refusals).resize(entries.div_ceil(8), octets / 8),
            lock(&self.receipts).resize(entries.div_ceil(8), octets / 8),
        ];
        drop(over);
    }

    /// Keep a question of the server itself if its lookup failed, was slow, or met a server that failed. Returns its id if it was kept.
    pub fn note(&self, name: &Name, rtype: RrType, resolution: &Resolution, unix_s: u64) -> Option<u64> {
        if self.entries() == 0 || !self.is_notable(resolution) {
            return None;
        }
        let id = self.next_id();
        self.end(Box::new(FlightRecord::of(id, unix_s, None, name.clone(), rtype, resolution)), None);
        Some(id)
    }

    /// Begin the record of the answer that *pending* waits for, whose lookups have *found* this: they may be two, or follow others. It is
    /// about the query of the client, whatever names and types were looked up. None: the answer is not kept, or has a receipt, which is
    /// a record of its own. `late`: it is not sent, and kept in any case ([`Recorder::end_too_late`]).
    pub fn begin(
        &self,
        pending: &Pending,
        found: &[Resolution],
        unix_s: u64,
        late: bool,
    ) -> Option<Box<FlightRecord>> {
        let all = || pending.earlier.iter().chain(found);
        let kept = late || all().any(|one| self.is_notable(one));
        if pending.receipt.is_some() || self.entries() == 0 || !kept {
            return None;
        }
        // Of two lookups, the client depends on the second one: DNS64 makes its answer of the A records.
        let (query, last) = (pending.query(), found.last()?);
        let (client, name) = (Some((pending.client, pending.transport)), query.qname.to_name());
        let mut record = FlightRecord::of(self.next_id(), unix_s, client, name, query.qtype, last);
        if all().nth(1).is_some() {
            let mut steps = Vec::new();
            for one in &pending.earlier {
                explanation::add_lookups(&mut steps, pending.received, std::slice::from_ref(one));
            }
            explanation::add_lookups(&mut steps, pending.received, found);
            record.took = explanation::end(&steps);
            record.steps = steps.into();
            record.ede = all().find(|one| !one.ede.is_empty()).map_or_else(Vec::new, |one| one.ede.clone());
        }
        Some(Box::new(record))
    }

    /// Keep *record* of an answer that was sent as *response*. None: it was not sent.
    pub fn end(&self, mut record: Box<FlightRecord>, response: Option<&[u8]>) {
        let message = response.and_then(|wire| Message::parse(wire).ok());
        // What a filter refuses has a record of its own, with the reason.
        if let Some(message) = message.filter(|message| message.rcode() != Rcode::REFUSED) {
            (record.rcode, record.answer) = (message.rcode(), Sections::of_message(&message).answer);
        }
        // Workers wait for each other only while the record is inserted. It is made before, and the dropped records
        // are freed after.
        let over = lock(&self.lookups).push(Arc::from(record));
        drop(over);
    }

    /// Keep *record* of an answer that came too late to be sent.
    pub fn end_too_late(&self, mut record: Box<FlightRecord>) {
        let mut steps: Vec<_> = record.steps.iter().map(Cow::into_owned).collect();
        let trace = Trace::start(0, 1);
        let after_ms = record.took / nw_resolve::MILLISECOND;
        let draft = Draft::new(
            Layer::Filter,
            Action::Lookup,
            record.name.clone(),
            record.rtype,
            Reason::TooLate { after_ms },
        );
        trace.step(record.took, draft);
        Graft::append(&mut steps, trace.steps().into_iter().map(Cow::Owned));
        record.steps = steps.into();
        self.end(record, None);
    }

    /// Whether *resolution* failed, was slow, or met a server that failed.
    fn is_notable(&self, resolution: &Resolution) -> bool {
        !matches!(resolution.rcode, Rcode::NOERROR | Rcode::NXDOMAIN)
            || resolution.took >= self.slow.load(Ordering::Relaxed)
            || resolution.steps.iter().any(|step| step.reason.is_server_failure())
    }

    /// The number of a record that [`Recorder::keep_receipt`] will add. None: the recorder is disabled.
    pub(crate) fn reserve(&self) -> Option<u64> {
        (self.entries() > 0).then(|| self.next_id())
    }

    /// Keep the record of an answer whose client gets its number.
    #[cold]
    pub(crate) fn keep_receipt(&self, record: FlightRecord) {
        let over = lock(&self.receipts).push(Arc::new(record));
        drop(over);
    }

    /// Keep a query that was refused, failed immediately, or gets no response. `because`: what decided so, if that is known. `sent`:
    /// whether there is a response.
    #[cold]
    pub(crate) fn note_refusal(
        &self,
        context: &Context<'_>,
        response: &Response<'_, '_>,
        ede: Vec<(Ede, String)>,
        because: Option<&Reason>,
        sent: bool,
    ) {
        let rcode = response.rcode;
        let Some(mut ring) = self.refusals.try_lock().ok().filter(|ring| ring.most > 0) else { return };
        let query = context.query;
        let name = query.qname.to_name();
        let now = context.environment.now;
        let trace = Trace::start(now, 3);
        let step = |(layer, reason)| {
            trace.step(now, Draft::new(layer, Action::Lookup, name.clone(), query.qtype, reason));
        };
        if let Some(view) = context.view() {
            step((Layer::View, Reason::InView { name: view.view.name.clone() }));
        }
        if let Some(because) = because {
            let layer = match because {
                Reason::ZoneUnavailable { .. } | Reason::LocalData { .. } => Layer::Zone,
                Reason::CacheOnly | Reason::CachedFailure { .. } => Layer::Cache,
                Reason::ClientRefused { list: AccessList::Views } => Layer::View,
                Reason::ClientRefused { .. }
                | Reason::NotServed { .. }
                | Reason::SignatureRefused(_)
                | Reason::TunnelSuspected { .. } => Layer::Admission,
                _ => Layer::Filter,
            };
            step((layer, because.clone()));
        } else if rcode == Rcode::BADVERS
            && let Some(edns) = query.edns
        {
            step((Layer::Admission, Reason::EdnsVersion { version: edns.version }));
        }
        if !sent {
            step((Layer::Filter, Reason::NoResponse));
        }
        // What is left of an answer, or what takes its place.
        let limited = |because: &Reason| {
            matches!(because, Reason::ResponseLimited(_) | Reason::AmplificationLimited(_))
        };
        let answer = sent && because.is_some_and(|because| !limited(because));
        let answer = answer.then(|| response.sections()).flatten().unwrap_or_default().answer;
        let over = ring.push(Arc::new(FlightRecord {
            id: self.next_id(),
            unix_s: context.unix_s(),
            client: Some((context.client, context.transport)),
            name,
            rtype: query.qtype,
            rcode,
            ede,
            answer,
            steps: trace.steps().into(),
            took: 0,
        }));
        drop(ring);
        drop(over);
    }

    /// Keep that *pending* gets SERVFAIL with *errors* at *now*, because its lookup was not begun or did not end.
    #[cold]
    pub(crate) fn note_failure(&self, pending: &Pending, errors: &[(Ede, String)], now: Micros, unix_s: u64) {
        let Some(mut ring) = self.refusals.try_lock().ok().filter(|ring| ring.most > 0) else { return };
        let (query, failed) = (pending.query(), Resolution::empty(Rcode::SERVFAIL));
        let found = Resolution { ede: errors.to_vec(), took: now.saturating_sub(pending.received), ..failed };
        let (client, name) = (Some((pending.client, pending.transport)), query.qname.to_name());
        let record = FlightRecord::of(self.next_id(), unix_s, client, name, query.qtype, &found);
        let over = ring.push(Arc::new(record));
        drop(ring);
        drop(over);
    }

    /// The records about *name*, newest first, at most *most*.
    pub fn by_name(&self, name: NameRef<'_>, most: usize) -> Vec<Arc<FlightRecord>> {
        self.select(|record| record.name.as_ref() == name, most)
    }

    /// The record with this *id*, if it is still kept.
    pub fn by_id(&self, id: u64) -> Option<Arc<FlightRecord>> {
        self.select(|record| record.id == id, 1).pop()
    }

    /// The newest records, at most *most*.
    pub fn latest(&self, most: usize) -> Vec<Arc<FlightRecord>> {
        self.select(|_| true, most)
    }

    /// The number of records dropped for lack of space.
    pub fn dropped(&self) -> u64 {
        self.rings().map(|ring| lock(ring).dropped).iter().sum()
    }

    /// Approximate octets of memory of the records.
    pub fn octets(&self) -> usize {
        self.rings().map(|ring| lock(ring).octets).iter().sum()
    }

    fn rings(&self) -> [&Mutex<Ring>; 3] {
        [&self.lookups, &self.refusals, &self.receipts]
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    fn select(&self, wanted: impl Fn(&FlightRecord) -> bool, most: usize) -> Vec<Arc<FlightRecord>> {
        let of = |ring: &Mutex<Ring>| -> Vec<Arc<FlightRecord>> {
            let ring = lock(ring);
            ring.records.iter().rev().filter(|record| wanted(record)).take(most).cloned().collect()
        };
        let mut found: Vec<_> = self.rings().into_iter().flat_map(of).collect();
        found.sort_by_key(|record| std::cmp::Reverse(record.id));
        found.truncate(most);
        found
    }
}

/// A panic elsewhere cannot leave a ring half changed, because no operation on it panics.
fn lock(ring: &Mutex<Ring>) -> std::sync::MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ring {
    fn resize(&mut self, most: usize, most_octets: usize) -> Vec<Arc<FlightRecord>> {
        (self.most, self.most_octets) = (most, most_octets);
        self.shrink()
    }

    fn push(&mut self, record: Arc<FlightRecord>) -> Vec<Arc<FlightRecord>> {
        self.octets += record.octets();
        for (list, octets) in record.steps.lists() {
            let sharing = self.lists.entry(list).or_default();
            *sharing += 1;
            self.octets += if *sharing == 1 { octets } else { 0 };
        }
        self.records.push_back(record);
        self.shrink()
    }

    /// Remove the excess records, the oldest first.
    fn shrink(&mut self) -> Vec<Arc<FlightRecord>> {
        let mut over = Vec::new();
        while self.records.len() > self.most || self.octets > self.most_octets {
            let Some(record) = self.records.pop_front() else { break };
            self.octets -= record.octets();
            for (list, octets) in record.steps.lists() {
                if let Entry::Occupied(mut sharing) = self.lists.entry(list) {
                    *sharing.get_mut() -= 1;
                    if *sharing.get() == 0 {
                        sharing.remove();
                        self.octets -= octets;
                    }
                }
            }
            over.push(record);
        }
        self.dropped += over.len() as u64;
        over
    }
}

#[cfg(test)]
mod tests;
