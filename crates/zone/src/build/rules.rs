//! The rules of `nw zone check`: one line per rule in [`RULES`] (`rules/table.rs`), and one small function.
//!
//! ```text
//! text of a file ── File ────────────────┐
//! each name ─┬─ Owners, Empty ───────────┤
//!            └─ each RRset ─┬─ Sets ─────┼─► the problem in one sentence ─► Finding: line, severity, RFC, remedy
//!                           └─ each record ─ Records, Targets, NamesInside
//! the whole zone ── Zone ────────────────┘
//! ```
//!
//! An error prevents the zone from being served, so each load runs the rules for errors. Only the check reports
//! warnings and notes.
//!
//! To add a rule: write the function in the file of its subject, add the line to the table, add a case to
//! `rules/tests.rs`.
//!
//! *Limitations*: a rule sees one zone. What depends on the parent, on other zones or on servers is not checked.

mod addresses;
mod apex;
mod delegation;
mod digest;
mod dnssec;
mod files;
mod mail;
mod names;
mod service;
mod spf;
mod table;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::OnceLock;

use nw_wire::{NameRef, RrType, rr};

use super::tree::{Part, Tree, TreeNode};
use super::{GroupRef, Input, in_parallel};
use crate::batch::{BatchRecord, TypeMask};
use crate::problem::{Facts, Finding, Findings, Problem, Severity};
use crate::store::{Index, NodeFlags};
use crate::suffix::LabelStarts;

pub(crate) use files::BYTE_ORDER_MARK;
pub use table::RULES;

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Id, severity, RFC and remedy.
    pub facts: Facts,
    check: Check,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.facts.id == other.facts.id
    }
}

impl Eq for Rule {}

/// The problem in one sentence, or None. Most rules are silent, so a text is only made for a problem.
type Found = Option<Cow<'static, str>>;

/// The object that a rule inspects.
enum Check {
    /// Each record of these types.
    Records(&'static [RrType], fn(&Subject<'_>) -> Found),
    /// Each target in the rdata of these types, and its place in the zone.
    Targets(&'static [RrType], fn(&Subject<'_>, &[u8], &Target<'_>) -> Found),
    /// Each record with a name in its rdata.
    NamesInside(fn(&Subject<'_>) -> Found),
    /// Each RRset of these types.
    Sets(&'static [RrType], fn(&Set<'_>) -> Found),
    /// Each RRset.
    AllSets(fn(&Set<'_>) -> Found),
    /// Each name with records of these types.
    Owners(TypeMask, fn(&Place<'_>) -> Found),
    /// Each empty non-terminal.
    Empty(fn(&Place<'_>) -> Found),
    /// The text of each file. Returns the offset and the problem.
    File(fn(&[u8]) -> Option<(usize, String)>),
    /// The zone after it was built.
    Zone(fn(&crate::store::Zone) -> Found),
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Check::Records(..) => "Records",
            Check::Targets(..) => "Targets",
            Check::NamesInside(_) => "NamesInside",
            Check::Sets(..) => "Sets",
            Check::AllSets(_) => "AllSets",
            Check::Owners(..) => "Owners",
            Check::Empty(_) => "Empty",
            Check::File(_) => "File",
            Check::Zone(_) => "Zone",
        })
    }
}

/// The rules to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The rules whose findings prevent a zone from being served.
    Errors,
    /// All rules. The time in seconds since 1970 judges signatures and serials; None: they are not judged.
    All(Option<u64>),
}

impl Which {
    fn includes(self, rule: &Rule) -> bool {
        self != Which::Errors || rule.facts.severity == Severity::Error
    }

    /// The time, if rules may use it.
    fn now(self) -> Option<u64> {
        match self {
            Which::Errors => None,
            Which::All(now) => now,
        }
    }
}

/// The zone as rules see it.
struct ZoneView<'r> {
    input: &'r Input<'r>,
    tree: &'r Tree,
    names: &'r Index,
    /// Lines could not be read, so a missing record is not evidence.
    unread: bool,
    now: Option<u64>,
    /// Key tag and algorithm of each DNSKEY at the apex.
    keys: Vec<(u16, u8)>,
    /// The zone is below in-addr.arpa or ip6.arpa.
    reverse: bool,
    /// The name of the zone is delegated on the Internet, as far as its last labels show.
    public: bool,
    /// The targets of all delegations, in lower case. Only unusual glue needs them.
    delegated_to: OnceLock<HashSet<Vec<u8>>>,
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
    fn new(
        input: &'r Input<'r>,
        tree: &'r Tree,
        names: &'r Index,
        which: Which,
        unread: bool,
    ) -> ZoneView<'r> {
        let apex = input.apex.wire();
        let (reverse, public) = (addresses::is_reverse(apex), addresses::is_public(apex));
        let mut zone = ZoneView {
            input,
            tree,
            names,
            unread,
            now: which.now(),
            keys: Vec::new(),
            reverse,
            public,
            delegated_to: OnceLock::new(),
        };
        zone.keys = zone
            .at_apex(RrType::DNSKEY)
            .filter(|rdata| rdata.len() > 4)
            .map(|rdata| (nw_dnssec::key_tag(rdata), rdata[3]))
            .collect();
        zone
    }

    fn holds(&self, name: &[u8], starts: &LabelStarts) -> bool {
        super::tree::hash_in_zone(self.input, name, starts).is_some()
    }

    /// The rdata of type `rtype` at the apex.
    fn at_apex(&self, rtype: RrType) -> impl Iterator<Item = &'r [u8]> + use<'r> {
        let (part, node) = self.tree.apex();
        self.records(part, node, rtype)
    }

    /// The rdata of type `rtype` at `node`.
    fn records(
        &self,
        part: &'r Part,
        node: &'r TreeNode,
        rtype: RrType,
    ) -> impl Iterator<Item = &'r [u8]> + use<'r> {
        part.records(self.input, node).filter(move |record| record.1 == rtype).map(|record| record.3)
    }

    /// The types at `node`.
    fn types(&self, part: &'r Part, node: &'r TreeNode) -> impl Iterator<Item = RrType> + use<'r> {
        part.records(self.input, node).map(|record| record.1)
    }

    fn node(&self, name: &[u8], starts: &LabelStarts) -> Option<(&'r Part, &'r TreeNode)> {
        let hash = super::tree::hash_in_zone(self.input, name, starts)?;
        self.tree.find(self.input, self.names, name, hash)
    }

    fn find(&self, name: &[u8]) -> Target<'r> {
        let starts = LabelStarts::of(name);
        if !self.holds(name, &starts) {
            return Target::Elsewhere;
        }
        let outside = NodeFlags::OCCLUDED;
        if let Some((part, node)) = self.node(name, &starts) {
            return if node.flags.has(outside) { Target::Elsewhere } else { Target::Here(part, node) };
        }
        // The closest existing ancestor determines whether names below it can exist.
        let hides = outside.with(NodeFlags::CUT).with(NodeFlags::DNAME).with(NodeFlags::WILDCARD_BELOW);
        for labels in (self.input.apex_labels..starts.count()).rev() {
            let ancestor = &name[starts.suffix(labels)..];
            if let Some((_, node)) = self.node(ancestor, &LabelStarts::of(ancestor)) {
                let missing = !node.flags.has(hides) && !self.unread;
                return if missing { Target::Missing } else { Target::Elsewhere };
            }
        }
        Target::Elsewhere
    }

    /// The text of the rules that name a DNSKEY.
    fn has_key(&self, tag: u16, algorithm: u8) -> bool {
        self.keys.contains(&(tag, algorithm))
    }
}

/// A record and its group.
#[derive(Clone, Copy)]
struct Entry<'p> {
    at: GroupRef,
    record: BatchRecord<'p>,
}

/// A name as rules see it.
struct Place<'p> {
    zone: &'p ZoneView<'p>,
    part: &'p Part,
    node: &'p TreeNode,
    owner: &'p [u8],
    /// Sorted by type.
    records: &'p [Entry<'p>],
}

impl<'p> Place<'p> {
    fn is_apex(&self) -> bool {
        self.node.flags.has(NodeFlags::APEX)
    }

    /// Whether the data of this name is in no answer.
    fn is_occluded(&self) -> bool {
        self.node.flags.has(NodeFlags::OCCLUDED)
    }

    fn of(&self, rtype: RrType) -> impl Iterator<Item = &'p [u8]> {
        self.records.iter().filter(move |entry| entry.record.rtype == rtype).map(|entry| entry.record.rdata)
    }

    fn has(&self, rtype: RrType) -> bool {
        self.of(rtype).next().is_some()
    }

    /// The labels, leftmost first, without their length octets.
    fn labels(&self) -> impl Iterator<Item = &'p [u8]> {
        labels(self.owner)
    }
}

/// An RRset as rules see it.
struct Set<'p> {
    place: &'p Place<'p>,
    rtype: RrType,
    entries: &'p [Entry<'p>],
}

impl<'p> Set<'p> {
    fn rdatas(&self) -> impl Iterator<Item = &'p [u8]> {
        self.entries.iter().map(|entry| entry.record.rdata)
    }

    /// The number of records that differ.
    fn count(&self) -> usize {
        let mut seen: Vec<&[u8]> = Vec::new();
        for rdata in self.rdatas() {
            if !seen.iter().any(|other| other.eq_ignore_ascii_case(rdata)) {
                seen.push(rdata);
            }
        }
        seen.len()
    }

    /// The TTL that is served: the lowest.
    fn ttl(&self) -> u32 {
        self.entries.iter().map(|entry| entry.record.ttl).min().unwrap_or(0)
    }
}

/// A record as rules see it.
struct Subject<'p> {
    place: &'p Place<'p>,
    zone: &'p ZoneView<'p>,
    owner: &'p [u8],
    rtype: RrType,
    rdata: &'p [u8],
}

impl<'p> Subject<'p> {
    /// The target names of the record, without the root, which means "none".
    fn targets(&self) -> impl Iterator<Item = &'p [u8]> {
        let rdata = self.rdata;
        let all =
            matches!(self.rtype, RrType::CNAME | RrType::LP | RrType::DNAME | RrType::PTR | RrType::NAPTR);
        rr::names(self.rtype, rdata)
            .filter(move |field| field.additional || all)
            .map(move |field| &rdata[field.start..field.end])
            .filter(|name| **name != [0])
    }
}

/// The labels of `name`, leftmost first, without their length octets.
fn labels(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let (&length, tail) = rest.split_first()?;
        let (label, tail) = tail.split_at_checked(usize::from(length)).filter(|_| length > 0)?;
        rest = tail;
        Some(label)
    })
}

/// The character strings of `rdata` (RFC 1035 §3.3).
fn strings(rdata: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = rdata;
    std::iter::from_fn(move || {
        let (&length, tail) = rest.split_first()?;
        let (string, tail) = tail.split_at_checked(usize::from(length))?;
        rest = tail;
        Some(string)
    })
}

/// Run the rules that inspect the text of a file.
pub(crate) fn check_file(text: &[u8], which: Which, mut report: impl FnMut(usize, Problem)) {
    for rule in RULES.iter().filter(|rule| which.includes(rule)) {
        if let Check::File(check) = rule.check
            && let Some((at, text)) = check(text)
        {
            report(at, Problem::Rule { rule, text: text.into() });
        }
    }
}

/// Run the rules that inspect the zone as a whole.
pub(crate) fn check_zone(zone: &crate::store::Zone, findings: &mut Findings) {
    for rule in RULES {
        if let Check::Zone(check) = rule.check
            && let Some(text) = check(zone)
        {
            let problem = Problem::Rule { rule, text };
            findings.push(Finding { file: None, line: 0, column: 0, problem });
        }
    }
}

/// The lowest type whose rules are not in a table.
const TABLED: usize = 512;

/// The rules of one type.
#[derive(Default)]
struct OfType {
    records: Vec<&'static Rule>,
    targets: Vec<&'static Rule>,
    sets: Vec<&'static Rule>,
}

/// All rules by what they inspect.
struct Sorted {
    low: Vec<OfType>,
    high: Vec<(RrType, OfType)>,
    rest: OfType,
    owners: Vec<(TypeMask, &'static Rule)>,
    empty: Vec<&'static Rule>,
}

impl Sorted {
    /// The table for `which`. It is built once, because building it takes longer than loading a small zone.
    fn shared(which: Which) -> &'static Sorted {
        static ERRORS: OnceLock<Sorted> = OnceLock::new();
        static ALL: OnceLock<Sorted> = OnceLock::new();
        match which {
            Which::Errors => ERRORS.get_or_init(|| Sorted::of(which)),
            Which::All(_) => ALL.get_or_init(|| Sorted::of(which)),
        }
    }

    fn of(which: Which) -> Sorted {
        let mut low = Vec::new();
        low.resize_with(TABLED, OfType::default);
        let mut sorted =
            Sorted { low, high: Vec::new(), rest: OfType::default(), owners: Vec::new(), empty: Vec::new() };
        let rules = || RULES.iter().filter(|rule| which.includes(rule));
        for rule in rules() {
            match rule.check {
                Check::Records(types, _) => {
                    types.iter().for_each(|&rtype| sorted.of_type(rtype).records.push(rule));
                }
                Check::Targets(types, _) => {
                    types.iter().for_each(|&rtype| sorted.of_type(rtype).targets.push(rule));
                }
                Check::Sets(types, _) => {
                    types.iter().for_each(|&rtype| sorted.of_type(rtype).sets.push(rule));
                }
                Check::Owners(types, _) => sorted.owners.push((types, rule)),
                Check::Empty(_) => sorted.empty.push(rule),
                Check::NamesInside(_) | Check::AllSets(_) | Check::File(_) | Check::Zone(_) => {}
            }
        }
        // The rules of every type are in the list of each, so that one list is run.
        for rule in rules() {
            let lists = sorted.low.iter_mut().chain(sorted.high.iter_mut().map(|high| &mut high.1));
            let all = lists.chain(std::iter::once(&mut sorted.rest));
            match rule.check {
                Check::NamesInside(_) => all.for_each(|of| of.records.push(rule)),
                Check::AllSets(_) => all.for_each(|of| of.sets.push(rule)),
                _ => {}
            }
        }
        sorted
    }

    fn of_type(&mut self, rtype: RrType) -> &mut OfType {
        let number = usize::from(rtype.0);
        if number < TABLED {
            return &mut self.low[number];
        }
        if !self.high.iter().any(|high| high.0 == rtype) {
            self.high.push((rtype, OfType::default()));
        }
        let found = self.high.iter_mut().find(|high| high.0 == rtype);
        &mut found.expect("it was pushed").1
    }

    fn rules(&self, rtype: RrType) -> &OfType {
        match self.low.get(usize::from(rtype.0)) {
            Some(rules) => rules,
            None => self.high.iter().find(|high| high.0 == rtype).map_or(&self.rest, |high| &high.1),
        }
    }
}

/// Run the rules that inspect names, RRsets and records.
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
        Which::All(_) => TypeMask(u16::MAX),
    };
    if which == Which::Errors && !tree.nodes().any(|(_, _, node)| node.types.has(wanted)) {
        return;
    }
    let sorted = Sorted::shared(which);
    let zone = ZoneView::new(input, tree, names, which, unread);
    let found = in_parallel(workers, tree.parts.len(), |i| {
        let part = &tree.parts[i];
        let mut run = Run { zone: &zone, sorted, findings: Findings::new(input.limit) };
        let mut records = Vec::new();
        for node in part.nodes.iter().skip(usize::from(i > 0)) {
            if node.types.has(wanted) || node.groups == 0 {
                run.node(part, node, &mut records);
            }
        }
        run.findings
    });
    for part in found {
        findings.append(part);
    }
}

struct Run<'r> {
    zone: &'r ZoneView<'r>,
    sorted: &'static Sorted,
    findings: Findings,
}

impl<'r> Run<'r> {
    fn node(&mut self, part: &'r Part, node: &'r TreeNode, records: &mut Vec<Entry<'r>>) {
        records.clear();
        records.extend(part.all(self.zone.input, node).map(|(at, record)| Entry { at, record }));
        if records.len() > 1 {
            records.sort_by_key(|entry| entry.record.rtype.0);
        }
        let zone = self.zone;
        let place = Place { zone, part, node, owner: part.wire(zone.input, node), records };
        if node.groups == 0 {
            self.empty(&place);
            return;
        }
        for entries in place.records.chunk_by(|a, b| a.record.rtype == b.record.rtype) {
            self.set(&Set { place: &place, rtype: entries[0].record.rtype, entries });
        }
        let first = place.records.iter().min_by_key(|entry| entry.record.line);
        for &(types, rule) in &self.sorted.owners {
            if node.types.has(types)
                && let Check::Owners(_, check) = rule.check
                && let (Some(text), Some(first)) = (check(&place), first)
            {
                self.report(first, rule, text);
            }
        }
    }

    fn empty(&mut self, place: &Place<'_>) {
        for rule in &self.sorted.empty {
            if let Check::Empty(check) = rule.check
                && let Some(text) = check(place)
            {
                // The first name below it.
                let at = place.part.groups[place.node.first_group as usize];
                let (batch, group) = self.zone.input.group(at);
                if let Some(record) = batch.records(group).next() {
                    self.report(&Entry { at, record }, rule, text);
                }
            }
        }
    }

    fn set(&mut self, set: &Set<'_>) {
        let rules = self.sorted.rules(set.rtype);
        for rule in &rules.sets {
            if let Check::Sets(_, check) | Check::AllSets(check) = rule.check
                && let Some(text) = check(set)
            {
                self.report(&set.entries[0], rule, text);
            }
        }
        if rules.records.is_empty() && rules.targets.is_empty() {
            return;
        }
        let place = set.place;
        for entry in set.entries {
            let BatchRecord { rtype, rdata, .. } = entry.record;
            let subject = Subject { place, zone: place.zone, owner: place.owner, rtype, rdata };
            for rule in &rules.records {
                if let Check::Records(_, check) | Check::NamesInside(check) = rule.check
                    && let Some(text) = check(&subject)
                {
                    self.report(entry, rule, text);
                }
            }
            if rules.targets.is_empty() {
                continue;
            }
            for target in subject.targets() {
                let found = place.zone.find(target);
                for rule in &rules.targets {
                    if let Check::Targets(_, check) = rule.check
                        && let Some(text) = check(&subject, target, &found)
                    {
                        self.report(entry, rule, text);
                    }
                }
            }
        }
    }

    fn report(&mut self, entry: &Entry<'_>, rule: &'static Rule, text: Cow<'static, str>) {
        if self.findings.count(&rule.facts) {
            let problem = Problem::Rule { rule, text };
            self.findings.kept.push(self.zone.input.finding(entry.at, entry.record.line, problem));
        }
    }
}

fn show(name: &[u8]) -> String {
    NameRef::from_wire(name).map_or_else(|_| String::new(), |name| name.to_string())
}

#[cfg(test)]
mod tests;
