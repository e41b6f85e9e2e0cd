//! Reads and writes the DER forms of private keys that the library uses. It never parses data from the network.

use zeroize::Zeroizing;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

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

/// Extract the integers from a PKCS#8 document of an RSA key (RFC 5208 §5). Returns None if it is not such a
/// document.
pub(crate) fn rsa_from_pkcs8(document: &[u8]) -> Option<RsaPrivate> {
    let mut info = Reader(Reader(document).read(SEQUENCE)?);
    info.read(INTEGER)?; // version
    info.read(SEQUENCE)?; // algorithm: the caller knows it
    let mut key = Reader(Reader(info.read(OCTET_STRING)?).read(SEQUENCE)?);
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
