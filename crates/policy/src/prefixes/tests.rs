use super::*;

#[test]
fn the_longest_block_decides() {
    let block = |text: &str| text.parse::<Prefix>().expect("tests use valid blocks");
    let blocks = vec![
        (block("10.0.0.0/8"), 1),
        (block("10.1.0.0/16"), 2),
        (block("10.1.2.3"), 3),
        (block("10.1.2.3"), 9),
        (block("2001:db8::/32"), 4),
        (block("::/0"), 5),
    ];
    let map = PrefixMap::new(blocks);
    let rule = |text: &str| map.find(text.parse().expect("an address")).map(|(_, rule)| rule);
    assert_eq!(map.len(), 5);
    assert_eq!(rule("10.2.0.1"), Some(1));
    assert_eq!(rule("10.1.0.1"), Some(2));
    assert_eq!(rule("::ffff:10.1.2.3"), Some(3));
    assert_eq!(rule("192.0.2.1"), None);
    assert_eq!(rule("2001:db8::1"), Some(4));
    assert_eq!(rule("2001:db9::1"), Some(5));
}
