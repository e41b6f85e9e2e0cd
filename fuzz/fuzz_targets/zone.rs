//! Any zone file is refused with positions inside the file, or loads. One thread and two threads have the same result.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nw_wire::name::NameBuf;
use nw_zone::scan::{LoadOptions, Text, check};

fuzz_target!(|bytes: &[u8]| {
    let origin = NameBuf::parse(b"example.", None).expect("a name");
    let lines = 1 + bytes.iter().filter(|&&byte| byte == b'\n').count();
    let run = |threads| {
        let options = LoadOptions { threads, max_generate: 16, ..LoadOptions::default() };
        check(&mut Text::new("fuzz", bytes), origin.as_ref(), &options)
    };
    let (one, two) = (run(1), run(2));
    assert_eq!(one.zone.is_some(), two.zone.is_some());
    assert_eq!(one.errors, two.errors);
    for finding in one.findings {
        assert!(finding.line as usize <= lines, "{finding:?}");
    }
});
