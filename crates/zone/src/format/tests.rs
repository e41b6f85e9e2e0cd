use proptest::prelude::*;

use super::*;
use crate::tests::{name, zone};

fn formatted(text: &str) -> String {
    String::from_utf8(format(text.as_bytes())).expect("text stays text")
}

#[test]
fn records_are_in_columns_and_comments_stay() {
    let text = "; a zone\n\n\n$ORIGIN   example.com. ; the origin\n$TTL 1h\n\
                @ in soa ns1 admin ( ; names\n  1 ; serial\n 7200 ; refresh\n  900 1209600\n ; two weeks\n 300 )\n\
                \tNS ns1 ; the first\n\
                ns1\t60\tA   192.0.2.1\n\
                a-long-name-of-a-host IN 300 TXT  \"two  blanks ; no comment\"  b;c\n\n\
                $GENERATE 1-3   h$ A 192.0.2.$\n   ; indented\nlast ( A\n192.0.2.9 )";
    let expected = "; a zone\n\n$ORIGIN example.com.  ; the origin\n$TTL 1h\n\
                    @                         IN SOA ns1 admin (  ; names\n\
                    \x20                                1           ; serial\n\
                    \x20                                7200        ; refresh\n\
                    \x20                                900 1209600\n\
                    \x20                                ; two weeks\n\
                    \x20                                300 )\n\
                    \x20                            NS  ns1  ; the first\n\
                    ns1                   60     A   192.0.2.1\n\
                    a-long-name-of-a-host 300 IN TXT \"two  blanks ; no comment\" b  ;c\n\n\
                    $GENERATE 1-3 h$ A 192.0.2.$\n   ; indented\nlast A (\n       192.0.2.9 )\n";
    let squeezed = |text: &str| {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(squeezed(&formatted(text)), squeezed(expected));
    assert_eq!(formatted(&formatted(text)), formatted(text));
    let records = |text: &str| zone("example.com.", text).to_text();
    assert_eq!(records(&formatted(text)), records(text));
}

#[test]
fn columns_fit_their_block() {
    assert_eq!(
        formatted("a A 192.0.2.1\nbcd 60 IN AAAA ::1\n\nx CNAME a ; see a\n"),
        "a         A    192.0.2.1\nbcd 60 IN AAAA ::1\n\nx CNAME a  ; see a\n"
    );
    assert_eq!(formatted("a A 192.0.2.1\n  A 192.0.2.2\r\n"), "a A 192.0.2.1\n  A 192.0.2.2\n");
}

#[test]
fn a_file_is_proved_and_its_includes_are_read() {
    let folder = std::env::temp_dir().join(format!("nw-format-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("zone");
    std::fs::write(folder.join("more"), "more A 192.0.2.2\n").expect("a file");
    std::fs::write(&path, "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n$INCLUDE  more\n")
        .expect("a file");
    let origin = name("example.com.");
    let text = format_file(&path, origin.as_ref(), &LoadOptions::default()).expect("it is formatted");
    assert!(String::from_utf8_lossy(&text).ends_with("ns A   192.0.2.1\n$INCLUDE more\n"));
    std::fs::write(&path, "@ 60 A 192.0.2.300\n").expect("a file");
    let error = format_file(&path, origin.as_ref(), &LoadOptions::default());
    assert!(matches!(error, Err(FormatError::Zone(_))), "{error:?}");
    std::fs::remove_dir_all(&folder).expect("the folder is removed");
}

proptest! {
    /// format ∘ format = format, and the text is the same zone, whatever blanks, comments and parentheses it has.
    #[test]
    fn formatting_keeps_the_zone(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "a A 192.0.2.1\n", " A 192.0.2.2 ; c\n", "b 60 IN TXT \"x ; y\" z\n", "c in 5 mx ( 10 ; p\n a )\n",
                "\n", "\n\n", "; c\n", "  ; c\n", "$TTL 5\n", "$ORIGIN x.example.com.\n", "d TXT ( \"a\"\n\n\"b\" )\n",
                "$GENERATE 1-2 g$ A 192.0.2.$\n", "e\\;f A 192.0.2.3\r\n", "( g\n A 192.0.2.4 )\n", "h TXT a\\ b\\\"c\n",
                "i HTTPS 1 . alpn=\"h2,h3\"\n", "\t60\tA\t192.0.2.5\n",
            ]),
            0..12,
        )
    ) {
        let text = format!("$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.9\n{}", pieces.concat());
        let once = formatted(&text);
        prop_assert_eq!(formatted(&once), once.clone());
        let zone = |text: &str| {
            let mut source = scan::Text::new("zone", text.as_bytes());
            scan::load(&mut source, name("example.com.").as_ref(), &LoadOptions::default()).map(|zone| zone.to_text())
        };
        if let Ok(before) = zone(&text) {
            prop_assert_eq!(zone(&once).expect("it stays a zone"), before);
        }
    }

    /// Any octets have a result.
    #[test]
    fn any_text_is_formatted(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = format(&text);
    }
}
