//! The table of rules. `docs/zone-rules.md` is made of it.
//!
//! RFCs: 1035 §5, 2181, 4034, 4592, 7208, 7489, 9276, 9460.

use nw_wire::RrType;

use super::Check::{AllSets, Empty, File, NamesInside, Owners, Records, Sets, Targets, Zone};
use super::{Rule, addresses, apex, delegation, digest, dnssec, files, mail, names, service, spf};
use crate::batch::TypeMask;
use crate::problem::Facts;
use crate::problem::Severity::{Error, Info, Warning};

macro_rules! rules {
    ($($id:literal, $severity:ident, $about:literal, $rfc:literal, $remedy:literal, $check:expr;)*) => {
        /// All rules that inspect zones. [`crate::problem::PROBLEMS`] lists what the scanner and the load check report.
        pub static RULES: &[Rule] = &[$(Rule {
            facts: Facts { id: $id, severity: $severity, about: $about, rfc: $rfc, remedy: $remedy },
            check: $check,
        }),*];
    };
}

/// Types whose names must be host names: an address, a missing name or an alias is an error.
const HOSTS: &[RrType] =
    &[RrType::NS, RrType::MX, RrType::SRV, RrType::AFSDB, RrType::RT, RrType::KX, RrType::LP];
/// Types whose names are host names by their syntax.
const HOST_NAMES: &[RrType] = &[RrType::NS, RrType::MX, RrType::SRV];
/// [`HOSTS`], and the types whose name may be an alias.
const TARGETS: &[RrType] = &[
    RrType::NS,
    RrType::MX,
    RrType::SRV,
    RrType::AFSDB,
    RrType::RT,
    RrType::KX,
    RrType::LP,
    RrType::CNAME,
    RrType::SVCB,
    RrType::HTTPS,
];
/// [`TARGETS`], and the types whose name is rarely in the zone.
const NAMES: &[RrType] = &[
    RrType::NS,
    RrType::MX,
    RrType::SRV,
    RrType::AFSDB,
    RrType::RT,
    RrType::KX,
    RrType::LP,
    RrType::CNAME,
    RrType::DNAME,
    RrType::SVCB,
    RrType::HTTPS,
    RrType::NAPTR,
];
const ADDRESSES: &[RrType] = &[RrType::A, RrType::AAAA];
const SERVICES: &[RrType] = &[RrType::SVCB, RrType::HTTPS];
const OBSOLETE: &[RrType] = &[
    RrType::MD,
    RrType::MF,
    RrType::MB,
    RrType::MG,
    RrType::MR,
    RrType::NULL,
    RrType::MINFO,
    RrType::WKS,
    RrType::X25,
    RrType::ISDN,
    RrType::RT,
    RrType::NSAP,
    RrType::NSAP_PTR,
    RrType::SIG,
    RrType::KEY,
    RrType::PX,
    RrType::GPOS,
    RrType::NXT,
    RrType::A6,
    RrType::SINK,
    RrType::DLV,
];
const ANY: TypeMask = TypeMask(u16::MAX);

rules! {
    // The text of files.
    "encoding", Error, "a file in UTF-16", "RFC 1035 §5.1", "convert the file, for example with iconv -f UTF-16 -t UTF-8", File(files::encoding);
    "byte-order-mark", Warning, "a byte order mark at the start of a file", "RFC 3629 §6", "save the file as UTF-8 without a byte order mark", File(files::byte_order_mark);
    "last-line", Warning, "a record in a last line without its end, which may be cut off", "RFC 1035 §5.1", "end the last line with a newline; check that the file is complete", File(files::last_line);

    // Names.
    "target-alias", Warning, "NS, MX, SRV or another target that is an alias", "RFC 2181 §10.3", "name the host that has the addresses", Targets(HOSTS, names::target_alias);
    "target-missing", Warning, "a target that would be in the zone and is not", "RFC 1034 §3.6", "add the name, or end an absolute name with a dot", Targets(TARGETS, names::target_missing);
    "target-no-address", Warning, "a host in the zone without addresses", "RFC 1034 §3.6", "add an A or AAAA record for the host", Targets(HOSTS, names::target_no_address);
    "target-address", Warning, "an address in place of the name of a host", "RFC 1035 §3.3", "name a host, and give the host the address", Targets(TARGETS, names::target_address);
    "target-url", Warning, "a URL in place of the name of a host", "RFC 1035 §3.3", "name the host only; DNS carries no URLs here", Targets(TARGETS, names::target_url);
    "target-host-name", Warning, "NS, MX or SRV with a target that is no host name", "RFC 1123 §2.1", "use letters, digits and hyphens", Targets(HOST_NAMES, names::target_host_name);
    "final-dot", Warning, "a target that looks absolute and lacks its final dot", "RFC 1035 §5.1", "end the absolute name with a dot", Targets(NAMES, names::final_dot);
    "origin-twice", Warning, "a name in data that ends in the name of the zone twice", "RFC 1035 §5.1", "end the absolute name with a dot", NamesInside(names::origin_twice);
    "owner-origin-twice", Warning, "an owner that ends in the name of the zone twice", "RFC 1035 §5.1", "end the absolute name with a dot", Owners(ANY, names::owner_origin_twice);
    "alias-loop", Warning, "aliases that lead back to the first", "RFC 1034 §3.6.2", "let one of the aliases lead to a name with data", Records(&[RrType::CNAME], names::alias_loop);
    "alias-chain", Warning, "eight or more aliases in a row", "RFC 1034 §3.6.2", "let the first alias lead to the last name", Records(&[RrType::CNAME], names::alias_chain);
    "dname-loop", Warning, "a DNAME whose target is below its owner", "RFC 6672 §2.2", "choose a target elsewhere", Records(&[RrType::DNAME], names::dname_loop);
    "host-name", Warning, "an owner of addresses or MX that is no host name", "RFC 1123 §2.1", "use letters, digits and hyphens", Owners(TypeMask::ADDRESS.with(TypeMask::OTHER), names::host_name);
    "not-ascii", Warning, "an owner with octets outside ASCII", "RFC 5891 §4.4", "write an internationalised name in its xn-- form", Owners(ANY, names::not_ascii);
    "punycode", Warning, "an xn-- label that cannot be decoded", "RFC 5891 §4.4", "encode the label again", Owners(ANY, names::punycode);
    "reserved-label", Info, "a label with hyphens in the third and fourth place that is not xn--", "RFC 5890 §2.3.1", "choose another label", Owners(ANY, names::reserved_label);
    "asterisk", Warning, "an asterisk that does not make a wildcard", "RFC 4592 §2.1.1", "make the asterisk the whole first label", Owners(ANY, names::asterisk);
    "owner-case", Info, "an owner that is written in different case", "RFC 4343 §3", "write the name in one way", Owners(ANY, names::owner_case);
    "obsolete-type", Info, "a type that no software uses any more", "RFC 6895 §3.1", "remove the record", Sets(OBSOLETE, names::obsolete_type);

    // SOA and NS of the apex.
    "serial-zero", Warning, "the serial 0", "RFC 1912 §2.2", "start with 1, or with a date", Sets(&[RrType::SOA], apex::serial_zero);
    "serial-future", Warning, "a serial that is a date in the future", "RFC 1912 §2.2", "use today's date; secondaries do not go back to a lower serial by themselves", Sets(&[RrType::SOA], apex::serial_future);
    "serial-format", Info, "a serial that looks like a date and is none", "RFC 1912 §2.2", "write YYYYMMDDNN, or a counter that looks like none", Sets(&[RrType::SOA], apex::serial_format);
    "soa-refresh", Info, "a refresh below 20 minutes or above 2 days", "RFC 1912 §2.2", "use some hours; NOTIFY brings changes sooner", Sets(&[RrType::SOA], apex::refresh);
    "soa-retry", Info, "a retry not less than refresh, or below 3 minutes", "RFC 1912 §2.2", "use a fraction of refresh", Sets(&[RrType::SOA], apex::retry);
    "soa-expire", Warning, "an expire that is not more than refresh and retry", "RFC 1912 §2.2", "use two to four weeks", Sets(&[RrType::SOA], apex::expire_before_refresh);
    "soa-expire-short", Info, "an expire below a week", "RFC 1912 §2.2", "use two to four weeks", Sets(&[RrType::SOA], apex::expire_short);
    "soa-minimum", Info, "negative answers that are cached for more than a day, or not at all", "RFC 2308 §5", "use one to three hours", Sets(&[RrType::SOA], apex::minimum);
    "soa-not-first", Info, "an SOA that is not the first record", "RFC 1035 §5.2", "begin the zone with its SOA", Sets(&[RrType::SOA], apex::soa_not_first);
    "contact-at", Warning, "a contact with an at sign", "RFC 1035 §3.3.13", "write a dot in place of the at sign", Sets(&[RrType::SOA], apex::contact_at);
    "contact-host", Warning, "a contact whose mail domain does not exist", "RFC 1035 §3.3.13", "write \\. for a dot before the at sign; end an absolute name with a dot", Sets(&[RrType::SOA], apex::contact_host);
    "contact-no-mail", Info, "a contact whose mail domain has neither MX nor address", "RFC 1912 §2.2", "add an MX record, or name a contact elsewhere", Sets(&[RrType::SOA], apex::contact_mail);
    "mname-not-ns", Info, "a primary that is not among the NS records", "RFC 1996 §2", "nothing for a hidden primary; else name one of the NS", Sets(&[RrType::SOA], apex::mname_not_ns);
    "mname-missing", Warning, "a primary that does not exist or is an alias", "RFC 1035 §3.3.13", "name the host of the primary; end an absolute name with a dot", Sets(&[RrType::SOA], apex::mname_missing);
    "single-ns", Warning, "a zone with one name server", "RFC 2182 §5", "add a second one in another network", Sets(&[RrType::NS], apex::single_ns);
    "ns-one-network", Info, "name servers with addresses in one network", "RFC 2182 §3.1", "move one of them to another network", Sets(&[RrType::NS], apex::ns_one_network);

    // Delegations, wildcards, TTLs.
    "data-at-cut", Warning, "data at a delegation that belong to the child", "RFC 2181 §6.1", "move the records into the child zone", AllSets(delegation::data_at_cut);
    "glue-unused", Info, "an address below a delegation that no NS record needs", "RFC 1034 §4.2.1", "remove the address", Owners(TypeMask::ADDRESS, delegation::glue_unused);
    "delegation-single-ns", Info, "a delegation to one name server", "RFC 2182 §5", "add a second one", Sets(&[RrType::NS], delegation::delegation_single_ns);
    "wildcard-ns", Warning, "a delegation of a wildcard", "RFC 4592 §4.2", "delegate each name", Sets(&[RrType::NS], delegation::wildcard_ns);
    "wildcard-dname", Warning, "a DNAME of a wildcard", "RFC 4592 §4.4", "use a wildcard CNAME, or a DNAME at each name", Sets(&[RrType::DNAME], delegation::wildcard_dname);
    "wildcard-hidden", Info, "a name without addresses beside a wildcard with addresses", "RFC 4592 §3.3.1", "add the addresses to the name if it needs them", Owners(ANY, delegation::wildcard_hidden);
    "empty-non-terminal", Info, "a name without records that hides a wildcard", "RFC 4592 §2.2.2", "add a wildcard below the name, or records to it", Empty(delegation::empty_non_terminal);
    "ttl-zero", Info, "an RRset with the TTL 0", "RFC 1035 §3.2.1", "use at least some seconds", AllSets(delegation::ttl_zero);
    "ttl-low", Info, "an RRset with a TTL below 30 s", "RFC 1912 §2.2", "use minutes, and less only before a change", AllSets(delegation::ttl_low);
    "ttl-high", Info, "an RRset with a TTL of more than a week", "RFC 8767 §4", "use a week at most; resolvers keep nothing longer", AllSets(delegation::ttl_high);

    // Addresses and reverse zones.
    "address-special", Warning, "an address that leads to no other host: loopback, unspecified, link-local, multicast", "RFC 6890 §2.2", "use the address of the host", Records(ADDRESSES, addresses::special);
    "address-private", Info, "a private address in a zone with a public name", "RFC 1918 §3", "use a zone or a view for internal clients", Records(ADDRESSES, addresses::private);
    "address-documentation", Info, "an address that is reserved for documentation", "RFC 5737 §3", "use the address of the host", Records(ADDRESSES, addresses::documentation);
    "ptr-in-forward", Info, "PTR outside of a zone of addresses", "RFC 1035 §3.5", "move it into the reverse zone", Records(&[RrType::PTR], addresses::ptr_in_forward);
    "forward-in-reverse", Info, "addresses or MX in a zone of addresses", "RFC 1035 §3.5", "move the records into a zone of names", Sets(&[RrType::A, RrType::AAAA, RrType::MX], addresses::forward_in_reverse);
    "ptr-several", Info, "several PTR at one address", "RFC 2181 §10.2", "keep the name that the host uses", Sets(&[RrType::PTR], addresses::ptr_several);
    "ptr-target", Warning, "PTR that leads to a name of an address", "RFC 1035 §5.1", "end the name of the host with a dot", Targets(&[RrType::PTR], addresses::ptr_target);
    "reverse-owner", Warning, "PTR at a name that is not that of an address", "RFC 1035 §3.5", "write the numbers of the address from last to first", Records(&[RrType::PTR], addresses::reverse_owner);

    // Mail.
    "null-mx", Warning, "a null MX with other MX", "RFC 7505 §3", "keep the null MX alone, or remove it", Sets(&[RrType::MX], mail::null_mx);
    "null-mx-preference", Info, "a null MX with another preference than 0", "RFC 7505 §3", "write MX 0 .", Records(&[RrType::MX], mail::null_mx_preference);
    "txt-quotes", Warning, "a text that has quotation marks of its own at both ends", "RFC 1035 §5.1", "remove the escaped quotation marks", Records(&[RrType::TXT], mail::quotes);
    "txt-unquoted", Warning, "a text that a semicolon or spaces have cut", "RFC 1035 §5.1", "put the whole text in quotation marks", Records(&[RrType::TXT], mail::unquoted);
    "spf-syntax", Warning, "an SPF policy with a mistake", "RFC 7208 §4.6", "correct the term", Records(&[RrType::TXT], spf::syntax);
    "spf-several", Warning, "several SPF policies at one name", "RFC 7208 §3.2", "join them into one", Sets(&[RrType::TXT], spf::several);
    "spf-lookups", Warning, "an SPF policy with more than 10 look-ups, as far as the zone shows", "RFC 7208 §4.6.4", "replace include, a and mx by ip4 and ip6", Records(&[RrType::TXT], spf::lookups);
    "spf-all", Warning, "an SPF policy that allows every server", "RFC 7208 §5.1", "end it with -all or ~all", Records(&[RrType::TXT], spf::accepts_all);
    "spf-after-all", Warning, "an SPF term that `all` makes void", "RFC 7208 §5.1", "move `all` to the end; remove redirect beside it", Records(&[RrType::TXT], spf::after_all);
    "spf-no-all", Info, "an SPF policy without `all` and redirect", "RFC 7208 §4.7", "end it with -all or ~all", Records(&[RrType::TXT], spf::without_all);
    "spf-ptr", Info, "an SPF policy with ptr", "RFC 7208 §5.5", "use a, mx, ip4 or ip6", Records(&[RrType::TXT], spf::uses_ptr);
    "spf-split", Warning, "an SPF policy in several strings without the space between two terms", "RFC 7208 §3.3", "end the first string, or begin the second, with a space", Records(&[RrType::TXT], spf::split);
    "spf-type", Warning, "the type SPF", "RFC 7208 §3.1", "publish the policy as TXT", Sets(&[RrType::SPF], names::obsolete_type);
    "dkim-syntax", Warning, "a DKIM key with a mistake", "RFC 6376 §3.6.1", "copy the whole record from the signer", Records(&[RrType::TXT], mail::dkim_syntax);
    "dkim-weak", Warning, "a DKIM key that verifiers ignore", "RFC 8301 §3.2", "make an RSA key of 2048 bits", Records(&[RrType::TXT], mail::dkim_weak);
    "dkim-testing", Info, "a DKIM key that is marked as a test", "RFC 6376 §3.6.1", "remove t=y after the test", Records(&[RrType::TXT], mail::dkim_testing);
    "dmarc-syntax", Warning, "a DMARC policy with a mistake", "RFC 7489 §6.3", "correct the tag", Records(&[RrType::TXT], mail::dmarc_syntax);
    "dmarc-several", Warning, "several DMARC policies at one name", "RFC 7489 §6.6.3", "keep one", Sets(&[RrType::TXT], mail::dmarc_several);
    "dmarc-none", Info, "a DMARC policy that only reports", "RFC 7489 §6.3", "use quarantine or reject once the reports are clean", Records(&[RrType::TXT], mail::dmarc_none);
    "mta-sts", Warning, "an MTA-STS record with a mistake", "RFC 8461 §3.1", "write \"v=STSv1; id=20260131\"", Records(&[RrType::TXT], mail::mta_sts);
    "tls-reports", Warning, "a TLS report record with a mistake", "RFC 8460 §3", "write \"v=TLSRPTv1; rua=mailto:reports@example.com\"", Records(&[RrType::TXT], mail::tls_reports);

    // Services.
    "srv-owner", Warning, "SRV at a name that is not that of a service", "RFC 2782", "begin the owner with _SERVICE._PROTOCOL", Records(&[RrType::SRV], service::srv_owner);
    "srv-none", Warning, "SRV for `no service` with others", "RFC 2782", "keep the target `.` alone, or remove it", Sets(&[RrType::SRV], service::srv_none);
    "srv-port", Warning, "SRV with the port 0", "RFC 2782", "give the port of the service", Records(&[RrType::SRV], service::srv_port);
    "svcb-alias-params", Warning, "an alias of SVCB or HTTPS with parameters", "RFC 9460 §2.4.2", "remove the parameters, or use a priority above 0", Records(SERVICES, service::svcb_alias_params);
    "svcb-alias-several", Warning, "an alias of SVCB or HTTPS with other records", "RFC 9460 §2.4.1", "keep the alias alone", Sets(SERVICES, service::svcb_alias_several);
    "svcb-alias-self", Warning, "an alias of SVCB or HTTPS to its own name", "RFC 9460 §2.4.2", "name another target, or use a priority above 0", Records(SERVICES, service::svcb_alias_self);
    "svcb-hints", Warning, "address hints that differ from the addresses of the target", "RFC 9460 §7.3", "copy the addresses, or remove the hints", Records(SERVICES, service::svcb_hints);
    "https-apex-alias", Warning, "an HTTPS alias at an apex without addresses", "RFC 9460 §10.1", "add addresses for clients that ignore HTTPS records", Sets(&[RrType::HTTPS], service::https_apex_alias);
    "caa-tag", Warning, "a CAA property that is unknown", "RFC 8659 §4.1", "use issue, issuewild or iodef", Records(&[RrType::CAA], service::caa_tag);
    "caa-flags", Warning, "CAA flags without a meaning", "RFC 8659 §4.1", "use 0, or 128 for critical", Records(&[RrType::CAA], service::caa_flags);
    "caa-value", Warning, "a CAA value that authorities cannot use", "RFC 8659 §4.2", "name the domain of the authority, or a URL for iodef", Records(&[RrType::CAA], service::caa_value);
    "uri", Warning, "URI without a URI", "RFC 7553 §4.4", "write a URI with its scheme", Records(&[RrType::URI], service::uri);
    "naptr", Warning, "NAPTR whose fields contradict each other", "RFC 3403 §4.1", "give a regular expression or a replacement, as the flags say", Records(&[RrType::NAPTR], service::naptr);
    "sshfp-digest", Error, "an SSHFP fingerprint of the wrong length", "RFC 4255 §3.1.3", "make the record with ssh-keygen -r", Records(&[RrType::SSHFP], digest::sshfp);
    "sshfp-fields", Warning, "SSHFP with an unknown algorithm or type", "RFC 4255 §3.1", "make the record with ssh-keygen -r", Records(&[RrType::SSHFP], digest::sshfp_fields);
    "sshfp-sha1", Info, "SSHFP with a SHA-1 fingerprint only", "RFC 4255 §3.1.2", "add the SHA-256 fingerprint", Sets(&[RrType::SSHFP], digest::sshfp_sha1);
    "tlsa-digest", Error, "a TLSA or SMIMEA digest of the wrong length", "RFC 6698 §2.1.3", "write the whole digest, or the matching type that fits the data", Records(&[RrType::TLSA, RrType::SMIMEA], digest::tlsa);
    "tlsa-fields", Warning, "TLSA or SMIMEA with a field or data without a meaning", "RFC 6698 §2.1", "use the usages 0 to 3, the selectors 0 and 1, the matching types 0 to 2", Records(&[RrType::TLSA, RrType::SMIMEA], digest::tlsa_fields);
    "tlsa-owner", Warning, "TLSA at a name that is not that of a port", "RFC 6698 §3", "begin the owner with _PORT._PROTOCOL", Records(&[RrType::TLSA], digest::tlsa_owner);
    "smimea-owner", Warning, "SMIMEA at a name that is not that of a user", "RFC 8162 §3", "use 56 hexadecimal digits of the SHA-256 of the local part, and _smimecert", Records(&[RrType::SMIMEA], digest::smimea_owner);
    "openpgpkey-owner", Warning, "OPENPGPKEY at a name that is not that of a user", "RFC 7929 §3", "use 56 hexadecimal digits of the SHA-256 of the local part, and _openpgpkey", Records(&[RrType::OPENPGPKEY], digest::openpgpkey_owner);
    "openpgpkey-data", Warning, "OPENPGPKEY whose data are no key", "RFC 7929 §2.1", "export the key without ASCII armor", Records(&[RrType::OPENPGPKEY], digest::openpgpkey_data);

    // DNSSEC.
    "ds-digest", Error, "a DS or CDS digest of the wrong length", "RFC 4034 §5.1.4", "copy the whole record as the signer printed it", Records(&[RrType::DS, RrType::CDS, RrType::DLV, RrType::TA], digest::ds);
    "ds-sha1", Warning, "DS or CDS with SHA-1 digests only", "RFC 9905 §2", "add a digest of type 2 (SHA-256)", Sets(&[RrType::DS, RrType::CDS], dnssec::ds_sha1);
    "ds-algorithm", Warning, "DS of a retired algorithm or digest", "RFC 8624 §3.1", "let the child sign with algorithm 13", Records(&[RrType::DS], dnssec::ds_algorithm);
    "dnskey-algorithm", Warning, "DNSKEY of a retired algorithm", "RFC 8624 §3.1", "roll over to algorithm 13", Records(&[RrType::DNSKEY, RrType::CDNSKEY], dnssec::key_algorithm);
    "dnskey-fields", Warning, "DNSKEY with flags or a protocol that make it useless", "RFC 4034 §2.1", "use flags 256 or 257 and protocol 3", Records(&[RrType::DNSKEY], dnssec::key_fields);
    "dnskey-place", Warning, "DNSKEY, CDS or CDNSKEY below the apex", "RFC 7344 §4.1", "move the records to the apex", Sets(&[RrType::DNSKEY, RrType::CDS, RrType::CDNSKEY], dnssec::key_place);
    "dnskey-without-sep", Info, "a zone without a DNSKEY with the SEP bit", "RFC 4034 §2.1.1", "set the flags of the key that DS names to 257", Sets(&[RrType::DNSKEY], dnssec::key_without_sep);
    "dnskey-short", Warning, "a public key that is too short, or of the wrong length", "RFC 8624 §3.1", "copy the whole key, or make a new one", Records(&[RrType::DNSKEY, RrType::CDNSKEY], dnssec::key_short);
    "signature-expired", Warning, "a signature that has expired", "RFC 4034 §3.1.5", "sign the zone again", Records(&[RrType::RRSIG], dnssec::signature_expired);
    "signature-expiring", Warning, "a signature that expires within 3 days", "RFC 6781 §4.4.2", "sign the zone again", Records(&[RrType::RRSIG], dnssec::signature_expiring);
    "signature-future", Warning, "a signature that is not valid yet", "RFC 4034 §3.1.5", "check the clock of the signer", Records(&[RrType::RRSIG], dnssec::signature_future);
    "signature-without-key", Warning, "a signature by a key that the zone does not have", "RFC 4035 §2.2", "publish the key, or sign the zone again", Records(&[RrType::RRSIG], dnssec::signature_without_key);
    "signature-orphan", Warning, "a signature of records that do not exist", "RFC 4035 §2.2", "sign the zone again", Records(&[RrType::RRSIG], dnssec::signature_orphan);
    "signature-ttl", Warning, "an RRset with a TTL above the one that was signed", "RFC 4034 §3.1.4", "sign the zone again", Records(&[RrType::RRSIG], dnssec::signature_ttl);
    "unsigned", Warning, "an RRset without signature in a signed zone", "RFC 4035 §2.2", "sign the zone again", AllSets(dnssec::unsigned);
    "cds-key", Warning, "CDS that fits no key of the zone", "RFC 7344 §4.1", "make CDS from the keys in the zone", Records(&[RrType::CDS], dnssec::cds_key);
    "cdnskey-key", Warning, "CDNSKEY that is no key of the zone", "RFC 7344 §4.1", "make CDNSKEY from the keys in the zone", Records(&[RrType::CDNSKEY], dnssec::cdnskey_key);
    "cds-sets", Warning, "CDS and CDNSKEY that contradict each other", "RFC 7344 §4", "make both from the same keys; a removal stands alone", Sets(&[RrType::CDS, RrType::CDNSKEY], dnssec::cds_sets);
    "nsec3-iterations", Warning, "NSEC3 with additional iterations", "RFC 9276 §3.1", "sign with 0 additional iterations", Records(&[RrType::NSEC3PARAM], dnssec::nsec3_iterations);
    "nsec3-salt", Info, "NSEC3 with a salt", "RFC 9276 §3.1", "sign without a salt", Records(&[RrType::NSEC3PARAM], dnssec::nsec3_salt);
    "nsec3-algorithm", Warning, "NSEC3 with keys of an algorithm that is older", "RFC 5155 §2", "roll over to algorithm 13", Sets(&[RrType::NSEC3PARAM], dnssec::nsec3_algorithm);
    "zonemd-digest", Error, "a ZONEMD digest of the wrong length", "RFC 8976 §2.2.4", "compute the digest again and copy all of it", Records(&[RrType::ZONEMD], digest::zonemd);
    "zonemd-mismatch", Warning, "ZONEMD that is not the digest of the zone", "RFC 8976 §4", "compute the digest again after every change", Zone(dnssec::zonemd);
}
