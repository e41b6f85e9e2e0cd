//! RSA keys in RFC 3110 form, and verification of the keys that the library refuses.
//!
//! The library verifies moduli of at least 1024 bits with exponents of at most 33 bits. DNSSEC allows moduli from 512
//! bits (RFC 3110 §2, RFC 5702 §2). The modular arithmetic below verifies such keys, and exponents up to 64 bits. It
//! handles only public numbers and therefore need not run in constant time.
//!
//! *Limitations.* Exponents above 64 bits and moduli above 4096 bits are refused, because they only cost time.

use crate::der::strip_zeros;
use crate::digest::{DigestAlg, digest};
use crate::public::KeyError;

/// The allowed moduli of a DNSKEY in bits (RFC 3110 §2, RFC 5702 §2).
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 512..=4096;

/// An RSA public key that borrows from the public key field of a DNSKEY, without leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RsaPublic<'a> {
    /// The public exponent: odd, over 1, at most 64 bits.
    pub(crate) e: &'a [u8],
    /// The modulus: odd.
    pub(crate) n: &'a [u8],
}

impl<'a> RsaPublic<'a> {
    /// Read a public key field (RFC 3110 §2): exponent length in one or three bytes, exponent, modulus.
    ///
    /// The RFC forbids leading zeros. Like all other validators, this function skips them.
    pub(crate) fn parse(field: &'a [u8]) -> Result<Self, KeyError> {
        let (e, n) = match field {
            [0, high, low, rest @ ..] => {
                rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))
            }
            [len, rest @ ..] => rest.split_at_checked(usize::from(*len)),
            [] => None,
        }
        .ok_or(KeyError::Malformed)?;
        let key = Self { e: strip_zeros(e), n: strip_zeros(n) };
        let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        if !odd(key.e) || key.e == [1] || !odd(key.n) {
            return Err(KeyError::Malformed);
        }
        if bit_length(key.e) > 64 {
            return Err(KeyError::ExponentTooLarge { bits: bit_length(key.e) });
        }
        if !MODULUS_BITS.contains(&key.bits()) {
            return Err(KeyError::ModulusSize { bits: key.bits() });
        }
        Ok(key)
    }

    /// Return the length of the modulus in bits.
    pub(crate) fn bits(&self) -> usize {
        bit_length(self.n)
    }

    /// Return whether the library supports this key.
    pub(crate) fn fits_library(&self) -> bool {
        self.bits() >= 1024 && bit_length(self.e) <= 33
    }

    /// Write the public key field (RFC 3110 §2).
    pub(crate) fn to_field(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(3 + self.e.len() + self.n.len());
        match u8::try_from(self.e.len()) {
            Ok(len) => out.push(len),
            Err(_) => {
                out.push(0);
                out.extend_from_slice(&(self.e.len() as u16).to_be_bytes());
            }
        }
        out.extend_from_slice(self.e);
        out.extend_from_slice(self.n);
        out
    }
}

/// Return whether `signature` is the PKCS#1 v1.5 signature of `message` (RFC 8017 §8.2.2).
///
/// The function builds and compares the whole padded message, so that lenient parsing of the padding cannot be
/// exploited.
pub(crate) fn verify_small(key: RsaPublic<'_>, alg: DigestAlg, message: &[u8], signature: &[u8]) -> bool {
    if signature.len() != key.n.len() {
        return false;
    }
    let modulus = Modulus::new(key.n);
    let signature = limbs(signature, modulus.n.len());
    if !less(&signature, &modulus.n) {
        return false;
    }
    let Some(expected) = encode(alg, message, key.n.len()) else { return false };
    let exponent = key.e.iter().fold(0u64, |e, byte| e << 8 | u64::from(*byte));
    modulus.power(&signature, exponent) == limbs(&expected, modulus.n.len())
}

/// Return the EMSA-PKCS1-v1_5 encoding of `message` in `len` bytes (RFC 8017 §9.2), or None if it does not fit.
fn encode(alg: DigestAlg, message: &[u8], len: usize) -> Option<Vec<u8>> {
    let prefix: &[u8] = match alg {
        DigestAlg::Sha1 => &[0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 0x14],
        DigestAlg::Sha256 => {
            &[0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20]
        }
        DigestAlg::Sha512 => {
            &[0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40]
        }
        DigestAlg::Sha224 | DigestAlg::Sha384 => return None, // no DNSSEC algorithm uses them
    };
    let padding = len.checked_sub(3 + prefix.len() + alg.size()).filter(|padding| *padding >= 8)?;
    let mut out = vec![0xff; len];
    out[0] = 0;
    out[1] = 1;
    out[2 + padding] = 0;
    out[3 + padding..3 + padding + prefix.len()].copy_from_slice(prefix);
    out[len - alg.size()..].copy_from_slice(digest(alg, message).as_ref());
    Some(out)
}

/// Return the length in bits of a big-endian number without leading zeros.
fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// Return big-endian `bytes` as `len` limbs, lowest first.
fn limbs(bytes: &[u8], len: usize) -> Vec<u64> {
    let mut out: Vec<u64> = bytes
        .rchunks(8)
        .map(|chunk| chunk.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte)))
        .collect();
    out.resize(len, 0);
    out
}

/// Return whether `a < b`; both have the same number of limbs.
fn less(a: &[u64], b: &[u64]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// Subtract `b` from `a` in place, dropping the borrow of the highest limb.
fn subtract(a: &mut [u64], b: &[u64]) {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        let (low, first) = a.overflowing_sub(*b);
        let (low, second) = low.overflowing_sub(u64::from(borrow));
        (*a, borrow) = (low, first | second);
    }
}

/// An odd modulus with the constants for Montgomery multiplication.
struct Modulus {
    n: Vec<u64>,
    /// -1/n modulo 2^64.
    n0: u64,
    /// 2^(128 * limbs) modulo n: brings a number into Montgomery form.
    r2: Vec<u64>,
}

impl Modulus {
    /// Prepare the odd big-endian number `n`.
    fn new(n: &[u8]) -> Self {
        let n = limbs(n, n.len().div_ceil(8));
        // Each round of Newton's iteration doubles the number of correct bits: 1, 2, 4 .. 64.
        let inverse = (0..6).fold(1u64, |x, _| x.wrapping_mul(2u64.wrapping_sub(n[0].wrapping_mul(x))));
        let mut r2 = vec![0; n.len()];
        r2[0] = 1;
        for _ in 0..128 * n.len() {
            let overflow = r2[n.len() - 1] >> 63 == 1;
            for i in (1..n.len()).rev() {
                r2[i] = r2[i] << 1 | r2[i - 1] >> 63;
            }
            r2[0] <<= 1;
            if overflow || !less(&r2, &n) {
                subtract(&mut r2, &n);
            }
        }
        Self { n, n0: inverse.wrapping_neg(), r2 }
    }

    /// Return a * b / 2^(64 * limbs) modulo n; both factors below n.
    fn multiply(&self, a: &[u64], b: &[u64]) -> Vec<u64> {
        let len = self.n.len();
        let mut t = vec![0u64; len + 2];
        for &factor in a {
            let mut carry = 0u128;
            for i in 0..len {
                carry += u128::from(t[i]) + u128::from(factor) * u128::from(b[i]);
                t[i] = carry as u64;
                carry >>= 64;
            }
            carry += u128::from(t[len]);
            t[len] = carry as u64;
            t[len + 1] = (carry >> 64) as u64;

            let m = t[0].wrapping_mul(self.n0);
            carry = (u128::from(t[0]) + u128::from(m) * u128::from(self.n[0])) >> 64;
            for i in 1..len {
                carry += u128::from(t[i]) + u128::from(m) * u128::from(self.n[i]);
                t[i - 1] = carry as u64;
                carry >>= 64;
            }
            carry += u128::from(t[len]);
            t[len - 1] = carry as u64;
            t[len] = t[len + 1] + (carry >> 64) as u64;
        }
        if t[len] != 0 || !less(&t[..len], &self.n) {
            subtract(&mut t[..len], &self.n);
        }
        t.truncate(len);
        t
    }

    /// Return `base` to the power of `exponent` modulo n; `base` below n, `exponent` not 0.
    fn power(&self, base: &[u64], exponent: u64) -> Vec<u64> {
        let base = self.multiply(base, &self.r2);
        let mut power = base.clone();
        for bit in (0..63 - exponent.leading_zeros()).rev() {
            power = self.multiply(&power, &power);
            if exponent >> bit & 1 == 1 {
                power = self.multiply(&power, &base);
            }
        }
        let mut one = vec![0; self.n.len()];
        one[0] = 1;
        self.multiply(&power, &one)
    }
}

#[cfg(test)]
mod tests;
