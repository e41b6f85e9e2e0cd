//! Why an answer failed, was refused, was slow or met a broken server: one sentence, the cause first.
//!
//! ```text
//! slow: ns1.example.org (192.0.2.66) did not answer for 377.0 of 379.9 ms; 1 of 3 servers of example.org. is dead, 1 lame
//! failed: bogus: RRSIG for www.example.com. A by key 12345 of example.com. expired 2 h ago
//! blocked: ads.example.org. by the rule of list ads for names below example.org. (nxdomain)
//! blocked: ads.example.org. by the rule of list ads for names below example.org. (drop): no response is sent
//! blocked: rebinding protection removed 10.0.0.1, private address of the public name evil.example. (/etc/namewise.toml:9)
//! limited: www.example.: response rate limit: 192.0.2.0/24 gets 200 answers about www.example. per second ...: no response is sent
//! truncated: ads.example.org. by the rule of list ads for names below example.org. (tcp-only): the client has to ask over TCP
//! stale: the answer expired 42 s ago: no server of example.org. gave a usable reply; 2 of 2 servers of example.org. are dead
//! failed: no server of example.org. gave a usable reply; 2 of 2 servers of example.org. are dead
//! refused: the name is in no zone of this server, and [[policy]] on = "recursion" does not admit this client (Prohibited)
//! ```
//!
//! The sentence is computed from the steps alone, so that the flight recorder, `nw explain` and `nw why` agree.

use std::borrow::Cow;
use std::net::SocketAddr;

use nw_wire::Name;
use nw_wire::code::Rcode;

use crate::explain::milliseconds;
use crate::reason::{ListRule, Reason, TCP_ONLY};
use crate::resolution::Resolution;
use crate::trace::{Action, Layer, Step};
use crate::world::{ExchangeError, MILLISECOND, Micros};

/// An answer that took less is not slow. Most lookups with an empty cache take less. This is no limit on work: it only decides whether an
/// explanation names the slowest server. `[log] slow` decides what the flight recorder keeps.
const SLOW: Micros = 200 * MILLISECOND;

/// The cause in one sentence. None: the answer arrived in time, every server gave a usable reply, and no list changed it.
pub fn diagnosis(resolution: &Resolution) -> Option<String> {
    let steps: Vec<Cow<'_, Step>> = resolution.steps.iter().collect();
    let servers = Servers::of(&steps);
    let mut rest = servers.sentence().map_or_else(String::new, |sentence| format!("; {sentence}"));
    let late = steps.iter().find(|step| matches!(step.reason, Reason::TooLate { .. }));
    late.iter().for_each(|step| rest += &format!("; {}", step.reason));
    if let Some(blocked) = blocked(&steps) {
        return Some(blocked);
    }
    if let Some(stale) = stale(&steps) {
        return Some(format!("{stale}{rest}"));
    }
    match resolution.rcode {
        Rcode::NOERROR | Rcode::NXDOMAIN => {
            let slow = servers.slow(resolution.took).or_else(|| slow_reply(&steps, resolution.took));
            match slow {
                Some(slow) => Some(format!("slow: {slow}{rest}")),
                None => rest.strip_prefix("; ").map(str::to_owned),
            }
        }
        rcode => Some(match failure(&steps) {
            Some(reason) if is_refusal(&reason) => reason.to_string(),
            Some(reason @ (Reason::CacheOnly | Reason::TunnelSuspected { .. })) => {
                format!("refused: {reason}")
            }
            Some(reason) => format!("failed: {reason}{rest}"),
            None => match resolution.ede.iter().find(|(_, text)| !text.is_empty()) {
                Some((_, text)) => format!("failed: {text}"),
                None => format!("failed: {rcode}"),
            },
        }),
    }
}

/// What the operator had changed in the answer: the rule of a list, a filter or a limit; or what else kept the response back.
fn blocked(steps: &[Cow<'_, Step>]) -> Option<String> {
    let dropped = steps.iter().any(|step| step.reason == Reason::NoResponse);
    let changed = steps.iter().rev().find(|step| withholds(&step.reason));
    let effect = if dropped { format!(": {}", Reason::NoResponse) } else { String::new() };
    let Some(step) = changed else {
        let own = |step: &&Cow<'_, Step>| {
            step.reason != Reason::NoResponse && step.parent.is_none() && decides(&step.reason)
        };
        return dropped.then(|| match steps.iter().rev().find(own) {
            Some(step) => format!("blocked: {}: {}{effect}", step.name, step.reason),
            None => format!("blocked{effect}"),
        });
    };
    Some(match &step.reason {
        Reason::ListRule(rule) => {
            let ListRule { list, trigger, action, .. } = &**rule;
            let (verb, effect) = match *action {
                TCP_ONLY if !dropped => ("truncated", ": the client has to ask over TCP".to_owned()),
                _ => ("blocked", effect),
            };
            format!("{verb}: {} by the rule of list {list} for {trigger} ({action}){effect}", step.name)
        }
        Reason::LocalData { source, .. } => format!("blocked: {} by local data: {source}{effect}", step.name),
        Reason::ResponseLimited(_) | Reason::AmplificationLimited(_) => {
            format!("limited: {}: {}{effect}", step.name, step.reason)
        }
        reason => format!("blocked: {reason}{effect}"),
    })
}

/// Whether the operator had the answer changed or kept back.
pub(crate) fn is_withheld(resolution: &Resolution) -> bool {
    resolution.steps.iter().any(|step| withholds(&step.reason))
}

/// Whether *reason* says that the operator had the answer changed or kept back.
fn withholds(reason: &Reason) -> bool {
    match reason {
        Reason::ListRule(rule) => !rule.log_only && !rule.passes,
        Reason::NoAaaa(no_aaaa) => no_aaaa.removed != Some(0),
        Reason::LocalData { blocks, .. } => *blocks,
        Reason::Rebinding(_) | Reason::ResponseLimited(_) | Reason::AmplificationLimited(_) => true,
        _ => false,
    }
}

/// Whether a rule of a list or the rate limit of responses sends the client to TCP.
pub(crate) fn sends_to_tcp(resolution: &Resolution) -> bool {
    resolution.steps.iter().any(|step| match &step.reason {
        Reason::ListRule(rule) => !rule.log_only && !rule.passes && rule.action == TCP_ONLY,
        Reason::ResponseLimited(limit) => limit.truncated,
        Reason::AmplificationLimited(limit) => limit.truncated,
        _ => false,
    })
}

/// Whether the client gets no response.
pub(crate) fn is_dropped(resolution: &Resolution) -> bool {
    resolution.steps.iter().any(|step| step.reason == Reason::NoResponse)
}

/// How long ago the answer expired, and why it was not renewed.
fn stale(steps: &[Cow<'_, Step>]) -> Option<String> {
    steps.iter().rev().find_map(|step| match &step.reason {
        Reason::ServedStale { expired_s, cause } => {
            Some(format!("stale: the answer expired {expired_s} s ago: {cause}"))
        }
        _ => None,
    })
}

/// The reason of a failure: the fault that validation found, what the cache kept, or the last step that decided something.
pub(crate) fn failure(steps: &[Cow<'_, Step>]) -> Option<Reason> {
    let joined = |step: &Cow<'_, Step>| step.parent.is_none() && step.reason == Reason::Joined;
    let joined = steps.iter().find(|step| joined(step)).map(|step| step.id);
    // What became of a question that was joined is what became of this one.
    let own = || steps.iter().rev().filter(|step| step.parent.is_none() || step.parent == joined);
    let decisive = own().find(|step| {
        matches!(step.reason, Reason::Bogus { .. } | Reason::CachedFailure { .. }) || is_refusal(&step.reason)
    });
    let last = || own().find(|step| decides(&step.reason));
    decisive.or_else(last).map(|step| step.reason.clone())
}

/// Whether an answer can fail because of *reason*. Others say what applies to the client or the name, and where the answer is sought.
fn decides(reason: &Reason) -> bool {
    match reason {
        Reason::TunnelSuspected { refused, .. } => *refused,
        Reason::LocalData { blocks, .. } => *blocks,
        Reason::Filtered { effect, .. } => *effect != "looks up more",
        Reason::InView { .. }
        | Reason::ListRule(_)
        | Reason::NoAaaa(_)
        | Reason::Dns64(_)
        | Reason::NotCached { .. }
        | Reason::CachedAlias { .. }
        | Reason::TooLate { .. }
        | Reason::Joined => false,
        _ => true,
    }
}

/// Whether the server did not accept the query. The text of these reasons begins with "refused".
fn is_refusal(reason: &Reason) -> bool {
    matches!(reason, Reason::ClientRefused { .. } | Reason::NotServed { .. } | Reason::SignatureRefused(_))
}

/// The server whose usable replies took the most time of a slow answer.
fn slow_reply(steps: &[Cow<'_, Step>], took: Micros) -> Option<String> {
    let asked = steps.iter().filter(|step| step.action == Action::Ask && !step.parallel);
    let longest = asked.max_by_key(|step| step.took)?;
    let whole = took >= SLOW && longest.took * 2 >= took;
    let server = longest.server_shown().filter(|_| whole)?;
    Some(format!("{server} took {} of {} to answer", milliseconds(longest.took), milliseconds(took)))
}

/// A server that was asked about one zone, or about the names below a suffix that is forwarded.
struct Server {
    zone: Name,
    /// Whether it is a forwarder.
    forwards: bool,
    address: SocketAddr,
    shown: String,
    /// Its last failure, or Usable.
    state: State,
    /// The time that passed without a usable reply.
    lost: Micros,
    /// What it did in that time.
    complaint: &'static str,
}

/// What a server turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Usable,
    Dead,
    Lame,
    Failing,
}

/// The servers that were asked, and the sizes of the delegations that led to them.
struct Servers {
    asked: Vec<Server>,
    delegations: Vec<(Name, u32)>,
}

impl Servers {
    fn of(steps: &[Cow<'_, Step>]) -> Servers {
        let mut servers = Servers { asked: Vec::new(), delegations: Vec::new() };
        for step in steps {
            if let Reason::Referral { child, servers: count, .. } = &step.reason {
                servers.delegations.push((child.clone(), *count));
            }
            if step.action == Action::Ask && step.reason != Reason::Abandoned {
                servers.add(step);
            }
        }
        servers
    }

    fn add(&mut self, step: &Step) {
        let (Some(address), Some(zone)) = (step.server, step.zone.clone()) else { return };
        let (state, complaint) = state_of(step);
        let forwards = step.layer == Layer::Forward;
        let same = |server: &&mut Server| {
            server.address == address && server.zone == zone && server.forwards == forwards
        };
        let known = self.asked.iter_mut().find(same);
        let server = match known {
            Some(server) => server,
            None => {
                let shown = step.server_shown().unwrap_or_default();
                self.asked.push(Server { zone, forwards, address, shown, state, lost: 0, complaint });
                self.asked.last_mut().expect("one was pushed")
            }
        };
        if state != State::Usable {
            server.lost += step.took;
            server.complaint = complaint;
        }
        // A server that gave one usable reply is not dead, whatever else it did.
        if server.state != State::Usable {
            server.state = state;
        }
    }

    /// The server that cost half of the time of the answer, or more, without a usable reply.
    fn slow(&self, took: Micros) -> Option<String> {
        let worst = self.asked.iter().max_by_key(|server| server.lost)?;
        let lost = worst.lost.min(took);
        let most = lost >= MILLISECOND && lost * 2 >= took;
        most.then(|| {
            format!(
                "{} {} for {} of {}",
                worst.shown,
                worst.complaint,
                milliseconds(lost),
                milliseconds(took)
            )
        })
    }

    /// How many servers of each zone, and forwarders for each suffix, gave no usable reply.
    fn sentence(&self) -> Option<String> {
        let mut groups: Vec<(&Name, bool)> = Vec::new();
        for server in self.asked.iter().filter(|server| server.state != State::Usable) {
            let group = (&server.zone, server.forwards);
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        let sentences: Vec<String> =
            groups.into_iter().map(|(zone, forwards)| self.of_zone(zone, forwards)).collect();
        (!sentences.is_empty()).then(|| sentences.join("; "))
    }

    fn of_zone(&self, zone: &Name, forwards: bool) -> String {
        let of_group = |server: &&Server| server.zone == *zone && server.forwards == forwards;
        let asked: Vec<&Server> = self.asked.iter().filter(of_group).collect();
        let delegation = self.delegations.iter().rev().find(|(child, _)| child == zone && !forwards);
        let (kind, of) = if forwards { ("forwarder", "for") } else { ("server", "of") };
        // Without the referral, the number of servers is not known.
        let (total, known) = match delegation {
            Some((_, count)) => (asked.len().max(*count as usize), ""),
            None => (asked.len(), "asked "),
        };
        let counts = [(State::Dead, "dead"), (State::Lame, "lame"), (State::Failing, "failing")];
        let mut parts = Vec::new();
        for (state, word) in counts {
            let count = asked.iter().filter(|server| server.state == state).count();
            if count > 0 {
                let plural = if total == 1 { "" } else { "s" };
                let verb = if count == 1 { "is" } else { "are" };
                parts.push(match parts.is_empty() {
                    true => format!("{count} of {total} {known}{kind}{plural} {of} {zone} {verb} {word}"),
                    false => format!("{count} {word}"),
                });
            }
        }
        parts.join(", ")
    }
}

/// What the reply in *step* shows about its server, and the words for it.
fn state_of(step: &Step) -> (State, &'static str) {
    match &step.reason {
        Reason::Network { error: ExchangeError::Timeout, .. } => (State::Dead, "did not answer"),
        Reason::Network { error: ExchangeError::Refused, .. } => (State::Dead, "refused connections"),
        Reason::Network { error: ExchangeError::Closed, .. } => (State::Failing, "closed connections early"),
        Reason::Network { error: ExchangeError::WrongId, .. } => (State::Usable, ""),
        Reason::Network { error: ExchangeError::Local, .. } => (State::Usable, ""),
        Reason::Network { .. } => (State::Dead, "could not be reached"),
        Reason::Lame { .. } => (State::Lame, "was lame"),
        reason if reason.is_server_failure() => (State::Failing, "gave no usable reply"),
        _ => (State::Usable, ""),
    }
}
