//! Compares the result of a step with its `expect` table and returns the first difference.

#[cfg(test)]
mod tests;

use nw_resolve::{Steps, Transport};
use nw_wire::code::{Rcode, RrType};
use nw_wire::name::NameRef;

use super::format::{Count, ExpectTable};
use crate::exec::Micros;
use crate::matching::{Difference, extended_errors, flag_words, listed};
use crate::packet::Packet;
use crate::record::{DEFAULT_TTL, Record, as_set, parse_question};
use crate::report::Measure;

/// The result of a step.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The reply, if there was one.
    pub reply: Option<Packet>,
    /// Why what arrived is no message.
    pub malformed: Option<String>,
    /// The length of the reply.
    pub octets: usize,
    /// The time from the query to the reply.
    pub took: Micros,
    /// The hosts that the resolver queried meanwhile, by name, and the transports.
    pub asked: Vec<(String, Transport)>,
    /// The octets that the cache holds afterwards.
    pub cache_octets: usize,
    /// The largest UDP payload size that the resolver offered meanwhile.
    pub payload: u16,
    /// The reasons in the explanation; empty if the cache answered.
    pub reasons: Vec<String>,
    /// The first line of `nw why`; empty if nothing went wrong or the cache answered.
    pub why: String,
}

impl Seen {
    /// What a client sees, as JSON: `rcode` (null: no reply), `flags`, `answer` with TTLs of 0, sorted, and `ede`.
    pub fn to_json(&self) -> serde_json::Value {
        let Some(reply) = &self.reply else { return serde_json::json!({ "rcode": null }) };
        let without_ttl = |record: &Record| Record { ttl: 0, ..record.clone() }.to_string();
        let mut answer: Vec<String> = reply.sections[0].iter().map(without_ttl).collect();
        answer.sort_unstable();
        serde_json::json!({
            "rcode": reply.rcode.to_string(),
            "flags": flag_words(reply.flags).split_whitespace().collect::<Vec<_>>(),
            "answer": answer,
            "ede": extended_errors(reply).into_iter().collect::<Vec<_>>(),
        })
    }
}

/// Return the slugs of `steps`.
pub fn reasons(steps: &Steps) -> Vec<String> {
    steps.iter().map(|step| step.reason.slug().to_owned()).collect()
}

/// Compare the reply that the client received. [`behind`] compares time and upstream queries.
pub fn reply(expect: &ExpectTable, seen: &Seen) -> Option<Difference> {
    if let Some(malformed) = &seen.malformed {
        return Some(differs("reply", "a message", malformed));
    }
    let Some(reply) = &seen.reply else {
        return (!expect.silence).then(|| differs("reply", "an answer", "none"));
    };
    if expect.silence {
        return Some(differs("reply", "none", format!("{} with {} octets", reply.rcode, seen.octets)));
    }
    if let Some(rcode) = &expect.rcode
        && rcode.parse::<Rcode>() != Ok(reply.rcode)
    {
        return Some(differs("rcode", rcode, reply.rcode));
    }
    let words = flag_words(reply.flags);
    let has = |flag: &String| words.split(' ').any(|word| word.eq_ignore_ascii_case(flag));
    if let Some(flag) = expect.flags.iter().find(|flag| !has(flag)) {
        return Some(differs("flags", flag, words));
    }
    if let Some(flag) = expect.no_flags.iter().find(|flag| has(flag)) {
        return Some(differs("flags", format!("no {flag}"), words));
    }
    let sections =
        [("answer", &expect.answer), ("authority", &expect.authority), ("additional", &expect.additional)];
    for ((field, lines), got) in sections.into_iter().zip(&reply.sections) {
        let Some(lines) = lines else { continue };
        let wanted = match records(lines) {
            Ok(wanted) => wanted,
            Err(problem) => return Some(differs(field, "records", problem)),
        };
        if as_set(&wanted, expect.ttl) != as_set(got, expect.ttl) {
            return Some(differs(field, listed(&wanted), listed(got)));
        }
    }
    let all: Vec<Record> = reply.sections.iter().flatten().cloned().collect();
    let present = as_set(&all, expect.ttl);
    for line in &expect.contains {
        let found =
            match (Record::parse(line, NameRef::ROOT, DEFAULT_TTL), parse_question(line, NameRef::ROOT)) {
                (Ok(wanted), _) => as_set(std::slice::from_ref(&wanted), expect.ttl).is_subset(&present),
                (_, Ok(wanted)) => all.iter().any(|record| {
                    record.owner.as_ref() == wanted.name.as_ref() && record.rtype == wanted.rtype
                }),
                (Err(error), Err(_)) => return Some(differs("contains", line, error)),
            };
        if !found {
            return Some(differs("contains", line, listed(&all)));
        }
    }
    for line in &expect.lacks {
        let found =
            match (Record::parse(line, NameRef::ROOT, DEFAULT_TTL), parse_question(line, NameRef::ROOT)) {
                (Ok(unwanted), _) => all.iter().any(|record| record.key() == unwanted.key()),
                (_, Ok(owner)) => all.iter().any(|record| {
                    record.owner.as_ref() == owner.name.as_ref()
                        && (owner.rtype == RrType::ANY || record.rtype == owner.rtype)
                }),
                (Err(error), Err(_)) => return Some(differs("lacks", line, error)),
            };
        if found {
            return Some(differs("lacks", format!("no {line}"), listed(&all)));
        }
    }
    let told: Vec<u16> = extended_errors(reply).into_iter().map(|(code, _)| code).collect();
    if let Some(code) = expect.ede.iter().find(|code| !told.contains(code)) {
        return Some(differs("ede", code, format!("{told:?}")));
    }
    if let Some(opt) = expect.opt
        && opt != reply.edns.is_some()
    {
        return Some(differs("opt", opt, reply.edns.is_some()));
    }
    match expect.max_octets {
        Some(most) if seen.octets > most => Some(differs("max_octets", most, seen.octets)),
        _ => None,
    }
}

/// The numbers of queries and octets that `expect` limits: the field, its limit, and the number.
fn counts(expect: &ExpectTable, seen: &Seen) -> Vec<(String, Count, usize)> {
    let tcp = seen.asked.iter().filter(|(_, via)| *via == Transport::Tcp).count();
    let mut counts = Vec::new();
    let mut add = |field: &str, wanted: Option<Count>, number: usize| {
        counts.extend(wanted.map(|wanted| (field.to_owned(), wanted, number)));
    };
    add("upstream", expect.upstream, seen.asked.len());
    add("upstream_tcp", expect.upstream_tcp, tcp);
    for (host, wanted) in &expect.asked {
        let number = seen.asked.iter().filter(|(asked, _)| asked == host).count();
        add(&format!("asked {host}"), Some(*wanted), number);
    }
    add("cache_octets", expect.cache_octets, seen.cache_octets);
    counts
}

/// What the bounded expectations of step `step` were compared with.
pub fn measures(expect: &ExpectTable, seen: &Seen, step: u64) -> Vec<Measure> {
    let measure = |what: String, measured: usize, bound: String| Measure {
        step,
        what,
        measured: measured as u64,
        bound,
    };
    let bounded = counts(expect, seen).into_iter().filter(|(_, wanted, _)| wanted.is_bound());
    let mut measures: Vec<Measure> =
        bounded.map(|(field, wanted, number)| measure(field, number, wanted.to_string())).collect();
    let took_ms = (seen.took / 1000) as usize;
    measures.extend(expect.max_ms.map(|most| measure("ms".to_owned(), took_ms, format!("at most {most}"))));
    let octets = expect.max_octets;
    measures.extend(octets.map(|most| measure("octets".to_owned(), seen.octets, format!("at most {most}"))));
    measures
}

/// Compare values that only the simulation knows: upstream queries, reasons and time.
pub fn behind(expect: &ExpectTable, seen: &Seen) -> Option<Difference> {
    let broken = counts(expect, seen).into_iter().find(|(_, wanted, number)| !wanted.holds(*number));
    if let Some((field, wanted, number)) = broken {
        return Some(match field.strip_prefix("asked ") {
            Some(host) => differs("asked", format!("{host}: {wanted}"), number),
            None if field == "upstream" => differs("upstream", wanted, number),
            None if field == "upstream_tcp" => differs("upstream_tcp", wanted, number),
            None => differs("cache_octets", wanted, number),
        });
    }
    if let Some(most) = expect.max_payload.filter(|most| seen.payload > *most) {
        return Some(differs("max_payload", most, seen.payload));
    }
    let mut rest = seen.reasons.iter();
    for wanted in &expect.reasons {
        if !rest.any(|reason| reason == wanted) {
            return Some(differs("reasons", expect.reasons.join(" "), seen.reasons.join(" ")));
        }
    }
    if let Some(absent) = expect.why.iter().find(|words| !seen.why.contains(*words)) {
        return Some(differs("why", absent, &seen.why));
    }
    if let Some(unwanted) = expect.no_reasons.iter().find(|unwanted| seen.reasons.contains(unwanted)) {
        return Some(differs("reasons", format!("no {unwanted}"), seen.reasons.join(" ")));
    }
    let took_ms = seen.took / 1000;
    if let Some(most) = expect.max_ms.filter(|most| took_ms > *most) {
        return Some(differs("max_ms", most, took_ms));
    }
    expect.min_ms.filter(|least| took_ms < *least).map(|least| differs("min_ms", least, took_ms))
}

fn records(lines: &[String]) -> Result<Vec<Record>, String> {
    let read = |line: &String| {
        Record::parse(line, NameRef::ROOT, DEFAULT_TTL).map_err(|error| format!("{line:?}: {error}"))
    };
    lines.iter().map(read).collect()
}

pub(super) fn differs(field: &'static str, expected: impl ToString, got: impl ToString) -> Difference {
    Difference { field, expected: expected.to_string(), got: got.to_string() }
}
