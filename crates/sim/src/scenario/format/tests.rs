use super::*;

#[test]
fn an_unknown_key_is_an_error_with_its_line() {
    let error = Scenario::parse("about = \"x\"\nstandard = true\nstep = []\nwhat = 1\n").unwrap_err();
    assert!(error.contains("what") && error.contains("line 4"), "{error}");
}

#[test]
fn counts() {
    assert!(Count::Exactly(3).holds(3) && !Count::Exactly(3).holds(4));
    let between = Count::Between { min: Some(1), max: Some(2) };
    assert!(between.holds(1) && between.holds(2) && !between.holds(0) && !between.holds(3));
    assert_eq!(between.to_string(), "1 to 2");
    assert_eq!(Count::Between { min: None, max: Some(50) }.to_string(), "at most 50");
}

#[test]
fn defaults_are_quiet() {
    let text = "about = \"x\"\nstandard = true\n[resolver]\n[[host]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n\
                [[host.rule]]\nqname = \"a.\"\ndrop = true\njunk = [\"wrong-id\"]\n\
                [[step]]\nquery = \"a. A\"\nexpect = { upstream = { max = 3 }, rcode = \"SERVFAIL\" }\n";
    let scenario = Scenario::parse(text).unwrap();
    assert!(!scenario.resolver.unwrap().minimise);
    assert_eq!(scenario.host[0].rule[0].junk, [Junk::WrongId]);
    assert_eq!(scenario.step[0].via, Protocol::Udp);
}
