//! A name from any octets or text is within its limits, and its text and its wire form parse to the same name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nw_wire::name::{MAX_NAME, NameBuf, NameRef};
use nw_wire::text::{Tokens, push_name};

fn holds(name: NameRef<'_>) {
    assert!(name.wire().len() <= MAX_NAME);
    assert!(name.labels().all(|label| (1..=63).contains(&label.len())));
    let mut text = String::new();
    push_name(&mut text, name);
    assert_eq!(text, name.to_string());
    assert!(NameBuf::parse(text.as_bytes(), None).unwrap().as_ref().eq_exact(name));
    let mut wire = Vec::new();
    Tokens::new(text.as_bytes()).name(NameRef::ROOT, &mut wire).unwrap();
    assert_eq!(wire, name.wire());
    assert_eq!(name.lower().as_ref(), name);
    assert_eq!(name.lower().as_ref().hash64(), name.hash64());
    assert_eq!(name.suffix(name.label_count()).wire(), name.wire());
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok((name, rest)) = NameRef::read(bytes) {
        holds(name);
        if let Ok((other, _)) = NameRef::read(rest) {
            assert_eq!(name.cmp(&other), other.cmp(&name).reverse());
            assert_eq!(name == other, name.cmp(&other).is_eq());
            let common = name.common_labels(other);
            assert!(name.is_at_or_below(other.suffix(common)) && other.is_at_or_below(name.suffix(common)));
        }
    }
    let mut wire = Vec::new();
    let read = Tokens::new(bytes).name(NameRef::ROOT, &mut wire);
    if read.is_ok() {
        holds(NameRef::from_wire(&wire).expect("what text yields is a name"));
    }
    if let Ok(name) = NameBuf::parse(bytes, Some(NameRef::ROOT)) {
        holds(name.as_ref());
    }
});
