//! Names: owners and targets that are not what was meant.
//!
//! RFCs: 952, 1034 §3.6, 1035 §3.3, §5.1, 1123 §2.1, 2181 §10.3, §11, 4592 §2.1.1, 5890 §2.3.1, 5891 §4.4, 6672 §2.2.

use nw_wire::{RrType, rr};

use super::{Found, Place, Subject, Target, ZoneView, labels, show};
use crate::batch::TypeMask;
use crate::store::NodeFlags;
use crate::suffix::LabelStarts;

// ---- targets ----

pub(super) fn target_alias(subject: &Subject<'_>, target: &[u8], found: &Target<'_>) -> Found {
    match found {
        Target::Here(_, node) if node.flags.has(NodeFlags::CNAME) => {
            Some(format!("{} leads to {}, which is an alias", subject.rtype, show(target)).into())
        }
        _ => None,
    }
}

pub(super) fn target_missing(subject: &Subject<'_>, target: &[u8], found: &Target<'_>) -> Found {
    let missing = matches!(found, Target::Missing) && mistaken(subject.zone, target).is_none();
    missing.then(|| {
        format!("{} leads to {}, which does not exist in this zone", subject.rtype, show(target)).into()
    })
}

pub(super) fn target_no_address(subject: &Subject<'_>, target: &[u8], found: &Target<'_>) -> Found {
    match found {
        Target::Here(_, node)
            if !node.types.has(TypeMask::ADDRESS.with(TypeMask::CNAME)) && !subject.zone.unread =>
        {
            Some(format!("{} leads to {}, which has no address", subject.rtype, show(target)).into())
        }
        _ => None,
    }
}

pub(super) fn target_address(subject: &Subject<'_>, target: &[u8], _found: &Target<'_>) -> Found {
    (mistaken(subject.zone, target) == Some(Mistaken::Address))
        .then(|| format!("{} leads to {}, which is an address", subject.rtype, show(target)).into())
}

pub(super) fn target_url(subject: &Subject<'_>, target: &[u8], _found: &Target<'_>) -> Found {
    (mistaken(subject.zone, target) == Some(Mistaken::Url))
        .then(|| format!("{} leads to {}, which is a URL", subject.rtype, show(target)).into())
}

/// Text that was written in place of a name.
#[derive(PartialEq)]
enum Mistaken {
    Address,
    Url,
}

fn mistaken(zone: &ZoneView<'_>, target: &[u8]) -> Option<Mistaken> {
    // Few names can be either, which their octets show.
    let first = *target.get(1)?;
    if !first.is_ascii_hexdigit() && !target.contains(&b':') {
        return None;
    }
    let starts = LabelStarts::of(target);
    let origin = if zone.holds(target, &starts) { zone.input.apex_labels } else { 0 };
    // The labels as written, without the origin that was added to them, leftmost first.
    let written = || labels(target).take(starts.count() - origin);
    let is_octet = |label: &[u8]| std::str::from_utf8(label).is_ok_and(|text| text.parse::<u8>().is_ok());
    let is_group = |octet: &u8| octet.is_ascii_hexdigit() || *octet == b':';
    if written().count() == 4 && written().all(is_octet) {
        return Some(Mistaken::Address);
    }
    if written().next().is_some_and(|label| {
        label.iter().filter(|&&octet| octet == b':').count() >= 2 && label.iter().all(is_group)
    }) {
        return Some(Mistaken::Address);
    }
    let is_url = |label: &[u8]| label.windows(3).any(|three| three == b"://");
    written().any(is_url).then_some(Mistaken::Url)
}

/// NS, MX and SRV name hosts.
pub(super) fn target_host_name(subject: &Subject<'_>, target: &[u8], _found: &Target<'_>) -> Found {
    if mistaken(subject.zone, target).is_some() {
        return None;
    }
    let bad = labels(target).find(|label| !is_host_label(label))?;
    let bad = String::from_utf8_lossy(bad);
    Some(
        format!("{} leads to {}, and `{bad}` is not part of a host name", subject.rtype, show(target)).into(),
    )
}

pub(super) fn alias_loop(subject: &Subject<'_>) -> Found {
    let mut target = subject.rdata;
    let mut first = true;
    for _ in 0..MOST_ALIASES {
        if target.eq_ignore_ascii_case(subject.owner) {
            // One of the aliases reports the loop.
            if !first {
                return None;
            }
            return Some(format!("the aliases lead from {} back to it", show(subject.owner)).into());
        }
        first &= subject.owner.to_ascii_lowercase() < target.to_ascii_lowercase();
        target = next_alias(subject, target)?;
    }
    None
}

/// Servers do not follow longer chains.
const MOST_ALIASES: usize = 32;
/// Resolvers give up after about this number of aliases.
const LONG_CHAIN: usize = 8;

fn next_alias<'p>(subject: &Subject<'p>, target: &[u8]) -> Option<&'p [u8]> {
    let Target::Here(part, node) = subject.zone.find(target) else { return None };
    if !node.flags.has(NodeFlags::CNAME) {
        return None;
    }
    subject.zone.records(part, node, RrType::CNAME).next()
}

pub(super) fn alias_chain(subject: &Subject<'_>) -> Found {
    let mut target = subject.rdata;
    let mut length = 1;
    while let Some(next) = next_alias(subject, target) {
        length += 1;
        target = next;
        if length > MOST_ALIASES {
            return None; // A loop, which another rule reports.
        }
    }
    (length >= LONG_CHAIN)
        .then(|| format!("{} is the start of {length} aliases in a row", show(subject.owner)).into())
}

/// A DNAME whose target is below its owner.
pub(super) fn dname_loop(subject: &Subject<'_>) -> Found {
    let (owner, target) = (LabelStarts::of(subject.owner), LabelStarts::of(subject.rdata));
    let below = target.common(subject.rdata, &owner, subject.owner) == owner.count();
    below.then(|| format!("{} is redirected to a name below itself", show(subject.owner)).into())
}

/// A name without its final dot, so that the origin was added to it.
fn twice(zone: &ZoneView<'_>, name: &[u8]) -> bool {
    let (apex, apex_labels) = (zone.input.apex.wire(), zone.input.apex_labels);
    if apex_labels < 2 || name.len() < 2 * apex.len() - 1 {
        return false;
    }
    let starts = LabelStarts::of(name);
    if starts.count() < 2 * apex_labels || !zone.holds(name, &starts) {
        return false;
    }
    let doubled = &name[starts.suffix(2 * apex_labels)..];
    doubled[..apex.len() - 1].eq_ignore_ascii_case(&apex[..apex.len() - 1])
}

pub(super) fn origin_twice(subject: &Subject<'_>) -> Found {
    rr::names(subject.rtype, subject.rdata)
        .map(|field| &subject.rdata[field.start..field.end])
        .find(|name| twice(subject.zone, name))
        .map(|name| format!("{} ends in the name of the zone twice", show(name)).into())
}

/// `www.example.net` without its final dot in the zone `example.org`: the labels as written end in a top-level domain.
pub(super) fn final_dot(subject: &Subject<'_>, target: &[u8], found: &Target<'_>) -> Found {
    let zone = subject.zone;
    if matches!(found, Target::Here(..)) || zone.input.apex_labels < 2 || twice(zone, target) {
        return None;
    }
    let starts = LabelStarts::of(target);
    if !zone.holds(target, &starts) {
        return None;
    }
    let written = starts.count() - zone.input.apex_labels;
    let apex_tld = labels(zone.input.apex.wire()).last()?;
    let last = labels(target).take(written).last()?;
    let known = [apex_tld, b"com", b"net", b"org", b"arpa"];
    let doubled = written > 1 && known.iter().any(|tld| last.eq_ignore_ascii_case(tld));
    doubled.then(|| {
        format!(
            "{} leads to {}: {} was added to a name that looks absolute",
            subject.rtype,
            show(target),
            zone.input.apex
        )
        .into()
    })
}

// ---- owners ----

pub(super) fn owner_origin_twice(place: &Place<'_>) -> Found {
    twice(place.zone, place.owner)
        .then(|| format!("{} ends in the name of the zone twice", show(place.owner)).into())
}

pub(super) fn not_ascii(place: &Place<'_>) -> Found {
    (!place.owner.is_ascii()).then(|| format!("{} has octets outside ASCII", show(place.owner)).into())
}

/// Letters, digits and hyphens, without a hyphen at either end (RFC 952, RFC 1123 §2.1).
pub(super) fn is_host_label(label: &[u8]) -> bool {
    let inner = |&octet: &u8| octet.is_ascii_alphanumeric() || octet == b'-';
    label.iter().all(inner) && !label.starts_with(b"-") && !label.ends_with(b"-")
}

/// Owners of addresses and of MX are host names.
pub(super) fn host_name(place: &Place<'_>) -> Found {
    if place.node.flags.has(NodeFlags::HASHED) {
        return None;
    }
    let host = place.node.types.has(TypeMask::ADDRESS) || place.has(RrType::MX);
    let wildcard = usize::from(place.node.flags.has(NodeFlags::WILDCARD));
    let own = usize::from(place.node.labels) - place.zone.input.apex_labels;
    let bad = place.labels().take(own).skip(wildcard).find(|label| !is_host_label(label))?;
    if !host || !bad.is_ascii() || bad == b"*" {
        return None;
    }
    let bad = String::from_utf8_lossy(bad);
    Some(format!("{} has an address or MX, and `{bad}` is not part of a host name", show(place.owner)).into())
}

/// `foo*` or `*` inside of a name is no wildcard.
pub(super) fn asterisk(place: &Place<'_>) -> Found {
    if !place.owner.contains(&b'*') {
        return None;
    }
    let literal =
        place.labels().enumerate().any(|(i, label)| label.contains(&b'*') && (i > 0 || label != b"*"));
    literal.then(|| {
        format!("{} is no wildcard: the asterisk is not the whole first label", show(place.owner)).into()
    })
}

/// The same owner in different case: one name, whose case of the first line is served.
pub(super) fn owner_case(place: &Place<'_>) -> Found {
    if place.node.groups < 2 {
        return None;
    }
    let input = place.zone.input;
    let other = place
        .part
        .groups_of(place.node)
        .iter()
        .map(|&at| input.owner(at))
        .find(|&name| name != place.owner)?;
    Some(format!("{} is also written {}", show(place.owner), show(other)).into())
}

/// `--` in the third and fourth place is reserved for encodings of names.
pub(super) fn reserved_label(place: &Place<'_>) -> Found {
    let reserved = place.labels().find(|label| {
        label.get(2..4) == Some(b"--") && !label[..2].eq_ignore_ascii_case(b"xn") && label.len() > 4
    })?;
    let label = String::from_utf8_lossy(reserved);
    Some(format!("`{label}` has the form of an encoded name, of which only xn-- has a meaning").into())
}

/// An xn-- label that cannot be decoded.
pub(super) fn punycode(place: &Place<'_>) -> Found {
    let bad = place.labels().find(|label| {
        label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"xn--")) && !decodes(&label[4..])
    })?;
    let label = String::from_utf8_lossy(bad);
    Some(format!("`{label}` is not the encoding of an internationalised label").into())
}

/// Whether `text` is Punycode of at least one character outside ASCII (RFC 3492 §6.2).
fn decodes(text: &[u8]) -> bool {
    const BASE: u32 = 36;
    let basic = text.iter().rposition(|&octet| octet == b'-');
    let digits = basic.map_or(text, |at| &text[at + 1..]);
    let (mut length, mut code, mut bias, mut at, mut first) =
        (basic.unwrap_or(0) as u32, 128u32, 72u32, 0u32, true);
    let mut rest = digits.iter();
    while !rest.as_slice().is_empty() {
        let old = at;
        let mut weight = 1u32;
        let mut k = BASE;
        loop {
            let digit = match rest.next() {
                Some(octet @ b'0'..=b'9') => u32::from(octet - b'0') + 26,
                Some(octet) if octet.is_ascii_alphabetic() => u32::from(octet.to_ascii_lowercase() - b'a'),
                _ => return false,
            };
            let Some(sum) = digit.checked_mul(weight).and_then(|add| at.checked_add(add)) else {
                return false;
            };
            at = sum;
            let threshold = if k <= bias { 1 } else { (k - bias).min(26) };
            if digit < threshold {
                break;
            }
            let Some(next) = weight.checked_mul(BASE - threshold) else { return false };
            weight = next;
            k += BASE;
        }
        length += 1;
        // The adaptation of the bias (RFC 3492 §6.1).
        let mut delta = if first { (at - old) / 700 } else { (at - old) / 2 };
        first = false;
        delta += delta / length;
        let mut steps = 0;
        while delta > 455 {
            delta /= 35;
            steps += BASE;
        }
        bias = steps + 36 * delta / (delta + 38);
        let Some(next) = code.checked_add(at / length) else { return false };
        code = next;
        at = at % length + 1;
        if char::from_u32(code).is_none() {
            return false;
        }
    }
    !digits.is_empty()
}

/// Types that no software uses any more.
pub(super) fn obsolete_type(set: &super::Set<'_>) -> Found {
    Some(format!("the type {} is obsolete", set.rtype).into())
}
