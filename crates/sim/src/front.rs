//! The smallest server around zones and a resolver: parse, route, OPT, truncation.

use nw_resolve::{ClientQuestion, Resolution, Via};
use nw_wire::code::{Ede, OptionCode, Rcode, RrType};
use nw_wire::edns::{push_option, ttl_field};
use nw_wire::header::{Flags, Header};
use nw_wire::message::{Message, Section};
use nw_wire::name::NameRef;
use nw_wire::writer::{Full, Writer};
use nw_zone::{Zone, ZoneQuestion};

/// What becomes of a packet.
pub(crate) enum Front {
    Reply(Vec<u8>),
    Drop,
    Ask(ClientQuestion),
}

pub(crate) fn handle(zones: &[Zone], recurses: bool, packet: &[u8], via: Via) -> Front {
    let Some(header) = Header::read(packet) else { return Front::Drop };
    if header.flags.qr() {
        return Front::Drop;
    }
    let message = match Message::parse(packet) {
        Ok(message) => message,
        Err(_) => {
            let flags =
                Flags::default().with_qr(true).with_opcode(header.flags.opcode()).with_rcode(Rcode::FORMERR);
            return Front::Reply(Header { id: header.id, flags, counts: [0; 4] }.to_wire().to_vec());
        }
    };
    let Some(question) = message.question() else {
        return Front::Reply(reply(&message, via, recurses, &[], |_| (Rcode::FORMERR, false, Ok(()))));
    };
    if message.opt().is_some_and(|opt| opt.version() > 0) {
        return Front::Reply(reply(&message, via, recurses, &[], |_| (Rcode::BADVERS, false, Ok(()))));
    }
    let dnssec_ok = message.opt().is_some_and(|opt| opt.dnssec_ok());
    let name = question.name;
    let within = |zone: &&Zone| {
        let apex = zone.apex();
        name.as_ref().is_at_or_below(apex)
            && !(question.rtype == RrType::DS && name.as_ref() == apex && zones.len() > 1)
    };
    let zone = zones.iter().filter(within).max_by_key(|zone| zone.apex().label_count());
    if let Some(zone) = zone {
        let wanted = ZoneQuestion {
            qname: name.as_ref(),
            qtype: question.rtype,
            dnssec_ok,
            transport_udp: via == Via::Udp,
        };
        return Front::Reply(reply(&message, via, recurses, &[], |writer| {
            let outcome = zone.answer(&wanted, writer);
            (outcome.rcode, outcome.aa, if outcome.truncated { Err(Full) } else { Ok(()) })
        }));
    }
    if !recurses || !message.flags().rd() {
        let ede = [(Ede::NOT_AUTHORITATIVE, String::new())];
        return Front::Reply(reply(&message, via, recurses, &ede, |_| (Rcode::REFUSED, false, Ok(()))));
    }
    Front::Ask(ClientQuestion {
        name: name.to_name(),
        rtype: question.rtype,
        class: question.class,
        dnssec_ok,
        checking_disabled: message.flags().cd(),
    })
}

pub(crate) fn complete(packet: &[u8], via: Via, resolution: &Resolution) -> Vec<u8> {
    let message = Message::parse(packet).expect("handled before");
    reply(&message, via, true, &resolution.ede, |writer| {
        let mut wrote = Ok(());
        for (section, sets) in
            [(Section::Answer, &resolution.answer), (Section::Authority, &resolution.authority)]
        {
            for set in sets {
                wrote = wrote.and_then(|()| writer.rrset(section, set));
            }
        }
        (resolution.rcode, false, wrote)
    })
}

fn reply(
    query: &Message<'_>,
    via: Via,
    recurses: bool,
    ede: &[(Ede, String)],
    fill: impl FnOnce(&mut Writer<'_>) -> (Rcode, bool, Result<(), Full>),
) -> Vec<u8> {
    let limit = match via {
        Via::Tcp => 65535,
        Via::Udp => query.opt().map_or(512, |opt| usize::from(opt.udp_payload()).min(1232)),
    };
    let asked = query.flags();
    let flags =
        Flags::default().with_qr(true).with_opcode(asked.opcode()).with_rd(asked.rd()).with_cd(asked.cd());
    let mut room = vec![0; limit];
    let mut writer = Writer::new(&mut room, limit, query.id(), flags.with_ra(recurses));
    if let Some(question) = query.question() {
        writer.question(question.name.as_ref(), question.rtype, question.class).expect("a question fits");
    }
    let mut options = Vec::new();
    for (code, text) in ede {
        push_option(&mut options, OptionCode::EDE, &[&code.0.to_be_bytes()[..], text.as_bytes()].concat());
    }
    if query.opt().is_some() {
        writer.reserve(11 + options.len()).expect("OPT fits");
    }
    let (rcode, aa, wrote) = fill(&mut writer);
    let flags = writer.flags().with_rcode(rcode).with_aa(aa).with_tc(wrote.is_err());
    writer.set_flags(flags);
    writer.release();
    if let Some(opt) = query.opt() {
        let ttl = ttl_field(rcode, 0, opt.dnssec_ok());
        let class = nw_wire::code::Class(1232);
        writer
            .record(Section::Additional, NameRef::ROOT, RrType::OPT, class, ttl, &options)
            .expect("reserved");
    }
    let length = writer.finish();
    room.truncate(length);
    room
}
