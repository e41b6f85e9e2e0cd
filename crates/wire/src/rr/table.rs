//! The table of RR types. Each line has the constant, number, mnemonic, fields of the rdata, and the defining
//! document.
//!
//! To add a type, add a line here, a line in `registry/rrtypes.tsv` and a vector in `tests/vectors/rdata.tsv`. The
//! wire, text and canonical forms follow from the fields ([`Field`]). A type with an unusual text form has its own
//! field and a file in `rr/`. Zones cannot contain OPT or the types 128 to 255 (RFC 6895 §3.1).
//!
//! *Limitations*: the rdata of A has the form of class IN also in class CH (RFC 1035 §3.4.1 defines another).

use super::field::Field::{self, *};
use super::field::Role;

// Kinds of names. RFC 3597 §4, RFC 4034 §6.2 and RFC 6840 §5.1 assign them to types.
/// Types of RFC 1035: may be compressed; lower case in canonical form.
const OLD: Field = Name(Role { compress: true, expand: true, lower: true, additional: false });
/// Like `OLD`, and the additional section should contain its addresses.
const OLD_HOST: Field = Name(Role { compress: true, expand: true, lower: true, additional: true });
/// Types defined between RFC 1035 and RFC 3597: sent uncompressed, accepted compressed; lower case in canonical form.
const MID: Field = Name(Role { compress: false, expand: true, lower: true, additional: false });
/// Like `MID`, with additional addresses.
const MID_HOST: Field = Name(Role { compress: false, expand: true, lower: true, additional: true });
/// Never compressed; lower case in canonical form.
const LOWER: Field = Name(Role { compress: false, expand: false, lower: true, additional: false });
/// Like `LOWER`, with additional addresses.
const LOWER_HOST: Field = Name(Role { compress: false, expand: false, lower: true, additional: true });
/// Never compressed; case is preserved. Types defined after RFC 4034, and NSEC by RFC 6840 §5.1.
const NEW: Field = Name(Role { compress: false, expand: false, lower: false, additional: false });
/// Like `NEW`, with additional addresses.
const NEW_HOST: Field = Name(Role { compress: false, expand: false, lower: false, additional: true });

macro_rules! rr_types {
    ($($constant:ident = $number:literal, $text:literal, [$($field:expr),*], $defined:literal;)*) => {
        crate::code::codes! {
            /// The type of a record, or of a question (RFC 1035 §3.2.2, RFC 6895 §3.1).
            RrType(u16), "TYPE" { $($constant = $number $text,)* }
        }

        impl RrType {
            /// The fields of the rdata in wire order. A type without a line in the table has one opaque field.
            #[inline]
            pub fn fields(self) -> &'static [Field] {
                match self.0 {
                    $($number => const { &[$($field),*] },)*
                    _ => &[Opaque],
                }
            }

            /// The document that defines the type, or None for a type without a line in the table.
            pub const fn defined(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($defined),)*
                    _ => None,
                }
            }
        }
    };
}

rr_types! {
    A = 1, "A", [Ipv4], "RFC 1035 §3.4.1";
    NS = 2, "NS", [OLD_HOST], "RFC 1035 §3.3.11";
    MD = 3, "MD", [OLD_HOST], "RFC 1035 §3.3.4";
    MF = 4, "MF", [OLD_HOST], "RFC 1035 §3.3.5";
    CNAME = 5, "CNAME", [OLD], "RFC 1035 §3.3.1";
    SOA = 6, "SOA", [OLD, OLD, U32, Period, Period, Period, Period], "RFC 1035 §3.3.13";
    MB = 7, "MB", [OLD_HOST], "RFC 1035 §3.3.3";
    MG = 8, "MG", [OLD], "RFC 1035 §3.3.6";
    MR = 9, "MR", [OLD], "RFC 1035 §3.3.8";
    NULL = 10, "NULL", [Opaque], "RFC 1035 §3.3.10";
    WKS = 11, "WKS", [Ipv4, Services], "RFC 1035 §3.4.2";
    PTR = 12, "PTR", [OLD], "RFC 1035 §3.3.12";
    HINFO = 13, "HINFO", [CharString, CharString], "RFC 1035 §3.3.2";
    MINFO = 14, "MINFO", [OLD, OLD], "RFC 1035 §3.3.7";
    MX = 15, "MX", [U16, OLD_HOST], "RFC 1035 §3.3.9";
    TXT = 16, "TXT", [CharStrings], "RFC 1035 §3.3.14";
    RP = 17, "RP", [MID, MID], "RFC 1183 §2.2";
    AFSDB = 18, "AFSDB", [U16, MID_HOST], "RFC 1183 §1";
    X25 = 19, "X25", [Digits(4)], "RFC 1183 §3.1";
    ISDN = 20, "ISDN", [CharString, OptionalCharString], "RFC 1183 §3.2";
    RT = 21, "RT", [U16, MID_HOST], "RFC 1183 §3.3";
    NSAP = 22, "NSAP", [Nsap], "RFC 1706 §5";
    NSAP_PTR = 23, "NSAP-PTR", [NEW], "RFC 1706 §6";
    SIG = 24, "SIG", [OldType, Algorithm, U8, U32, Time, Time, U16, MID, Base64], "RFC 2535 §4.1, RFC 2931 §3";
    KEY = 25, "KEY", [U16, U8, Algorithm, OptionalBase64], "RFC 2535 §3.1, RFC 3445 §3";
    PX = 26, "PX", [U16, MID, MID], "RFC 2163 §4";
    GPOS = 27, "GPOS", [CharString, CharString, CharString], "RFC 1712 §3";
    AAAA = 28, "AAAA", [Ipv6], "RFC 3596 §2.2";
    LOC = 29, "LOC", [Location], "RFC 1876 §2";
    NXT = 30, "NXT", [MID, OldBitmap], "RFC 2535 §5.2";
    EID = 31, "EID", [Hex], "draft-ietf-nimrod-dns-01 §2";
    NIMLOC = 32, "NIMLOC", [Hex], "draft-ietf-nimrod-dns-01 §3";
    SRV = 33, "SRV", [U16, U16, U16, MID_HOST], "RFC 2782";
    ATMA = 34, "ATMA", [Atma], "AF-SAA-0069 §5";
    NAPTR = 35, "NAPTR", [U16, U16, CharString, CharString, CharString, MID], "RFC 3403 §4.1";
    KX = 36, "KX", [U16, LOWER_HOST], "RFC 2230 §3.1";
    CERT = 37, "CERT", [CertType, U16, NamedAlgorithm, Base64], "RFC 4398 §2";
    A6 = 38, "A6", [Prefix6], "RFC 2874 §3.1";
    DNAME = 39, "DNAME", [LOWER], "RFC 6672 §2.1";
    SINK = 40, "SINK", [U8, U8, U8, OptionalBase64], "draft-eastlake-kitchen-sink-02 §2";
    OPT = 41, "OPT", [Options], "RFC 6891 §6.1.2";
    APL = 42, "APL", [Prefixes], "RFC 3123 §4";
    DS = 43, "DS", [U16, Algorithm, U8, Hex], "RFC 4034 §5.1";
    SSHFP = 44, "SSHFP", [U8, U8, Hex], "RFC 4255 §3.1";
    IPSECKEY = 45, "IPSECKEY", [U8, Gateway, OptionalBase64], "RFC 4025 §2.1";
    RRSIG = 46, "RRSIG", [Type, Algorithm, U8, U32, Time, Time, U16, LOWER, Base64], "RFC 4034 §3.1";
    NSEC = 47, "NSEC", [NEW, Bitmap], "RFC 4034 §4.1";
    DNSKEY = 48, "DNSKEY", [U16, U8, Algorithm, Base64], "RFC 4034 §2.1";
    DHCID = 49, "DHCID", [Base64], "RFC 4701 §3.1";
    NSEC3 = 50, "NSEC3", [U8, U8, U16, Salt, Hash, Bitmap], "RFC 5155 §3.2";
    NSEC3PARAM = 51, "NSEC3PARAM", [U8, U8, U16, Salt], "RFC 5155 §4.2";
    TLSA = 52, "TLSA", [U8, U8, U8, Hex], "RFC 6698 §2.1";
    SMIMEA = 53, "SMIMEA", [U8, U8, U8, Hex], "RFC 8162 §2";
    HIP = 55, "HIP", [HostIdentity], "RFC 8005 §5";
    NINFO = 56, "NINFO", [CharStrings], "draft-reid-dnsext-zs-01 §2";
    RKEY = 57, "RKEY", [U16, U8, Algorithm, Base64], "draft-reid-dnsext-rkey-00 §2";
    TALINK = 58, "TALINK", [NEW, NEW], "draft-wijngaards-dnsop-trust-history-02 §3";
    CDS = 59, "CDS", [U16, Algorithm, U8, Hex], "RFC 7344 §3.1";
    CDNSKEY = 60, "CDNSKEY", [U16, U8, Algorithm, Base64], "RFC 7344 §3.2";
    OPENPGPKEY = 61, "OPENPGPKEY", [Base64], "RFC 7929 §2.1";
    CSYNC = 62, "CSYNC", [U32, U16, Bitmap], "RFC 7477 §2.1";
    ZONEMD = 63, "ZONEMD", [U32, U8, U8, Hex], "RFC 8976 §2.2";
    SVCB = 64, "SVCB", [U16, NEW_HOST, SvcParams], "RFC 9460 §2.2";
    HTTPS = 65, "HTTPS", [U16, NEW_HOST, SvcParams], "RFC 9460 §9";
    DSYNC = 66, "DSYNC", [Type, Scheme, U16, NEW], "RFC 9859 §2.1";
    HHIT = 67, "HHIT", [Base64], "RFC 9886 §5.1";
    BRID = 68, "BRID", [Base64], "RFC 9886 §5.2";
    SPF = 99, "SPF", [CharStrings], "RFC 7208 §3.1";
    UINFO = 100, "UINFO", [Opaque], "IANA: reserved";
    UID = 101, "UID", [Opaque], "IANA: reserved";
    GID = 102, "GID", [Opaque], "IANA: reserved";
    UNSPEC = 103, "UNSPEC", [Opaque], "IANA: reserved";
    NID = 104, "NID", [U16, Node], "RFC 6742 §2.1";
    L32 = 105, "L32", [U16, Ipv4], "RFC 6742 §2.2";
    L64 = 106, "L64", [U16, Node], "RFC 6742 §2.3";
    LP = 107, "LP", [U16, NEW], "RFC 6742 §2.4";
    EUI48 = 108, "EUI48", [Eui(6)], "RFC 7043 §3.1";
    EUI64 = 109, "EUI64", [Eui(8)], "RFC 7043 §4.1";
    NXNAME = 128, "NXNAME", [Meta], "RFC 9824 §2.2";
    TKEY = 249, "TKEY", [NEW, Time, Time, U16, TsigError, Sized, Sized], "RFC 2930 §2";
    TSIG = 250, "TSIG", [NEW, U48, U16, Sized, U16, TsigError, Sized], "RFC 8945 §4.2";
    IXFR = 251, "IXFR", [Meta], "RFC 1995 §2";
    AXFR = 252, "AXFR", [Meta], "RFC 5936 §2.1";
    MAILB = 253, "MAILB", [Meta], "RFC 1035 §3.2.3";
    MAILA = 254, "MAILA", [Meta], "RFC 1035 §3.2.3";
    ANY = 255, "ANY", [Meta], "RFC 1035 §3.2.3, RFC 8482 §4";
    URI = 256, "URI", [U16, U16, NonEmptyText], "RFC 7553 §4.5";
    CAA = 257, "CAA", [U8, Tag, Text], "RFC 8659 §4.1";
    AVC = 258, "AVC", [CharStrings], "IANA template AVC/avc-completed-template (2016-02-26)";
    DOA = 259, "DOA", [U32, U32, U8, CharString, DashBase64], "draft-durand-doa-over-dns-02 §3";
    AMTRELAY = 260, "AMTRELAY", [U8, Relay], "RFC 8777 §4.2";
    RESINFO = 261, "RESINFO", [CharStrings], "RFC 9606 §3";
    WALLET = 262, "WALLET", [CharStrings], "IANA template WALLET/wallet-completed-template (2024-06-24)";
    CLA = 263, "CLA", [Opaque], "IANA template";
    IPN = 264, "IPN", [Opaque], "IANA template";
    TA = 32768, "TA", [U16, Algorithm, U8, Hex], "Weiler: Deploying DNSSEC Without a Signed Root (2004)";
    DLV = 32769, "DLV", [U16, Algorithm, U8, Hex], "RFC 4431 §2";
}

impl RrType {
    /// Return whether the type occurs only in questions or messages and never in a zone: OPT and 128 to 255. RFC 6895
    /// §3.1
    pub const fn is_meta(self) -> bool {
        self.0 == 41 || (self.0 >= 128 && self.0 <= 255)
    }

    /// Parse a type without a conversion to `str`: a mnemonic in any case, or `TYPE123`. RFC 3597 §5
    #[inline]
    pub fn from_word(word: &[u8]) -> Option<RrType> {
        // The most frequent types of zones first.
        match word {
            b"A" => return Some(RrType::A),
            b"NS" => return Some(RrType::NS),
            b"AAAA" => return Some(RrType::AAAA),
            b"DS" => return Some(RrType::DS),
            b"RRSIG" => return Some(RrType::RRSIG),
            b"NSEC3" => return Some(RrType::NSEC3),
            b"NSEC" => return Some(RrType::NSEC),
            b"TXT" => return Some(RrType::TXT),
            b"MX" => return Some(RrType::MX),
            b"CNAME" => return Some(RrType::CNAME),
            _ => {}
        }
        // Every mnemonic starts with a letter. This avoids a search of the table for TTLs and addresses.
        if !word.first()?.is_ascii_alphabetic() || word.len() > 16 {
            return None;
        }
        std::str::from_utf8(word).ok()?.parse().ok()
    }
}
