//! The sentence that says each reason.

use std::fmt;

use super::{LameKind, Reason, TCP_ONLY};
use crate::budget::Limit;
use crate::discarded::Discards;
use crate::validator::Signer;
use crate::world::ExchangeError;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::SpecialUse => f.write_str("answered here: the name is reserved"),
            Reason::ClientRefused { list } => write!(f, "refused: {list}"),
            Reason::SignatureRefused(refused) => write!(f, "refused: {refused}"),
            Reason::TunnelSuspected { features, action: "log", .. } => {
                write!(f, "tunnel suspected, only logged: {features}")
            }
            Reason::TunnelSuspected { features, action, refused } => {
                let not = if *refused { "" } else { ", but not this one" };
                write!(f, "tunnel suspected, lookups are refused (action = {action:?}){not}: {features}")
            }
            Reason::NotServed { ede, why } => {
                write!(f, "refused: {why} ({})", ede.mnemonic().unwrap_or("no reason"))
            }
            Reason::ZoneUnavailable { detail } => write!(f, "the zone has no usable data: {detail}"),
            Reason::Transfer(step) => step.fmt(f),
            Reason::EdnsVersion { version } => {
                write!(f, "the query has EDNS version {version}; this server knows version 0 (RFC 6891 §6.1.3)")
            }
            Reason::InView { name } => write!(f, "the client sees the view {name}"),
            Reason::FromZone { outcome, wildcard: None } => f.write_str(outcome),
            Reason::FromZone { outcome, wildcard: Some(wildcard) } => {
                write!(f, "{outcome}, from the wildcard {wildcard} (RFC 4592)")
            }
            Reason::LocallyServed => f.write_str("served locally: the name has no meaning in the public DNS"),
            Reason::LocalData { source, blocks: false } => write!(f, "local data answers: {source}"),
            Reason::LocalData { source, blocks: true } => write!(f, "local data blocks the name: {source}"),
            Reason::Filtered { filter, effect } => write!(f, "the filter {filter} {effect}"),
            Reason::Rebinding(rebinding) => write!(f, "{rebinding} ({})", rebinding.source),
            Reason::NoAaaa(no_aaaa) => write!(f, "{no_aaaa} ({})", no_aaaa.source),
            Reason::Dns64(dns64) => dns64.fmt(f),
            Reason::ResponseLimited(limit) => limit.fmt(f),
            Reason::AmplificationLimited(limit) => limit.fmt(f),
            Reason::CacheOnly => {
                f.write_str("cache_only: the name is not in the cache, and no forwarder serves it")
            }
            Reason::ListRule(rule) => {
                let effect = match (rule.log_only, rule.passes && rule.action == TCP_ONLY) {
                    (true, _) => ", which the list only logs",
                    (false, true) => "; the query came over TCP, and the answer stays",
                    (false, false) => "",
                };
                write!(f, "the list {} has a rule for {}: {}{effect}", rule.list, rule.trigger, rule.action)
            }
            Reason::NoResponse => f.write_str("no response is sent"),
            Reason::TooLate { after_ms } => {
                write!(
                    f,
                    "the answer came after {after_ms} ms and is not sent: clients of UDP have asked again by then (discard_timeout)"
                )
            }
            Reason::CachedAnswer => f.write_str("the cache holds it"),
            Reason::CachedAlias { target } => write!(f, "the cache holds an alias for {target}"),
            Reason::CachedNoData => f.write_str("the cache holds that there is no data of this type"),
            Reason::CachedNxDomain { denied } => write!(f, "the cache holds that {denied} does not exist"),
            Reason::CachedFailure { cause, age_s, left_s } => {
                write!(f, "it failed {age_s} s ago and is tried again in {left_s} s: {cause}")
            }
            Reason::Synthesised { wildcard: false } => {
                f.write_str("NSEC or NSEC3 records in the cache prove that it does not exist")
            }
            Reason::Synthesised { wildcard: true } => {
                f.write_str("records in the cache prove that a wildcard answers")
            }
            Reason::ServedStale { expired_s, cause } => {
                write!(f, "the cache serves data that expired {expired_s} s ago: {cause}")
            }
            Reason::LookupTakesLong { after_ms } => {
                write!(f, "the lookup takes longer than {after_ms} ms and goes on")
            }
            Reason::NotCached { route } => write!(f, "not in the cache and in no local zone; {route}"),
            Reason::AskedBeside { first: true } => {
                f.write_str("asked beside a forwarder that is slower than usual, and answered first")
            }
            Reason::AskedBeside { first: false } => {
                f.write_str("asked beside a forwarder that is slower than usual")
            }
            Reason::ForwardingLoop { ends } => ends.fmt(f),
            Reason::FallsBack { suffix } => {
                write!(f, "no forwarder for {suffix} answered: resolved from the root")
            }
            Reason::LocalRoot { serial, said } => {
                write!(f, "local copy of the root, serial {serial}: {said}")
            }
            Reason::LocalRootUnusable { why } => {
                write!(f, "the local copy of the root cannot be used: {why}; the root servers are asked")
            }
            Reason::Joined => f.write_str("joined an identical question that was under way"),
            Reason::Answer { records } => write!(f, "answer, {}", plural(*records, "record")),
            Reason::Alias { target } => write!(f, "alias for {target}"),
            Reason::Referral { child, servers, glued } => {
                write!(f, "referral to {child}, {}, {glued} with address", plural(*servers, "name server"))
            }
            Reason::NoData => f.write_str("the name exists and has no data of this type"),
            Reason::NxDomain => f.write_str("the name does not exist"),
            Reason::Minimised => f.write_str("no zone cut here, one more label is shown"),
            Reason::Truncated => f.write_str("truncated, asked again over TCP"),
            Reason::CaseChanged => f.write_str(
                "the reply has the question in another case: a forgery is possible, asked again over TCP",
            ),
            Reason::BadCookie => f.write_str("the server wants its cookie, asked again with it"),
            Reason::CookieMissing => f.write_str(
                "the reply lacks the cookie that the server is known to send: a forgery is possible, asked again",
            ),
            Reason::CookieWrong => f.write_str(
                "the reply carries another cookie than ours: a forgery is possible, asked again over TCP",
            ),
            Reason::CookieRefused => f.write_str("does not understand cookies, asked again without"),
            Reason::EdnsRefused => f.write_str("does not understand EDNS, asked again without"),
            Reason::Lame { kind: LameKind::NoRecursion } => {
                f.write_str("the forwarder does not recurse: it refers to other servers")
            }
            Reason::Lame { kind } => write!(f, "lame: no server of this zone ({})", kind.slug()),
            Reason::ServerFailure { rcode } => write!(f, "the server failed: {rcode}"),
            Reason::Malformed => f.write_str("the reply is malformed"),
            Reason::TruncatedOverTcp => f.write_str("the reply is truncated although it came over TCP"),
            Reason::Unusable { unusable } => unusable.fmt(f),
            Reason::Network { error: ExchangeError::Timeout, discarded } if !discarded.is_empty() => {
                Discards("timeout", discarded).fmt(f)
            }
            Reason::Network { error, .. } => match error {
                ExchangeError::Timeout => f.write_str("timeout: no reply"),
                ExchangeError::Refused => f.write_str("connection refused"),
                ExchangeError::Unreachable => f.write_str("host or network unreachable"),
                ExchangeError::NoRoute => f.write_str("no route to the server"),
                ExchangeError::Closed => f.write_str("the connection was closed early"),
                ExchangeError::Local => f.write_str("this machine could not send"),
                ExchangeError::WrongId => {
                    f.write_str("a reply with another id arrived first: a forgery is possible")
                }
            },
            Reason::Primed { zone, servers } if zone.as_ref().is_root() => {
                write!(f, "{} known", plural(*servers, "root server"))
            }
            Reason::Primed { zone, servers } => write!(f, "{} of {zone} known", plural(*servers, "server")),
            Reason::Unprimed { zone } if zone.as_ref().is_root() => {
                f.write_str("no root server confirmed the hints, they are used as they are")
            }
            Reason::Unprimed { zone } => {
                write!(f, "no configured server of {zone} named its servers: they are used as they are")
            }
            Reason::AddressesFound { servers } => {
                write!(f, "addresses of {} found", plural(*servers, "name server"))
            }
            Reason::AddressesMissing => f.write_str("no usable address of a name server"),
            Reason::Cycle => f.write_str("the name server's address depends on itself"),
            Reason::LimitReached { limit: limit @ Limit::Zone } => {
                let cause = "too many queries to the servers of this zone wait for a reply";
                write!(f, "stopped: limit {} reached, {cause}", limit.slug())
            }
            Reason::LimitReached { limit: limit @ (Limit::InFlight | Limit::InFlightPerClient) } => {
                let whose = if *limit == Limit::InFlight { "" } else { " from the network of this client" };
                let cause = format!("too many queries{whose} wait for an answer, and the oldest made room");
                write!(f, "stopped: limit {} reached, {cause}", limit.slug())
            }
            Reason::LimitReached { limit } => write!(f, "stopped: limit {} reached", limit.slug()),
            Reason::RateReached(rate) => rate.fmt(f),
            Reason::NoReachableAuthority { zone, forwarded } => {
                let role = if *forwarded { "forwarder for" } else { "server of" };
                write!(f, "no {role} {zone} gave a usable reply")
            }
            Reason::NobodyReplies => {
                f.write_str("the network of this machine seems to be down: no server has replied; tried again in a moment")
            }
            Reason::NoServers { zone, because } => {
                write!(f, "{zone} has no server that could be asked")?;
                because.iter().try_for_each(|because| write!(f, ": {because}"))
            }
            Reason::AliasLoop { names } => {
                f.write_str("alias loop: ")?;
                names.iter().enumerate().try_for_each(|(at, name)| {
                    let arrow = if at == 0 { "" } else { " -> " };
                    write!(f, "{arrow}{name}")
                })
            }
            Reason::NoHints => f.write_str("neither root hints nor a forwarder are configured"),
            Reason::NotValidated => f.write_str("signatures were not checked"),
            Reason::Bogus { fault } => write!(f, "bogus: {fault}"),
            Reason::KeysTrusted { zone, key_tags, anchor, signer } => {
                let from =
                    if *anchor { "the trust anchor names" } else { "the DS records of its parent name" };
                let tags: Vec<String> = key_tags.iter().map(u16::to_string).collect();
                let (tags, key) = (tags.join(" and "), By(signer));
                write!(f, "the keys of {zone} are trusted: {from} key {tags}, and they are signed by {key}")
            }
            Reason::SignedDelegation { zone, named, signer } => {
                write!(f, "{zone} has DS records for keys")?;
                named.iter().enumerate().try_for_each(|(at, (tag, algorithm, digest))| {
                    write!(f, "{} {tag} ({algorithm}, {digest})", if at == 0 { "" } else { "," })
                })?;
                signer.as_ref().map_or(Ok(()), |signer| write!(f, ", signed by {}", By(signer)))
            }
            Reason::Verified { zone, signer } => write!(f, "signed by {zone} with {}", By(signer)),
            Reason::AbsenceProved { zone, nxdomain } => {
                let what =
                    if *nxdomain { "the name does not exist" } else { "there is no data of this type" };
                write!(f, "signed records of {zone} prove that {what}")
            }
            Reason::Insecure { zone, why } => write!(f, "{zone} is insecure: {why}"),
            Reason::Sentinel { key_tag, trusted } => {
                let is = if *trusted { "is" } else { "is not" };
                write!(f, "SERVFAIL by the root key sentinel: key {key_tag} {is} a trust anchor of the root")
            }
            Reason::UnsignedDelegation => {
                f.write_str("the delegation has no DS records: insecure from here on")
            }
            Reason::Resolved { rcode } => write!(f, "resolved: {rcode}"),
            Reason::NotAnswered => f.write_str("recursion does not answer questions of this class or type"),
            Reason::NameTooLong => f.write_str("the alias leads to a name that is too long"),
            Reason::Abandoned => f.write_str("no longer needed"),
        }
    }
}

/// A key and the times of its signature, for people.
struct By<'s>(&'s Signer);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Signer { key_tag, algorithm, inception, expiration } = self.0;
        // A record has no more than 32 bits; the times until 2106 are those since 1970.
        let [from, to] = [inception, expiration].map(|time| crate::explain::iso8601(u64::from(*time)));
        write!(f, "key {key_tag} ({algorithm}) from {from} to {to}")
    }
}

/// *count* things, in words.
fn plural(count: u32, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
