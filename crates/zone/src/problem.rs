//! Findings: the problem in a zone, its place, the expected content, the RFC, and the remedy.
//!
//! The scanner reports unreadable lines, the load check records that do not form a zone, and the rules of
//! `build/rules.rs` all other problems. All findings are counted; the first `max_findings` are reported in full.

use std::fmt;
use std::sync::Arc;

use nw_wire::text::TextFault;
use nw_wire::{Class, Name, NameError, RrType};

use crate::build::rules::Rule;

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
        text: String,
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
    /// Data below a delegation that is not glue, or below a DNAME. It is never part of an answer.
    Occluded {
        /// The owner.
        owner: Name,
        /// The delegation or DNAME above it.
        by: Name,
    },
    /// A name server below its own delegation, without an address (RFC 1034 §4.2.1).
    NoGlue {
        /// The delegation.
        owner: Name,
        /// The name server.
        target: Name,
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
}

impl Severity {
    /// The word for programs: `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
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
    /// The RFC section, or empty if no RFC applies.
    pub rfc: &'static str,
    /// The remedy, or empty if [`Problem::expected`] suffices.
    pub remedy: &'static str,
}

impl Problem {
    /// Id, severity, RFC and remedy. One line for each problem. Those of rules are in `build/rules.rs`.
    pub fn facts(&self) -> Facts {
        let error = |id, rfc, remedy| Facts { id, severity: Severity::Error, rfc, remedy };
        let warning = |id, rfc, remedy| Facts { id, severity: Severity::Warning, rfc, remedy };
        match self {
            Problem::Rule { rule, .. } => {
                Facts { id: rule.id, severity: rule.severity, rfc: rule.rfc, remedy: rule.remedy }
            }
            Problem::Name(_) => error("name", "RFC 1035 §3.1", ""),
            Problem::Text { rtype: Some(rtype), fault } => {
                let rfc = match fault {
                    TextFault::Rdata(error) => error.fault.section(),
                    _ => rtype.defined().unwrap_or(""),
                };
                error("rdata", rfc, "")
            }
            Problem::Text { rtype: None, .. } => error("syntax", "RFC 1035 §5.1", ""),
            Problem::Ttl => error("ttl", "RFC 2181 §8", ""),
            Problem::NoTtl => error("no-ttl", "RFC 2308 §4", ""),
            Problem::Class { .. } => error("class", "RFC 1035 §5.2", ""),
            Problem::UnknownType(_) => {
                error("unknown-type", "RFC 3597 §5", "write a type without a name as TYPE123")
            }
            Problem::MetaType(_) => error("meta-type", "RFC 6895 §3.1", "remove the record"),
            Problem::Form { .. } => error("form", "RFC 3597 §5", ""),
            Problem::RecordEnds => error("record-ends", "RFC 1035 §5.1", ""),
            Problem::NoOwner => error("no-owner", "RFC 1035 §5.1", ""),
            Problem::UnknownDirective(_) => error("unknown-directive", "RFC 1035 §5.1", ""),
            Problem::DirectiveArguments { .. } => error("directive-arguments", "RFC 1035 §5.1", ""),
            Problem::Generate { .. } => error("generate", "", ""),
            Problem::GenerateTooLong { .. } => error("generate-too-long", "", "divide the range"),
            Problem::Include { .. } => {
                error("include", "RFC 1035 §5.1", "a relative path starts at the including file")
            }
            Problem::IncludeLoop { .. } => {
                error("include-loop", "RFC 1035 §5.1", "remove one of the directives")
            }
            Problem::IncludeDepth { .. } => {
                error("include-depth", "RFC 1035 §5.1", "include fewer levels of files")
            }
            Problem::Unreadable { .. } => error("unreadable", "", ""),
            Problem::TooLarge => error("too-large", "", "divide the zone"),
            Problem::OutOfZone { .. } => {
                error("out-of-zone", "RFC 1035 §5.2", "check the name of the zone, $ORIGIN and final dots")
            }
            Problem::NoSoa => {
                error("no-soa", "RFC 1035 §5.2", "add an SOA record; check the name of the zone")
            }
            Problem::SecondSoa => error("second-soa", "RFC 1035 §5.2", "keep one SOA record"),
            Problem::SoaBelowApex { .. } => {
                error("soa-below-apex", "RFC 1035 §5.2", "check the name of the zone")
            }
            Problem::NoNs => error("no-ns", "RFC 1035 §5.2", "add the name servers of the zone"),
            Problem::CnameAndOther { .. } => {
                error("cname-and-other", "RFC 2181 §10.1", "remove the CNAME or the other records")
            }
            Problem::Single { .. } => error("single", "RFC 2181 §10.1", "keep one of the records"),
            Problem::DnameAndNs { .. } => {
                error("dname-and-ns", "RFC 6672 §2.3", "remove the DNAME or the NS records")
            }
            Problem::RrsetTooLarge { .. } => error("rrset-too-large", "RFC 1035 §4.2.2", "remove records"),
            Problem::TtlMismatch { .. } => {
                warning("ttl-mismatch", "RFC 2181 §5.2", "give all of them the same TTL")
            }
            Problem::Duplicate { .. } => warning("duplicate", "RFC 2181 §5", "remove one of them"),
            Problem::Occluded { .. } => {
                warning("occluded", "RFC 1034 §4.2.1", "remove it, or the delegation or DNAME")
            }
            Problem::NoGlue { .. } => {
                warning("no-glue", "RFC 1034 §4.2.1", "add the address of the name server")
            }
            Problem::DsWithoutNs { .. } => {
                warning("ds-without-ns", "RFC 4035 §2.4", "add NS records or remove the DS")
            }
        }
    }

    /// Whether the problem prevents the zone from being served. The others are warnings.
    pub fn is_error(&self) -> bool {
        self.facts().severity == Severity::Error
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
            Problem::Include { path, reason } => write!(f, "cannot include `{path}`: {reason}"),
            Problem::IncludeLoop { path } => write!(f, "`{path}` includes itself"),
            Problem::IncludeDepth { limit } => write!(f, "includes are nested deeper than {limit}"),
            Problem::Unreadable { reason } => write!(f, "cannot be read: {reason}"),
            Problem::TooLarge => f.write_str("more data than one zone can hold"),
            Problem::OutOfZone { owner, apex } => write!(f, "{owner} is not in the zone {apex}"),
            Problem::NoSoa => f.write_str("the zone has no SOA at its apex"),
            Problem::SecondSoa => f.write_str("a second SOA"),
            Problem::SoaBelowApex { owner } => write!(f, "SOA at {owner}, which is not the apex"),
            Problem::NoNs => f.write_str("the zone has no NS at its apex"),
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
            Problem::Occluded { owner, by } => write!(f, "{owner} lies below {by} and is never answered"),
            Problem::NoGlue { owner, target } => {
                write!(f, "{owner} is served by {target}, which has no address here")
            }
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

/// Findings up to a limit, and their total number.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) kept: Vec<Finding>,
    pub(crate) errors: usize,
    limit: usize,
    warnings: usize,
}

impl Findings {
    pub(crate) fn new(limit: usize) -> Findings {
        Findings { limit, ..Findings::default() }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn push(&mut self, finding: Finding) {
        // Errors and warnings have separate limits, so that many warnings do not hide the errors, or the reverse.
        let count = if finding.problem.is_error() { &mut self.errors } else { &mut self.warnings };
        *count += 1;
        if *count <= self.limit {
            self.kept.push(finding);
        }
    }

    /// Remove the errors below `line` that follow the first `known` findings. Returns whether it left none of them.
    pub(crate) fn forget_below(&mut self, known: usize, line: u32) -> bool {
        let before = self.kept.len();
        let mut at = 0;
        self.kept.retain(|finding| {
            at += 1;
            at <= known || finding.line <= line || !finding.problem.is_error()
        });
        self.errors -= before - self.kept.len();
        before > known && self.kept.len() == known
    }

    pub(crate) fn append(&mut self, other: Findings) {
        let (errors, warnings) = (other.errors, other.warnings);
        let (before_errors, before_warnings) = (self.errors, self.warnings);
        for finding in other.kept {
            self.push(finding);
        }
        self.errors = before_errors + errors;
        self.warnings = before_warnings + warnings;
    }

    pub(crate) fn in_order(mut self) -> Vec<Finding> {
        self.kept.sort_by_key(|finding| (finding.file.is_none(), finding.line));
        self.kept
    }
}
