//! A checked view of a message: a [`Message`] can be read without further checks.
//!
//! Two ways to check a packet share the same structural rules (counts that the body bears out, compression pointers that lead
//! strictly backward, names of at most 255 octets, rdata inside the packet):
//!
//! | | [`Message::parse`] | [`Message::parse_reply`] |
//! |---|---|---|
//! | for | queries, and messages of ours | replies, which somebody else's server made |
//! | octets after the last record | error | ignored, counted |
//! | a second OPT, or an OPT out of place | error | ignored, counted |
//! | a record whose rdata is not of its type | error | skipped by [`Message::records`], listed by [`Message::malformed`] |
//!
//! Rdata that nothing on its way has to understand is opaque in both: service parameters, CAA tags, locations and the like are
//! passed on as they are (RFC 3597 §3, RFC 9460 §2.2). See [`rr::check_in_message`].
//!
//! Nothing is copied and nothing is allocated. The iterators read the packet itself.
//!
//! RFCs: 1035 §4 (format, compression), 2181 §8 (TTL), 3597 §4 (where compressed names are allowed), 6891 §6.1.1 (one
//! OPT, in additional, owned by the root), 8945 §5.1 (TSIG last).

use std::fmt;

use crate::code::{Class, Rcode, RrType};
use crate::edns::Opt;
use crate::header::{Flags, HEADER, Header};
use crate::name::{MAX_LABEL, MAX_LABELS, MAX_NAME, NameBuf};
use crate::rr;

#[cfg(test)]
mod tests;

/// Why a packet is not a message. `at` is an offset in octets from the start of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageError {
    /// Fewer than twelve octets: there is no id to reply to.
    NoHeader,
    /// The packet ends inside the item that starts at `at`, or a count promises more than there is.
    Truncated {
        /// Where the item starts.
        at: usize,
    },
    /// Octets after the last record.
    TrailingBytes {
        /// Where they start.
        at: usize,
    },
    /// A pointer that does not lead strictly backward (a loop, or forward), or a reserved label type.
    BadPointer {
        /// Where the pointer is.
        at: usize,
    },
    /// A name of more than 255 octets.
    NameTooLong {
        /// Where the name starts.
        at: usize,
    },
    /// Rdata that is not of its type or length.
    BadRdata {
        /// Where the rdata starts.
        at: usize,
        /// The type that it claims to be.
        rtype: RrType,
    },
    /// A second OPT, one outside the additional section, or one not owned by the root (RFC 6891 §6.1.1).
    BadOpt {
        /// Where the record starts.
        at: usize,
    },
    /// A TSIG record that is not the last of the additional section (RFC 8945 §5.1).
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

/// Rdata up to this length fits RDLENGTH in whatever way its names, two at most, are written.
const NEAR_RDLENGTH: usize = u16::MAX as usize - 2 * MAX_NAME;

/// The sections of a message that hold records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// What was asked for.
    Answer = 0,
    /// The servers of a zone, or the proof of an absence.
    Authority = 1,
    /// What the receiver will probably need next; OPT and TSIG.
    Additional = 2,
}

/// A checked message.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    header: Header,
    /// Where answer, authority and additional start, and where the last one ends.
    borders: [usize; 4],
    /// Where the OPT record starts, and the TSIG record; 0 for none.
    opt_at: usize,
    tsig_at: usize,
    oddities: Oddities,
}

/// What [`Message::parse_reply`] ignored in a reply. All zero for a message from [`Message::parse`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Octets after the last record.
    pub trailing_octets: u32,
    /// OPT records after the first one, outside the additional section, or not owned by the root (RFC 6891 §6.1.1).
    pub extra_opt: u32,
    /// Records whose rdata is not of their type.
    pub malformed_records: u32,
}

impl Oddities {
    /// Whether anything was ignored.
    pub fn any(self) -> bool {
        self != Oddities::default()
    }
}

impl<'a> Message<'a> {
    /// Check `bytes` strictly as a whole message.
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, MessageError> {
        Message::read(bytes, false)
    }

    /// Check `bytes` as a reply: strict about the structure, tolerant of what lies outside it or in single records. What was
    /// ignored is counted in [`Message::oddities`].
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
        for (section, &count) in
            [Section::Answer, Section::Authority, Section::Additional].iter().zip(&header.counts[1..])
        {
            for _ in 0..count {
                if message.tsig_at != 0 {
                    return Err(MessageError::BadTsig { at: message.tsig_at });
                }
                let record = Record::frame(bytes, at)?;
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

    /// Note where OPT and TSIG are, and check that they may be there.
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

    /// What was ignored.
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

    /// The outcome, with the upper bits from OPT if there is one (RFC 6891 §6.1.3).
    pub fn rcode(&self) -> Rcode {
        let low = self.header.flags.rcode().0;
        Rcode(self.opt().map_or(low, |opt| (opt.extended_rcode() as u16) << 4 | low))
    }

    /// The questions; in practice one or none (RFC 9619).
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

    /// The records of `section`, OPT and TSIG included, without those that [`Message::malformed`] lists.
    pub fn records(&self, section: Section) -> Records<'a> {
        let (at, end) = (self.borders[section as usize], self.borders[section as usize + 1]);
        Records { bytes: self.bytes, at, end, checked: self.oddities.malformed_records == 0 }
    }

    /// The records of `section` whose rdata is not of their type. An RRset with such a record must not be used.
    pub fn malformed(&self, section: Section) -> impl Iterator<Item = MalformedRecord> + use<'a> {
        let (mut at, mut end) = (self.borders[section as usize], self.borders[section as usize + 1]);
        if self.oddities.malformed_records == 0 {
            (at, end) = (0, 0);
        }
        let bytes = self.bytes;
        std::iter::from_fn(move || {
            while at < end {
                let record = Record::frame(bytes, at).ok()?;
                at = record.end();
                if let Err(error) = record.check() {
                    let (owner, rtype, class) = (record.owner(), record.rtype, record.class);
                    return Some(MalformedRecord { owner, rtype, class, error });
                }
            }
            None
        })
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

    /// The OPT record (RFC 6891 §6.1.2).
    pub fn opt(&self) -> Option<Opt<'a>> {
        if self.opt_at == 0 {
            return None;
        }
        let record = Record::frame(self.bytes, self.opt_at).ok()?;
        Some(Opt::from_record(record.class.0, record.ttl, record.rdata_raw()))
    }

    /// The TSIG record (RFC 8945 §4.2).
    pub fn tsig(&self) -> Option<Record<'a>> {
        if self.tsig_at == 0 { None } else { Record::frame(self.bytes, self.tsig_at).ok() }
    }
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The name asked for, in the case in which it was asked.
    pub name: NameBuf,
    /// The type asked for.
    pub rtype: RrType,
    /// The class asked for.
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
    /// Seconds that it may be cached; values over 2^31 - 1 read as 0 (RFC 2181 §8). For OPT: rcode, version and flags.
    pub ttl: u32,
}

impl<'a> Record<'a> {
    /// Read the record at `at` as far as every record has the same form, without a look at its rdata.
    fn frame(bytes: &'a [u8], at: usize) -> Result<Record<'a>, MessageError> {
        let fixed = skip_name(bytes, at)?;
        let rdata_at = fixed + 10;
        if rdata_at > bytes.len() {
            return Err(MessageError::Truncated { at });
        }
        let rdata_len = word(bytes, fixed + 8) as usize;
        if rdata_at + rdata_len > bytes.len() {
            return Err(MessageError::Truncated { at });
        }
        let rtype = RrType(word(bytes, fixed));
        let class = Class(word(bytes, fixed + 2));
        let ttl = (word(bytes, fixed + 4) as u32) << 16 | word(bytes, fixed + 6) as u32;
        let ttl = if rtype != RrType::OPT && ttl > i32::MAX as u32 { 0 } else { ttl };
        Ok(Record { bytes, owner_at: at, rdata_at, rdata_len, rtype, class, ttl })
    }

    /// Check the rdata.
    fn check(&self) -> Result<(), MessageError> {
        // UPDATE sends records without rdata in classes ANY and NONE (RFC 2136 §2.4).
        if self.rdata_len == 0 && matches!(self.class, Class::ANY | Class::NONE) {
            return Ok(());
        }
        let bad = || MessageError::BadRdata { at: self.rdata_at, rtype: self.rtype };
        rr::check_in_message(self.rtype, self.bytes, self.rdata_at, self.rdata_len).map_err(|_| bad())?;
        // Rdata this long may outgrow RDLENGTH once its names are written out, and nothing behind could hold it.
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

    /// The rdata as it stands in the message, perhaps with compressed names.
    pub fn rdata_raw(&self) -> &'a [u8] {
        &self.bytes[self.rdata_at..self.rdata_at + self.rdata_len]
    }

    /// Append the rdata, uncompressed, to `out`.
    pub fn rdata(&self, out: &mut Vec<u8>) {
        if self.rdata_len > 0 {
            rr::expand(self.rtype, self.bytes, self.rdata_at, self.rdata_len, out)
                .expect("checked when the message was parsed");
        }
    }

    /// Where the record starts in the message.
    pub fn start(&self) -> usize {
        self.owner_at
    }

    /// Where the rdata starts in the message.
    pub fn rdata_start(&self) -> usize {
        self.rdata_at
    }

    /// Where the record ends in the message.
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

/// A record whose rdata is not of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedRecord {
    /// Its owner name.
    pub owner: NameBuf,
    /// Its type.
    pub rtype: RrType,
    /// Its class.
    pub class: Class,
    /// What is wrong with it.
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
            let record = Record::frame(self.bytes, self.at).expect("checked when the message was parsed");
            self.at = record.end();
            if self.checked || record.check().is_ok() {
                return Some(record);
            }
        }
        None
    }
}

/// Whether `reply` may be the reply to `query`: QR set, same id, opcode and question. A receiver drops every other packet and
/// goes on waiting (RFC 5452 §9.1).
///
/// Names are compared without regard to case (RFC 4343 §3): some servers and forwarders change it. A caller that mixes
/// case in order to detect forgeries compares with [`same_case`] as well. An error reply may lack the question, since a
/// server that cannot read a query has none to repeat; it must have no answer or authority records then.
pub fn replies_to(query: &[u8], reply: &[u8]) -> bool {
    mismatch(query, reply).is_none()
}

/// Why a packet is not the reply to a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// Shorter than a header.
    NoHeader,
    /// QR is clear.
    NotAReply,
    /// Another id.
    Id,
    /// Another opcode.
    Opcode,
    /// Another question, or more than one.
    Question,
    /// No question, in a reply that is not a plain error.
    NoQuestion,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mismatch::NoHeader => "shorter than a header (12 octets)",
            Mismatch::NotAReply => "a query, not a reply (QR is clear)",
            Mismatch::Id => "the id is not that of the query",
            Mismatch::Opcode => "the opcode is not that of the query",
            Mismatch::Question => "the question is not that of the query",
            Mismatch::NoQuestion => "the reply has no question and is not a plain error",
        })
    }
}

/// Why `reply` is not the reply to `query`; None when it may be: see [`replies_to`].
pub fn mismatch(query: &[u8], reply: &[u8]) -> Option<Mismatch> {
    let (Some(asked), Some(got)) = (Header::read(query), Header::read(reply)) else {
        return Some(Mismatch::NoHeader);
    };
    if !got.flags.qr() {
        return Some(Mismatch::NotAReply);
    }
    if got.id != asked.id {
        return Some(Mismatch::Id);
    }
    if got.flags.opcode() != asked.flags.opcode() {
        return Some(Mismatch::Opcode);
    }
    if got.counts[0] == 0 {
        let errors = [Rcode::FORMERR, Rcode::SERVFAIL, Rcode::NOTIMP, Rcode::REFUSED];
        let error = errors.iter().any(|error| error.0 == got.flags.rcode().0);
        let plain = error && got.counts[1] == 0 && got.counts[2] == 0;
        return if plain { None } else { Some(Mismatch::NoQuestion) };
    }
    same_question(query, reply).is_none_or(|same| !same).then_some(Mismatch::Question)
}

/// Whether `query` and `reply` have one question each and the same; None when there is none to compare.
fn same_question(query: &[u8], reply: &[u8]) -> Option<bool> {
    if [query, reply].iter().any(|bytes| Header::read(bytes).is_none_or(|header| header.counts[0] != 1)) {
        return None;
    }
    let end = skip_name(query, HEADER).ok()?;
    let (asked, got) = (query.get(HEADER..end + 4)?, reply.get(HEADER..end + 4)?);
    let name = end - HEADER;
    // Length octets are no letters, so names can be compared as text.
    Some(asked[..name].eq_ignore_ascii_case(&got[..name]) && asked[name..] == got[name..])
}

/// Whether `reply` repeats the question of `query` in the same case, or has no question. For packets of which
/// [`replies_to`] holds.
pub fn same_case(query: &[u8], reply: &[u8]) -> bool {
    if Header::read(reply).is_none_or(|header| header.counts[0] == 0) {
        return true;
    }
    let Ok(end) = skip_name(query, HEADER) else { return false };
    query.get(HEADER..end) == reply.get(HEADER..end)
}

/// Two octets at `at` as a number.
fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// One piece of a name in a message.
enum Piece {
    /// A label of this length (0 for the root) starts behind its length octet.
    Label(usize),
    /// The name goes on there.
    Pointer(usize),
}

/// The piece at `at`; a pointer must lead to before `barrier`, the start of the run of labels in which it stands, so that
/// every jump leads strictly backward and none can loop. A name needs at most one jump a label; its readers refuse more,
/// for a chain of pointers to pointers would cost them what no octet of the name pays for. The header is no place for a name.
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

/// Check the name at `start`, pointers followed, and return where it ends in the packet.
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

/// The name at `start`, decompressed, and where it ends in the packet.
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
