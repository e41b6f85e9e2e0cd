//! SOA and NS of the apex: times, serial, contact, name servers.
//!
//! RFCs: 1035 §3.3.13, 1912 §2.2, 2182 §3.1, §5, 2308 §5.

use nw_wire::RrType;

use super::{Found, Set, Target, labels, show, strings};
use crate::batch::TypeMask;
use crate::store::NodeFlags;

const HOUR: u32 = 3600;
const DAY: u32 = 24 * HOUR;
/// Within these bounds (RFC 1912 §2.2) a secondary neither floods the primary nor serves old data for long.
const REFRESH: (u32, u32) = (20 * 60, 2 * DAY);
const LEAST_RETRY: u32 = 3 * 60;
/// A primary that fails on a Friday is repaired before its secondaries stop.
const LEAST_EXPIRE: u32 = 7 * DAY;
/// RFC 2308 §5: more than a day proved to be a problem.
const MOST_NEGATIVE: u32 = DAY;

/// The fields of the SOA of the apex.
struct Soa<'p> {
    mname: &'p [u8],
    rname: &'p [u8],
    serial: u32,
    refresh: u32,
    retry: u32,
    expire: u32,
    minimum: u32,
}

fn soa<'p>(set: &Set<'p>) -> Option<Soa<'p>> {
    let rdata = set.rdatas().next().filter(|_| set.place.is_apex())?;
    let (names, numbers) = rdata.split_at_checked(rdata.len().checked_sub(20)?)?;
    let mname = &names
        [..strings(names).map(|label| label.len() + 1).take_while(|&octets| octets > 1).sum::<usize>() + 1];
    let number =
        |i: usize| numbers[4 * i..4 * i + 4].iter().fold(0, |sum, &octet| sum << 8 | u32::from(octet));
    let rname = &names[mname.len()..];
    let (serial, refresh, retry, expire, minimum) = (number(0), number(1), number(2), number(3), number(4));
    Some(Soa { mname, rname, serial, refresh, retry, expire, minimum })
}

pub(super) fn serial_zero(set: &Set<'_>) -> Found {
    (soa(set)?.serial == 0).then(|| "the serial is 0, which some software takes for `no serial`".into())
}

/// Year, month, day and counter of a serial such as 2026013101.
fn date(serial: u32) -> Option<(u32, u32, u32)> {
    let (year, month, day) = (serial / 1_000_000, serial / 10_000 % 100, serial / 100 % 100);
    (1980..=2100).contains(&year).then_some((year, month, day))
}

pub(super) fn serial_future(set: &Set<'_>) -> Found {
    let (serial, now) = (soa(set)?.serial, set.place.zone.now?);
    let (year, month, day) = date(serial)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // A day of difference can be a time zone.
    let later = days(year, month, day) > (now / u64::from(DAY)) as i64 + 1;
    later.then(|| format!("the serial {serial} is a date in the future").into())
}

/// Days since 1970 in the Gregorian calendar.
fn days(year: u32, month: u32, day: u32) -> i64 {
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

pub(super) fn serial_format(set: &Set<'_>) -> Found {
    let serial = soa(set)?.serial;
    let (_, month, day) = date(serial)?;
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
    (!valid).then(|| {
        format!("the serial {serial} looks like a date, but month {month:02}, day {day:02} do not exist")
            .into()
    })
}

pub(super) fn refresh(set: &Set<'_>) -> Found {
    let refresh = soa(set)?.refresh;
    (refresh < REFRESH.0 || refresh > REFRESH.1)
        .then(|| format!("refresh is {refresh} s, outside of {} s to {} s", REFRESH.0, REFRESH.1).into())
}

pub(super) fn retry(set: &Set<'_>) -> Found {
    let Soa { refresh, retry, .. } = soa(set)?;
    if retry >= refresh {
        return Some(format!("retry ({retry} s) is not less than refresh ({refresh} s)").into());
    }
    (retry < LEAST_RETRY).then(|| format!("retry is {retry} s, less than {LEAST_RETRY} s").into())
}

pub(super) fn expire_before_refresh(set: &Set<'_>) -> Found {
    let Soa { refresh, retry, expire, .. } = soa(set)?;
    (expire <= refresh.saturating_add(retry)).then(|| {
        format!(
            "expire ({expire} s) is not more than refresh and retry ({} s): one failed attempt ends the zone on \
             secondaries",
            refresh.saturating_add(retry)
        )
        .into()
    })
}

pub(super) fn expire_short(set: &Set<'_>) -> Found {
    let Soa { refresh, retry, expire, .. } = soa(set)?;
    (expire < LEAST_EXPIRE && expire > refresh.saturating_add(retry))
        .then(|| format!("expire is {expire} s, less than {LEAST_EXPIRE} s").into())
}

pub(super) fn minimum(set: &Set<'_>) -> Found {
    let minimum = soa(set)?.minimum.min(set.ttl());
    if minimum == 0 {
        return Some("negative answers have the TTL 0 and are not cached".into());
    }
    (minimum > MOST_NEGATIVE)
        .then(|| format!("negative answers are cached for {minimum} s, more than a day").into())
}

// ---- contact ----

/// `admin@example.com`, written as in a mail.
pub(super) fn contact_at(set: &Set<'_>) -> Found {
    let rname = soa(set)?.rname;
    rname.contains(&b'@').then(|| format!("the contact {} contains an at sign", show(rname)).into())
}

/// The mail domain of the contact is in the zone and does not exist: often a dot that must be escaped.
pub(super) fn contact_host(set: &Set<'_>) -> Found {
    let rname = soa(set)?.rname;
    if rname.contains(&b'@') {
        return None;
    }
    if rname == [0] {
        return Some("there is no contact".into());
    }
    let domain = &rname[1 + usize::from(rname[0])..];
    match set.place.zone.find(domain) {
        Target::Missing => Some(
            format!(
                "the contact {} is the mail address {}, whose domain does not exist in this zone",
                show(rname),
                address(rname)
            )
            .into(),
        ),
        _ => None,
    }
}

pub(super) fn contact_mail(set: &Set<'_>) -> Found {
    let rname = soa(set)?.rname;
    let domain = rname.get(1 + usize::from(rname[0])..).filter(|domain| !domain.is_empty())?;
    let zone = set.place.zone;
    match zone.find(domain) {
        Target::Here(part, node)
            if !zone.unread
                && !node.flags.has(NodeFlags::CNAME)
                && !node.flags.has(NodeFlags::CUT)
                && !node.types.has(TypeMask::ADDRESS)
                && !zone.types(part, node).any(|rtype| rtype == RrType::MX) =>
        {
            Some(
                format!(
                    "no mail reaches the contact {}: {} has neither MX nor address",
                    address(rname),
                    show(domain)
                )
                .into(),
            )
        }
        _ => None,
    }
}

/// The contact as a mail address.
fn address(rname: &[u8]) -> String {
    let mut parts = labels(rname).map(String::from_utf8_lossy);
    let local = parts.next().unwrap_or_default();
    format!("{local}@{}", parts.collect::<Vec<_>>().join("."))
}

// ---- name servers ----

pub(super) fn mname_not_ns(set: &Set<'_>) -> Found {
    let mname = soa(set)?.mname;
    let zone = set.place.zone;
    let mut servers = zone.at_apex(RrType::NS).peekable();
    servers.peek()?;
    let known = servers.any(|server| server.eq_ignore_ascii_case(mname));
    (!known && !zone.unread)
        .then(|| format!("the primary {} is not among the NS records of the zone", show(mname)).into())
}

pub(super) fn mname_missing(set: &Set<'_>) -> Found {
    let mname = soa(set)?.mname;
    match set.place.zone.find(mname) {
        Target::Missing => Some(format!("the primary {} does not exist in this zone", show(mname)).into()),
        Target::Here(_, node) if node.flags.has(NodeFlags::CNAME) => {
            Some(format!("the primary {} is an alias", show(mname)).into())
        }
        _ => None,
    }
}

pub(super) fn single_ns(set: &Set<'_>) -> Found {
    (set.place.is_apex() && set.count() == 1 && !set.place.zone.unread)
        .then(|| "the zone has a single name server".into())
}

/// All name servers of the zone are in one network, as far as the zone has their addresses.
pub(super) fn ns_one_network(set: &Set<'_>) -> Found {
    if !set.place.is_apex() || set.count() < 2 || set.place.zone.unread {
        return None;
    }
    let zone = set.place.zone;
    let mut networks: Vec<&[u8]> = Vec::new();
    for server in set.rdatas() {
        let Target::Here(part, node) = zone.find(server) else { return None };
        let before = networks.len();
        networks.extend(zone.records(part, node, RrType::A).filter_map(|address| address.get(..3)));
        networks.extend(zone.records(part, node, RrType::AAAA).filter_map(|address| address.get(..6)));
        if networks.len() == before {
            return None;
        }
    }
    let one = networks.iter().all(|network| *network == networks[0]);
    one.then(|| "all name servers of the zone have addresses in one network".into())
}

pub(super) fn soa_not_first(set: &Set<'_>) -> Found {
    let own = set.entries[0].record.line;
    let first = set.place.records.iter().map(|entry| entry.record.line).min()?;
    (set.place.is_apex() && own > first && first > 0)
        .then(|| "the SOA is not the first record of the zone".into())
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (date, expected) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 11, 30), 20_787),
            ((2100, 3, 1), 47_541),
        ] {
            assert_eq!(days(date.0, date.1, date.2), expected, "{date:?}");
        }
    }
}
