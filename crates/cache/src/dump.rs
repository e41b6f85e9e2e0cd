//! The cache as text that a person can read and edit: records as in a zone file, below a comment with their origin.
//!
//! ```text
//! ; data www.example.com. A secure authoritative view 0 from 192.0.2.1:53 age 12 life 300
//! www.example.com.   288   IN   A   192.0.2.80
//! ; nxdomain none.example.com. ANY insecure authoritative view 0 from 192.0.2.1:53 age 3 life 60
//! example.com.       57    IN   SOA ...
//! ```
//!
//! [`load`] reads what [`write`] wrote. Whoever may load a text decides what it says of validation. Failures, bogus data and whole
//! answers behind aliases are written for reading only.

use std::fmt::Write as _;

use nw_wire::code::{Class, RrType};
use nw_wire::name::{Name, NameRef};
use nw_wire::rr;
use nw_wire::rrset::Rrset;
use nw_wire::text::Tokens;

use crate::entry::Rank;
use crate::reader::State;
use crate::{Cache, Inspected, Kind, Micros};

/// A line that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what is expected.
    pub problem: String,
}

impl std::fmt::Display for DumpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for DumpError {}

/// Append `entry` to `out`.
pub fn write(entry: &Inspected, out: &mut String) {
    let rtype = entry.rtype.unwrap_or(RrType::ANY);
    let (kind, state, rank) = (entry.kind.slug(), state(entry.validation), rank(entry.rank));
    // Writing to a String cannot fail.
    let _ = write!(out, "; {kind} {} {rtype} {state} {rank} view {}", entry.name, entry.view);
    if let Some(server) = entry.server {
        let _ = write!(out, " from {server}");
    }
    let _ = writeln!(out, " age {} life {}", entry.age_s, entry.life_s);
    for set in &entry.records {
        let _ = writeln!(out, "{set}");
    }
}

/// Take the entries of `text` into `cache`, unless the cache knows better, and return their number. If a line is wrong, nothing is
/// taken.
pub fn load(cache: &Cache, text: &str, now: Micros) -> Result<usize, DumpError> {
    let mut entries: Vec<Inspected> = Vec::new();
    let mut skipping = false;
    for (at, line) in text.lines().enumerate() {
        let wrong = |problem: String| DumpError { line: at + 1, problem };
        if let Some(comment) = line.strip_prefix("; ") {
            match head(comment).map_err(wrong)? {
                Head::Entry(entry) => {
                    skipping = false;
                    entries.push(*entry);
                }
                Head::Other => skipping = true,
                Head::Comment => {}
            }
        } else if !line.trim().is_empty() && !line.starts_with(';') && !skipping {
            let entry = entries.last_mut().ok_or_else(|| {
                wrong("a record without the comment line that says where it is from".to_owned())
            })?;
            let (owner, ttl, rtype, rdata) = record(line).map_err(wrong)?;
            let ttl = if ttl == 0 { entry.life_s } else { ttl.saturating_add(entry.age_s) };
            let same = |set: &&mut Rrset| (&set.owner, set.rtype, set.ttl) == (&owner, rtype, ttl);
            match entry.records.last_mut().filter(same) {
                Some(set) => set.rdatas.push(&rdata),
                None => {
                    let mut set = Rrset::new(owner, rtype, Class::IN, ttl);
                    set.rdatas.push(&rdata);
                    entry.records.push(set);
                }
            }
        }
    }
    Ok(entries.into_iter().map(|entry| usize::from(cache.restore(entry, now))).sum())
}

/// What a comment says.
enum Head {
    /// An entry begins.
    Entry(Box<Inspected>),
    /// An entry begins that is not loaded.
    Other,
    /// Nothing.
    Comment,
}

fn head(comment: &str) -> Result<Head, String> {
    let mut words = comment.split(' ');
    let kind = match words.next() {
        Some("data") => Kind::Data,
        Some("nodata") => Kind::NoData,
        Some("nxdomain") => Kind::NxDomain,
        Some("chain" | "failure") => return Ok(Head::Other),
        _ => return Ok(Head::Comment),
    };
    let mut word = |expected: &str| words.next().ok_or_else(|| format!("expected {expected}"));
    let name = word("a name")?;
    let name: Name = name.parse().map_err(|error| format!("{name:?} is not a name: {error}"))?;
    let rtype = word("a type")?;
    let rtype: RrType = rtype.parse().map_err(|_| format!("{rtype:?} is not a type"))?;
    let validation = match word("a validation state")? {
        "secure" => State::Secure,
        "insecure" => State::Insecure,
        "indeterminate" => State::Indeterminate,
        "bogus" | "unchecked" => return Ok(Head::Other),
        other => return Err(format!("{other:?} is not secure, insecure or indeterminate")),
    };
    let rank = match word("authoritative or non-authoritative")? {
        "authoritative" => Rank::Authoritative,
        "non-authoritative" => Rank::NonAuthoritative,
        other => return Err(format!("{other:?} is not authoritative or non-authoritative")),
    };
    let (mut view, mut server, mut age_s, mut life_s) = (0, None, 0, None);
    while let Some(key) = words.next() {
        let value = words.next().ok_or_else(|| format!("expected a value for {key:?}"))?;
        let wrong = || format!("{value:?} is not valid for {key:?}");
        match key {
            "view" => view = value.parse().map_err(|_| wrong())?,
            "from" => server = Some(value.parse().map_err(|_| wrong())?),
            "age" => age_s = value.parse().map_err(|_| wrong())?,
            "life" => life_s = Some(value.parse().map_err(|_| wrong())?),
            _ => return Err(format!("{key:?} is not one of view, from, age, life")),
        }
    }
    let life_s = life_s.ok_or("expected life and a number of seconds")?;
    let rtype = (kind != Kind::NxDomain).then_some(rtype);
    let records = Vec::new();
    Ok(Head::Entry(Box::new(Inspected {
        name,
        rtype,
        kind,
        rank,
        validation,
        server,
        view,
        age_s,
        life_s,
        records,
        explained: None,
    })))
}

fn record(line: &str) -> Result<(Name, u32, RrType, Vec<u8>), String> {
    let mut words = line.splitn(5, ['\t', ' ']);
    let mut word = |expected: &str| words.next().ok_or_else(|| format!("expected {expected}"));
    let owner = word("an owner name")?;
    let owner: Name = owner.parse().map_err(|error| format!("{owner:?} is not a name: {error}"))?;
    let ttl = word("a TTL")?;
    let ttl = ttl.parse().map_err(|_| format!("TTL {ttl:?} is not a number of seconds"))?;
    if word("the class IN")? != "IN" {
        return Err("expected the class IN after the TTL".to_owned());
    }
    let rtype = word("a type")?;
    let rtype: RrType = rtype.parse().map_err(|_| format!("{rtype:?} is not a type"))?;
    let (mut tokens, mut rdata) = (Tokens::new(word("data")?.as_bytes()), Vec::new());
    rr::from_text(rtype, &mut tokens, NameRef::ROOT, &mut rdata).map_err(|error| error.to_string())?;
    Ok((owner, ttl, rtype, rdata))
}

/// The name of a validation state.
pub fn state(state: State) -> &'static str {
    match state {
        State::Bogus => "bogus",
        State::Unchecked => "unchecked",
        State::Indeterminate => "indeterminate",
        State::Insecure => "insecure",
        State::Secure => "secure",
    }
}

/// The name of a rank.
pub fn rank(rank: Rank) -> &'static str {
    match rank {
        Rank::Authoritative => "authoritative",
        Rank::NonAuthoritative => "non-authoritative",
    }
}

#[cfg(test)]
mod tests;
