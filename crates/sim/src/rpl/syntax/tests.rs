use super::*;
use proptest::prelude::*;

const WHOLE: &str = r#"
; config options
server:
    target-fetch-policy: "0 0 0 0 0"   # nothing
    qname-minimisation: no
stub-zone:
    name: "."
    stub-addr: 193.0.14.129 	# K.ROOT-SERVERS.NET.
rpz:
    name: "rpz."
    zonefile:
TEMPFILE_NAME rpz.zone
TEMPFILE_CONTENTS rpz.zone
$ORIGIN rpz. ; kept
x CNAME .
TEMPFILE_END
CONFIG_END

SCENARIO_BEGIN Test; of everything
  RANGE_BEGIN 0 100
     ADDRESS 193.0.14.129
     ADDRESS 2001:db8::1 192.0.2.1
ENTRY_BEGIN
MATCH opcode qtype
MATCH qname
ADJUST copy_id sleep=2
REPLY QR AA NOERROR ; the reply
SECTION QUESTION
. IN NS
SECTION ANSWER
. IN SOA a. b. ( 1
   2 ; refresh
   3 4 5 )
a. TXT "; no comment"
SECTION ADDITIONAL
HEX_EDNSDATA_BEGIN
	00 03 ; NSID
	00 00
HEX_EDNSDATA_END
EXTRA_PACKET
REPLY TC
SECTION ANSWER
b. A 192.0.2.1
ENTRY_END
ENTRY_BEGIN
REPLY QR
HEX_ANSWER_BEGIN
 0000 8000
HEX_ANSWER_END
ENTRY_END
ENTRY_BEGIN
RAW
beef
 00
REPLY QR
ENTRY_END
RANGE_END
STEP 1 QUERY ADDRESS 10.0.0.1
ENTRY_BEGIN
REPLY RD DO
SECTION QUESTION
www.example.com. IN A
ENTRY_END
STEP 2 TIMEOUT ADDRESS 192.0.2.1
STEP 3 TIMEOUT
STEP 4 TIME_PASSES ELAPSE 1.5
STEP 5 TIME_PASSES EVAL ${$t + 1}
STEP 6 ASSIGN t = ${time}
STEP 7 FLUSH_MESSAGE www.example.com. A IN
STEP 8 INFRA_RTT 192.0.2.1 example.com. 376
STEP 9 NOTHING
STEP 10 CHECK_TEMPFILE a
FILE_BEGIN
what STEP ever
FILE_END
STEP 11 CHECK_ANSWER
ENTRY_BEGIN
ADDRESS 10.0.0.2
MATCH all
ENTRY_END
SCENARIO_END
after the end nothing is read
"#;

fn texts(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| word.text.as_str()).collect()
}

#[test]
fn a_file_with_everything() {
    let script = Script::parse(WHOLE).unwrap();
    assert_eq!(script.title, "Test; of everything");
    let config: Vec<(&str, Vec<(&str, &str)>)> = script
        .config
        .iter()
        .map(|clause| {
            let settings = clause.settings.iter().map(|set| (set.key.as_str(), set.value.as_str()));
            (clause.kind.as_str(), settings.collect())
        })
        .collect();
    assert_eq!(
        config,
        [
            ("server", vec![("target-fetch-policy", "0 0 0 0 0"), ("qname-minimisation", "no")]),
            ("stub-zone", vec![("name", "."), ("stub-addr", "193.0.14.129")]),
            ("rpz", vec![("name", "rpz."), ("zonefile", "TEMPFILE_NAME rpz.zone")]),
        ]
    );
    assert_eq!(script.files["rpz.zone"], "$ORIGIN rpz. ; kept\nx CNAME .\n");
    let range = &script.ranges[0];
    assert_eq!((range.from, range.to, range.addresses.len()), (0, 100, 3));
    let entry = &range.entries[0];
    assert_eq!(texts(&entry.matches), ["opcode", "qtype", "qname"]);
    assert_eq!(texts(&entry.adjusts), ["copy_id", "sleep=2"]);
    assert_eq!(
        texts(&entry.packets[0].sections[1]),
        [". IN SOA a. b. ( 1 2 3 4 5 )", "a. TXT \"; no comment\""]
    );
    assert_eq!(entry.packets[0].edns_data.as_deref(), Some(&[0, 3, 0, 0][..]));
    assert_eq!(texts(&entry.packets[1].sections[1]), ["b. A 192.0.2.1"]);
    assert_eq!(range.entries[1].packets[0].raw.as_deref(), Some(&[0, 0, 0x80, 0][..]));
    assert_eq!(range.entries[2].packets[0].raw.as_deref(), Some(&[0xbe, 0xef, 0][..]));
    let numbers: Vec<u64> = script.steps.iter().map(|step| step.number).collect();
    assert_eq!(numbers, (1..=11).collect::<Vec<u64>>());
    let actions: Vec<&Action> = script.steps.iter().map(|step| &step.action).collect();
    assert!(matches!(actions[0], Action::Query(entry) if entry.address == "10.0.0.1".parse().ok()));
    assert_eq!(*actions[1], Action::Timeout("192.0.2.1".parse().ok()));
    assert_eq!(*actions[2], Action::Timeout(None));
    assert_eq!(*actions[3], Action::Elapse(1_500_000));
    assert_eq!(*actions[4], Action::ElapseEval("${$t + 1}".to_owned()));
    assert_eq!(*actions[5], Action::Assign("t".to_owned(), "${time}".to_owned()));
    assert_eq!(*actions[6], Action::FlushMessage("www.example.com. A IN".to_owned()));
    assert_eq!(*actions[7], Action::Foreign("INFRA_RTT".to_owned()));
    assert_eq!(*actions[9], Action::Foreign("CHECK_TEMPFILE".to_owned()));
    assert!(matches!(actions[10], Action::CheckAnswer(entry) if entry.address == "10.0.0.2".parse().ok()));
}

#[test]
fn the_flat_dialect() {
    let script = Script::parse(
        "query-minimization: off\nstub-addr: 193.0.14.129 # root\ntrust-anchor: \". DS 1 8 2 AB\"\nserver: do-ip6: no\n\
         CONFIG_END\nSCENARIO_BEGIN x\nSCENARIO_END\n",
    )
    .unwrap();
    let keys: Vec<&str> = script
        .config
        .iter()
        .flat_map(|clause| &clause.settings)
        .map(|setting| setting.key.as_str())
        .collect();
    assert_eq!(keys, ["query-minimization", "stub-addr", "trust-anchor", "do-ip6"]);
    assert_eq!(script.config[0].settings[2].value, ". DS 1 8 2 AB");
}

#[test]
fn errors_name_the_line() {
    let error = |body: &str| {
        let text = format!("CONFIG_END\nSCENARIO_BEGIN x\n{body}\nSCENARIO_END\n");
        let SyntaxError { line, problem } = Script::parse(&text).unwrap_err();
        (line, problem)
    };
    assert_eq!(error("WHAT"), (3, Problem::Keyword("WHAT".to_owned())));
    assert_eq!(error("STEP x NOTHING"), (3, Problem::Number("x".to_owned())));
    assert_eq!(error("STEP 2 NOTHING\nSTEP 1 NOTHING"), (4, Problem::StepOrder(1)));
    assert_eq!(error("STEP 2 DANCE"), (3, Problem::Keyword("DANCE".to_owned())));
    assert_eq!(error("RANGE_BEGIN 0 1\nADDRESS here"), (4, Problem::Address("here".to_owned())));
    assert_eq!(error("STEP 1 QUERY\nENTRY_BEGIN\nRAW\nabc\nENTRY_END"), (7, Problem::Hex));
    assert_eq!(error("STEP 1 QUERY\nENTRY_BEGIN\na. A 1.2.3.4\nENTRY_END"), (5, Problem::NoSection));
    assert_eq!(error("STEP 1 TIME_PASSES ELAPSE 1.x").1, Problem::Number("1.x".to_owned()));
    assert_eq!(Script::parse("server:\n").unwrap_err().problem, Problem::Missing("SCENARIO_BEGIN"));
    assert_eq!(Script::parse("what\nCONFIG_END").unwrap_err().problem, Problem::NoColon("what".to_owned()));
    let open = Script::parse("CONFIG_END\nSCENARIO_BEGIN\nRANGE_BEGIN 1 2\n").unwrap_err();
    assert_eq!((open.line, open.problem), (3, Problem::Missing("RANGE_END")));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[A-Z_a-z0-9 :;#\"\n.()]{0,200}") {
        if let Err(error) = Script::parse(&text) {
            prop_assert!((1..=text.lines().count() + 1).contains(&error.line), "{error:?}");
        }
    }

    #[test]
    fn a_cut_file_never_panics(cut in 0usize..WHOLE.len()) {
        prop_assume!(WHOLE.is_char_boundary(cut));
        if let Err(error) = Script::parse(&WHOLE[..cut]) {
            prop_assert!((1..=WHOLE[..cut].lines().count() + 1).contains(&error.line), "{error:?}");
        }
    }
}
