//! Records and questions as scenarios write them: `owner [ttl] [class] type rdata`, either order of TTL and class.

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

/// TTL of a record that names none.
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
    /// Seconds.
    pub ttl: u32,
    /// Uncompressed wire.
    pub rdata: Vec<u8>,
}

/// Why a line is not a record or question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The line ends before this.
    Missing(&'static str),
    /// This word is no type.
    Type(String),
    /// This word is no domain name.
    Name(String),
    /// The rdata is wrong.
    Text(TextError),
    /// There is more on the line.
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

/// What the words before the type say.
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
        // CLASS and TTL words are tried first: no type is called IN, and none starts with a digit.
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

    /// What two records must share to be the same: everything but the TTL and the case of names.
    pub fn key(&self) -> Key {
        let mut rdata = Vec::with_capacity(self.rdata.len());
        rr::canonical(self.rtype, &self.rdata, &mut rdata);
        // RFC 6840 §5.1 keeps the case in some types; comparison is lenient in all of them.
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

/// The set that `records` are, TTLs counting only when `with_ttl`.
pub fn as_set(records: &[Record], with_ttl: bool) -> BTreeSet<Key> {
    let key = |record: &Record| Key { ttl: if with_ttl { record.ttl } else { 0 }, ..record.key() };
    records.iter().map(key).collect()
}

/// A question line: `name [class] type`, or `name type`; the class may stand on either side.
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
    // "name ANY" asks for the type, "name ANY A" for the class.
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
