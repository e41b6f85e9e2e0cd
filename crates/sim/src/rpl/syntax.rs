//! Parses an `.rpl` file into a tree, without interpreting it.
//!
//! The parser reads both dialects: Unbound's configuration has clauses (`server:`, `stub-zone:`), Deckard's is flat.
//! Records remain text; [`crate::entry`] converts them to wire form.
//!
//! *Limitations*: `STEP` kinds that control one server's test program (`TRAFFIC`, `CHECK_TEMPFILE`,
//! `CHECK_AUTOTRUST`, `INFRA_RTT`, `ERROR`) are represented only by name.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::lines::{first_word, open_parentheses, strip_comment, unhex, unquote};
use crate::exec::Micros;

/// A complete file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// The text after `SCENARIO_BEGIN`.
    pub title: String,
    /// The configuration in file order. Flat settings are in a clause named `server`.
    pub config: Vec<Clause>,
    /// `TEMPFILE_CONTENTS` blocks by name.
    pub files: BTreeMap<String, String>,
    /// The answers of the scripted servers.
    pub ranges: Vec<Range>,
    /// The steps in ascending order.
    pub steps: Vec<Step>,
}

/// One clause of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// `server`, `stub-zone`, `forward-zone` ...
    pub kind: String,
    /// The line of its first line.
    pub line: usize,
    /// Its settings in order.
    pub settings: Vec<Setting>,
}

/// `key: value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The key in lower case.
    pub key: String,
    /// The value, without quotes if it was quoted as a whole.
    pub value: String,
    /// Its line.
    pub line: usize,
}

/// `RANGE_BEGIN from to` ... `RANGE_END`.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// The first step that it covers.
    pub from: u64,
    /// The last step that it covers.
    pub to: u64,
    /// The addresses of the servers that it plays. An empty list means every address.
    pub addresses: Vec<IpAddr>,
    /// Its entries in order.
    pub entries: Vec<EntryText>,
    /// Its line.
    pub line: usize,
}

/// `ENTRY_BEGIN` ... `ENTRY_END`. Words and records are text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntryText {
    /// Words of `MATCH`.
    pub matches: Vec<Word>,
    /// Words of `ADJUST`.
    pub adjusts: Vec<Word>,
    /// Words of `REPLY`.
    pub reply: Vec<Word>,
    /// `ADDRESS` inside the entry.
    pub address: Option<IpAddr>,
    /// The message, followed by one for each `EXTRA_PACKET`.
    pub packets: Vec<PacketText>,
    /// Its line.
    pub line: usize,
}

/// A word and its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// The word as written.
    pub text: String,
    /// Its line.
    pub line: usize,
}

/// The sections of one message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PacketText {
    /// Lines of QUESTION, ANSWER, AUTHORITY, ADDITIONAL.
    pub sections: [Vec<Word>; 4],
    /// A literal message that replaces the sections.
    pub raw: Option<Vec<u8>>,
    /// Literal OPT rdata.
    pub edns_data: Option<Vec<u8>>,
}

/// `STEP number ...`.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its number, to which ranges refer.
    pub number: u64,
    /// Its action.
    pub action: Action,
    /// Its line.
    pub line: usize,
}

/// The action of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send this query to the resolver.
    Query(EntryText),
    /// Compare the last answer received.
    CheckAnswer(EntryText),
    /// Advance the clock by this amount.
    Elapse(Micros),
    /// Advance the clock by the value of this expression in seconds.
    ElapseEval(String),
    /// Answer an outstanding upstream query once. If an address is given, the query must have been sent to it.
    Reply(EntryText),
    /// Leave the outstanding upstream query unanswered. If an address is given, the query must have been sent to it.
    Timeout(Option<IpAddr>),
    /// Check that the outstanding upstream query matches.
    CheckOutQuery(EntryText),
    /// Do nothing.
    Nothing,
    /// Set a variable.
    Assign(String, String),
    /// Remove the answer to `name type class` from the cache.
    FlushMessage(String),
    /// Expire the answer to `name type class`.
    ExpireMessage(String),
    /// A step of another server's test program, by its keyword.
    Foreign(String),
}

/// The reason why a file is not an `.rpl` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The line, starting at 1.
    pub line: usize,
    /// The fault.
    pub problem: Problem,
}

/// The faults of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No construct starts with this word.
    Keyword(String),
    /// The file ends before this word.
    Missing(&'static str),
    /// Not a number.
    Number(String),
    /// Not an IPv4 or IPv6 address.
    Address(String),
    /// Not an even number of hexadecimal digits.
    Hex,
    /// The word needs an argument.
    Argument(&'static str),
    /// A configuration line without a colon.
    NoColon(String),
    /// A record outside a section.
    NoSection,
    /// Step numbers do not ascend.
    StepOrder(u64),
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.problem {
            Problem::Keyword(word) => write!(f, "unexpected {word:?}"),
            Problem::Missing(word) => write!(f, "the file ends before {word}"),
            Problem::Number(word) => write!(f, "expected a number, got {word:?}"),
            Problem::Address(word) => write!(f, "expected an address, got {word:?}"),
            Problem::Hex => write!(f, "expected hexadecimal digits"),
            Problem::Argument(word) => write!(f, "{word} needs an argument"),
            Problem::NoColon(text) => write!(f, "expected \"key: value\", got {text:?}"),
            Problem::NoSection => write!(f, "a record outside a SECTION"),
            Problem::StepOrder(number) => write!(f, "step {number} does not follow the step before it"),
        }
    }
}

impl Script {
    /// Read a whole file.
    pub fn parse(text: &str) -> Result<Script, SyntaxError> {
        let mut reader = Reader { lines: text.lines().enumerate(), line: 0 };
        let mut script = Script::default();
        reader.config(&mut script)?;
        reader.scenario(&mut script)?;
        Ok(script)
    }
}

const CLAUSES: [&str; 15] = [
    "server",
    "stub-zone",
    "forward-zone",
    "auth-zone",
    "rpz",
    "view",
    "remote-control",
    "python",
    "dynlib",
    "dnscrypt",
    "cachedb",
    "ipset",
    "dnstap",
    "tls",
    "zone",
];

/// Split `value` before the next `key:` on the same line (`name: "." forward-addr: 192.0.2.1`). Quotes are respected.
fn split_setting(value: &str) -> (&str, &str) {
    let (mut quote, mut start) = (None, 0);
    for (at, byte) in value.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b' ' | b'\t') => start = at + 1,
            (None, b':') if start > 0 && value[at + 1..].starts_with([' ', '\t']) => {
                let key = &value.as_bytes()[start..at];
                let named = key.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
                if named && !key.is_empty() {
                    return (value[..start].trim_end(), &value[start..]);
                }
            }
            _ => {}
        }
    }
    (value, "")
}

struct Reader<'t> {
    lines: std::iter::Enumerate<std::str::Lines<'t>>,
    line: usize,
}

impl<'t> Reader<'t> {
    fn fail<T>(&self, problem: Problem) -> Result<T, SyntaxError> {
        // An empty file ends in its first line.
        Err(SyntaxError { line: self.line.max(1), problem })
    }

    fn next_line(&mut self, until: &'static str) -> Result<&'t str, SyntaxError> {
        match self.lines.next() {
            Some((index, text)) => {
                self.line = index + 1;
                Ok(text)
            }
            None => self.fail(Problem::Missing(until)),
        }
    }

    /// Return the next line that is not empty after its comment is removed.
    fn next_words(&mut self, until: &'static str) -> Result<&'t str, SyntaxError> {
        loop {
            let text = strip_comment(self.next_line(until)?, false);
            if !text.is_empty() {
                return Ok(text);
            }
        }
    }

    /// Return the lines up to `end` without comments.
    fn block(&mut self, end: &'static str) -> Result<String, SyntaxError> {
        let mut text = String::new();
        loop {
            let line = strip_comment(self.next_line(end)?, false);
            if first_word(line).0 == end {
                return Ok(text);
            }
            text.push_str(line);
            text.push('\n');
        }
    }

    fn number<T: std::str::FromStr>(&self, word: &str) -> Result<T, SyntaxError> {
        word.parse().or_else(|_| self.fail(Problem::Number(word.to_owned())))
    }

    fn address(&self, word: &str) -> Result<IpAddr, SyntaxError> {
        word.parse().or_else(|_| self.fail(Problem::Address(word.to_owned())))
    }

    // CONFIGURATION

    fn config(&mut self, script: &mut Script) -> Result<(), SyntaxError> {
        let mut in_config = true;
        loop {
            let raw = self.next_line("SCENARIO_BEGIN")?;
            let mut text = strip_comment(raw, in_config);
            let (keyword, rest) = first_word(text);
            match keyword {
                "" => continue,
                "CONFIG_END" => {
                    in_config = false;
                    continue;
                }
                "SCENARIO_BEGIN" => {
                    script.title = raw.trim_start().trim_start_matches("SCENARIO_BEGIN").trim().to_owned();
                    return Ok(());
                }
                "TEMPFILE_NAME" => {
                    // The line continues the value of the previous setting.
                    let setting = script.config.last_mut().and_then(|clause| clause.settings.last_mut());
                    if let Some(setting) = setting
                        && setting.value.is_empty()
                    {
                        setting.value = text.to_owned();
                    }
                    continue;
                }
                "TEMPFILE_CONTENTS" => {
                    let name = rest.to_owned();
                    let content = self.verbatim("TEMPFILE_END")?;
                    script.files.insert(name, content);
                    continue;
                }
                "AUTOTRUST_FILE" => {
                    self.verbatim("AUTOTRUST_END")?;
                    self.setting(script, "AUTOTRUST_FILE", rest);
                    continue;
                }
                "COMMANDLINE" => {
                    self.setting(script, "COMMANDLINE", rest);
                    continue;
                }
                _ if !in_config => return self.fail(Problem::Keyword(keyword.to_owned())),
                _ => {}
            }
            // "server: key: value" on one line is a clause and a setting.
            while !text.is_empty() {
                let Some((key, value)) = text.split_once(':') else {
                    return self.fail(Problem::NoColon(text.to_owned()));
                };
                let (key, value) = (key.trim(), value.trim());
                if key.contains(char::is_whitespace) || key.is_empty() {
                    return self.fail(Problem::NoColon(text.to_owned()));
                }
                if CLAUSES.contains(&key) {
                    script.config.push(Clause {
                        kind: key.to_owned(),
                        line: self.line,
                        settings: Vec::new(),
                    });
                    text = value;
                } else {
                    let (value, rest) = split_setting(value);
                    self.setting(script, key, value);
                    text = rest;
                }
            }
        }
    }

    fn setting(&self, script: &mut Script, key: &str, value: &str) {
        if script.config.is_empty() {
            script.config.push(Clause { kind: "server".to_owned(), line: self.line, settings: Vec::new() });
        }
        let clause = script.config.last_mut().expect("one was pushed when there was none");
        clause.settings.push(Setting {
            key: key.to_owned(),
            value: unquote(value).to_owned(),
            line: self.line,
        });
    }

    fn verbatim(&mut self, end: &'static str) -> Result<String, SyntaxError> {
        let mut text = String::new();
        loop {
            let line = self.next_line(end)?;
            if first_word(line).0 == end {
                return Ok(text);
            }
            text.push_str(line);
            text.push('\n');
        }
    }

    // SCENARIO

    fn scenario(&mut self, script: &mut Script) -> Result<(), SyntaxError> {
        loop {
            let text = self.next_words("SCENARIO_END")?;
            let (keyword, rest) = first_word(text);
            match keyword {
                "SCENARIO_END" => return Ok(()),
                "RANGE_BEGIN" => {
                    let range = self.range(rest)?;
                    script.ranges.push(range);
                }
                "STEP" => {
                    let step = self.step(rest)?;
                    if script.steps.last().is_some_and(|last| last.number > step.number) {
                        return self.fail(Problem::StepOrder(step.number));
                    }
                    script.steps.push(step);
                }
                _ => return self.fail(Problem::Keyword(keyword.to_owned())),
            }
        }
    }

    fn range(&mut self, bounds: &str) -> Result<Range, SyntaxError> {
        let line = self.line;
        let (from, to) = first_word(bounds);
        let (from, to) = (self.number(from)?, self.number(first_word(to).0)?);
        let mut range = Range { from, to, addresses: Vec::new(), entries: Vec::new(), line };
        loop {
            let text = self.next_words("RANGE_END")?;
            let (keyword, rest) = first_word(text);
            match keyword {
                "RANGE_END" => return Ok(range),
                "ADDRESS" => {
                    for word in rest.split_whitespace() {
                        range.addresses.push(self.address(word)?);
                    }
                }
                "ENTRY_BEGIN" => {
                    let entry = self.entry()?;
                    range.entries.push(entry);
                }
                _ => return self.fail(Problem::Keyword(keyword.to_owned())),
            }
        }
    }

    fn step(&mut self, rest: &str) -> Result<Step, SyntaxError> {
        let line = self.line;
        let (number, rest) = first_word(rest);
        let number = self.number(number)?;
        let (kind, rest) = first_word(rest);
        let action = match kind {
            "QUERY" => Action::Query(self.step_entry(rest)?),
            "CHECK_ANSWER" => Action::CheckAnswer(self.step_entry(rest)?),
            "REPLY" => Action::Reply(self.step_entry(rest)?),
            "CHECK_OUT_QUERY" => Action::CheckOutQuery(self.step_entry(rest)?),
            "TIMEOUT" => Action::Timeout(self.step_address(rest)?),
            "NOTHING" => Action::Nothing,
            "TIME_PASSES" => match first_word(rest) {
                ("ELAPSE", amount) => Action::Elapse(self.seconds(first_word(amount).0)?),
                ("EVAL", expr) if !expr.is_empty() => Action::ElapseEval(expr.to_owned()),
                ("EVAL", _) => return self.fail(Problem::Argument("EVAL")),
                (other, _) => return self.fail(Problem::Keyword(other.to_owned())),
            },
            "ASSIGN" => match rest.split_once('=') {
                Some((name, expr)) => {
                    Action::Assign(name.trim().trim_start_matches('$').to_owned(), expr.trim().to_owned())
                }
                None => return self.fail(Problem::Argument("ASSIGN")),
            },
            "FLUSH_MESSAGE" | "EXPIRE_MESSAGE" if rest.is_empty() => {
                return self.fail(Problem::Argument("the message"));
            }
            "FLUSH_MESSAGE" => Action::FlushMessage(rest.to_owned()),
            "EXPIRE_MESSAGE" => Action::ExpireMessage(rest.to_owned()),
            "TRAFFIC" | "INFRA_RTT" | "ERROR" => Action::Foreign(kind.to_owned()),
            "CHECK_TEMPFILE" | "CHECK_AUTOTRUST" => {
                // Followed by a block FILE_BEGIN ... FILE_END.
                self.verbatim("FILE_END")?;
                Action::Foreign(kind.to_owned())
            }
            _ => return self.fail(Problem::Keyword(kind.to_owned())),
        };
        Ok(Step { number, action, line })
    }

    fn step_address(&self, rest: &str) -> Result<Option<IpAddr>, SyntaxError> {
        match first_word(rest) {
            ("", _) => Ok(None),
            ("ADDRESS", word) => Ok(Some(self.address(first_word(word).0)?)),
            (other, _) => self.fail(Problem::Keyword(other.to_owned())),
        }
    }

    fn step_entry(&mut self, rest: &str) -> Result<EntryText, SyntaxError> {
        let mut address = self.step_address(rest)?;
        loop {
            let text = self.next_words("ENTRY_BEGIN")?;
            match first_word(text) {
                ("ADDRESS", word) => address = Some(self.address(first_word(word).0)?),
                ("ENTRY_BEGIN", _) => break,
                (other, _) => return self.fail(Problem::Keyword(other.to_owned())),
            }
        }
        let mut entry = self.entry()?;
        entry.address = entry.address.or(address);
        Ok(entry)
    }

    fn seconds(&self, word: &str) -> Result<Micros, SyntaxError> {
        let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
        let whole: u64 = self.number(whole)?;
        let padded = format!("{fraction:0<6}");
        let digits = padded.get(..6).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let Some(micros) = digits.and_then(|digits| digits.parse::<u64>().ok()) else {
            return self.fail(Problem::Number(word.to_owned()));
        };
        match whole.checked_mul(1_000_000).and_then(|value| value.checked_add(micros)) {
            Some(value) => Ok(value),
            None => self.fail(Problem::Number(word.to_owned())),
        }
    }

    fn words(&self, rest: &str, into: &mut Vec<Word>) {
        into.extend(rest.split_whitespace().map(|text| Word { text: text.to_owned(), line: self.line }));
    }

    fn entry(&mut self) -> Result<EntryText, SyntaxError> {
        let mut entry =
            EntryText { line: self.line, packets: vec![PacketText::default()], ..EntryText::default() };
        let mut section: Option<usize> = None;
        let mut raw: Option<String> = None;
        loop {
            let text = self.next_words("ENTRY_END")?;
            let (keyword, rest) = first_word(text);
            let packet = entry.packets.last_mut().expect("an entry starts with one packet");
            let is_keyword = matches!(
                keyword,
                "ENTRY_END"
                    | "MATCH"
                    | "ADJUST"
                    | "REPLY"
                    | "SECTION"
                    | "ADDRESS"
                    | "EXTRA_PACKET"
                    | "RAW"
                    | "HEX_ANSWER_BEGIN"
                    | "HEX_EDNSDATA_BEGIN"
            );
            if let Some(digits) = &mut raw {
                if !is_keyword {
                    digits.push_str(text);
                    continue;
                }
                match unhex(digits) {
                    Some(bytes) => packet.raw = Some(bytes),
                    None => return self.fail(Problem::Hex),
                }
                raw = None;
            }
            match keyword {
                "ENTRY_END" => return Ok(entry),
                "MATCH" => self.words(rest, &mut entry.matches),
                "ADJUST" => self.words(rest, &mut entry.adjusts),
                "REPLY" => self.words(rest, &mut entry.reply),
                "ADDRESS" => entry.address = Some(self.address(first_word(rest).0)?),
                "EXTRA_PACKET" => {
                    entry.packets.push(PacketText::default());
                    section = None;
                }
                "RAW" => raw = Some(rest.to_owned()),
                "HEX_ANSWER_BEGIN" => match unhex(&self.block("HEX_ANSWER_END")?) {
                    Some(bytes) => packet.raw = Some(bytes),
                    None => return self.fail(Problem::Hex),
                },
                "HEX_EDNSDATA_BEGIN" => match unhex(&self.block("HEX_EDNSDATA_END")?) {
                    Some(bytes) => packet.edns_data = Some(bytes),
                    None => return self.fail(Problem::Hex),
                },
                "SECTION" => {
                    section = match first_word(rest).0 {
                        "QUESTION" => Some(0),
                        "ANSWER" => Some(1),
                        "AUTHORITY" => Some(2),
                        "ADDITIONAL" => Some(3),
                        other => return self.fail(Problem::Keyword(other.to_owned())),
                    };
                }
                _ => {
                    let Some(section) = section else { return self.fail(Problem::NoSection) };
                    let line = self.line;
                    let mut record = text.to_owned();
                    let mut open = open_parentheses(text);
                    while open > 0 {
                        let more = self.next_words(")")?;
                        open += open_parentheses(more);
                        record.push(' ');
                        record.push_str(more);
                    }
                    packet.sections[section].push(Word { text: record, line });
                }
            }
        }
    }
}
