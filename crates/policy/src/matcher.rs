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
//! one of about thirty buckets. Nothing is decoded. See [decision 160](../../../docs/decisions/0160-names-of-policies.md) for the measurements.
//!
//! *Limitations*: 4 GiB of text, which is about 400 million names.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::thread;

use nw_wire::NameRef;
use nw_wire::hash::{self, Keyed};

/// The average number of names in a bucket.
const PER_BUCKET: usize = 8;
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
#[derive(Debug, Default)]
pub struct NameBatch {
    text: Vec<u8>,
    entries: Vec<Collected>,
}

/// A name of a batch.
#[derive(Clone, Copy, Debug)]
struct Collected {
    hash: u64,
    /// Where its wire form starts.
    at: u32,
    batch: u32,
    rules: NameRules,
}

impl NameBatch {
    /// An empty batch.
    pub fn new() -> NameBatch {
        NameBatch::default()
    }

    /// Add *name* with its rules. If a name is added more than once, the greater number of each rule holds. Returns false
    /// if the batch is full.
    pub fn add(&mut self, name: NameRef<'_>, rules: NameRules) -> bool {
        let Ok(at) = u32::try_from(self.text.len()) else { return false };
        self.text.extend(name.wire().iter().map(u8::to_ascii_lowercase));
        self.entries.push(Collected { hash: hash_of(name), at, batch: 0, rules });
        true
    }

    /// The number of names that were added.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no name was added.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn name(&self, at: u32) -> NameRef<'_> {
        NameRef::read(&self.text[at as usize..]).expect("written from a name").0
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
    pub fn build(mut batches: Vec<NameBatch>, threads: usize) -> Option<Matcher> {
        let names: usize = batches.iter().map(NameBatch::len).sum();
        if names == 0 {
            return Some(Matcher::default());
        }
        let count = u32::try_from(names.div_ceil(PER_BUCKET)).ok()?;
        u32::try_from(names).ok()?;
        for (number, batch) in (0..).zip(&mut batches) {
            batch.entries.iter_mut().for_each(|entry| entry.batch = number);
        }
        let code = Code::for_names(&batches);
        let (mut sorted, firsts) = sort_by_bucket(&mut batches, count);
        let threads = threads.clamp(1, count as usize);
        each_part(&mut sorted, &firsts, threads, |entries, firsts| merge_equal(&batches, entries, firsts));
        let rules = distinct_rules(&sorted);
        let numbers: HashMap<NameRules, u32> = rules.iter().copied().zip(0..).collect();
        let parts = each_part(&mut sorted, &firsts, threads, |entries, firsts| {
            Part::write(&batches, entries, firsts, &code, &numbers)
        });
        drop((sorted, batches));
        let mut starts = Vec::with_capacity(count as usize + 1);
        let mut blob = Vec::with_capacity(parts.iter().map(|part| part.blob.len()).sum());
        let (mut depths, mut names) = (0, 0);
        for part in parts {
            let offset = u32::try_from(blob.len()).ok()?;
            u32::try_from(blob.len() + part.blob.len()).ok()?;
            starts.extend(part.starts.iter().map(|start| offset + start));
            blob.extend_from_slice(&part.blob);
            depths |= part.depths;
            names += part.names;
        }
        starts.push(u32::try_from(blob.len()).ok()?);
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
        let mut next = Some(name);
        for depth in (0..=labels).rev() {
            let Some(suffix) = next else { return };
            next = suffix.parent();
            if self.depths >> depth & 1 == 0 {
                continue;
            }
            let hash = hashes.get(depth).copied().unwrap_or_else(|| hash_of(suffix));
            let Some(rules) = self.find(hash, suffix) else { continue };
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

    #[inline]
    fn find(&self, hash: u64, name: NameRef<'_>) -> Option<NameRules> {
        let bucket = bucket_of(hash, self.starts.len() as u32 - 1);
        let bytes = &self.blob[self.starts[bucket] as usize..self.starts[bucket + 1] as usize];
        let (&count, rest) = bytes.split_first()?;
        let (count, rest) = if count == MANY { read_number(rest) } else { (count.into(), rest) };
        let (tags, entries) = rest.split_at(count as usize);
        if !tags.contains(&(hash as u8)) {
            return None;
        }
        self.compare(tags, entries, hash as u8, name)
    }

    #[inline(never)]
    fn compare(&self, tags: &[u8], mut entries: &[u8], tag: u8, name: NameRef<'_>) -> Option<NameRules> {
        let mut text = [0; LONGEST];
        let text = self.code.write(name, &mut text);
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

/// Put the names of *batches* in the order of their buckets. Returns them, and where each bucket starts and the last one
/// ends.
fn sort_by_bucket(batches: &mut [NameBatch], count: u32) -> (Vec<Collected>, Vec<u32>) {
    let mut firsts = vec![0u32; count as usize + 1];
    for entry in batches.iter().flat_map(|batch| &batch.entries) {
        firsts[bucket_of(entry.hash, count) + 1] += 1;
    }
    for bucket in 1..firsts.len() {
        firsts[bucket] += firsts[bucket - 1];
    }
    let names = firsts[count as usize] as usize;
    let mut places = firsts.clone();
    let nothing = Collected { hash: 0, at: 0, batch: 0, rules: NameRules::default() };
    let mut sorted = vec![nothing; names];
    for batch in batches {
        for entry in std::mem::take(&mut batch.entries) {
            let place = &mut places[bucket_of(entry.hash, count)];
            sorted[*place as usize] = entry;
            *place += 1;
        }
    }
    (sorted, firsts)
}

/// Divide the buckets into parts, and call *work* with the names and bucket bounds of each, in threads of their own.
fn each_part<T: Send>(
    sorted: &mut [Collected],
    firsts: &[u32],
    threads: usize,
    work: impl Fn(&mut [Collected], &[u32]) -> T + Sync,
) -> Vec<T> {
    let count = firsts.len() - 1;
    thread::scope(|scope| {
        let (mut rest, mut running) = (sorted, Vec::new());
        for part in 0..threads {
            let firsts = &firsts[part * count / threads..=(part + 1) * count / threads];
            let (mine, others) = rest.split_at_mut((firsts[firsts.len() - 1] - firsts[0]) as usize);
            rest = others;
            let work = &work;
            running.push(scope.spawn(move || work(mine, firsts)));
        }
        running.into_iter().map(|part| part.join().expect("no part of the work panics")).collect()
    })
}

/// Give the rules of equal names to the first of them, and none to the others.
fn merge_equal(batches: &[NameBatch], entries: &mut [Collected], firsts: &[u32]) {
    let name = |entry: &Collected| batches[entry.batch as usize].name(entry.at);
    for bounds in firsts.windows(2) {
        let bucket = &mut entries[(bounds[0] - firsts[0]) as usize..(bounds[1] - firsts[0]) as usize];
        bucket.sort_unstable_by(|a, b| a.hash.cmp(&b.hash).then_with(|| name(a).wire().cmp(name(b).wire())));
        let mut first = 0;
        for at in 1..bucket.len() {
            if bucket[at].hash == bucket[first].hash && name(&bucket[at]) == name(&bucket[first]) {
                bucket[first].rules = bucket[first].rules.merge(bucket[at].rules);
                bucket[at].rules = NameRules::default();
            } else {
                first = at;
            }
        }
    }
}

/// The different pairs of rules of *entries*.
fn distinct_rules(entries: &[Collected]) -> Vec<NameRules> {
    let (mut known, mut found, mut last) = (HashMap::new(), Vec::new(), NameRules::default());
    for entry in entries.iter().filter(|entry| entry.rules != NameRules::default()) {
        if entry.rules != last {
            last = entry.rules;
            known.entry(last).or_insert_with(|| found.push(last));
        }
    }
    found
}

/// Buckets that one thread has written.
struct Part {
    starts: Vec<u32>,
    blob: Vec<u8>,
    depths: u128,
    names: usize,
}

impl Part {
    fn write(
        batches: &[NameBatch],
        entries: &[Collected],
        firsts: &[u32],
        code: &Code,
        numbers: &HashMap<NameRules, u32>,
    ) -> Part {
        let mut part =
            Part { starts: Vec::with_capacity(firsts.len()), blob: Vec::new(), depths: 0, names: 0 };
        let mut text = [0; LONGEST];
        let (mut last, mut number) = (NameRules::default(), 0);
        for bounds in firsts.windows(2) {
            // Parts of more than 4 GiB are refused when they are put together.
            part.starts.push(part.blob.len() as u32);
            let bucket = &entries[(bounds[0] - firsts[0]) as usize..(bounds[1] - firsts[0]) as usize];
            let bucket = || bucket.iter().filter(|entry| entry.rules != NameRules::default());
            let count = bucket().count();
            match u8::try_from(count) {
                Ok(0) => continue,
                Ok(few) if few < MANY => part.blob.push(few),
                _ => {
                    part.blob.push(MANY);
                    write_number(&mut part.blob, count as u32);
                }
            }
            part.blob.extend(bucket().map(|entry| entry.hash as u8));
            for entry in bucket() {
                let name = batches[entry.batch as usize].name(entry.at);
                if entry.rules != last {
                    (last, number) = (entry.rules, numbers[&entry.rules]);
                }
                write_number(&mut part.blob, number);
                let text = code.write(name, &mut text);
                write_number(&mut part.blob, text.len() as u32);
                part.blob.extend_from_slice(text);
                part.depths |= 1 << name.label_count();
            }
            part.names += count;
        }
        part
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
        let entries = batches.iter().flat_map(|batch| batch.entries.iter().map(move |entry| (batch, entry)));
        let step = batches.iter().map(NameBatch::len).sum::<usize>().div_ceil(MOST_COUNTED);
        for (batch, entry) in entries.clone().step_by(step) {
            if let Some(last) = batch.name(entry.at).labels().last() {
                *lasts.entry(last).or_default() += 1;
            }
        }
        let mut common: Vec<(&[u8], u64)> = lasts.into_iter().filter(|(_, weight)| *weight > 1).collect();
        common.sort_unstable_by_key(|(label, weight)| (Reverse(*weight), *label));
        common.truncate(LAST_LABELS);
        let known: HashMap<&[u8], usize> = common.iter().map(|(label, _)| *label).zip(END + 1..).collect();
        weights.extend(common.iter().map(|_| 1));
        for (batch, entry) in entries.step_by(step) {
            spell(batch.name(entry.at), |last| known.get(last).copied(), |symbol| weights[symbol] += 1);
        }
        let bits = prefix_code(&weights);
        let lasts = common.iter().zip(&bits[END + 1..]).map(|((label, _), bits)| ((*label).into(), *bits));
        Code { lasts: lasts.collect(), symbols: bits[..=END].into() }
    }

    /// Write the text of *name* to *out*.
    #[inline]
    fn write<'o>(&self, name: NameRef<'_>, out: &'o mut [u8; LONGEST]) -> &'o [u8] {
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
        spell_with(name, |last| self.lasts.get(last).copied(), |symbol| self.symbols[symbol], put);
        if count > 0 {
            out[at] = (held << (8 - count)) as u8;
            at += 1;
        }
        &out[..at]
    }

    fn octets(&self) -> usize {
        let lasts = self.lasts.keys().map(|label| label.len() + size_of::<(Box<[u8]>, Bits)>());
        size_of_val(&*self.symbols) + lasts.sum::<usize>()
    }
}

/// The symbols of *name*, in lower case. `known`: the symbol of a last label that has one.
fn spell(name: NameRef<'_>, known: impl Fn(&[u8]) -> Option<usize>, put: impl FnMut(usize)) {
    spell_with(name, known, |symbol| symbol, put);
}

#[inline]
fn spell_with<S>(
    name: NameRef<'_>,
    known: impl Fn(&[u8]) -> Option<S>,
    plain: impl Fn(usize) -> S,
    mut put: impl FnMut(S),
) {
    let name = name.lower();
    let mut labels = name.as_ref().labels().peekable();
    while let Some(label) = labels.next() {
        let is_last = labels.peek().is_none();
        if is_last && let Some(symbol) = known(label) {
            return put(symbol);
        }
        label.iter().for_each(|octet| put(plain(usize::from(*octet))));
        put(plain(if is_last { END } else { BETWEEN }));
    }
    if name.as_ref().is_root() {
        put(plain(END));
    }
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
