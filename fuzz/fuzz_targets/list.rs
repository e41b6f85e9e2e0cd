//! Any text is a list or has findings on lines that exist; both readers of plain lines agree; and the map decides as the lines say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nw_policy::lists::{self, RANK_SHIFT, ReadList};
use nw_policy::matcher::{Matcher, NameBatch};
use nw_wire::{Name, NameRef};

/// At most so many words of the text are looked up.
const WORDS: usize = 24;

/// The numbers of names, wrong and unsupported lines, and the map.
fn build(list: ReadList) -> ([usize; 3], Matcher) {
    let names = list.names.iter().map(NameBatch::len).sum();
    let counts = [names, list.wrong.count, list.unsupported.count];
    (counts, Matcher::build(list.names, 1).expect("few names"))
}

/// The highest rank of the rules for *name*.
fn rank(map: &Matcher, name: NameRef<'_>) -> Option<u32> {
    let mut best = None;
    map.visit(name, |listed, rule| {
        assert!(name.is_at_or_below(listed));
        best = best.max(Some(rule >> RANK_SHIFT));
        true
    });
    best
}

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.split(|octet| *octet == b'\n').count();
    let list = lists::read(bytes, 2);
    for findings in [&list.wrong, &list.unsupported] {
        assert!(findings.count >= findings.first.len());
        assert!(
            findings.first.iter().all(|found| (1..=lines).contains(&found.line) && !found.message.is_empty())
        );
    }
    // A space before a line keeps it from the quick reader.
    let spaced: Vec<u8> =
        bytes.split(|octet| *octet == b'\n').flat_map(|line| [b" ", line, b"\n"].concat()).collect();
    let ((counts, map), (others, other)) = (build(list), build(lists::read(&spaced, 1)));
    assert_eq!(counts, others);
    let word = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_');
    for text in bytes.split(|octet| !word(octet)).filter(|text| !text.is_empty()).take(WORDS) {
        let text = String::from_utf8_lossy(text);
        for name in [format!("{}.", text.trim_end_matches('.')), format!("a.{}.", text.trim_end_matches('.'))]
        {
            let Ok(name) = name.parse::<Name>() else { continue };
            let mut said = None;
            lists::lines_for(bytes, name.as_ref(), |line, listed, rule| {
                assert!((1..=lines).contains(&line) && name.as_ref().is_at_or_below(listed));
                said = said.max(Some(rule.rank()));
            });
            assert_eq!(rank(&map, name.as_ref()), said, "{name}");
            assert_eq!(rank(&other, name.as_ref()), said, "{name}");
        }
    }
});
