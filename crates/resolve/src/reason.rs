//! What can happen in a step: the vocabulary of explanations. Slugs are stable, sentences are for people.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nw_crypto::Algorithm;
use nw_dnssec::DigestType;
use nw_wire::code::{Class, Ede, Rcode};
use nw_wire::name::Name;

use crate::budget::Limit;
use crate::decisions::{
    AmplificationLimit, Dns64, NoAaaa, RateReached, Rebinding, ResponseLimit, SignatureRefused,
};
use crate::discarded::Reasons;
use crate::validator::{Fault, Insecurity, Signer};
use crate::world::ExchangeError;

mod text;

/// In which way a server is no server of the zone that it was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LameKind {
    /// It refers to the zone itself.
    SelfReferral,
    /// It refers to a zone above, or aside.
    UpwardReferral,
    /// It answers from recursion, without authority.
    Recursive,
    /// It refuses or says that it has no authority.
    Refused,
    /// An empty reply without authority: neither answer nor referral nor denial.
    Empty,
    /// A forwarder that refers to other servers: it does not recurse.
    NoRecursion,
}

impl LameKind {
    /// The kind's name in explanations.
    pub fn slug(self) -> &'static str {
        match self {
            LameKind::SelfReferral => "self-referral",
            LameKind::UpwardReferral => "upward-referral",
            LameKind::Recursive => "recursive-answer",
            LameKind::Refused => "refused",
            LameKind::Empty => "empty",
            LameKind::NoRecursion => "no-recursion",
        }
    }
}

/// Why a reply must not be used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// An RRset has more records than `Budget::max_records_per_rrset`.
    TooManyRecords,
    /// The answer fits no message when its names are not compressed.
    TooLarge,
    /// A record of an RRset that the answer needs is malformed.
    MalformedRecord,
    /// It does not hold what was asked for.
    Unasked,
}

impl Unusable {
    /// The kind's name in explanations.
    pub fn slug(self) -> &'static str {
        match self {
            Unusable::TooManyRecords => "too-many-records",
            Unusable::TooLarge => "too-large",
            Unusable::MalformedRecord => "malformed-record",
            Unusable::Unasked => "unasked",
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unusable::TooManyRecords => "an RRset of the reply has more records than max_records_per_rrset",
            Unusable::TooLarge => "the answer fits no message when its names are not compressed",
            Unusable::MalformedRecord => "an RRset that the answer needs has a malformed record",
            Unusable::Unasked => "the reply does not hold what was asked for",
        })
    }
}

/// Where a name that neither the cache nor a local zone answers is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A conditional forwarder, for the names below this suffix.
    Conditional(Name),
    /// The forwarders for all names.
    Forwarders,
    /// The configured servers of this zone.
    Stub(Name),
    /// The root, although a shorter suffix is forwarded: this suffix is an exception.
    Exception(Name),
    /// The root. Whether names are forwarded at all: this one is not among them.
    Root {
        /// Whether forwards are configured.
        forwards: bool,
    },
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Conditional(suffix) => write!(f, "the conditional forwarder for {suffix} is asked"),
            Route::Forwarders => {
                f.write_str("no conditional forwarder is for it, so the forwarders are asked")
            }
            Route::Stub(zone) => write!(f, "the configured servers of {zone} are asked"),
            Route::Exception(suffix) => {
                write!(f, "{suffix} is excepted from forwarding, so the nearest known name servers are asked")
            }
            Route::Root { forwards: true } => {
                f.write_str("no forwarder is for it, so the nearest known name servers are asked")
            }
            Route::Root { forwards: false } => f.write_str("no forwarder is configured"),
        }
    }
}

/// The two ends of a forwarding loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopEnds {
    /// The suffix that is forwarded.
    pub suffix: Name,
    /// The forwarder that was asked.
    pub forwarder: SocketAddr,
    /// The address from which the query came back.
    pub back: IpAddr,
}

impl fmt::Display for LoopEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoopEnds { suffix, forwarder, back } = self;
        write!(f, "forwarding loop for {suffix}: own query to {forwarder} came back from {back}")
    }
}

/// What happened in a step. [`Reason::slug`] is stable; [`crate::Step::text`] makes the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The name is answered here by definition.
    SpecialUse,
    /// The client may not ask this: this access list does not admit it.
    ClientRefused {
        /// The list.
        list: AccessList,
    },
    /// The name is in no zone that is served here, and is not looked up for this client.
    NotServed {
        /// The extended error that the client gets.
        ede: Ede,
        /// What else would have to be so.
        why: NotServed,
    },
    /// The signature of the request is not accepted (RFC 8945 §5.2).
    SignatureRefused(Box<SignatureRefused>),
    /// A zone of this server has no usable data.
    ZoneUnavailable {
        /// Why.
        detail: String,
    },
    /// A query for the transfer of a zone (AXFR, IXFR).
    Transfer(TransferStep),
    /// The query has an EDNS version that the server does not know (RFC 6891 §6.1.3).
    EdnsVersion {
        /// The version.
        version: u8,
    },
    /// The name's domain is suspected to be a tunnel. A client may be refused because of that.
    TunnelSuspected {
        /// The domain with all that makes it suspicious.
        features: String,
        /// What is done about it: `log`, `rate-limit` or `block`.
        action: &'static str,
        /// Whether this lookup is refused.
        refused: bool,
    },
    /// The client sees the zones of this view.
    InView {
        /// The view's name.
        name: String,
    },
    /// A zone of this server answers.
    FromZone {
        /// What the zone answers, in words.
        outcome: &'static str,
        /// The wildcard that the answer comes from (RFC 4592 §3.3.1).
        wildcard: Option<Name>,
    },
    /// A locally served zone answers (RFC 6303).
    LocallyServed,
    /// A hosts file, a local record or the rule of a local zone answers.
    LocalData {
        /// Where it is written: file and line.
        source: String,
        /// Whether it blocks the name, rather than giving it data.
        blocks: bool,
    },
    /// A filter decided about the answer.
    Filtered {
        /// The filter's name.
        filter: &'static str,
        /// What it did.
        effect: &'static str,
    },
    /// The protection from rebinding removed private addresses of a public name, or refused the answer.
    Rebinding(Box<Rebinding>),
    /// The client gets no IPv6 addresses.
    NoAaaa(Box<NoAaaa>),
    /// What DNS64 made, or why it made nothing.
    Dns64(Box<Dns64>),
    /// The response rate limit dropped the response, or sent it truncated.
    ResponseLimited(Box<ResponseLimit>),
    /// The response was dropped, or sent truncated, because the client's network is suspected to be the victim of an amplification attack.
    AmplificationLimited(Box<AmplificationLimit>),
    /// The server does not look names up, and neither the cache nor a forwarder has the answer.
    CacheOnly,
    /// A rule of a list applies to the query.
    ListRule(Box<ListRule>),
    /// The client gets no response.
    NoResponse,
    /// The answer is not sent, because the client has asked again by then or does not wait any more (`Budget::discard_timeout`).
    TooLate {
        /// How long the client has waited.
        after_ms: u64,
    },
    /// The cache holds the RRset.
    CachedAnswer,
    /// The cache holds an alias: the search goes on at *target*.
    CachedAlias {
        /// Where the alias leads.
        target: Name,
    },
    /// The cache holds that the name has no data of the type.
    CachedNoData,
    /// The cache holds that the name does not exist; `denied` is the name denied, at or above the one asked.
    CachedNxDomain {
        /// The name whose absence is known.
        denied: Name,
    },
    /// The cache holds that this failed a moment ago (RFC 9520).
    CachedFailure {
        /// Why it failed, in words.
        cause: String,
        /// How long ago, seconds.
        age_s: u32,
        /// For how many seconds it is not tried again.
        left_s: u32,
    },
    /// Records in the cache prove that the name or the type does not exist, or that a wildcard answers (RFC 8198).
    Synthesised {
        /// Whether a wildcard answers.
        wildcard: bool,
    },
    /// Data whose lifetime has ended is served, since nothing newer can be had (RFC 8767).
    ServedStale {
        /// Seconds since its lifetime ended.
        expired_s: u32,
        /// Why nothing newer can be had.
        cause: String,
    },
    /// The lookup takes longer than clients wait.
    LookupTakesLong {
        /// How long they wait, milliseconds.
        after_ms: u64,
    },
    /// The cache holds nothing of use; servers of `zone` are the nearest known.
    NotCached {
        /// Where it is looked up instead.
        route: Route,
    },
    /// A forwarder was asked beside another one, which took longer than usual.
    AskedBeside {
        /// Whether it was the first to answer.
        first: bool,
    },
    /// A forwarder leads back to this server.
    ForwardingLoop {
        /// Both ends.
        ends: Box<LoopEnds>,
    },
    /// All forwarders for *suffix* failed: the name is resolved from the root.
    FallsBack {
        /// The suffix.
        suffix: Name,
    },
    /// The local copy of the root answers in place of a root server (RFC 8806).
    LocalRoot {
        /// The serial of the copy.
        serial: u32,
        /// What a root server would have said.
        said: Box<Reason>,
    },
    /// The local copy of the root cannot be used: the root servers are asked.
    LocalRootUnusable {
        /// The reason.
        why: String,
    },
    /// An identical question was under way; this one got its answer.
    Joined,
    /// The server returned the records asked for.
    Answer {
        /// How many.
        records: u32,
    },
    /// The server returned an alias; the search goes on at *target*.
    Alias {
        /// Where the alias leads.
        target: Name,
    },
    /// The server referred us to the servers of *child*.
    Referral {
        /// The zone.
        child: Name,
        /// How many name servers it has.
        servers: u32,
        /// How many of them came with addresses.
        glued: u32,
    },
    /// The name exists, without data of the type.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// A question for fewer labels found nothing to stop at; one more label is shown (RFC 9156 §2.3).
    Minimised,
    /// The server cut its reply short: asked again over TCP.
    Truncated,
    /// The reply repeated the question in another case than it was sent in: asked again over TCP.
    CaseChanged,
    /// The server asks for its cookie: asked again with it.
    BadCookie,
    /// The reply lacks the cookie that the server is known to send: asked again.
    CookieMissing,
    /// The reply carries another cookie than ours: asked again over TCP.
    CookieWrong,
    /// The server does not understand cookies: asked again without.
    CookieRefused,
    /// The server does not understand EDNS: asked again without.
    EdnsRefused,
    /// The server is no server of the zone.
    Lame {
        /// In which way.
        kind: LameKind,
    },
    /// The server reported a failure of its own.
    ServerFailure {
        /// As it said.
        rcode: Rcode,
    },
    /// The reply made no sense.
    Malformed,
    /// The reply is truncated although it came over TCP.
    TruncatedOverTcp,
    /// The reply is well-formed and must not be used.
    Unusable {
        /// Why.
        unusable: Unusable,
    },
    /// No reply arrived.
    Network {
        /// Why.
        error: ExchangeError,
        /// What arrived and was discarded: how many packets for each reason.
        discarded: Reasons,
    },
    /// The servers of the root, or of a stub zone, are known.
    Primed {
        /// The zone.
        zone: Name,
        /// How many.
        servers: u32,
    },
    /// No configured server of the root, or of a stub zone, confirmed them; they are used as they are.
    Unprimed {
        /// The zone.
        zone: Name,
    },
    /// Addresses of name servers were found.
    AddressesFound {
        /// For how many of the name servers.
        servers: u32,
    },
    /// None of the name servers looked up has a usable address.
    AddressesMissing,
    /// This lookup waits for itself: the name server's name can only be found by asking that name server.
    Cycle,
    /// A limit was reached.
    LimitReached {
        /// Which.
        limit: Limit,
    },
    /// A client network or a zone has used its queries per second.
    RateReached(Box<RateReached>),
    /// No server of *zone* gave a usable reply.
    NoReachableAuthority {
        /// The zone, or the suffix that is forwarded.
        zone: Name,
        /// Whether the servers are forwarders.
        forwarded: bool,
    },
    /// No server is asked at this moment: none replies, or there is no route to them.
    NobodyReplies,
    /// The zone has no server that could be asked.
    NoServers {
        /// The zone.
        zone: Name,
        /// What became of the last lookup of an address of a server, in words.
        because: Option<String>,
    },
    /// An alias chain comes back to a name of its own.
    AliasLoop {
        /// The names, the first one again at the end.
        names: Vec<Name>,
    },
    /// Nothing is configured to begin with: neither hints nor a forward.
    NoHints,
    /// The signatures were not checked.
    NotValidated,
    /// The reply is bogus (RFC 4035 §4.3).
    Bogus {
        /// Why.
        fault: Arc<Fault>,
    },
    /// The keys of *zone* are trusted: a DS RRset or a trust anchor names one that signs them.
    KeysTrusted {
        /// The zone.
        zone: Name,
        /// The tags of the keys that are named.
        key_tags: Box<[u16]>,
        /// Whether a trust anchor names them.
        anchor: bool,
        /// The key that signs the DNSKEY RRset, and the times of its signature.
        signer: Box<Signer>,
    },
    /// *zone* has DS records for the child, so that the child is secure.
    SignedDelegation {
        /// The parent.
        zone: Name,
        /// Key tag, algorithm and digest of each DS record.
        named: Box<[(u16, Algorithm, DigestType)]>,
        /// Who signed them; None where the cache held them, validated.
        signer: Option<Box<Signer>>,
    },
    /// A key of *zone* signed the RRset.
    Verified {
        /// The zone.
        zone: Name,
        /// The key, and the times of its signature.
        signer: Signer,
    },
    /// Signed NSEC or NSEC3 records of *zone* prove that there is no such name or type.
    AbsenceProved {
        /// The zone.
        zone: Name,
        /// Whether the name as a whole is denied.
        nxdomain: bool,
    },
    /// *zone* is insecure although it has DS records.
    Insecure {
        /// The zone.
        zone: Name,
        /// Why.
        why: Insecurity,
    },
    /// The root key sentinel says by SERVFAIL whether a key is a trust anchor (RFC 8509).
    Sentinel {
        /// The tag of the key.
        key_tag: u16,
        /// Whether the key is trusted.
        trusted: bool,
    },
    /// It is proved that the delegation has no DS RRset: everything below is insecure.
    UnsignedDelegation,
    /// The whole answer is ready.
    Resolved {
        /// Its response code.
        rcode: Rcode,
    },
    /// The question is of a class or type that recursion does not answer.
    NotAnswered,
    /// The alias chain became too long a name (RFC 6672 §2.2).
    NameTooLong,
    /// The step was begun and its result no longer needed.
    Abandoned,
}

impl Reason {
    /// Whether a server that was asked failed: it gave no usable reply.
    pub fn is_server_failure(&self) -> bool {
        matches!(
            self,
            Reason::Lame { .. }
                | Reason::ServerFailure { .. }
                | Reason::Malformed
                | Reason::TruncatedOverTcp
                | Reason::Unusable { .. }
                | Reason::Network { .. }
                | Reason::ForwardingLoop { .. }
        )
    }

    /// The sentence for a client, which sees by the response code that its query is refused.
    pub fn to_client(&self) -> String {
        match self {
            Reason::ClientRefused { list } => list.to_string(),
            Reason::NotServed { why, .. } => why.to_string(),
            Reason::SignatureRefused(refused) => refused.to_string(),
            reason => reason.to_string(),
        }
    }

    /// The reason's stable name in `namewise.explain/1`.
    pub fn slug(&self) -> &'static str {
        match self {
            Reason::SpecialUse => "special-use",
            Reason::ClientRefused { .. } => "client-refused",
            Reason::NotServed { .. } => "not-served",
            Reason::SignatureRefused(_) => "signature-refused",
            Reason::TunnelSuspected { .. } => "tunnel-suspected",
            Reason::InView { .. } => "in-view",
            Reason::FromZone { .. } | Reason::ZoneUnavailable { .. } => "from-zone",
            Reason::Transfer(_) => "transfer",
            Reason::EdnsVersion { .. } => "edns-version",
            Reason::LocallyServed => "locally-served",
            Reason::LocalData { .. } => "local-data",
            Reason::Filtered { .. } => "filtered",
            Reason::Rebinding(_) => "private-address",
            Reason::NoAaaa(_) => "no-aaaa",
            Reason::Dns64(_) => "dns64",
            Reason::ResponseLimited(_) => "response-limited",
            Reason::AmplificationLimited(_) => "amplification-limited",
            Reason::CacheOnly => "cache-only",
            Reason::ListRule(_) => "list-rule",
            Reason::NoResponse => "no-response",
            Reason::TooLate { .. } => "too-late",
            Reason::CachedAnswer => "cached-answer",
            Reason::CachedAlias { .. } => "cached-alias",
            Reason::CachedNoData => "cached-nodata",
            Reason::CachedNxDomain { .. } => "cached-nxdomain",
            Reason::CachedFailure { .. } => "cached-failure",
            Reason::Synthesised { .. } => "synthesised",
            Reason::ServedStale { .. } => "served-stale",
            Reason::LookupTakesLong { .. } => "lookup-takes-long",
            Reason::NotCached { .. } => "not-cached",
            Reason::AskedBeside { .. } => "asked-beside",
            Reason::ForwardingLoop { .. } => "forwarding-loop",
            Reason::FallsBack { .. } => "falls-back",
            Reason::LocalRoot { .. } => "local-root",
            Reason::LocalRootUnusable { .. } => "local-root-unusable",
            Reason::Joined => "joined",
            Reason::Answer { .. } => "answer",
            Reason::Alias { .. } => "alias",
            Reason::Referral { .. } => "referral",
            Reason::NoData => "nodata",
            Reason::NxDomain => "nxdomain",
            Reason::Minimised => "minimised",
            Reason::Truncated => "truncated",
            Reason::CaseChanged => "case-changed",
            Reason::BadCookie => "bad-cookie",
            Reason::CookieMissing => "cookie-missing",
            Reason::CookieWrong => "cookie-wrong",
            Reason::CookieRefused => "cookie-refused",
            Reason::EdnsRefused => "edns-refused",
            Reason::Lame { .. } => "lame",
            Reason::ServerFailure { .. } => "server-failure",
            Reason::Malformed => "malformed",
            Reason::TruncatedOverTcp => "truncated-over-tcp",
            Reason::Unusable { unusable } => unusable.slug(),
            Reason::Network { error, .. } => error.slug(),
            Reason::Primed { .. } => "primed",
            Reason::Unprimed { .. } => "unprimed",
            Reason::AddressesFound { .. } => "addresses-found",
            Reason::AddressesMissing => "addresses-missing",
            Reason::Cycle => "cycle",
            Reason::LimitReached { .. } | Reason::RateReached(_) => "limit-reached",
            Reason::NoReachableAuthority { .. } => "no-reachable-authority",
            Reason::NobodyReplies => "nobody-replies",
            Reason::NoServers { .. } => "no-servers",
            Reason::AliasLoop { .. } => "alias-loop",
            Reason::NoHints => "no-hints",
            Reason::NotValidated => "not-validated",
            Reason::Bogus { .. } => "bogus",
            Reason::KeysTrusted { .. } => "keys-trusted",
            Reason::UnsignedDelegation => "unsigned-delegation",
            Reason::SignedDelegation { .. } => "signed-delegation",
            Reason::Verified { .. } => "verified",
            Reason::AbsenceProved { .. } => "absence-proved",
            Reason::Insecure { .. } => "insecure-zone",
            Reason::Sentinel { .. } => "root-key-sentinel",
            Reason::Resolved { .. } => "resolved",
            Reason::NotAnswered => "not-answered",
            Reason::NameTooLong => "name-too-long",
            Reason::Abandoned => "abandoned",
        }
    }
}

/// The action of a rule that demands TCP.
pub const TCP_ONLY: &str = "tcp-only";

/// A rule of a list that applies to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRule {
    /// The list's name.
    pub list: String,
    /// Why the rule applies.
    pub trigger: String,
    /// The rule's owner in a response policy zone, without the name of the zone; the name itself is that of a rule of a list.
    pub owner: String,
    /// What the rule does.
    pub action: &'static str,
    /// Whether the list is in log-only mode, so that the rule does nothing.
    pub log_only: bool,
    /// Whether the answer stays: the rule is an exception, or demands TCP and the query came over TCP.
    pub passes: bool,
}

/// Why a name that is in no zone of the server is not looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotServed {
    /// The server looks up nothing.
    NoResolver,
    /// The server looks up names for other clients.
    OtherClient,
    /// The query does not ask for recursion, and the cache does not have the answer for this client.
    NotAsked,
    /// The class is none that is looked up.
    Class(Class),
}

impl fmt::Display for NotServed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let NotServed::Class(class) = self {
            return write!(f, "the server has no such data of class {class}");
        }
        f.write_str("the name is in no zone of this server, and ")?;
        match self {
            NotServed::NoResolver => f.write_str("there is no [resolver] that would look it up"),
            NotServed::OtherClient => f.write_str("[[policy]] on = \"recursion\" does not admit this client"),
            NotServed::NotAsked => {
                f.write_str("the query does not ask for recursion (RD), so that only the cache could answer")
            }
            NotServed::Class(_) => Ok(()),
        }
    }
}

/// What a query for the transfer of a zone leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferStep {
    /// All records are sent.
    Zone {
        /// The serial of the zone.
        serial: u32,
        /// The serial of the client, for which no differences can be sent. None: it asked for the zone (AXFR).
        since: Option<u32>,
    },
    /// Differences are sent.
    Differences {
        /// How many.
        count: usize,
        /// The serial of the client.
        since: u32,
        /// The serial of the zone.
        serial: u32,
    },
    /// The SOA is sent: the client has this version or a newer one.
    Current {
        /// The serial of the client.
        since: u32,
        /// The serial of the zone.
        serial: u32,
    },
    /// The SOA is sent: the rest does not fit in a datagram (RFC 1995 §2).
    TooLarge {
        /// The serial of the zone.
        serial: u32,
    },
    /// Refused: the name is not the apex of a zone of this server.
    NotApex,
    /// Refused: AXFR needs a stream transport (RFC 5936 §4.2).
    NeedsStream,
    /// Refused: the query for IXFR has no SOA of the zone in its authority section (RFC 1995 §3).
    NoSerial,
    /// Failed: as many transfers are in progress as this limit of the plan allows.
    Busy {
        /// The limit, a key of `transfers`.
        limit: &'static str,
        /// Its value.
        most: u32,
    },
}

impl fmt::Display for TransferStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone { serial, since: None } => write!(f, "the whole zone is sent, serial {serial}"),
            Self::Zone { serial, since: Some(since) } => write!(
                f,
                "the whole zone is sent, serial {serial}: there are no differences from serial {since}, or they are larger"
            ),
            Self::Differences { count, since, serial } => {
                write!(f, "the differences from serial {since} to {serial} are sent, one by one: {count}")
            }
            Self::Current { since, serial } => {
                write!(f, "the SOA is sent: the client has serial {since}, and the zone {serial}")
            }
            Self::TooLarge { serial } => {
                write!(f, "the SOA is sent, serial {serial}: the rest does not fit in a datagram")
            }
            Self::NotApex => f.write_str("refused: the name is not the apex of a zone of this server"),
            Self::NeedsStream => f.write_str("refused: AXFR needs TCP"),
            Self::NoSerial => {
                f.write_str("refused: the query has no SOA of the zone in its authority section")
            }
            Self::Busy { limit, most } => write!(f, "too many transfers are in progress: {limit} is {most}"),
        }
    }
}

/// The access lists of a server, as the configuration names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessList {
    /// The list for all queries.
    Query,
    /// The clients of all views: no view matches.
    Views,
    /// The list of this zone.
    Zone(Name),
    /// The clients and keys that may transfer this zone.
    Transfer(Name),
    /// The list of a name that describes the server.
    ServerName,
}

impl fmt::Display for AccessList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccessList::Query => f.write_str("[[policy]] on = \"query\" does not admit this client"),
            AccessList::Views => f.write_str("no [[view]] matches this client"),
            AccessList::Zone(zone) => write!(f, "allow of the zone {zone} does not admit this client"),
            AccessList::Transfer(zone) => write!(f, "transfer of the zone {zone} does not admit this client"),
            AccessList::ServerName => f.write_str("the list of this name does not admit this client"),
        }
    }
}
