//! The client side of a zone transfer (AXFR, IXFR): replies become a zone or differences, as they arrive and without I/O.
//!
//! ```text
//! query ──▶ primary        message ── Transfer::read ──┬─ records of the zone ─▶ batches ─────────┐
//!                          (any number)                ├─ records between SOAs ─▶ differences ────┤
//!                                                      ├─ the SOA again: complete                 └ Transfer::finish ─▶ Transferred
//!                                                      └─ anything that is wrong: TransferError, nothing is kept
//! ```
//!
//! The reply to IXFR has one of three forms, known by its second record: none follows and the serial is that of the client (nothing is
//! new), an SOA (differences, `incremental.rs`), or another record (the whole zone, as by AXFR).
//!
//! A primary is not trusted more than any server: octets, records, differences and messages are limited, and records outside of the
//! zone end the transfer. The caller opens the connection, verifies signatures and has a deadline.
//!
//! RFCs: 1995, 5936.

use std::fmt;

use nw_wire::header::{Flags, Header};
use nw_wire::message::{MessageError, Mismatch, mismatch};
use nw_wire::{Class, Message, Name, Opcode, Rcode, RrType};

use crate::batch::Batch;
use crate::build;
use crate::build::rules::Which;
use crate::difference::Difference;
use crate::problem::{Findings, ZoneFileErrors};
use crate::records;
use crate::scan::{LoadOptions, is_data_type};
use crate::serial::is_newer;
use crate::store::Zone;

mod incremental;

use incremental::Incremental;

/// The limits of a transfer. Each stops a primary that never ends, or that sends a zone to fill the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferLimits {
    /// Octets of all messages, and of the records of all differences without compression.
    pub octets: u64,
    /// Records, repeated ones included.
    pub records: u64,
    /// Differences: each is a version that is built.
    pub differences: usize,
}

/// What a transfer is.
#[derive(Debug)]
pub enum Transferred {
    /// The whole zone.
    Zone(Zone),
    /// What leads from the version of the client to that of the primary, oldest first; at least one.
    Differences(Vec<Difference>),
    /// The primary has the version of the client.
    Same,
}

/// A transfer in progress.
#[derive(Debug)]
pub struct Transfer {
    apex: Name,
    apex_labels: usize,
    query: Vec<u8>,
    /// The serial of the version that the client has, if the query is for IXFR.
    from: Option<u32>,
    limits: TransferLimits,
    octets: u64,
    records: u64,
    messages: u64,
    /// The rdata of the first SOA; None before the first message.
    soa: Option<Vec<u8>>,
    complete: bool,
    /// The differences, if the reply consists of them.
    incremental: Option<Incremental>,
    batches: Vec<Batch>,
    /// The owner of the last record, in wire form.
    last: Vec<u8>,
}

/// The reason why a transfer fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// A message is malformed.
    Message(MessageError),
    /// A message does not reply to the query.
    Mismatch(Mismatch),
    /// The primary reports an error.
    Rcode(Rcode),
    /// A message has the TC flag, which has no meaning here (RFC 5936 §2.2.1).
    Truncated,
    /// A message has no records.
    Empty,
    /// The first record is not the SOA of the zone (RFC 5936 §2.2).
    NoSoa,
    /// The last record is another SOA than the first one: the zone changed meanwhile.
    OtherSoa,
    /// Records follow the last SOA.
    Trailing,
    /// The primary has an older version than the client.
    Older {
        /// The serial of the primary.
        found: u32,
        /// The serial of the client.
        held: u32,
    },
    /// A difference does not begin with the version that the one before leads to, or does not lead to a newer one (RFC 1995 §4).
    OutOfSequence {
        /// The serial that the difference begins with, or leads from.
        expected: u32,
        /// The serial that is there.
        found: u32,
    },
    /// More differences than `TransferLimits::differences`.
    TooManyDifferences(usize),
    /// A record is outside of the zone.
    OutOfZone(Name),
    /// A record has a class or a type that no zone has.
    NotData(Name, Class, RrType),
    /// More octets than `TransferLimits::octets`.
    TooManyOctets(u64),
    /// More records than `TransferLimits::records`.
    TooManyRecords(u64),
    /// The primary ended the stream before the last SOA.
    Incomplete,
    /// The records are not a zone.
    Zone(ZoneFileErrors),
}

impl TransferError {
    /// Return a stable identifier for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Message(_) => "MALFORMED",
            Self::Mismatch(_) => "NOT_THE_REPLY",
            Self::Rcode(_) => "RCODE",
            Self::Truncated => "TRUNCATED",
            Self::Empty => "EMPTY",
            Self::NoSoa => "NO_SOA",
            Self::OtherSoa => "OTHER_SOA",
            Self::Trailing => "TRAILING",
            Self::Older { .. } => "OLDER",
            Self::OutOfSequence { .. } => "OUT_OF_SEQUENCE",
            Self::TooManyDifferences(_) => "TOO_MANY_DIFFERENCES",
            Self::OutOfZone(_) => "OUT_OF_ZONE",
            Self::NotData(..) => "NOT_DATA",
            Self::TooManyOctets(_) => "TOO_MANY_OCTETS",
            Self::TooManyRecords(_) => "TOO_MANY_RECORDS",
            Self::Incomplete => "INCOMPLETE",
            Self::Zone(_) => "BAD_ZONE",
        }
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(error) => write!(f, "a message is malformed: {error}"),
            Self::Mismatch(mismatch) => write!(f, "a message is not the reply: {mismatch}"),
            Self::Rcode(rcode) => write!(f, "the primary answers {rcode}"),
            Self::Truncated => f.write_str("a message is truncated"),
            Self::Empty => f.write_str("a message has no records"),
            Self::NoSoa => f.write_str("the first record is not the SOA of the zone"),
            Self::OtherSoa => f.write_str("the transfer ends with another SOA than it began with"),
            Self::Trailing => f.write_str("records follow the last SOA"),
            Self::Older { found, held } => {
                write!(f, "the primary has the serial {found}, which is older than {held}")
            }
            Self::OutOfSequence { expected, found } => {
                write!(f, "a difference has the serial {found}, which does not follow {expected}")
            }
            Self::TooManyDifferences(most) => write!(f, "more than {most} differences"),
            Self::OutOfZone(owner) => write!(f, "{owner} is outside of the zone"),
            Self::NotData(owner, class, rtype) => {
                write!(f, "{owner} {class} {rtype} is no record of a zone")
            }
            Self::TooManyOctets(most) => write!(f, "more than {most} octets"),
            Self::TooManyRecords(most) => write!(f, "more than {most} records"),
            Self::Incomplete => f.write_str("the primary ended the transfer before the last SOA"),
            Self::Zone(errors) => write!(f, "the records are not a zone: {errors}"),
        }
    }
}

impl std::error::Error for TransferError {}

impl Transfer {
    /// Start the transfer of the zone `apex` (AXFR). `id`: the id of the query, chosen at random.
    #[must_use]
    pub fn new(apex: Name, id: u16, limits: TransferLimits) -> Self {
        let query = question(&apex, RrType::AXFR, id, 0);
        Self::asking(apex, query, None, limits)
    }

    /// Start the transfer of what is newer than `zone` (IXFR). The SOA in the query says which version that is (RFC 1995 §3).
    #[must_use]
    pub fn incremental(zone: &Zone, id: u16, limits: TransferLimits) -> Self {
        let apex = zone.apex().to_name();
        let mut query = question(&apex, RrType::IXFR, id, 1);
        let soa = zone.rrset(zone.apex(), RrType::SOA).expect("every zone has an SOA");
        records::write(&soa, &mut query);
        Self::asking(apex, query, Some(zone.serial()), limits)
    }

    fn asking(apex: Name, query: Vec<u8>, from: Option<u32>, limits: TransferLimits) -> Self {
        Self {
            apex_labels: apex.as_ref().label_count(),
            apex,
            query,
            from,
            limits,
            octets: 0,
            records: 0,
            messages: 0,
            soa: None,
            complete: false,
            incremental: None,
            batches: vec![Batch::default()],
            last: Vec::new(),
        }
    }

    /// The query to send.
    #[must_use]
    pub fn query(&self) -> &[u8] {
        &self.query
    }

    /// Octets that arrived.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Records that arrived, the last SOA included.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Read the next message. Return whether the transfer is complete. After an error, the transfer is of no use.
    pub fn read(&mut self, bytes: &[u8]) -> Result<bool, TransferError> {
        self.octets += bytes.len() as u64;
        if self.octets > self.limits.octets {
            return Err(TransferError::TooManyOctets(self.limits.octets));
        }
        match mismatch(&self.query, bytes) {
            None => {}
            // Messages after the first may lack the question (RFC 5936 §2.2.1).
            Some(Mismatch::NoQuestion) if self.messages > 0 => {}
            Some(mismatch) => return Err(TransferError::Mismatch(mismatch)),
        }
        let message = Message::parse(bytes).map_err(TransferError::Message)?;
        if message.rcode() != Rcode::NOERROR {
            return Err(TransferError::Rcode(message.rcode()));
        }
        if message.flags().tc() {
            return Err(TransferError::Truncated);
        }
        let [_, answers, _, _] = message.header().counts;
        if answers == 0 {
            // Without this, a primary could send messages for ever that count nothing but their few octets.
            return Err(TransferError::Empty);
        }
        self.messages += 1;
        for record in message.answer() {
            if self.complete {
                return Err(TransferError::Trailing);
            }
            self.records += 1;
            if self.records > self.limits.records {
                return Err(TransferError::TooManyRecords(self.limits.records));
            }
            self.record(&record)?;
        }
        if self.records == 1 && self.from.is_some() && self.from == self.serial() {
            self.complete = true;
        }
        Ok(self.complete)
    }

    /// The serial of the first SOA.
    fn serial(&self) -> Option<u32> {
        self.soa.as_deref().map(build::soa_serial)
    }

    fn record(&mut self, record: &nw_wire::message::Record<'_>) -> Result<(), TransferError> {
        let owner = record.owner();
        let owner = owner.as_ref();
        if record.class != Class::IN || !is_data_type(record.rtype) {
            return Err(TransferError::NotData(owner.to_name(), record.class, record.rtype));
        }
        if !owner.is_at_or_below(self.apex.as_ref()) {
            return Err(TransferError::OutOfZone(owner.to_name()));
        }
        let is_soa = record.rtype == RrType::SOA && owner == self.apex.as_ref();
        if is_soa || self.soa.is_none() {
            if !is_soa {
                return Err(TransferError::NoSoa);
            }
            let mut rdata = Vec::new();
            record.rdata(&mut rdata);
            if self.records == 2
                && let Some(from) = self.from
            {
                self.incremental = Some(Incremental::new(from));
            }
            if let (Some(incremental), Some(last)) = (&mut self.incremental, &self.soa) {
                self.complete = incremental.soa(record, rdata, last, &self.limits)?;
                return Ok(());
            }
            match &self.soa {
                None => {
                    let found = build::soa_serial(&rdata);
                    if let Some(held) = self.from.filter(|held| found != *held && !is_newer(found, *held)) {
                        return Err(TransferError::Older { found, held });
                    }
                    self.soa = Some(rdata);
                }
                Some(first) if *first == rdata => {
                    self.complete = true;
                    return Ok(());
                }
                Some(_) => return Err(TransferError::OtherSoa),
            }
        }
        if self.from.is_some() && self.from == self.serial() && self.records > 1 {
            // The version of the client is no answer to "what is newer".
            return Err(TransferError::Trailing);
        }
        if let Some(incremental) = &mut self.incremental {
            return incremental.record(record, &self.limits);
        }
        let full = self.batches.last().is_none_or(Batch::is_full);
        if full {
            self.batches.push(Batch::default());
        }
        let batch = self.batches.last_mut().expect("one was pushed if there was none");
        if full || self.last != owner.wire() {
            batch.open(owner.wire(), self.apex_labels, 0);
            self.last.clear();
            self.last.extend_from_slice(owner.wire());
        }
        let at = batch.begin_record(record.rtype, record.ttl, 0);
        record.rdata(&mut batch.data);
        // Rdata of a parsed message fits its length field.
        batch.end_record(at, record.rtype);
        Ok(())
    }

    /// Return what was transferred. The rules for zone files apply to a zone.
    pub fn finish(self) -> Result<Transferred, TransferError> {
        if !self.complete {
            return Err(TransferError::Incomplete);
        }
        if let Some(incremental) = self.incremental {
            return Ok(Transferred::Differences(incremental.done));
        }
        if self.from.is_some() && self.records == 1 {
            return Ok(Transferred::Same);
        }
        let options = LoadOptions::default();
        let mut findings = Findings::new(options.max_findings);
        let (apex, workers) = (self.apex.as_ref(), options.workers());
        let zone = build::zone(self.batches, apex, Class::IN, workers, Which::Errors, &mut findings);
        let total = findings.errors;
        match zone {
            Some(zone) if total == 0 => Ok(Transferred::Zone(zone)),
            _ => Err(TransferError::Zone(ZoneFileErrors { findings: findings.in_order(), total })),
        }
    }
}

/// A query without its records. `records`: how many will be in the authority section.
fn question(apex: &Name, rtype: RrType, id: u16, records: u16) -> Vec<u8> {
    let flags = Flags::default().with_opcode(Opcode::QUERY);
    let mut query = Header { id, flags, counts: [1, 0, records, 0] }.to_wire().to_vec();
    query.extend_from_slice(apex.as_ref().wire());
    query.extend_from_slice(&rtype.0.to_be_bytes());
    query.extend_from_slice(&Class::IN.0.to_be_bytes());
    query
}

#[cfg(test)]
mod tests;
