//! Valid rdata of any type, made from the table and from random octets. For tests and fuzzing only (feature `sample`).

use super::{Field, RrType, SvcKey, push_bitmap};

/// Random octets, followed by zeros, so that shorter input makes simpler rdata.
#[derive(Clone, Debug)]
pub struct Entropy<'a>(&'a [u8]);

impl<'a> Entropy<'a> {
    /// Use these octets.
    pub fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    fn octet(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        (usize::from(self.octet()) << 8 | usize::from(self.octet())) % limit
    }

    fn octets(&mut self, least: usize, most: usize) -> Vec<u8> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| self.octet()).collect()
    }

    /// An octet of text: usually a letter, sometimes any octet.
    fn character(&mut self) -> u8 {
        const COMMON: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyzABC019";
        let octet = self.octet();
        if octet < 224 { COMMON[usize::from(octet % 32)] } else { self.octet() }
    }
}

/// An uncompressed name.
pub fn name(entropy: &mut Entropy<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..entropy.below(5) {
        let most = if entropy.octet() > 240 { 63 } else { 10 };
        let length = 1 + entropy.below(most);
        if wire.len() + 1 + length > 254 {
            break;
        }
        wire.push(length as u8);
        wire.extend((0..length).map(|_| entropy.character()));
    }
    wire.push(0);
    wire
}

/// Valid rdata of `rtype`, uncompressed.
pub fn rdata(rtype: RrType, entropy: &mut Entropy<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for field in rtype.fields() {
        push_field(*field, entropy, &mut out);
    }
    reasonable(rtype, entropy, &mut out);
    out
}

/// Make fields consistent where other implementations require it and this codec does not.
fn reasonable(rtype: RrType, entropy: &mut Entropy<'_>, out: &mut Vec<u8>) {
    let mut sized = |kind_at: usize, sizes: &[(u8, usize)], out: &mut Vec<u8>| {
        let (kind, size) = sizes[entropy.below(sizes.len())];
        out[kind_at] = kind;
        out.truncate(kind_at + 1);
        out.extend(entropy.octets(size, size));
    };
    match rtype {
        RrType::DS | RrType::CDS | RrType::TA | RrType::DLV => {
            sized(3, &[(1, 20), (2, 32), (4, 48), (200, 9)], out)
        }
        RrType::SSHFP => sized(1, &[(1, 20), (2, 32), (200, 9)], out),
        RrType::TLSA | RrType::SMIMEA => sized(2, &[(0, 9), (1, 32), (2, 64), (200, 9)], out),
        RrType::ZONEMD => {
            out[4] |= 1;
            sized(5, &[(1, 48), (2, 64), (200, 12)], out);
        }
        // The upper two bits say that there is no key (RFC 2535 §3.1.2).
        RrType::KEY => {
            out[0] &= 0x3f;
            out.push(entropy.octet());
        }
        // NSEC always includes the type NSEC itself.
        RrType::NSEC if super::names(rtype, out).all(|name| name.end == out.len()) => {
            push_bitmap(&mut [RrType::NSEC, RrType::RRSIG], out);
        }
        RrType::RKEY => out[..2].fill(0),
        RrType::IPSECKEY => {
            out[2] |= 1;
            out.push(entropy.octet());
        }
        RrType::X25 => *out = b"\x0c311061700956".to_vec(),
        RrType::GPOS => *out = b"\x08-32.6882\x08116.8652\x0410.0".to_vec(),
        RrType::NAPTR => {
            out.truncate(4);
            for string in [&b"u"[..], b"E2U+sip", b"!^.*$!sip:info@example.com!"] {
                out.push(string.len() as u8);
                out.extend_from_slice(string);
            }
            out.extend(name(entropy));
        }
        _ => {}
    }
}

fn push_string(least: usize, entropy: &mut Entropy<'_>, out: &mut Vec<u8>) {
    let most = if entropy.octet() > 250 { 255 } else { 20 };
    let length = least + entropy.below(most - least + 1);
    out.push(length as u8);
    out.extend((0..length).map(|_| entropy.character()));
}

fn types(limit: u16, entropy: &mut Entropy<'_>) -> Vec<RrType> {
    (0..entropy.below(12))
        .map(|_| match entropy.below(4) {
            0 => RrType(1 + entropy.below(usize::from(limit) - 1) as u16),
            _ => RrType(1 + entropy.below(120) as u16),
        })
        .collect()
}

fn push_place(kind: u8, entropy: &mut Entropy<'_>, out: &mut Vec<u8>) {
    match kind {
        0 => {}
        1 => out.extend(entropy.octets(4, 4)),
        2 => out.extend(entropy.octets(16, 16)),
        _ => out.extend(name(entropy)),
    }
}

fn push_field(field: Field, entropy: &mut Entropy<'_>, out: &mut Vec<u8>) {
    match field {
        Field::Scheme => out.push(1),
        Field::U8 | Field::Algorithm | Field::NamedAlgorithm => out.push(entropy.octet()),
        Field::U16 | Field::CertType => out.extend(entropy.octets(2, 2)),
        Field::Type | Field::OldType => out.extend_from_slice(&(1 + entropy.below(300) as u16).to_be_bytes()),
        Field::TsigError => out.extend_from_slice(&[0u16, 16, 17, 18, 22][entropy.below(5)].to_be_bytes()),
        Field::U32 | Field::Time | Field::Ipv4 => out.extend(entropy.octets(4, 4)),
        // Other implementations limit TTLs to 31 bits.
        Field::Period => out.extend_from_slice(&[0, entropy.octet(), entropy.octet(), entropy.octet()]),
        Field::U48 => out.extend(entropy.octets(6, 6)),
        Field::Node => out.extend(entropy.octets(8, 8)),
        Field::Ipv6 => out.extend(entropy.octets(16, 16)),
        Field::Eui(width) => out.extend(entropy.octets(usize::from(width), usize::from(width))),
        Field::Name(_) => out.extend(name(entropy)),
        Field::CharString => push_string(0, entropy, out),
        Field::Digits(least) => {
            let count = usize::from(least) + entropy.below(12);
            out.push(count as u8);
            (0..count).for_each(|_| out.push(b'0' + entropy.below(10) as u8));
        }
        Field::OptionalCharString => {
            if entropy.octet() & 1 == 1 {
                push_string(1, entropy, out);
            }
        }
        Field::CharStrings => (0..=entropy.below(4)).for_each(|_| push_string(0, entropy, out)),
        Field::Tag => {
            let tag: &[u8] = [&b"issue"[..], b"issuewild", b"iodef", b"x9"][entropy.below(4)];
            out.push(tag.len() as u8);
            out.extend_from_slice(tag);
        }
        Field::Text => (0..entropy.below(40)).for_each(|_| out.push(entropy.character())),
        Field::NonEmptyText => (0..=entropy.below(40)).for_each(|_| out.push(entropy.character())),
        Field::Hex | Field::Base64 | Field::Nsap | Field::Opaque => out.extend(entropy.octets(1, 70)),
        Field::OptionalBase64 | Field::DashBase64 => out.extend(entropy.octets(0, 70)),
        Field::Sized => {
            let data = entropy.octets(0, 40);
            out.extend_from_slice(&(data.len() as u16).to_be_bytes());
            out.extend(data);
        }
        Field::Salt => {
            let salt = entropy.octets(0, 20);
            out.push(salt.len() as u8);
            out.extend(salt);
        }
        Field::Hash => {
            let hash = entropy.octets(1, 40);
            out.push(hash.len() as u8);
            out.extend(hash);
        }
        Field::Bitmap => push_bitmap(&mut types(u16::MAX, entropy), out),
        Field::OldBitmap => {
            let mut bits = entropy.octets(1, 16);
            bits[0] &= 0x7f;
            *bits.last_mut().expect("at least one octet") |= 1;
            out.extend(bits);
        }
        Field::Services => {
            out.push([6, 17][entropy.below(2)]);
            let mut bits = entropy.octets(0, 30);
            bits.push(1);
            out.extend(bits);
        }
        Field::Location => {
            out.push(0);
            for _ in 0..3 {
                let digit = 1 + entropy.below(9) as u8;
                out.push(digit << 4 | entropy.below(10) as u8);
            }
            for degrees in [90, 180] {
                let span = degrees * 3_600_000u64;
                let random =
                    entropy.octets(8, 8).iter().fold(0u64, |value, &octet| value << 8 | u64::from(octet));
                let value = (1u64 << 31) - span + random % (2 * span + 1);
                out.extend_from_slice(&(value as u32).to_be_bytes());
            }
            out.extend(entropy.octets(4, 4));
        }
        Field::Prefixes => {
            for _ in 0..entropy.below(4) {
                let (family, width) = [(1, 4), (2, 16)][entropy.below(2)];
                let mut address = entropy.octets(0, width);
                if let Some(last) = address.last_mut() {
                    *last |= 1;
                }
                let negated = entropy.octet() & 0x80;
                out.extend_from_slice(&[
                    0,
                    family,
                    entropy.below(width * 8 + 1) as u8,
                    negated | address.len() as u8,
                ]);
                out.extend(address);
            }
        }
        Field::SvcParams => push_params(entropy, out),
        Field::Gateway => {
            let kind = entropy.below(4) as u8;
            out.extend_from_slice(&[kind, entropy.octet()]);
            push_place(kind, entropy, out);
        }
        Field::Relay => {
            let kind = entropy.below(4) as u8;
            out.push(entropy.octet() & 0x80 | kind);
            push_place(kind, entropy, out);
        }
        Field::HostIdentity => {
            let (tag, key) = (entropy.octets(1, 20), entropy.octets(1, 40));
            out.extend_from_slice(&[tag.len() as u8, entropy.octet(), 0, key.len() as u8]);
            out.extend(tag);
            out.extend(key);
            (0..entropy.below(3)).for_each(|_| out.extend(name(entropy)));
        }
        Field::Atma => {
            let format = entropy.below(2) as u8;
            out.push(format);
            let address = entropy.octets(1, 20);
            out.extend(address.iter().map(|octet| if format == 1 { b'0' + octet % 10 } else { *octet }));
        }
        Field::Prefix6 => {
            let prefix = entropy.below(129) as u8;
            let mut suffix = entropy.octets(16, 16).split_off(usize::from(prefix / 8));
            if let Some(first) = suffix.first_mut() {
                *first &= (0xffu16 >> (prefix % 8)) as u8;
            }
            out.push(prefix);
            out.extend(suffix);
            if prefix > 0 {
                out.extend(name(entropy));
            }
        }
        Field::Options => {
            for _ in 0..entropy.below(5) {
                let data = entropy.octets(0, 20);
                out.extend_from_slice(&[0, entropy.octet() % 30, 0, data.len() as u8]);
                out.extend(data);
            }
        }
        Field::Meta => {}
    }
}

fn push_params(entropy: &mut Entropy<'_>, out: &mut Vec<u8>) {
    let mut params: Vec<(u16, Vec<u8>)> = Vec::new();
    let mut add = |key: u16, value: Vec<u8>| params.push((key, value));
    let wanted = entropy.below(1 << 11);
    let list = |entropy: &mut Entropy<'_>| {
        let mut value = Vec::new();
        (0..=entropy.below(3)).for_each(|_| push_string(1, entropy, &mut value));
        value
    };
    let has = |bit: u16| wanted >> bit & 1 == 1;
    if has(1) {
        add(1, list(entropy));
        if has(2) {
            add(2, Vec::new());
        }
    }
    if has(3) {
        add(3, entropy.octets(2, 2));
    }
    if has(4) {
        let count = 4 * (1 + entropy.below(3));
        add(4, entropy.octets(count, count));
    }
    if has(5) {
        let configs = entropy.octets(4, 40);
        add(5, [&(configs.len() as u16).to_be_bytes()[..], &configs].concat());
    }
    if has(6) {
        add(6, entropy.octets(16, 16));
    }
    if has(7) {
        add(7, b"/dns-query{?dns}".to_vec());
    }
    if has(8) {
        add(8, Vec::new());
    }
    if has(9) {
        let count = 2 * (1 + entropy.below(3));
        add(9, entropy.octets(count, count));
    }
    if has(10) {
        add(10, list(entropy));
        if entropy.octet() & 1 == 1 {
            add(600 + entropy.below(1000) as u16, entropy.octets(0, 20));
        }
    }
    if has(0) && !params.is_empty() {
        let keys = params.iter().filter(|(key, _)| key % 2 == 1).flat_map(|(key, _)| key.to_be_bytes());
        let value: Vec<u8> = keys.collect();
        if !value.is_empty() {
            params.insert(0, (0, value));
        }
    }
    for (key, value) in params {
        debug_assert!(SvcKey(key).0 == key);
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend(value);
    }
}
