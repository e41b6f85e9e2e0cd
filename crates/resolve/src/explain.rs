//! `namewise.explain/1`: the explanation of an answer as JSON.
//!
//! ```json
//! {"schema": "namewise.explain/1",
//!  "question": {"name": "www.example.com.", "type": "A", "class": "IN"},
//!  "started": "2026-08-02T10:00:00Z",
//!  "diagnosis": "slow: ns1.example.com (192.0.2.7) did not answer for 20.0 of 40.0 ms; 1 of 2 servers of example.com. is dead",
//!  "verdict": "www.example.com. A is answered with 1 record in 40.0 ms; 20.0 ms of it went to 192.0.2.1:53 (answer, 1 record)",
//!  "total_us": 40000,
//!  "result": {"rcode": "NOERROR", "ede": [{"code": 22, "purpose": "No Reachable Authority", "text": "..."}],
//!             "answer": ["www.example.com. 300 IN A 203.0.113.1"]},
//!  "steps": [{"id": 1, "parent": null, "layer": "cache", "action": "lookup", "name": "www.example.com.", "type": "A",
//!             "zone": ".", "server": null, "server_name": null, "transport": null, "at_us": 0, "took_us": 0, "parallel": false,
//!             "cache": {"state": "miss", "age_s": 0, "ttl_left_s": 0}, "validation": null, "ede": [],
//!             "reason": "not-cached", "text": "www.example.com. A: not in the cache", "basis": "measured"}]}
//! ```
//!
//! The steps that are not `parallel` follow each other without a gap, and their `took_us` add up to `total_us`; see
//! [`crate::trace`]. Fields and reasons may be added; none changes its meaning.

use std::borrow::Cow;
use std::fmt::Write as _;

use nw_wire::Name;
use nw_wire::code::{Ede, Rcode, RrType};
use nw_wire::rrset::Rrset;

use crate::diagnosis::{diagnosis, failure, is_dropped, is_withheld, sends_to_tcp};
use crate::reason::Reason;
use crate::resolution::{ClientQuestion, Resolution};
use crate::signed::target_of;
use crate::steps::Steps;
use crate::trace::{Action, Step};
use crate::world::{MILLISECOND, Micros};

/// The whole explanation of the answer to *question*, which arrived at *started_unix_s* (seconds since 1970 UTC).
pub fn document(question: &ClientQuestion, started_unix_s: u64, resolution: &Resolution) -> String {
    let mut out = Json(String::with_capacity(512 + 400 * resolution.steps.len()));
    out.raw("{\"schema\":\"namewise.explain/1\",\"question\":{\"name\":");
    out.text(&question.name.to_string());
    out.field("type").text(&question.rtype.to_string());
    out.field("class").text(&question.class.to_string());
    out.raw("}").field("started").text(&iso8601(started_unix_s));
    out.field("diagnosis").optional(diagnosis(resolution));
    out.field("verdict").text(&verdict(question, resolution));
    out.field("total_us").number(resolution.took);
    let rcode = (!is_dropped(resolution)).then_some(resolution.rcode);
    out.field("result").raw("{\"rcode\":").optional(rcode);
    out.field("ede").list(&resolution.ede, |out, (ede, text)| out.ede(*ede, Some(text)));
    let lines: Vec<String> = resolution.answer.iter().flat_map(lines).collect();
    out.field("answer").list(&lines, |out, line| {
        out.text(line);
    });
    out.raw("}").field("steps").list(resolution.steps.iter(), |out, step| out.step(&step));
    out.raw("}");
    out.0
}

/// The outcome in one sentence, with what cost the time.
pub fn verdict(question: &ClientQuestion, resolution: &Resolution) -> String {
    let (name, rtype) = (&question.name, question.rtype);
    let records: usize = resolution.answer.iter().map(|set| set.rdatas.len()).sum();
    let plural = if records == 1 { "" } else { "s" };
    let has_data = resolution.answer.iter().any(|set| set.rtype == rtype || rtype == RrType::ANY);
    let took = milliseconds(resolution.took);
    let outcome = match resolution.rcode {
        _ if is_dropped(resolution) => format!("{name} {rtype}: the client gets no response"),
        _ if sends_to_tcp(resolution) => {
            format!(
                "{name} {rtype}: the response over UDP is truncated (TC); over TCP, the client gets the answer"
            )
        }
        Rcode::NOERROR if has_data => {
            format!("{name} {rtype} is answered with {records} record{plural} in {took}")
        }
        // What the name has is another matter.
        Rcode::NOERROR if is_withheld(resolution) => {
            format!("{name} {rtype} is answered without {rtype} records in {took}")
        }
        Rcode::NXDOMAIN if is_withheld(resolution) => {
            format!("{name} {rtype} is answered with NXDOMAIN in {took}")
        }
        Rcode::NOERROR | Rcode::NXDOMAIN => {
            let exists = resolution.rcode == Rcode::NOERROR;
            let outcome = match Aliases::of(question, resolution) {
                Aliases::None if exists => format!("{name} has no {rtype} record"),
                Aliases::None => format!("{name} {rtype}: the name does not exist"),
                Aliases::To(target) if exists => {
                    format!("{name} is an alias of {target}, which has no {rtype} record")
                }
                Aliases::To(target) => {
                    format!("{name} {rtype}: it is an alias of {target}, which does not exist")
                }
                Aliases::Loop(names) => format!("{name} {rtype}: {}", Reason::AliasLoop { names }),
            };
            format!("{outcome}; answered in {took}")
        }
        rcode => {
            let steps: Vec<Cow<'_, Step>> = resolution.steps.iter().collect();
            let reason = failure(&steps).map_or_else(String::new, |reason| format!(": {reason}"));
            format!("{name} {rtype} failed with {rcode} after {took}{reason}")
        }
    };
    match costliest(resolution) {
        Some((who, what, cost)) => format!("{outcome}; {} of it went to {who} ({what})", milliseconds(cost)),
        None => outcome,
    }
}

/// Where the aliases in an answer lead from the name in question.
enum Aliases {
    /// The name is no alias, or the question asks for the alias itself.
    None,
    /// The last target.
    To(Name),
    /// The names of a loop, the first one again at the end.
    Loop(Vec<Name>),
}

impl Aliases {
    fn of(question: &ClientQuestion, resolution: &Resolution) -> Aliases {
        let mut names = vec![question.name.clone()];
        while let Some(last) = names.last()
            && !matches!(question.rtype, RrType::CNAME | RrType::ANY)
        {
            let alias = resolution.answer.iter().find(|set| set.rtype == RrType::CNAME && set.owner == *last);
            let Some(target) = alias.and_then(target_of) else { break };
            let target = target.to_name();
            let first = names.iter().position(|name| *name == target);
            names.push(target);
            if let Some(first) = first {
                return Aliases::Loop(names.split_off(first));
            }
        }
        match names.pop() {
            Some(target) if !names.is_empty() => Aliases::To(target),
            _ => Aliases::None,
        }
    }
}

/// The server, or the kind of work, that took the most time, if it took a third of the whole; what came of it; how long it took.
fn costliest(resolution: &Resolution) -> Option<(String, String, Micros)> {
    let mut spent: Vec<(String, String, Micros, Micros)> = Vec::new();
    for step in resolution.steps.iter().filter(|step| step.took > 0 && step.action != Action::Finish) {
        // What a step waited for stands below it.
        let Some(server) = step.server_shown() else { continue };
        match spent.iter_mut().find(|(other, ..)| *other == server) {
            Some((_, what, sum, most)) => {
                *sum += step.took;
                if step.took > *most {
                    (*most, *what) = (step.took, step.reason.to_string());
                }
            }
            None => spent.push((server, step.reason.to_string(), step.took, step.took)),
        }
    }
    let (who, what, sum, _) = spent.into_iter().max_by_key(|(.., sum, _)| *sum)?;
    let sum = sum.min(resolution.took);
    (sum >= MILLISECOND && sum * 3 >= resolution.took).then_some((who, what, sum))
}

/// A time for people.
pub(crate) fn milliseconds(time: Micros) -> String {
    match time {
        0..10_000_000 => format!("{}.{} ms", time / 1000, time / 100 % 10),
        _ => format!("{}.{} s", time / 1_000_000, time / 100_000 % 10),
    }
}

/// The steps alone, as a JSON array.
pub fn steps(steps: &Steps) -> String {
    let mut out = Json(String::with_capacity(2 + 400 * steps.len()));
    out.list(steps.iter(), |out, step| out.step(&step));
    out.0
}

/// One line a record, fields separated by single spaces.
fn lines(rrset: &Rrset) -> Vec<String> {
    rrset.to_string().lines().map(|line| line.replace('\t', " ")).collect()
}

/// JSON being written. Each method returns the writer, to be chained.
struct Json(String);

impl Json {
    fn raw(&mut self, text: &str) -> &mut Json {
        self.0.push_str(text);
        self
    }

    /// A further member of an object: comma and name.
    fn field(&mut self, name: &str) -> &mut Json {
        self.raw(",\"").raw(name).raw("\":")
    }

    fn number(&mut self, number: u64) -> &mut Json {
        self.raw(&number.to_string())
    }

    /// A string (RFC 8259 §7).
    fn text(&mut self, text: &str) -> &mut Json {
        self.0.push('"');
        for character in text.chars() {
            match character {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                control if control < ' ' => {
                    // Writing to a String cannot fail.
                    let _ = write!(self.0, "\\u{:04x}", control as u32);
                }
                other => self.0.push(other),
            }
        }
        self.raw("\"")
    }

    fn optional<T: ToString>(&mut self, value: Option<T>) -> &mut Json {
        match value {
            Some(value) => self.text(&value.to_string()),
            None => self.raw("null"),
        }
    }

    fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Json, T),
    ) -> &mut Json {
        self.raw("[");
        for (count, item) in items.into_iter().enumerate() {
            if count > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.raw("]")
    }

    fn ede(&mut self, ede: Ede, text: Option<&str>) {
        self.raw("{\"code\":").number(ede.0.into()).field("purpose").optional(ede.mnemonic());
        if let Some(text) = text {
            self.field("text").text(text);
        }
        self.raw("}");
    }

    fn step(&mut self, step: &Step) {
        self.raw("{\"id\":").number(step.id.into()).field("parent");
        match step.parent {
            Some(parent) => self.number(parent.into()),
            None => self.raw("null"),
        };
        self.field("layer").text(step.layer.slug()).field("action").text(step.action.slug());
        self.field("name").text(&step.name.to_string()).field("type").text(&step.rtype.to_string());
        self.field("zone").optional(step.zone.as_ref()).field("server").optional(step.server);
        self.field("server_name").optional(step.server_name.as_ref());
        self.field("transport").optional(step.transport.map(|via| via.slug()));
        self.field("at_us").number(step.at).field("took_us").number(step.took);
        self.field("parallel").raw(if step.parallel { "true" } else { "false" }).field("cache");
        match step.cache {
            Some(note) => {
                self.raw("{\"state\":").text(note.state.slug());
                self.field("age_s")
                    .number(note.age_s.into())
                    .field("ttl_left_s")
                    .number(note.ttl_left_s.into());
                self.raw("}")
            }
            None => self.raw("null"),
        };
        self.field("validation").optional(step.validation.map(|validation| validation.slug()));
        self.field("ede").list(step.ede.as_slice(), |out, ede| out.ede(*ede, None));
        self.field("reason").text(step.reason.slug()).field("text").text(&step.text());
        if let Reason::ListRule(rule) = &step.reason {
            self.field("rule").raw("{\"list\":").text(&rule.list).field("owner").text(&rule.owner);
            self.field("action").text(rule.action);
            self.field("log_only").raw(if rule.log_only { "true}" } else { "false}" });
        }
        self.field("basis").text(step.basis.slug()).raw("}");
    }
}

/// Seconds since 1970 as a UTC time of day and date (proleptic Gregorian calendar).
pub(crate) fn iso8601(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // Count in years that begin in March, so that the leap day comes last: eras of 400 years, 146,097 days each.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 400 * era + year + next_year;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::iso8601;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(iso8601(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso8601(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(iso8601(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(iso8601(951_868_800), "2000-03-01T00:00:00Z");
        assert_eq!(iso8601(1_785_664_800), "2026-08-02T10:00:00Z");
        assert_eq!(iso8601(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(iso8601(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
