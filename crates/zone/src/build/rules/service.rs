//! Services: SRV, SVCB and HTTPS, CAA, URI, NAPTR.
//!
//! RFCs: 2782, 3403 §4.1, 3404 §4.3, 7553 §4.5, 8659 §4, 9460 §2.4.

use nw_wire::RrType;
use nw_wire::rr::svc_params;

use super::{Found, Set, Subject, Target, labels, show, strings};
use crate::batch::TypeMask;

// ---- SRV ----

/// `_service._proto`
pub(super) fn srv_owner(subject: &Subject<'_>) -> Found {
    let mut labels = subject.place.labels();
    let (first, second) = (labels.next()?, labels.next().unwrap_or(b""));
    let ok = (first.starts_with(b"_") || first == b"*") && second.starts_with(b"_");
    (!ok).then(|| "the owner of SRV does not begin with _SERVICE._PROTOCOL".into())
}

/// The target `.` says that there is no service.
pub(super) fn srv_none(set: &Set<'_>) -> Found {
    let none = set.rdatas().any(|rdata| rdata.get(6) == Some(&0));
    (none && set.count() > 1).then(|| {
        format!("{} has SRV with the target `.` (no service) and others", show(set.place.owner)).into()
    })
}

pub(super) fn srv_port(subject: &Subject<'_>) -> Found {
    let port = u16::from_be_bytes(*subject.rdata.get(4..)?.first_chunk()?);
    (port == 0 && subject.rdata.get(6) != Some(&0)).then(|| "the port is 0".into())
}

// ---- SVCB and HTTPS ----

/// Priority, target and parameters.
fn svcb(rdata: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (priority, rest) = rdata.split_first_chunk()?;
    let end = labels(rest).map(|label| label.len() + 1).sum::<usize>() + 1;
    let (target, params) = rest.split_at_checked(end)?;
    Some((u16::from_be_bytes(*priority), target, params))
}

pub(super) fn svcb_alias_params(subject: &Subject<'_>) -> Found {
    let (priority, _, params) = svcb(subject.rdata)?;
    (priority == 0 && !params.is_empty())
        .then(|| "the priority 0 makes an alias, whose parameters are ignored".into())
}

pub(super) fn svcb_alias_several(set: &Set<'_>) -> Found {
    let aliases = set.rdatas().filter(|rdata| rdata.starts_with(&[0, 0])).count();
    let services = set.entries.len() - aliases;
    let (owner, rtype) = (set.place.owner, set.rtype);
    if aliases > 0 && services > 0 {
        return Some(
            format!("{} {rtype} has an alias (priority 0) and services, which are ignored", show(owner))
                .into(),
        );
    }
    (aliases > 1)
        .then(|| format!("{} {rtype} has {aliases} aliases, of which clients choose one", show(owner)).into())
}

pub(super) fn svcb_alias_self(subject: &Subject<'_>) -> Found {
    let (priority, target, _) = svcb(subject.rdata)?;
    (priority == 0 && target.eq_ignore_ascii_case(subject.owner))
        .then(|| "the alias leads to its own name".into())
}

/// Clients without HTTPS records find nothing at the apex.
pub(super) fn https_apex_alias(set: &Set<'_>) -> Found {
    let alias = set.rdatas().any(|rdata| rdata.starts_with(&[0, 0]));
    let bare = !set.place.node.types.has(TypeMask::ADDRESS);
    (set.place.is_apex() && alias && bare && !set.place.zone.unread).then(|| {
        "the apex is an HTTPS alias without addresses: clients that ignore HTTPS records find nothing".into()
    })
}

/// Hints that are not the addresses of the target, if the zone has these.
pub(super) fn svcb_hints(subject: &Subject<'_>) -> Found {
    let (priority, target, params) = svcb(subject.rdata)?;
    if priority == 0 {
        return None;
    }
    let target = if target == [0] { subject.owner } else { target };
    let Target::Here(part, node) = subject.zone.find(target) else { return None };
    for (key, value) in svc_params(params) {
        let (size, rtype) = match key.0 {
            4 => (4, RrType::A),
            6 => (16, RrType::AAAA),
            _ => continue,
        };
        let known: Vec<&[u8]> = subject.zone.records(part, node, rtype).collect();
        if !known.is_empty() && value.chunks(size).any(|hint| !known.contains(&hint)) {
            return Some(format!("{key} has addresses that {} does not have", show(target)).into());
        }
    }
    None
}

// ---- CAA ----

fn caa(rdata: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[flags, length], rest) = rdata.split_first_chunk()?;
    let (tag, value) = rest.split_at_checked(usize::from(length))?;
    Some((flags, tag, value))
}

const CAA_TAGS: [&[u8]; 7] =
    [b"issue", b"issuewild", b"iodef", b"contactemail", b"contactphone", b"issuevmc", b"issuemail"];

pub(super) fn caa_tag(subject: &Subject<'_>) -> Found {
    let (flags, tag, _) = caa(subject.rdata)?;
    if CAA_TAGS.iter().any(|known| tag.eq_ignore_ascii_case(known)) {
        return None;
    }
    let tag = String::from_utf8_lossy(tag);
    let effect =
        if flags & 0x80 != 0 { "and critical: no certificate is issued" } else { "and has no effect" };
    Some(format!("the CAA property `{tag}` is unknown, {effect}").into())
}

pub(super) fn caa_flags(subject: &Subject<'_>) -> Found {
    let (flags, ..) = caa(subject.rdata)?;
    (flags & 0x7f != 0).then(|| format!("the CAA flags are {flags}; only 0 and 128 have a meaning").into())
}

/// `issue "ca.example; key=value"`, `iodef "mailto:..."`.
pub(super) fn caa_value(subject: &Subject<'_>) -> Found {
    let (_, tag, value) = caa(subject.rdata)?;
    let value = String::from_utf8_lossy(value);
    let tag = String::from_utf8_lossy(tag).to_ascii_lowercase();
    let ok = match tag.as_str() {
        "issue" | "issuewild" | "issuemail" | "issuevmc" => {
            let mut parts = value.split(';').map(str::trim);
            let issuer = parts.next().unwrap_or("");
            let host = issuer.is_empty()
                || issuer
                    .split('.')
                    .all(|label| !label.is_empty() && super::names::is_host_label(label.as_bytes()));
            host && parts.filter(|part| !part.is_empty()).all(|part| {
                part.split_once('=').is_some_and(|(key, _)| {
                    !key.trim().is_empty()
                        && key.trim().bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
                })
            })
        }
        "iodef" => ["mailto:", "http://", "https://"].iter().any(|scheme| value.starts_with(scheme)),
        _ => true,
    };
    let form = if tag == "iodef" {
        "a mailto:, http: or https: URL"
    } else {
        "a domain, optionally with `; key=value`"
    };
    (!ok).then(|| format!("the value `{value}` of {tag} is not {form}").into())
}

// ---- URI ----

pub(super) fn uri(subject: &Subject<'_>) -> Found {
    let target = String::from_utf8_lossy(subject.rdata.get(4..)?);
    let scheme = target.split_once(':').map_or("", |(scheme, _)| scheme);
    let ok = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        && !target.contains(char::is_whitespace);
    (!ok).then(|| format!("`{target}` is not a URI").into())
}

// ---- NAPTR ----

pub(super) fn naptr(subject: &Subject<'_>) -> Found {
    let mut fields = strings(subject.rdata.get(4..)?);
    let (flags, services, regexp) = (fields.next()?, fields.next()?, fields.next()?);
    let replacement = &subject.rdata[4 + flags.len() + services.len() + regexp.len() + 3..];
    let none = replacement == [0];
    if !flags.iter().all(u8::is_ascii_alphanumeric) {
        return Some("the flags of NAPTR are letters and digits".into());
    }
    let has = |flag: u8| flags.iter().any(|found| found.eq_ignore_ascii_case(&flag));
    if [b'S', b'A', b'U', b'P'].into_iter().filter(|&flag| has(flag)).count() > 1 {
        return Some("the NAPTR flags S, A, U and P exclude each other".into());
    }
    if !regexp.is_empty() && !none {
        return Some("NAPTR has a regular expression and a replacement; one of them must be empty".into());
    }
    if regexp.is_empty() && none {
        return Some("NAPTR has neither a regular expression nor a replacement".into());
    }
    if has(b'U') && regexp.is_empty() {
        return Some("the NAPTR flag U needs a regular expression".into());
    }
    if regexp.is_empty() {
        return None;
    }
    // `!pattern!replacement!flags`, with any delimiter that is not a digit or `i`.
    let delimiter = regexp[0];
    let mut escaped = false;
    let mut delimiters = 0;
    for &octet in regexp {
        delimiters += usize::from(octet == delimiter && !escaped);
        escaped = octet == b'\\' && !escaped;
    }
    let flags_ok =
        matches!(regexp.last(), Some(&last) if last == delimiter || last.eq_ignore_ascii_case(&b'i'));
    let ok = delimiters == 3 && flags_ok && !delimiter.is_ascii_digit() && delimiter != b'\\';
    (!ok).then(|| "the regular expression of NAPTR is not !PATTERN!REPLACEMENT! with one delimiter".into())
}
