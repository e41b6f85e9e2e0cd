//! Records and questions in the form that scenarios use: `owner [ttl] [class] type rdata`, with TTL and class in
//! either order.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use nw_wire::code::{Class, RrType};
use nw_wire::message::{Question, Record as MessageRecord};
use nw_wire::name::{Name, NameBuf, NameRef};
use nw_wire::rr;
use nw_wire::rrset::Rrset;
use nw_wire::text::{TextError, Token, Tokens};

/// The TTL of a record without one.
pub const DEFAULT_TTL: u32 = 3600;

/// One record, uncompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its owner.
    pub owner: Name,
    /// Its type.
    pub rtype: RrType,
    /// Its class.
    pub class: Class,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its uncompressed rdata.
    pub rdata: Vec<u8>,
}

/// The reason why a line is not a record or question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The line ends before this item.
    Missing(&'static str),
    /// The word is not a type.
    Type(String),
    /// The word is not a domain name.
    Name(String),
    /// The rdata is malformed.
    Text(TextError),
    /// The line has more words.
    Trailing(String),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Missing(what) => write!(f, "{what} is missing"),
            RecordError::Type(word) => write!(f, "{word:?} is no record type"),
            RecordError::Name(word) => write!(f, "{word:?} is no domain name"),
            RecordError::Text(error) => write!(f, "{error}"),
            RecordError::Trailing(word) => write!(f, "unexpected {word:?}"),
        }
    }
}

impl From<TextError> for RecordError {
    fn from(error: TextError) -> RecordError {
        RecordError::Text(error)
    }
}

/// The words before the type.
struct Head {
    owner: NameBuf,
    ttl: Option<u32>,
    class: Class,
    rtype: RrType,
}

fn text_of(token: &Token<'_>) -> String {
    String::from_utf8_lossy(token.bytes).into_owned()
}

/// Seconds, with units (`1h30m`).
fn ttl(word: &str) -> Option<u32> {
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut tokens = Tokens::new(word.as_bytes());
    tokens.period().ok()
}

fn head(tokens: &mut Tokens<'_>, origin: NameRef<'_>) -> Result<Head, RecordError> {
    let owner = tokens.next()?.ok_or(RecordError::Missing("the owner name"))?;
    let owner = if owner.bytes == b"@" {
        origin.to_buf()
    } else {
        NameBuf::parse(owner.bytes, Some(origin)).map_err(|_| RecordError::Name(text_of(&owner)))?
    };
    let mut found = Head { owner, ttl: None, class: Class::IN, rtype: RrType(0) };
    loop {
        let word = text_of(&tokens.next()?.ok_or(RecordError::Missing("the type"))?);
        // Words are tried as CLASS and TTL first: no type is called IN, and no type starts with a digit.
        if let Ok(class) = word.parse::<Class>()
            && class != Class::ANY
            && class != Class::NONE
        {
            found.class = class;
        } else if let Some(seconds) = ttl(&word) {
            found.ttl = Some(seconds);
        } else {
            found.rtype = word.parse().map_err(|_| RecordError::Type(word))?;
            return Ok(found);
        }
    }
}

impl Record {
    /// Read one line.
    pub fn parse(line: &str, origin: NameRef<'_>, default_ttl: u32) -> Result<Record, RecordError> {
        let mut tokens = Tokens::new(line.as_bytes());
        let head = head(&mut tokens, origin)?;
        let mut rdata = Vec::new();
        rr::from_text(head.rtype, &mut tokens, origin, &mut rdata)?;
        tokens.end()?;
        Ok(Record {
            owner: head.owner.to_name(),
            rtype: head.rtype,
            class: head.class,
            ttl: head.ttl.unwrap_or(default_ttl),
            rdata,
        })
    }

    /// The record of a received message.
    pub fn of(record: &MessageRecord<'_>) -> Record {
        let mut rdata = Vec::new();
        record.rdata(&mut rdata);
        Record {
            owner: record.owner().to_name(),
            rtype: record.rtype,
            class: record.class,
            ttl: record.ttl,
            rdata,
        }
    }

    /// The records of an RRset.
    pub fn of_rrset(rrset: &Rrset) -> impl Iterator<Item = Record> + '_ {
        rrset.rdatas.iter().map(|rdata| Record {
            owner: rrset.owner.clone(),
            rtype: rrset.rtype,
            class: rrset.class,
            ttl: rrset.ttl,
            rdata: rdata.to_vec(),
        })
    }

    /// The parts in which equal records agree: everything except the TTL and the case of names.
    pub fn key(&self) -> Key {
        let mut rdata = Vec::with_capacity(self.rdata.len());
        rr::canonical(self.rtype, &self.rdata, &mut rdata);
        // RFC 6840 §5.1 preserves the case in some types. This comparison ignores it in all types.
        for field in rr::names(self.rtype, &self.rdata) {
            if let Some(name) = rdata.get_mut(field.start..field.end) {
                name.make_ascii_lowercase();
            }
        }
        let owner = self.owner.as_ref().lower().as_ref().wire().to_vec();
        Key { owner, rtype: self.rtype.0, class: self.class.0, ttl: 0, rdata }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        rr::to_text(self.rtype, &self.rdata, &mut text);
        write!(f, "{} {} {} {} {}", self.owner, self.ttl, self.class, self.rtype, text)
    }
}

/// The identity of a record in a set comparison; see [`Record::key`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    owner: Vec<u8>,
    rtype: u16,
    class: u16,
    ttl: u32,
    rdata: Vec<u8>,
}

/// Convert `records` to a set. TTLs matter only if `with_ttl` is set.
pub fn as_set(records: &[Record], with_ttl: bool) -> BTreeSet<Key> {
    let key = |record: &Record| Key { ttl: if with_ttl { record.ttl } else { 0 }, ..record.key() };
    records.iter().map(key).collect()
}

/// Parse a question: `name [class] type`, or `name type`. The class may also follow the type.
pub fn parse_question(line: &str, origin: NameRef<'_>) -> Result<Question, RecordError> {
    let mut tokens = Tokens::new(line.as_bytes());
    let name = tokens.next()?.ok_or(RecordError::Missing("the name"))?;
    let mut question = Question {
        name: NameBuf::parse(name.bytes, Some(origin)).map_err(|_| RecordError::Name(text_of(&name)))?,
        rtype: RrType(0),
        class: Class::IN,
    };
    let mut words = Vec::new();
    while let Some(token) = tokens.next()? {
        words.push(text_of(&token));
    }
    // In "name ANY", ANY is the type. In "name ANY A", it is the class.
    let (class, rtype) = match words.as_slice() {
        [] => return Err(RecordError::Missing("the type")),
        [rtype] => (None, rtype),
        [first, second] => match (first.parse::<Class>(), second.parse::<Class>()) {
            (Ok(class), _) => (Some(class), second),
            (_, Ok(class)) => (Some(class), first),
            _ => return Err(RecordError::Type(first.clone())),
        },
        [_, _, more, ..] => return Err(RecordError::Trailing(more.clone())),
    };
    question.class = class.unwrap_or(Class::IN);
    question.rtype = rtype.parse().map_err(|_| RecordError::Type(rtype.clone()))?;
    Ok(question)
}
