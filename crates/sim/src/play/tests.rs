use super::*;

#[test]
fn the_language_is_detected_from_the_text() {
    let outcome = |text: &str| play(Source::Text(text), &Options::default());
    assert_eq!(outcome("CONFIG_END\nSCENARIO_BEGIN x\nSCENARIO_END\n").language, "rpl");
    let empty = outcome("CONFIG_END\nSCENARIO_BEGIN x\nSCENARIO_END\n").outcome;
    assert_eq!(empty, Outcome::Unreadable { problem: "no step checks anything".to_owned() });
    assert_eq!(outcome("about = 1").language, "toml");
    assert!(matches!(outcome("about = 1").outcome, Outcome::Unreadable { .. }));
}

#[test]
fn a_missing_file_is_unreadable() {
    let report = play(Source::Path(Path::new("/nowhere/x.rpl")), &Options::default());
    assert!(matches!(report.outcome, Outcome::Unreadable { .. }));
    assert_eq!(report.file.as_deref(), Some("/nowhere/x.rpl"));
}
