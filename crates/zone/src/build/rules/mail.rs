//! Mail: MX, DKIM, DMARC, MTA-STS, and texts with quotes in the wrong place.
//!
//! RFCs: 1035 §3.3.14, 6376 §3.6.1, 7489 §6.3, 7505 §3, 8301 §3.2, 8460 §3, 8461 §3.1, 8463 §4.

use std::borrow::Cow;

use nw_wire::base::Base64;

use super::{Found, Set, Subject, show, strings};

/// The text of a TXT record: its strings, joined.
fn text(rdata: &[u8]) -> String {
    String::from_utf8_lossy(&strings(rdata).collect::<Vec<_>>().concat()).into_owned()
}

pub(super) fn null_mx(set: &Set<'_>) -> Found {
    let null = |rdata: &&[u8]| rdata.get(2) == Some(&0);
    (set.count() > 1 && set.rdatas().any(|rdata| null(&rdata)))
        .then(|| format!("{} has a null MX (no mail) together with other MX", show(set.place.owner)).into())
}

pub(super) fn null_mx_preference(subject: &Subject<'_>) -> Found {
    let &[high, low, 0] = subject.rdata else { return None };
    let preference = u16::from_be_bytes([high, low]);
    (preference > 0).then(|| format!("a null MX has the preference 0, not {preference}").into())
}

/// One string of `"..."` within its quotes.
pub(super) fn quotes(subject: &Subject<'_>) -> Found {
    let first = strings(subject.rdata).next()?;
    (first.len() > 1 && first.starts_with(b"\"") && first.ends_with(b"\""))
        .then(|| "the text begins and ends with a quotation mark of its own".into())
}

/// `v=DKIM1; k=rsa; p=...` without quotes: each word is a string of its own, and a semicolon begins a comment.
pub(super) fn unquoted(subject: &Subject<'_>) -> Found {
    let mut all = strings(subject.rdata);
    let (first, second) = (all.next()?, all.next());
    let versioned =
        |start: &[u8]| first.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start));
    let tagged =
        [&b"v=DKIM1"[..], b"v=DMARC1", b"v=STSv1", b"v=TLSRPTv1", b"v=BIMI1"].into_iter().any(versioned);
    let cut = tagged && second.is_none() && !first.contains(&b';');
    let words = tagged && second.is_some() && first.len() < 12;
    (cut || words).then(|| {
        let seen = String::from_utf8_lossy(first);
        format!("the text ends at `{seen}`: without quotation marks, a semicolon begins a comment").into()
    })
}

/// The tags of `tag=value; tag=value`. The error is the text that is no tag.
fn tags(text: &str) -> Result<Vec<(&str, &str)>, &str> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once('=') {
            Some((tag, value)) if !tag.trim().is_empty() => Ok((tag.trim(), value.trim())),
            _ => Err(part),
        })
        .collect()
}

fn value<'t>(tags: &[(&str, &'t str)], tag: &str) -> Option<&'t str> {
    tags.iter().find(|(name, _)| *name == tag).map(|(_, value)| *value)
}

/// A TXT record below `_domainkey` that is a key: it has the version, or tags.
fn dkim(subject: &Subject<'_>) -> Option<String> {
    let mut labels = subject.place.labels().skip(1);
    if !labels.next()?.eq_ignore_ascii_case(b"_domainkey") {
        return None;
    }
    Some(text(subject.rdata))
}

pub(super) fn dkim_syntax(subject: &Subject<'_>) -> Found {
    let text = dkim(subject)?;
    let invalid = |why: String| Some(Cow::Owned(format!("the DKIM key is invalid: {why}")));
    let tags = match tags(&text) {
        Ok(tags) => tags,
        Err(part) => return invalid(format!("`{part}` is not TAG=VALUE")),
    };
    match tags.iter().position(|(tag, _)| *tag == "v") {
        Some(at) if at > 0 => return invalid("v= is not the first tag".into()),
        Some(_) if tags[0].1 != "DKIM1" => return invalid(format!("version `{}` is not DKIM1", tags[0].1)),
        _ => {}
    }
    let Some(key) = value(&tags, "p") else { return invalid("it has no p= with the key".into()) };
    if key.is_empty() {
        return None; // Revoked.
    }
    let Some(octets) = base64(key) else { return invalid("p= is not base64".into()) };
    match value(&tags, "k").unwrap_or("rsa") {
        "rsa" if rsa_bits(&octets).is_none() => invalid("p= is not an RSA key".into()),
        "ed25519" if octets.len() != 32 => {
            invalid(format!("an Ed25519 key has 32 octets, not {}", octets.len()))
        }
        "rsa" | "ed25519" => None,
        other => invalid(format!("the key type `{other}` is unknown")),
    }
}

/// RFC 8301 §3.2: at least 1024 bits, better 2048.
pub(super) fn dkim_weak(subject: &Subject<'_>) -> Found {
    let text = dkim(subject)?;
    let tags = tags(&text).ok()?;
    if value(&tags, "k").unwrap_or("rsa") != "rsa" {
        return None;
    }
    let bits = rsa_bits(&base64(value(&tags, "p")?)?)?;
    (bits < 1024).then(|| format!("the DKIM key has {bits} bits; verifiers ignore keys below 1024").into())
}

pub(super) fn dkim_testing(subject: &Subject<'_>) -> Found {
    let text = dkim(subject)?;
    let tags = tags(&text).ok()?;
    let testing = value(&tags, "t")?.split(':').any(|flag| flag.trim() == "y");
    testing.then(|| "the DKIM key is marked as a test (t=y): its failures have no effect".into())
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut decoder = Base64::default();
    let mut octets = Vec::new();
    let compact: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    decoder.push(&compact, &mut octets).ok()?;
    decoder.complete().then_some(octets)
}

/// The bits of the modulus in a SubjectPublicKeyInfo, or in a bare RSAPublicKey (RFC 6376 §3.6.1, erratum 3017).
fn rsa_bits(der: &[u8]) -> Option<usize> {
    let (inner, _) = element(der, 0x30)?;
    let numbers = match element(inner, 0x30) {
        Some((_, rest)) => element(element(rest, 0x03)?.0.get(1..)?, 0x30)?.0,
        None => inner,
    };
    let (modulus, rest) = element(numbers, 0x02)?;
    element(rest, 0x02)?;
    let first = modulus.iter().position(|&octet| octet != 0)?;
    Some(8 * (modulus.len() - first) - modulus[first].leading_zeros() as usize)
}

/// The content of the DER element with `tag` at the start of `der`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 | 0x82 => {
            let (octets, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (octets.iter().fold(0, |sum, &octet| sum << 8 | usize::from(octet)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

// ---- DMARC ----

fn starts_with(rdata: &[u8], version: &str) -> Option<String> {
    let text = text(rdata);
    let start = text.get(..version.len())?;
    (start.eq_ignore_ascii_case(version)
        && text[version.len()..].trim_start().chars().next().is_none_or(|next| next == ';'))
    .then_some(text)
}

fn at_label(set_owner: &[u8], label: &[u8]) -> bool {
    super::labels(set_owner).next().is_some_and(|first| first.eq_ignore_ascii_case(label))
}

pub(super) fn dmarc_several(set: &Set<'_>) -> Found {
    if !at_label(set.place.owner, b"_dmarc") {
        return None;
    }
    let count = set.rdatas().filter(|rdata| starts_with(rdata, "v=DMARC1").is_some()).count();
    (count > 1)
        .then(|| format!("{} has {count} DMARC policies, so none is valid", show(set.place.owner)).into())
}

pub(super) fn dmarc_syntax(subject: &Subject<'_>) -> Found {
    if !at_label(subject.owner, b"_dmarc") {
        return None;
    }
    let invalid = |why: String| Some(Cow::Owned(format!("the DMARC policy is invalid: {why}")));
    let text = text(subject.rdata);
    let tags = match tags(&text) {
        Ok(tags) => tags,
        Err(part) => return invalid(format!("`{part}` is not TAG=VALUE")),
    };
    match tags.first() {
        Some(("v", "DMARC1")) => {}
        _ => return invalid("it does not begin with v=DMARC1".into()),
    }
    let policy = |tag| value(&tags, tag).filter(|value| !["none", "quarantine", "reject"].contains(value));
    if value(&tags, "p").is_none() {
        return invalid("it has no policy p=".into());
    }
    for tag in ["p", "sp", "np"] {
        if let Some(found) = policy(tag) {
            return invalid(format!("{tag}={found} is not none, quarantine or reject"));
        }
    }
    for tag in ["rua", "ruf"] {
        let mut uris = value(&tags, tag).into_iter().flat_map(|uris| uris.split(',')).map(str::trim);
        if let Some(uri) = uris.find(|uri| !uri.contains(':')) {
            return invalid(format!("{tag}={uri} is not a URI such as mailto:reports@example.com"));
        }
    }
    for tag in ["adkim", "aspf"] {
        if let Some(found) = value(&tags, tag).filter(|value| !["r", "s"].contains(value)) {
            return invalid(format!("{tag}={found} is not r or s"));
        }
    }
    let percent = value(&tags, "pct").filter(|text| text.parse::<u8>().is_ok_and(|number| number <= 100));
    if let (Some(found), None) = (value(&tags, "pct"), percent) {
        return invalid(format!("pct={found} is not a number from 0 to 100"));
    }
    None
}

pub(super) fn dmarc_none(subject: &Subject<'_>) -> Found {
    let text = starts_with(subject.rdata, "v=DMARC1").filter(|_| at_label(subject.owner, b"_dmarc"))?;
    let tags = tags(&text).ok()?;
    (value(&tags, "p") == Some("none"))
        .then(|| "the DMARC policy is p=none: forged mail is only reported".into())
}

// ---- MTA-STS, TLS reports ----

pub(super) fn mta_sts(subject: &Subject<'_>) -> Found {
    if !at_label(subject.owner, b"_mta-sts") {
        return None;
    }
    let text = text(subject.rdata);
    let tags = tags(&text).unwrap_or_default();
    let id = value(&tags, "id").unwrap_or("");
    let ok = tags.first() == Some(&("v", "STSv1"))
        && (1..=32).contains(&id.len())
        && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    (!ok).then(|| "the MTA-STS record is not v=STSv1; id=, with letters and digits as id".into())
}

pub(super) fn tls_reports(subject: &Subject<'_>) -> Found {
    let mut labels = subject.place.labels();
    let (first, second) = (labels.next()?, labels.next()?);
    if !first.eq_ignore_ascii_case(b"_smtp") || !second.eq_ignore_ascii_case(b"_tls") {
        return None;
    }
    let text = text(subject.rdata);
    let tags = tags(&text).unwrap_or_default();
    let uris = value(&tags, "rua").unwrap_or("");
    let ok = tags.first() == Some(&("v", "TLSRPTv1"))
        && uris
            .split(',')
            .all(|uri| ["mailto:", "https:"].iter().any(|scheme| uri.trim().starts_with(scheme)));
    (!ok).then(|| "the TLS report record is not v=TLSRPTv1; rua=, with mailto: or https: URIs".into())
}
