use super::*;

fn report(outcome: Outcome) -> Report {
    Report::new("rpl", "x".to_owned(), outcome)
}

fn failure() -> Outcome {
    Outcome::Fail(Failure {
        step: 10,
        line: 3,
        field: "answer".into(),
        expected: "a".into(),
        got: "b".into(),
    })
}

#[test]
fn exit_statuses() {
    let (pass, fail) = (report(Outcome::Pass), report(failure()));
    let unsupported = report(Outcome::Unsupported { reasons: vec!["rpz".to_owned()] });
    let unreadable = report(Outcome::Unreadable { problem: "line 1".to_owned() });
    assert_eq!(exit_status(&[]), 0);
    assert_eq!(exit_status(&[pass.clone(), pass.clone()]), 0);
    assert_eq!(exit_status(&[pass.clone(), unsupported.clone()]), 3);
    assert_eq!(exit_status(&[fail.clone(), unsupported]), 1);
    assert_eq!(exit_status(&[pass, fail, unreadable]), 2);
}

#[test]
fn json_and_lines() {
    let json = serde_json::to_value(report(failure())).unwrap();
    assert_eq!(json["outcome"], "fail");
    assert_eq!(json["field"], "answer");
    assert_eq!(json["schema"], "namewise.play/1");
    assert_eq!(report(failure()).line(), "fail         x: step 10 (line 3), answer: expected a, got b");
    let unsupported = report(Outcome::Unsupported { reasons: vec!["rpz".to_owned()] });
    assert_eq!(serde_json::to_value(&unsupported).unwrap()["reasons"][0], "rpz");
}
