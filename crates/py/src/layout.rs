//! Formats a message like dig (bin/dig/dighost.c, lib/dns/masterdump.c of BIND). Scripts depend on the columns.

use std::fmt::Write;

use nw_wire::{Section, rr};

use crate::build;
use crate::edns::Edns;
use crate::message::data;

/// The optional columns of a record.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    pub(crate) ttl: bool,
    pub(crate) class: bool,
}

impl Columns {
    /// The columns at which class, type and data start. The TTL starts at 24.
    fn stops(self) -> (usize, usize, usize) {
        match (self.ttl, self.class) {
            (true, true) => (32, 40, 48),
            (false, false) => (24, 24, 32),
            _ => (24, 32, 40),
        }
    }
}

const TAB: usize = 8;
const TTL_COLUMN: usize = 24;

/// Format the whole message.
pub(crate) fn message(message: &nw_wire::Message<'_>, edns: Option<&Edns>, columns: Columns) -> String {
    let mut out = header(message);
    out.push('\n');
    if let Some(edns) = edns {
        out.push_str("\n;; OPT PSEUDOSECTION:\n");
        out.push_str(&edns.dig_text());
        out.push('\n');
    }
    let part = |out: &mut String, title: &str, lines: String| {
        if !lines.is_empty() {
            // Writing to a String does not fail.
            let _ = write!(
                out,
                "{}{title} SECTION:\n{lines}\n",
                if edns.is_some() && title == "QUESTION" { ";; " } else { "\n;; " }
            );
        }
    };
    part(&mut out, "QUESTION", question(message, columns));
    part(&mut out, "ANSWER", section(message, Section::Answer, columns));
    part(&mut out, "AUTHORITY", section(message, Section::Authority, columns));
    part(&mut out, "ADDITIONAL", section(message, Section::Additional, columns));
    out
}

/// Format the two header lines.
pub(crate) fn header(message: &nw_wire::Message<'_>) -> String {
    let header = message.header();
    let [questions, answers, authorities, additionals] = header.counts;
    let flags = build::flag_names(header.flags);
    let must_be_zero = if header.flags.z() { "; MBZ: 0x4" } else { "" };
    format!(
        ";; ->>HEADER<<- opcode: {}, status: {}, id: {}\n\
         ;; flags:{}{flags}{must_be_zero}; QUERY: {questions}, ANSWER: {answers}, AUTHORITY: {authorities}, \
         ADDITIONAL: {additionals}",
        header.flags.opcode(),
        message.rcode(),
        header.id,
        if flags.is_empty() { "" } else { " " },
    )
}

/// Format the lines of the question section.
pub(crate) fn question(message: &nw_wire::Message<'_>, columns: Columns) -> String {
    let (class_at, type_at, _) = columns.stops();
    let mut out = String::new();
    for question in message.questions() {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push(';');
        let mut line = Line::start(&mut out);
        line.write(question.name);
        if columns.class {
            line.advance(class_at);
            line.write(question.class);
        }
        line.advance(type_at);
        line.write(question.rtype);
    }
    out
}

/// Format the lines of a section of records.
pub(crate) fn section(message: &nw_wire::Message<'_>, section: Section, columns: Columns) -> String {
    let (class_at, type_at, data_at) = columns.stops();
    let (mut out, mut rdata) = (String::new(), Vec::new());
    for record in data(message, section) {
        if !out.is_empty() {
            out.push('\n');
        }
        let mut line = Line::start(&mut out);
        line.write(record.owner());
        if columns.ttl {
            line.advance(TTL_COLUMN);
            line.write(record.ttl);
        }
        if columns.class {
            line.advance(class_at);
            line.write(record.class);
        }
        line.advance(type_at);
        line.write(record.rtype);
        rdata.clear();
        record.rdata(&mut rdata);
        // An UPDATE deletes with records without data (RFC 2136 §2.5).
        if !rdata.is_empty() {
            line.advance(data_at);
            rr::to_text(record.rtype, &rdata, line.out);
        }
    }
    out
}

/// A line under construction, with its current column.
struct Line<'o> {
    out: &'o mut String,
    column: usize,
}

impl<'o> Line<'o> {
    fn start(out: &'o mut String) -> Self {
        Self { out, column: 0 }
    }

    fn write(&mut self, field: impl std::fmt::Display) {
        let before = self.out.len();
        // Writing to a String does not fail.
        let _ = write!(self.out, "{field}");
        self.column += self.out.len() - before;
    }

    /// Append tabs, then spaces, up to column `to`; at least one space.
    fn advance(&mut self, to: usize) {
        let to = to.max(self.column + 1);
        let tabs = to / TAB - self.column / TAB;
        if tabs > 0 {
            self.out.extend(std::iter::repeat_n('\t', tabs));
            self.column = to / TAB * TAB;
        }
        self.out.extend(std::iter::repeat_n(' ', to - self.column));
        self.column = to;
    }
}
