use super::*;
use crate::testing::snapshot;

const ONE: &str = ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";
const TWO: &str = ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16";
const BELOW: &str = "example. IN DS 1 13 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16";

fn basis(anchors: &[&str], negative: &[&str], views: &[&str]) -> Basis {
    let quoted = |items: &[&str]| items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(",");
    let view = |name: &&str| format!(r#"{{"name":"{name}","clients":["::/0"]}}"#);
    let views = views.iter().map(view).collect::<Vec<_>>().join(",");
    let (anchors, negative) = (quoted(anchors), quoted(negative));
    Basis::of(&snapshot(&format!(
        r#"{{"version":1,ZONES,"views":[{views}],"resolver":{{"trust_anchors":[{anchors}],
        "negative_trust_anchors":[{negative}],"forward":[{{"suffix":".","servers":["127.0.0.1:1"]}}]}}}}"#
    )))
}

fn below(names: &[&str]) -> Outdated {
    Outdated::Below(names.iter().map(|name| name.parse().expect("a name")).collect())
}

#[test]
fn validation_switched_on_or_off_outdates_everything() {
    let (off, on) = (basis(&[], &[], &[]), basis(&[ONE], &[], &[]));
    assert_eq!(off.outdated_by(&on), Outdated::All);
    assert_eq!(on.outdated_by(&off), Outdated::All);
    assert_eq!(on.outdated_by(&on), below(&[]));
}

#[test]
fn what_validation_accepts_outdates_everything() {
    let with = |settings: &str| {
        Basis::of(&snapshot(&format!(
            r#"{{"version":1,ZONES,"resolver":{{"trust_anchors":[{ONE:?}],{settings}
            "forward":[{{"suffix":".","servers":["127.0.0.1:1"]}}]}}}}"#
        )))
    };
    let usual = with("");
    for settings in [r#""sha1":false,"#, r#""budget":{"max_nsec3_iterations":0},"#] {
        let other = with(settings);
        assert_eq!(usual.outdated_by(&other), Outdated::All, "{settings}");
        assert_eq!(Basis::from_text(&other.to_text()), Some(other));
    }
    let other = with(r#""budget":{"max_nsec3_iterations":50},"#);
    assert_eq!(usual.outdated_by(&other), below(&[]));
}

#[test]
fn an_anchor_that_is_gone_outdates_what_it_proved() {
    let (one, both) = (basis(&[ONE], &[], &[]), basis(&[ONE, TWO], &[], &[]));
    assert_eq!(one.outdated_by(&both), below(&[]), "a key that is added proves more, not less");
    assert_eq!(both.outdated_by(&one), below(&["."]));
    assert_eq!(one.outdated_by(&basis(&[TWO], &[], &[])), below(&["."]));
    let island = basis(&[ONE, BELOW], &[], &[]);
    assert_eq!(one.outdated_by(&island), below(&["example."]), "it was judged from the root before");
    assert_eq!(island.outdated_by(&one), below(&["example."]));
}

#[test]
fn negative_anchors_outdate_what_is_below_them() {
    let (none, some) = (basis(&[ONE], &[], &[]), basis(&[ONE], &["Broken.example."], &[]));
    assert_eq!(none.outdated_by(&some), below(&["broken.example."]));
    assert_eq!(some.outdated_by(&none), below(&["broken.example."]));
}

#[test]
fn views_keep_their_entries_only_in_their_place() {
    let views = |names: &[&str]| basis(&[], &[], names);
    assert_eq!(views(&["a"]).outdated_by(&views(&["a", "b"])), below(&[]));
    assert_eq!(views(&["a"]).outdated_by(&views(&["b", "a"])), Outdated::All);
    assert_eq!(
        views(&["a", "b"]).outdated_by(&views(&["a"])),
        Outdated::All,
        "a later b would read its entries"
    );
    assert_eq!(views(&[]).outdated_by(&views(&["a"])), below(&[]));
}

#[test]
fn the_text_is_read_as_it_was_written() {
    let some = basis(&[ONE, TWO, BELOW], &["broken.example."], &["inside", "the rest"]);
    assert_eq!(Basis::from_text(&some.to_text()), Some(some));
    assert_eq!(Basis::from_text(""), Some(Basis::default()));
    assert_eq!(Basis::from_text("something else\n"), None);
    assert_eq!(Basis::from_text("accepts perhaps 50\n"), None);
}
