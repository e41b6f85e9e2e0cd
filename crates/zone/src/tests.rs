//! Shared test helpers: zones from text, questions, and answers as text.

use nw_wire::{Flags, Message, Name, RrType, Section, Writer};

use crate::{LoadOptions, Outcome, Zone, ZoneFileErrors, ZoneQuestion, scan};

/// A name from its text.
pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("tests use valid names")
}

/// Load `text` as the zone `apex`, with one thread.
pub(crate) fn load(apex: &str, text: &str) -> Result<Zone, ZoneFileErrors> {
    load_with(apex, text, &LoadOptions { threads: 1, ..LoadOptions::default() })
}

/// Load `text` as the zone `apex`.
pub(crate) fn load_with(apex: &str, text: &str, options: &LoadOptions) -> Result<Zone, ZoneFileErrors> {
    scan::load(&mut scan::Text::new("zone", text), name(apex).as_ref(), options)
}

/// Load a zone without errors.
pub(crate) fn zone(apex: &str, text: &str) -> Zone {
    load(apex, text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// An answer: the outcome and each section as sorted lines of master-file text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) sections: [Vec<String>; 3],
    pub(crate) octets: usize,
}

/// Ask `zone` over UDP with room for 1,232 octets.
pub(crate) fn ask(zone: &Zone, qname: &str, qtype: RrType, dnssec_ok: bool) -> Answer {
    ask_within(zone, qname, qtype, dnssec_ok, true, 1232)
}

/// Ask `zone` with a limit of `limit` octets.
pub(crate) fn ask_within(
    zone: &Zone,
    qname: &str,
    qtype: RrType,
    dnssec_ok: bool,
    transport_udp: bool,
    limit: usize,
) -> Answer {
    let qname = name(qname);
    let mut buffer = vec![0; 65_535];
    let mut writer = Writer::new(&mut buffer, limit, 7, Flags::default().with_qr(true));
    writer.question(qname.as_ref(), qtype, zone.class()).expect("a question fits");
    let question = ZoneQuestion { qname: qname.as_ref(), qtype, dnssec_ok, transport_udp };
    let outcome = zone.answer(&question, &mut writer);
    let octets = writer.finish();
    let message =
        Message::parse(&buffer[..octets]).unwrap_or_else(|error| panic!("{qname} {qtype}: {error}"));
    let section = |section: Section| {
        let mut lines: Vec<String> = message
            .records(section)
            .map(|record| {
                let (mut rdata, mut text) = (Vec::new(), String::new());
                record.rdata(&mut rdata);
                nw_wire::rr::to_text(record.rtype, &rdata, &mut text);
                format!("{} {} {} {}", record.owner().as_ref(), record.ttl, record.rtype, text)
            })
            .collect();
        lines.sort();
        lines
    };
    let sections = [section(Section::Answer), section(Section::Authority), section(Section::Additional)];
    Answer { outcome, sections, octets }
}
