//! TSIG keys: requests are signed, and the replies to them verified. RFC 8945
//!
//! ```text
//! TsigKey ── sign(request) ─▶ signed request ─▶ server
//!                 │ MAC
//!                 ▼
//!             Verifier ◀── read(reply), read(reply) ... finish()
//! ```
//!
//! The server part, which verifies requests and signs replies, uses the same key (`serve/tsig.rs`).
//!
//! | reply | outcome |
//! |---|---|
//! | no TSIG, in the first message or after 99 without one | [`TsigError::Unsigned`] (§5.3.1) |
//! | other key or algorithm than the request | [`TsigError::OtherKey`] |
//! | without MAC, error BADKEY or BADSIG | [`TsigError::Reported`]; nothing proves who says so (§5.3.2) |
//! | MAC too short or too long | [`TsigError::Length`] (§5.2.2.1) |
//! | MAC wrong | [`TsigError::Wrong`] |
//! | MAC right, with an error such as BADTIME | [`TsigError::Reported`] (§5.2.3) |
//! | MAC right, signed outside of the permitted time | [`TsigError::Time`] |

use std::fmt;
use std::sync::Arc;

use nw_wire::header::{HEADER, Header};
use nw_wire::tsig::{Signed, Tsig};
use nw_wire::{Class, Message, Name, NameRef, Rcode};

use crate::digest::Digest;
use crate::hmac::{HmacAlg, HmacKey};

#[cfg(test)]
mod tests;

/// Permitted clock difference in seconds (RFC 8945 §10).
pub const FUDGE_S: u16 = 300;
/// Messages without TSIG that may follow each other in a stream (RFC 8945 §5.3.1).
const MOST_UNSIGNED: usize = 99;

/// The digest of the algorithm that plans and TSIG records call `name` (RFC 8945 §6), or None.
#[must_use]
pub fn tsig_algorithm(name: NameRef<'_>) -> Option<HmacAlg> {
    const NAMES: [(&[u8], HmacAlg); 6] = [
        (b"\x08hmac-md5\x07sig-alg\x03reg\x03int\0", HmacAlg::Md5),
        (b"\x09hmac-sha1\0", HmacAlg::Sha1),
        (b"\x0bhmac-sha224\0", HmacAlg::Sha224),
        (b"\x0bhmac-sha256\0", HmacAlg::Sha256),
        (b"\x0bhmac-sha384\0", HmacAlg::Sha384),
        (b"\x0bhmac-sha512\0", HmacAlg::Sha512),
    ];
    NAMES.iter().find(|(wire, _)| wire.eq_ignore_ascii_case(name.wire())).map(|(_, algorithm)| *algorithm)
}

/// A shared secret with its name and algorithm.
pub struct TsigKey {
    name: Name,
    algorithm: Name,
    hmac: HmacKey,
}

/// Shows no secret.
impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TsigKey({} {})", self.name, self.algorithm)
    }
}

/// The reason why the MAC of a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacFault {
    /// It is longer than those of the algorithm, or shorter than 10 octets or half of these (RFC 8945 §5.2.2.1).
    Length,
    /// It is not that of the message.
    Wrong,
}

/// A request with its TSIG record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// The message.
    pub wire: Vec<u8>,
    /// Its MAC, which the replies cover.
    pub mac: Vec<u8>,
}

impl TsigKey {
    /// Make a key. `algorithm`: as in TSIG records. None: [`tsig_algorithm`] does not know it.
    #[must_use]
    pub fn new(name: Name, algorithm: Name, secret: &[u8]) -> Option<TsigKey> {
        let hmac = HmacKey::new(tsig_algorithm(algorithm.as_ref())?, secret);
        Some(TsigKey { name, algorithm, hmac })
    }

    /// The name that both sides know the key by.
    #[must_use]
    pub fn name(&self) -> NameRef<'_> {
        self.name.as_ref()
    }

    /// The name of the algorithm in TSIG records.
    #[must_use]
    pub fn algorithm(&self) -> NameRef<'_> {
        self.algorithm.as_ref()
    }

    /// Octets of a whole MAC.
    #[must_use]
    pub fn size(&self) -> usize {
        self.hmac.algorithm().size()
    }

    /// Octets of the shortest MAC that may be accepted (RFC 8945 §5.2.2.1).
    #[must_use]
    pub fn least(&self) -> usize {
        self.size().div_ceil(2).max(10)
    }

    /// The MAC of `message`, which has no TSIG record yet.
    #[must_use]
    pub fn mac(&self, tsig: &Tsig<'_>, signed: Signed<'_>, message: &[u8]) -> Digest {
        let mut input = Vec::with_capacity(message.len() + 512);
        tsig.push_signed(signed, message, false, &mut input);
        self.hmac.tag(&[&input])
    }

    /// Check the MAC of `tsig`, the last record of a message. `message`: the octets before it.
    pub fn check(&self, tsig: &Tsig<'_>, signed: Signed<'_>, message: &[u8]) -> Result<(), MacFault> {
        if tsig.mac.len() > self.size() || tsig.mac.len() < self.least() {
            return Err(MacFault::Length);
        }
        let mut input = Vec::with_capacity(message.len() + 512);
        tsig.push_signed(signed, message, true, &mut input);
        if self.hmac.verify(&[&input], tsig.mac) { Ok(()) } else { Err(MacFault::Wrong) }
    }

    /// Sign `request`, a message without TSIG. `unix_s`: the time. `octets`: of the MAC, [`TsigKey::least`] to
    /// [`TsigKey::size`]; another number is taken as the nearest of these.
    ///
    /// # Panics
    /// If `request` is shorter than a header.
    #[must_use]
    pub fn sign(&self, request: &[u8], unix_s: u64, octets: usize) -> SignedRequest {
        let header = Header::read(request).expect("a message has a header");
        let mut tsig = Tsig {
            algorithm: self.algorithm(),
            time_signed_s: unix_s,
            fudge_s: FUDGE_S,
            mac: &[],
            original_id: header.id,
            error: Rcode::NOERROR,
            other: &[],
        };
        let whole = self.mac(&tsig, Signed::Request { key: self.name() }, request);
        let mac = &whole.as_ref()[..octets.clamp(self.least(), self.size())];
        tsig.mac = mac;
        let mut wire = request.to_vec();
        tsig.push_record(self.name(), &mut wire);
        wire[HEADER - 2..HEADER].copy_from_slice(&header.counts[3].wrapping_add(1).to_be_bytes());
        SignedRequest { mac: mac.to_vec(), wire }
    }
}

/// The reason why a reply is not authentic, or the error that the server reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TsigError {
    /// The message, or its TSIG record, is malformed.
    Malformed(String),
    /// There is no TSIG where one must be (RFC 8945 §5.3, §5.3.1).
    Unsigned,
    /// Another key or algorithm than that of the request signed it.
    OtherKey {
        /// The name of the key.
        name: Name,
        /// The name of the algorithm.
        algorithm: Name,
    },
    /// [`MacFault::Length`]
    Length {
        /// Octets of the MAC.
        octets: usize,
    },
    /// [`MacFault::Wrong`]
    Wrong,
    /// The time of the signature differs too much from that of the client (RFC 8945 §5.2.3).
    Time {
        /// Seconds since 1970 at the server.
        server_s: u64,
        /// Seconds since 1970 here.
        client_s: u64,
    },
    /// The server reports an error of TSIG.
    Reported {
        /// BADKEY, BADSIG, BADTIME or BADTRUNC.
        error: Rcode,
        /// With BADTIME: the time of the server in seconds since 1970.
        server_s: Option<u64>,
        /// Whether the MAC of the reply proves that the server says so.
        signed: bool,
    },
}

impl TsigError {
    /// Return a stable identifier for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "MALFORMED",
            Self::Unsigned => "UNSIGNED",
            Self::OtherKey { .. } => "OTHER_KEY",
            Self::Length { .. } => "MAC_LENGTH",
            Self::Wrong => "WRONG_MAC",
            Self::Time { .. } => "TIME",
            Self::Reported { .. } => "REPORTED",
        }
    }
}

impl fmt::Display for TsigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "the reply cannot be verified: {why}"),
            Self::Unsigned => f.write_str("the reply has no TSIG record"),
            Self::OtherKey { name, algorithm } => {
                write!(
                    f,
                    "the reply is signed with key {name} and {algorithm}, which did not sign the request"
                )
            }
            Self::Length { octets } => {
                write!(f, "the MAC of the reply has {octets} octets, which the algorithm does not permit")
            }
            Self::Wrong => f.write_str("the MAC of the reply is wrong: compare the secrets of both sides"),
            Self::Time { server_s, client_s } => {
                let apart = server_s.abs_diff(*client_s);
                write!(f, "the reply was signed {apart} seconds away from the time here: set the clocks")
            }
            Self::Reported { error, server_s, signed } => {
                match *error {
                    Rcode::BADKEY => f.write_str(
                        "the server reports BADKEY: it does not know the key, or not with this algorithm",
                    ),
                    Rcode::BADSIG => f.write_str(
                        "the server reports BADSIG: it computes another MAC; compare the secrets of both sides",
                    ),
                    Rcode::BADTRUNC => f.write_str("the server reports BADTRUNC: it requires longer MACs"),
                    error => write!(f, "the server reports {error}"),
                }?;
                if let Some(server_s) = server_s {
                    write!(f, ": its clock shows {server_s}; set the clocks")?;
                }
                f.write_str(if *signed { "" } else { " (unsigned)" })
            }
        }
    }
}

impl std::error::Error for TsigError {}

/// Verifies the replies to one request: one message, or those of a stream.
#[derive(Debug)]
pub struct Verifier {
    key: Arc<TsigKey>,
    /// The MAC of the request, or of the last message that had one.
    prior_mac: Vec<u8>,
    /// Whether a reply was verified.
    subsequent: bool,
    /// The messages since then. At most 99: a server cannot fill the memory.
    unsigned: Vec<u8>,
    count: usize,
}

impl Verifier {
    /// Verify the replies to the request that `key` signed with `mac`.
    #[must_use]
    pub fn new(key: Arc<TsigKey>, mac: &[u8]) -> Verifier {
        Verifier { key, prior_mac: mac.to_vec(), subsequent: false, unsigned: Vec::new(), count: 0 }
    }

    /// Read the next message. Return whether it is verified; if not, it is one of a stream that a later message will verify.
    /// `unix_s`: the time.
    pub fn read(&mut self, reply: &[u8], unix_s: u64) -> Result<bool, TsigError> {
        let malformed = |why: &dyn fmt::Display| TsigError::Malformed(why.to_string());
        let message = Message::parse(reply).map_err(|error| malformed(&error))?;
        let Some(record) = message.tsig() else {
            if !self.subsequent || self.count == MOST_UNSIGNED {
                return Err(TsigError::Unsigned);
            }
            self.count += 1;
            self.unsigned.extend_from_slice(reply);
            return Ok(false);
        };
        let mut rdata = Vec::new();
        record.rdata(&mut rdata);
        let tsig = Tsig::parse(&rdata).map_err(|error| malformed(&error))?;
        if record.class != Class::ANY || record.ttl != 0 {
            return Err(malformed(&"the TSIG record has another class than ANY or a TTL"));
        }
        let server_s = <[u8; 6]>::try_from(tsig.other).ok().filter(|_| tsig.error == Rcode::BADTIME);
        let server_s = server_s.map(|[a, b, c, d, e, f]| u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
        let reported = |signed| TsigError::Reported { error: tsig.error, server_s, signed };
        if tsig.mac.is_empty() && tsig.error != Rcode::NOERROR {
            return Err(reported(false));
        }
        let owner = record.owner();
        if owner.as_ref() != self.key.name() || tsig.algorithm != self.key.algorithm() {
            return Err(TsigError::OtherKey { name: owner.to_name(), algorithm: tsig.algorithm.to_name() });
        }
        let signed = match self.subsequent {
            false => Signed::Response { key: self.key.name(), request_mac: &self.prior_mac },
            true => Signed::Subsequent { prior_mac: &self.prior_mac, unsigned: &self.unsigned },
        };
        self.key.check(&tsig, signed, &reply[..record.start()]).map_err(|fault| match fault {
            MacFault::Length => TsigError::Length { octets: tsig.mac.len() },
            MacFault::Wrong => TsigError::Wrong,
        })?;
        if tsig.error != Rcode::NOERROR {
            return Err(reported(true));
        }
        if unix_s.abs_diff(tsig.time_signed_s) > u64::from(tsig.fudge_s) {
            return Err(TsigError::Time { server_s: tsig.time_signed_s, client_s: unix_s });
        }
        self.prior_mac.clear();
        self.prior_mac.extend_from_slice(tsig.mac);
        self.subsequent = true;
        self.unsigned.clear();
        self.count = 0;
        Ok(true)
    }

    /// End the stream: its last message must have been verified (RFC 8945 §5.3.1).
    pub fn finish(&self) -> Result<(), TsigError> {
        if self.subsequent && self.count == 0 { Ok(()) } else { Err(TsigError::Unsigned) }
    }
}
