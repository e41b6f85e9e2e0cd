//! A view of a checked message. Reading a [`Message`] needs no further checks.
//!
//! Two functions check a packet. Both require a valid structure: the counts match the body, compression pointers
//! point strictly backward, names have at most 255 octets, and rdata ends inside the packet. They differ in the rest:
//!
//! | | [`Message::parse`] | [`Message::parse_reply`] |
//! |---|---|---|
//! | used for | queries, and messages that this program made | replies of other servers |
//! | octets after the last record | error | ignored, counted |
//! | a second OPT, or an OPT out of place | error | ignored, counted |
//! | a record whose rdata is not valid for its type | error | skipped by [`Message::records`], listed by [`Message::malformed`] |
//!
//! Both treat rdata that a server need not interpret as opaque: service parameters, CAA tags, locations and the like
//! are passed on unchanged (RFC 3597 §3, RFC 9460 §2.2). See [`rr::check_in_message`].
//!
//! A message borrows the packet. It copies and allocates nothing; the iterators read the packet itself.
//!
//! RFCs: 1035 §4 (format, compression), 2181 §8 (TTL), 3597 §4 (where compressed names are allowed), 6891 §6.1.1 (one
//! OPT, in additional, owned by the root), 8945 §5.1 (TSIG last).

use std::fmt;

use crate::code::{Class, Rcode, RrType};
use crate::edns::Opt;
use crate::hash::eq_folded;
use crate::header::{Flags, HEADER, Header};
use crate::name::{MAX_LABEL, MAX_LABELS, MAX_NAME, NameBuf, NameRef};
use crate::rr;

mod matching;
#[cfg(test)]
mod tests;

pub use matching::{Mismatch, mismatch, replies_to, same_case};

/// The reason why a packet is not a valid message. `at` is an offset in octets from the start of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageError {
    /// The packet has fewer than twelve octets. It has no id, so that no reply is possible.
    NoHeader,
    /// The packet ends inside the item that starts at `at`, or a count is larger than the number of items.
    Truncated {
        /// Where the item starts.
        at: usize,
    },
    /// Octets follow the last record.
    TrailingBytes {
        /// Where they start.
        at: usize,
    },
    /// A pointer does not point strictly backward (it forms a loop or points forward), or a label type is reserved.
    BadPointer {
        /// Where the pointer is.
        at: usize,
    },
    /// A name has more than 255 octets.
    NameTooLong {
        /// Where the name starts.
        at: usize,
    },
    /// The rdata is not valid for its type.
    BadRdata {
        /// Where the rdata starts.
        at: usize,
        /// The type of the record.
        rtype: RrType,
    },
    /// An OPT record is the second one, is outside the additional section, or is not owned by the root (RFC 6891
    /// §6.1.1).
    BadOpt {
        /// Where the record starts.
        at: usize,
    },
    /// A TSIG record is not the last record of the additional section (RFC 8945 §5.1).
    BadTsig {
        /// Where the record starts.
        at: usize,
    },
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageError::NoHeader => write!(f, "shorter than a header (12 octets)"),
            MessageError::Truncated { at } => write!(f, "the message ends inside the item at offset {at}"),
            MessageError::TrailingBytes { at } => write!(f, "surplus bytes from offset {at}"),
            MessageError::BadPointer { at } => {
                write!(f, "bad label or compression pointer at offset {at}: it must lead backward")
            }
            MessageError::NameTooLong { at } => {
                write!(f, "the name at offset {at} is over {MAX_NAME} octets")
            }
            MessageError::BadRdata { at, rtype } => write!(f, "rdata at offset {at} is not a valid {rtype}"),
            MessageError::BadOpt { at } => write!(f, "misplaced or repeated OPT at offset {at}"),
            MessageError::BadTsig { at } => write!(f, "TSIG at offset {at} is not the last record"),
        }
    }
}

impl std::error::Error for MessageError {}

/// Rdata up to this length fits RDLENGTH even after its names (at most two) are decompressed.
const NEAR_RDLENGTH: usize = u16::MAX as usize - 2 * MAX_NAME;

/// The sections of a message that hold records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// The records that answer the question.
    Answer = 0,
    /// The name servers of a zone, or the proof that a name or type does not exist.
    Authority = 1,
    /// Records that the receiver will probably need next, OPT, and TSIG.
    Additional = 2,
}

/// A checked message.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    header: Header,
    /// The offsets at which answer, authority and additional start, and at which additional ends.
    borders: [usize; 4],
    /// The offsets of the OPT and the TSIG record; 0 if there is none.
    opt_at: usize,
    tsig_at: usize,
    oddities: Oddities,
}

/// The number of faults that [`Message::parse_reply`] ignored in a reply. [`Message::parse`] leaves all counts at
/// zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Octets after the last record.
    pub trailing_octets: u32,
    /// OPT records after the first one, outside the additional section, or not owned by the root (RFC 6891 §6.1.1).
    pub extra_opt: u32,
    /// Records whose rdata is not valid for their type.
    pub malformed_records: u32,
}

impl Oddities {
    /// Return whether anything was ignored.
    pub fn any(self) -> bool {
        self != Oddities::default()
    }
}

impl<'a> Message<'a> {
    /// Check `bytes` as a complete message. Every fault is an error.
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, MessageError> {
        Message::read(bytes, false)
    }

    /// Check `bytes` as a reply. A fault of the structure is an error. Faults outside the structure or within single
    /// records are ignored and counted in [`Message::oddities`].
    pub fn parse_reply(bytes: &'a [u8]) -> Result<Message<'a>, MessageError> {
        Message::read(bytes, true)
    }

    fn read(bytes: &'a [u8], tolerant: bool) -> Result<Message<'a>, MessageError> {
        let header = Header::read(bytes).ok_or(MessageError::NoHeader)?;
        let mut at = HEADER;
        for _ in 0..header.counts[0] {
            let start = at;
            at = skip_name(bytes, at)? + 4;
            if at > bytes.len() {
                return Err(MessageError::Truncated { at: start });
            }
        }
        let oddities = Oddities::default();
        let mut message = Message { bytes, header, borders: [at; 4], opt_at: 0, tsig_at: 0, oddities };
        // The pointer that is the whole owner of the record before. It is followed once for all records that repeat it.
        let mut followed = None;
        for (section, &count) in
            [Section::Answer, Section::Authority, Section::Additional].iter().zip(&header.counts[1..])
        {
            for _ in 0..count {
                if message.tsig_at != 0 {
                    return Err(MessageError::BadTsig { at: message.tsig_at });
                }
                let owner: Option<&[u8; 2]> = bytes.get(at..).and_then(<[u8]>::first_chunk);
                let pointer = owner.copied().filter(|octets| octets[0] >= 0xc0);
                let fixed_at = match pointer {
                    Some(_) if pointer == followed => at + 2,
                    _ => skip_name(bytes, at)?,
                };
                followed = pointer;
                let record = Record::behind(bytes, at, fixed_at)?;
                match record.check() {
                    Ok(()) => message.note(&record, *section, tolerant)?,
                    Err(_) if tolerant => message.oddities.malformed_records += 1,
                    Err(error) => return Err(error),
                }
                at = record.end();
            }
            message.borders[*section as usize + 1] = at;
        }
        if at != bytes.len() {
            if !tolerant {
                return Err(MessageError::TrailingBytes { at });
            }
            message.oddities.trailing_octets = u32::try_from(bytes.len() - at).unwrap_or(u32::MAX);
        }
        Ok(message)
    }

    /// Store the offset of OPT or TSIG, and check that the record may stand there.
    fn note(&mut self, record: &Record<'a>, section: Section, tolerant: bool) -> Result<(), MessageError> {
        let at = record.owner_at;
        match record.rtype {
            RrType::OPT if self.opt_at == 0 && section == Section::Additional && self.bytes[at] == 0 => {
                self.opt_at = at;
            }
            RrType::OPT if tolerant => self.oddities.extra_opt += 1,
            RrType::OPT => return Err(MessageError::BadOpt { at }),
            RrType::TSIG if section == Section::Additional => self.tsig_at = at,
            RrType::TSIG => return Err(MessageError::BadTsig { at }),
            _ => {}
        }
        Ok(())
    }

    /// The number of faults that were ignored.
    pub fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// The octets of the message.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// The identifier.
    pub fn id(&self) -> u16 {
        self.header.id
    }

    /// The flags.
    pub fn flags(&self) -> Flags {
        self.header.flags
    }

    /// The response code, with the upper bits from OPT if there is one (RFC 6891 §6.1.3).
    pub fn rcode(&self) -> Rcode {
        /// Octets of an OPT record before its extended rcode: the root, type and class.
        const BEFORE: usize = 5;
        let low = self.header.flags.rcode().0;
        match self.opt_at {
            0 => Rcode(low),
            at => Rcode(u16::from(self.bytes[at + BEFORE]) << 4 | low),
        }
    }

    /// The questions. A query has at most one (RFC 9619).
    pub fn questions(&self) -> impl Iterator<Item = Question> + use<'a> {
        let bytes = self.bytes;
        let mut at = HEADER;
        (0..self.header.counts[0]).map_while(move |_| {
            let (name, next) = read_name(bytes, at).ok()?;
            let question =
                Question { name, rtype: RrType(word(bytes, next)), class: Class(word(bytes, next + 2)) };
            at = next + 4;
            Some(question)
        })
    }

    /// The first question.
    pub fn question(&self) -> Option<Question> {
        self.questions().next()
    }

    /// Return whether the message has a question, and the first one is about `name`.
    pub fn asks(&self, name: NameRef<'_>) -> bool {
        let question = self.bytes[HEADER..].get(..name.wire().len());
        self.header.counts[0] > 0 && question.is_some_and(|octets| eq_folded(octets, name.wire()))
    }

    /// The records of `section`, including OPT and TSIG, without the records that [`Message::malformed`] lists.
    pub fn records(&self, section: Section) -> Records<'a> {
        let (at, end) = (self.borders[section as usize], self.borders[section as usize + 1]);
        Records { bytes: self.bytes, at, end, checked: self.oddities.malformed_records == 0 }
    }

    /// The records of `section` whose rdata is not valid for their type. The RRset of such a record must not be used.
    pub fn malformed(&self, section: Section) -> impl Iterator<Item = MalformedRecord> + use<'a> {
        let (mut at, mut end) = (self.borders[section as usize], self.borders[section as usize + 1]);
        if self.oddities.malformed_records == 0 {
            (at, end) = (0, 0);
        }
        let bytes = self.bytes;
        std::iter::from_fn(move || {
            while at < end {
                let record = Record::checked(bytes, at);
                at = record.end();
                if let Err(error) = record.check() {
                    let (start, owner) = (record.start(), record.owner());
                    let (rtype, class) = (record.rtype, record.class);
                    return Some(MalformedRecord { start, owner, rtype, class, error });
                }
            }
            None
        })
    }

    /// The record that starts at `start`, which is the [`Record::start`] or [`MalformedRecord::start`] of one of this message.
    pub fn record_at(&self, start: usize) -> Record<'a> {
        Record::checked(self.bytes, start)
    }

    /// The records of the answer section.
    pub fn answer(&self) -> Records<'a> {
        self.records(Section::Answer)
    }

    /// The records of the authority section.
    pub fn authority(&self) -> Records<'a> {
        self.records(Section::Authority)
    }

    /// The records of the additional section without OPT and TSIG.
    pub fn additional(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        self.records(Section::Additional).filter(|record| !matches!(record.rtype, RrType::OPT | RrType::TSIG))
    }

    /// Whether the message has an OPT record.
    #[inline]
    pub fn has_opt(&self) -> bool {
        self.opt_at != 0
    }

    /// The OPT record (RFC 6891 §6.1.2).
    pub fn opt(&self) -> Option<Opt<'a>> {
        if self.opt_at == 0 {
            return None;
        }
        let record = Record::checked(self.bytes, self.opt_at);
        Some(Opt::from_record(record.class.0, record.ttl, record.rdata_raw()))
    }

    /// The TSIG record (RFC 8945 §4.2).
    pub fn tsig(&self) -> Option<Record<'a>> {
        (self.tsig_at != 0).then(|| Record::checked(self.bytes, self.tsig_at))
    }
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The queried name (QNAME), in the case that the client used.
    pub name: NameBuf,
    /// The queried type (QTYPE).
    pub rtype: RrType,
    /// The queried class (QCLASS).
    pub class: Class,
}

/// One record inside a message.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
    owner_at: usize,
    rdata_at: usize,
    rdata_len: usize,
    /// Its type.
    pub rtype: RrType,
    /// Its class. For OPT: the UDP payload size.
    pub class: Class,
    /// Its TTL in seconds. Values over 2^31 - 1 are read as 0 (RFC 2181 §8). For OPT: rcode, version and flags.
    pub ttl: u32,
}

impl<'a> Record<'a> {
    /// Read the fields that all records share from the record at `owner_at`, whose owner ends at `fixed_at`. The rdata is not
    /// checked.
    #[inline]
    fn behind(bytes: &'a [u8], owner_at: usize, fixed_at: usize) -> Result<Record<'a>, MessageError> {
        let truncated = MessageError::Truncated { at: owner_at };
        let fixed: &[u8; 10] = bytes.get(fixed_at..).and_then(<[u8]>::first_chunk).ok_or(truncated)?;
        let (rdata_at, rdata_len) = (fixed_at + 10, word(fixed, 8) as usize);
        if rdata_at + rdata_len > bytes.len() {
            return Err(truncated);
        }
        let (rtype, class) = (RrType(word(fixed, 0)), Class(word(fixed, 2)));
        let ttl = (word(fixed, 4) as u32) << 16 | word(fixed, 6) as u32;
        let ttl = if rtype != RrType::OPT && ttl > i32::MAX as u32 { 0 } else { ttl };
        Ok(Record { bytes, owner_at, rdata_at, rdata_len, rtype, class, ttl })
    }

    /// Read the same from a record that was read before. Its owner is not checked again.
    #[inline]
    fn checked(bytes: &'a [u8], at: usize) -> Record<'a> {
        Record::behind(bytes, at, end_of_name(bytes, at)).expect("checked when the message was parsed")
    }

    /// Check the rdata.
    fn check(&self) -> Result<(), MessageError> {
        // An UPDATE contains records without rdata in the classes ANY and NONE (RFC 2136 §2.4).
        if self.rdata_len == 0 && matches!(self.class, Class::ANY | Class::NONE) {
            return Ok(());
        }
        let bad = || MessageError::BadRdata { at: self.rdata_at, rtype: self.rtype };
        rr::check_in_message(self.rtype, self.bytes, self.rdata_at, self.rdata_len).map_err(|_| bad())?;
        // Rdata of this length may exceed RDLENGTH once its names are decompressed. No record could hold it then.
        if self.rdata_len > NEAR_RDLENGTH {
            let mut whole = Vec::new();
            rr::expand(self.rtype, self.bytes, self.rdata_at, self.rdata_len, &mut whole)
                .map_err(|_| bad())?;
            if whole.len() > u16::MAX as usize {
                return Err(bad());
            }
        }
        Ok(())
    }

    /// The owner name, decompressed.
    pub fn owner(&self) -> NameBuf {
        read_name(self.bytes, self.owner_at).expect("checked when the message was parsed").0
    }

    /// Return whether `name` owns the record.
    pub fn is_owned_by(&self, name: NameRef<'_>) -> bool {
        let (mut at, mut rest) = (self.owner_at, name.wire());
        loop {
            let first = self.bytes[at];
            if first >= 0xc0 {
                at = (word(self.bytes, at) & 0x3fff) as usize;
                // Most pointers lead to a whole name. Length octets are never ASCII letters.
                if self.bytes[at..].get(..rest.len()).is_some_and(|octets| eq_folded(octets, rest)) {
                    return true;
                }
                continue;
            }
            let label = 1 + first as usize;
            let same = rest.get(..label).is_some_and(|octets| eq_folded(octets, &self.bytes[at..at + label]));
            if !same || first == 0 {
                return same;
            }
            (at, rest) = (at + label, &rest[label..]);
        }
    }

    /// Where the owner name is in the message, if the record has a pointer in its place. Records with the same pointer have the
    /// same owner.
    #[inline]
    pub fn owner_pointer(&self) -> Option<u16> {
        word(self.bytes, self.owner_at).checked_sub(0xc000)
    }

    /// The rdata as it is in the message. Names in it may be compressed.
    pub fn rdata_raw(&self) -> &'a [u8] {
        &self.bytes[self.rdata_at..self.rdata_at + self.rdata_len]
    }

    /// Append the uncompressed rdata to `out`.
    pub fn rdata(&self, out: &mut Vec<u8>) {
        if !rr::may_be_compressed(self.rtype) {
            out.extend_from_slice(self.rdata_raw());
        } else if self.rdata_len > 0 {
            rr::expand_checked(self.rtype, self.bytes, self.rdata_at, self.rdata_len, out)
                .expect("checked when the message was parsed");
        }
    }

    /// The offset in the message at which the record starts.
    pub fn start(&self) -> usize {
        self.owner_at
    }

    /// The offset in the message at which the rdata starts.
    pub fn rdata_start(&self) -> usize {
        self.rdata_at
    }

    /// The offset in the message at which the record ends.
    pub fn end(&self) -> usize {
        self.rdata_at + self.rdata_len
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rdata = Vec::new();
        self.rdata(&mut rdata);
        let mut text = String::new();
        rr::to_text(self.rtype, &rdata, &mut text);
        write!(f, "{} {} {} {} {}", self.owner(), self.ttl, self.class, self.rtype, text)
    }
}

/// A record whose rdata is not valid for its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedRecord {
    /// The offset in the message at which it starts.
    pub start: usize,
    /// Its owner name.
    pub owner: NameBuf,
    /// Its type.
    pub rtype: RrType,
    /// Its class.
    pub class: Class,
    /// The fault of its rdata.
    pub error: MessageError,
}

/// The records of one section.
#[derive(Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    /// Whether every record passed its check when the message was parsed.
    checked: bool,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        while self.at < self.end {
            let record = Record::checked(self.bytes, self.at);
            self.at = record.end();
            if self.checked || record.check().is_ok() {
                return Some(record);
            }
        }
        None
    }
}

/// Return the two octets at `at` as a number.
fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// One element of a name in a message.
enum Piece {
    /// A label of this length (0 for the root) follows the length octet.
    Label(usize),
    /// The name continues at this offset.
    Pointer(usize),
}

/// Return the element at `at`.
///
/// A pointer must point to an offset after the header and before `barrier`, the start of the current run of labels.
/// Every jump therefore leads strictly backward, so that pointers cannot form a loop. The callers also limit the
/// number of jumps to the number of labels that a name can have, because a chain of pointers to pointers costs work
/// without adding labels.
fn piece(bytes: &[u8], at: usize, barrier: usize) -> Result<Piece, MessageError> {
    let first = *bytes.get(at).ok_or(MessageError::Truncated { at })? as usize;
    if first <= MAX_LABEL {
        return Ok(Piece::Label(first));
    }
    if first < 0xc0 {
        return Err(MessageError::BadPointer { at });
    }
    let second = *bytes.get(at + 1).ok_or(MessageError::Truncated { at })? as usize;
    let target = (first & 0x3f) << 8 | second;
    if (HEADER..barrier).contains(&target) {
        Ok(Piece::Pointer(target))
    } else {
        Err(MessageError::BadPointer { at })
    }
}

/// Check the name at `start`, following its pointers, and return the offset at which it ends in the packet.
pub(crate) fn skip_name(bytes: &[u8], start: usize) -> Result<usize, MessageError> {
    let (mut at, mut barrier, mut length, mut jumps, mut end) = (start, start, 0, 0, None);
    loop {
        match piece(bytes, at, barrier)? {
            Piece::Label(label) => {
                length += 1 + label;
                at += 1 + label;
                if length > MAX_NAME {
                    return Err(MessageError::NameTooLong { at: start });
                }
                if label == 0 {
                    return Ok(end.unwrap_or(at));
                }
            }
            Piece::Pointer(target) => {
                end.get_or_insert(at + 2);
                jumps += 1;
                if jumps > MAX_LABELS {
                    return Err(MessageError::BadPointer { at });
                }
                (at, barrier) = (target, target);
            }
        }
    }
}

/// Return the offset at which the name at `at` ends in the packet. The name has been checked.
#[inline]
fn end_of_name(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes[at] {
            0 => return at + 1,
            pointer if pointer >= 0xc0 => return at + 2,
            length => at += 1 + length as usize,
        }
    }
}

/// Return the decompressed name at `start` and the offset at which it ends in the packet.
pub fn read_name(bytes: &[u8], start: usize) -> Result<(NameBuf, usize), MessageError> {
    let (mut at, mut barrier, mut jumps, mut end) = (start, start, 0, None);
    let mut name = NameBuf::EMPTY;
    loop {
        match piece(bytes, at, barrier)? {
            Piece::Label(label) => {
                let next = at + 1 + label;
                let octets = bytes.get(at..next).ok_or(MessageError::Truncated { at })?;
                name.push(octets).map_err(|_| MessageError::NameTooLong { at: start })?;
                at = next;
                if label == 0 {
                    return Ok((name, end.unwrap_or(at)));
                }
            }
            Piece::Pointer(target) => {
                end.get_or_insert(at + 2);
                jumps += 1;
                if jumps > MAX_LABELS {
                    return Err(MessageError::BadPointer { at });
                }
                (at, barrier) = (target, target);
            }
        }
    }
}
