//! SPF: syntax, number of policies, number of look-ups, meaning.
//!
//! RFCs: 7208 §3.2, §4.5, §4.6.4, §5, §6, §12.

use std::net::{Ipv4Addr, Ipv6Addr};

use nw_wire::{Name, RrType};

use super::{Found, Set, Subject, Target, ZoneView, show, strings};

/// RFC 7208 §4.6.4.
const MOST_LOOKUPS: usize = 10;

/// The text of an SPF policy: the strings of the record, joined without spaces (RFC 7208 §3.3).
fn policy(rdata: &[u8]) -> Option<String> {
    // The longest text that is a policy at all, so that other texts are not copied.
    if !rdata.get(1..7)?.eq_ignore_ascii_case(b"v=spf1") {
        return None;
    }
    let text = String::from_utf8_lossy(&strings(rdata).collect::<Vec<_>>().concat()).into_owned();
    matches!(text.as_bytes().get(6), None | Some(b' ')).then_some(text)
}

/// One term: a mechanism with its qualifier, or a modifier.
struct Term<'t> {
    qualifier: char,
    name: String,
    /// The text after `:`, `=`, or from `/`.
    value: &'t str,
    modifier: bool,
}

fn terms(text: &str) -> impl Iterator<Item = Term<'_>> {
    text.split(' ').skip(1).filter(|term| !term.is_empty()).map(|term| {
        let (qualifier, rest) = match term.chars().next() {
            Some(sign @ ('+' | '-' | '?' | '~')) => (sign, &term[1..]),
            _ => ('+', term),
        };
        let end = rest.find([':', '=', '/']).unwrap_or(rest.len());
        let modifier = rest[end..].starts_with('=');
        let value = rest[end..].trim_start_matches([':', '=']);
        Term { qualifier, name: rest[..end].to_ascii_lowercase(), value, modifier }
    })
}

/// The mistake in a term.
fn mistake(term: &Term<'_>) -> Option<String> {
    let Term { name, value, .. } = term;
    if term.modifier {
        let known = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        return match name.as_str() {
            "redirect" | "exp" if value.is_empty() => Some(format!("`{name}=` names no domain")),
            "all" | "include" | "a" | "mx" | "ptr" | "ip4" | "ip6" | "exists" => {
                Some(format!("`{name}` is followed by `=` instead of `:`"))
            }
            _ if known => None,
            _ => Some(format!("`{name}` is not the name of a modifier")),
        };
    }
    let (domain, prefix) =
        value.split_once('/').map_or((*value, None), |(domain, prefix)| (domain, Some(prefix)));
    let bits = |text: &str, most: u8| text.parse::<u8>().is_ok_and(|bits| bits <= most);
    match name.as_str() {
        "all" if value.is_empty() => None,
        "all" => Some(format!("`all` takes no value, and has `{value}`")),
        "include" | "exists" if value.is_empty() => Some(format!("`{name}` names no domain")),
        "include" | "exists" | "ptr" => None,
        "a" | "mx" => {
            let ok = prefix.is_none_or(|prefix| match prefix.split_once('/') {
                // `a/24//64`: the part before the first slash of the second prefix may be empty.
                Some((four, six)) => {
                    (four.is_empty() || bits(four, 32)) && bits(six.trim_start_matches('/'), 128)
                }
                None => bits(prefix, 32),
            });
            (!ok || domain.ends_with(':'))
                .then(|| format!("the prefix length of `{name}` is not a number of bits"))
        }
        "ip4" => {
            let ok = domain.parse::<Ipv4Addr>().is_ok() && prefix.is_none_or(|prefix| bits(prefix, 32));
            (!ok).then(|| format!("`ip4:{value}` is not an IPv4 network"))
        }
        "ip6" => {
            let ok = domain.parse::<Ipv6Addr>().is_ok() && prefix.is_none_or(|prefix| bits(prefix, 128));
            (!ok).then(|| format!("`ip6:{value}` is not an IPv6 network"))
        }
        _ => Some(format!("`{name}` is not a mechanism")),
    }
}

pub(super) fn syntax(subject: &Subject<'_>) -> Found {
    let text = policy(subject.rdata)?;
    if !text.is_ascii() {
        return Some("the SPF policy has characters outside ASCII".into());
    }
    let found = terms(&text).find_map(|term| mistake(&term));
    let repeated = |name: &str| terms(&text).filter(|term| term.modifier && term.name == name).count() > 1;
    let repeated = ["redirect", "exp"].into_iter().find(|name| repeated(name));
    let found = found.or_else(|| repeated.map(|name| format!("`{name}` occurs twice")));
    found.map(|text| format!("the SPF policy is invalid, so it is ignored: {text}").into())
}

pub(super) fn several(set: &Set<'_>) -> Found {
    let count = set.rdatas().filter(|rdata| policy(rdata).is_some()).count();
    (count > 1)
        .then(|| format!("{} has {count} SPF policies, so none is valid", show(set.place.owner)).into())
}

/// The last mechanism accepts every sender.
pub(super) fn accepts_all(subject: &Subject<'_>) -> Found {
    let text = policy(subject.rdata)?;
    terms(&text)
        .any(|term| !term.modifier && term.name == "all" && term.qualifier == '+')
        .then(|| "the SPF policy allows every server to send mail of this domain".into())
}

/// Mechanisms after `all` are not evaluated, and `redirect` has no effect beside it (RFC 7208 §5.1, §6.1).
pub(super) fn after_all(subject: &Subject<'_>) -> Found {
    let text = policy(subject.rdata)?;
    let all = terms(&text).position(|term| !term.modifier && term.name == "all")?;
    let lost = terms(&text)
        .enumerate()
        .find(|(i, term)| if term.modifier { term.name == "redirect" } else { *i > all })?;
    Some(format!("`{}` has no effect beside `all` in the SPF policy", lost.1.name).into())
}

/// Neither `all` nor `redirect`: other servers are neutral.
pub(super) fn without_all(subject: &Subject<'_>) -> Found {
    let text = policy(subject.rdata)?;
    let ends = terms(&text).any(|term| term.name == if term.modifier { "redirect" } else { "all" });
    (!ends).then(|| "the SPF policy says nothing about other servers: it has neither all nor redirect".into())
}

pub(super) fn uses_ptr(subject: &Subject<'_>) -> Found {
    let text = policy(subject.rdata)?;
    terms(&text)
        .any(|term| !term.modifier && term.name == "ptr")
        .then(|| "the SPF policy uses ptr, which is slow and unreliable".into())
}

/// Look-ups of the policy, with those of the policies in this zone that it includes.
pub(super) fn lookups(subject: &Subject<'_>) -> Found {
    let text = policy(subject.rdata)?;
    let count = count(subject.zone, &text, 0);
    (count > MOST_LOOKUPS).then(|| {
        let count =
            if count > COUNTED { format!("more than {COUNTED}") } else { format!("at least {count}") };
        format!("the SPF policy needs {count} look-ups; more than {MOST_LOOKUPS} make it invalid").into()
    })
}

/// Counting ends here: includes can refer to each other.
const COUNTED: usize = 50;

fn count(zone: &ZoneView<'_>, text: &str, depth: usize) -> usize {
    let mut sum = 0;
    for term in terms(text) {
        let recursive = match (term.name.as_str(), term.modifier) {
            ("include", false) | ("redirect", true) => true,
            ("a" | "mx" | "ptr" | "exists", false) => false,
            _ => continue,
        };
        sum += 1;
        if sum > COUNTED || depth > MOST_LOOKUPS {
            return COUNTED + 1;
        }
        if recursive
            && let Ok(name) = format!("{}.", term.value.trim_end_matches('.')).parse::<Name>()
            && let Target::Here(part, node) = zone.find(name.as_ref().wire())
            && let Some(inner) = zone.records(part, node, RrType::TXT).find_map(policy)
        {
            sum += count(zone, &inner, depth + 1);
        }
    }
    sum.min(COUNTED + 1)
}

/// Strings that join two terms: the space between them is missing.
pub(super) fn split(subject: &Subject<'_>) -> Found {
    policy(subject.rdata).or_else(|| {
        // Without quotes, each word is a string: `v=spf1` `mx` `-all`.
        strings(subject.rdata)
            .next()
            .filter(|first| first.eq_ignore_ascii_case(b"v=spf1"))
            .map(|_| String::new())
    })?;
    let all: Vec<&[u8]> = strings(subject.rdata).collect();
    let joined = all.windows(2).any(|pair| {
        let term = |string: &[u8]| {
            let word = string.split(|&octet| octet == b' ').next().unwrap_or(b"");
            let word = String::from_utf8_lossy(word);
            let word = word.trim_start_matches(['+', '-', '~', '?']);
            let word = word.to_ascii_lowercase();
            ["include:", "ip4:", "ip6:", "exists:", "redirect=", "exp=", "a:", "mx:", "ptr:"]
                .iter()
                .any(|start| word.starts_with(start))
                || ["all", "a", "mx", "ptr"].contains(&word.as_str())
        };
        !pair[0].ends_with(b" ") && !pair[1].starts_with(b" ") && term(pair[1])
    });
    joined.then(|| "the strings of the SPF policy are joined without the space between two terms".into())
}
