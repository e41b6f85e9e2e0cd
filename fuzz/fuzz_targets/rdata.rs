//! Any text of any type is refused or parses to valid rdata that round-trips through its text, and so does rdata from any octets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nw_wire::RrType;
use nw_wire::name::NameRef;
use nw_wire::rr;
use nw_wire::text::Tokens;

fn holds(rtype: RrType, rdata: &[u8]) {
    rr::check(rtype, rdata).expect("valid");
    let mut text = String::new();
    rr::to_text(rtype, rdata, &mut text);
    let mut again = Vec::new();
    rr::from_text(rtype, &mut Tokens::new(text.as_bytes()), NameRef::ROOT, &mut again).expect("our own text");
    assert_eq!(again, rdata, "{rtype} {text}");
    let (mut canonical, mut twice) = (Vec::new(), Vec::new());
    rr::canonical(rtype, rdata, &mut canonical);
    rr::canonical(rtype, &canonical, &mut twice);
    assert_eq!(canonical, twice);
    for name in rr::names(rtype, rdata) {
        NameRef::from_wire(&rdata[name.start..name.end]).expect("a name");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [choice, bytes @ ..] = bytes else { return };
    let rtype = RrType::NAMED[usize::from(*choice) % RrType::NAMED.len()].0;
    let mut rdata = Vec::new();
    match rr::from_text(rtype, &mut Tokens::new(bytes), NameRef::ROOT, &mut rdata) {
        Ok(()) => holds(rtype, &rdata),
        Err(error) => assert!(error.at <= bytes.len() && rdata.is_empty()),
    }
    if rr::check(rtype, bytes).is_ok() {
        holds(rtype, bytes);
    }
    let sample = rr::sample::rdata(rtype, &mut rr::sample::Entropy::new(bytes));
    holds(rtype, &sample);
});
