//! Dynamic updates as a function: a message and a version of the zone become the next version, or a refusal. RFC 2136
//!
//! ```text
//! message ── Update::read ─▶ Update ── apply(zone) ─┬─▶ the next version, or None: the records stay the same
//!      zone section (§3.1)         prerequisites    └─▶ Refusal: rcode, section of the RFC, reason
//!                                  prescan, update (§3.2, §3.4)
//! ```
//!
//! The caller decides who may change which records ([`Update::touched`]), between the two steps: a client that may change nothing
//! learns nothing from prerequisites.
//!
//! | update | effect |
//! |---|---|
//! | CNAME beside other data, or other data beside a CNAME | none (§3.4.2.2) |
//! | SOA below the apex, or with a serial that is not newer | none |
//! | SOA deleted; all NS of the apex deleted, or the last one | none (§3.4.2.3, §3.4.2.4) |
//! | CNAME, DNAME or SOA where there is one | replaces it |
//! | WKS with the address and protocol of another | replaces it |
//! | any other record | added to its RRset, which gets its TTL |
//!
//! The serial is increased if records change and the update brings no newer SOA (§3.6). DNSKEY, NSEC3PARAM and other records of
//! DNSSEC are data like any other.
//!
//! *Limitations.* Signatures over changed RRsets are dropped; the caller signs again.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use nw_wire::message::Record;
use nw_wire::{Class, Message, Name, NameRef, Rcode, RdataSet, RrType, Rrset, Section, rr};

use crate::build;
use crate::edit::{Serial, ZoneEdit, contains, kind};
use crate::problem::ZoneFileErrors;
use crate::scan::is_data_type;
use crate::serial;
use crate::store::Zone;

#[cfg(test)]
mod tests;

/// Well-known services (RFC 1035 §3.4.2).
const WKS: RrType = RrType(11);
/// Stops an update of many such changes from filling the memory with their reasons.
pub const MOST_IGNORED: usize = 8;
/// Types that may be beside a CNAME: those of DNSSEC (RFC 4035 §2.5, RFC 2535 §2.3.5).
const BESIDE_CNAME: [RrType; 6] =
    [RrType::RRSIG, RrType::NSEC, RrType::NSEC3, RrType(24), RrType(25), RrType(30)];

/// The reason why an update changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rcode of the response.
    pub rcode: Rcode,
    /// The section of RFC 2136.
    pub rule: &'static str,
    /// What is wrong, in one sentence.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (RFC 2136 {})", self.text, self.rule)
    }
}

impl std::error::Error for Refusal {}

fn refuse<T>(rcode: Rcode, rule: &'static str, text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { rcode, rule, text: text.into() })
}

/// A condition of the update (RFC 2136 §2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Prerequisite {
    InUse(Name),
    NotInUse(Name),
    Exists(Name, RrType),
    Absent(Name, RrType),
    /// It is malformed. Those before it are checked first.
    Wrong(Refusal),
}

/// The effect of an update.
#[derive(Debug)]
pub struct Applied {
    /// The next version; None: no record changes.
    pub zone: Option<Zone>,
    /// The changes without effect because the zone would break, each with the reason and the section of RFC 2136. At most
    /// [`MOST_IGNORED`].
    pub ignored: Vec<String>,
}

/// One step of an update (RFC 2136 §2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Add the record.
    Add(Rrset),
    /// Delete the record. Its TTL does not matter.
    Remove(Rrset),
    /// Delete the RRset.
    Delete(Name, RrType),
    /// Delete all RRsets at the name.
    DeleteName(Name),
}

impl Change {
    /// The name that it changes.
    #[must_use]
    pub fn owner(&self) -> NameRef<'_> {
        match self {
            Self::Add(rrset) | Self::Remove(rrset) => rrset.owner.as_ref(),
            Self::Delete(owner, _) | Self::DeleteName(owner) => owner.as_ref(),
        }
    }

    /// The type that it changes. None: all.
    #[must_use]
    pub fn rtype(&self) -> Option<RrType> {
        match self {
            Self::Add(rrset) | Self::Remove(rrset) => Some(rrset.rtype),
            Self::Delete(_, rtype) => Some(*rtype),
            Self::DeleteName(_) => None,
        }
    }
}

/// As the command of an update client.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |rrset: &Rrset| rrset.to_string().replace('\t', " ");
        match self {
            Self::Add(rrset) => write!(f, "add {}", text(rrset)),
            Self::Remove(rrset) => write!(f, "delete {}", text(rrset)),
            Self::Delete(owner, rtype) => write!(f, "delete {owner} {rtype}"),
            Self::DeleteName(owner) => write!(f, "delete {owner}"),
        }
    }
}

/// A request to change a zone, whose form was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    zone: Name,
    class: Class,
    prerequisites: Vec<Prerequisite>,
    /// RRsets that have exactly these records. TTLs do not matter. They are checked after the other prerequisites.
    equal: BTreeMap<Key, Rrset>,
    changes: Vec<Change>,
    /// Why the change after these is malformed. Prerequisites are checked first.
    wrong: Option<Refusal>,
}

impl Update {
    /// Read an update. Only the zone section is checked (§3.1.1): `apply` reports what else is malformed, when its turn comes.
    pub fn read(message: &Message<'_>) -> Result<Update, Refusal> {
        let mut questions = message.questions();
        let (Some(question), None) = (questions.next(), questions.next()) else {
            return refuse(Rcode::FORMERR, "§3.1.1", "the zone section does not name exactly one zone");
        };
        if question.rtype != RrType::SOA {
            return refuse(
                Rcode::FORMERR,
                "§3.1.1",
                format!("the type of the zone section is {}, not SOA", question.rtype),
            );
        }
        let (zone, class) = (question.name.to_name(), question.class);
        if matches!(class, Class::ANY | Class::NONE) {
            return refuse(Rcode::FORMERR, "§3.1.1", format!("the class of the zone is {class}"));
        }
        let mut update = Update {
            zone,
            class,
            prerequisites: Vec::new(),
            equal: BTreeMap::new(),
            changes: Vec::new(),
            wrong: None,
        };
        for record in message.records(Section::Answer) {
            match update.prerequisite(&record) {
                Ok(prerequisite) => update.prerequisites.extend(prerequisite),
                Err(refusal) => {
                    update.prerequisites.push(Prerequisite::Wrong(refusal));
                    break;
                }
            }
        }
        for record in message.records(Section::Authority) {
            match update.change(&record) {
                Ok(change) => update.changes.push(change),
                Err(refusal) => {
                    update.wrong = Some(refusal);
                    break;
                }
            }
        }
        Ok(update)
    }

    /// The name of the zone.
    #[must_use]
    pub fn zone(&self) -> NameRef<'_> {
        self.zone.as_ref()
    }

    /// The class of the zone.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// The changes, in order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The number of prerequisites.
    #[must_use]
    pub fn prerequisites(&self) -> usize {
        self.prerequisites.len() + self.equal.len()
    }

    /// The owner of `record`, which must be in the zone.
    fn inside(&self, record: &Record<'_>, rule: &'static str) -> Result<Name, Refusal> {
        let owner = record.owner().to_name();
        if owner.as_ref().is_at_or_below(self.zone.as_ref()) {
            return Ok(owner);
        }
        refuse(Rcode::NOTZONE, rule, format!("{owner} is not in zone {}", self.zone))
    }

    /// Read a prerequisite, or keep it in `equal`.
    fn prerequisite(&mut self, record: &Record<'_>) -> Result<Option<Prerequisite>, Refusal> {
        let (rtype, empty) = (record.rtype, record.rdata_raw().is_empty());
        let malformed = |what: &str| {
            let place = format!("prerequisite {} {} {rtype}", record.owner().to_name(), record.class);
            refuse(Rcode::FORMERR, "§3.2", format!("{place}: {what}"))
        };
        if record.ttl != 0 {
            return malformed("its TTL is not 0");
        }
        let owner = self.inside(record, "§3.2")?;
        Ok(Some(match record.class {
            Class::ANY | Class::NONE if !empty => return malformed("it has data"),
            Class::ANY if rtype == RrType::ANY => Prerequisite::InUse(owner),
            Class::ANY => Prerequisite::Exists(owner, rtype),
            Class::NONE if rtype == RrType::ANY => Prerequisite::NotInUse(owner),
            Class::NONE => Prerequisite::Absent(owner, rtype),
            class if class == self.class => {
                let rrset = one(record, owner, class);
                let (rtype, covered) = kind(&rrset);
                match self.equal.entry((rrset.owner.clone(), rtype, covered)) {
                    Entry::Vacant(entry) => {
                        entry.insert(rrset);
                    }
                    Entry::Occupied(entry) => {
                        let known = entry.into_mut();
                        rrset.rdatas.iter().for_each(|rdata| known.rdatas.push(rdata));
                    }
                }
                return Ok(None);
            }
            _ => return malformed("its class is not ANY, NONE or that of the zone"),
        }))
    }

    fn change(&self, record: &Record<'_>) -> Result<Change, Refusal> {
        let (rtype, empty) = (record.rtype, record.rdata_raw().is_empty());
        let owner = self.inside(record, "§3.4.1")?;
        let malformed = |what: &str| {
            refuse(Rcode::FORMERR, "§3.4.1", format!("update {owner} {} {rtype}: {what}", record.class))
        };
        match record.class {
            Class::ANY | Class::NONE if record.ttl != 0 => malformed("its TTL is not 0"),
            Class::ANY if !empty => malformed("it has data"),
            Class::ANY if rtype == RrType::ANY => Ok(Change::DeleteName(owner)),
            _ if !is_data_type(rtype) => malformed("no zone has records of this type"),
            Class::ANY => Ok(Change::Delete(owner, rtype)),
            // The parser accepts records of this class without data, which prerequisites have.
            Class::NONE if rr::check(rtype, &expanded(record)).is_err() => malformed("it has no data"),
            Class::NONE => Ok(Change::Remove(one(record, owner, self.class))),
            class if class == self.class => {
                // The parser accepts empty data of the classes ANY and NONE only.
                Ok(Change::Add(one(record, owner, class)))
            }
            _ => malformed("its class is not ANY, NONE or that of the zone"),
        }
    }

    /// The owners and types that the update may change in `zone`: a permission is needed for each. A name that is deleted
    /// counts with each type that it has, except those that stay.
    #[must_use]
    pub fn touched(&self, zone: &Zone) -> BTreeSet<(Name, RrType)> {
        let mut touched = BTreeSet::new();
        let edit = zone.edit();
        for change in &self.changes {
            let owner = change.owner();
            match change.rtype() {
                Some(rtype) => {
                    touched.insert((owner.to_name(), rtype));
                }
                None => {
                    let types = edit.types(owner).into_iter().filter(|rtype| !stays(zone, owner, *rtype));
                    touched.extend(types.map(|rtype| (owner.to_name(), rtype)));
                }
            }
        }
        touched
    }

    /// Check the prerequisites against `zone` and return the version after the update. `serial`: of the new version;
    /// [`Serial::Next`] keeps a newer one that the update brings.
    pub fn apply(&self, zone: &Zone, serial: Serial) -> Result<Applied, Refusal> {
        if zone.apex() != self.zone.as_ref() || zone.class() != self.class {
            let text = format!("zone {} {} is not served here", self.zone, self.class);
            return refuse(Rcode::NOTAUTH, "§3.1.2", text);
        }
        let mut edit = zone.edit();
        self.prerequisites.iter().try_for_each(|prerequisite| holds(&edit, prerequisite))?;
        self.equal.values().try_for_each(|expected| equals(&edit, expected))?;
        self.wrong.clone().map_or(Ok(()), Err)?;
        let (mut touched, mut ignored) = (BTreeSet::new(), Vec::new());
        for change in &self.changes {
            if let Err((rule, why)) = step(&mut edit, change, &mut touched)
                && ignored.len() < MOST_IGNORED
            {
                ignored.push(format!("{change}: {why} (RFC 2136 {rule})"));
            }
        }
        let before = zone.edit();
        if touched.iter().all(|key| same(&before, &edit, key)) {
            return Ok(Applied { zone: None, ignored });
        }
        let zone = edit.commit(serial).map_err(|errors| Refusal {
            rcode: Rcode::REFUSED,
            rule: "§3.4.2",
            text: format!("the result is no zone: {}", first(&errors)),
        })?;
        Ok(Applied { zone: Some(zone), ignored })
    }
}

/// An RRset: owner, type, and for RRSIG the type covered.
type Key = (Name, RrType, RrType);

/// The first problem that prevents the zone from being served; the warnings were there before.
fn first(errors: &ZoneFileErrors) -> String {
    let fatal = errors.findings.iter().find(|finding| finding.problem.is_error());
    fatal.map_or_else(|| errors.to_string(), |finding| finding.problem.to_string())
}

/// The data of `record`, without compression.
fn expanded(record: &Record<'_>) -> Vec<u8> {
    let mut rdata = Vec::new();
    record.rdata(&mut rdata);
    rdata
}

/// `record` as an RRset of its own.
fn one(record: &Record<'_>, owner: Name, class: Class) -> Rrset {
    let rdata = expanded(record);
    Rrset {
        owner,
        rtype: record.rtype,
        class,
        ttl: record.ttl,
        rdatas: RdataSet::from_iter([rdata.as_slice()]),
    }
}

/// The RRset with the type and the covered type of `rrset` at its owner.
fn present(edit: &ZoneEdit, rrset: &Rrset) -> Option<Rrset> {
    let (rtype, covered) = kind(rrset);
    edit.rrset(rrset.owner.as_ref(), rtype, covered)
}

/// Check one prerequisite (RFC 2136 §3.2.1, §3.2.2).
fn holds(edit: &ZoneEdit, prerequisite: &Prerequisite) -> Result<(), Refusal> {
    let exists = |owner: &Name, rtype: RrType| edit.types(owner.as_ref()).contains(&rtype);
    match prerequisite {
        Prerequisite::InUse(owner) if edit.types(owner.as_ref()).is_empty() => {
            refuse(Rcode::NXDOMAIN, "§3.2.1", format!("{owner} has no records"))
        }
        Prerequisite::NotInUse(owner) if !edit.types(owner.as_ref()).is_empty() => {
            refuse(Rcode::YXDOMAIN, "§3.2.2", format!("{owner} has records"))
        }
        Prerequisite::Exists(owner, rtype) if !exists(owner, *rtype) => {
            refuse(Rcode::NXRRSET, "§3.2.1", format!("{owner} has no {rtype}"))
        }
        Prerequisite::Absent(owner, rtype) if exists(owner, *rtype) => {
            refuse(Rcode::YXRRSET, "§3.2.2", format!("{owner} has {rtype}"))
        }
        Prerequisite::Wrong(refusal) => Err(refusal.clone()),
        _ => Ok(()),
    }
}

/// Check that the RRset has the records that are `expected` (RFC 2136 §3.2.3).
fn equals(edit: &ZoneEdit, expected: &Rrset) -> Result<(), Refusal> {
    let equal = present(edit, expected).is_some_and(|found| {
        found.rdatas.iter().all(|rdata| contains(expected, rdata))
            && expected.rdatas.iter().all(|rdata| contains(&found, rdata))
    });
    if equal {
        return Ok(());
    }
    let text = format!("{} {} has other records than required", expected.owner, expected.rtype);
    refuse(Rcode::NXRRSET, "§3.2.3", text)
}

/// Whether no update deletes the RRset as a whole (RFC 2136 §3.4.2.3).
fn stays(zone: &Zone, owner: NameRef<'_>, rtype: RrType) -> bool {
    owner == zone.apex() && matches!(rtype, RrType::SOA | RrType::NS)
}

/// The section of RFC 2136 by which a change has no effect, and the reason.
type Ignored = (&'static str, &'static str);

/// The zone keeps its SOA and one NS (RFC 2136 §3.4.2.3, §3.4.2.4).
const KEPT: Ignored = ("§3.4.2.4", "the zone keeps its SOA and its last NS");

/// Make one change (RFC 2136 §3.4.2), and note which RRset it is about. A change that would break the zone has no effect.
fn step(edit: &mut ZoneEdit, change: &Change, touched: &mut BTreeSet<Key>) -> Result<(), Ignored> {
    let mut touch = |owner: NameRef<'_>, (rtype, covered)| touched.insert((owner.to_name(), rtype, covered));
    match change {
        Change::Add(rrset) => {
            add(edit, rrset)?;
            touch(rrset.owner.as_ref(), kind(rrset));
        }
        Change::Remove(rrset) => {
            let owner = rrset.owner.as_ref();
            let last = || present(edit, rrset).is_some_and(|present| present.rdatas.len() == 1);
            if rrset.rtype == RrType::SOA || (stays(edit.base(), owner, rrset.rtype) && last()) {
                return Err(KEPT);
            }
            edit.remove(rrset);
            touch(owner, kind(rrset));
        }
        Change::Delete(owner, rtype) => {
            if stays(edit.base(), owner.as_ref(), *rtype) {
                return Err(("§3.4.2.3", "the zone keeps its SOA and its NS"));
            }
            delete(edit, owner.as_ref(), *rtype, &mut touch);
        }
        Change::DeleteName(owner) => {
            for rtype in edit.types(owner.as_ref()) {
                delete(edit, owner.as_ref(), rtype, &mut touch);
            }
        }
    }
    Ok(())
}

/// Delete an RRset (RFC 2136 §3.4.2.3).
fn delete(
    edit: &mut ZoneEdit,
    owner: NameRef<'_>,
    rtype: RrType,
    touch: &mut impl FnMut(NameRef<'_>, (RrType, RrType)) -> bool,
) {
    if stays(edit.base(), owner, rtype) {
        return;
    }
    if rtype == RrType::RRSIG {
        for covered in edit.covered_at(owner) {
            touch(owner, (rtype, covered));
        }
    }
    edit.delete(owner, rtype);
    touch(owner, (rtype, RrType(0)));
}

/// Add a record, if it is one that can be added there (RFC 2136 §3.4.2.2).
fn add(edit: &mut ZoneEdit, rrset: &Rrset) -> Result<(), Ignored> {
    let owner = rrset.owner.as_ref();
    let types = edit.types(owner);
    let conflict = match rrset.rtype {
        RrType::CNAME => types.iter().any(|rtype| *rtype != RrType::CNAME && !BESIDE_CNAME.contains(rtype)),
        rtype => types.contains(&RrType::CNAME) && !BESIDE_CNAME.contains(&rtype),
    };
    if conflict {
        return Err(("§3.4.2.2", "a CNAME and other data exclude each other"));
    }
    match rrset.rtype {
        RrType::SOA => {
            let newer = |present: Rrset| serial::is_newer(serial_of(rrset), serial_of(&present));
            if !present(edit, rrset).is_some_and(newer) {
                return Err(("§3.4.2.2", "its serial is not newer, or there is no SOA"));
            }
            edit.put(rrset.clone());
        }
        RrType::CNAME | RrType::DNAME => {
            edit.put(rrset.clone());
        }
        WKS => {
            // The same address and protocol: the first five octets.
            let place = |rdata: &[u8]| rdata.get(..5).map(<[u8]>::to_vec);
            let new = rrset.rdatas.first().and_then(place);
            if let Some(mut others) = present(edit, rrset) {
                others.rdatas = others.rdatas.iter().filter(|rdata| place(rdata) == new).collect();
                edit.remove(&others);
            }
            edit.add(rrset);
        }
        _ => {
            edit.add(rrset);
        }
    }
    Ok(())
}

fn serial_of(soa: &Rrset) -> u32 {
    build::soa_serial(soa.rdatas.first().unwrap_or_default())
}

/// Whether both edits have the same records of one RRset.
fn same(before: &ZoneEdit, after: &ZoneEdit, (owner, rtype, covered): &Key) -> bool {
    let of = |edit: &ZoneEdit| edit.rrset(owner.as_ref(), *rtype, *covered);
    match (of(before), of(after)) {
        (None, None) => true,
        (Some(before), Some(after)) => {
            before.ttl == after.ttl
                && before.rdatas.len() == after.rdatas.len()
                && before.rdatas.iter().all(|rdata| contains(&after, rdata))
        }
        _ => false,
    }
}
