use super::*;

fn record(line: &str) -> Result<Record, RecordError> {
    Record::parse(line, NameRef::ROOT, DEFAULT_TTL)
}

fn shown(line: &str) -> String {
    record(line).map_or_else(|error| format!("error: {error}"), |record| record.to_string())
}

#[test]
fn ttl_and_class_are_optional_and_in_either_order() {
    for line in [
        "a. 3600 IN A 192.0.2.1",
        "a. IN 3600 A 192.0.2.1",
        "a IN A 192.0.2.1",
        "a. 1h A 192.0.2.1",
        "a. A 192.0.2.1",
    ] {
        assert_eq!(shown(line), "a. 3600 IN A 192.0.2.1", "{line}");
    }
    assert_eq!(shown("a. 0 CH TXT \"x\""), "a. 0 CH TXT \"x\"");
    assert_eq!(shown("a. SOA m. r. ( 1 2 3 4 5 )"), "a. 3600 IN SOA m. r. 1 2 3 4 5");
    assert_eq!(shown("any.a. NS ns"), "any.a. 3600 IN NS ns.");
    assert_eq!(shown("a. TYPE65280 \\# 2 abcd"), "a. 3600 IN TYPE65280 \\# 2 abcd");
}

#[test]
fn errors_give_the_reason() {
    assert_eq!(record("a. IN"), Err(RecordError::Missing("the type")));
    assert_eq!(record(""), Err(RecordError::Missing("the owner name")));
    assert_eq!(record("a. IN WHAT 1"), Err(RecordError::Type("WHAT".to_owned())));
    assert_eq!(record("a..b. IN A 1.2.3.4"), Err(RecordError::Name("a..b.".to_owned())));
    assert!(matches!(record("a. IN A 1.2.3"), Err(RecordError::Text(_))));
    assert!(matches!(record("a. IN A 1.2.3.4 5"), Err(RecordError::Text(_))));
}

#[test]
fn sets_ignore_order_case_and_ttl() {
    let set = |lines: &[&str], ttl| {
        let records: Vec<Record> = lines.iter().map(|line| record(line).unwrap()).collect();
        as_set(&records, ttl)
    };
    let (one, two) = (["a. 60 A 1.2.3.4", "a. NS NS1.b."], ["A. NS ns1.B.", "a. A 1.2.3.4", "a. A 1.2.3.4"]);
    assert_eq!(set(&one, false), set(&two, false));
    assert_ne!(set(&one, true), set(&two, true));
    assert_eq!(set(&["a. SRV 1 2 3 B."], false), set(&["a. SRV 1 2 3 b."], false));
    assert_ne!(set(&["a. TXT B"], false), set(&["a. TXT b"], false));
}

#[test]
fn questions() {
    let question = |line: &str| {
        parse_question(line, NameRef::ROOT).map(|q| format!("{} {} {}", q.name, q.class, q.rtype))
    };
    assert_eq!(question("www.Example.com. IN A").unwrap(), "www.Example.com. IN A");
    assert_eq!(question("www.example.com A IN").unwrap(), "www.example.com. IN A");
    assert_eq!(question("www.example.com. ANY").unwrap(), "www.example.com. IN ANY");
    assert_eq!(question(". NS").unwrap(), ". IN NS");
    assert_eq!(question("version.bind. CH TXT").unwrap(), "version.bind. CH TXT");
    assert_eq!(question("a. IN"), Err(RecordError::Type("IN".to_owned())));
    assert_eq!(question("a."), Err(RecordError::Missing("the type")));
    assert_eq!(question("a. IN A x"), Err(RecordError::Trailing("x".to_owned())));
}
