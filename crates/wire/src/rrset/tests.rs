use super::*;

#[test]
fn rdatas_keep_their_order_until_they_are_sorted() {
    let mut set: RdataSet = [&[2u8, 2][..], &[1], &[2, 2], &[]].into_iter().collect();
    assert_eq!(set.len(), 4);
    assert!(set.contains(&[]) && !set.contains(&[2]));
    set.sort_canonical(RrType(65280));
    assert_eq!(set.iter().collect::<Vec<_>>(), [&[][..], &[1], &[2, 2]]);
}

#[test]
fn canonical_order_folds_names() {
    let upper = crate::Name::from_wire(b"\x01B\0").unwrap();
    let lower = crate::Name::from_wire(b"\x01a\0").unwrap();
    let mut set: RdataSet = [upper.as_ref().wire(), lower.as_ref().wire(), b"\x01b\0"].into_iter().collect();
    set.sort_canonical(RrType::NS);
    assert_eq!(set.iter().collect::<Vec<_>>(), [b"\x01a\0", b"\x01B\0"]);
}

#[test]
fn a_failed_fill_leaves_the_set_unchanged() {
    let mut set = RdataSet::new();
    set.push(b"x");
    assert_eq!(
        set.push_with(|out| {
            out.push(9);
            Err(())
        }),
        Err(())
    );
    assert_eq!(
        set.push_with(|out| {
            out.push(8);
            Ok::<_, ()>(())
        }),
        Ok(())
    );
    assert_eq!(set.iter().collect::<Vec<_>>(), [b"x", &[8u8][..]]);
}
