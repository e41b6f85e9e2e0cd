//! The RRsets of a message under construction: found, reordered, reduced to some of their records, cut off at a limit.
//!
//! ```text
//! ... | r0 | r1 | r2 | rest        one run: consecutive records with one owner and type
//!     pick [2, 0]
//! ... | r2 | r0 | rest
//! ```
//!
//! All methods change the message and nothing else, so that a zone and a cache share what they hold with every message.
//! Addresses are exchanged in place, because no name can point into them. Other records are written anew, from the
//! question on: a name that ended in a pointer to a record that moved is compressed again. Compression writes every suffix
//! once, whatever the order, so that the message does not grow. Should it grow all the same (a large message, see the
//! limitations of the writer), the message stays as it was.
//!
//! RFCs: 1035 §4.1.4 (compression), 2181 §5.2 (one TTL for an RRset) and §9 (truncation between RRsets).

use super::{Full, Suffixes, Writer};
use crate::code::RrType;
use crate::header::{HEADER, Header};
use crate::message::{Message, Section, read_name};
use crate::name::NameBuf;

/// Octets between the owner and the rdata: type, class, TTL, RDLENGTH.
const FIXED: usize = 10;
const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];

/// Consecutive records with one owner and type in one section of the message. A run is valid until the message changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The section.
    pub section: Section,
    /// The type.
    pub rtype: RrType,
    /// How many records there are.
    pub count: u16,
    /// How many records of the message are before it.
    pub number: u16,
    /// The offset of the first record.
    at: usize,
    /// The offset behind the last record.
    end: usize,
    /// The octets of each record, if every owner is a pointer and all rdata have the same length.
    stride: Option<usize>,
}

/// What [`Writer::shrink`] removed first.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The section.
    pub section: Section,
    /// The owner of the first record that is missing.
    pub owner: NameBuf,
}

/// The offset behind the name at `at`; a pointer ends a name.
fn name_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += 1 + length as usize,
        }
    }
}

impl Run {
    /// Whether the records hold addresses, into which no name points.
    fn is_address(&self) -> bool {
        matches!(self.rtype, RrType::A | RrType::AAAA)
    }
}

impl Writer<'_> {
    /// The run that follows `previous`; the first run of the message for None.
    pub fn run_after(&self, previous: Option<&Run>) -> Option<Run> {
        match previous {
            Some(run) => self.run_at(run.end, run.number + run.count),
            None => self.run_at(self.question_end, 0),
        }
    }

    /// All runs in their order.
    pub fn runs(&self) -> impl Iterator<Item = Run> {
        std::iter::successors(self.run_after(None), |run| self.run_after(Some(run)))
    }

    /// The name that owns the records of `run`.
    pub fn run_owner(&self, run: &Run) -> NameBuf {
        read_name(self.written(), run.at).map_or(NameBuf::EMPTY, |(name, _)| name)
    }

    /// The TTL of `run` in seconds.
    pub fn run_ttl(&self, run: &Run) -> u32 {
        let ttl = name_end(self.written(), run.at).and_then(|fixed| self.written().get(fixed + 4..fixed + 8));
        ttl.map_or(0, |ttl| u32::from_be_bytes([ttl[0], ttl[1], ttl[2], ttl[3]]))
    }

    /// The rdata of each record of `run` as it stands in the message: names in it may be compressed.
    pub fn run_rdata(&self, run: &Run) -> impl Iterator<Item = &[u8]> {
        let bytes = &self.written()[..run.end];
        let mut at = run.at;
        std::iter::from_fn(move || {
            let (rdata, end) = rdata(bytes, at)?;
            at = end;
            bytes.get(rdata..end)
        })
    }

    /// Let the records of `run` begin with the record `by` (modulo their number), as in a ring. Returns whether they do.
    pub fn rotate(&mut self, run: &Run, by: usize) -> bool {
        let by = by % usize::from(run.count);
        match run.stride {
            Some(stride) if run.is_address() => {
                let records = &mut self.buf[run.at..run.end];
                // Two records are what most RRsets have.
                match run.count {
                    2 if by == 1 => {
                        let (first, second) = records.split_at_mut(stride);
                        first.swap_with_slice(second);
                    }
                    _ => records.rotate_left(by * stride),
                }
                true
            }
            _ => {
                let picks: Vec<u16> = (0..run.count).map(|at| (at + by as u16) % run.count).collect();
                self.pick(run, &picks)
            }
        }
    }

    /// Leave the records with the numbers `picks` of `run`, in that order. Returns false, and changes nothing, if a number
    /// repeats, if no such record exists, if there is no number at all, or if the message would grow.
    pub fn pick(&mut self, run: &Run, picks: &[u16]) -> bool {
        let mut seen = vec![false; usize::from(run.count)];
        let distinct = picks
            .iter()
            .all(|&pick| seen.get_mut(usize::from(pick)).is_some_and(|seen| !std::mem::replace(seen, true)));
        if picks.is_empty() || !distinct {
            return false;
        }
        let whole = picks.len() == usize::from(run.count);
        match run.stride {
            Some(stride) if run.is_address() && (whole || run.end == self.at) => {
                let old = self.buf[run.at..run.end].to_vec();
                for (at, &pick) in picks.iter().enumerate() {
                    let (to, from) = (run.at + at * stride, usize::from(pick) * stride);
                    self.buf[to..to + stride].copy_from_slice(&old[from..from + stride]);
                }
                if !whole {
                    self.at = run.at + picks.len() * stride;
                    self.counts[run.section as usize + 1] -= run.count - picks.len() as u16;
                }
                true
            }
            _ => self.write_anew(run, picks),
        }
    }

    /// Raise the limit of the message to the size of the buffer. [`Writer::shrink`] takes it back.
    pub fn widen(&mut self) {
        self.limit = self.buf.len().min(usize::from(u16::MAX));
    }

    /// Lower the limit of the message to `limit` octets. What does not fit is removed from the end: whole RRsets, in the
    /// answer section with the signatures behind them. Returns what was removed first.
    ///
    /// # Panics
    /// If the header, the question and the reserved octets do not fit.
    pub fn shrink(&mut self, limit: usize) -> Option<Cut> {
        assert!(self.question_end + self.reserved <= limit, "no room for the question");
        self.limit = limit.min(self.limit);
        let most = self.limit - self.reserved;
        if self.at <= most {
            return None;
        }
        let mut first: Option<Run> = None;
        for run in self.runs() {
            let signs = run.rtype == RrType::RRSIG && run.section == Section::Answer;
            if !(signs && first.is_some_and(|first| self.same_owner(first.at, run.at))) {
                first = Some(run);
            }
            if run.end > most {
                break;
            }
        }
        let first = first?;
        let cut = Cut { section: first.section, owner: self.run_owner(&first) };
        self.remove_from(&first);
        Some(cut)
    }

    /// Remove `run`, which must be one of this message, and what follows it.
    pub fn remove_from(&mut self, run: &Run) {
        self.at = run.at;
        let mut left = run.number;
        for count in &mut self.counts[1..] {
            *count = left.min(*count);
            left -= *count;
        }
    }

    /// The run whose first record is at `at` with `number` records before it.
    fn run_at(&self, at: usize, number: u16) -> Option<Run> {
        let mut before = 0;
        let section = SECTIONS.into_iter().find(|section| {
            before += self.counts[*section as usize + 1];
            number < before
        })?;
        let bytes = self.written();
        let head = |at: usize| {
            let fixed = name_end(bytes, at)?;
            Some((fixed, bytes.get(fixed..fixed + 2)?, rdata(bytes, at)?.1))
        };
        let (fixed, rtype, mut end) = head(at)?;
        let size = end - at;
        let mut stride = (fixed == at + 2).then_some(size);
        let mut count = 1;
        while number + count < before
            && let Some((fixed, next, next_end)) = head(end)
            && next == rtype
            && self.same_owner(at, end)
        {
            stride = stride.filter(|_| fixed == end + 2 && next_end - end == size);
            (count, end) = (count + 1, next_end);
        }
        Some(Run {
            section,
            rtype: RrType(u16::from_be_bytes([rtype[0], rtype[1]])),
            count,
            number,
            at,
            end,
            stride,
        })
    }

    /// Whether the names at `a` and `b`, of which `b` is the later one, are the same.
    fn same_owner(&self, a: usize, b: usize) -> bool {
        let bytes = self.written();
        let (first, second) = (&bytes[a..], &bytes[b..]);
        if second[0] >= 0xc0 && (first[..2] == second[..2] || pointer(second) == a) {
            return true;
        }
        match (read_name(bytes, a), read_name(bytes, b)) {
            (Ok((a, _)), Ok((b, _))) => a.as_ref() == b.as_ref(),
            _ => false,
        }
    }

    /// Write the whole message again, with the records `picks` in the place of `run`. Returns false, and leaves the message
    /// as it was, if it would be longer.
    #[cold]
    fn write_anew(&mut self, run: &Run, picks: &[u16]) -> bool {
        let mut old = self.written().to_vec();
        let header = Header { id: self.id, flags: self.flags, counts: self.counts }.to_wire();
        old[..HEADER].copy_from_slice(&header);
        let Ok(message) = Message::parse(&old) else { return false };
        let records: Vec<_> = SECTIONS
            .into_iter()
            .flat_map(|section| message.records(section).map(move |one| (section, one)))
            .collect();
        let (before, rest) = records.split_at(usize::from(run.number));
        let (of_run, behind) = rest.split_at(usize::from(run.count));
        let picked = picks.iter().map(|&pick| &of_run[usize::from(pick)]);

        let counts = self.counts;
        self.clear();
        self.suffixes = Suffixes::new();
        self.suffixes.question = (HEADER as u16, self.question_end.saturating_sub(HEADER + 4) as u16);
        let mut rdata = Vec::new();
        let written = before.iter().chain(picked).chain(behind).try_for_each(|(section, record)| {
            rdata.clear();
            record.rdata(&mut rdata);
            self.record(*section, record.owner().as_ref(), record.rtype, record.class, record.ttl, &rdata)
        });
        if written == Err(Full) || self.at > old.len() {
            self.buf[..old.len()].copy_from_slice(&old);
            (self.at, self.counts) = (old.len(), counts);
            return false;
        }
        true
    }
}

/// The offset of the rdata of the record at `at`, and the offset behind it.
fn rdata(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let rdata = name_end(bytes, at)? + FIXED;
    let length = bytes.get(rdata - 2..rdata)?;
    let end = rdata + usize::from(u16::from_be_bytes([length[0], length[1]]));
    (end <= bytes.len()).then_some((rdata, end))
}

/// The target of the pointer that `bytes` begin with.
fn pointer(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[0], bytes[1]]) & 0x3fff)
}
