//! What is cached of a scrubbed reply.

use std::sync::Arc;

use nw_cache::{
    Cached, Delegation, DelegationSource, HitQuestion, Lookup, Origin, Rank, State, Trust, WholeAnswer,
};
use nw_wire::code::{Rcode, RrType};
use nw_wire::header::Flags;
use nw_wire::message::Section;
use nw_wire::name::NameRef;
use nw_wire::rrset::Rrset;
use nw_wire::writer::Writer;

use crate::classify::{Absence, Finding, Reply};
use crate::minimise::Shortened;
use crate::resolution::{ClientQuestion, Resolution};
use crate::scrub::{Chain, Referral};
use crate::select::ServerList;
use crate::signed::{Signed, flatten};
use crate::task::{Core, Task};
use crate::validator::Explained;
use crate::world::{Micros, SECOND, World};

/// The longest answer behind an alias that is kept as a whole, octets.
const LONGEST_WHOLE: usize = 4096;
/// The longest answer to ANY that is kept, octets: any that fits a message. Each costs its server as much as it costs the
/// resolver, and a client that asks again gets it from the cache.
const LONGEST_ANY: usize = u16::MAX as usize;

impl<W: World> Task<'_, W> {
    /// Keep what *reply*, a final one about *rtype*, says, and return it.
    pub(crate) fn learn(&self, reply: Reply, rtype: RrType, origin: Origin, now: Micros) -> Finding {
        match reply {
            Reply::Answer(mut chain) => {
                // The RRsets that answer ANY are kept as a whole only, see [`Core::keep_whole`]: there may be many.
                if rtype != RrType::ANY {
                    self.keep_chain(&chain, origin, now);
                }
                let proof = std::mem::take(&mut chain.proof);
                Finding::Data { sets: chain.into_sets(), proof }
            }
            Reply::Alias(mut chain, target) => {
                self.keep_chain(&chain, origin, now);
                let proof = std::mem::take(&mut chain.proof);
                Finding::Alias { sets: chain.into_sets(), target, proof }
            }
            Reply::Absence(chain, absence) => {
                self.keep_chain(&chain, origin, now);
                self.keep_absence(&absence, rtype, chain.insecure.as_deref(), origin, now);
                let Absence { nxdomain, soa, proof, .. } = absence;
                let authority = soa.into_iter().chain(proof).collect();
                Finding::Absence { sets: chain.into_sets(), nxdomain, authority }
            }
            Reply::TooLong(chain) => {
                self.keep_chain(&chain, origin, now);
                Finding::TooLong { sets: chain.into_sets() }
            }
            Reply::Unauthoritative(reply) => self.learn(*reply, rtype, origin, now),
            Reply::Referral(_) | Reply::Lame(_) | Reply::Failed(_) | Reply::Unusable(_) => {
                unreachable!("the caller asks on after these")
            }
        }
    }

    /// Cache the aliases and the data of an answer. A synthesised CNAME is made again when it is needed. An RRset that a wildcard
    /// made is cached with its proof as a whole answer, see [`Core::keep_whole`].
    pub(crate) fn keep_chain(&self, chain: &Chain, origin: Origin, now: Micros) {
        let proved = |signed: &&Signed| !chain.proof.is_empty() && signed.is_expansion();
        let kept = chain.links.iter().chain(&chain.data).filter(|signed| !signed.synthesised);
        if origin.state == State::Secure && !chain.proof.is_empty() {
            self.keep_denials(None, &chain.proof, now);
            kept.clone().filter(proved).for_each(|signed| self.keep_wildcard(signed, origin, now));
        }
        for signed in kept.filter(|signed| !proved(signed)) {
            // In an insecure answer there may be secure RRsets.
            let state = match origin.state {
                State::Insecure | State::Indeterminate => signed.state.unwrap_or(origin.state),
                state => state,
            };
            let origin = Origin { state, ..origin };
            self.core.cache.put_rrset(&signed.rrset, signed.signatures.as_ref(), origin, now);
            let Rrset { owner, rtype, .. } = &signed.rrset;
            self.keep_reason(chain.insecure.as_deref(), owner.as_ref(), Some(*rtype), origin, now);
        }
    }

    /// Keep with what is cached of *name* why it is insecure, if it is for the reason *why*.
    fn keep_reason(
        &self,
        why: Option<&Explained>,
        name: NameRef<'_>,
        rtype: Option<RrType>,
        origin: Origin,
        now: Micros,
    ) {
        if let Some(why) = why
            && origin.state == State::Insecure
            && name.is_at_or_below(why.zone.as_ref())
        {
            self.core.cache.explain(name, rtype, origin.view, (why.ede, &why.text), now);
        }
    }

    /// Keep an absence for as long as its SOA says, or for as long as a failure without one. A proof without SOA is not kept: how
    /// long it holds is not known (RFC 2308 §5), and without it, clients cannot validate the absence. *why* it is insecure is kept
    /// with it.
    pub(crate) fn keep_absence(
        &self,
        absence: &Absence,
        rtype: RrType,
        why: Option<&Explained>,
        origin: Origin,
        now: Micros,
    ) {
        // Nothing is more credible than the absence of data in an answer. Its own state counts, not that of aliases before it.
        let state = match origin.state {
            State::Insecure | State::Indeterminate => absence.state.unwrap_or(origin.state),
            state => state,
        };
        if state == State::Secure {
            self.keep_denials(absence.soa.as_ref(), &absence.proof, now);
        }
        let origin = Origin { rank: Rank::Authoritative, state, ..origin };
        let rtype = (!absence.nxdomain).then_some(rtype);
        if let Some(soa) = &absence.soa {
            let proof: Vec<Rrset> =
                soa.signatures.iter().cloned().chain(flatten(absence.proof.iter().cloned())).collect();
            self.core.cache.put_absence(absence.name.as_ref(), rtype, &soa.rrset, &proof, origin, now);
        } else if absence.proof.is_empty() {
            let budget = &self.core.config.budget;
            let life = budget.failure_ttl.min(budget.max_negative_ttl);
            self.core.cache.put_bare_absence(absence.name.as_ref(), rtype, life, origin, now);
        }
        self.keep_reason(why, absence.name.as_ref(), rtype, origin, now);
    }

    /// Cache a delegation until it or one above it expires.
    pub(crate) fn keep_cut(
        &self,
        referral: Referral,
        trust: Option<Trust>,
        from: &ServerList,
        now: Micros,
    ) -> Arc<Delegation> {
        let expires = (now + referral.ttl as Micros * SECOND).min(from.expires);
        let cut = Arc::new(Delegation {
            zone: referral.child,
            servers: referral.servers,
            source: DelegationSource::Ns,
            trust: trust.unwrap_or(Trust::Unknown { evidence: referral.evidence }),
            stored: now,
            expires,
            above: from.cut.clone(),
        });
        if expires > now {
            self.core.cache.put_cut(Arc::clone(&cut), now);
        }
        cut
    }

    /// What the cache shows of *name* to a lookup that would ask for *rtype* there to find a zone cut.
    pub(crate) fn known_of(&self, name: NameRef<'_>, rtype: RrType) -> Shortened {
        match self.core.cache.get_as(&self.reader(), name, rtype, self.core.world.now()) {
            Lookup::Hit { found: Cached::Rrset(_) | Cached::Alias(_) | Cached::NoData(_), .. } => {
                Shortened::NoCut
            }
            Lookup::Hit { found: Cached::NxDomain(_), .. } => Shortened::Denied,
            _ => Shortened::Unknown,
        }
    }
}

impl<W: World> Core<W> {
    /// Keep the whole of an answer that begins with an alias, so that the next client needs one look into the cache only, of
    /// an answer to ANY, or of an answer that came with a proof (*proved*). Other answers are one entry already.
    pub(crate) fn keep_whole(
        &self,
        question: &ClientQuestion,
        resolution: &Resolution,
        proved: bool,
        state: State,
    ) {
        let aliased = resolution.answer.first().is_some_and(|set| {
            matches!(set.rtype, RrType::CNAME | RrType::DNAME) && set.rtype != question.rtype
        });
        let kept = matches!(resolution.rcode, Rcode::NOERROR | Rcode::NXDOMAIN);
        let any = question.rtype == RrType::ANY && !resolution.answer.is_empty();
        if !(aliased || proved || any) || !kept {
            return;
        }
        // A denial without SOA is not kept (RFC 2308 §5).
        let last = resolution.answer.iter().rev().map(|set| set.rtype).find(|rtype| *rtype != RrType::RRSIG);
        let data = any || last.is_some_and(|last| last == question.rtype);
        let has_soa = resolution.authority.iter().any(|set| set.rtype == RrType::SOA);
        if !has_soa && (!data || resolution.rcode == Rcode::NXDOMAIN) {
            return;
        }
        let most = if any { LONGEST_ANY } else { LONGEST_WHOLE };
        let mut buf = vec![0; most];
        let mut writer = Writer::new(&mut buf, most, 0, Flags::default());
        let name = question.name.as_ref();
        writer.question(name, question.rtype, question.class).expect("a question fits");
        let start = writer.question_end();
        let mut ttl_offsets = Vec::new();
        let answer = resolution.answer.iter().map(|set| (Section::Answer, set));
        let authority = resolution.authority.iter().map(|set| (Section::Authority, set));
        let written = answer.chain(authority).try_for_each(|(section, set)| {
            writer.rrset_noting(section, set, |at| ttl_offsets.push(at - start))
        });
        if written.is_err() {
            return;
        }
        let [_, answer, authority, _] = writer.counts();
        let length = writer.finish();
        let sets = resolution.answer.iter().chain(&resolution.authority);
        let whole = WholeAnswer {
            rcode: resolution.rcode,
            counts: (answer, authority),
            body: &buf[start..length],
            ttl_offsets: &ttl_offsets,
            life_s: sets.map(|set| set.ttl).min().unwrap_or(0),
            origin: Origin { state, view: question.view, ..Rank::NonAuthoritative.into() },
            explained: resolution.ede.first().map(|(ede, text)| (*ede, text.as_str())),
        };
        let (rtype, class) = (question.rtype, question.class);
        let (dnssec_ok, checking_disabled) = (question.dnssec_ok, question.checking_disabled);
        let question = HitQuestion { name, rtype, class, dnssec_ok, checking_disabled };
        self.cache.put_chain(&question, &whole, self.world.now());
    }
}
