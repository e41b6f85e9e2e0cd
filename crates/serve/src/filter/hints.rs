//! The addresses in SVCB and HTTPS records: `ipv4hint` and `ipv6hint` (RFC 9460 §7.3).

use std::net::IpAddr;

const MANDATORY: u16 = 0;
const IPV4HINT: u16 = 4;
const IPV6HINT: u16 = 6;

/// Key and value of a SvcParam.
type Param<'r> = (u16, &'r [u8]);

/// The SvcParams of *rdata* (uncompressed): where they begin, then key and value of each. None: *rdata* is malformed.
fn params(rdata: &[u8]) -> Option<(usize, Vec<Param<'_>>)> {
    let mut at = 2;
    loop {
        match *rdata.get(at)? {
            0 => break,
            length if length < 0x40 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
    let start = at + 1;
    let (mut rest, mut found) = (&rdata[start..], Vec::new());
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let value = tail.get(..usize::from(u16::from_be_bytes([head[2], head[3]])))?;
        found.push((u16::from_be_bytes([head[0], head[1]]), value));
        rest = &tail[value.len()..];
    }
    rest.is_empty().then_some((start, found))
}

/// The octets of each address in the value of *key*. 0: the key holds no addresses.
fn width(key: u16) -> usize {
    match key {
        IPV4HINT => 4,
        IPV6HINT => 16,
        _ => 0,
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

/// The addresses in *rdata*.
pub(crate) fn addresses(rdata: &[u8]) -> impl Iterator<Item = IpAddr> {
    let params = params(rdata).map_or_else(Vec::new, |(_, params)| params);
    params
        .into_iter()
        .filter(|(key, _)| width(*key) > 0)
        .flat_map(|(key, value)| value.chunks_exact(width(key)))
        .filter_map(address)
}

/// *rdata* without the addresses that *drop* selects. None: it selects none. A key without addresses is left out, also
/// from the list of mandatory keys, which may only name keys that are present (RFC 9460 §8).
pub(crate) fn without(rdata: &[u8], drop: impl Fn(IpAddr) -> bool) -> Option<Vec<u8>> {
    if !addresses(rdata).any(&drop) {
        return None;
    }
    let (start, params) = params(rdata)?;
    let kept: Vec<(u16, Vec<u8>)> = params
        .iter()
        .map(|(key, value)| match width(*key) {
            0 => (*key, value.to_vec()),
            width => {
                let kept = value.chunks_exact(width).filter(|one| !address(one).is_some_and(&drop));
                (*key, kept.flatten().copied().collect())
            }
        })
        .collect();
    let gone: Vec<u16> =
        kept.iter().filter(|(key, value)| width(*key) > 0 && value.is_empty()).map(|(key, _)| *key).collect();
    let mut made = rdata[..start].to_vec();
    for (key, mut value) in kept.into_iter().filter(|(key, _)| !gone.contains(key)) {
        if key == MANDATORY {
            let keys =
                value.chunks_exact(2).filter(|key| !gone.contains(&u16::from_be_bytes([key[0], key[1]])));
            value = keys.flatten().copied().collect();
            if value.is_empty() {
                continue;
            }
        }
        made.extend_from_slice(&key.to_be_bytes());
        made.extend_from_slice(&(value.len() as u16).to_be_bytes());
        made.extend_from_slice(&value);
    }
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nw_wire::text::Tokens;
    use nw_wire::{NameRef, RrType};

    fn rdata(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        nw_wire::rr::from_text(RrType::HTTPS, &mut Tokens::new(text.as_bytes()), NameRef::ROOT, &mut out)
            .unwrap();
        out
    }

    #[test]
    fn addresses_are_removed_from_the_hints() {
        let all = rdata("1 web.example. alpn=h2 ipv4hint=192.0.2.1,10.0.0.1 ipv6hint=fd00::1");
        let found: Vec<String> = addresses(&all).map(|address| address.to_string()).collect();
        assert_eq!(found, ["192.0.2.1", "10.0.0.1", "fd00::1"]);
        let private = |address: IpAddr| address.to_string().starts_with("10.") || address.is_ipv6();
        assert_eq!(without(&all, private), Some(rdata("1 web.example. alpn=h2 ipv4hint=192.0.2.1")));
        assert_eq!(without(&all, |_| false), None);
        let mandatory = rdata("1 . mandatory=ipv6hint,alpn alpn=h2 ipv6hint=fd00::1");
        assert_eq!(without(&mandatory, private), Some(rdata("1 . mandatory=alpn alpn=h2")));
        assert_eq!(without(&rdata("1 . mandatory=ipv6hint ipv6hint=fd00::1"), private), Some(rdata("1 .")));
    }

    #[test]
    fn malformed_rdata_has_no_addresses() {
        for bad in
            [&[][..], &[0, 1], &[0, 1, 3, 1], &[0, 1, 0xc0, 12], &[0, 1, 0, 0, 4, 0, 9, 1], &[0, 1, 0, 0]]
        {
            assert_eq!((addresses(bad).count(), without(bad, |_| true)), (0, None), "{bad:?}");
        }
    }
}
