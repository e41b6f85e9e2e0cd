//! Digests have the length of their algorithm, and fields have values with a meaning.
//!
//! RFCs: 4034 §5.1.4, 4255 §3.1, 5933, 6698 §2.1, 7929 §3, 8078 §4, 8162 §3, 8976 §2.2.4, 9558, 9563.

use super::{Found, Subject};

fn digest(what: &str, number: u8, found: usize, expected: Option<usize>) -> Found {
    let expected = expected.filter(|&expected| expected != found)?;
    Some(format!("{what} {number} has {expected} octets, and {found} are given").into())
}

pub(super) fn ds(subject: &Subject<'_>) -> Found {
    let &[_, _, _, number, ref octets @ ..] = subject.rdata else { return None };
    let length = match number {
        1 => 20,
        // GOST R 34.11-94, GOST R 34.11-2012 and SM3 have the length of SHA-256 (RFC 5933, RFC 9558, RFC 9563).
        2 | 3 | 5 | 6 => 32,
        4 => 48,
        // The digest type 0 of CDS requests the removal of DS (RFC 8078 §4).
        _ => return None,
    };
    digest("a digest of type", number, octets.len(), Some(length))
}

pub(super) fn sshfp(subject: &Subject<'_>) -> Found {
    let &[_, number, ref octets @ ..] = subject.rdata else { return None };
    let length = match number {
        1 => Some(20),
        2 => Some(32),
        _ => None,
    };
    digest("a fingerprint of type", number, octets.len(), length)
}

pub(super) fn tlsa(subject: &Subject<'_>) -> Found {
    let &[_, _, number, ref octets @ ..] = subject.rdata else { return None };
    let length = match number {
        1 => Some(32),
        2 => Some(64),
        _ => None,
    };
    digest("data of matching type", number, octets.len(), length)
}

pub(super) fn zonemd(subject: &Subject<'_>) -> Found {
    let &[_, _, _, _, _, number, ref octets @ ..] = subject.rdata else { return None };
    match number {
        1 => digest("a digest of algorithm", number, octets.len(), Some(48)),
        2 => digest("a digest of algorithm", number, octets.len(), Some(64)),
        _ if octets.len() < 12 => Some("a digest has at least 12 octets".into()),
        _ => None,
    }
}

pub(super) fn tlsa_fields(subject: &Subject<'_>) -> Found {
    let &[usage, selector, matching, ref data @ ..] = subject.rdata else { return None };
    if usage > 3 && usage != 255 {
        return Some(format!("certificate usage {usage} has no meaning").into());
    }
    if selector > 1 && selector != 255 {
        return Some(format!("selector {selector} has no meaning").into());
    }
    if matching > 2 && matching != 255 {
        return Some(format!("matching type {matching} has no meaning").into());
    }
    // Certificates and keys are DER sequences.
    (matching == 0 && data.first() != Some(&0x30)).then(|| "the data are no certificate or key in DER".into())
}

/// `_443._tcp.www`; SMIMEA: 28 octets in hexadecimal, then `_smimecert`.
pub(super) fn tlsa_owner(subject: &Subject<'_>) -> Found {
    let mut labels = subject.place.labels();
    let (first, second) = (labels.next()?, labels.next().unwrap_or(b""));
    let port = |label: &[u8]| {
        label == b"*"
            || label.strip_prefix(b"_").is_some_and(|port| {
                std::str::from_utf8(port).is_ok_and(|port| port == "*" || port.parse::<u16>().is_ok())
            })
    };
    let ok = port(first) && (second.starts_with(b"_") || first == b"*");
    (!ok).then(|| "the owner of TLSA does not begin with _PORT._PROTOCOL".into())
}

pub(super) fn smimea_owner(subject: &Subject<'_>) -> Found {
    hashed_owner(subject, b"_smimecert")
}

pub(super) fn openpgpkey_owner(subject: &Subject<'_>) -> Found {
    hashed_owner(subject, b"_openpgpkey")
}

fn hashed_owner(subject: &Subject<'_>, marker: &[u8]) -> Found {
    let mut labels = subject.place.labels();
    let (first, second) = (labels.next()?, labels.next().unwrap_or(b""));
    let hash = first == b"*" || (first.len() == 56 && first.iter().all(u8::is_ascii_hexdigit));
    let ok = hash && second.eq_ignore_ascii_case(marker);
    (!ok).then(|| {
        format!(
            "the owner of {} is not 56 hexadecimal digits and {}",
            subject.rtype,
            String::from_utf8_lossy(marker)
        )
        .into()
    })
}

/// An OpenPGP packet has the highest bit set in its first octet (RFC 9580 §4.2).
pub(super) fn openpgpkey_data(subject: &Subject<'_>) -> Found {
    let packet = subject.rdata.first().is_some_and(|&octet| octet & 0x80 != 0);
    (!packet).then(|| "the data are no OpenPGP key; perhaps they still have their ASCII armor".into())
}

pub(super) fn sshfp_fields(subject: &Subject<'_>) -> Found {
    let &[algorithm, kind, ..] = subject.rdata else { return None };
    if !matches!(algorithm, 1..=4 | 6) {
        return Some(format!("key algorithm {algorithm} has no meaning").into());
    }
    (!matches!(kind, 1 | 2)).then(|| format!("fingerprint type {kind} has no meaning").into())
}

/// SHA-1 alone: a client that no longer accepts it has no fingerprint.
pub(super) fn sshfp_sha1(set: &super::Set<'_>) -> Found {
    let with = |kind| {
        set.rdatas().filter(move |rdata| rdata.get(1) == Some(&kind)).filter_map(|rdata| rdata.first())
    };
    let weak = with(1).find(|algorithm| with(2).all(|other| other != *algorithm))?;
    Some(format!("the key of algorithm {weak} has a SHA-1 fingerprint only").into())
}
