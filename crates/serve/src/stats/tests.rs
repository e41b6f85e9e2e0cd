use super::*;

#[test]
fn workers_are_summed() {
    let (one, two) = (Stats::default(), Stats::default());
    one.queries_udp4.add(3);
    two.queries_udp4.add(4);
    one.tcp_open.add(2);
    one.tcp_open.sub(1);
    one.rcode(Rcode::NOERROR);
    two.rcode(Rcode::NXDOMAIN);
    two.rcode(Rcode(4000));
    let sums = total([&one, &two]);
    let value = |name: &str| sums.iter().find(|(found, _)| found == name).map(|(_, value)| *value);
    assert_eq!(value("queries.udp4"), Some(7));
    assert_eq!(value("tcp.open"), Some(1));
    assert_eq!(value("panics"), Some(0));
    assert_eq!(
        (value("rcode.NOERROR"), value("rcode.NXDOMAIN"), value("rcode.other")),
        (Some(1), Some(1), Some(1))
    );
    assert_eq!(value("rcode.REFUSED"), None);
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = Stats::NAMES.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Stats::NAMES.len());
}
