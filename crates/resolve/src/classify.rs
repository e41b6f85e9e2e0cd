//! What a reply means (RFC 1034 §5.3.3 step 4). A pure function of the message, the question and the zone that was asked.
//!
//! ```text
//!   rcode ─ REFUSED, NOTAUTH ───────────────────> lame
//!         ─ YXDOMAIN ── DNAME that overflows ───> too long
//!         ─ other errors ───────────────────────> failed
//!         ─ NXDOMAIN ─┐
//!         ─ NOERROR ──┴ data for the name ──────> answer
//!                       an alias ───────────────> alias
//!                       NXDOMAIN, or SOA ───────> absence
//!                       NS below the zone ──────> referral
//!                       NS of the zone, with AA > absence without SOA
//!                       NS elsewhere ───────────> lame: refers to itself, upward or aside, AA or not (RFC 2308 §2.2)
//!                       NS, malformed ──────────> unusable
//!                       AA ─────────────────────> absence without SOA
//!                       nothing ────────────────> lame
//! ```
//!
//! **Aliases.** AA speaks of the first owner only (RFC 1035 §4.1.1). Data at the end of a chain is taken while the chain stays in
//! the zone that was asked (`scrub.rs`). A denial behind an alias is not: the target may belong to a zone that this server does
//! not know to be delegated, so the target is asked by itself, and nothing about it is kept. A forwarder's denial is taken,
//! since a forwarder speaks of all names below its suffix (RFC 2308 §2.1).
//!
//! **Without authority.** A reply from a server that recurses for others (RA, no AA) is not the zone's word.
//! [`Reply::Unauthoritative`] keeps it for the case that no server of the zone gives a better one: some zones have nothing but a
//! forwarder in front of their servers.

use nw_cache::State;
use nw_wire::code::{Rcode, RrType};
use nw_wire::message::Message;
use nw_wire::name::{Name, NameRef};

use crate::budget::Budget;
use crate::scrub::{Chain, NoReferral, Referral, Scrubber};
use crate::signed::Signed;
use crate::trace::{LameKind, Reason, Unusable};

/// A step towards the answer, whether from the cache or from a server. Every RRset has its signatures with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The data, behind the aliases that lead to it.
    Data {
        /// RRsets in the order in which they are sent.
        sets: Vec<Signed>,
        /// NSEC or NSEC3 that show that a wildcard was right to answer.
        proof: Vec<Signed>,
    },
    /// Aliases that lead elsewhere.
    Alias {
        /// RRsets in the order in which they are sent.
        sets: Vec<Signed>,
        /// The name to go on with.
        target: Name,
        /// NSEC or NSEC3 that show that a wildcard was right to answer.
        proof: Vec<Signed>,
    },
    /// The absence of data or of the name.
    Absence {
        /// Aliases that lead to the name without data.
        sets: Vec<Signed>,
        /// Whether the name does not exist at all.
        nxdomain: bool,
        /// SOA and proof.
        authority: Vec<Signed>,
    },
    /// A DNAME that leads to a name of over 255 octets: YXDOMAIN (RFC 6672 §2.2).
    TooLong {
        /// Aliases that lead to it, and the DNAME.
        sets: Vec<Signed>,
    },
}

/// What a reply means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The data.
    Answer(Chain),
    /// An alias that leads out of what the server may speak of, or to where it gives no data.
    Alias(Chain, Name),
    /// The name, or the name that a forwarder's aliases lead to, has no such data or does not exist.
    Absence(Chain, Absence),
    /// A DNAME that leads to a name of over 255 octets.
    TooLong(Chain),
    /// Servers nearer to the name.
    Referral(Referral),
    /// An answer, alias or absence from a server that is not one of the zone: used when nothing better comes.
    Unauthoritative(Box<Reply>),
    /// The server is not one of the zone.
    Lame(LameKind),
    /// The server reports an error.
    Failed(Rcode),
    /// The reply must not be used.
    Unusable(Unusable),
}

impl Reply {
    /// Whether another server has to be asked.
    pub(crate) fn is_setback(&self) -> bool {
        matches!(self, Reply::Unauthoritative(_) | Reply::Lame(_) | Reply::Failed(_) | Reply::Unusable(_))
    }

    /// Reduce a bogus reply to its first aliases that are sound, so that their target is asked for by itself. A server may give
    /// the data behind an alias without their proof, and with it when it is asked for them (NSD 4.6 for a wildcard behind a
    /// DNAME). Returns the state of the aliases. None: no alias is sound, or nothing follows them.
    pub(crate) fn cut_to_sound_aliases(&mut self) -> Option<State> {
        let (chain, bare) = match self {
            Reply::Answer(chain) | Reply::Absence(chain, _) => (chain, false),
            Reply::Alias(chain, _) => (chain, true),
            _ => return None,
        };
        let state = |link: &Signed| match link.synthesised {
            true => Some(State::Secure),
            false => link.state.filter(|&state| state != State::Bogus),
        };
        let states: Vec<State> = chain.links.iter().map_while(state).collect();
        if bare && states.len() == chain.links.len() {
            return None;
        }
        chain.links.truncate(states.len());
        let end = chain.names().pop()?;
        let links = std::mem::take(&mut chain.links);
        *self = Reply::Alias(Chain { links, end: Some(end.clone()), ..Chain::default() }, end);
        states.into_iter().min()
    }

    /// The reason that a step about the reply gives.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Reply::Answer(chain) => {
                let records: usize = chain.data.iter().map(|signed| signed.rrset.rdatas.len()).sum();
                Reason::Answer { records: records as u32 }
            }
            Reply::Alias(_, target) => Reason::Alias { target: target.clone() },
            Reply::Absence(_, absence) if absence.nxdomain => Reason::NxDomain,
            Reply::Absence(..) => Reason::NoData,
            Reply::TooLong(_) => Reason::NameTooLong,
            Reply::Referral(referral) => Reason::Referral {
                child: referral.child.clone(),
                servers: referral.servers.len() as u32,
                glued: referral.servers.iter().filter(|server| !server.addresses.is_empty()).count() as u32,
            },
            Reply::Unauthoritative(_) => Reason::Lame { kind: LameKind::Recursive },
            Reply::Lame(kind) => Reason::Lame { kind: *kind },
            Reply::Failed(rcode) => Reason::ServerFailure { rcode: *rcode },
            Reply::Unusable(unusable) => Reason::Unusable { unusable: *unusable },
        }
    }
}

/// What is denied, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    pub(crate) name: Name,
    pub(crate) nxdomain: bool,
    /// With the TTL of the absence.
    pub(crate) soa: Option<Signed>,
    pub(crate) proof: Vec<Signed>,
    /// Its own validation state, if it was judged.
    pub(crate) state: Option<State>,
}

/// The question and the server that it was put to.
pub(crate) struct Asked<'a> {
    pub(crate) name: NameRef<'a>,
    pub(crate) rtype: RrType,
    /// The zone whose server was asked, or the suffix that was forwarded.
    pub(crate) zone: NameRef<'a>,
    /// Whether the server was asked to recurse: then it has no zone and sets no AA.
    pub(crate) recursive: bool,
    /// Whether a zone below `zone` is known to own a name.
    pub(crate) delegated: &'a dyn Fn(NameRef<'_>) -> bool,
}

/// Say what *message* means as the reply to *asked*.
pub(crate) fn classify(message: &Message<'_>, asked: &Asked<'_>, budget: &Budget) -> Reply {
    let (rcode, flags) = (message.rcode(), message.flags());
    match rcode {
        Rcode::NOERROR | Rcode::NXDOMAIN | Rcode::YXDOMAIN => {}
        Rcode::REFUSED | Rcode::NOTAUTH if !asked.recursive => return Reply::Lame(LameKind::Refused),
        _ => return Reply::Failed(rcode),
    }
    let scrubber = Scrubber { message, zone: asked.zone, budget, delegated: asked.delegated };
    let chain = match scrubber.chain(asked.name, asked.rtype) {
        Ok(chain) => chain,
        Err(unusable) => return Reply::Unusable(unusable),
    };
    let reply = read(&scrubber, asked, chain);
    // A referral may come from a server that recurses for others; anything else comes from its cache.
    let from_cache = !asked.recursive && flags.ra() && !flags.aa();
    match reply {
        Reply::Answer(_) | Reply::Alias(..) | Reply::Absence(..) | Reply::TooLong(_) if from_cache => {
            Reply::Unauthoritative(Box::new(reply))
        }
        reply => reply,
    }
}

/// As [`classify`], apart from who may say it.
fn read(scrubber: &Scrubber<'_>, asked: &Asked<'_>, chain: Chain) -> Reply {
    let (rcode, aa) = (scrubber.message.rcode(), scrubber.message.flags().aa());
    if chain.too_long {
        return Reply::TooLong(chain);
    }
    if rcode == Rcode::YXDOMAIN {
        // Only a DNAME makes it true (RFC 6672 §2.2).
        return Reply::Failed(rcode);
    }
    if !chain.data.is_empty() {
        return Reply::Answer(chain);
    }
    let nxdomain = rcode == Rcode::NXDOMAIN;
    if let Some(end) = chain.end.clone() {
        // A chain that comes round has an alias at its end.
        let comes_round = chain.links.iter().any(|link| link.rrset.owner == end);
        let denied = (asked.recursive && !comes_round).then(|| scrubber.absence(end.as_ref())).flatten();
        return match denied {
            Some((soa, proof)) => {
                Reply::Absence(chain, Absence { name: end, nxdomain, soa: Some(soa), proof, state: None })
            }
            None => Reply::Alias(chain, end),
        };
    }
    let name = asked.name.to_name();
    let absence = scrubber.absence(asked.name);
    if nxdomain || absence.is_some() {
        if absence.is_none() && !aa && !asked.recursive {
            return Reply::Lame(LameKind::Empty);
        }
        let (soa, proof) =
            absence.map_or_else(|| (None, scrubber.denial()), |(soa, proof)| (Some(soa), proof));
        return Reply::Absence(chain, Absence { name, nxdomain, soa, proof, state: None });
    }
    let no_data = |name| Absence { name, nxdomain: false, soa: None, proof: scrubber.denial(), state: None };
    match scrubber.referral(asked.name) {
        // The parent has what there is to know about DS; a referral to the child for it is an error (RFC 4035 §3.1.4).
        Some(Ok(referral)) if asked.rtype == RrType::DS && referral.child == asked.name => {
            Reply::Absence(chain, no_data(name))
        }
        // A forwarder that refers to others has not recursed.
        Some(_) if asked.recursive => Reply::Lame(LameKind::NoRecursion),
        Some(Ok(referral)) => Reply::Referral(referral),
        // AA or not: NS records without SOA make a referral, not a denial (RFC 2308 §2.2). A server that names the servers of a
        // zone above or aside as its authority does not serve this one (RFC 1034 §5.3.3).
        Some(Err(NoReferral::Upward | NoReferral::Aside)) => Reply::Lame(LameKind::UpwardReferral),
        Some(Err(NoReferral::Malformed)) => Reply::Unusable(Unusable::MalformedRecord),
        // A server of the zone may name itself and its like beside an absence.
        Some(Err(NoReferral::Itself)) if aa => Reply::Absence(chain, no_data(name)),
        // It answers something else.
        None if asked.recursive && scrubber.message.header().counts[1] > 0 => {
            Reply::Unusable(Unusable::Unasked)
        }
        None if aa || asked.recursive => Reply::Absence(chain, no_data(name)),
        Some(Err(NoReferral::Itself)) => Reply::Lame(LameKind::SelfReferral),
        None => Reply::Lame(LameKind::Empty),
    }
}
