use nw_wire::Name;
use proptest::prelude::*;

use super::*;
use crate::matcher::Matcher;

fn name(text: &str) -> Name {
    text.parse().expect("tests use valid names")
}

/// The rule for a name: as the policy finds it, by rank and then by length.
fn rule(text: &str, asked: &str) -> Option<ListRule> {
    let list = read(text.as_bytes(), 1);
    assert_eq!(list.wrong, ListFindings::default());
    let matcher = Matcher::build(list.names, 1).expect("few names");
    let mut best: Option<u32> = None;
    matcher.visit(name(asked).as_ref(), |_, number| {
        if best.is_none_or(|best| number >> RANK_SHIFT > best >> RANK_SHIFT) {
            best = Some(number);
        }
        true
    });
    best.map(|number| list.rules[((number & ((1 << RANK_SHIFT) - 1)) - FIRST_RULE) as usize])
}

#[test]
fn every_syntax_is_read() {
    let text = "# hosts\r\n0.0.0.0 a.example  b.example # both\n127.0.0.1 localhost\n::1 ip6-localhost\nfe80::1%lo0 localhost\n\
                plain.example\n*.wild.example\n[Adblock Plus]\n! a comment\n||ad.example^\n||imp.example^$important\n\
                @@||ok.ad.example^\n@@||imp.example^\naddress=/x.example/y.example/192.0.2.1\naddress=/null.example/#\n\
                local=/gone.example/\nserver=/free.gone.example/#\n";
    let sink = Some(ListRule::Address("192.0.2.1".parse().expect("an address")));
    for (asked, expected) in [
        ("A.example.", Some(ListRule::Block)),
        ("b.example.", Some(ListRule::Block)),
        ("sub.a.example.", None),
        ("localhost.", None),
        ("plain.example.", Some(ListRule::Block)),
        ("sub.plain.example.", Some(ListRule::Block)),
        ("wild.example.", None),
        ("sub.wild.example.", Some(ListRule::Block)),
        ("x.ad.example.", Some(ListRule::Block)),
        ("ok.ad.example.", Some(ListRule::Except)),
        ("sub.ok.ad.example.", Some(ListRule::Except)),
        ("imp.example.", Some(ListRule::Block)),
        ("x.example.", sink),
        ("sub.y.example.", sink),
        ("null.example.", Some(ListRule::Block)),
        ("gone.example.", Some(ListRule::Nxdomain)),
        ("free.gone.example.", Some(ListRule::Except)),
        ("other.example.", None),
    ] {
        assert_eq!(rule(text, asked), expected, "{asked}");
    }
}

#[test]
fn an_important_exception_wins_over_an_important_rule() {
    let text = "||ad.example^$important\n@@||ok.ad.example^$important\n";
    assert_eq!(rule(text, "ok.ad.example."), Some(ListRule::Except));
    assert_eq!(rule(text, "ad.example."), Some(ListRule::Block));
}

#[test]
fn unsupported_and_wrong_lines_are_named() {
    let text = "ok.example\nexample.com##.ad\n||x.example^$third-party\n/ads[0-9]+/\n##.banner\n||x.example/path^\n192.0.2.7 nas.example\n\
                server=/x.example/192.0.2.1\nbad..example\ntwo names\naddress=/x.example/y\nm\u{fc}ller.example\n";
    let list = read(text.as_bytes(), 1);
    let lines =
        |findings: &ListFindings| findings.first.iter().map(|finding| finding.line).collect::<Vec<_>>();
    assert_eq!(lines(&list.unsupported), [2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(lines(&list.wrong), [9, 10, 11, 12]);
    assert_eq!(list.wrong.first[0].to_string(), "line 9: the name has an empty label: \"bad..example\"");
    let long = format!("{}.example\n{}\n", "a".repeat(64), "a.".repeat(130));
    assert_eq!(lines(&read(long.as_bytes(), 1).wrong), [1, 2]);
}

#[test]
fn a_rule_for_two_names_has_no_effect() {
    let text = "||zoo flag.example^\n||com\tflag.example^$important\n@@||zoo flag.example^\n||*.zoo flag.example^\n|| flag.example^\n||^\n\
                ||*.^\n*.\naddress=//192.0.2.1\nserver=//\n";
    let list = read(text.as_bytes(), 1);
    let lines: Vec<usize> = list.unsupported.first.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(list.wrong, ListFindings::default());
    for asked in ["zoo.", "flag.example.", "www.com.", "example."] {
        assert_eq!(rule(text, asked), None, "{asked}");
    }
}

#[test]
fn findings_are_bounded_and_counted() {
    let list = read("bad..name\n".repeat(1000).as_bytes(), 1);
    assert_eq!((list.wrong.count, list.wrong.first.len()), (1000, MOST_FINDINGS));
}

#[test]
fn several_threads_read_the_same_as_one() {
    let mut text = String::new();
    for number in 0..20_000 {
        text += &format!("name{number}.example\n");
        if number % 5000 == 4999 {
            text += "bad..name\naddress=/z.example/192.0.2.9\n";
        }
    }
    let (one, many) = (read(text.as_bytes(), 1), read(text.as_bytes(), 3));
    assert!(many.names.len() > 1);
    assert_eq!(one.wrong, many.wrong);
    assert_eq!(one.rules, many.rules);
    let count = |list: &ReadList| list.names.iter().map(NameBatch::len).sum::<usize>();
    assert_eq!(count(&one), count(&many));
}

#[test]
fn lines_for_a_name_are_found() {
    let text = "# x\nexample.com\n||www.example.com^\n@@||www.example.com^\n0.0.0.0 example.com\n";
    let mut lines = Vec::new();
    lines_for(text.as_bytes(), name("WWW.example.com.").as_ref(), |line, listed, rule| {
        lines.push((line, listed.to_string(), rule.rule));
    });
    let expected = [
        (2, "example.com.".to_owned(), ListRule::Block),
        (3, "www.example.com.".to_owned(), ListRule::Block),
        (4, "www.example.com.".to_owned(), ListRule::Except),
    ];
    assert_eq!(lines, expected);
}

proptest! {
    #[test]
    fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..400), syntax in "[|@^$/=.# \n*a-c0-9:-]{0,200}") {
        read(&octets, 2);
        read(syntax.as_bytes(), 2);
    }
}

/// Lines that the quick reader takes mean the same as to the other one.
#[test]
fn plain_names_are_read_in_one_way() {
    let lines = [
        "a.example",
        "A.Example",
        "0.0.0.0 a.example",
        "127.0.0.1 a.example",
        "a.example\r",
        "a..example",
        ".a.example",
        "a.example.",
        "local",
        "localhost.localdomain",
        "x.localdomain",
        "1.2.3.4",
        "a.b1",
        "0.0.0.0 1.2.3.4",
        "a.example b",
        "0.0.0.0  a.example",
        "_x.-y.example",
        "a.example#",
        "a/b.example",
        "é.example",
        "0.0.0.0 ",
        "0.0.0.0",
        "1",
        "0.0.0.0 a.example b.example",
    ];
    let long = [
        format!("{}.example", "a".repeat(63)),
        format!("{}.example", "a".repeat(64)),
        format!("{}abc.example", "a.".repeat(121)),
        format!("{}ab.example", "a.".repeat(121)),
        "a.".repeat(126) + "b",
        "a.".repeat(127) + "b",
    ];
    for line in lines.into_iter().map(str::to_owned).chain(long) {
        // A space before the line makes it another kind of line.
        let (quick, slow) = (read(line.as_bytes(), 1), read(format!(" {line}").as_bytes(), 1));
        let seen = |list: ReadList| {
            let counts = (
                list.wrong.count,
                list.unsupported.count,
                list.names.iter().map(NameBatch::len).sum::<usize>(),
            );
            let matcher = Matcher::build(list.names, 1).expect("few names");
            let name = line.rsplit(' ').next().unwrap_or_default().trim().trim_end_matches('.');
            let rules =
                format!("{name}.").parse::<Name>().ok().and_then(|name| matcher.rules_of(name.as_ref()));
            (counts, rules)
        };
        assert_eq!(seen(quick), seen(slow), "{line:?}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    let text = "\u{feff}a.example\nb.example\n";
    assert_eq!(rule(text, "a.example."), Some(ListRule::Block));
    let mut lines = Vec::new();
    lines_for(text.as_bytes(), name("a.example.").as_ref(), |line, _, _| lines.push(line));
    assert_eq!(lines, [1]);
}

#[test]
fn all_findings_are_kept_if_they_are_wanted() {
    let text = "/path/\n".repeat(150) + &"bad..name\n".repeat(150);
    for (most, kept) in [(MOST_FINDINGS, 100), (usize::MAX, 150)] {
        let read = read_showing(text.as_bytes(), 2, most, &Progress::default());
        assert_eq!((read.unsupported.first.len(), read.unsupported.count), (kept, 150));
        assert_eq!((read.wrong.first.len(), read.wrong.count), (kept, 150));
        assert_eq!(read.wrong.first[0].line, 151);
    }
}
