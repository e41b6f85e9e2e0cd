use super::*;

fn routes(lines: &[(&str, &str)]) -> Routes {
    let plan: Vec<_> = lines
        .iter()
        .map(|(prefix, to)| RoutePlan {
            prefix: prefix.parse().expect("a prefix"),
            to: to.parse().expect("an address"),
        })
        .collect();
    Routes::new(&plan)
}

#[test]
fn the_longest_prefix_wins_and_the_rest_has_no_route() {
    let table = routes(&[
        ("198.41.0.0/16", "127.0.0.1:5301"),
        ("198.41.0.4/32", "127.0.0.2:5302"),
        ("2001:503::/32", "[::1]:5303"),
        ("198.41.0.4/32", "127.0.0.3:5304"),
    ]);
    let target = |text: &str| table.target(text.parse().expect("an address")).map(|to| to.to_string());
    assert_eq!(target("198.41.0.4:53").as_deref(), Some("127.0.0.3:5304"));
    assert_eq!(target("198.41.9.9:5353").as_deref(), Some("127.0.0.1:5301"));
    assert_eq!(target("[2001:503:ba3e::2:30]:53").as_deref(), Some("[::1]:5303"));
    for nowhere in
        ["198.42.0.1:53", "8.8.8.8:53", "127.0.0.1:53", "[2001:db8::1]:53", "[::ffff:198.41.0.4]:53"]
    {
        assert_eq!(target(nowhere), None, "{nowhere}");
    }
}

#[test]
#[should_panic(expected = "192.0.2.1:53 is not a loopback address")]
fn targets_are_loopback() {
    routes(&[("0.0.0.0/0", "192.0.2.1:53")]);
}
