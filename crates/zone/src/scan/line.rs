//! One logical line: a record or a directive, in every form that the RFCs allow, with a finding for every mistake.
//!
//! [`Scanner::run`] first tries each line on the quick path of `plain.rs`. This module scans all other lines.

use std::sync::Arc;

use nw_wire::hash::eq_folded;
use nw_wire::text::{TextError, TextFault, Token, Tokens};
use nw_wire::{Class, NameBuf, NameRef, RrType, rr};

use super::chunk::records_start;
use super::{LoadOptions, Source, generate};
use crate::batch::Batch;
use crate::build::rules::Which;
use crate::problem::{Finding, Findings, Problem};
use crate::suffix::LabelStarts;

/// The state that a line inherits from the lines before it.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) origin: NameBuf,
    /// `$TTL` (RFC 2308 §4).
    pub(super) default_ttl: Option<u32>,
    /// The last TTL that a record stated (RFC 1035 §5.1).
    pub(super) last_ttl: Option<u32>,
    pub(super) owner: Owner,
}

/// The owner of a line without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// No owner was named yet.
    Unset,
    /// The last owner was rejected. Its records are checked and dropped.
    Refused,
    /// The group that is open in the batch, as written at this place in the text (0, 0 if in an included file).
    Open(usize, usize),
}

/// The properties of the whole zone, and the state that all its files share.
pub(super) struct Sink<'z> {
    pub(super) apex: NameRef<'z>,
    pub(super) apex_labels: usize,
    pub(super) options: &'z LoadOptions,
    pub(super) batch: Batch,
    pub(super) findings: Findings,
    /// The rules that included files must follow.
    pub(super) which: Which,
    /// The source of includes. None in a chunk, which has none.
    pub(super) source: Option<&'z mut dyn Source>,
    /// The open files, outermost first.
    pub(super) open: Vec<Arc<str>>,
    /// Records that `$GENERATE` lines have made.
    pub(super) generated: u32,
}

/// Scans the lines of one file.
pub(super) struct Scanner<'t, 's, 'z> {
    pub(super) text: &'t [u8],
    /// The offset of the next octet. Between lines, it is the first octet of a line.
    pub(super) at: usize,
    /// The line of `at`, from 1.
    pub(super) line: u32,
    pub(super) file: u16,
    pub(super) state: State,
    /// A record took its TTL from a record before this scanner's text.
    pub(super) leaned_on_last_ttl: bool,
    /// A record of this scanner's text stated a TTL.
    pub(super) stated_ttl: bool,
    /// The place of all findings, if a directive produced the text.
    pub(super) pinned: Option<(u32, u32)>,
    pub(super) sink: &'s mut Sink<'z>,
}

/// The record is skipped. Its finding was already reported.
pub(super) struct Skip;

impl<'t, 's, 'z> Scanner<'t, 's, 'z> {
    pub(super) fn new(
        text: &'t [u8],
        file: u16,
        state: State,
        sink: &'s mut Sink<'z>,
    ) -> Scanner<'t, 's, 'z> {
        Scanner {
            text,
            at: 0,
            line: 1,
            file,
            state,
            leaned_on_last_ttl: false,
            stated_ttl: false,
            pinned: None,
            sink,
        }
    }

    /// Scan the lines that start before `stop`.
    pub(super) fn run(&mut self, stop: usize) {
        while self.at < stop {
            if self.sink.batch.is_full() {
                self.find(self.at, Problem::TooLarge);
                return;
            }
            match self.text[self.at] {
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                }
                b';' => self.skip_line(),
                _ => {
                    if !self.plain() {
                        self.any();
                    }
                }
            }
        }
    }

    /// Move to the octet after the next newline.
    pub(super) fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|&octet| octet == b'\n').map_or(rest.len(), |found| found + 1);
        self.line += 1;
    }

    /// Scan a line of any form.
    fn any(&mut self) {
        let start = self.at;
        let known = self.sink.findings.kept.len();
        let mut tokens = Tokens::new_at(self.text, start);
        let result =
            if self.text[start] == b'$' { self.directive(&mut tokens) } else { self.record(&mut tokens) };
        if result.is_ok() {
            // The text that was read ends at the end of the record, or before trailing blanks and comments.
            tokens.skip_record();
        } else {
            // An open parenthesis or quote hides the start of the next record.
            let unclosed = {
                let mut again = Tokens::new_at(self.text, start);
                loop {
                    match again.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break None,
                        Err(error @ TextError { fault: TextFault::UnclosedParen, .. }) => break Some(error),
                        Err(_) => break None,
                    }
                }
            };
            if let Some(error) = unclosed {
                // The lines below the parenthesis are read as its content: their faults are not theirs.
                let (line, _) = self.place(error.at);
                if self.sink.findings.forget_below(known, line) {
                    let _ = self.text_error(None, error);
                }
                self.skip_line();
                // The lines inside the parentheses start with blanks.
                while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b')')) {
                    self.skip_line();
                }
                return;
            }
            tokens = Tokens::new_at(self.text, start);
            tokens.skip_record();
        }
        let end = tokens.offset().max(start + 1).min(self.text.len());
        self.line += self.text[start..end].iter().filter(|&&octet| octet == b'\n').count() as u32;
        self.at = end;
    }

    /// `[owner] [TTL] [class] type rdata`, TTL and class in either order (RFC 1035 §5.1).
    fn record(&mut self, tokens: &mut Tokens<'_>) -> Result<(), Skip> {
        if tokens.at_blank() {
            if tokens.peek().map_err(|error| self.text_error(None, error))?.is_none() {
                return Ok(());
            }
            if self.state.owner == Owner::Unset {
                self.find(self.at, Problem::NoOwner);
                return Err(Skip);
            }
        } else {
            match tokens.next() {
                Ok(None) => return Ok(()),
                Ok(Some(token)) => self.owner(token),
                Err(error) => {
                    // The record has an owner, but it is unknown.
                    self.state.owner = Owner::Refused;
                    return Err(self.text_error(None, error));
                }
            }
        }
        self.behind_owner(tokens)
    }

    /// Scan the record after its owner.
    fn behind_owner(&mut self, tokens: &mut Tokens<'_>) -> Result<(), Skip> {
        let (mut ttl, mut class) = (None, None);
        let (rtype, type_at) = loop {
            let Some(token) = tokens.next().map_err(|error| self.text_error(None, error))? else {
                self.find(tokens.offset(), Problem::RecordEnds);
                return Err(Skip);
            };
            let word = token.ascii().unwrap_or("");
            if ttl.is_none() && token.bytes.first().is_some_and(u8::is_ascii_digit) && !token.quoted {
                match ttl_value(token.bytes) {
                    Some(value) => ttl = Some(value),
                    None => {
                        self.find(token.at, Problem::Ttl);
                        // The rest is still readable.
                        ttl = Some(0);
                    }
                }
            } else if let (None, Ok(found)) = (class, word.parse::<Class>())
                && !matches!(found, Class::ANY | Class::NONE)
            {
                class = Some(found);
                let zone = self.sink.options.class;
                if found != zone {
                    self.find(token.at, Problem::Class { found, zone });
                    return Err(Skip);
                }
            } else if let Ok(rtype) = word.parse::<RrType>() {
                break (rtype, token.at);
            } else {
                let word = String::from_utf8_lossy(token.bytes).into_owned();
                self.find(token.at, Problem::UnknownType(word));
                return Err(Skip);
            }
        };
        if !is_data_type(rtype) {
            self.find(type_at, Problem::MetaType(rtype));
            return Err(Skip);
        }
        self.rdata(tokens, ttl, rtype, type_at)
    }

    fn rdata(
        &mut self,
        tokens: &mut Tokens<'_>,
        ttl: Option<u32>,
        rtype: RrType,
        type_at: usize,
    ) -> Result<(), Skip> {
        let line = self.place(self.at).0;
        if self.state.owner == Owner::Refused {
            // Report the other problems, but store nothing.
            let result = rr::from_text(rtype, tokens, self.state.origin.as_ref(), &mut Vec::new());
            return result.map_err(|error| self.text_error(Some(rtype), error));
        }
        let batch = &mut self.sink.batch;
        let at = batch.begin_record(rtype, 0, line);
        let result = rr::from_text(rtype, tokens, self.state.origin.as_ref(), &mut batch.data)
            .and_then(|()| tokens.end());
        if let Err(error) = result {
            batch.drop_record(at);
            return Err(self.text_error(Some(rtype), error));
        }
        let minimum = batch.data.last_chunk::<4>().map_or(0, |octets| u32::from_be_bytes(*octets));
        let ttl = match self.ttl(ttl) {
            Some(ttl) => ttl,
            // RFC 2308 §4 has no default for this record. All servers use the SOA's minimum.
            None if rtype == RrType::SOA => minimum & 0x7fff_ffff,
            None => {
                self.sink.batch.drop_record(at);
                self.find(type_at, Problem::NoTtl);
                return Err(Skip);
            }
        };
        if rtype == RrType::SOA && self.state.default_ttl.is_none() && self.state.last_ttl.is_none() {
            self.state.last_ttl = Some(ttl);
        }
        let batch = &mut self.sink.batch;
        batch.data[at + 2..at + 6].copy_from_slice(&ttl.to_le_bytes());
        if !batch.end_record(at, rtype) {
            let fault = TextFault::RdataTooLong;
            self.find(type_at, Problem::Text { rtype: Some(rtype), fault });
        }
        Ok(())
    }

    /// The TTL of a record: `stated`, or else that of `$TTL`, or else the last one.
    #[inline]
    pub(super) fn ttl(&mut self, stated: Option<u32>) -> Option<u32> {
        if stated.is_some() {
            self.state.last_ttl = stated;
            self.stated_ttl = true;
            return stated;
        }
        if self.state.default_ttl.is_some() {
            return self.state.default_ttl;
        }
        self.leaned_on_last_ttl |= !self.stated_ttl;
        if self.state.last_ttl.is_some() {
            let (line, column) = self.pinned.unwrap_or((self.line, 0));
            let file = self.sink.batch.files.get(self.file as usize).cloned();
            self.sink.findings.push(Finding { file, line, column, problem: Problem::InheritedTtl });
        }
        self.state.last_ttl
    }

    /// Make `token` the owner of the following records. Reports an invalid owner once.
    fn owner(&mut self, token: Token<'_>) {
        if let Owner::Open(start, end) = self.state.owner
            && self.pinned.is_none()
            && start < end
            && self.text[start..end] == *token.bytes
        {
            return;
        }
        let mut wire = Vec::new();
        self.state.owner = Owner::Refused;
        let parsed = if token.quoted {
            Err(TextError { at: token.at, fault: TextFault::Wrong(nw_wire::text::Expected::Name) })
        } else {
            token.name(self.state.origin.as_ref(), &mut wire)
        };
        match parsed {
            Err(error) => {
                self.text_error(None, error);
            }
            Ok(()) => {
                let owner = NameRef::from_wire(&wire).expect("a parsed name is a name");
                if owner.is_at_or_below(self.sink.apex) {
                    self.sink.batch.open(&wire, self.sink.apex_labels, self.file);
                    self.state.owner = Owner::Open(token.at, token.at + token.bytes.len());
                } else {
                    let (owner, apex) = (owner.to_name(), self.sink.apex.to_name());
                    self.find(token.at, Problem::OutOfZone { owner, apex });
                }
            }
        }
    }

    fn directive(&mut self, tokens: &mut Tokens<'_>) -> Result<(), Skip> {
        let Some(word) = tokens.next().map_err(|error| self.text_error(None, error))? else { return Ok(()) };
        if word.is(b"$ORIGIN") {
            let origin = self.argument_name(tokens, "$ORIGIN NAME")?;
            self.no_more(tokens, "$ORIGIN NAME")?;
            self.state.origin = origin;
            // The same word now refers to another name.
            if let Owner::Open(..) = self.state.owner {
                self.state.owner = Owner::Open(0, 0);
            }
            Ok(())
        } else if word.is(b"$TTL") {
            let token = self.argument(tokens, "$TTL SECONDS")?;
            let Some(ttl) = ttl_value(token.bytes).filter(|_| !token.quoted) else {
                self.find(token.at, Problem::Ttl);
                return Err(Skip);
            };
            self.no_more(tokens, "$TTL SECONDS")?;
            self.state.default_ttl = Some(ttl);
            Ok(())
        } else if word.is(b"$INCLUDE") {
            self.include(tokens)
        } else if word.is(b"$GENERATE") {
            generate::run(self, tokens)
        } else {
            let problem = Problem::UnknownDirective(String::from_utf8_lossy(word.bytes).into_owned());
            self.find(word.at, problem);
            Err(Skip)
        }
    }

    /// `$INCLUDE FILE [ORIGIN]`: restores origin and owner at the end of the file (RFC 1035 §5.1). `$TTL` stays in
    /// effect.
    fn include(&mut self, tokens: &mut Tokens<'_>) -> Result<(), Skip> {
        const FORM: &str = "$INCLUDE FILE [ORIGIN]";
        let token = self.argument(tokens, FORM)?;
        let mut path = Vec::new();
        token.octets(&mut path).map_err(|error| self.text_error(None, error))?;
        let path = String::from_utf8_lossy(&path).into_owned();
        let origin = match tokens.peek() {
            Ok(Some(_)) => self.argument_name(tokens, FORM)?,
            _ => self.state.origin,
        };
        self.no_more(tokens, FORM)?;
        let from = self.sink.open.last().cloned().unwrap_or_else(|| "".into());
        let limit = self.sink.options.max_include_depth;
        if self.sink.open.len() > limit as usize {
            self.find(token.at, Problem::IncludeDepth { limit });
            return Err(Skip);
        }
        let limit = self.sink.options.max_includes;
        // The first file of the batch is the main one.
        if self.sink.batch.files.len() > limit as usize {
            self.find(token.at, Problem::IncludeCount { limit });
            return Err(Skip);
        }
        let read = match &mut self.sink.source {
            Some(source) => source.include(&path, &from),
            None => Err("includes are not possible here".into()),
        };
        let file = match read {
            Ok(file) => file,
            Err(reason) => {
                self.find(token.at, Problem::Include { path, reason });
                return Err(Skip);
            }
        };
        let name = file.name.clone();
        if self.sink.open.contains(&name) {
            self.find(token.at, Problem::IncludeLoop { path });
            return Err(Skip);
        }
        let Ok(number) = u16::try_from(self.sink.batch.files.len()) else {
            self.find(token.at, Problem::TooLarge);
            return Err(Skip);
        };
        let Some(start) = records_start(&file, self.sink.which, &mut self.sink.findings) else {
            return Err(Skip);
        };
        self.sink.batch.files.push(name.clone());
        self.sink.open.push(name);
        let outer = self.state.clone();
        let inner = State { origin, owner: Owner::Unset, ..outer.clone() };
        let text = &file.bytes[start..];
        let mut scanner = Scanner::new(text, number, inner, self.sink);
        scanner.run(text.len());
        let State { default_ttl, last_ttl, .. } = scanner.state;
        self.sink.open.pop();
        self.state = State { default_ttl, last_ttl, ..outer };
        self.reopen();
        Ok(())
    }

    /// Open a group for the current owner again after the records of an included file.
    pub(super) fn reopen(&mut self) {
        let Owner::Open(start, end) = self.state.owner else { return };
        self.state.owner = Owner::Open(0, 0);
        if start < end && self.pinned.is_none() {
            let mut wire = Vec::new();
            let mut tokens = Tokens::new_at(self.text, start);
            if let Ok(Some(token)) = tokens.next()
                && token.name(self.state.origin.as_ref(), &mut wire).is_ok()
            {
                self.sink.batch.open(&wire, self.sink.apex_labels, self.file);
                self.state.owner = Owner::Open(start, end);
            }
        }
    }

    fn argument<'a>(&mut self, tokens: &mut Tokens<'a>, form: &'static str) -> Result<Token<'a>, Skip> {
        match tokens.next() {
            Ok(Some(token)) => Ok(token),
            Ok(None) => {
                self.find(tokens.offset(), Problem::DirectiveArguments { form });
                Err(Skip)
            }
            Err(error) => Err(self.text_error(None, error)),
        }
    }

    fn argument_name(&mut self, tokens: &mut Tokens<'_>, form: &'static str) -> Result<NameBuf, Skip> {
        let token = self.argument(tokens, form)?;
        let mut wire = Vec::new();
        token.name(self.state.origin.as_ref(), &mut wire).map_err(|error| self.text_error(None, error))?;
        Ok(NameRef::from_wire(&wire).expect("a parsed name is a name").to_buf())
    }

    fn no_more(&mut self, tokens: &mut Tokens<'_>, form: &'static str) -> Result<(), Skip> {
        match tokens.next() {
            Ok(None) => Ok(()),
            Ok(Some(token)) => {
                self.find(token.at, Problem::DirectiveArguments { form });
                Err(Skip)
            }
            Err(error) => Err(self.text_error(None, error)),
        }
    }

    pub(super) fn text_error(&mut self, rtype: Option<RrType>, error: TextError) -> Skip {
        let rtype = match error.fault {
            // These are errors of the line, regardless of its content.
            TextFault::UnclosedParen | TextFault::UnopenedParen | TextFault::UnclosedQuote => None,
            _ => rtype,
        };
        self.find(error.at, Problem::Text { rtype, fault: error.fault });
        Skip
    }

    /// Report `problem` at offset `at` of the text.
    #[cold]
    pub(super) fn find(&mut self, at: usize, problem: Problem) {
        let (line, column) = self.place(at);
        let file = self.sink.batch.files.get(self.file as usize).cloned();
        self.sink.findings.push(Finding { file, line, column, problem });
    }

    /// Line and column of offset `at`, which is in the current line.
    fn place(&self, at: usize) -> (u32, u32) {
        if let Some(pinned) = self.pinned {
            return pinned;
        }
        let at = at.min(self.text.len());
        let before = &self.text[self.at.min(at)..at];
        let newlines = before.iter().filter(|&&octet| octet == b'\n').count() as u32;
        let column = before.iter().rev().take_while(|&&octet| octet != b'\n').count() as u32 + 1;
        (self.line + newlines, column)
    }
}

/// Whether `wire` is at or below `apex`.
#[inline]
pub(super) fn is_in_zone(wire: &[u8], starts: &LabelStarts, apex: NameRef<'_>, apex_labels: usize) -> bool {
    starts.count() >= apex_labels && eq_folded(&wire[starts.suffix(apex_labels)..], apex.wire())
}

/// Whether a zone may contain records of `rtype`: all types except those of questions and messages, and reserved ones
/// (RFC 6895 §3.1).
pub(crate) const fn is_data_type(rtype: RrType) -> bool {
    !matches!(rtype.0, 0 | 41 | 128..=255 | 0xffff)
}

/// Seconds, or numbers with units such as `1w2d3h4m5s`; at most 2^31 - 1 (RFC 2181 §8).
#[inline]
pub(super) fn ttl_value(text: &[u8]) -> Option<u32> {
    nw_wire::text::period(text).filter(|&seconds| seconds <= 0x7fff_ffff)
}
