//! One reading of replies: what the resolver would make of one reply, without a resolver.
//!
//! Tools that show what servers send ([`read_reply`]) judge a reply by the code that resolves: the same comparison with the query,
//! the same parser, the same scrubbing and the same classification. A reply that a resolver would drop and go on waiting for is a
//! [`Outcome::Discarded`] with its reason.

use nw_cache::NameServer;
use nw_wire::code::Rcode;
use nw_wire::message::{Message, Oddities, mismatch};
use nw_wire::name::{Name, NameRef};

use crate::budget::Budget;
use crate::classify::{Asked, Reply, classify};
use crate::exchange::complains_about_edns;
use crate::trace::Reason;

/// What the resolver makes of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The data asked for.
    Answer,
    /// An alias; its target is asked next.
    Alias,
    /// The name exists and has no such data.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// A DNAME leads to a name that is too long.
    NameTooLong,
    /// A referral to a zone nearer to the name; its servers are asked next.
    Referral,
    /// An answer from recursion: used when no server of the zone gives a better one.
    Unauthoritative,
    /// The server does not serve the zone; another one is asked.
    Lame,
    /// The server reports an error; another one is asked.
    Failure,
    /// The server does not understand EDNS; it is asked again without.
    EdnsRefused,
    /// The reply was cut short; it is asked for again over TCP.
    Truncated,
    /// The reply breaks a rule; another server is asked.
    Unusable,
    /// The reply is no message; it is asked for again over TCP.
    Malformed,
    /// Not the reply to the query: dropped, and the wait goes on.
    Discarded,
}

impl Outcome {
    /// The outcome's name in traces.
    pub fn slug(self) -> &'static str {
        match self {
            Outcome::Answer => "answer",
            Outcome::Alias => "alias",
            Outcome::NoData => "nodata",
            Outcome::NxDomain => "nxdomain",
            Outcome::NameTooLong => "name-too-long",
            Outcome::Referral => "referral",
            Outcome::Unauthoritative => "unauthoritative",
            Outcome::Lame => "lame",
            Outcome::Failure => "failure",
            Outcome::EdnsRefused => "edns-refused",
            Outcome::Truncated => "truncated",
            Outcome::Unusable => "unusable",
            Outcome::Malformed => "malformed",
            Outcome::Discarded => "discarded",
        }
    }
}

/// A reply as the resolver reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it is.
    pub outcome: Outcome,
    /// The outcome that the reply states, without regard to the authority of its server.
    /// As `outcome`, except for [`Outcome::Unauthoritative`].
    pub says: Outcome,
    /// Why, in words.
    pub reason: String,
    /// The response code, if there is one to read.
    pub rcode: Option<Rcode>,
    /// The names that the aliases of the reply lead to, one after another: those that the resolver follows.
    pub aliases: Vec<Name>,
    /// The zone that a referral leads to, with the addresses that may be used.
    pub referral: Option<(Name, Vec<NameServer>)>,
    /// What was ignored in it.
    pub oddities: Oddities,
    /// Whether the question came back in another case.
    pub case_changed: bool,
}

/// Read *reply*, which came from a server of *zone* after *query* was sent to it. `recursive`: the server was asked to recurse,
/// and *zone* is the suffix that is forwarded to it.
///
/// The caller vouches for the addresses and the transport; a truncated reply over TCP is [`Outcome::Truncated`], too.
pub fn read_reply(
    query: &[u8],
    reply: &[u8],
    zone: NameRef<'_>,
    recursive: bool,
    budget: &Budget,
) -> Reading {
    let mut reading = Reading {
        outcome: Outcome::Discarded,
        says: Outcome::Discarded,
        reason: String::new(),
        rcode: None,
        aliases: Vec::new(),
        referral: None,
        oddities: Oddities::default(),
        case_changed: false,
    };
    let parsed = Message::parse_reply(reply);
    if let Ok(message) = &parsed {
        (reading.rcode, reading.oddities) = (Some(message.rcode()), message.oddities());
    }
    let asked = Message::parse(query).ok().and_then(|query| Some((query.question()?, query.opt().is_some())));
    let Some((question, edns)) = asked else {
        reading.reason = "the query is no message with a question".into();
        return reading;
    };
    if let Some(mismatch) = mismatch(query, reply) {
        reading.reason = mismatch.to_string();
        return reading;
    }
    reading.case_changed = !nw_wire::message::same_case(query, reply);
    let message = match parsed {
        Ok(message) => message,
        Err(error) => {
            (reading.outcome, reading.reason) = (Outcome::Malformed, error.to_string());
            return reading;
        }
    };
    let reason = if message.flags().tc() {
        reading.outcome = Outcome::Truncated;
        Reason::Truncated
    } else if edns && complains_about_edns(&message, message.rcode()) {
        reading.outcome = Outcome::EdnsRefused;
        Reason::EdnsRefused
    } else {
        let (name, rtype) = (question.name.as_ref(), question.rtype);
        let asked = Asked { name, rtype, zone, recursive, delegated: &|_| false };
        let reply = classify(&message, &asked, budget);
        let reason = reply.reason();
        reading.outcome = outcome(&reply);
        let said = match reply {
            Reply::Unauthoritative(said) => *said,
            said => said,
        };
        reading.says = outcome(&said);
        match said {
            Reply::Answer(chain)
            | Reply::Alias(chain, _)
            | Reply::Absence(chain, _)
            | Reply::TooLong(chain) => {
                reading.aliases = chain.names();
            }
            Reply::Referral(referral) => reading.referral = Some((referral.child, referral.servers)),
            _ => {}
        }
        reason
    };
    if !matches!(reading.outcome, Outcome::Unauthoritative) {
        reading.says = reading.outcome;
    }
    reading.reason = reason.to_string();
    reading
}

fn outcome(reply: &Reply) -> Outcome {
    match reply {
        Reply::Answer(_) => Outcome::Answer,
        Reply::Alias(..) => Outcome::Alias,
        Reply::Absence(_, absence) if absence.nxdomain => Outcome::NxDomain,
        Reply::Absence(..) => Outcome::NoData,
        Reply::TooLong(_) => Outcome::NameTooLong,
        Reply::Referral(_) => Outcome::Referral,
        Reply::Unauthoritative(_) => Outcome::Unauthoritative,
        Reply::Lame(_) => Outcome::Lame,
        Reply::Failed(_) => Outcome::Failure,
        Reply::Unusable(_) => Outcome::Unusable,
    }
}
