use super::*;

#[test]
fn numbers_lead_to_addresses_until_there_are_too_many() {
    let address = |i: u32| SocketAddr::from((std::net::Ipv4Addr::from(i), 53));
    let mut sources = Sources::default();
    assert_eq!((sources.number(None), sources.address(0)), (0, None));
    let first = sources.number(Some(address(1)));
    assert_eq!((sources.number(Some(address(1))), sources.address(first)), (first, Some(address(1))));
    let last = (0..MOST as u32).map(|i| sources.number(Some(address(i)))).last();
    assert_eq!(sources.address(last.unwrap()), Some(address(MOST as u32 - 1)));
    let next = sources.number(Some(address(u32::MAX)));
    assert_eq!((sources.address(next), sources.address(first)), (Some(address(u32::MAX)), None));
}
