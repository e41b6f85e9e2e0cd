use super::*;

#[test]
fn no_more_wait_than_the_limit_says() {
    let question = || ClientQuestion::new("www.example.".parse().expect("a name"), nw_wire::RrType::A);
    let renewals = Renewals::default();
    assert_eq!([2, 2, 2].map(|most| renewals.renew(question(), most)), [true, true, false]);
    assert!(renewals.renew(question(), 3));
    assert!(!Renewals::default().renew(question(), 0));
}
