//! Findings: the problem in a zone, its place, the expected content, the RFC, and the remedy.
//!
//! The scanner reports unreadable lines, the load check records that do not form a zone (`problem/table.rs`), and the
//! rules of `build/rules.rs` all other problems. All findings are counted; the first `max_findings` of each rule are
//! reported in full.

mod table;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use nw_wire::text::TextFault;
use nw_wire::{Class, Name, NameError, RrType};

use crate::build::rules::Rule;
pub use table::PROBLEMS;

/// One problem and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, as the source names it. None for records that did not come from a file.
    pub file: Option<Arc<str>>,
    /// The line, from 1. 0 if the finding concerns the whole zone.
    pub line: u32,
    /// The column in octets, from 1. 0 if the finding concerns the whole line.
    pub column: u32,
    /// The problem.
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
        }
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if self.column > 0 {
            write!(f, "{}:", self.column)?;
        }
        if self.file.is_some() || self.line > 0 {
            f.write_str(" ")?;
        }
        write!(f, "{}", self.problem)?;
        match self.problem.expected() {
            Some(expected) => write!(f, "; expected {expected}"),
            None => Ok(()),
        }
    }
}

/// A problem. [`Problem::facts`] states whether the zone can be served, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A finding of a rule in `build/rules.rs`.
    Rule {
        /// The rule.
        rule: &'static Rule,
        /// The problem.
        text: Cow<'static, str>,
    },
    /// A bad domain name (owner, origin or directive).
    Name(NameError),
    /// A line that violates the master file syntax, or rdata that is invalid for its type.
    Text {
        /// The type of the rdata, if it was read.
        rtype: Option<RrType>,
        /// The mistake.
        fault: TextFault,
    },
    /// A TTL above 2^31 - 1 or not a number with units (RFC 2181 §8).
    Ttl,
    /// No TTL on the first record and no `$TTL` before it (RFC 2308 §4).
    NoTtl,
    /// A record with the TTL of an earlier record, without `$TTL` (RFC 1035 §5.1).
    InheritedTtl,
    /// A record whose class differs from that of the zone.
    Class {
        /// The class in the file.
        found: Class,
        /// The class of the zone.
        zone: Class,
    },
    /// A word in place of the record type.
    UnknownType(String),
    /// A type that only exists in questions or messages (RFC 6895 §3.1).
    MetaType(RrType),
    /// Rdata in wire form that is invalid for its type.
    Form {
        /// The owner.
        owner: Name,
        /// The type.
        rtype: RrType,
    },
    /// The line ends before the record is complete.
    RecordEnds,
    /// A record without an owner before the first owner.
    NoOwner,
    /// An unknown directive.
    UnknownDirective(String),
    /// A directive without its argument, or with too many arguments.
    DirectiveArguments {
        /// The directive's form.
        form: &'static str,
    },
    /// An invalid `$GENERATE`.
    Generate {
        /// The expected text.
        expected: &'static str,
    },
    /// A `$GENERATE` with more steps than allowed.
    GenerateTooLong {
        /// The most steps.
        limit: u32,
    },
    /// All `$GENERATE` lines together make more records than allowed.
    GeneratedTooMany {
        /// The most records.
        limit: u32,
    },
    /// An `$INCLUDE` that the source could not read.
    Include {
        /// The path in the directive.
        path: String,
        /// The reason, from the system's error.
        reason: String,
    },
    /// Files that include each other.
    IncludeLoop {
        /// The path in the directive.
        path: String,
    },
    /// Includes nested more deeply than allowed.
    IncludeDepth {
        /// The maximum depth.
        limit: u32,
    },
    /// More included files than allowed.
    IncludeCount {
        /// The maximum number.
        limit: u32,
    },
    /// The main file could not be read.
    Unreadable {
        /// The reason, from the system's error.
        reason: String,
    },
    /// More data than a zone can contain.
    TooLarge,
    /// An owner name outside the zone.
    OutOfZone {
        /// The owner.
        owner: Name,
        /// The zone.
        apex: Name,
    },
    /// No SOA at the apex.
    NoSoa,
    /// A second SOA (RFC 1035 §5.2).
    SecondSoa,
    /// An SOA below the apex.
    SoaBelowApex {
        /// The owner.
        owner: Name,
    },
    /// No NS at the apex (RFC 1035 §5.2).
    NoNs,
    /// A CNAME at the apex, which has an SOA (RFC 1912 §2.4).
    ApexCname {
        /// The zone.
        apex: Name,
    },
    /// A CNAME together with other data (RFC 2181 §10.1).
    CnameAndOther {
        /// The owner.
        owner: Name,
        /// One of the other types.
        other: RrType,
    },
    /// A second CNAME or DNAME at one owner (RFC 2181 §10.1, RFC 6672 §2.4).
    Single {
        /// The owner.
        owner: Name,
        /// CNAME or DNAME.
        rtype: RrType,
    },
    /// DNAME and a delegation at one owner (RFC 6672 §2.3).
    DnameAndNs {
        /// The owner.
        owner: Name,
    },
    /// An RRset that exceeds the largest message, 65,535 octets.
    RrsetTooLarge {
        /// The owner.
        owner: Name,
        /// The type.
        rtype: RrType,
    },
    /// Records of one RRset with different TTLs. The lowest is used (RFC 2181 §5.2).
    TtlMismatch {
        /// The owner.
        owner: Name,
        /// The type.
        rtype: RrType,
        /// The TTL that is used.
        used: u32,
    },
    /// A duplicate record, which is kept once (RFC 2181 §5).
    Duplicate {
        /// The owner.
        owner: Name,
        /// The type.
        rtype: RrType,
    },
    /// Data below a delegation that is not glue. It is never part of an answer.
    Occluded {
        /// The owner.
        owner: Name,
        /// The delegation above it.
        by: Name,
    },
    /// Data below a DNAME. It is never part of an answer.
    BelowDname {
        /// The owner.
        owner: Name,
        /// The DNAME above it.
        by: Name,
    },
    /// A name server below its own delegation, without an address (RFC 1034 §4.2.1).
    NoGlue {
        /// The delegation.
        owner: Name,
        /// The name server.
        target: Name,
    },
    /// DS at the apex, whose place is in the parent (RFC 4035 §2.4).
    DsAtApex {
        /// The zone.
        apex: Name,
    },
    /// DS without a delegation (RFC 4035 §2.4).
    DsWithoutNs {
        /// The owner.
        owner: Name,
    },
}

/// Whether a zone is served despite a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The zone is not served.
    Error,
    /// The zone is served. A part of it has no effect, or a different effect than intended.
    Warning,
    /// The zone is served. It differs from what is usual or advised, which may be intended.
    Info,
}

impl Severity {
    /// The word for programs: `error`, `warning` or `info`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// The properties of a problem that do not depend on its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// A short stable word for programs.
    pub id: &'static str,
    /// Whether the zone is served despite it.
    pub severity: Severity,
    /// What is reported, as a noun phrase.
    pub about: &'static str,
    /// The RFC section, or empty if no RFC applies.
    pub rfc: &'static str,
    /// The remedy, or empty if [`Problem::expected`] suffices.
    pub remedy: &'static str,
}

impl Problem {
    /// Id, severity, RFC and remedy.
    pub fn facts(&self) -> Facts {
        match self {
            Problem::Rule { rule, .. } => rule.facts,
            Problem::Text { rtype: Some(rtype), fault } => {
                let rfc = match fault {
                    TextFault::Rdata(error) => error.fault.section(),
                    _ => rtype.defined().unwrap_or(""),
                };
                Facts { rfc, ..table::RDATA }
            }
            Problem::Text { rtype: None, .. } => table::SYNTAX,
            Problem::Name(_) => table::NAME,
            Problem::Ttl => table::TTL,
            Problem::NoTtl => table::NO_TTL,
            Problem::InheritedTtl => table::INHERITED_TTL,
            Problem::Class { .. } => table::CLASS,
            Problem::UnknownType(_) => table::UNKNOWN_TYPE,
            Problem::MetaType(_) => table::META_TYPE,
            Problem::Form { .. } => table::FORM,
            Problem::RecordEnds => table::RECORD_ENDS,
            Problem::NoOwner => table::NO_OWNER,
            Problem::UnknownDirective(_) => table::UNKNOWN_DIRECTIVE,
            Problem::DirectiveArguments { .. } => table::DIRECTIVE_ARGUMENTS,
            Problem::Generate { .. } => table::GENERATE,
            Problem::GenerateTooLong { .. } => table::GENERATE_TOO_LONG,
            Problem::GeneratedTooMany { .. } => table::GENERATED_TOO_MANY,
            Problem::Include { .. } => table::INCLUDE,
            Problem::IncludeLoop { .. } => table::INCLUDE_LOOP,
            Problem::IncludeDepth { .. } => table::INCLUDE_DEPTH,
            Problem::IncludeCount { .. } => table::INCLUDE_COUNT,
            Problem::Unreadable { .. } => table::UNREADABLE,
            Problem::TooLarge => table::TOO_LARGE,
            Problem::OutOfZone { .. } => table::OUT_OF_ZONE,
            Problem::NoSoa => table::NO_SOA,
            Problem::SecondSoa => table::SECOND_SOA,
            Problem::SoaBelowApex { .. } => table::SOA_BELOW_APEX,
            Problem::NoNs => table::NO_NS,
            Problem::ApexCname { .. } => table::APEX_CNAME,
            Problem::CnameAndOther { .. } => table::CNAME_AND_OTHER,
            Problem::Single { .. } => table::SINGLE,
            Problem::DnameAndNs { .. } => table::DNAME_AND_NS,
            Problem::RrsetTooLarge { .. } => table::RRSET_TOO_LARGE,
            Problem::TtlMismatch { .. } => table::TTL_MISMATCH,
            Problem::Duplicate { .. } => table::DUPLICATE,
            Problem::Occluded { .. } => table::OCCLUDED,
            Problem::BelowDname { .. } => table::BELOW_DNAME,
            Problem::NoGlue { .. } => table::NO_GLUE,
            Problem::DsAtApex { .. } => table::DS_AT_APEX,
            Problem::DsWithoutNs { .. } => table::DS_WITHOUT_NS,
        }
    }

    /// Whether the problem prevents the zone from being served. The others are warnings.
    pub fn is_error(&self) -> bool {
        self.facts().severity == Severity::Error
    }

    /// Whether one finding in a zone is enough, because all have the same cause.
    fn is_reported_once(&self) -> bool {
        matches!(self, Problem::InheritedTtl)
    }

    /// A short stable word for programs.
    pub fn code(&self) -> &'static str {
        self.facts().id
    }

    /// The expected text, if the message does not already imply it.
    pub fn expected(&self) -> Option<String> {
        Some(match self {
            Problem::Name(_) => "a domain name of labels of 1 to 63 octets, 255 octets in all".into(),
            Problem::Text { fault, .. } => match fault {
                TextFault::Missing(what) | TextFault::Wrong(what) | TextFault::TooLarge(what) => {
                    what.phrase().into()
                }
                TextFault::UnclosedParen => "a closing parenthesis".into(),
                TextFault::UnclosedQuote => "a closing quotation mark on the same line".into(),
                TextFault::Trailing => "the end of the record".into(),
                _ => return None,
            },
            Problem::Ttl => "seconds from 0 to 2147483647, or numbers with the units s, m, h, d, w".into(),
            Problem::NoTtl => "a TTL on the record, or $TTL before it".into(),
            Problem::Class { zone, .. } => format!("{zone}"),
            Problem::UnknownType(_) => "a TTL, a class or a record type".into(),
            Problem::RecordEnds => "a record type and its data".into(),
            Problem::NoOwner => "an owner name at the start of the line".into(),
            Problem::UnknownDirective(_) => "$ORIGIN, $TTL, $INCLUDE or $GENERATE".into(),
            Problem::DirectiveArguments { form } => (*form).into(),
            Problem::Generate { expected } => (*expected).into(),
            _ => return None,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Rule { text, .. } => f.write_str(text),
            Problem::Name(error) => write!(f, "{error}"),
            Problem::Text { rtype, fault } => {
                if let Some(rtype) = rtype {
                    write!(f, "bad {rtype} data")?;
                }
                match fault {
                    TextFault::Wrong(_) | TextFault::TooLarge(_) if rtype.is_some() => Ok(()),
                    TextFault::Missing(_) if rtype.is_some() => f.write_str(": the record ends too early"),
                    TextFault::Missing(_) => f.write_str("the record ends too early"),
                    _ if rtype.is_some() => write!(f, ": {fault}"),
                    _ => write!(f, "{fault}"),
                }
            }
            Problem::Ttl => f.write_str("bad TTL"),
            Problem::NoTtl => f.write_str("the record has no TTL"),
            Problem::InheritedTtl => {
                f.write_str("the record has no TTL, and there is no $TTL: it uses that of an earlier record")
            }
            Problem::Class { found, .. } => write!(f, "class {found} in a zone of another class"),
            Problem::UnknownType(word) => write!(f, "unknown record type `{word}`"),
            Problem::MetaType(rtype) => write!(f, "{rtype} cannot stand in a zone"),
            Problem::Form { owner, rtype } => write!(f, "the data of {owner} {rtype} is not of this type"),
            Problem::RecordEnds => f.write_str("the record is incomplete"),
            Problem::NoOwner => f.write_str("the record has no owner"),
            Problem::UnknownDirective(word) => write!(f, "unknown directive `{word}`"),
            Problem::DirectiveArguments { .. } => f.write_str("wrong arguments"),
            Problem::Generate { .. } => f.write_str("bad $GENERATE"),
            Problem::GenerateTooLong { limit } => write!(f, "$GENERATE of more than {limit} records"),
            Problem::GeneratedTooMany { limit } => {
                write!(f, "the $GENERATE lines make more than {limit} records")
            }
            Problem::Include { path, reason } => write!(f, "cannot include `{path}`: {reason}"),
            Problem::IncludeLoop { path } => write!(f, "`{path}` includes itself"),
            Problem::IncludeDepth { limit } => write!(f, "includes are nested deeper than {limit}"),
            Problem::IncludeCount { limit } => write!(f, "more than {limit} included files"),
            Problem::Unreadable { reason } => write!(f, "cannot be read: {reason}"),
            Problem::TooLarge => f.write_str("more data than one zone can hold"),
            Problem::OutOfZone { owner, apex } => write!(f, "{owner} is not in the zone {apex}"),
            Problem::NoSoa => f.write_str("the zone has no SOA at its apex"),
            Problem::SecondSoa => f.write_str("a second SOA"),
            Problem::SoaBelowApex { owner } => write!(f, "SOA at {owner}, which is not the apex"),
            Problem::NoNs => f.write_str("the zone has no NS at its apex"),
            Problem::ApexCname { apex } => {
                write!(f, "CNAME at {apex}, the apex, which has an SOA and NS")
            }
            Problem::CnameAndOther { owner, other } => write!(f, "{owner} has CNAME and {other}"),
            Problem::Single { owner, rtype } => write!(f, "{owner} has more than one {rtype}"),
            Problem::DnameAndNs { owner } => write!(f, "{owner} has DNAME and is delegated"),
            Problem::RrsetTooLarge { owner, rtype } => {
                write!(f, "{owner} {rtype} is too large for any message")
            }
            Problem::TtlMismatch { owner, rtype, used } => {
                write!(f, "{owner} {rtype} has records with different TTLs; {used} is used for all")
            }
            Problem::Duplicate { owner, rtype } => write!(f, "{owner} {rtype} has the same record twice"),
            Problem::Occluded { owner, by } | Problem::BelowDname { owner, by } => {
                write!(f, "{owner} lies below {by} and is never answered")
            }
            Problem::NoGlue { owner, target } => {
                write!(f, "{owner} is served by {target}, which has no address here")
            }
            Problem::DsAtApex { apex } => write!(f, "DS at {apex}, the apex; its place is the parent zone"),
            Problem::DsWithoutNs { owner } => write!(f, "DS at {owner}, which is not delegated"),
        }
    }
}

/// The reason why a zone did not load: all errors, the first of them in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneFileErrors {
    /// The findings in the order of the file: errors, and the warnings between them.
    pub findings: Vec<Finding>,
    /// The number of errors, including those that are not listed.
    pub total: usize,
}

impl fmt::Display for ZoneFileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut listed = 0;
        for finding in self.findings.iter().filter(|finding| finding.problem.is_error()) {
            writeln!(f, "{finding}")?;
            listed += 1;
        }
        match self.total - listed {
            0 => write!(f, "{} error(s), zone not loaded", self.total),
            more => write!(f, "and {more} more: {} errors, zone not loaded", self.total),
        }
    }
}

impl std::error::Error for ZoneFileErrors {}

/// Findings: the first of each rule, and the number of all.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) kept: Vec<Finding>,
    pub(crate) errors: usize,
    limit: usize,
    /// The number of findings by id.
    counts: Vec<(&'static str, usize)>,
}

impl Findings {
    pub(crate) fn new(limit: usize) -> Findings {
        Findings { limit, ..Findings::default() }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The number of findings of each rule that has any.
    pub(crate) fn counts(&self) -> &[(&'static str, usize)] {
        &self.counts
    }

    /// Count a finding. Returns whether it is to be kept: each rule has its own limit, so that one does not hide others.
    pub(crate) fn count(&mut self, facts: &Facts) -> bool {
        self.errors += usize::from(facts.severity == Severity::Error);
        *self.counter(facts.id) += 1;
        *self.counter(facts.id) <= self.limit
    }

    fn counter(&mut self, id: &'static str) -> &mut usize {
        let at = self.counts.iter().position(|count| count.0 == id).unwrap_or_else(|| {
            self.counts.push((id, 0));
            self.counts.len() - 1
        });
        &mut self.counts[at].1
    }

    pub(crate) fn push(&mut self, finding: Finding) {
        if finding.problem.is_reported_once() && *self.counter(finding.problem.code()) > 0 {
            return;
        }
        if self.count(&finding.problem.facts()) {
            self.kept.push(finding);
        }
    }

    /// Remove the errors below `line` that follow the first `known` findings. Returns whether it left none of them.
    pub(crate) fn forget_below(&mut self, known: usize, line: u32) -> bool {
        let before = self.kept.len();
        for finding in self.kept.split_off(known) {
            if finding.line <= line || !finding.problem.is_error() {
                self.kept.push(finding);
            } else {
                self.errors -= 1;
                *self.counter(finding.problem.code()) -= 1;
            }
        }
        before > known && self.kept.len() == known
    }

    pub(crate) fn append(&mut self, other: Findings) {
        let Findings { kept, errors, counts, .. } = other;
        let total = self.errors + errors;
        for (id, count) in counts {
            let listed = kept.iter().filter(|finding| finding.problem.code() == id).count();
            *self.counter(id) += count - listed.min(count);
        }
        // Those that are not listed were counted first: the limit is that of what is listed.
        for finding in kept {
            let code = finding.problem.code();
            if finding.problem.is_reported_once() && *self.counter(code) > 0 {
                continue;
            }
            let listed = self.kept.iter().filter(|known| known.problem.code() == code).count();
            *self.counter(code) += 1;
            if listed < self.limit {
                self.kept.push(finding);
            }
        }
        self.errors = total;
    }

    pub(crate) fn in_order(mut self) -> Vec<Finding> {
        self.kept.sort_by_key(|finding| (finding.file.is_none(), finding.line));
        self.kept
    }
}
