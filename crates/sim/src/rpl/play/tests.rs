use super::*;

/// A script whose root server also answers for everything below.
fn script(config: &str, ranges: &str, steps: &str) -> String {
    format!(
        "{config}\nstub-addr: 193.0.14.129\nCONFIG_END\nSCENARIO_BEGIN test\n\
         RANGE_BEGIN 0 1000\nADDRESS 193.0.14.129\nENTRY_BEGIN\nMATCH opcode qtype qname\nADJUST copy_id\n\
         REPLY QR AA NOERROR\nSECTION QUESTION\n. IN NS\nSECTION ANSWER\n. NS k.root-servers.net.\n\
         SECTION ADDITIONAL\nk.root-servers.net. A 193.0.14.129\nENTRY_END\nRANGE_END\n{ranges}\n{steps}\nSCENARIO_END\n"
    )
}

fn range(from: u64, to: u64, entry: &str) -> String {
    format!("RANGE_BEGIN {from} {to}\nADDRESS 193.0.14.129\nENTRY_BEGIN\n{entry}\nENTRY_END\nRANGE_END\n")
}

fn answer(address: &str, ttl: u32) -> String {
    format!(
        "MATCH opcode qtype qname\nADJUST copy_id\nREPLY QR AA NOERROR\nSECTION QUESTION\nwww.example. IN A\n\
         SECTION ANSWER\nwww.example. {ttl} A {address}"
    )
}

fn query(step: u64) -> String {
    format!("STEP {step} QUERY\nENTRY_BEGIN\nREPLY RD\nSECTION QUESTION\nwww.example. IN A\nENTRY_END\n")
}

fn check(step: u64, matches: &str, address: &str, ttl: u32) -> String {
    format!(
        "STEP {step} CHECK_ANSWER\nENTRY_BEGIN\nMATCH {matches}\nREPLY QR RD RA NOERROR\nSECTION QUESTION\n\
         www.example. IN A\nSECTION ANSWER\nwww.example. {ttl} A {address}\nENTRY_END\n"
    )
}

fn outcome(config: &str, ranges: &str, steps: &str) -> Outcome {
    play(&script(config, ranges, steps), &Options::default()).outcome
}

#[test]
fn an_answer_is_checked_and_a_difference_is_named() {
    let ranges = range(0, 100, &answer("192.0.2.1", 300));
    assert_eq!(outcome("", &ranges, &(query(1) + &check(10, "all ttl", "192.0.2.1", 300))), Outcome::Pass);
    let Outcome::Fail(failure) = outcome("", &ranges, &(query(1) + &check(10, "all", "192.0.2.2", 300)))
    else {
        panic!("the address differs")
    };
    assert_eq!((failure.step, failure.field.as_str()), (10, "answer"));
    assert_eq!(failure.expected, "www.example. 300 IN A 192.0.2.2");
    assert_eq!(failure.got, "www.example. 300 IN A 192.0.2.1");
}

#[test]
fn time_passes_and_ranges_change() {
    let ranges = range(0, 20, &answer("192.0.2.1", 300)) + &range(21, 100, &answer("192.0.2.2", 300));
    let steps = [
        query(1),
        check(2, "all ttl", "192.0.2.1", 300),
        "STEP 3 TIME_PASSES ELAPSE 100\n".to_owned(),
        query(4),
        check(5, "all ttl", "192.0.2.1", 200),
        "STEP 6 ASSIGN t = ${time}\nSTEP 7 TIME_PASSES EVAL ${${time} - $t + 201}\n".to_owned(),
        query(30),
        check(31, "all ttl", "192.0.2.2", 300),
    ];
    assert_eq!(outcome("", &ranges, &steps.concat()), Outcome::Pass);
}

#[test]
fn outstanding_questions_are_checked_answered_or_left() {
    let reply = format!("STEP 5 REPLY\nENTRY_BEGIN\n{}\nENTRY_END\n", answer("192.0.2.7", 60));
    let out = "STEP 3 CHECK_OUT_QUERY\nENTRY_BEGIN\nMATCH qname qtype\nSECTION QUESTION\nwww.example. IN A\nENTRY_END\n";
    let steps = query(1) + out + &reply + &check(10, "all", "192.0.2.7", 60);
    assert_eq!(outcome("", "", &steps), Outcome::Pass);
    // The first try is left to time out, the second is answered.
    let steps =
        query(1) + "STEP 2 TIMEOUT ADDRESS 193.0.14.129\n" + &reply + &check(10, "all", "192.0.2.7", 60);
    assert_eq!(outcome("", "", &steps), Outcome::Pass);
    let wrong =
        "STEP 3 CHECK_OUT_QUERY\nENTRY_BEGIN\nMATCH qtype\nSECTION QUESTION\nwww.example. IN MX\nENTRY_END\n";
    let Outcome::Fail(failure) = outcome("", "", &(query(1) + wrong)) else { panic!("the type differs") };
    assert_eq!((failure.step, failure.field.as_str(), failure.expected.as_str()), (3, "qtype", "MX"));
    // Nothing is outstanding when everything was answered.
    let ranges = range(0, 100, &answer("192.0.2.1", 300));
    let Outcome::Fail(failure) = outcome("", &ranges, &(query(1) + "STEP 2 TIMEOUT\n")) else {
        panic!("nothing to wait for")
    };
    assert_eq!(failure.got, "none outstanding");
}

#[test]
fn an_outstanding_question_is_answered_by_the_step_that_checks() {
    // Nobody answers in step 1; the range of step 10 does.
    let ranges = range(10, 20, &answer("192.0.2.1", 300));
    let text = script("", &ranges, &(query(1) + &check(10, "all ttl", "192.0.2.1", 300)));
    let report = play(&text, &Options::default());
    assert_eq!(report.outcome, Outcome::Pass);
    assert_eq!(report.run.virtual_us, 0);
    assert_eq!(report.run.unanswered, ["step 1: www.example. A to 193.0.14.129:53"]);
}

#[test]
fn silence_becomes_servfail_on_virtual_time() {
    let fail = "STEP 10 CHECK_ANSWER\nENTRY_BEGIN\nMATCH flags rcode\nREPLY QR RD RA SERVFAIL\nENTRY_END\n";
    let report = play(&script("", "", &(query(1) + fail)), &Options::default());
    assert_eq!(report.outcome, Outcome::Pass);
    assert!(report.run.virtual_us >= 500_000 && report.run.unanswered.len() > 1);
}

#[test]
fn a_flushed_answer_is_asked_again() {
    let ranges = range(0, 5, &answer("192.0.2.1", 300)) + &range(6, 100, &answer("192.0.2.2", 300));
    for flush in ["FLUSH_MESSAGE", "EXPIRE_MESSAGE"] {
        let flush = format!("STEP 6 {flush} www.example. A IN\n");
        let steps =
            [query(1), check(2, "all", "192.0.2.1", 1), flush, query(7), check(8, "all", "192.0.2.2", 1)];
        assert_eq!(outcome("", &ranges, &steps.concat()), Outcome::Pass);
    }
}

#[test]
fn tcp_after_truncation_and_delayed_answers() {
    let truncated = "MATCH qname UDP\nADJUST copy_id copy_query\nREPLY QR AA TC NOERROR\nSECTION QUESTION\nwww.example. IN A";
    let whole = answer("192.0.2.1", 300).replace("qname", "qname TCP").replace("copy_id", "copy_id sleep=1");
    let ranges = range(0, 100, truncated) + &range(0, 100, &whole);
    let report =
        play(&script("", &ranges, &(query(1) + &check(2, "all", "192.0.2.1", 1))), &Options::default());
    assert_eq!(report.outcome, Outcome::Pass);
    assert!(report.run.virtual_us >= 1_000_000);
}

#[test]
fn what_cannot_be_played_is_named() {
    let reasons = |config: &str, steps: &str| match outcome(config, "", steps) {
        Outcome::Unsupported { reasons } => reasons,
        other => panic!("{other:?}"),
    };
    assert_eq!(reasons("trust-anchor: \". DS 1 8 2 AB\"\nrespip: x", ""), ["trust-anchor", "respip"]);
    assert_eq!(reasons("", "STEP 1 TRAFFIC\nSTEP 2 INFRA_RTT a b c"), ["TRAFFIC", "INFRA_RTT"]);
    let full = check(10, "all", "192.0.2.1", 300)
        .replace("ENTRY_END", "SECTION AUTHORITY\nexample. NS ns.example.\nENTRY_END");
    let ranges = range(0, 100, &answer("192.0.2.1", 300));
    let steps = query(1) + &full;
    let beside = outcome("minimal-responses: no", &ranges, &steps);
    assert_eq!(beside, Outcome::Unsupported { reasons: vec!["minimal-responses: no".to_owned()] });
    assert!(matches!(outcome("", &ranges, &steps), Outcome::Fail(_)));
}

#[test]
fn bad_entries_make_the_file_unreadable() {
    assert!(matches!(
        outcome("", "", "STEP 1 QUERY\nENTRY_BEGIN\nMATCH what\nENTRY_END"),
        Outcome::Unreadable { .. }
    ));
}

#[test]
fn one_seed_one_fingerprint() {
    let ranges = range(0, 100, &answer("192.0.2.1", 300));
    let text = script("", &ranges, &(query(1) + &check(10, "all", "192.0.2.1", 300)));
    let run = |seed| play(&text, &Options { seed, log: true }).run;
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).fingerprint, run(2).fingerprint);
    assert!(!run(1).log.is_empty());
}
