//! Named numbers of the DNS: RR types, classes, opcodes, rcodes, EDNS options, extended errors.
//!
//! Each is a newtype over its number, so that unassigned values are passed on unchanged. `Display` writes the
//! mnemonic or the generic form (`TYPE65280`, `CLASS7`, RFC 3597 §5). `FromStr` reads both without regard to case.
//! Tests compare the tables with `registry/`.

use std::fmt;

#[cfg(test)]
mod tests;

/// The error for a mnemonic that is in no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCode;

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown mnemonic")
    }
}
impl std::error::Error for UnknownCode {}

/// A newtype with its named values: constant, number, mnemonic.
macro_rules! codes {
    ($(#[$doc:meta])* $type:ident($repr:ty), $generic:literal { $($constant:ident = $number:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $type(pub $repr);

        impl $type {
            $(#[doc = concat!("`", $text, "`, ", stringify!($number), ".")]
            pub const $constant: $type = $type($number);)*

            /// Every named value with its mnemonic, in the order of the registry.
            pub const NAMED: &'static [($type, &'static str)] = &[$(($type($number), $text)),*];

            /// The mnemonic, if the value has one.
            pub const fn mnemonic(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.mnemonic() {
                    Some(mnemonic) => f.pad(mnemonic),
                    None => f.pad(&format!(concat!($generic, "{}"), self.0)),
                }
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::code::UnknownCode;

            fn from_str(text: &str) -> Result<$type, $crate::code::UnknownCode> {
                if let Some((code, _)) = $type::NAMED.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
                    return Ok(*code);
                }
                let digits = text
                    .get(..$generic.len())
                    .filter(|prefix| prefix.eq_ignore_ascii_case($generic))
                    .map(|_| &text[$generic.len()..])
                    .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
                digits.and_then(|digits| digits.parse().ok()).map($type).ok_or($crate::code::UnknownCode)
            }
        }
    };
}
pub(crate) use codes;

pub use crate::rr::RrType;

codes! {
    /// The class of a record or question (RFC 1035 §3.2.4).
    Class(u16), "CLASS" {
        IN = 1 "IN",
        CH = 3 "CH",
        HS = 4 "HS",
        NONE = 254 "NONE",
        ANY = 255 "ANY",
    }
}

codes! {
    /// The kind of query that a message carries (RFC 1035 §4.1.1).
    Opcode(u8), "OPCODE" {
        QUERY = 0 "QUERY",
        IQUERY = 1 "IQUERY",
        STATUS = 2 "STATUS",
        NOTIFY = 4 "NOTIFY",
        UPDATE = 5 "UPDATE",
        DSO = 6 "DSO",
    }
}

codes! {
    /// A response code with all twelve bits (RFC 6895 §2.3). 9 and 16 have two names each; this table uses the more
    /// common one.
    Rcode(u16), "RCODE" {
        NOERROR = 0 "NOERROR",
        FORMERR = 1 "FORMERR",
        SERVFAIL = 2 "SERVFAIL",
        NXDOMAIN = 3 "NXDOMAIN",
        NOTIMP = 4 "NOTIMP",
        REFUSED = 5 "REFUSED",
        YXDOMAIN = 6 "YXDOMAIN",
        YXRRSET = 7 "YXRRSET",
        NXRRSET = 8 "NXRRSET",
        NOTAUTH = 9 "NOTAUTH",
        NOTZONE = 10 "NOTZONE",
        DSOTYPENI = 11 "DSOTYPENI",
        BADVERS = 16 "BADVERS",
        BADKEY = 17 "BADKEY",
        BADTIME = 18 "BADTIME",
        BADMODE = 19 "BADMODE",
        BADNAME = 20 "BADNAME",
        BADALG = 21 "BADALG",
        BADTRUNC = 22 "BADTRUNC",
        BADCOOKIE = 23 "BADCOOKIE",
    }
}

impl Rcode {
    /// The meaning of 16 in a TSIG record (RFC 8945 §3).
    pub const BADSIG: Rcode = Rcode(16);
}

codes! {
    /// An EDNS option (RFC 6891 §9).
    OptionCode(u16), "OPT" {
        LLQ = 1 "LLQ",
        UL = 2 "UL",
        NSID = 3 "NSID",
        DAU = 5 "DAU",
        DHU = 6 "DHU",
        N3U = 7 "N3U",
        CLIENT_SUBNET = 8 "CLIENT-SUBNET",
        EXPIRE = 9 "EXPIRE",
        COOKIE = 10 "COOKIE",
        TCP_KEEPALIVE = 11 "TCP-KEEPALIVE",
        PADDING = 12 "PADDING",
        CHAIN = 13 "CHAIN",
        KEY_TAG = 14 "KEY-TAG",
        EDE = 15 "EDE",
        CLIENT_TAG = 16 "CLIENT-TAG",
        SERVER_TAG = 17 "SERVER-TAG",
        REPORT_CHANNEL = 18 "REPORT-CHANNEL",
        ZONEVERSION = 19 "ZONEVERSION",
        MQTYPE_QUERY = 20 "MQTYPE-QUERY",
        MQTYPE_RESPONSE = 21 "MQTYPE-RESPONSE",
        EDE_LANGUAGE = 22 "EDE-EXTRA-TEXT-LANGUAGE",
        FILTERING_CONTACT = 23 "FILTERING-CONTACT",
        FILTERING_ORGANIZATION = 24 "FILTERING-ORGANIZATION",
        FILTERING_DB = 25 "FILTERING-DB",
        UMBRELLA_IDENT = 20292 "UMBRELLA-IDENT",
        DEVICE_ID = 26946 "DEVICE-ID",
    }
}

codes! {
    /// An extended DNS error (RFC 8914 §4 and its registry). The mnemonic is the registry's purpose text.
    Ede(u16), "EDE" {
        OTHER = 0 "Other Error",
        UNSUPPORTED_DNSKEY_ALGORITHM = 1 "Unsupported DNSKEY Algorithm",
        UNSUPPORTED_DS_DIGEST_TYPE = 2 "Unsupported DS Digest Type",
        STALE_ANSWER = 3 "Stale Answer",
        FORGED_ANSWER = 4 "Forged Answer",
        DNSSEC_INDETERMINATE = 5 "DNSSEC Indeterminate",
        DNSSEC_BOGUS = 6 "DNSSEC Bogus",
        SIGNATURE_EXPIRED = 7 "Signature Expired",
        SIGNATURE_NOT_YET_VALID = 8 "Signature Not Yet Valid",
        DNSKEY_MISSING = 9 "DNSKEY Missing",
        RRSIGS_MISSING = 10 "RRSIGs Missing",
        NO_ZONE_KEY_BIT_SET = 11 "No Zone Key Bit Set",
        NSEC_MISSING = 12 "NSEC Missing",
        CACHED_ERROR = 13 "Cached Error",
        NOT_READY = 14 "Not Ready",
        BLOCKED = 15 "Blocked",
        CENSORED = 16 "Censored",
        FILTERED = 17 "Filtered",
        PROHIBITED = 18 "Prohibited",
        STALE_NXDOMAIN_ANSWER = 19 "Stale NXDOMAIN Answer",
        NOT_AUTHORITATIVE = 20 "Not Authoritative",
        NOT_SUPPORTED = 21 "Not Supported",
        NO_REACHABLE_AUTHORITY = 22 "No Reachable Authority",
        NETWORK_ERROR = 23 "Network Error",
        INVALID_DATA = 24 "Invalid Data",
        SIGNATURE_EXPIRED_BEFORE_VALID = 25 "Signature Expired before Valid",
        TOO_EARLY = 26 "Too Early",
        UNSUPPORTED_NSEC3_ITERATIONS = 27 "Unsupported NSEC3 Iterations Value",
        UNABLE_TO_CONFORM_TO_POLICY = 28 "Unable to conform to policy",
        SYNTHESIZED = 29 "Synthesized",
        INVALID_QUERY_TYPE = 30 "Invalid Query Type",
        RATE_LIMITED = 31 "Rate Limited",
        OVER_QUOTA = 32 "Over Quota",
    }
}
