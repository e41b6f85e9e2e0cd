//! Reads and writes the DER forms of private keys that the library uses. It never parses data from the network.

use zeroize::Zeroizing;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const SEQUENCE: u8 = 0x30;

/// The integers of an RSA private key, big-endian without leading zeros (RFC 8017 App. A.1.2).
pub(crate) struct RsaPrivate {
    pub(crate) n: Vec<u8>,
    pub(crate) e: Vec<u8>,
    pub(crate) d: Zeroizing<Vec<u8>>,
    pub(crate) p: Zeroizing<Vec<u8>>,
    pub(crate) q: Zeroizing<Vec<u8>>,
    pub(crate) dp: Zeroizing<Vec<u8>>,
    pub(crate) dq: Zeroizing<Vec<u8>>,
    pub(crate) q_inv: Zeroizing<Vec<u8>>,
}

/// Return the algorithm identifier and the key of a PKCS#8 document (RFC 5958 §2), or None if it is not such a document.
pub(crate) fn pkcs8(document: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut info = Reader(Reader(document).read(SEQUENCE)?);
    info.read(INTEGER)?; // version
    Some((info.read(SEQUENCE)?, info.read(OCTET_STRING)?))
}

/// Extract the scalar from an `ECPrivateKey` (RFC 5915 §3).
pub(crate) fn ec_scalar(document: &[u8]) -> Option<&[u8]> {
    let mut key = Reader(Reader(document).read(SEQUENCE)?);
    key.read(INTEGER)?; // version
    key.read(OCTET_STRING)
}

/// Extract the content of an OCTET STRING, the form of the keys of RFC 8410 §7.
pub(crate) fn octet_string(document: &[u8]) -> Option<&[u8]> {
    Reader(document).read(OCTET_STRING)
}

/// Extract the integers from an `RSAPrivateKey` (RFC 8017 App. A.1.2).
pub(crate) fn rsa_private(document: &[u8]) -> Option<RsaPrivate> {
    let mut key = Reader(Reader(document).read(SEQUENCE)?);
    key.read(INTEGER)?; // version: two primes
    let mut integer = || key.read(INTEGER).map(|bytes| strip_zeros(bytes).to_vec());
    Some(RsaPrivate {
        n: integer()?,
        e: integer()?,
        d: Zeroizing::new(integer()?),
        p: Zeroizing::new(integer()?),
        q: Zeroizing::new(integer()?),
        dp: Zeroizing::new(integer()?),
        dq: Zeroizing::new(integer()?),
        q_inv: Zeroizing::new(integer()?),
    })
}

/// Extract modulus and exponent, in this order, from an `RSAPublicKey` (RFC 8017 App. A.1.1).
pub(crate) fn rsa_public(document: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut key = Reader(Reader(document).read(SEQUENCE)?);
    Some((strip_zeros(key.read(INTEGER)?), strip_zeros(key.read(INTEGER)?)))
}

/// Wrap a private scalar as an `ECPrivateKey` without its public point (RFC 5915 §3). `curve` is the OBJECT
/// IDENTIFIER of the named curve, including tag and length. All lengths are below 128 bytes.
pub(crate) fn ec_private(scalar: &[u8], curve: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out =
        Zeroizing::new(vec![SEQUENCE, (3 + 2 + scalar.len() + 2 + curve.len()) as u8, INTEGER, 1, 1]);
    out.extend_from_slice(&[OCTET_STRING, scalar.len() as u8]);
    out.extend_from_slice(scalar);
    out.extend_from_slice(&[0xa0, curve.len() as u8]);
    out.extend_from_slice(curve);
    out
}

/// Write the element `tag` with `parts` one after the other as its content.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    // The capacity suffices for the whole element. Growing it would leave copies of the secret in memory.
    let mut out = Zeroizing::new(Vec::with_capacity(len + 1 + 1 + size_of::<usize>()));
    out.push(tag);
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let size = len.to_be_bytes();
        let size = strip_zeros(&size);
        out.push(0x80 | size.len() as u8);
        out.extend_from_slice(size);
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// Write a positive INTEGER, big-endian without leading zeros.
pub(crate) fn integer(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let sign: &[u8] = if bytes.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
    element(INTEGER, &[sign, bytes])
}

/// Return big-endian `bytes` without their leading zero bytes.
pub(crate) fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

/// The remaining octets.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Return the content of the next element if its tag is `tag`.
    fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, first], mut rest) = self.0.split_first_chunk()?;
        let mut len = usize::from(first);
        if first >= 0x80 {
            let (size, after) = rest.split_at_checked(usize::from(first & 0x7f).min(9))?;
            len =
                size.iter().try_fold(0usize, |len, byte| Some(len.checked_mul(256)? + usize::from(*byte)))?;
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }
}
