use super::*;

#[test]
fn comments_end_lines_but_not_in_quotes() {
    assert_eq!(strip_comment("  . IN NS ; root", false), ". IN NS");
    assert_eq!(strip_comment("a. TXT \"x;y\" ; z", false), "a. TXT \"x;y\"");
    assert_eq!(strip_comment(r#"a. TXT "x\";y" ; z"#, false), r#"a. TXT "x\";y""#);
    assert_eq!(strip_comment(r"a\;b. A 1.2.3.4", false), r"a\;b. A 1.2.3.4");
    assert_eq!(strip_comment("a. CNAME b#c. # no comment here", false), "a. CNAME b#c. # no comment here");
    assert_eq!(strip_comment("; all", false), "");
}

#[test]
fn hashes_are_comments_in_the_configuration_only() {
    assert_eq!(strip_comment("stub-addr: 193.0.14.129 \t# K.ROOT", true), "stub-addr: 193.0.14.129");
    assert_eq!(strip_comment("forward-addr: 192.0.2.1@853#name", true), "forward-addr: 192.0.2.1@853#name");
    assert_eq!(strip_comment("trust-anchor: \"a. DS 1 ; #\" # x", true), "trust-anchor: \"a. DS 1 ; #\"");
    assert_eq!(strip_comment("# only", true), "");
    assert_eq!(strip_comment("key:# only", true), "key:");
    assert_eq!(strip_comment("identity: 'a # b' ; c", true), "identity: 'a # b'");
}

#[test]
fn parentheses() {
    assert_eq!(open_parentheses("a. SOA m. r. ( 1 2"), 1);
    assert_eq!(open_parentheses("3 4 5 )"), -1);
    assert_eq!(open_parentheses(r#"a. TXT "(" \( ()"#), 0);
}

#[test]
fn hex_and_words() {
    assert_eq!(unhex("00 fF\n10"), Some(vec![0, 255, 16]));
    assert_eq!(unhex("0"), None);
    assert_eq!(unhex("0g"), None);
    assert_eq!(first_word("  STEP  1 QUERY"), ("STEP", "1 QUERY"));
    assert_eq!(first_word("END"), ("END", ""));
    assert_eq!(unquote("\"a b\""), "a b");
    assert_eq!(unquote("'a'"), "a");
    assert_eq!(unquote("a"), "a");
    assert_eq!(unquote("\""), "\"");
}
