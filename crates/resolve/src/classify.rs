//! What a reply means (RFC 1034 §5.3.3 step 4).
//!
//! ```text
//!   rcode ─ REFUSED, NOTAUTH ───────────────> lame
//!         ─ other errors ──────────────────> failed
//!         ─ NXDOMAIN ─┐
//!         ─ NOERROR ──┴ data for the name ──> answer
//!                       an alias ───────────> alias, or the absence of its target if that is said, too
//!                       NXDOMAIN, or SOA ───> absence
//!                       NS below the zone ──> referral
//!                       NS elsewhere ───────> lame: refers to itself or upward
//!                       AA ─────────────────> absence that cannot be kept (RFC 2308 §2.2)
//!                       nothing ────────────> lame
//! ```

use nw_wire::code::{Rcode, RrType};
use nw_wire::message::Message;
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use crate::budget::Budget;
use crate::scrub::{Chain, Referral, Scrubber, Signed};
use crate::trace::{LameKind, Reason, Unusable};

/// A step towards the answer, whether from the cache or from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The data, behind the aliases that lead to it; signatures among them.
    Data {
        /// RRsets in the order in which they are sent.
        sets: Vec<Rrset>,
        /// That a wildcard was right to answer.
        proof: Vec<Rrset>,
    },
    /// Aliases that lead elsewhere.
    Alias {
        /// RRsets in the order in which they are sent.
        sets: Vec<Rrset>,
        /// Where to go on.
        target: Name,
        /// That a wildcard was right to answer.
        proof: Vec<Rrset>,
    },
    /// Nothing, for sure.
    Absence {
        /// Aliases that lead to the name without data.
        sets: Vec<Rrset>,
        /// Whether the name does not exist at all.
        nxdomain: bool,
        /// SOA and proof.
        authority: Vec<Rrset>,
    },
}

/// What a reply means.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The data.
    Answer(Chain),
    /// An alias that leads out of what the server may speak of, or to where it says nothing.
    Alias(Chain, Name),
    /// The name, or the name that the aliases lead to, has no such data or does not exist.
    Absence(Chain, Absence),
    /// Servers nearer to the name.
    Referral(Referral),
    /// This is no server of the zone.
    Lame(LameKind),
    /// The server could not.
    Failed(Rcode),
    /// The reply must not be used.
    Unusable(Unusable),
}

impl Reply {
    /// Whether the reply is of no use.
    pub(crate) fn is_setback(&self) -> bool {
        matches!(self, Reply::Lame(_) | Reply::Failed(_) | Reply::Unusable(_))
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
            Reply::Referral(referral) => Reason::Referral {
                child: referral.child.clone(),
                servers: referral.servers.len() as u32,
                glued: referral.servers.iter().filter(|server| !server.addresses.is_empty()).count() as u32,
            },
            Reply::Lame(kind) => Reason::Lame { kind: *kind },
            Reply::Failed(rcode) => Reason::ServerFailure { rcode: *rcode },
            Reply::Unusable(Unusable::NameTooLong) => Reason::NameTooLong,
            Reply::Unusable(unusable) => Reason::Unusable { unusable: *unusable },
        }
    }
}

impl Chain {
    /// The sets in the order in which they are sent: aliases, data, each with its signatures behind it.
    pub(crate) fn into_sets(self) -> Vec<Rrset> {
        flatten(self.links.into_iter().chain(self.data))
    }
}

/// What is denied, and by what.
#[derive(Debug)]
pub(crate) struct Absence {
    pub(crate) name: Name,
    pub(crate) nxdomain: bool,
    pub(crate) soa: Option<Rrset>,
    pub(crate) proof: Vec<Rrset>,
}

/// What was asked, of whom.
pub(crate) struct Asked<'a> {
    pub(crate) name: NameRef<'a>,
    pub(crate) rtype: RrType,
    /// The zone whose server was asked, or the suffix that was forwarded.
    pub(crate) zone: NameRef<'a>,
    /// Whether the server was asked to recurse: then it has no zone and sets no AA.
    pub(crate) recursive: bool,
}

/// Say what *message* means as the reply to *asked*.
pub(crate) fn classify(message: &Message<'_>, asked: &Asked<'_>, budget: &Budget) -> Reply {
    let (rcode, flags) = (message.rcode(), message.flags());
    match rcode {
        Rcode::NOERROR | Rcode::NXDOMAIN => {}
        Rcode::REFUSED | Rcode::NOTAUTH if !asked.recursive => return Reply::Lame(LameKind::Refused),
        // The name that a DNAME leads to is too long; the reply says so and shows the DNAME (RFC 6672 §2.2).
        Rcode::YXDOMAIN => return Reply::Unusable(Unusable::NameTooLong),
        _ => return Reply::Failed(rcode),
    }
    let scrubber = Scrubber { message, zone: asked.zone, budget };
    let chain = match scrubber.chain(asked.name, asked.rtype) {
        Ok(chain) => chain,
        Err(unusable) => return Reply::Unusable(unusable),
    };
    // A referral may come from one that recurses for others; anything else comes from its cache.
    let from_cache = !asked.recursive && flags.ra() && !flags.aa();
    if from_cache && (!chain.data.is_empty() || chain.end.is_some()) {
        return Reply::Lame(LameKind::Recursive);
    }
    if !chain.data.is_empty() {
        return Reply::Answer(chain);
    }
    let nxdomain = rcode == Rcode::NXDOMAIN;
    if let Some(end) = chain.end.clone() {
        // What the server says of the chain's end counts while the end is in its zone, and only with the zone's SOA.
        // A chain that comes round has an alias at its end.
        let comes_round = chain.links.iter().any(|link| link.rrset.owner == end);
        let in_zone = end.as_ref().is_at_or_below(asked.zone);
        let denied = (in_zone && !comes_round).then(|| scrubber.absence(end.as_ref())).flatten();
        return match denied {
            Some((soa, proof)) => {
                Reply::Absence(chain, Absence { name: end, nxdomain, soa: Some(soa), proof })
            }
            None => Reply::Alias(chain, end),
        };
    }
    let name = asked.name.to_name();
    let absence = scrubber.absence(asked.name);
    if nxdomain || absence.is_some() {
        if from_cache {
            return Reply::Lame(LameKind::Recursive);
        }
        if absence.is_none() && !flags.aa() && !asked.recursive {
            return Reply::Lame(LameKind::Empty);
        }
        let (soa, proof) = absence.map_or((None, Vec::new()), |(soa, proof)| (Some(soa), proof));
        return Reply::Absence(chain, Absence { name, nxdomain, soa, proof });
    }
    match scrubber.referral(asked.name) {
        // The parent has what there is to know about DS; sending us to the child for it is an error (RFC 4035 §3.1.4).
        Some(Ok(referral)) if asked.rtype == RrType::DS && referral.child == asked.name => {
            Reply::Absence(chain, Absence { name, nxdomain: false, soa: None, proof: Vec::new() })
        }
        Some(Ok(_)) if asked.recursive => Reply::Lame(LameKind::Empty),
        Some(Ok(referral)) => Reply::Referral(referral),
        Some(Err(_)) | None if flags.aa() || asked.recursive => {
            Reply::Absence(chain, Absence { name, nxdomain: false, soa: None, proof: Vec::new() })
        }
        Some(Err(true)) => Reply::Lame(LameKind::SelfReferral),
        Some(Err(false)) => Reply::Lame(LameKind::UpwardReferral),
        None => Reply::Lame(LameKind::Empty),
    }
}

/// The sets, each with its signatures behind it.
pub(crate) fn flatten(signed: impl IntoIterator<Item = Signed>) -> Vec<Rrset> {
    signed.into_iter().flat_map(|one| std::iter::once(one.rrset).chain(one.signatures)).collect()
}
