use std::collections::BTreeMap;

use nw_wire::Name;
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Name {
    text.parse().expect("tests use valid names")
}

fn rules(own: u32, below: u32) -> NameRules {
    NameRules { own, below }
}

fn build(names: &[(&str, u32, u32)], threads: usize) -> Matcher {
    let mut batches = vec![NameBatch::new(), NameBatch::new()];
    for (at, (text, own, below)) in names.iter().enumerate() {
        assert!(batches[at % 2].add(name(text).as_ref(), rules(*own, *below)));
    }
    Matcher::build(batches, threads).expect("few names")
}

fn found(matcher: &Matcher, text: &str) -> Vec<(String, u32)> {
    let asked = name(text);
    let mut found = Vec::new();
    matcher.visit(asked.as_ref(), |name, rule| {
        found.push((name.to_string(), rule));
        true
    });
    found
}

#[test]
fn rules_apply_to_the_name_or_to_names_below() {
    let matcher = build(&[("ads.Example.", 1, 2), ("exact.example.", 3, 0), ("x.ads.example.", 0, 4)], 1);
    let expect = |asked, expected: &[(&str, u32)]| {
        let expected: Vec<_> = expected.iter().map(|(name, rule)| ((*name).to_owned(), *rule)).collect();
        assert_eq!(found(&matcher, asked), expected, "{asked}");
    };
    expect("ADS.example.", &[("ADS.example.", 1)]);
    expect("a.ads.example.", &[("ads.example.", 2)]);
    expect("x.ads.example.", &[("ads.example.", 2)]);
    expect("a.x.ads.example.", &[("x.ads.example.", 4), ("ads.example.", 2)]);
    expect("exact.example.", &[("exact.example.", 3)]);
    expect("a.exact.example.", &[]);
    expect("bads.example.", &[]);
    expect("example.", &[]);
    expect(".", &[]);
}

#[test]
fn equal_names_have_one_entry_with_the_greater_rules() {
    let matcher = build(&[("a.example.", 1, 0), ("A.EXAMPLE.", 0, 5), ("a.example.", 2, 3)], 2);
    assert_eq!(matcher.len(), 1);
    assert_eq!(matcher.rules_of(name("a.example.").as_ref()), Some(rules(2, 5)));
}

#[test]
fn the_root_and_odd_octets_are_names_like_others() {
    let long = format!("{0}.{0}.{0}.{1}.", "\\000".repeat(63), "\\255".repeat(61));
    let many = "a.".repeat(127);
    let listed = [(".", 0, 1), ("a\\.b.example.", 2, 2), (long.as_str(), 3, 3), (many.as_str(), 4, 4)];
    let matcher = build(&listed, 1);
    assert_eq!(found(&matcher, "any.").last().map(|(_, rule)| *rule), Some(1));
    assert_eq!(found(&matcher, "a\\.b.example.").len(), 2);
    assert_eq!(found(&matcher, "a.b.example.").len(), 1);
    assert_eq!(found(&matcher, &long)[0].1, 3);
    assert_eq!(found(&matcher, &many)[0].1, 4);
    assert_eq!(found(&build(&[], 1), "any."), []);
}

/// Every name has the same tag and bucket if its hash is forced: the texts alone decide.
#[test]
fn a_collision_of_hashes_selects_no_other_name() {
    let mut batch = NameBatch::new();
    for number in 0..300 {
        assert!(batch.add(name(&format!("n{number}.example.")).as_ref(), rules(number + 1, 0)));
    }
    let mut all = BatchPart::default();
    for part in std::mem::take(&mut batch.parts) {
        for entry in &part.entries {
            let at = u32::try_from(all.text.len()).expect("short");
            all.text.extend_from_slice(NameRef::read(part.wire(entry.at)).expect("a name").0.wire());
            all.entries.push(Collected { hash: 7, at, ..*entry });
        }
    }
    batch.parts = std::iter::once(all).chain((1..PARTS).map(|_| BatchPart::default())).collect();
    let matcher = Matcher::build(vec![batch], 2).expect("few names");
    assert_eq!(matcher.len(), 300);
    for number in 0..300 {
        let listed = name(&format!("n{number}.example."));
        assert_eq!(matcher.find(7, listed.as_ref()), Some(rules(number + 1, 0)));
    }
    assert_eq!(matcher.find(7, name("innocent.example.").as_ref()), None);
}

/// Octets with Fibonacci weights have the longest codes.
#[test]
fn the_longest_text_has_room() {
    let mut weights = vec![1u64; END + 1];
    let (mut one, mut two) = (1, 1);
    while weights.iter().sum::<u64>() + two < 1 << 27 {
        let at = weights.iter().position(|weight| *weight == 1).expect("some are left");
        weights[at] = two;
        (one, two) = (two, one + two);
    }
    let longest = prefix_code(&weights).iter().map(|bits| bits.length).max();
    assert!(usize::from(longest.expect("there are codes")) * 256 / 8 <= LONGEST, "{longest:?}");
}

proptest! {
    #[test]
    fn agrees_with_a_map(
        listed in prop::collection::vec(("([ab]{1,2}\\.){0,4}", 0u32..4, 0u32..4), 0..60),
        asked in prop::collection::vec("([abAB]{1,2}\\.){0,5}", 1..40),
        threads in 1usize..4,
    ) {
        let dotted = |text: &str| if text.is_empty() { ".".to_owned() } else { text.to_owned() };
        let mut model: BTreeMap<String, NameRules> = BTreeMap::new();
        let mut batch = NameBatch::new();
        for (text, own, below) in &listed {
            let text = dotted(text);
            batch.add(name(&text).as_ref(), rules(*own, *below));
            let entry = model.entry(text).or_default();
            *entry = entry.merge(rules(*own, *below));
        }
        let matcher = Matcher::build(vec![batch], threads).expect("few names");
        for text in &asked {
            let text = dotted(text);
            let mut expected = Vec::new();
            let asked = name(&text);
            let mut at = Some(asked.as_ref());
            while let Some(suffix) = at {
                let rules = model.get(&suffix.to_string().to_lowercase()).copied().unwrap_or_default();
                let rule = if suffix == asked.as_ref() { rules.own } else { rules.below };
                if rule != 0 {
                    expected.push((suffix.to_string(), rule));
                }
                at = suffix.parent();
            }
            prop_assert_eq!(found(&matcher, &text), expected);
        }
    }
}
