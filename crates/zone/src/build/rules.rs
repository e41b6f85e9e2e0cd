//! The rules of `nw zone check`: ONE LINE PER RULE in [`RULES`], and one small function.
//!
//! A rule inspects one record, one name, or the text of one file, and returns the problem in one sentence. This
//! module adds line, file, RFC, severity and remedy. An error prevents the zone from being served, so `serve` runs
//! the same rules. Only the check reports warnings.
//!
//! To add a rule: write the function next to its neighbours, add the line, add a case to `rules/tests.rs`.
//!
//! RFCs: 1034 §3.6, 1035 §5, 2181 §10.3, 2782, 4034 §5.1.4, 4255 §3.1.3, 5891 §4.4, 6698 §2.1, 7208 §3.1, 8078 §4, 8976
//! §2.2.4, 9276 §3.1.

use std::sync::OnceLock;

use nw_wire::{NameRef, RrType, rr};

use super::tree::{Part, Tree, TreeNode};
use super::{GroupRef, Input, in_parallel};
use crate::batch::TypeMask;
use crate::problem::{Finding, Findings, Problem, Severity};
use crate::store::{Index, NodeFlags};
use crate::suffix::LabelStarts;

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// A short stable word for programs.
    pub id: &'static str,
    /// Whether the zone is served despite it.
    pub severity: Severity,
    /// The RFC section.
    pub rfc: &'static str,
    /// The remedy.
    pub remedy: &'static str,
    check: Check,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

/// The object that a rule inspects. The function returns the problem.
enum Check {
    /// Each record of these types.
    Records(&'static [RrType], fn(&Subject<'_>) -> Option<String>),
    /// Each record with a name in its rdata.
    NamesInside(fn(&Subject<'_>) -> Option<String>),
    /// Each owner name.
    Owners(fn(&ZoneView<'_>, &[u8]) -> Option<String>),
    /// The text of each file. Returns the offset and the problem.
    File(fn(&[u8]) -> Option<(usize, String)>),
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Check::Records(..) => "Records",
            Check::NamesInside(_) => "NamesInside",
            Check::Owners(_) => "Owners",
            Check::File(_) => "File",
        })
    }
}

use Check::{File, NamesInside, Owners, Records};
use Severity::{Error, Warning};

macro_rules! rules {
    ($($id:literal, $severity:ident, $rfc:literal, $remedy:literal, $check:expr;)*) => {
        /// All rules.
        pub static RULES: &[Rule] =
            &[$(Rule { id: $id, severity: $severity, rfc: $rfc, remedy: $remedy, check: $check }),*];
    };
}

/// Types whose names must be host names: an address, a missing name or an alias is an error.
const HOSTS: &[RrType] =
    &[RrType::NS, RrType::MX, RrType::SRV, RrType::AFSDB, RrType::RT, RrType::KX, RrType::LP];
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

rules! {
    "ds-digest", Error, "RFC 4034 §5.1.4", "copy the whole record as the signer printed it", Records(&[RrType::DS, RrType::CDS, RrType::DLV, RrType::TA], ds_digest);
    "sshfp-digest", Error, "RFC 4255 §3.1.3", "make the record with ssh-keygen -r", Records(&[RrType::SSHFP], sshfp_digest);
    "tlsa-digest", Error, "RFC 6698 §2.1.3", "write the whole digest, or the matching type that fits the data", Records(&[RrType::TLSA, RrType::SMIMEA], tlsa_digest);
    "zonemd-digest", Error, "RFC 8976 §2.2.4", "compute the digest again and copy all of it", Records(&[RrType::ZONEMD], zonemd_digest);
    "encoding", Error, "RFC 1035 §5.1", "convert the file, for example with iconv -f UTF-16 -t UTF-8", File(encoding);
    "byte-order-mark", Warning, "RFC 3629 §6", "save the file as UTF-8 without a byte order mark", File(byte_order_mark);
    "last-line", Warning, "RFC 1035 §5.1", "end the last line with a newline; check that the file is complete", File(last_line);
    "target-alias", Warning, "RFC 2181 §10.3", "name the host that has the addresses", Records(HOSTS, target_alias);
    "target-missing", Warning, "RFC 1034 §3.6", "add the name, or end an absolute name with a dot", Records(TARGETS, target_missing);
    "target-no-address", Warning, "RFC 1034 §3.6", "add an A or AAAA record for the host", Records(HOSTS, target_no_address);
    "target-address", Warning, "RFC 1035 §3.3", "name a host, and give the host the address", Records(TARGETS, target_address);
    "target-url", Warning, "RFC 1035 §3.3", "name the host only; DNS carries no URLs here", Records(TARGETS, target_url);
    "alias-loop", Warning, "RFC 1034 §3.6.2", "let one of the aliases lead to a name with data", Records(&[RrType::CNAME], alias_loop);
    "origin-twice", Warning, "RFC 1035 §5.1", "end the absolute name with a dot", NamesInside(origin_twice);
    "owner-origin-twice", Warning, "RFC 1035 §5.1", "end the absolute name with a dot", Owners(owner_origin_twice);
    "not-ascii", Warning, "RFC 5891 §4.4", "write an internationalised name in its xn-- form", Owners(not_ascii);
    "nsec3-iterations", Warning, "RFC 9276 §3.1", "sign with 0 additional iterations", Records(&[RrType::NSEC3PARAM], nsec3_iterations);
    "spf-type", Warning, "RFC 7208 §3.1", "publish the policy as TXT", Records(&[RrType(99)], spf_type);
}

// ---- digests ----

fn digest(what: &str, number: u8, found: usize, expected: Option<usize>) -> Option<String> {
    let expected = expected.filter(|&expected| expected != found)?;
    Some(format!("{what} {number} has {expected} octets, and {found} are given"))
}

fn ds_digest(subject: &Subject<'_>) -> Option<String> {
    let &[_, _, _, number, ref octets @ ..] = subject.rdata else { return None };
    let length = match number {
        1 => 20,
        // GOST R 34.11-94, GOST R 34.11-2012 and SM3 have the length of SHA-256 (RFC 5933, RFC 9558, RFC 9563).
        2 | 3 | 5 | 6 => 32,
        4 => 48,
        // The digest type 0 of CDS requests the removal of DS (RFC 8078 §4).
        _ => return None,
    };
    digest("a digest of type", number, octets.len(), Some(length))
}

fn sshfp_digest(subject: &Subject<'_>) -> Option<String> {
    let &[_, number, ref octets @ ..] = subject.rdata else { return None };
    let length = match number {
        1 => Some(20),
        2 => Some(32),
        _ => None,
    };
    digest("a fingerprint of type", number, octets.len(), length)
}

fn tlsa_digest(subject: &Subject<'_>) -> Option<String> {
    let &[_, _, number, ref octets @ ..] = subject.rdata else { return None };
    let length = match number {
        1 => Some(32),
        2 => Some(64),
        _ => None,
    };
    digest("data of matching type", number, octets.len(), length)
}

fn zonemd_digest(subject: &Subject<'_>) -> Option<String> {
    let &[_, _, _, _, _, number, ref octets @ ..] = subject.rdata else { return None };
    match number {
        1 => digest("a digest of algorithm", number, octets.len(), Some(48)),
        2 => digest("a digest of algorithm", number, octets.len(), Some(64)),
        _ if octets.len() < 12 => Some("a digest has at least 12 octets".into()),
        _ => None,
    }
}

// ---- names in rdata ----

fn target_alias(subject: &Subject<'_>) -> Option<String> {
    subject.targets().find_map(|target| match subject.zone.find(target) {
        Target::Here(_, node) if node.flags.has(NodeFlags::CNAME) => {
            Some(format!("{} leads to {}, which is an alias", subject.rtype, show(target)))
        }
        _ => None,
    })
}

fn target_missing(subject: &Subject<'_>) -> Option<String> {
    subject.targets().find_map(|target| {
        let missing =
            matches!(subject.zone.find(target), Target::Missing) && mistaken(subject, target).is_none();
        missing.then(|| {
            format!("{} leads to {}, which does not exist in this zone", subject.rtype, show(target))
        })
    })
}

fn target_no_address(subject: &Subject<'_>) -> Option<String> {
    subject.targets().find_map(|target| match subject.zone.find(target) {
        Target::Here(_, node)
            if !node.types.has(TypeMask::ADDRESS.with(TypeMask::CNAME)) && !subject.zone.unread =>
        {
            Some(format!("{} leads to {}, which has no address", subject.rtype, show(target)))
        }
        _ => None,
    })
}

fn target_address(subject: &Subject<'_>) -> Option<String> {
    subject.targets().find_map(|target| {
        (mistaken(subject, target) == Some(Mistaken::Address))
            .then(|| format!("{} leads to {}, which is an address", subject.rtype, show(target)))
    })
}

fn target_url(subject: &Subject<'_>) -> Option<String> {
    subject.targets().find_map(|target| {
        (mistaken(subject, target) == Some(Mistaken::Url))
            .then(|| format!("{} leads to {}, which is a URL", subject.rtype, show(target)))
    })
}

/// Text that was written in place of a name.
#[derive(PartialEq)]
enum Mistaken {
    Address,
    Url,
}

fn mistaken(subject: &Subject<'_>, target: &[u8]) -> Option<Mistaken> {
    let starts = LabelStarts::of(target);
    let labels = if subject.zone.holds(target, &starts) {
        starts.count() - subject.zone.input.apex_labels
    } else {
        starts.count()
    };
    // The labels as written, without the origin that was added to them, leftmost first.
    let written: Vec<&[u8]> = (0..labels).map(|i| &starts.label(target, starts.count() - i)[1..]).collect();
    let is_octet = |label: &&[u8]| std::str::from_utf8(label).is_ok_and(|text| text.parse::<u8>().is_ok());
    let is_group = |octet: &u8| octet.is_ascii_hexdigit() || *octet == b':';
    if written.len() == 4 && written.iter().all(is_octet) {
        return Some(Mistaken::Address);
    }
    if written.first().is_some_and(|label| {
        label.iter().filter(|&&octet| octet == b':').count() >= 2 && label.iter().all(is_group)
    }) {
        return Some(Mistaken::Address);
    }
    let is_url = |label: &&[u8]| label.windows(3).any(|three| three == b"://");
    written.iter().any(is_url).then_some(Mistaken::Url)
}

fn alias_loop(subject: &Subject<'_>) -> Option<String> {
    /// Servers do not follow longer chains.
    const MOST: usize = 32;
    let mut target = subject.rdata;
    let mut first = true;
    for _ in 0..MOST {
        if target.eq_ignore_ascii_case(subject.owner) {
            // One of the aliases reports the loop.
            if !first {
                return None;
            }
            return Some(format!("the aliases lead from {} back to it", show(subject.owner)));
        }
        first &= subject.owner.to_ascii_lowercase() < target.to_ascii_lowercase();
        let Target::Here(part, node) = subject.zone.find(target) else { return None };
        target = part.records(subject.zone.input, node).find(|record| record.1 == RrType::CNAME)?.3;
    }
    None
}

/// A name without its final dot, so that the origin was added to it.
fn twice(zone: &ZoneView<'_>, name: &[u8]) -> bool {
    let (apex, labels) = (zone.input.apex.wire(), zone.input.apex_labels);
    let starts = LabelStarts::of(name);
    if labels < 2 || starts.count() < 2 * labels || !zone.holds(name, &starts) {
        return false;
    }
    let doubled = &name[starts.suffix(2 * labels)..];
    doubled[..apex.len() - 1].eq_ignore_ascii_case(&apex[..apex.len() - 1])
}

fn origin_twice(subject: &Subject<'_>) -> Option<String> {
    rr::names(subject.rtype, subject.rdata)
        .map(|field| &subject.rdata[field.start..field.end])
        .find(|name| twice(subject.zone, name))
        .map(|name| format!("{} ends in the name of the zone twice", show(name)))
}

// ---- owners ----

fn owner_origin_twice(zone: &ZoneView<'_>, owner: &[u8]) -> Option<String> {
    twice(zone, owner).then(|| format!("{} ends in the name of the zone twice", show(owner)))
}

fn not_ascii(_zone: &ZoneView<'_>, owner: &[u8]) -> Option<String> {
    (!owner.is_ascii()).then(|| format!("{} has octets outside ASCII", show(owner)))
}

// ---- values ----

fn nsec3_iterations(subject: &Subject<'_>) -> Option<String> {
    let &[_, _, high, low, ..] = subject.rdata else { return None };
    let iterations = u16::from_be_bytes([high, low]);
    (iterations > 0).then(|| format!("NSEC3 with {iterations} additional iterations"))
}

fn spf_type(_subject: &Subject<'_>) -> Option<String> {
    Some("the record type SPF is obsolete".into())
}

// ---- text of files ----

fn encoding(text: &[u8]) -> Option<(usize, String)> {
    let marked = text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]);
    // In UTF-16, every second octet of ASCII text is zero.
    let zeros = text.iter().take(64).filter(|&&octet| octet == 0).count();
    (marked || zeros > text.len().min(64) / 3).then(|| (0, "the file is UTF-16".into()))
}

/// U+FEFF in UTF-8. The scanner skips it.
pub(crate) const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

fn byte_order_mark(text: &[u8]) -> Option<(usize, String)> {
    text.starts_with(&BYTE_ORDER_MARK).then(|| (0, "the file begins with a byte order mark".into()))
}

fn last_line(text: &[u8]) -> Option<(usize, String)> {
    let unended = text.last().is_some_and(|&octet| octet != b'\n');
    unended.then(|| (text.len() - 1, "the last line does not end".into()))
}

// ---- running the rules ----

/// The rules to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The rules whose findings prevent a zone from being served.
    Errors,
    /// All rules, including warnings.
    All,
}

impl Which {
    fn includes(self, rule: &Rule) -> bool {
        self == Which::All || rule.severity == Severity::Error
    }
}

/// The zone as rules see it.
pub(super) struct ZoneView<'r> {
    input: &'r Input<'r>,
    tree: &'r Tree,
    names: &'r Index,
    /// Lines could not be read, so a missing record is not evidence.
    unread: bool,
}

/// The location of a name.
enum Target<'r> {
    /// In the zone.
    Here(&'r Part, &'r TreeNode),
    /// In the zone, but the name does not exist.
    Missing,
    /// In another zone, or synthesised from a wildcard or a DNAME.
    Elsewhere,
}

impl<'r> ZoneView<'r> {
    fn holds(&self, name: &[u8], starts: &LabelStarts) -> bool {
        super::tree::hash_in_zone(self.input, name, starts).is_some()
    }

    fn find(&self, name: &[u8]) -> Target<'r> {
        let starts = LabelStarts::of(name);
        let find = |name: &[u8], starts: &LabelStarts| -> Option<(&'r Part, &'r TreeNode)> {
            let hash = super::tree::hash_in_zone(self.input, name, starts)?;
            self.tree.find(self.input, self.names, name, hash)
        };
        if !self.holds(name, &starts) {
            return Target::Elsewhere;
        }
        let outside = NodeFlags::OCCLUDED;
        if let Some((part, node)) = find(name, &starts) {
            return if node.flags.has(outside) { Target::Elsewhere } else { Target::Here(part, node) };
        }
        // The closest existing ancestor determines whether names below it can exist.
        let hides = outside.with(NodeFlags::CUT).with(NodeFlags::DNAME).with(NodeFlags::WILDCARD_BELOW);
        for labels in (self.input.apex_labels..starts.count()).rev() {
            let ancestor = &name[starts.suffix(labels)..];
            let found = find(ancestor, &LabelStarts::of(ancestor));
            if let Some((_, node)) = found {
                let missing = !node.flags.has(hides) && !self.unread;
                return if missing { Target::Missing } else { Target::Elsewhere };
            }
        }
        Target::Elsewhere
    }
}

/// A record as rules see it.
pub(super) struct Subject<'r> {
    zone: &'r ZoneView<'r>,
    owner: &'r [u8],
    rtype: RrType,
    rdata: &'r [u8],
}

impl<'r> Subject<'r> {
    /// The target names of the record, without the root, which means "none".
    fn targets(&self) -> impl Iterator<Item = &'r [u8]> {
        let rdata = self.rdata;
        let all = self.rtype == RrType::CNAME || self.rtype == RrType::LP;
        rr::names(self.rtype, rdata)
            .filter(move |field| field.additional || all)
            .map(move |field| &rdata[field.start..field.end])
            .filter(|name| **name != [0])
    }
}

/// Run the rules that inspect the text of a file.
pub(crate) fn check_file(text: &[u8], which: Which, mut report: impl FnMut(usize, Problem)) {
    for rule in RULES.iter().filter(|rule| which.includes(rule)) {
        if let File(check) = rule.check
            && let Some((at, text)) = check(text)
        {
            report(at, Problem::Rule { rule, text });
        }
    }
}

/// The lowest type whose rules are not in a table.
const TABLED: usize = 512;

/// The rules of each type.
struct ByType {
    low: Vec<Vec<&'static Rule>>,
    high: Vec<(RrType, &'static Rule)>,
    inside: Vec<&'static Rule>,
    owners: Vec<&'static Rule>,
}

impl ByType {
    /// The table for `which`. It is built once, because building it takes longer than loading a small zone.
    fn shared(which: Which) -> &'static ByType {
        static ERRORS: OnceLock<ByType> = OnceLock::new();
        static ALL: OnceLock<ByType> = OnceLock::new();
        match which {
            Which::Errors => ERRORS.get_or_init(|| ByType::of(which)),
            Which::All => ALL.get_or_init(|| ByType::of(which)),
        }
    }

    fn of(which: Which) -> ByType {
        let mut by = ByType {
            low: vec![Vec::new(); TABLED],
            high: Vec::new(),
            inside: Vec::new(),
            owners: Vec::new(),
        };
        for rule in RULES.iter().filter(|rule| which.includes(rule)) {
            match rule.check {
                Records(types, _) => {
                    for &rtype in types {
                        match by.low.get_mut(usize::from(rtype.0)) {
                            Some(rules) => rules.push(rule),
                            None => by.high.push((rtype, rule)),
                        }
                    }
                }
                NamesInside(_) => by.inside.push(rule),
                Owners(_) => by.owners.push(rule),
                File(_) => {}
            }
        }
        by
    }

    fn records(&self, rtype: RrType) -> impl Iterator<Item = &'static Rule> {
        let low = self.low.get(usize::from(rtype.0)).into_iter().flatten().copied();
        let high = self.high.iter().filter(move |(its, _)| *its == rtype).map(|(_, rule)| *rule);
        low.chain(high).chain(self.inside.iter().copied())
    }
}

/// Run the rules that inspect records and names.
pub(super) fn check(
    input: &Input<'_>,
    tree: &Tree,
    names: &Index,
    which: Which,
    unread: bool,
    workers: usize,
    findings: &mut Findings,
) {
    // These include all types with rules for errors.
    let wanted = match which {
        Which::Errors => TypeMask::DS.with(TypeMask::DIGEST),
        Which::All => TypeMask(u16::MAX),
    };
    let by = ByType::shared(which);
    let found = in_parallel(workers, tree.parts.len(), |i| {
        let zone = ZoneView { input, tree, names, unread };
        let part = &tree.parts[i];
        let mut findings = Findings::new(input.limit);
        for node in part.nodes.iter().skip(usize::from(i > 0)) {
            if node.types.has(wanted) {
                check_node(&zone, part, node, by, &mut findings);
            }
        }
        findings
    });
    for part in found {
        findings.append(part);
    }
}

fn check_node(zone: &ZoneView<'_>, part: &Part, node: &TreeNode, by: &ByType, findings: &mut Findings) {
    let owner = part.wire(zone.input, node);
    let mut first: Option<(GroupRef, u32)> = None;
    for (at, rtype, line, rdata) in part.records(zone.input, node) {
        first = first.or(Some((at, line)));
        let subject = Subject { zone, owner, rtype, rdata };
        for rule in by.records(rtype) {
            let text = match rule.check {
                Records(_, check) | NamesInside(check) => check(&subject),
                Owners(_) | File(_) => None,
            };
            if let Some(text) = text {
                findings.push(finding(zone, at, line, rule, text));
            }
        }
    }
    let Some((at, line)) = first else { return };
    for rule in &by.owners {
        if let Owners(check) = rule.check
            && let Some(text) = check(zone, owner)
        {
            findings.push(finding(zone, at, line, rule, text));
        }
    }
}

fn finding(zone: &ZoneView<'_>, at: GroupRef, line: u32, rule: &'static Rule, text: String) -> Finding {
    zone.input.finding(at, line, Problem::Rule { rule, text })
}

fn show(name: &[u8]) -> String {
    NameRef::from_wire(name).map_or_else(|_| String::new(), |name| name.to_string())
}

#[cfg(test)]
mod tests;
