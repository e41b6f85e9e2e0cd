//! A message of a scenario: flags, sections and options, or literal octets.

#[cfg(test)]
mod tests;

use nw_wire::code::{Class, OptionCode, Rcode, RrType};
use nw_wire::edns;
use nw_wire::header::{Flags, HEADER};
use nw_wire::message::{Message, Question, Section};
use nw_wire::name::NameRef;
use nw_wire::writer::{Full, Writer};

use crate::record::Record;

/// The sections in wire order.
pub const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];

/// A message to send or to compare with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packet {
    /// Flags and opcode. `rcode` provides the rcode bits.
    pub flags: Flags,
    /// The extended rcode.
    pub rcode: Rcode,
    /// The question section.
    pub question: Vec<Question>,
    /// ANSWER, AUTHORITY, ADDITIONAL.
    pub sections: [Vec<Record>; 3],
    /// EDNS, if the message has an OPT record.
    pub edns: Option<Edns>,
    /// Literal octets that replace all other fields. The id is replaced if a reply must match a query.
    pub raw: Option<Vec<u8>>,
}

/// An OPT record.
#[derive(Clone, Debug, PartialEq)]
pub struct Edns {
    /// The advertised UDP payload size in octets.
    pub payload: u16,
    /// Version.
    pub version: u8,
    /// DNSSEC OK.
    pub dnssec_ok: bool,
    /// Rdata: the options.
    pub options: Vec<u8>,
}

impl Default for Edns {
    fn default() -> Edns {
        Edns { payload: 1232, version: 0, dnssec_ok: false, options: Vec::new() }
    }
}

impl Edns {
    /// The data of the first option of this code.
    pub fn option(&self, code: OptionCode) -> Option<&[u8]> {
        options(&self.options).find(|(found, _)| *found == code).map(|(_, data)| data)
    }

    fn write(&self, writer: &mut Writer<'_>, rcode: Rcode) -> Result<(), Full> {
        let ttl = edns::ttl_field(rcode, self.version, self.dnssec_ok);
        writer.record(
            Section::Additional,
            NameRef::ROOT,
            RrType::OPT,
            Class(self.payload),
            ttl,
            &self.options,
        )
    }
}

/// The options of the rdata of an OPT record, up to the first malformed one.
pub fn options(mut rdata: &[u8]) -> impl Iterator<Item = (OptionCode, &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = rdata.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (data, rest) = rest.split_at_checked(length)?;
        rdata = rest;
        Some((OptionCode(u16::from_be_bytes([head[0], head[1]])), data))
    })
}

impl Packet {
    /// A plain query for `question` with RD set.
    pub fn query(question: Question) -> Packet {
        Packet { flags: Flags::default().with_rd(true), question: vec![question], ..Packet::default() }
    }

    /// The content of a received message.
    pub fn of(message: &Message<'_>) -> Packet {
        let edns = message.opt().map(|opt| Edns {
            payload: opt.udp_payload(),
            version: opt.version(),
            dnssec_ok: opt.dnssec_ok(),
            options: opt.rdata().to_vec(),
        });
        let section = |section: Section| -> Vec<Record> {
            let meta = |rtype: RrType| matches!(rtype, RrType::OPT | RrType::TSIG);
            message
                .records(section)
                .filter(|record| !meta(record.rtype))
                .map(|record| Record::of(&record))
                .collect()
        };
        Packet {
            flags: message.flags().with_rcode(Rcode::NOERROR),
            rcode: message.rcode(),
            question: message.questions().collect(),
            sections: SECTIONS.map(section),
            edns,
            raw: None,
        }
    }

    /// Return the wire form with `id`. A message over 65,535 octets is truncated between records, and TC is set.
    pub fn to_wire(&self, id: u16) -> Vec<u8> {
        self.to_wire_within(id, usize::from(u16::MAX))
    }

    /// Return the wire form with `id` in at most `limit` octets. Records that do not fit are omitted, and TC is set
    /// (RFC 2181 §9).
    pub fn to_wire_within(&self, id: u16, limit: usize) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut buffer = vec![0; limit.max(HEADER)];
        let mut writer = Writer::new(&mut buffer, limit, id, self.flags.with_rcode(self.rcode));
        if self.write(&mut writer).is_err() {
            writer.clear();
            let flags = writer.flags();
            writer.set_flags(flags.with_tc(true));
            if let Some(edns) = &self.edns {
                // If OPT does not fit, the message has none.
                let _ = edns.write(&mut writer, self.rcode);
            }
        }
        let length = writer.finish();
        buffer.truncate(length);
        buffer
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        for question in &self.question {
            writer.question(question.name.as_ref(), question.rtype, question.class)?;
        }
        for (section, records) in SECTIONS.into_iter().zip(&self.sections) {
            for record in records {
                writer.record(
                    section,
                    record.owner.as_ref(),
                    record.rtype,
                    record.class,
                    record.ttl,
                    &record.rdata,
                )?;
            }
        }
        match &self.edns {
            Some(edns) => edns.write(writer, self.rcode),
            None if self.rcode.0 > 15 => Edns::default().write(writer, self.rcode),
            None => Ok(()),
        }
    }
}
