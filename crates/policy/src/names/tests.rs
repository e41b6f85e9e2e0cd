use super::*;

fn name(text: &str) -> Name {
    text.parse().expect("tests use valid names")
}

#[test]
fn a_name_stands_for_itself_and_all_below() {
    let list = NameList::parse("# ads\nads.example\n\n  Sub.Example.ORG.  # a subdomain\n").expect("valid");
    assert_eq!(list.len(), 2);
    for (asked, listed) in [
        ("ads.example.", Some("ads.example.")),
        ("a.b.ADS.example.", Some("ads.example.")),
        ("bads.example.", None),
        ("example.", None),
        ("x.sub.example.org.", Some("sub.example.org.")),
    ] {
        let found = list.find(name(asked).as_ref()).map(|found| found.to_name());
        assert_eq!(found, listed.map(name), "{asked}");
    }
    assert!(NameList::parse(".").expect("the root").find(name("any.").as_ref()).is_some());
}

#[test]
fn every_wrong_line_is_reported() {
    let errors = NameList::parse("good.example\nbad..example\n\\999.example\n").expect_err("two are wrong");
    assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 3]);
}
