use std::collections::HashMap;

use nw_wire::RrType;
use proptest::prelude::*;

use super::{Checked, LoadOptions, Source, SourceFile, Text, check};
use crate::batch::Batch;
use crate::build::rules::Which;
use crate::problem::{Findings, Problem};
use crate::tests::{load, name, zone};

const HEAD: &str = "@ 60 IN SOA ns hostmaster 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n";

fn checked(text: &str) -> Checked {
    checked_from(&mut Text::new("zone", text))
}

/// The check of `source` without the findings of rules, which have their own tests.
fn checked_from(source: &mut dyn Source) -> Checked {
    let mut checked = check(source, name("example.").as_ref(), &LoadOptions::default());
    checked
        .findings
        .retain(|finding| !matches!(finding.problem, Problem::Rule { .. } | Problem::InheritedTtl));
    checked
}

/// The places and codes of all findings in `text`, which follows three good lines.
fn findings(text: &str) -> Vec<(u32, u32, &'static str)> {
    let checked = checked(&format!("{HEAD}{text}"));
    checked
        .findings
        .iter()
        .map(|finding| (finding.line - 3, finding.column, finding.problem.code()))
        .collect()
}

/// RFC 1035 §5.1, RFC 2308 §4, RFC 3597 §5.
#[test]
fn equivalent_spellings_give_the_same_record() {
    let expected = zone("example.", &format!("{HEAD}www 3600 IN A 192.0.2.9\n")).to_text();
    for text in [
        "www 3600 IN A 192.0.2.9",
        "www IN 3600 A 192.0.2.9 ; a comment",
        "www 3600 A 192.0.2.9\n\n  ; a comment\n   \t \n",
        "www.example. 1h a 192.0.2.9\r\n",
        "WWW 60m A 192.0.2.9",
        "$TTL 1h\nwww A 192.0.2.9",
        "$TTL 30m30m\nwww IN A 192.0.2.9",
        "$ORIGIN www\n@ 3600 A 192.0.2.9",
        "$ORIGIN www.example.\n@ 3600 A 192.0.2.9",
        "www ( 3600 ; seconds\n IN\nA ) 192.0.2.9",
        "www 3600 A (\n\t192.0.2.9\n)\n",
        "w\\119w 3600 A 192.0.2.9",
        "www 3600 TYPE1 \\# 4 c0000209",
        "www 3600 CLASS1 A \\# 4 c0 00 02 09",
        "www 3600 A 192.0.2.9\n 3600 A 192.0.2.9",
        "$GENERATE 9-9 www 3600 IN A 192.0.2.$",
    ] {
        let checked = checked(&format!("{HEAD}{text}"));
        let found = checked
            .zone
            .map(|zone| zone.to_text())
            .unwrap_or_else(|| panic!("{text}: {:?}", checked.findings));
        assert_eq!(found.to_lowercase(), expected.to_lowercase(), "{text}");
    }
}

/// An open parenthesis is reported where it stands, and not in the records that it swallows.
#[test]
fn unclosed_parentheses_are_reported_where_they_open() {
    assert_eq!(findings("www 60 A (\nmail 60 A 192.0.2.9\n"), [(1, 10, "syntax")]);
    assert_eq!(
        findings("www 60 MX 10 ( mail\n\nmail 60 A 192.0.2.9\nftp 60 A x\n"),
        [(1, 14, "syntax"), (4, 10, "rdata")]
    );
    assert_eq!(findings("www 60 A 192.0.2.9 (\n"), [(1, 20, "syntax")]);
    // The fault on the line of the parenthesis is a fault of its own.
    assert_eq!(findings("www 60 A x (\nmail 60 A 192.0.2.9\n"), [(1, 10, "rdata")]);
}

/// The owner, and without `$TTL` the TTL, are those of the previous record (RFC 1035 §5.1).
#[test]
fn omitted_fields_come_from_the_previous_line() {
    let zone = zone(
        "example.",
        &format!("{HEAD}a 77 A 192.0.2.2\n AAAA ::1\n\nb A 192.0.2.3\n$ORIGIN sub\n TXT x\n"),
    );
    let ttl = |owner: &str, rtype| zone.rrset(name(owner).as_ref(), rtype).map(|rrset| rrset.ttl);
    assert_eq!(ttl("a.example.", RrType::AAAA), Some(77));
    assert_eq!(ttl("b.example.", RrType::A), Some(77));
    assert_eq!(ttl("b.example.", RrType::TXT), Some(77));
}

#[test]
fn every_mistake_is_reported_with_its_position() {
    for (text, expected) in [
        ("www 60 IN A 192.0.2\n", vec![(1, 13, "rdata")]),
        ("www 60 IN A\n", vec![(1, 12, "rdata")]),
        ("www 60 IN A 192.0.2.1 surplus\n", vec![(1, 23, "rdata")]),
        ("www 60 IN NOSUCH x\n", vec![(1, 11, "unknown-type")]),
        ("www 60 CH A 192.0.2.1\n", vec![(1, 8, "class")]),
        ("www 4294967296 IN A 192.0.2.1\n", vec![(1, 5, "ttl")]),
        ("www 60 IN\n", vec![(1, 10, "record-ends")]),
        ("www 60 ANY x\n", vec![(1, 8, "meta-type")]),
        ("www 60 OPT \\# 0\n", vec![(1, 8, "meta-type")]),
        ("a..b 60 A 192.0.2.1\n", vec![(1, 1, "syntax")]),
        ("other.net. 60 A 192.0.2.1\n", vec![(1, 1, "out-of-zone")]),
        ("$ORIGIN\n", vec![(1, 8, "directive-arguments")]),
        ("$TTL soon\n", vec![(1, 6, "ttl")]),
        ("$NOSUCH x\n", vec![(1, 1, "unknown-directive")]),
        ("$INCLUDE x\n", vec![(1, 10, "include")]),
        ("www 60 TXT \"open\n", vec![(1, 12, "syntax")]),
        ("www 60 TXT ( a b\n c 60 A 192.0.2.1\nwww 60 A x\n", vec![(1, 12, "syntax"), (3, 10, "rdata")]),
        ("www 60 A 192.0.2.1 )\n", vec![(1, 20, "syntax")]),
        ("a 60 MX (\n 10\n mail..x )\nb 60 A x\n", vec![(3, 2, "rdata"), (4, 8, "rdata")]),
        ("a 60 A x\nb 60 A 192.0.2.1\nc 60 AAAA y\n", vec![(1, 8, "rdata"), (3, 11, "rdata")]),
        ("$GENERATE 1-3 w$ 60 A 192.0.2.x$\n", vec![(1, 11, "rdata")]),
        ("$GENERATE 3-1 w$ 60 A 192.0.2.$\n", vec![(1, 11, "generate")]),
        ("$GENERATE 1-3 w${0,x} 60 A 192.0.2.$\n", vec![(1, 11, "generate")]),
        ("$GENERATE 0-99999999 w$ 60 A 192.0.2.1\n", vec![(1, 11, "generate-too-long")]),
    ] {
        assert_eq!(findings(text), expected, "{text}");
    }
    let checked = checked("@ 60 IN SOA ns h 1 2 3 4 5\n  60 NS ns\n www A\n");
    assert_eq!(
        checked.findings[0].to_string(),
        "zone:3:2: unknown record type `www`; expected a TTL, a class or a record type"
    );
}

/// RFC 1035 §5.2, RFC 2181 §5, §5.2, §10.1, RFC 6672 §2.3, §2.4.
#[test]
fn records_that_do_not_form_a_zone_are_reported() {
    for (text, expected) in [
        ("@ 60 SOA ns h 9 9 9 9 9\n", vec![(1, "second-soa")]),
        ("sub 60 SOA ns h 9 9 9 9 9\n", vec![(1, "soa-below-apex")]),
        ("a 60 CNAME b.net.\na 60 A 192.0.2.1\n", vec![(2, "cname-and-other")]),
        ("a 60 CNAME b.net.\na 60 CNAME c.net.\n", vec![(2, "single")]),
        ("a 60 DNAME b\na 60 DNAME c\n", vec![(2, "single")]),
        ("a 60 DNAME b\na 60 NS ns\n", vec![(1, "dname-and-ns")]),
        ("a 60 A 192.0.2.1\na 61 A 192.0.2.2\n", vec![(2, "ttl-mismatch")]),
        ("a 60 A 192.0.2.1\na 60 A 192.0.2.1\n", vec![(2, "duplicate")]),
        ("sub 60 NS ns\nx.sub 60 TXT x\n", vec![(2, "occluded")]),
        ("old 60 DNAME new\nx.old 60 A 192.0.2.1\n", vec![(2, "below-dname")]),
        ("a 60 DS 1 8 200 00\n", vec![(1, "ds-without-ns")]),
    ] {
        let checked = checked(&format!("{HEAD}{text}"));
        let found: Vec<(u32, &str)> =
            checked.findings.iter().map(|finding| (finding.line - 3, finding.problem.code())).collect();
        assert_eq!(found, expected, "{text}");
        assert_eq!(checked.zone.is_none(), checked.findings[0].problem.is_error(), "{text}");
    }
    let codes = |text: &str| -> Vec<&'static str> {
        checked(text).findings.iter().map(|finding| finding.problem.code()).collect()
    };
    assert_eq!(codes(""), ["no-soa", "no-ns"]);
    assert_eq!(codes(&format!("{HEAD}sub 60 NS ns.sub\n")), ["no-glue"]);
    // A transfer ends with the SOA that it started with.
    assert_eq!(codes(&format!("{HEAD}@ 60 IN SOA ns hostmaster 1 2 3 4 5\n")), ["duplicate"]);
}

#[test]
fn errors_beyond_the_limit_are_counted() {
    let text = format!("{HEAD}{}", "a 60 A x\n".repeat(1000));
    let errors = load("example.", &text).expect_err("the file is full of errors");
    assert_eq!((errors.findings.len(), errors.total), (100, 1000));
    assert!(errors.to_string().ends_with("and 900 more: 1000 errors, zone not loaded"));
}

/// BIND's manual, `$GENERATE`.
#[test]
fn generate_makes_a_record_for_each_step() {
    let zone = zone(
        "example.",
        &format!(
            "{HEAD}$GENERATE 1-7/3 host-${{10,4,d}} 60 CNAME $.x\n$GENERATE 254-254 ${{0,2,x}} 60 TXT $$ \\$\n\
             $GENERATE 18-18 ${{0,7,n}} 60 A 192.0.2.1\n"
        ),
    );
    let text = zone.to_text();
    for line in [
        "host-0011.example.\t60\tIN\tCNAME\t1.x.example.",
        "host-0017.example.\t60\tIN\tCNAME\t7.x.example.",
        "fe.example.\t60\tIN\tTXT\t\"$\" \"$\"",
        "2.1.0.0.example.\t60\tIN\tA\t192.0.2.1",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert_eq!(zone.len(), 3 + 3 + 1 + 1);
}

/// Rdata in one pair of quotes, as BIND reads it. named-compilezone makes the same records.
#[test]
fn generate_accepts_quoted_rdata() {
    let zone = zone(
        "example.",
        &format!(
            "{HEAD}$GENERATE 1-1 m$ 60 MX \"10 mail$\"\n$GENERATE 1-1 s$ 60 IN SRV \"0 0 5060 s${{0,3,d}}.x.example.\"\n\
             $GENERATE 1-1 w$ 60 TXT \"host $ of\"\n$GENERATE 1-1 t$ 60 TXT \"\\\"host $\\\" b\"\n\
             $GENERATE 1-1 c$ 60 CAA 0 issue \"ca$.example; a=b\"\n$GENERATE 1-1 two$ 60 TXT \"a $\" \"b\"\n"
        ),
    );
    let text = zone.to_text();
    for line in [
        "m1.example.\t60\tIN\tMX\t10 mail1.example.\n",
        "s1.example.\t60\tIN\tSRV\t0 0 5060 s001.x.example.\n",
        "w1.example.\t60\tIN\tTXT\t\"host\" \"1\" \"of\"\n",
        "t1.example.\t60\tIN\tTXT\t\"host 1\" \"b\"\n",
        "c1.example.\t60\tIN\tCAA\t0 issue \"ca1.example; a=b\"\n",
        "two1.example.\t60\tIN\tTXT\t\"a 1\" \"b\"\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

/// The same rule applies to TTLs, `$TTL` and the times of SOA.
#[test]
fn all_times_follow_the_same_rule() {
    for (time, good) in
        [("1h30", false), ("1h30m", true), ("30m1h", true), ("90", true), ("h", false), ("-1", false)]
    {
        let soa = checked(&format!("@ 60 IN SOA ns h 1 {time} 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n"));
        let ttl = checked(&format!("{HEAD}a {time} A 192.0.2.2\n"));
        let default = checked(&format!("$TTL {time}\n{HEAD}"));
        for (place, found) in [("SOA", soa), ("TTL", ttl), ("$TTL", default)] {
            assert_eq!(found.zone.is_some(), good, "{place} {time} {:?}", found.findings);
        }
    }
}

/// Files in memory.
struct Folder(HashMap<&'static str, String>);

impl Source for Folder {
    fn main(&mut self) -> Result<SourceFile, String> {
        self.include("main", "")
    }

    fn include(&mut self, path: &str, _from: &str) -> Result<SourceFile, String> {
        let bytes = self.0.get(path).ok_or("no such file")?.clone().into_bytes();
        Ok(SourceFile { name: path.into(), bytes })
    }
}

/// RFC 1035 §5.1: the origin and the owner are restored after the included file.
#[test]
fn includes_have_their_own_origin() {
    let files = [
        ("main", format!("{HEAD}a 60 A 192.0.2.1\n$INCLUDE sub sub\n 60 AAAA ::1\nb 60 A 192.0.2.2\n")),
        ("sub", "@ 60 TXT x\nc 60 A 192.0.2.3\nd 60 A y\n".to_owned()),
    ];
    let checked = checked_from(&mut Folder(files.into()));
    assert_eq!(checked.findings.len(), 1);
    assert_eq!(checked.findings[0].to_string(), "sub:3:8: bad A data; expected an IPv4 address");
    let files = [
        ("main", format!("{HEAD}a 60 A 192.0.2.1\n$INCLUDE sub sub\n 60 AAAA ::1\nb 60 A 192.0.2.2\n")),
        ("sub", "@ 60 TXT x\nc 60 A 192.0.2.3\n".to_owned()),
    ];
    let checked = checked_from(&mut Folder(files.into()));
    let zone = checked.zone.expect("the files are good");
    for (owner, rtype) in
        [("sub.example.", RrType::TXT), ("c.sub.example.", RrType::A), ("a.example.", RrType::AAAA)]
    {
        assert!(zone.rrset(name(owner).as_ref(), rtype).is_some(), "{owner}");
    }
}

#[test]
fn includes_are_bounded() {
    let looping = [("main", format!("{HEAD}$INCLUDE sub\n")), ("sub", "$INCLUDE main\n".to_owned())];
    let checked = check(&mut Folder(looping.into()), name("example.").as_ref(), &LoadOptions::default());
    assert_eq!(checked.findings[0].problem.code(), "include-loop");
    let chain = [
        ("main", format!("{HEAD}$INCLUDE 1\n")),
        ("1", "$INCLUDE 2\n".into()),
        ("2", "$INCLUDE 3\n".into()),
        ("3", "".into()),
    ];
    let options = LoadOptions { max_include_depth: 2, ..LoadOptions::default() };
    let checked = check(&mut Folder(chain.into()), name("example.").as_ref(), &options);
    assert_eq!(checked.findings[0].to_string(), "2:1:10: includes are nested deeper than 2");
    let many = "$INCLUDE 1\n".repeat(4);
    let wide = [
        ("main", format!("{HEAD}{many}")),
        ("1", "$INCLUDE 2\n".repeat(4)),
        ("2", "$INCLUDE 3\n".repeat(4)),
        ("3", "".into()),
    ];
    let options = LoadOptions { max_includes: 10, ..LoadOptions::default() };
    let checked = check(&mut Folder(wide.into()), name("example.").as_ref(), &options);
    let found: Vec<String> = checked.findings.iter().map(ToString::to_string).collect();
    assert!(found.contains(&"1:3:10: more than 10 included files".to_owned()), "{found:?}");
}

#[test]
fn generated_records_are_bounded() {
    let options = LoadOptions { max_generated: 5, ..LoadOptions::default() };
    let text = format!("{HEAD}$GENERATE 1-3 a$ 60 A 192.0.2.1\n$GENERATE 1-3 b$ 60 A 192.0.2.1\n");
    let checked = check(&mut Text::new("zone", text), name("example.").as_ref(), &options);
    assert!(checked.findings.iter().any(|finding| finding.problem.code() == "generated-too-many"));
}

/// Scan `text` in chunks of about `size` octets. Returns records and findings.
fn scan_chunks(text: &str, size: usize, threads: usize) -> (Vec<String>, Vec<String>, usize) {
    let options = LoadOptions { threads, ..LoadOptions::default() };
    let mut findings = Findings::new(options.max_findings);
    let mut source = Text::new("zone", text);
    let file = source.main().expect("a text can be read");
    let batches = super::chunk::scan_in(
        &mut source,
        file,
        name("example.").as_ref(),
        &options,
        Which::All(None),
        size,
        &mut findings,
    );
    let mut records = Vec::new();
    for batch in &batches {
        records.extend(batch.groups.iter().flat_map(|group| lines(batch, group)));
    }
    let errors = findings.errors;
    let shown = findings.in_order().iter().map(ToString::to_string).collect();
    (records, shown, errors)
}

fn lines(batch: &Batch, group: &crate::batch::Group) -> Vec<String> {
    let owner = nw_wire::NameRef::from_wire(batch.owner(group)).expect("owners are names").to_string();
    batch.records(group).map(|record| format!("{owner} {record:?}")).collect()
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ab]{1,2} 60 A 192\\.0\\.2\\.[1-9]\n",
        3 => "[ab]{1,2} A 192\\.0\\.2\\.[1-9]\n",
        2 => " TXT \"[a-z ]{0,20}\" ; [a-z(\"]{0,5}\n",
        2 => "[ab] MX \\(\n10\n; [)$]\n[ab]{1,3}\n\\)\n",
        1 => "\\$ORIGIN [ab]{1,3}\n",
        1 => "\\$ORIGIN example\\.\n",
        1 => "\\$TTL [1-9]{1,3}\n",
        1 => "[ab] TXT \\(\n\\$TTL 5\n\"x\" \\)\n",
        1 => "[ab] A x\n",
        1 => "\n",
        1 => "[ab]{1,2} TXT \\( open\n",
        1 => "[ -~]{0,20}\n",
    ]
}

proptest! {
    /// The result does not depend on the size of the chunks.
    #[test]
    fn chunks_do_not_affect_the_result(lines in prop::collection::vec(line(), 0..60), size in 1usize..200) {
        let text: String = lines.concat();
        prop_assert_eq!(scan_chunks(&text, size, 3), scan_chunks(&text, usize::MAX, 1), "{}", text);
    }

    /// The quick path and the general path give the same result: parentheses force the general one.
    #[test]
    fn the_fast_path_agrees_with_the_general_path(
        rtype in "TXT|A|AAAA|MX|NS|txt",
        rdata in r#"("[a-z ;()\\"]{0,9}"|[a-z0-9.:"\\]{1,9}| |\t){1,6}( ; x)?"#,
    ) {
        let records = |text: String| scan_chunks(&text, usize::MAX, 1);
        let quick = records(format!("a 60 {rtype} {rdata}\n"));
        let general = records(format!("a ( 60 {rtype} ) {rdata}\n"));
        prop_assert_eq!(&quick.0, &general.0, "{} {}", rtype, rdata);
        prop_assert_eq!(quick.2, general.2);
    }

    /// Arbitrary input is accepted or reported.
    #[test]
    fn any_octets_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checks_as_it_loads(&bytes)?;
    }

    #[test]
    fn almost_zones_are_read_without_panic(text in "([ab@*.\\\\]{1,4}|\\$(TTL|ORIGIN|GENERATE 1-3)|[ \t\n()\";]|60|IN|NS|CNAME|SOA|TXT|NSEC3|[0-9]{1,3}){0,60}") {
        checks_as_it_loads(text.as_bytes())?;
    }
}

/// A zone is loaded if it has no errors, and what passes the check is loaded.
fn checks_as_it_loads(text: &[u8]) -> Result<(), TestCaseError> {
    let (origin, options) = (name("example."), LoadOptions::default());
    let checked = check(&mut Text::new("zone", text), origin.as_ref(), &options);
    prop_assert_eq!(checked.zone.is_some(), checked.errors == 0, "{:?}", checked.findings);
    let loaded = super::load(&mut Text::new("zone", text), origin.as_ref(), &options);
    match loaded {
        Ok(_) => {}
        Err(errors) => {
            prop_assert!(errors.total > 0 && !errors.findings.is_empty());
            prop_assert!(checked.zone.is_none(), "{errors}");
        }
    }
    Ok(())
}

/// Files in memory that change after they were read.
struct Changing {
    versions: u32,
}

impl Source for Changing {
    fn main(&mut self) -> Result<SourceFile, String> {
        let text = format!("{HEAD}a 60 A 192.0.2.{}\n$INCLUDE sub\n", self.versions);
        Ok(SourceFile { name: "main".into(), bytes: text.into_bytes() })
    }

    fn include(&mut self, _path: &str, _from: &str) -> Result<SourceFile, String> {
        self.versions = self.versions.saturating_sub(1);
        let text = format!("b 60 A 192.0.2.{}\nbad line\n", self.versions);
        Ok(SourceFile { name: "sub".into(), bytes: text.replace("bad line\n", "").into_bytes() })
    }

    fn is_current(&self) -> bool {
        self.versions == 0
    }
}

/// All files of a zone must be from the same moment.
#[test]
fn files_that_change_during_the_load_are_read_again() {
    let options = LoadOptions::default();
    let checked = check(&mut Changing { versions: 2 }, name("example.").as_ref(), &options);
    assert_eq!(checked.errors, 0, "{:?}", checked.findings);
    assert_eq!(checked.zone.map(|zone| zone.len()), Some(5));
    let checked = check(&mut Changing { versions: 9 }, name("example.").as_ref(), &options);
    assert_eq!(checked.findings[0].problem.code(), "unreadable");
}

/// Many files: small and large, valid, invalid and missing, each with the files that were read for it.
#[test]
fn many_zones_are_loaded_in_order() {
    let folder = std::env::temp_dir().join(format!("nw-zone-{}-many", std::process::id()));
    std::fs::create_dir_all(&folder).expect("temporary folders can be made");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("temporary files can be written");
    };
    write("small", HEAD);
    write("bad", &format!("{HEAD}a 60 A x\n"));
    write("parts", &format!("{HEAD}$INCLUDE part\n"));
    write("part", "b 60 A 192.0.2.1\n");
    let many: String = (0..80_000).map(|i| format!("host{i} 60 A 192.0.2.1\n")).collect();
    write("large", &format!("{HEAD}{many}"));
    let sources: Vec<_> = ["small", "bad", "large", "missing", "parts", "small"]
        .map(|file| (name("example."), folder.join(file)))
        .into();
    let loaded = super::load_files(&sources, &LoadOptions { threads: 3, ..LoadOptions::default() });
    let records: Vec<_> = loaded.iter().map(|file| file.zone.as_ref().map_or(0, |zone| zone.len())).collect();
    assert_eq!(records, [3, 0, 80_003, 0, 4, 3]);
    let read: Vec<_> = loaded.iter().map(|file| file.files.len()).collect();
    assert_eq!(read, [1, 1, 1, 0, 2, 1]);
    assert_eq!(loaded[0].files, loaded[5].files);
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}
