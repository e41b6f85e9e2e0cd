//! The public suffix list: below which names anybody can register a domain.
//!
//! The list has rules `com`, `*.ck` (each name below `ck`) and `!www.ck` (but not this one). The longest rule wins, an exception always;
//! a name without a rule has the suffix of its last label. Rules are kept as keyed hashes of 64 bits, some 200 kB for the whole list.

use std::collections::HashMap;

use nw_wire::hash::Keyed;
use nw_wire::{Name, NameRef};

const SUFFIX: u8 = 1;
const WILDCARD: u8 = 2;
const EXCEPTION: u8 = 4;

/// The rules of a list.
#[derive(Debug, Default)]
pub struct Suffixes {
    rules: HashMap<u64, u8, Keyed>,
    /// The labels of the longest rule: no more of a name need be looked up.
    deepest: usize,
}

impl Suffixes {
    /// Read the list in the format of publicsuffix.org, one rule on a line. Rules that are no domain names, such as those in Unicode that have
    /// another in Punycode, are left out.
    pub fn parse(text: &str) -> Suffixes {
        let (mut rules, mut deepest) = (HashMap::default(), 0);
        let lines = text.lines().filter_map(|line| line.split_whitespace().next());
        for line in lines.filter(|line| !line.starts_with("//") && line.is_ascii()) {
            let (rule, kind) = match (line.strip_prefix("*."), line.strip_prefix('!')) {
                (Some(rest), _) => (rest, WILDCARD),
                (None, Some(rest)) => (rest, EXCEPTION),
                (None, None) => (line, SUFFIX),
            };
            if let Ok(name) = rule.parse::<Name>() {
                deepest = deepest.max(name.as_ref().label_count());
                *rules.entry(name.as_ref().hash64()).or_insert(0) |= kind;
            }
        }
        Suffixes { rules, deepest }
    }

    /// The number of names with a rule.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The labels of the public suffix of *name*.
    fn suffix_labels(&self, name: NameRef<'_>) -> usize {
        let most = name.label_count();
        let mut found = 1;
        for labels in 1..=most.min(self.deepest) {
            let kinds = self.rules.get(&name.suffix(labels).hash64()).copied().unwrap_or(0);
            if kinds & EXCEPTION != 0 {
                return labels - 1;
            }
            if kinds & SUFFIX != 0 {
                found = labels;
            }
            if kinds & WILDCARD != 0 && labels < most {
                found = labels + 1;
            }
        }
        found
    }
}

/// The registered domain of *name*: its public suffix and one label. Without a list, the last label is the suffix. None: the name is a suffix
/// itself.
pub fn registered<'n>(suffixes: Option<&Suffixes>, name: NameRef<'n>) -> Option<NameRef<'n>> {
    let suffix = suffixes.map_or(1, |suffixes| suffixes.suffix_labels(name));
    (name.label_count() > suffix).then(|| name.suffix(suffix + 1))
}
