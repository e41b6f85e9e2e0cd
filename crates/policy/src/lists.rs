//! Lists of names as publishers and operators write them: hosts files, plain names, adblock and dnsmasq syntax.
//!
//! Each line shows by itself which syntax it has, so that a list needs no declaration and may mix them:
//!
//! | line | applies to | rule |
//! |---|---|---|
//! | `0.0.0.0 a.example b.example` (also `127.0.0.1`, `::`, `::1`) | the names | the action of the list |
//! | `example.com`, `*.example.com` | the name and all below; all below | the action of the list |
//! | `\|\|example.com^`, with `$important` | the name and all below | the action of the list |
//! | `@@\|\|example.com^`, with `$important` | the name and all below | an exception |
//! | `address=/a.example/b.example/192.0.2.1` | the names and all below | this address |
//! | `address=/example.com/#`, `0.0.0.0` or `::` | the name and all below | the action of the list |
//! | `address=/example.com/`, `server=/example.com/`, `local=/example.com/` | the name and all below | NXDOMAIN |
//! | `server=/example.com/#` | the name and all below | an exception |
//! | empty, or after `#`, `!`, `;` or `[` | | a comment |
//!
//! If several rules of a list apply to a name, an important exception wins over an important rule, that over an exception,
//! and that over other rules. Among equal ones, the longest name wins.
//!
//! Filters for web pages (`##`, regular expressions, modifiers other than `$important`) have no meaning for names. The
//! reader counts these lines and reports them. A line that is neither of these nor a name is an error. Hosts lines with
//! another address are not supported, because the publisher of a list could redirect any name with them.
//!
//! *Limitations*: names are ASCII; internationalised names must be written as `xn--` labels.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::thread;

use nw_wire::{Class, Name, NameRef, RrType, Rrset};

use crate::matcher::{Matcher, NameBatch, NameRules};
use crate::progress::Progress;
use crate::rules::{Action, FIRST_RULE, Rules as PolicyRules};

/// At most so many findings of a list are reported in full. Stops a list that is something else from filling the log.
pub const MOST_FINDINGS: usize = 100;
/// A list is divided into parts of at least this many octets, one for each thread.
const LEAST_PART: usize = 64 << 10;
/// Names that every hosts file has for the machine itself.
const OF_THE_MACHINE: [&str; 11] = [
    "localhost",
    "localhost.localdomain",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-allhosts",
];

/// The rule of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListRule {
    /// The action of the list.
    Block,
    /// The name does not exist.
    Nxdomain,
    /// No rule of the list applies.
    Except,
    /// The name has this address.
    Address(IpAddr),
}

/// The names to which a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The listed name.
    Name,
    /// The names below it.
    Below,
    /// Both.
    Both,
}

/// The rule of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRule {
    /// The rule.
    pub rule: ListRule,
    /// The names to which it applies.
    pub scope: Scope,
    /// Whether it is marked with `$important`.
    pub important: bool,
}

impl LineRule {
    fn new(rule: ListRule, scope: Scope) -> LineRule {
        LineRule { rule, scope, important: false }
    }

    /// The rank. The highest rank of the rules for a name decides.
    pub fn rank(self) -> u32 {
        2 * u32::from(self.important) + u32::from(self.rule == ListRule::Except)
    }
}

/// The number of bits of a rule's number below its rank.
pub const RANK_SHIFT: u32 = 28;

/// A line that has no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFinding {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for ListFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Findings: the first ones, and the number of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFindings {
    /// The first ones.
    pub first: Vec<ListFinding>,
    /// The number of all.
    pub count: usize,
    /// At most so many are kept.
    most: usize,
}

impl Default for ListFindings {
    fn default() -> ListFindings {
        ListFindings::at_most(MOST_FINDINGS)
    }
}

impl ListFindings {
    fn at_most(most: usize) -> ListFindings {
        ListFindings { first: Vec::new(), count: 0, most }
    }

    fn add(&mut self, line: usize, reason: &str, text: &[u8]) {
        self.count += 1;
        if self.first.len() < self.most {
            let shown = text[..text.len().min(80)].escape_ascii();
            self.first.push(ListFinding { line, message: format!("{reason}: \"{shown}\"") });
        }
    }

    /// Append the findings of a part that begins after *lines* lines.
    fn append(&mut self, part: ListFindings, lines: usize) {
        self.count += part.count;
        let room = self.most - self.first.len();
        let moved = part.first.into_iter().take(room);
        self.first.extend(moved.map(|finding| ListFinding { line: finding.line + lines, ..finding }));
    }
}

/// A list that was read.
#[derive(Debug, Default)]
pub struct ReadList {
    /// The names. A rule has the number `rank << RANK_SHIFT | position in rules + FIRST_RULE`.
    pub names: Vec<NameBatch>,
    /// The different rules.
    pub rules: Vec<ListRule>,
    /// Lines in a syntax that has no meaning for names.
    pub unsupported: ListFindings,
    /// Lines that are wrong.
    pub wrong: ListFindings,
}

impl ReadList {
    /// The rules of the list. `action`: that of the list. `ttl`: of addresses, in seconds. Returns None if the names are too
    /// many.
    pub fn into_rules(self, action: &Action, ttl: u32, threads: usize) -> Option<PolicyRules> {
        self.into_rules_showing(action, ttl, threads, &Progress::default())
    }

    /// Do the same, and finish *progress*.
    pub fn into_rules_showing(
        self,
        action: &Action,
        ttl: u32,
        threads: usize,
        progress: &Progress,
    ) -> Option<PolicyRules> {
        let of = |rule: &ListRule| match rule {
            ListRule::Block => action.clone(),
            ListRule::Nxdomain => Action::Nxdomain,
            ListRule::Except => Action::Passthru,
            ListRule::Address(address) => addresses(&[*address], ttl),
        };
        let actions = self.rules.iter().map(of).collect();
        let names = Matcher::build_showing(self.names, threads, progress)?;
        Some(PolicyRules { count: names.len(), names, actions, ..PolicyRules::default() })
    }
}

/// The action that answers with these addresses.
pub fn addresses(addresses: &[IpAddr], ttl: u32) -> Action {
    let mut sets: Vec<Rrset> = Vec::new();
    for address in addresses {
        let (rtype, rdata) = match address {
            IpAddr::V4(v4) => (RrType::A, v4.octets().to_vec()),
            IpAddr::V6(v6) => (RrType::AAAA, v6.octets().to_vec()),
        };
        let at = sets.iter().position(|set| set.rtype == rtype).unwrap_or_else(|| {
            sets.push(Rrset::new(Name::root(), rtype, Class::IN, ttl));
            sets.len() - 1
        });
        sets[at].rdatas.push(&rdata);
    }
    Action::Data(sets)
}

/// Read a list with *threads* threads.
pub fn read(text: &[u8], threads: usize) -> ReadList {
    read_showing(text, threads, MOST_FINDINGS, &Progress::default())
}

/// Do the same with at most *most* findings of each kind, and add what is done to *progress*: reading is about half of the work until the
/// list can be used.
pub fn read_showing(text: &[u8], threads: usize, most: usize, progress: &Progress) -> ReadList {
    let text = without_mark(text);
    progress.expect(2 * text.len());
    let rules = Rules::default();
    let parts = parts(text, threads);
    let parts: Vec<Part> = thread::scope(|scope| {
        let running: Vec<_> =
            parts.iter().map(|part| scope.spawn(|| Part::read(part, &rules, most, progress))).collect();
        running.into_iter().map(|part| part.join().expect("reading does not panic")).collect()
    });
    let findings = || ListFindings::at_most(most);
    let mut list = ReadList {
        rules: rules.into_list(),
        unsupported: findings(),
        wrong: findings(),
        ..ReadList::default()
    };
    let mut lines = 0;
    for part in parts {
        list.unsupported.append(part.unsupported, lines);
        list.wrong.append(part.wrong, lines);
        list.names.push(part.names);
        lines += part.lines;
    }
    list
}

/// *text* without the byte order mark that some editors write before UTF-8.
fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Call *visit* with line number, listed name and rule of each line that has a rule for *name*.
pub fn lines_for(text: &[u8], name: NameRef<'_>, mut visit: impl FnMut(usize, NameRef<'_>, LineRule)) {
    each_line(without_mark(text), |number, line| {
        let Line::Names(names, rule) = meaning(line) else { return };
        let mut room = [0; 256];
        for listed in names.each() {
            let Ok(listed) = wire(listed, &mut room) else { continue };
            let applies = match rule.scope {
                Scope::Name => name == listed,
                Scope::Below => name.is_below(listed),
                Scope::Both => name.is_at_or_below(listed),
            };
            if applies {
                visit(number, listed, rule);
            }
        }
    });
}

/// The numbers of the rules of a list, shared by the threads that read it.
#[derive(Default)]
struct Rules {
    addresses: Mutex<HashMap<IpAddr, u32>>,
}

impl Rules {
    const PLAIN: [ListRule; 3] = [ListRule::Block, ListRule::Nxdomain, ListRule::Except];

    fn number(&self, line: LineRule) -> u32 {
        let number = match line.rule {
            ListRule::Block => FIRST_RULE,
            ListRule::Nxdomain => FIRST_RULE + 1,
            ListRule::Except => FIRST_RULE + 2,
            ListRule::Address(address) => {
                let mut known = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
                let next = (Rules::PLAIN.len() + known.len()) as u32 + FIRST_RULE;
                *known.entry(address).or_insert(next)
            }
        };
        line.rank() << RANK_SHIFT | number
    }

    fn into_list(self) -> Vec<ListRule> {
        let addresses = self.addresses.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut addresses: Vec<(u32, IpAddr)> =
            addresses.into_iter().map(|(a, number)| (number, a)).collect();
        addresses.sort_unstable();
        let addresses = addresses.into_iter().map(|(_, address)| ListRule::Address(address));
        Rules::PLAIN.into_iter().chain(addresses).collect()
    }
}

/// The parts of *text* for the threads, each of whole lines.
fn parts(text: &[u8], threads: usize) -> Vec<&[u8]> {
    let size = (text.len() / threads.max(1) + 1).max(LEAST_PART);
    let (mut parts, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let least = size.min(rest.len());
        let end =
            rest[least..].iter().position(|octet| *octet == b'\n').map_or(rest.len(), |at| least + at + 1);
        let (part, others) = rest.split_at(end);
        parts.push(part);
        rest = others;
    }
    parts
}

/// What one thread has read.
#[derive(Default)]
struct Part {
    names: NameBatch,
    unsupported: ListFindings,
    wrong: ListFindings,
    lines: usize,
}

impl Part {
    fn read(text: &[u8], rules: &Rules, most: usize, progress: &Progress) -> Part {
        let findings = || ListFindings::at_most(most);
        let mut part = Part { unsupported: findings(), wrong: findings(), ..Part::default() };
        let (mut last, mut number) = (None, 0);
        let block = rules.number(LineRule::new(ListRule::Block, Scope::Both));
        let (both, own) = (NameRules { own: block, below: block }, NameRules { own: block, below: 0 });
        let (mut simple, mut rest, mut counted) = (Simple::default(), text, text.len());
        while !rest.is_empty() {
            if counted - rest.len() > SHOWN_EVERY {
                progress.add(counted - rest.len());
                counted = rest.len();
            }
            part.lines += 1;
            if let Some((scope, after)) = simple.read(rest) {
                let rules = if scope == Scope::Both { both } else { own };
                if part.names.add_lower(simple.wire(), simple.offsets(), rules) {
                    rest = after;
                    continue;
                }
            }
            let end = memchr(rest).unwrap_or(rest.len());
            let (at, line) = (part.lines, rest[..end].trim_ascii());
            rest = rest.get(end + 1..).unwrap_or_default();
            let (names, rule) = match meaning(line) {
                Line::Comment => continue,
                Line::Names(names, rule) => (names, rule),
                Line::Unsupported(reason) => {
                    part.unsupported.add(at, reason, line);
                    continue;
                }
                Line::Wrong(reason) => {
                    part.wrong.add(at, reason, line);
                    continue;
                }
            };
            if last != Some(rule) {
                (last, number) = (Some(rule), rules.number(rule));
            }
            let pair = match rule.scope {
                Scope::Name => NameRules { own: number, below: 0 },
                Scope::Below => NameRules { own: 0, below: number },
                Scope::Both => NameRules { own: number, below: number },
            };
            let mut room = [0; 256];
            for name in names.each() {
                match wire(name, &mut room) {
                    Ok(name) if part.names.add(name, pair) => {}
                    Ok(_) => part.wrong.add(at, "there are more names than fit", line),
                    Err(reason) => part.wrong.add(at, reason, line),
                }
            }
        }
        progress.add(counted);
        part
    }
}

/// The octets of a list after which a thread tells what it has done.
const SHOWN_EVERY: usize = 1 << 20;

/// Reads lines that are one plain name, or `0.0.0.0` or `127.0.0.1` and one, in one pass. They are nearly all lines of nearly all lists;
/// [`meaning`] reads the others, and would read these in the same way.
struct Simple {
    wire: [u8; 256],
    length: usize,
    offsets: [u8; 128],
    labels: usize,
}

/// What an octet is in a plain name: the octet in lower case, or one of these.
const LOWER: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = match octet as u8 {
            letter @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') => letter,
            upper @ b'A'..=b'Z' => upper + 32,
            b'.' => b'.',
            _ => OTHER,
        };
        octet += 1;
    }
    table
};
const OTHER: u8 = 0;

impl Default for Simple {
    fn default() -> Simple {
        Simple { wire: [0; 256], length: 0, offsets: [0; 128], labels: 0 }
    }
}

impl Simple {
    /// Read the line at the start of *text*. Returns its scope and what follows. None: it is another kind of line.
    #[inline]
    fn read<'t>(&mut self, text: &'t [u8]) -> Option<(Scope, &'t [u8])> {
        let address = |address: &[u8]| text.strip_prefix(address);
        let (scope, name) = match text.first()? {
            b'0' | b'1' => match address(b"0.0.0.0 ").or_else(|| address(b"127.0.0.1 ")) {
                Some(name) => (Scope::Name, name),
                None => (Scope::Both, text),
            },
            _ => (Scope::Both, text),
        };
        let (mut at, mut label) = (1, 0);
        self.labels = 0;
        let mut octets = name.iter();
        let mut last = OTHER;
        let end = loop {
            let octet = octets.next().copied().unwrap_or(b'\n');
            let lower = LOWER[usize::from(octet)];
            if lower == OTHER {
                break octet;
            }
            if at == 254 {
                return None;
            }
            if lower == b'.' {
                self.label(label, at)?;
                label = at;
            } else {
                self.wire[at] = lower;
            }
            last = lower;
            at += 1;
        };
        let rest = match end {
            b'\n' => octets.as_slice(),
            b'\r' if octets.as_slice().first() == Some(&b'\n') => &octets.as_slice()[1..],
            _ => return None,
        };
        // An address ends with a digit. One label may be a name of the machine.
        if last.is_ascii_digit() || self.labels == 0 {
            return None;
        }
        self.label(label, at)?;
        self.wire[at] = 0;
        self.length = at + 1;
        (!self.wire().ends_with(b"\x0blocaldomain\0")).then_some((scope, rest))
    }

    /// The label whose length octet is at *label* ends before *at*.
    #[inline]
    fn label(&mut self, label: usize, at: usize) -> Option<()> {
        let length = at - label - 1;
        if length == 0 || length > 63 {
            return None;
        }
        self.wire[label] = length as u8;
        self.offsets[self.labels] = label as u8;
        self.labels += 1;
        Some(())
    }

    fn wire(&self) -> &[u8] {
        &self.wire[..self.length]
    }

    fn offsets(&self) -> &[u8] {
        &self.offsets[..self.labels]
    }
}

/// Call *visit* with number and content of each line, and return how many lines there are.
fn each_line(text: &[u8], mut visit: impl FnMut(usize, &[u8])) -> usize {
    let (mut rest, mut number) = (text, 0);
    while !rest.is_empty() {
        number += 1;
        let end = memchr(rest).unwrap_or(rest.len());
        visit(number, rest[..end].trim_ascii());
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    number
}

/// The position of the first line feed.
#[inline]
fn memchr(octets: &[u8]) -> Option<usize> {
    octets.iter().position(|octet| *octet == b'\n')
}

/// What a line means.
enum Line<'l> {
    Comment,
    Names(Names<'l>, LineRule),
    Unsupported(&'static str),
    Wrong(&'static str),
}

/// The names of a line.
#[derive(Clone, Copy)]
struct Names<'l> {
    text: &'l [u8],
    /// Whether the names are separated by `/` instead of spaces.
    slashes: bool,
}

impl<'l> Names<'l> {
    fn of(text: &'l [u8]) -> Names<'l> {
        Names { text, slashes: false }
    }

    fn each(self) -> impl Iterator<Item = &'l [u8]> {
        let between =
            move |octet: &u8| if self.slashes { *octet == b'/' } else { octet.is_ascii_whitespace() };
        self.text
            .split(between)
            .filter(|name| !name.is_empty() && !OF_THE_MACHINE.iter().any(|own| own.as_bytes() == *name))
    }
}

fn meaning(line: &[u8]) -> Line<'_> {
    match line {
        [] | [b'#' | b'!' | b';' | b'[', ..] if !line.starts_with(b"##") => Line::Comment,
        [b'|', b'|', rest @ ..] => adblock(rest, ListRule::Block),
        [b'@', b'@', b'|', b'|', rest @ ..] => adblock(rest, ListRule::Except),
        [b'@', b'@', ..] | [b'|' | b'/', ..] => {
            Line::Unsupported("only ||name^ and @@||name^ have a meaning for names")
        }
        _ => plain(line),
    }
}

/// Why a line without a name, or with several where only one may be, has no effect.
const ONE_NAME: &str = "expected one name";

/// `name^`, `name^$important`.
fn adblock(rest: &[u8], rule: ListRule) -> Line<'_> {
    let (name, modifiers) = match rest.iter().position(|octet| *octet == b'$') {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, &[][..]),
    };
    let important = modifiers == b"important";
    if !modifiers.is_empty() && !important {
        return Line::Unsupported("of the modifiers, only $important has a meaning for names");
    }
    let Some(name) = name.strip_suffix(b"^").or_else(|| name.strip_suffix(b"^|")) else {
        return Line::Unsupported("only ||name^ and @@||name^ have a meaning for names");
    };
    let (scope, name) = match name {
        [b'*', b'.', name @ ..] => (Scope::Below, name),
        _ => (Scope::Both, name),
    };
    if name.iter().any(|octet| matches!(octet, b'*' | b'/' | b':')) {
        return Line::Unsupported("patterns, ports and paths have no meaning for names");
    }
    // Between two words may be a name and the beginning of another line: a rule for `com` would block far more than was meant.
    if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
        return Line::Unsupported(ONE_NAME);
    }
    Line::Names(Names::of(name), LineRule { rule, scope, important })
}

/// A line of a hosts file, of dnsmasq, or a name.
fn plain(line: &[u8]) -> Line<'_> {
    // A comment may follow a space.
    let comment = line.windows(2).position(|pair| pair[0].is_ascii_whitespace() && pair[1] == b'#');
    let line = line[..comment.unwrap_or(line.len())].trim_ascii_end();
    if let Some(at) = line.iter().position(u8::is_ascii_whitespace) {
        return hosts(&line[..at], &line[at..]);
    }
    if let Some(at) = line.iter().position(|octet| *octet == b'=') {
        return dnsmasq(&line[..at], &line[at + 1..]);
    }
    match line {
        b"*." => Line::Unsupported(ONE_NAME),
        [b'*', b'.', name @ ..] => Line::Names(Names::of(name), LineRule::new(ListRule::Block, Scope::Below)),
        _ if line.contains(&b'#') => {
            Line::Unsupported("rules for the content of pages have no meaning for names")
        }
        _ if line.iter().any(|octet| matches!(octet, b'*' | b'^' | b'$' | b'/' | b'|')) => {
            Line::Unsupported("only ||name^ and @@||name^ have a meaning for names")
        }
        _ if address(line).is_some() => {
            Line::Unsupported("a rule for an address; use a response policy zone")
        }
        _ => Line::Names(Names::of(line), LineRule::new(ListRule::Block, Scope::Both)),
    }
}

fn hosts<'l>(first: &'l [u8], names: &'l [u8]) -> Line<'l> {
    // An address with a scope (`fe80::1%lo0`) is one of the machine itself.
    let scoped = first.iter().position(|octet| *octet == b'%');
    let Some(address) = address(&first[..scoped.unwrap_or(first.len())]) else {
        return Line::Wrong("expected one name, or an address and names");
    };
    let names = Names::of(names);
    if address.is_unspecified() || address.is_loopback() {
        return Line::Names(names, LineRule::new(ListRule::Block, Scope::Name));
    }
    match names.each().next() {
        Some(_) => Line::Unsupported("a hosts line may have the addresses 0.0.0.0, 127.0.0.1, :: and ::1"),
        None => Line::Comment,
    }
}

fn dnsmasq<'l>(option: &[u8], value: &'l [u8]) -> Line<'l> {
    if !matches!(option, b"address" | b"server" | b"local") {
        return Line::Unsupported(
            "of dnsmasq, only address=/name/, server=/name/ and local=/name/ are supported",
        );
    }
    let Some((names, target)) = value.strip_prefix(b"/").and_then(|rest| {
        rest.iter().rposition(|octet| *octet == b'/').map(|at| (&rest[..at], &rest[at + 1..]))
    }) else {
        return Line::Unsupported("an option without a name");
    };
    if names.is_empty() {
        return Line::Unsupported("an option without a name");
    }
    let names = Names { text: names, slashes: true };
    let rule = match (option, target, address(target)) {
        (_, b"", _) => ListRule::Nxdomain,
        (b"address", b"#", _) => ListRule::Block,
        (b"address", _, Some(address)) if address.is_unspecified() => ListRule::Block,
        (b"address", _, Some(address)) => ListRule::Address(address),
        (b"server", b"#", _) => ListRule::Except,
        (b"server" | b"local", _, Some(_)) => {
            return Line::Unsupported("a server for a name; use [[forward]]");
        }
        _ => return Line::Wrong("expected an address after the last slash"),
    };
    Line::Names(names, LineRule::new(rule, Scope::Both))
}

fn address(text: &[u8]) -> Option<IpAddr> {
    // Most names are seen not to be addresses by their last octet.
    let plausible = text.contains(&b':') || text.last().is_some_and(u8::is_ascii_digit);
    if plausible { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// The wire form of a name, absolute or not.
fn wire<'r>(text: &[u8], room: &'r mut [u8; 256]) -> Result<NameRef<'r>, &'static str> {
    let text = text.strip_suffix(b".").unwrap_or(text);
    if text.len() > 253 {
        return Err("the name is longer than 255 octets");
    }
    let mut start = 0;
    for (at, octet) in (1..).zip(text) {
        match octet {
            b'.' if at == start + 1 => return Err("the name has an empty label"),
            b'.' => {
                room[start] = (at - start - 1) as u8;
                start = at;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => room[at] = *octet,
            _ if !octet.is_ascii() => return Err("write internationalised names as xn-- labels"),
            _ => return Err("not a name"),
        }
    }
    let end = text.len() + 1;
    if end == start + 1 {
        return Err("the name has an empty label");
    }
    room[start] = (end - start - 1) as u8;
    room[end] = 0;
    NameRef::from_wire(&room[..=end]).map_err(|_| "a label is longer than 63 octets")
}

#[cfg(test)]
mod tests;
