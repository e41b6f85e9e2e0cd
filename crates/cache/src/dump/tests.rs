use super::*;

const SECOND: Micros = 1_000_000;
const NOW: Micros = 1_000_000 * SECOND;

const TEXT: &str = "\
; a comment
; data www.example. A secure authoritative view 0 from 192.0.2.1:53 age 12 life 300
www.example.\t288\tIN\tA\t192.0.2.80
www.example.\t288\tIN\tA\t192.0.2.81

; nxdomain none.example. ANY insecure non-authoritative view 2 age 0 life 60
example.\t60\tIN\tSOA\tns.example. h.example. 1 2 3 4 60
; failure dead.example. A indeterminate non-authoritative view 0 age 0 life 5
; data bad.example. A bogus authoritative view 0 age 0 life 5
bad.example.\t5\tIN\tA\t192.0.2.66
";

fn text_of(cache: &Cache) -> String {
    let (mut text, mut cursor) = (String::new(), Some(0));
    while let Some(at) = cursor {
        let (entries, next) = cache.entries(at, NOW, false);
        entries.iter().for_each(|entry| write(entry, &mut text));
        cursor = next;
    }
    text
}

#[test]
fn a_text_is_loaded_and_written_again() {
    let cache = Cache::new(1 << 20);
    assert_eq!(load(&cache, TEXT, NOW), Ok(2));
    let name: Name = "www.example.".parse().unwrap();
    let found = &cache.inspect(name.as_ref(), NOW)[0];
    assert_eq!((found.age_s, found.left_s(), found.validation), (12, 288, State::Secure));
    assert_eq!((found.records[0].rdatas.len(), found.records[0].ttl), (2, 288));
    let text = text_of(&cache);
    let other = Cache::new(1 << 20);
    assert_eq!(load(&other, &text, NOW), Ok(2));
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&text_of(&other)), sorted(&text));
    assert!(
        text.contains(
            "; data www.example. A secure authoritative view 0 from 192.0.2.1:53 age 12 life 300\n"
        )
    );
}

#[test]
fn a_text_is_loaded_within_the_limits() {
    let cache = Cache::new(1 << 20);
    cache.limit_lives(20, 10);
    let text =
        TEXT.replace("life 300", "life 999999").replace("288", "888888").replace("life 60", "life 888888");
    assert_eq!(load(&cache, &text, NOW), Ok(2));
    let found = &cache.inspect("www.example.".parse::<Name>().unwrap().as_ref(), NOW)[0];
    assert_eq!((found.age_s, found.left_s(), found.records[0].ttl), (12, 8, 8));
    let found = &cache.inspect("none.example.".parse::<Name>().unwrap().as_ref(), NOW)[0];
    assert_eq!((found.left_s(), found.records[0].ttl), (10, 10));
    // No record outlives its entry.
    let text = "; data a.example. A secure authoritative life 5\na.example.\t400\tIN\tA\t192.0.2.80\n";
    assert_eq!(load(&cache, text, NOW), Ok(1));
    assert_eq!(cache.inspect("a.example.".parse::<Name>().unwrap().as_ref(), NOW)[0].records[0].ttl, 5);
}

#[test]
fn a_wrong_line_is_named_and_nothing_is_taken() {
    for (line, problem) in [
        ("www.example.\t1\tIN\tA\t192.0.2.1", "a record without the comment line"),
        ("; data www..example. A secure authoritative age 1 life 2", "is not a name"),
        ("; data www.example. WHAT secure authoritative age 1 life 2", "is not a type"),
        ("; data www.example. A perhaps authoritative age 1 life 2", "is not secure, insecure"),
        ("; data www.example. A secure authoritative age 1", "expected life"),
        ("; data www.example. A secure authoritative age x life 2", "is not valid for \"age\""),
        ("; data www.example. A secure authoritative life 2\nwww.example. 1 IN A 192.0.2", "line 2: "),
        (
            "; data www.example. A secure authoritative life 2\nwww.example. x IN A 192.0.2.1",
            "TTL \"x\" is not",
        ),
    ] {
        let cache = Cache::new(1 << 20);
        let text = format!("{line}\n");
        let error = load(&cache, &text, NOW).expect_err(line).to_string();
        assert!(error.starts_with("line ") && error.contains(problem), "{line}: {error}");
        assert_eq!(cache.stats().answers, 0);
    }
}
