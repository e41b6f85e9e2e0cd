//! Expired data for clients, when nothing newer can be had in time (RFC 8767).
//!
//! ```text
//! the lookup fails ────────────> expired data at once, and for `Stale::recheck_s` without a new attempt
//! it takes `client_timeout` ───> expired data, while the lookup goes on and its result replaces the data
//! it finds bogus data ─────────> SERVFAIL: an attacker who can forge replies must not prolong old data
//! ```
//!
//! What was learned last counts: a denial, however old, supersedes the data before it. Delegations are never used after
//! their lifetime, so that a zone that its parent has removed is denied by the parent.
//!
//! RFCs: 8767 §4-§7, 8914 §4.4 and §4.20 (extended errors 3 and 19).

use std::rc::Rc;

use nw_cache::{Cached, HitQuestion, Reader, StaleData, State};
use nw_wire::code::{Class, Ede, Rcode, RrType};
use nw_wire::message::{Message, Section};
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use crate::answer::{Answer, Failure};
use crate::flight::Wait;
use crate::join::until;
use crate::resolution::{ClientQuestion, Resolution};
use crate::signed::{Signed, pair, target_of};
use crate::task::Core;
use crate::trace::{Action, Basis, CacheState, Draft, Layer, Reason, Trace};
use crate::world::{MILLISECOND, World};

/// An answer of which some part has expired.
pub(crate) struct StaleAnswer {
    answer: Answer,
    /// Seconds since the lifetime of its oldest part ended.
    expired_s: u32,
}

impl<W: World> Core<W> {
    /// Wait for the work *wait* on *question*. Err: it takes longer than clients wait. It goes on in the background, and this is
    /// the expired answer. *unknown*: the cache holds nothing about *question*.
    pub(crate) async fn in_time(
        self: &Rc<Self>,
        question: &ClientQuestion,
        unknown: bool,
        trace: &Trace,
        mut wait: Wait<ClientQuestion, Rc<Resolution>>,
    ) -> Result<Rc<Resolution>, Resolution> {
        if unknown || self.stale_for(question).is_none() {
            return Ok(wait.await);
        }
        let timeout = self.config.stale.client_timeout;
        let at = trace.started().saturating_add(timeout);
        if let Some(done) = until(&*self.world, at, &mut wait).await {
            return Ok(done);
        }
        // The work may have found a part of the answer.
        let Some(stale) = self.stale_for(question) else { return Ok(wait.await) };
        self.world.spawn(async move {
            wait.await;
        });
        let reason = Reason::LookupTakesLong { after_ms: timeout / MILLISECOND };
        let answer = self.serve(question, stale, reason.to_string(), Vec::new(), trace);
        Err(self.conclude(question, Ok(answer), 0, trace))
    }

    /// The expired answer to *question*, or *failure* if there is none.
    pub(crate) fn or_stale(
        &self,
        question: &ClientQuestion,
        failure: Failure,
        trace: &Trace,
    ) -> Result<Answer, Failure> {
        if failure.bogus || failure.rcode != Rcode::SERVFAIL {
            return Err(failure);
        }
        match self.stale_for(question) {
            Some(stale) => Ok(self.serve(question, stale, failure.reason.to_string(), failure.ede, trace)),
            None => Err(failure),
        }
    }

    /// Make *stale* the answer to *question*, because of *cause* with the extended errors *ede*.
    fn serve(
        &self,
        question: &ClientQuestion,
        stale: StaleAnswer,
        cause: String,
        ede: Vec<(Ede, String)>,
        trace: &Trace,
    ) -> Answer {
        let StaleAnswer { answer, expired_s } = stale;
        let code = match answer.rcode {
            Rcode::NXDOMAIN => Ede::STALE_NXDOMAIN_ANSWER,
            _ => Ede::STALE_ANSWER,
        };
        let reason = Reason::ServedStale { expired_s, cause };
        let text = reason.to_string();
        let draft = Draft::new(Layer::Cache, Action::Lookup, question.name.clone(), question.rtype, reason);
        let draft = draft.cache(CacheState::Expired, expired_s, 0).basis(Basis::Inferred).ede(code);
        trace.step(self.world.now(), draft);
        Answer { ede: std::iter::once((code, text)).chain(ede).collect(), ..answer }
    }

    fn stale_for(&self, question: &ClientQuestion) -> Option<StaleAnswer> {
        let (checking_disabled, view) = (question.checking_disabled, question.view);
        let reader = Reader { checking_disabled, view, ..Reader::default() };
        self.stale(question.name.as_ref(), question.rtype, &reader, question.dnssec_ok)
    }

    /// The answer to *name* and *rtype* for *reader*, along aliases, of which a part has expired; None without one.
    pub(crate) fn stale(
        &self,
        name: NameRef<'_>,
        rtype: RrType,
        reader: &Reader,
        dnssec_ok: bool,
    ) -> Option<StaleAnswer> {
        let config = self.config.stale;
        if config.max_s == 0 {
            return None;
        }
        let reader = Reader { stale_s: config.max_s, stale_ttl_s: config.ttl_s, ..*reader };
        let (now, mut name) = (self.world.now(), name.to_name());
        let mut answer = Answer {
            rcode: Rcode::NOERROR,
            sets: Vec::new(),
            authority: Vec::new(),
            state: State::Secure,
            ede: Vec::new(),
        };
        let mut expired_s = 0;
        for _ in 0..=self.config.budget.max_aliases {
            let (class, checking_disabled) = (Class::IN, reader.checking_disabled);
            let question = HitQuestion { name: name.as_ref(), rtype, class, dnssec_ok, checking_disabled };
            let found = self.cache.stale(&reader, &question, now)?;
            expired_s = expired_s.max(found.expired_s);
            answer.state = answer.state.min(found.state);
            let next: Option<Name> = match found.found {
                StaleData::Cached(Cached::Rrset(sets)) => {
                    answer.sets.extend(pair(sets));
                    None
                }
                StaleData::Cached(Cached::Alias(sets)) => {
                    let target = sets.first().and_then(target_of).map(|target| target.to_name());
                    answer.sets.extend(pair(sets));
                    target
                }
                StaleData::Cached(Cached::NoData(authority)) => {
                    answer.authority.extend(pair(authority));
                    None
                }
                StaleData::Cached(Cached::NxDomain(authority)) => {
                    answer.rcode = Rcode::NXDOMAIN;
                    answer.authority.extend(pair(authority));
                    None
                }
                StaleData::Cached(Cached::Failure(_)) => return None,
                StaleData::Whole { rcode, message } => {
                    let message = Message::parse(&message).ok()?;
                    answer.rcode = rcode;
                    answer.sets.extend(section(&message, Section::Answer));
                    answer.authority.extend(section(&message, Section::Authority));
                    None
                }
            };
            match next {
                None => return (expired_s > 0).then_some(StaleAnswer { answer, expired_s }),
                Some(next) => name = next,
            }
        }
        None
    }
}

/// The RRsets of a section of *message* with their signatures.
fn section(message: &Message<'_>, section: Section) -> Vec<Signed> {
    let mut sets: Vec<Rrset> = Vec::new();
    let mut rdata = Vec::new();
    for record in message.records(section) {
        let owner = record.owner().to_name();
        rdata.clear();
        record.rdata(&mut rdata);
        match sets.last_mut().filter(|set| set.owner == owner && set.rtype == record.rtype) {
            Some(set) => set.rdatas.push(&rdata),
            None => {
                let mut set = Rrset::new(owner, record.rtype, record.class, record.ttl);
                set.rdatas.push(&rdata);
                sets.push(set);
            }
        }
    }
    pair(sets)
}
