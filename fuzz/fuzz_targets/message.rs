//! Any packet is refused, or every record can be read, expanded and shown, and the message can be written again as an equal one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nw_wire::{Message, NameBuf, Record, RrType, Section, Writer, rr};

type Body = (NameBuf, RrType, u16, u32, Vec<u8>);

fn body(record: &Record<'_>) -> Body {
    let mut rdata = Vec::new();
    record.rdata(&mut rdata);
    if !rdata.is_empty() {
        // Opaque rdata is passed on unchanged (RFC 3597 §3).
        rr::check_in_message(record.rtype, &rdata, 0, rdata.len()).expect("what a message yields is valid");
    }
    (record.owner(), record.rtype, record.class.0, record.ttl, rdata)
}

/// The parts of a record that writing must preserve. A compressed name gets the case of the name that its pointer refers to
/// (RFC 4343 §4.1).
fn meaning(record: Record<'_>) -> Body {
    let (owner, rtype, class, ttl, rdata) = body(&record);
    let mut canonical = Vec::new();
    rr::canonical(rtype, &rdata, &mut canonical);
    (owner, rtype, class, ttl, canonical)
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::parse(bytes) else { return };
    let sections = [Section::Answer, Section::Authority, Section::Additional];
    let mut buffer = vec![0; 65_535];
    let mut writer = Writer::new(&mut buffer, 65_535, message.id(), message.flags());
    let mut whole = true;
    for question in message.questions() {
        whole &= writer.question(question.name.as_ref(), question.rtype, question.class).is_ok();
    }
    for section in sections {
        for record in message.records(section) {
            let (owner, rtype, _, ttl, rdata) = body(&record);
            whole &= writer.record(section, owner.as_ref(), rtype, record.class, ttl, &rdata).is_ok();
            let mut text = String::new();
            rr::to_text(rtype, &rdata, &mut text);
        }
    }
    if let Some(opt) = message.opt() {
        for option in opt.options().flatten() {
            assert!(!option.to_string().chars().any(char::is_control));
        }
    }
    if let Some(tsig) = message.tsig() {
        let (.., rdata) = body(&tsig);
        let _ = nw_wire::tsig::Tsig::parse(&rdata);
    }
    let length = writer.finish();
    if !whole {
        return;
    }
    let again = Message::parse(&buffer[..length]).expect("what the writer makes is a message");
    assert!(message.questions().eq(again.questions()));
    for section in sections {
        assert!(message.records(section).map(meaning).eq(again.records(section).map(meaning)));
    }
});
