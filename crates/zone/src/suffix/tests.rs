use nw_wire::Name;
use proptest::prelude::*;

use super::{LabelStarts, sort_key, whole};

fn name() -> impl Strategy<Value = Name> {
    let octet = prop_oneof![Just(0u8), Just(1), Just(2), Just(b'a'), Just(b'A'), Just(b'b'), any::<u8>()];
    let label = prop_oneof![prop::collection::vec(octet.clone(), 1..4), prop::collection::vec(octet, 1..20)];
    prop::collection::vec(label, 0..5).prop_map(|labels| {
        let mut wire = Vec::new();
        for label in labels {
            wire.push(label.len() as u8);
            wire.extend_from_slice(&label);
        }
        wire.push(0);
        Name::from_wire(&wire).expect("short labels make a name")
    })
}

proptest! {
    /// RFC 4034 §6.1: keys have the order of names, and distinguish names if they are whole.
    #[test]
    fn sort_keys_order_as_names_do(a in name(), b in name()) {
        let key = |name: &Name| {
            let wire = name.as_ref().wire();
            sort_key(wire, &LabelStarts::of(wire), 0)
        };
        let order = key(&a).cmp(&key(&b));
        if order.is_eq() {
            prop_assert!(!whole(key(&a)) || a == b);
        } else {
            prop_assert_eq!(order, a.as_ref().cmp(&b.as_ref()));
        }
    }

    #[test]
    fn common_labels_are_those_of_names(a in name(), b in name()) {
        let (left, right) = (a.as_ref().wire(), b.as_ref().wire());
        let common = LabelStarts::of(left).common(left, &LabelStarts::of(right), right);
        prop_assert_eq!(common, a.as_ref().common_labels(b.as_ref()));
    }
}
