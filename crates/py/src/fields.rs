//! The fields of record data as attributes, with the names that the RFC of the type uses: `rdata.preference`,
//! `rdata.exchange`.
//!
//! The table has one line per type with the names in wire order; `nw_wire::rr::table` has the fields. Numbers become
//! `int`, names `Name`, addresses `ipaddress` objects, type lists tuples of mnemonics, and everything else `bytes`. A
//! type without a line has no fields except `wire` and `words`.

use nw_wire::RrType;
use nw_wire::name::NameRef;
use nw_wire::rr::{self, Field, TypeBitmap};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::name::Name;

/// Return the names of the fields of `rtype` in wire order.
pub(crate) fn names(rtype: RrType) -> &'static [&'static str] {
    const SIGNATURE: &[&str] = &[
        "type_covered",
        "algorithm",
        "labels",
        "original_ttl",
        "signature_expiration",
        "signature_inception",
        "key_tag",
        "signers_name",
        "signature",
    ];
    const KEY: &[&str] = &["flags", "protocol", "algorithm", "public_key"];
    const DIGEST: &[&str] = &["key_tag", "algorithm", "digest_type", "digest"];
    const CERTIFICATE: &[&str] =
        &["certificate_usage", "selector", "matching_type", "certificate_association_data"];
    const SERVICE: &[&str] = &["svc_priority", "target_name", "svc_params"];
    match rtype {
        RrType::A | RrType::AAAA => &["address"],
        RrType::NS => &["nsdname"],
        RrType::CNAME => &["cname"],
        RrType::DNAME => &["target"],
        RrType::PTR => &["ptrdname"],
        RrType::SOA => &["mname", "rname", "serial", "refresh", "retry", "expire", "minimum"],
        RrType::MX | RrType::KX => &["preference", "exchange"],
        RrType::TXT | RrType::SPF => &["txt_data"],
        RrType::HINFO => &["cpu", "os"],
        RrType::MINFO => &["rmailbx", "emailbx"],
        RrType::RP => &["mbox_dname", "txt_dname"],
        RrType::AFSDB => &["subtype", "hostname"],
        RrType::RT => &["preference", "intermediate_host"],
        RrType::X25 => &["psdn_address"],
        RrType::ISDN => &["isdn_address", "sa"],
        RrType::PX => &["preference", "map822", "mapx400"],
        RrType::GPOS => &["longitude", "latitude", "altitude"],
        RrType::SRV => &["priority", "weight", "port", "target"],
        RrType::NAPTR => &["order", "preference", "flags", "services", "regexp", "replacement"],
        RrType::CERT => &["cert_type", "key_tag", "algorithm", "certificate"],
        RrType::DS | RrType::CDS | RrType::DLV | RrType::TA => DIGEST,
        RrType::SSHFP => &["algorithm", "fp_type", "fingerprint"],
        RrType::RRSIG | RrType::SIG => SIGNATURE,
        RrType::NSEC => &["next_domain_name", "types"],
        RrType::DNSKEY | RrType::CDNSKEY | RrType::KEY => KEY,
        RrType::DHCID => &["identifier"],
        RrType::NSEC3 => {
            &["hash_algorithm", "flags", "iterations", "salt", "next_hashed_owner_name", "types"]
        }
        RrType::NSEC3PARAM => &["hash_algorithm", "flags", "iterations", "salt"],
        RrType::TLSA | RrType::SMIMEA => CERTIFICATE,
        RrType::OPENPGPKEY => &["public_key"],
        RrType::CSYNC => &["soa_serial", "flags", "types"],
        RrType::ZONEMD => &["serial", "scheme", "hash_algorithm", "digest"],
        RrType::SVCB | RrType::HTTPS => SERVICE,
        RrType::DSYNC => &["rrtype", "scheme", "port", "target"],
        RrType::NID => &["preference", "node_id"],
        RrType::L32 => &["preference", "locator32"],
        RrType::L64 => &["preference", "locator64"],
        RrType::LP => &["preference", "fqdn"],
        RrType::EUI48 | RrType::EUI64 => &["address"],
        RrType::URI => &["priority", "weight", "target"],
        RrType::CAA => &["flags", "tag", "value"],
        _ => &[],
    }
}

/// Return the value of the field `name` of `wire`, data of type `rtype`, or None if the type has no such field.
pub(crate) fn value<'py>(
    py: Python<'py>,
    rtype: RrType,
    wire: &[u8],
    name: &str,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(place) = names(rtype).iter().position(|known| *known == name) else { return Ok(None) };
    let Some((field, octets)) = rr::spans(rtype, wire).nth(place) else { return Ok(None) };
    decode(py, field, octets).map(Some)
}

fn decode<'py>(py: Python<'py>, field: Field, octets: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let bytes = |octets: &[u8]| Ok(PyBytes::new(py, octets).into_any());
    match field {
        Field::U8
        | Field::U16
        | Field::U32
        | Field::U48
        | Field::Period
        | Field::Time
        | Field::Algorithm
        | Field::CertType
        | Field::Scheme
        | Field::TsigError => {
            let number = octets.iter().fold(0u64, |sum, octet| sum << 8 | u64::from(*octet));
            Ok(number.into_pyobject(py)?.into_any())
        }
        Field::Type => match octets {
            [high, low] => {
                let name = RrType(u16::from_be_bytes([*high, *low])).to_string();
                Ok(name.into_pyobject(py)?.into_any())
            }
            _ => bytes(octets),
        },
        Field::Ipv4 | Field::Ipv6 => py
            .import(intern!(py, "ipaddress"))?
            .call_method1(intern!(py, "ip_address"), (PyBytes::new(py, octets),)),
        Field::Name(_) => match NameRef::from_wire(octets) {
            Ok(name) => Ok(Bound::new(py, Name::from(name.to_name()))?.into_any()),
            Err(_) => bytes(octets),
        },
        Field::CharString | Field::OptionalCharString | Field::Tag | Field::Salt | Field::Hash => {
            bytes(octets.get(1..).unwrap_or_default())
        }
        Field::CharStrings => {
            let (mut rest, mut strings) = (octets, Vec::new());
            while let [length, tail @ ..] = rest {
                let (text, after) = tail.split_at(usize::from(*length).min(tail.len()));
                strings.push(PyBytes::new(py, text));
                rest = after;
            }
            Ok(PyTuple::new(py, strings)?.into_any())
        }
        Field::Bitmap => {
            let Ok(types) = TypeBitmap::new(octets) else { return bytes(octets) };
            let types = types.iter().map(|rtype| rtype.to_string()).collect::<Vec<_>>();
            Ok(PyTuple::new(py, types)?.into_any())
        }
        _ => bytes(octets),
    }
}
