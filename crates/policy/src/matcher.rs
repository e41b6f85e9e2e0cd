//! A compact, immutable map from millions of names to the rules that a policy has for them.
//!
//! A name has up to two rules: one for the name itself, one for all names below it. A rule is a number that its user
//! chooses. The map stores every name in full, so that a collision of hashes never selects an innocent name.
//!
//! ```text
//! hash of a name ─▶ bucket ─▶ starts ─▶ | count | one octet of each hash | (rules, length, text) of each name |
//! text: the name in a prefix code that was made for the names of this map; common last labels have a code of their own
//! ```
//!
//! A bucket holds eight names on average. A lookup hashes the name label by label from the right, and examines one bucket
//! for each suffix whose number of labels occurs in the map. Texts are compared only if an octet of the hash agrees, for
//! one of about thirty buckets. Nothing is decoded. All memory that a lookup needs is requested before it is examined, so that the
//! suffixes of a name wait for it together.
//!
//! A batch divides its names by their hash into [`PARTS`]. The names of one part fit the cache of a processor while they are put in the
//! order of their buckets and encoded. See [decision 160](../../../docs/decisions/0160-names-of-policies.md) for the measurements.
//!
//! *Limitations*: 4 GiB of text, which is about 400 million names.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use nw_wire::NameRef;
use nw_wire::hash::{self, Keyed};

use crate::progress::Progress;

/// The average number of names in a bucket.
const PER_BUCKET: usize = 8;
/// The number of parts of a batch; the buckets of a map are a multiple of it.
const PARTS: usize = 256;
/// At most so many names are counted when the code is made.
const MOST_COUNTED: usize = 1 << 18;
/// The number of last labels that have a code of their own.
const LAST_LABELS: usize = 250;
/// The symbol between two labels.
const BETWEEN: usize = 256;
/// The symbol after the last label.
const END: usize = 257;
/// The number of labels that a name may have (RFC 1035 §2.3.4).
const MOST_LABELS: usize = 128;
/// The most octets of a text: 255 symbols of at most 40 bits. A longer code needs weights whose sum exceeds 2^27 (Fibonacci
/// numbers), and `Code::for_names` counts at most so many symbols.
const LONGEST: usize = 1300;

/// The rules for a name. 0 is no rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NameRules {
    /// The rule for the name itself.
    pub own: u32,
    /// The rule for the names below it.
    pub below: u32,
}

impl NameRules {
    /// The rules of both. The greater number wins.
    fn merge(self, other: NameRules) -> NameRules {
        NameRules { own: self.own.max(other.own), below: self.below.max(other.below) }
    }
}

/// Names and their rules, collected for a [`Matcher`]. Each thread that reads a part of a list fills its own.
#[derive(Debug)]
pub struct NameBatch {
    /// By the highest bits of the hash.
    parts: Box<[BatchPart]>,
    names: usize,
}

/// Names of a batch whose hashes have the same highest bits.
#[derive(Debug, Default)]
struct BatchPart {
    text: Vec<u8>,
    entries: Vec<Collected>,
}

/// A name of a batch.
#[derive(Clone, Copy, Debug)]
struct Collected {
    hash: u64,
    /// Where its wire form starts in the text of its part.
    at: u32,
    batch: u32,
    rules: NameRules,
}

impl Default for NameBatch {
    fn default() -> NameBatch {
        NameBatch { parts: (0..PARTS).map(|_| BatchPart::default()).collect(), names: 0 }
    }
}

impl NameBatch {
    /// An empty batch.
    pub fn new() -> NameBatch {
        NameBatch::default()
    }

    /// Add *name* with its rules. If a name is added more than once, the greater number of each rule holds. Returns false
    /// if the batch is full.
    pub fn add(&mut self, name: NameRef<'_>, rules: NameRules) -> bool {
        let mut offsets = [0; MOST_LABELS];
        let labels = name.label_offsets(&mut offsets);
        let mut lower = [0; 255];
        let lower = &mut lower[..name.wire().len()];
        lower.copy_from_slice(name.wire());
        lower.make_ascii_lowercase();
        self.add_lower(lower, &offsets[..labels], rules)
    }

    /// Do the same for a name in wire form and lower case, whose labels start at *offsets*.
    #[inline]
    pub(crate) fn add_lower(&mut self, wire: &[u8], offsets: &[u8], rules: NameRules) -> bool {
        let key = hash::key();
        let hash = offsets.iter().rev().fold(key.start(), |hash, at| key.extend(hash, label_at(wire, *at)));
        let part = &mut self.parts[bucket_of(hash, PARTS as u32)];
        let Ok(at) = u32::try_from(part.text.len()) else { return false };
        part.text.extend_from_slice(wire);
        part.entries.push(Collected { hash, at, batch: 0, rules });
        self.names += 1;
        true
    }

    /// The number of names that were added.
    pub fn len(&self) -> usize {
        self.names
    }

    /// Whether no name was added.
    pub fn is_empty(&self) -> bool {
        self.names == 0
    }
}

impl BatchPart {
    /// The name at *at*, with what follows it.
    fn wire(&self, at: u32) -> &[u8] {
        &self.text[at as usize..]
    }
}

/// An immutable map from names to rules.
#[derive(Debug, Default)]
pub struct Matcher {
    /// Where each bucket starts in `blob`, and where the last one ends.
    starts: Box<[u32]>,
    blob: Box<[u8]>,
    /// The different pairs of rules, by the number that is stored with a name.
    rules: Box<[NameRules]>,
    code: Code,
    /// Bit *n*: a name of the map has *n* labels.
    depths: u128,
    names: usize,
}

impl Matcher {
    /// Build the map with *threads* threads. Returns None if the names are too many.
    pub fn build(batches: Vec<NameBatch>, threads: usize) -> Option<Matcher> {
        Matcher::build_showing(batches, threads, &Progress::default())
    }

    /// Do the same, and finish *progress*, part by part.
    pub fn build_showing(batches: Vec<NameBatch>, threads: usize, progress: &Progress) -> Option<Matcher> {
        let names: usize = batches.iter().map(NameBatch::len).sum();
        if names == 0 {
            return Some(Matcher::default());
        }
        u32::try_from(names).ok()?;
        let per_part = u32::try_from(names.div_ceil(PER_BUCKET * PARTS)).ok()?;
        let (code, rules) = (Code::for_names(&batches), Mutex::new(RuleNumbers::default()));
        let (next, each) = (AtomicUsize::new(0), progress.left() / PARTS);
        let work = || {
            let mut done = Vec::new();
            let mut writer = PartWriter::new(&code, &rules);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= PARTS {
                    return done;
                }
                let part = writer.write(&batches, number, per_part);
                progress.add(each);
                done.push((number, part));
            }
        };
        let mut parts: Vec<(usize, Part)> = thread::scope(|scope| {
            let running: Vec<_> = (1..threads.clamp(1, PARTS)).map(|_| scope.spawn(work)).collect();
            let own = work();
            let others =
                running.into_iter().flat_map(|part| part.join().expect("no part of the work panics"));
            own.into_iter().chain(others).collect()
        });
        drop(batches);
        parts.sort_unstable_by_key(|(number, _)| *number);
        let mut starts = Vec::with_capacity(per_part as usize * PARTS + 1);
        let mut blob = Vec::with_capacity(parts.iter().map(|(_, part)| part.blob.len()).sum());
        let (mut depths, mut names) = (0, 0);
        for (_, part) in parts {
            let offset = u32::try_from(blob.len()).ok()?;
            u32::try_from(blob.len() + part.blob.len()).ok()?;
            starts.extend(part.starts.iter().map(|start| offset + start));
            blob.extend_from_slice(&part.blob);
            depths |= part.depths;
            names += part.names;
        }
        starts.push(u32::try_from(blob.len()).ok()?);
        let rules = rules.into_inner().unwrap_or_else(PoisonError::into_inner).rules;
        Some(Matcher { starts: starts.into(), blob: blob.into(), rules: rules.into(), code, depths, names })
    }

    /// The number of names.
    pub fn len(&self) -> usize {
        self.names
    }

    /// Whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.names == 0
    }

    /// The number of octets that the map occupies.
    pub fn octets(&self) -> usize {
        size_of::<Matcher>()
            + size_of_val(&*self.starts)
            + self.blob.len()
            + size_of_val(&*self.rules)
            + self.code.octets()
    }

    /// Call *visit* with the name and rule of each listed name that applies to *name*, the longest first, until it returns
    /// false. The rule for a name itself applies to that name only, and the rule for names below it to those.
    #[inline]
    pub fn visit<'n>(&self, name: NameRef<'n>, mut visit: impl FnMut(NameRef<'n>, u32) -> bool) {
        if self.names == 0 {
            return;
        }
        let mut offsets = [0; MOST_LABELS];
        let labels = name.label_offsets(&mut offsets);
        let wire = name.wire();
        let key = hash::key();
        // Names with more labels are rare. Their long suffixes are hashed from the start.
        let mut hashes = [0; 16];
        let mut hash = key.start();
        hashes[0] = hash;
        for depth in 1..=labels.min(hashes.len() - 1) {
            hash = key.extend(hash, label_at(wire, offsets[labels - depth]));
            hashes[depth] = hash;
        }
        // The bounds of all buckets are read before any bucket is, so that the processor waits for them together.
        let mut buckets = [(0u8, 0u8, 0u32, 0u32); 16];
        let (mut count, mut wanted) = (0, self.depths & (u128::MAX >> (127 - labels)));
        while wanted != 0 {
            let depth = 127 - wanted.leading_zeros() as usize;
            wanted ^= 1 << depth;
            if count == buckets.len() || depth >= hashes.len() {
                return self.visit_deep(name, visit);
            }
            let bucket = bucket_of(hashes[depth], self.starts.len() as u32 - 1);
            buckets[count] = (depth as u8, hashes[depth] as u8, self.starts[bucket], self.starts[bucket + 1]);
            count += 1;
        }
        for &(depth, tag, start, end) in &buckets[..count] {
            let bytes = &self.blob[start as usize..end as usize];
            if !may_hold(bytes, tag) {
                continue;
            }
            let suffix = name.suffix(depth.into());
            let Some(rules) = self.find_in(bytes, tag, suffix) else { continue };
            let rule = if usize::from(depth) == labels { rules.own } else { rules.below };
            if rule != 0 && !visit(suffix, rule) {
                return;
            }
        }
    }

    /// The same for a name with many labels, suffix by suffix.
    #[cold]
    fn visit_deep<'n>(&self, name: NameRef<'n>, mut visit: impl FnMut(NameRef<'n>, u32) -> bool) {
        let labels = name.label_count();
        for depth in (0..=labels).rev().filter(|depth| self.depths >> depth & 1 != 0) {
            let suffix = name.suffix(depth);
            let Some(rules) = self.find(hash_of(suffix), suffix) else { continue };
            let rule = if depth == labels { rules.own } else { rules.below };
            if rule != 0 && !visit(suffix, rule) {
                return;
            }
        }
    }

    /// The rules for exactly *name*.
    pub fn rules_of(&self, name: NameRef<'_>) -> Option<NameRules> {
        if self.names == 0 { None } else { self.find(hash_of(name), name) }
    }

    fn find(&self, hash: u64, name: NameRef<'_>) -> Option<NameRules> {
        let bucket = bucket_of(hash, self.starts.len() as u32 - 1);
        self.find_in(
            &self.blob[self.starts[bucket] as usize..self.starts[bucket + 1] as usize],
            hash as u8,
            name,
        )
    }

    #[inline]
    fn find_in(&self, bucket: &[u8], tag: u8, name: NameRef<'_>) -> Option<NameRules> {
        let (tags, entries) = split(bucket)?;
        if !tags.contains(&tag) {
            return None;
        }
        self.compare(tags, entries, tag, name)
    }

    #[inline(never)]
    fn compare(&self, tags: &[u8], mut entries: &[u8], tag: u8, name: NameRef<'_>) -> Option<NameRules> {
        let mut text = [0; LONGEST];
        let (text, _) = self.code.write(name.lower().as_ref().wire(), &mut text);
        for other in tags {
            let (rules, rest) = read_number(entries);
            let (length, rest) = read_number(rest);
            let (stored, rest) = rest.split_at(length as usize);
            if *other == tag && stored == text {
                return Some(self.rules[rules as usize]);
            }
            entries = rest;
        }
        None
    }
}

/// Tags and entries of a bucket. None: it is empty.
#[inline]
fn split(bucket: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&count, rest) = bucket.split_first()?;
    let (count, rest) = if count == MANY { read_number(rest) } else { (count.into(), rest) };
    Some(rest.split_at(count as usize))
}

/// Whether a bucket has *tag*, without a branch for each tag: most buckets have none that agrees.
#[inline]
fn may_hold(bucket: &[u8], tag: u8) -> bool {
    match split(bucket) {
        Some((tags, _)) => tags.iter().fold(false, |found, other| found | (*other == tag)),
        None => false,
    }
}

/// The count octet of a bucket whose count follows as a number.
const MANY: u8 = 255;

/// The label, with its length octet, that starts at *at*.
#[inline]
fn label_at(wire: &[u8], at: u8) -> &[u8] {
    let at = usize::from(at);
    &wire[at..=at + usize::from(wire[at])]
}

/// The hash of a name: label by label from the right.
fn hash_of(name: NameRef<'_>) -> u64 {
    let mut offsets = [0; MOST_LABELS];
    let labels = name.label_offsets(&mut offsets);
    let key = hash::key();
    let offsets = offsets[..labels].iter().rev();
    offsets.fold(key.start(), |hash, at| key.extend(hash, label_at(name.wire(), *at)))
}

/// The bucket of a hash among *count*. The lowest octet of the hash, the tag, does not determine it.
#[inline]
fn bucket_of(hash: u64, count: u32) -> usize {
    (((hash >> 32) * u64::from(count)) >> 32) as usize
}

/// The numbers of the different pairs of rules.
#[derive(Default)]
struct RuleNumbers {
    rules: Vec<NameRules>,
    numbers: HashMap<NameRules, u32>,
}

impl RuleNumbers {
    fn number(&mut self, pair: NameRules) -> u32 {
        let next = self.rules.len() as u32;
        *self.numbers.entry(pair).or_insert_with(|| {
            self.rules.push(pair);
            next
        })
    }
}

/// The buckets of one part.
#[derive(Default)]
struct Part {
    starts: Vec<u32>,
    blob: Vec<u8>,
    depths: u128,
    /// The number of different names.
    names: usize,
}

/// Writes parts, one after the other, in one thread.
struct PartWriter<'w> {
    code: &'w Code,
    rules: &'w Mutex<RuleNumbers>,
    /// The pair of rules of the last name, and its number.
    last: Option<(NameRules, u32)>,
    sorted: Vec<Collected>,
    /// Where each bucket starts, and where the last one ends.
    firsts: Vec<u32>,
}

impl<'w> PartWriter<'w> {
    fn new(code: &'w Code, rules: &'w Mutex<RuleNumbers>) -> PartWriter<'w> {
        PartWriter { code, rules, last: None, sorted: Vec::new(), firsts: Vec::new() }
    }

    /// The buckets of part *number*.
    fn write(&mut self, batches: &[NameBatch], number: usize, per_part: u32) -> Part {
        self.sort(batches, number, per_part);
        let (starts, blob) =
            (Vec::with_capacity(per_part as usize), Vec::with_capacity(12 * self.sorted.len()));
        let mut part = Part { starts, blob, ..Part::default() };
        let (sorted, firsts) = (std::mem::take(&mut self.sorted), std::mem::take(&mut self.firsts));
        let texts: Vec<&BatchPart> = batches.iter().map(|batch| &batch.parts[number]).collect();
        let wire = |entry: &Collected| texts[entry.batch as usize].wire(entry.at);
        let mut sorted = sorted;
        let mut text = [0; LONGEST];
        for bounds in firsts.windows(2) {
            // Parts of more than 4 GiB are refused when they are put together.
            part.starts.push(part.blob.len() as u32);
            let bucket = &mut sorted[bounds[0] as usize..bounds[1] as usize];
            merge_equal(bucket, &wire);
            let kept = || bucket.iter().filter(|entry| entry.rules != NameRules::default());
            let count = kept().count();
            match u8::try_from(count) {
                Ok(0) => continue,
                Ok(few) if few < MANY => part.blob.push(few),
                _ => {
                    part.blob.push(MANY);
                    write_number(&mut part.blob, count as u32);
                }
            }
            part.blob.extend(kept().map(|entry| entry.hash as u8));
            for entry in kept() {
                let rules = match self.last {
                    Some((pair, number)) if pair == entry.rules => number,
                    _ => {
                        let number =
                            self.rules.lock().unwrap_or_else(PoisonError::into_inner).number(entry.rules);
                        self.last = Some((entry.rules, number));
                        number
                    }
                };
                write_number(&mut part.blob, rules);
                let (text, labels) = self.code.write(wire(entry), &mut text);
                write_number(&mut part.blob, text.len() as u32);
                part.blob.extend_from_slice(text);
                part.depths |= 1 << labels;
            }
            part.names += count;
        }
        (self.sorted, self.firsts) = (sorted, firsts);
        part
    }

    /// Put the names of part *number* of all batches in the order of their buckets.
    fn sort(&mut self, batches: &[NameBatch], number: usize, per_part: u32) {
        let count = per_part * PARTS as u32;
        let bucket = |entry: &Collected| bucket_of(entry.hash, count) - number * per_part as usize;
        self.firsts.clear();
        self.firsts.resize(per_part as usize + 1, 0);
        let entries = || batches.iter().map(|batch| &batch.parts[number].entries);
        for entry in entries().flatten() {
            self.firsts[bucket(entry) + 1] += 1;
        }
        for at in 1..self.firsts.len() {
            self.firsts[at] += self.firsts[at - 1];
        }
        let nothing = Collected { hash: 0, at: 0, batch: 0, rules: NameRules::default() };
        self.sorted.clear();
        self.sorted.resize(self.firsts[per_part as usize] as usize, nothing);
        let mut places = self.firsts.clone();
        for (batch, entries) in (0..).zip(entries()) {
            for entry in entries {
                let place = &mut places[bucket(entry)];
                self.sorted[*place as usize] = Collected { batch, ..*entry };
                *place += 1;
            }
        }
    }
}

/// Give the rules of equal names of a bucket to the first of them, and none to the others.
fn merge_equal<'w>(bucket: &mut [Collected], wire: &impl Fn(&Collected) -> &'w [u8]) {
    let name = |entry: &Collected| NameRef::read(wire(entry)).expect("written from a name").0.wire();
    bucket.sort_unstable_by_key(|entry| entry.hash);
    for first in 0..bucket.len() {
        if bucket[first].rules == NameRules::default() {
            continue;
        }
        // Names with one hash are equal, except by an accident that no list can cause.
        let mut at = first + 1;
        while at < bucket.len() && bucket[at].hash == bucket[first].hash {
            let other = bucket[at].rules;
            if other != NameRules::default() && name(&bucket[at]) == name(&bucket[first]) {
                bucket[first].rules = bucket[first].rules.merge(other);
                bucket[at].rules = NameRules::default();
            }
            at += 1;
        }
    }
}

/// Append *number*, seven bits in each octet, the lowest first.
fn write_number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Read a number, and return it with what follows.
#[inline]
fn read_number(mut bytes: &[u8]) -> (u32, &[u8]) {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (&octet, rest) = bytes.split_first().expect("a bucket holds whole numbers");
        bytes = rest;
        number |= u32::from(octet & 0x7f) << shift;
        if octet < 0x80 {
            return (number, bytes);
        }
        shift += 7;
    }
}

/// A prefix code for names. Every name has exactly one text, and no text is the text of two names: it ends with the symbol
/// for the end of a name, so that the zero bits that fill its last octet have no meaning.
#[derive(Debug, Default)]
struct Code {
    /// Octets, then [`BETWEEN`] and [`END`].
    symbols: Box<[Bits]>,
    /// Common last labels with the end of the name after them.
    lasts: HashMap<Box<[u8]>, Bits, Keyed>,
}

/// The code of a symbol, in the lowest *length* bits.
#[derive(Clone, Copy, Debug, Default)]
struct Bits {
    bits: u64,
    length: u8,
}

impl Code {
    /// The code for which the text of the names of *batches* is short (Huffman 1952).
    fn for_names(batches: &[NameBatch]) -> Code {
        // Every symbol may occur, so none has the weight 0.
        let mut weights = vec![1u64; END + 1];
        let mut lasts: HashMap<&[u8], u64> = HashMap::new();
        let parts = batches.iter().flat_map(|batch| &batch.parts);
        let entries = parts.flat_map(|part| part.entries.iter().map(|entry| part.wire(entry.at)));
        let step = batches.iter().map(NameBatch::len).sum::<usize>().div_ceil(MOST_COUNTED);
        let sample: Vec<&[u8]> = entries.step_by(step).collect();
        for wire in &sample {
            *lasts.entry(last_label(wire)).or_default() += 1;
        }
        lasts.remove(&[][..]);
        let mut common: Vec<(&[u8], u64)> = lasts.into_iter().filter(|(_, weight)| *weight > 1).collect();
        common.sort_unstable_by_key(|(label, weight)| (Reverse(*weight), *label));
        common.truncate(LAST_LABELS);
        let known: HashMap<&[u8], usize> = common.iter().map(|(label, _)| *label).zip(END + 1..).collect();
        weights.extend(common.iter().map(|_| 1));
        for wire in sample {
            spell(
                wire,
                |last| known.get(last).copied(),
                |symbol| symbol,
                |symbol: usize| weights[symbol] += 1,
            );
        }
        let bits = prefix_code(&weights);
        let lasts = common.iter().zip(&bits[END + 1..]).map(|((label, _), bits)| ((*label).into(), *bits));
        Code { lasts: lasts.collect(), symbols: bits[..=END].into() }
    }

    /// Write the text of the name whose wire form, in lower case, begins *wire* to *out*. Returns it, and the number of labels.
    #[inline]
    fn write<'o>(&self, wire: &[u8], out: &'o mut [u8; LONGEST]) -> (&'o [u8], usize) {
        let (mut held, mut count, mut at) = (0u64, 0u32, 0);
        let put = |bits: Bits| {
            held = held << bits.length | bits.bits;
            count += u32::from(bits.length);
            while count >= 8 {
                count -= 8;
                out[at] = (held >> count) as u8;
                at += 1;
            }
        };
        let labels = spell(wire, |last| self.lasts.get(last).copied(), |symbol| self.symbols[symbol], put);
        if count > 0 {
            out[at] = (held << (8 - count)) as u8;
            at += 1;
        }
        (&out[..at], labels)
    }

    fn octets(&self) -> usize {
        let lasts = self.lasts.keys().map(|label| label.len() + size_of::<(Box<[u8]>, Bits)>());
        size_of_val(&*self.symbols) + lasts.sum::<usize>()
    }
}

/// The last label of the name whose wire form begins *wire*; empty for the root.
fn last_label(wire: &[u8]) -> &[u8] {
    let (mut at, mut last) = (0, &[][..]);
    while wire[at] != 0 {
        let end = at + 1 + usize::from(wire[at]);
        last = &wire[at + 1..end];
        at = end;
    }
    last
}

/// Call *put* with the symbols of the name whose wire form, in lower case, begins *wire*, and return the number of labels. `known`:
/// the symbol of a last label that has one.
#[inline]
fn spell<S>(
    wire: &[u8],
    known: impl Fn(&[u8]) -> Option<S>,
    plain: impl Fn(usize) -> S,
    mut put: impl FnMut(S),
) -> usize {
    let (mut at, mut labels) = (0, 0);
    if wire[0] == 0 {
        put(plain(END));
    }
    while wire[at] != 0 {
        let end = at + 1 + usize::from(wire[at]);
        let (label, is_last) = (&wire[at + 1..end], wire[end] == 0);
        (at, labels) = (end, labels + 1);
        if is_last && let Some(symbol) = known(label) {
            put(symbol);
            break;
        }
        label.iter().for_each(|octet| put(plain(usize::from(*octet))));
        put(plain(if is_last { END } else { BETWEEN }));
    }
    labels
}

/// The prefix code with the shortest average length for symbols of these weights.
fn prefix_code(weights: &[u64]) -> Vec<Bits> {
    // A tree: node *n* of the first ones is symbol *n*, and each further one joins the two lightest ones.
    let mut parents = vec![0; 2 * weights.len() - 1];
    let mut open: BinaryHeap<Reverse<(u64, usize)>> =
        weights.iter().enumerate().map(|(node, weight)| Reverse((*weight, node))).collect();
    for parent in weights.len()..parents.len() {
        let (Some(Reverse((light, one))), Some(Reverse((heavy, other)))) = (open.pop(), open.pop()) else {
            break;
        };
        (parents[one], parents[other]) = (2 * parent, 2 * parent + 1);
        open.push(Reverse((light + heavy, parent)));
    }
    let root = parents.len() - 1;
    let path = |symbol: usize| {
        let (mut node, mut code) = (symbol, Bits::default());
        while node != root {
            code.bits |= (parents[node] as u64 & 1) << code.length;
            code.length += 1;
            node = parents[node] / 2;
        }
        code
    };
    (0..weights.len()).map(path).collect()
}

#[cfg(test)]
mod tests;
