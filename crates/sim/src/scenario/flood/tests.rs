use super::*;

fn answers(rows: &[(Micros, &str, Rcode)]) -> Answers {
    let rows = rows.iter().map(|(at, client, rcode)| Answer {
        at: *at,
        took: *at,
        client: client.parse().unwrap(),
        rcode: *rcode,
        octets: 100,
        asked_octets: 40,
    });
    Rc::new(RefCell::new(rows.collect()))
}

#[test]
fn a_pulse_belongs_to_one_client() {
    let rows = answers(&[
        (0, "10.0.0.1", Rcode::NOERROR),
        (10_000, "10.0.0.1", Rcode::NOERROR),
        (10_001, "10.0.0.1", Rcode::NOERROR),
        (20_002, "10.0.0.1", Rcode::NOERROR),
        (0, "10.0.0.2", Rcode::NOERROR),
    ]);
    assert_eq!(pulse(&rows.borrow()), 2);
    assert_eq!(pulse(&[]), 0);
}

#[test]
fn broken_limits_are_differences() {
    let rows = answers(&[(5_000, "10.0.0.1", Rcode::NOERROR), (9_000, "10.0.0.1", Rcode::SERVFAIL)]);
    let field = |expect: StreamExpect| {
        let stream =
            StreamTable { query: "x. A".into(), count: 4, per_s: 1, expect, ..StreamTable::default() };
        compare(&stream, &rows, 1).unwrap().0.map(|difference| (difference.field, difference.got))
    };
    let answered = |min| StreamExpect {
        answered: Some(Count::Between { min: Some(min), max: None }),
        ..StreamExpect::default()
    };
    assert_eq!(field(answered(25)), None);
    assert_eq!(field(answered(26)), Some(("answered", "25".into())));
    let failed = StreamExpect { rcode: Some("SERVFAIL".into()), ..answered(26) };
    assert_eq!(field(failed), Some(("answered", "25".into())));
    let late = StreamExpect { max_ms: Some(8), ..StreamExpect::default() };
    assert_eq!(field(late), Some(("max_ms", "9".into())));
    let slow = StreamExpect { max_median_ms: Some(8), ..StreamExpect::default() };
    assert_eq!(field(slow), Some(("median_ms", "9".into())));
    let loud = StreamExpect { max_pulse: Some(1), ..StreamExpect::default() };
    assert_eq!(field(loud), Some(("pulse", "2".into())));
    // Two answers of 100 octets to four queries of 40.
    let amplified = |most| StreamExpect { max_amplification: Some(most), ..StreamExpect::default() };
    assert_eq!(field(amplified(125)), None);
    assert_eq!(field(amplified(124)), Some(("amplification_percent", "125".into())));
}

#[test]
fn clients_fill_the_networks_in_turn() {
    let stream = StreamTable { prefixes: 2, ..StreamTable::default() };
    let address = |number| client(&stream, 1, number).to_string();
    assert_eq!([address(0), address(1), address(2)], ["10.61.0.2", "10.61.1.2", "10.61.0.3"]);
    let neighbours = StreamTable { neighbours: true, ..StreamTable::default() };
    assert_eq!(client(&neighbours, 1, 0).to_string(), "10.60.0.2");
}
