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
    assert_eq!(reasons("dlv-anchor: \". DS 1 8 2 AB\"\nrespip: x", ""), ["dlv-anchor", "respip"]);
    assert_eq!(reasons("", "STEP 1 TRAFFIC\nSTEP 2 INFRA_RTT a b c"), ["TRAFFIC", "INFRA_RTT"]);
}

#[test]
fn data_that_minimal_responses_leave_out_is_a_difference() {
    let full = check(10, "all", "192.0.2.1", 300)
        .replace("ENTRY_END", "SECTION AUTHORITY\nexample. NS ns.example.\nENTRY_END");
    let ranges = range(0, 100, &answer("192.0.2.1", 300));
    let text = script("minimal-responses: no", &ranges, &(query(1) + &full));
    let report = play(&text, &Options::default());
    assert!(matches!(report.outcome, Outcome::Fail(_)), "{:?}", report.outcome);
    assert_eq!(report.ignored, ["minimal-responses"]);
}

#[test]
fn the_last_answer_is_compared() {
    let ranges = range(0, 3, &answer("192.0.2.1", 0)) + &range(4, 100, &answer("192.0.2.2", 0));
    let two = query(1) + "STEP 2 NOTHING\n" + &query(4);
    assert_eq!(outcome("", &ranges, &(two.clone() + &check(10, "all", "192.0.2.2", 0))), Outcome::Pass);
    // The first answer was replaced by a later one.
    let Outcome::Fail(failure) = outcome("", &ranges, &(two + &check(10, "all", "192.0.2.1", 0))) else {
        panic!("the first answer is not the last one")
    };
    assert_eq!(failure.field, "answer");
    // Without a query there is nothing to compare.
    let Outcome::Fail(failure) = outcome("", &ranges, &check(10, "opcode", "192.0.2.1", 0)) else {
        panic!("no answer was received")
    };
    assert_eq!(failure.got, "no reply");
}

#[test]
fn the_address_of_a_check_names_the_client() {
    let ranges = range(0, 3, &answer("192.0.2.1", 0)) + &range(4, 100, &answer("192.0.2.2", 0));
    let from = |text: String, client: &str| {
        text.replace("ENTRY_BEGIN\n", &format!("ENTRY_BEGIN\nADDRESS {client}\n"))
    };
    let steps = [
        from(query(1), "198.51.100.1"),
        from(query(4), "198.51.100.2"),
        from(check(10, "all", "192.0.2.1", 0), "198.51.100.1"),
        from(check(11, "all", "192.0.2.2", 0), "198.51.100.2"),
    ];
    assert_eq!(outcome("", &ranges, &steps.concat()), Outcome::Pass);
}

#[test]
fn a_reply_without_copy_id_gets_the_id_of_the_query_unless_raw_id_is_given() {
    let without = answer("192.0.2.1", 300).replace("ADJUST copy_id\n", "");
    let steps = query(1) + &check(10, "all", "192.0.2.1", 300);
    assert_eq!(outcome("", &range(0, 100, &without), &steps), Outcome::Pass);
    let raw = answer("192.0.2.1", 300).replace("ADJUST copy_id\n", "ADJUST raw_id\n");
    assert!(matches!(outcome("", &range(0, 100, &raw), &steps), Outcome::Fail(_)));
}

#[test]
fn a_reply_is_skipped_where_nothing_was_asked() {
    let ranges = range(0, 100, &answer("192.0.2.1", 300));
    let reply = format!("STEP 5 REPLY\nENTRY_BEGIN\n{}\nENTRY_END\n", answer("192.0.2.7", 60));
    let text = script("", &ranges, &(query(1) + &reply + &check(10, "all ttl", "192.0.2.1", 300)));
    let report = play(&text, &Options::default());
    assert_eq!((report.outcome, report.run.virtual_us), (Outcome::Pass, 0));
}

#[test]
fn the_question_that_a_check_names_is_compared() {
    let out = |server: &str, name: &str| {
        format!(
            "STEP 3 CHECK_OUT_QUERY\nENTRY_BEGIN\nADDRESS {server}\nMATCH qname qtype UDP\nSECTION QUESTION\n{name} IN A\nENTRY_END\n"
        )
    };
    let two = query(1) + &query(2).replace("www", "other");
    assert_eq!(outcome("", "", &(two.clone() + &out("193.0.14.129", "other.example."))), Outcome::Pass);
    assert_eq!(outcome("", "", &(two.clone() + &out("193.0.14.129", "www.example."))), Outcome::Pass);
    // No question went to this server, and none was about this name.
    for (server, name) in [("192.0.2.99", "other.example."), ("193.0.14.129", "third.example.")] {
        assert!(matches!(outcome("", "", &(two.clone() + &out(server, name))), Outcome::Fail(_)));
    }
    // Without a name in MATCH the latest question is meant.
    let latest = out("193.0.14.129", "x. IN").replace("qname qtype UDP", "TCP");
    assert!(matches!(
        outcome("", "", &(two + &latest.replace("x. IN IN A", "www.example. IN A"))),
        Outcome::Fail(_)
    ));
}

#[test]
fn without_a_configured_root_the_built_in_hints_apply() {
    let text = script(
        "",
        &range(0, 100, &answer("192.0.2.1", 300)),
        &(query(1) + &check(10, "all", "192.0.2.1", 300)),
    );
    let report = play(&text.replace("stub-addr: 193.0.14.129\n", ""), &Options::default());
    assert_eq!(report.outcome, Outcome::Pass);
    assert!(report.run.unanswered.is_empty() || report.run.virtual_us > 0);
}

#[test]
fn the_cause_of_a_servfail_is_reported() {
    let fail = "STEP 10 CHECK_ANSWER\nENTRY_BEGIN\nMATCH flags rcode\nREPLY QR RD RA SERVFAIL\nENTRY_END\n";
    let report = play(&script("", "", &(query(1) + fail)), &Options::default());
    assert_eq!(report.run.causes.len(), 1);
    assert!(report.run.causes[0].starts_with("step 10: no-reachable-"), "{:?}", report.run.causes);
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
    let run = |seed| play(&text, &Options { seed, log: true, ..Options::default() }).run;
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).fingerprint, run(2).fingerprint);
    assert!(!run(1).log.is_empty());
}

#[test]
fn an_answer_that_expires_is_looked_up_again_or_served_expired() {
    let expire = "STEP 5 EXPIRE_MESSAGE www.example. IN A\n";
    let ranges = range(0, 100, &answer("192.0.2.1", 300));
    let steps = query(1) + expire + &query(6) + &check(10, "all", "192.0.2.1", 300);
    assert_eq!(outcome("", &ranges, &steps), Outcome::Pass);
    let ranges = range(0, 4, &answer("192.0.2.1", 300));
    assert!(matches!(outcome("", &ranges, &steps), Outcome::Fail(_)));
    assert_eq!(outcome("server:\n serve-expired: yes\n", &ranges, &steps), Outcome::Pass);
}

#[test]
fn a_script_passes_only_if_each_check_compares_something() {
    let ranges = range(0, 100, &answer("192.0.2.1", 300));
    let unreadable = |steps: &str| match outcome("", &ranges, steps) {
        Outcome::Unreadable { problem } => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(unreadable(&query(1)), "no step checks anything");
    let problem = unreadable(&(query(1) + &check(10, "ttl", "192.0.2.9", 1)));
    assert!(problem.ends_with("MATCH compares nothing"), "{problem}");
    // Without an answer there is nothing to compare.
    let Outcome::Fail(failure) = outcome("", &ranges, &check(10, "all", "192.0.2.1", 300)) else {
        panic!("nothing was asked")
    };
    assert_eq!(failure.step, 10);
}

#[test]
fn a_zone_of_the_script_is_served() {
    let zone = "auth-zone:\n name: \"example.\"\n for-downstream: yes\n for-upstream: yes\n fallback-enabled: no\n zonefile:\n\
                TEMPFILE_NAME example.zone\nTEMPFILE_CONTENTS example.zone\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n\
                www 300 A 192.0.2.7\nTEMPFILE_END\nserver:\n";
    let check = check(10, "all", "192.0.2.7", 300).replace("REPLY QR RD RA", "REPLY QR AA RD RA");
    let steps = query(1) + &check;
    assert_eq!(outcome(zone, "", &steps), Outcome::Pass);
}

#[test]
fn a_forward_zone_falls_back_with_forward_first() {
    let ranges = range(0, 100, &answer("192.0.2.1", 300));
    let refused = "RANGE_BEGIN 0 100\nADDRESS 192.0.2.200\nENTRY_BEGIN\nMATCH opcode\nADJUST copy_id copy_query\nREPLY QR RA REFUSED\n\
                   ENTRY_END\nRANGE_END\n";
    let ranges = ranges + refused;
    let steps = query(1) + &check(10, "all", "192.0.2.1", 300);
    let forward = "forward-zone:\n name: \"example.\"\n forward-addr: 192.0.2.200\n";
    assert!(matches!(outcome(&format!("{forward}server:\n"), &ranges, &steps), Outcome::Fail(_)));
    let first = format!("{forward} forward-first: yes\nserver:\n");
    assert_eq!(outcome(&first, &ranges, &steps), Outcome::Pass);
}
