//! A tokenizer for master files, and the parsers of the words that records consist of.
//!
//! ```text
//! bytes ──► Tokens::next ──► Token (a slice of the input) ──► Tokens::u16, name, char_string, … ──► wire, appended
//! ```
//!
//! [`Tokens`] reads a whole file or one line. It joins lines inside parentheses, skips comments, distinguishes quoted
//! strings from words, and returns `None` at the end of a record. [`Tokens::next_record`] continues with the next
//! record. Nothing is copied: a token is a slice of the input with its offset, and the parser of the token resolves
//! escapes. The zone scanner, the rdata parser and the command line use this tokenizer, so that all three accept the
//! same syntax.
//!
//! Covered: RFC 1035 §5.1 (master files: words, quotes, `\X`, `\DDD`, parentheses, comments), RFC 2308 §4 and BIND's
//! TTL units in [`Tokens::period`], RFC 3597 §5 (`TYPE123`, `\#`).
//!
//! *Limitations*: a quoted string must end on its line, as in BIND, Knot and NSD. A newline inside it is an error.

mod read;
mod write;

#[cfg(test)]
mod tests;

pub use read::{ipv4, ipv6, number, period, unescape};
pub use write::{push_char_string, push_name, push_number, push_quoted, push_time};
pub(crate) use write::{push_escaped, push_padded, push_wire_name};

use std::fmt;

/// One word or quoted string of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// The bytes as written, without quotes. Escapes are not resolved.
    pub bytes: &'a [u8],
    /// The token was quoted: it is a string, never a mnemonic, `@` or `\#`.
    pub quoted: bool,
    /// The bytes contain a backslash.
    pub escaped: bool,
    /// Offset of the token's first byte (the quote, if quoted) in the input.
    pub at: usize,
}

/// Reads master-file text and yields the tokens of one record after the other.
///
/// ```
/// # use nw_wire::text::Tokens;
/// let mut tokens = Tokens::new(b"www 60 ( IN ; why\n A ) 192.0.2.1\nnext");
/// let mut words = Vec::new();
/// while let Some(token) = tokens.next()? { words.push(token.bytes); }
/// assert_eq!(words, [&b"www"[..], b"60", b"IN", b"A", b"192.0.2.1"]);
/// assert!(tokens.next_record());
/// # Ok::<(), nw_wire::text::TextError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
    opened: usize,
}

// Byte classes. Bytes with class zero belong to a word.
const WORD: u8 = 0;
const SPACE: u8 = 1;
const NEWLINE: u8 = 2;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const COMMENT: u8 = 5;
const QUOTE: u8 = 6;
const ESCAPE: u8 = 7;

const CLASS: [u8; 256] = {
    let mut class = [WORD; 256];
    class[b' ' as usize] = SPACE;
    class[b'\t' as usize] = SPACE;
    class[b'\r' as usize] = SPACE;
    class[b'\n' as usize] = NEWLINE;
    class[b'(' as usize] = OPEN;
    class[b')' as usize] = CLOSE;
    class[b';' as usize] = COMMENT;
    class[b'"' as usize] = QUOTE;
    class[b'\\' as usize] = ESCAPE;
    class
};

impl<'a> Tokens<'a> {
    /// Start at the first byte of `text`, a whole file or one record.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, depth: 0, opened: 0 }
    }

    /// Start at offset `at` of `text`, which must be the start of a record. Offsets of tokens refer to `text`.
    pub fn new_at(text: &'a [u8], at: usize) -> Self {
        Self { text, at: at.min(text.len()), depth: 0, opened: 0 }
    }

    /// Return the next token of this record, or None at its end (newline outside parentheses, or end of input). RFC
    /// 1035 §5.1
    #[allow(clippy::should_implement_trait)] // It returns Result<Option>, so that `?` ends a record at its first fault.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Token<'a>>, TextError> {
        self.token(false)
    }

    /// Do the same as [`Tokens::next`], but read `key="a b"` as one token, whose bytes include the quotes. RFC 9460
    /// §2.1
    pub fn next_pair(&mut self) -> Result<Option<Token<'a>>, TextError> {
        self.token(true)
    }

    #[inline]
    fn token(&mut self, pairs: bool) -> Result<Option<Token<'a>>, TextError> {
        let text = self.text;
        let mut at = self.at;
        loop {
            let Some(&byte) = text.get(at) else {
                self.at = at;
                return if self.depth > 0 {
                    Err(self.fault(self.opened, TextFault::UnclosedParen))
                } else {
                    Ok(None)
                };
            };
            match CLASS[byte as usize] {
                WORD | ESCAPE => return self.word(at, pairs).map(Some),
                SPACE => at += 1,
                NEWLINE if self.depth == 0 => {
                    self.at = at;
                    return Ok(None);
                }
                NEWLINE => at += 1,
                QUOTE => return self.quoted(at).map(Some),
                COMMENT => at = line_end(text, at),
                OPEN => {
                    if self.depth == 0 {
                        self.opened = at;
                    }
                    self.depth += 1;
                    at += 1;
                }
                _ => {
                    if self.depth == 0 {
                        self.at = at;
                        return Err(self.fault(at, TextFault::UnopenedParen));
                    }
                    self.depth -= 1;
                    at += 1;
                }
            }
        }
    }

    #[inline]
    fn word(&mut self, start: usize, pairs: bool) -> Result<Token<'a>, TextError> {
        let text = self.text;
        let mut at = start;
        let mut escaped = false;
        loop {
            // The fast path skips over the bytes of a word.
            at += text[at..].iter().take_while(|&&byte| CLASS[byte as usize] == WORD).count();
            match text.get(at) {
                Some(b'\\') => {
                    escaped = true;
                    if matches!(text.get(at + 1), None | Some(b'\n')) {
                        self.at = at + 1;
                        return Err(self.fault(at, TextFault::BadEscape));
                    }
                    at += 2;
                }
                Some(b'"') if pairs && at > start && text[at - 1] == b'=' => {
                    let value = self.quoted(at)?;
                    escaped |= value.escaped;
                    at = self.at;
                    break;
                }
                _ => break,
            }
        }
        self.at = at;
        Ok(Token { bytes: &text[start..at], quoted: false, escaped, at: start })
    }

    fn quoted(&mut self, start: usize) -> Result<Token<'a>, TextError> {
        let text = self.text;
        let mut at = start + 1;
        let mut escaped = false;
        loop {
            match text.get(at) {
                Some(b'"') => break,
                Some(b'\\') if !matches!(text.get(at + 1), None | Some(b'\n')) => {
                    escaped = true;
                    at += 2;
                }
                None | Some(b'\n' | b'\\') => {
                    self.at = at;
                    return Err(self.fault(start, TextFault::UnclosedQuote));
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok(Token { bytes: &text[start + 1..at], quoted: true, escaped, at: start })
    }

    /// Return an error unless the record ends here.
    pub fn end(&mut self) -> Result<(), TextError> {
        match self.next()? {
            None => Ok(()),
            Some(token) => Err(self.fault(token.at, TextFault::Trailing)),
        }
    }

    /// Skip the end of a record that [`Tokens::next`] reported. Returns false at the end of the input.
    pub fn next_record(&mut self) -> bool {
        if self.text.get(self.at) == Some(&b'\n') {
            self.at += 1;
        }
        self.at < self.text.len()
    }

    /// Skip the current line: continue after the next newline, outside all parentheses. Returns false at the end of
    /// the input.
    pub fn skip_line(&mut self) -> bool {
        self.depth = 0;
        self.at = line_end(self.text, self.at);
        self.next_record()
    }

    /// Skip the current record including its parentheses: continue after its end, as far as the end can be found.
    pub fn skip_record(&mut self) -> bool {
        loop {
            match self.next() {
                Ok(Some(_)) => {}
                Ok(None) => return self.next_record(),
                Err(_) => return self.skip_line(),
            }
        }
    }

    /// Return whether the record continues with `\\#`, the generic form. RFC 3597 §5
    #[inline]
    pub(crate) fn at_generic(&self) -> bool {
        let mut at = self.at;
        while let Some(b' ' | b'\t') = self.text.get(at) {
            at += 1;
        }
        match self.text.get(at) {
            Some(b'\\' | b'(' | b';' | b'\r' | b'\n') => {
                matches!(self.peek(), Ok(Some(Token { bytes: b"\\#", quoted: false, .. })))
            }
            _ => false,
        }
    }

    /// Return whether the next byte is a blank. At the start of a record, a blank means that the owner is the
    /// previous one. RFC 1035 §5.1
    #[inline]
    pub fn at_blank(&self) -> bool {
        matches!(self.text.get(self.at), Some(b' ' | b'\t'))
    }

    /// The offset of the next unread byte.
    #[inline]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The whole input.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    #[cold]
    pub(crate) fn fault(&self, at: usize, fault: TextFault) -> TextError {
        TextError { at, fault }
    }
}

fn line_end(text: &[u8], at: usize) -> usize {
    let from = at.min(text.len());
    text[from..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |found| from + found)
}

/// Return line and column of the offset `at` in `text`. Both start at 1; the column counts bytes.
pub fn position(text: &[u8], at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
    (line, column)
}

/// A fault of a text, with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The offset of the faulty token or byte in the input, or the end of the record if something is missing.
    pub at: usize,
    /// The fault.
    pub fault: TextFault,
}

/// The faults of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFault {
    /// The record ends before this item.
    Missing(Expected),
    /// The token is not a valid item of this kind.
    Wrong(Expected),
    /// A number is too large for its field.
    TooLarge(Expected),
    /// The record has more tokens than its type has fields.
    Trailing,
    /// A quoted string does not end on its line.
    UnclosedQuote,
    /// An opening parenthesis is not closed.
    UnclosedParen,
    /// A closing parenthesis has no opening one.
    UnopenedParen,
    /// A backslash ends the line, or `\DDD` is above 255 or has fewer than three digits.
    BadEscape,
    /// An empty label: two dots in a row, or a leading one. RFC 1035 §3.1
    EmptyLabel,
    /// A label of more than 63 octets. RFC 1035 §2.3.4
    LabelTooLong,
    /// A name of more than 255 octets. RFC 1035 §2.3.4
    NameTooLong,
    /// A character string of more than 255 octets. RFC 1035 §3.3
    StringTooLong,
    /// The length after `\#` differs from the number of octets that follow. RFC 3597 §5
    LengthDiffers {
        /// The length in the text.
        said: u16,
        /// The number of octets that follow.
        found: usize,
    },
    /// The octets after `\#` are not valid rdata of the type. RFC 3597 §5
    Rdata(crate::rr::RdataError),
    /// The rdata has more than 65,535 octets.
    RdataTooLong,
}

/// The items that a parser can expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A domain name.
    Name,
    /// A decimal number of 8 bits.
    U8,
    /// A decimal number of 16 bits.
    U16,
    /// A decimal number of 32 bits.
    U32,
    /// A decimal number of 48 bits.
    U48,
    /// Seconds, or a period as `1h30m`.
    Period,
    /// A time as `YYYYMMDDHHmmSS`, or seconds since 1970.
    Time,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A character string.
    CharString,
    /// A character string of at least four decimal digits.
    Digits,
    /// An RR type: mnemonic or `TYPE123`.
    Type,
    /// A DNSSEC algorithm: number or mnemonic.
    Algorithm,
    /// A certificate type: number or mnemonic.
    CertType,
    /// A DSYNC scheme: number or mnemonic.
    Scheme,
    /// Hexadecimal digits, an even number.
    Hex,
    /// Base64 (RFC 4648 §4).
    Base64,
    /// Base32 with the extended hex alphabet, no padding (RFC 4648 §7).
    Base32,
    /// Four groups of four hex digits, as `0014:4fff:ff20:ee64`.
    Node,
    /// Hex octets joined by hyphens, as `00-00-5e-00-53-2a`.
    Eui,
    /// A CAA property tag: letters and digits.
    Tag,
    /// A service parameter, as `port=853`.
    SvcParam,
    /// A value that this service parameter takes.
    SvcValue,
    /// An address prefix item, as `!1:192.0.2.0/24`.
    AplItem,
    /// A location, as `51 30 12.748 N 0 7 39.611 W 0.00m`.
    Location,
    /// A gateway type that is known.
    GatewayType,
    /// `.`, which stands for "no gateway" or "no relay".
    NoGateway,
    /// An IP protocol: number, `tcp` or `udp`.
    Protocol,
    /// A service: port number or well-known name.
    Service,
    /// An NSAP address, as `0x47.0005.80`.
    Nsap,
    /// An ATM address: hex with dots, or `+` and digits.
    Atma,
    /// `\#`, the only text form this type has. RFC 3597 §5
    Generic,
}

impl Expected {
    /// The phrase for the message "expected …".
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Name => "a domain name",
            Self::U8 => "a number from 0 to 255",
            Self::U16 => "a number from 0 to 65535",
            Self::U32 => "a number from 0 to 4294967295",
            Self::U48 => "a number from 0 to 281474976710655",
            Self::Period => "seconds or a period such as 1h30m",
            Self::Time => "a time as YYYYMMDDHHmmSS or seconds since 1970",
            Self::Ipv4 => "an IPv4 address",
            Self::Ipv6 => "an IPv6 address",
            Self::CharString => "a character string",
            Self::Digits => "an address of at least four decimal digits",
            Self::Type => "a record type",
            Self::Algorithm => "a DNSSEC algorithm number or mnemonic",
            Self::CertType => "a certificate type number or mnemonic",
            Self::Scheme => "a scheme number or NOTIFY",
            Self::Hex => "an even number of hexadecimal digits",
            Self::Base64 => "base64 data",
            Self::Base32 => "base32hex data without padding",
            Self::Node => "four groups of four hex digits such as 0014:4fff:ff20:ee64",
            Self::Eui => "hex octets joined by hyphens such as 00-00-5e-00-53-2a",
            Self::Tag => "a property tag of letters and digits",
            Self::SvcParam => "a service parameter such as port=853",
            Self::SvcValue => "a value that this service parameter takes",
            Self::AplItem => "an address prefix such as !1:192.0.2.0/24",
            Self::Location => "a location such as 51 30 12.748 N 0 7 39.611 W 0.00m",
            Self::GatewayType => "a known gateway type",
            Self::NoGateway => "\".\", for no gateway",
            Self::Protocol => "an IP protocol number, tcp or udp",
            Self::Service => "a port number or a well-known service name",
            Self::Nsap => "an NSAP address such as 0x47.0005.80",
            Self::Atma => "an ATM address: hex digits with dots, or + and decimal digits",
            Self::Generic => "\\# with a length and hex digits",
        }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "record ends too early: expected {}", what.phrase()),
            Self::Wrong(what) => write!(f, "expected {}", what.phrase()),
            Self::TooLarge(what) => write!(f, "number too large: expected {}", what.phrase()),
            Self::Trailing => f.write_str("more data than this record type takes"),
            Self::UnclosedQuote => f.write_str("quoted string does not end on its line"),
            Self::UnclosedParen => f.write_str("parenthesis is never closed"),
            Self::UnopenedParen => f.write_str("closing parenthesis without an opening one"),
            Self::BadEscape => f.write_str("bad escape: expected \\X or \\DDD from \\000 to \\255"),
            Self::EmptyLabel => f.write_str("empty label in a domain name"),
            Self::LabelTooLong => f.write_str("label longer than 63 octets"),
            Self::NameTooLong => f.write_str("name longer than 255 octets"),
            Self::StringTooLong => f.write_str("character string longer than 255 octets"),
            Self::LengthDiffers { said, found } => write!(f, "\\# says {said} octets but {found} follow"),
            Self::Rdata(error) => write!(f, "octets are not rdata of this type: {error}"),
            Self::RdataTooLong => f.write_str("more than 65535 octets of record data"),
        }
    }
}

impl std::error::Error for TextError {}
