use super::*;

fn view(name: &str, clients: &str, key: &str) -> View {
    View {
        name: name.to_owned(),
        clients: Acl::new([clients.parse::<crate::Prefix>().expect("a prefix")]),
        keys: vec![key.parse().expect("a name")],
    }
}

#[test]
fn the_first_view_that_matches_address_or_key_is_selected() {
    let views = [view("inside", "10.0.0.0/8", "Office."), view("outside", "0.0.0.0/0", "other.")];
    let (inside, outside): (IpAddr, IpAddr) = ("10.1.2.3".parse().unwrap(), "192.0.2.1".parse().unwrap());
    let key: Name = "office.".parse().expect("a name");
    assert_eq!(select(&views, inside, None), Some(0));
    assert_eq!(select(&views, outside, None), Some(1));
    assert_eq!(select(&views, outside, Some(key.as_ref())), Some(0), "key names are compared without case");
    assert_eq!(select(&views, "2001:db8::1".parse().unwrap(), None), None);
}
