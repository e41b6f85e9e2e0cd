use super::*;
use proptest::prelude::*;

fn value(text: &str) -> Result<i64, ExprError> {
    let variables = Variables::from([("t0".to_owned(), 100), ("later".to_owned(), -7)]);
    evaluate(text, 5000, &variables)
}

#[test]
fn the_language() {
    assert_eq!(value("12"), Ok(12));
    assert_eq!(value(" $t0 + 5 "), Ok(105));
    assert_eq!(value("${time}"), Ok(5000));
    assert_eq!(value("${time} - $t0"), Ok(4900));
    assert_eq!(value("${time + 60}"), Ok(5060));
    assert_eq!(value("${$t0 + ${time} - 1}"), Ok(5099));
    assert_eq!(value("${t0}"), Ok(100));
    assert_eq!(value("1 - 2 - 3"), Ok(-4));
    assert_eq!(value("$later - -7"), Ok(0));
    assert_eq!(value("-5+$t0"), Ok(95));
}

#[test]
fn errors_give_the_reason() {
    assert_eq!(value("$nothing"), Err(ExprError::Unknown("nothing".to_owned())));
    assert_eq!(value("${timeout}"), Err(ExprError::Function("timeout".to_owned())));
    assert_eq!(value("${range 1 2 3}"), Err(ExprError::Function("range".to_owned())));
    assert_eq!(value("1 +"), Err(ExprError::Syntax(String::new())));
    assert_eq!(value("1 2"), Err(ExprError::Syntax("2".to_owned())));
    assert_eq!(value("${time"), Err(ExprError::Syntax(String::new())));
    assert_eq!(value(""), Err(ExprError::Syntax(String::new())));
    assert_eq!(value("99999999999999999999"), Err(ExprError::Overflow));
    assert_eq!(value("9223372036854775807 + 1"), Err(ExprError::Overflow));
    assert_eq!(value("12abc"), Err(ExprError::Syntax("12abc".to_owned())));
}

proptest! {
    #[test]
    fn sums_are_sums(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000) {
        prop_assert_eq!(value(&format!("{a} + {b}")), Ok(a + b));
        prop_assert_eq!(value(&format!("${{{a} - {b}}}")), Ok(a - b));
    }

    #[test]
    fn no_text_panics(text in ".{0,40}") {
        if let Err(ExprError::Syntax(rest) | ExprError::Unknown(rest)) = value(&text) {
            prop_assert!(text.contains(&rest), "{rest}");
        }
    }
}
