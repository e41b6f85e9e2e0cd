//! The problems that the scanner and the load check report: id, severity, what, RFC, remedy.

use super::Facts;
use super::Severity::{Error, Info, Warning};

macro_rules! problems {
    ($($name:ident = $id:literal, $severity:ident, $about:literal, $rfc:literal, $remedy:literal;)*) => {
        $(pub(super) const $name: Facts =
            Facts { id: $id, severity: $severity, about: $about, rfc: $rfc, remedy: $remedy };)*

        /// All problems that are not findings of a rule.
        pub static PROBLEMS: &[Facts] = &[$($name),*];
    };
}

problems! {
    NAME = "name", Error, "a domain name that is too long or has a bad label", "RFC 1035 §3.1", "";
    RDATA = "rdata", Error, "data that are invalid for their type", "", "";
    SYNTAX = "syntax", Error, "a line that is no record", "RFC 1035 §5.1", "";
    TTL = "ttl", Error, "a TTL that is no number of seconds", "RFC 2181 §8", "";
    NO_TTL = "no-ttl", Error, "a first record without TTL and without $TTL before it", "RFC 2308 §4", "";
    INHERITED_TTL = "inherited-ttl", Info, "a record without TTL that uses that of an earlier record, in a file without $TTL", "RFC 2308 §4", "write $TTL at the start of the file";
    CLASS = "class", Error, "a record of another class than the zone", "RFC 1035 §5.2", "";
    UNKNOWN_TYPE = "unknown-type", Error, "a word in place of the type", "RFC 3597 §5", "write a type without a name as TYPE123";
    META_TYPE = "meta-type", Error, "a type that only exists in messages", "RFC 6895 §3.1", "remove the record";
    FORM = "form", Error, "data in generic form that are invalid for their type", "RFC 3597 §5", "";
    RECORD_ENDS = "record-ends", Error, "a record that is not complete", "RFC 1035 §5.1", "";
    NO_OWNER = "no-owner", Error, "a record without owner before the first owner", "RFC 1035 §5.1", "";
    UNKNOWN_DIRECTIVE = "unknown-directive", Error, "an unknown directive", "RFC 1035 §5.1", "";
    DIRECTIVE_ARGUMENTS = "directive-arguments", Error, "a directive with too few or too many arguments", "RFC 1035 §5.1", "";
    GENERATE = "generate", Error, "a $GENERATE that is invalid", "", "";
    GENERATE_TOO_LONG = "generate-too-long", Error, "a $GENERATE with too many records", "", "divide the range";
    GENERATED_TOO_MANY = "generated-too-many", Error, "too many records of all $GENERATE lines", "", "divide the zone, or use a wildcard";
    INCLUDE = "include", Error, "a file that cannot be included", "RFC 1035 §5.1", "a relative path starts at the including file";
    INCLUDE_LOOP = "include-loop", Error, "files that include each other", "RFC 1035 §5.1", "remove one of the directives";
    INCLUDE_DEPTH = "include-depth", Error, "includes that are nested too deeply", "RFC 1035 §5.1", "include fewer levels of files";
    INCLUDE_COUNT = "include-count", Error, "too many included files", "RFC 1035 §5.1", "join files, or divide the zone";
    UNREADABLE = "unreadable", Error, "a file that cannot be read", "", "";
    TOO_LARGE = "too-large", Error, "more data than a zone can hold", "", "divide the zone";
    OUT_OF_ZONE = "out-of-zone", Error, "an owner outside of the zone", "RFC 1035 §5.2", "check the name of the zone, $ORIGIN and final dots";
    NO_SOA = "no-soa", Error, "a zone without SOA", "RFC 1035 §5.2", "add an SOA record; check the name of the zone";
    SECOND_SOA = "second-soa", Error, "a second SOA", "RFC 1035 §5.2", "keep one SOA record";
    SOA_BELOW_APEX = "soa-below-apex", Error, "an SOA below the apex", "RFC 1035 §5.2", "check the name of the zone";
    NO_NS = "no-ns", Error, "a zone without NS", "RFC 1035 §5.2", "add the name servers of the zone";
    APEX_CNAME = "apex-cname", Error, "a CNAME at the apex", "RFC 1912 §2.4", "use A and AAAA records, an ALIAS record of the server, or an HTTPS record with priority 0";
    CNAME_AND_OTHER = "cname-and-other", Error, "a CNAME with other data", "RFC 2181 §10.1", "remove the CNAME or the other records";
    SINGLE = "single", Error, "a second CNAME or DNAME at one name", "RFC 2181 §10.1", "keep one of the records";
    DNAME_AND_NS = "dname-and-ns", Error, "a DNAME at a delegation", "RFC 6672 §2.3", "remove the DNAME or the NS records";
    RRSET_TOO_LARGE = "rrset-too-large", Error, "an RRset that fits no message", "RFC 1035 §4.2.2", "remove records";
    TTL_MISMATCH = "ttl-mismatch", Warning, "an RRset with different TTLs", "RFC 2181 §5.2", "give all of them the same TTL";
    DUPLICATE = "duplicate", Warning, "a record that occurs twice", "RFC 2181 §5", "remove one of them";
    OCCLUDED = "occluded", Warning, "data below a delegation that are not glue", "RFC 1034 §4.2.1", "remove it, or the delegation";
    BELOW_DNAME = "below-dname", Warning, "data below a DNAME", "RFC 6672 §2.4", "remove it, or the DNAME";
    NO_GLUE = "no-glue", Warning, "a name server below its delegation without an address", "RFC 1034 §4.2.1", "add the address of the name server";
    DS_AT_APEX = "ds-at-apex", Warning, "DS at the apex", "RFC 4035 §2.4", "move the DS into the parent zone";
    DS_WITHOUT_NS = "ds-without-ns", Warning, "DS without a delegation", "RFC 4035 §2.4", "add NS records or remove the DS";
}
