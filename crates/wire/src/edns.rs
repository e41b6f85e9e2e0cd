//! EDNS(0): the OPT record (RFC 6891).

/// A view of an OPT record.
#[derive(Debug, Clone, Copy)]
pub struct Opt<'a> {
    class: u16,
    ttl: u32,
    rdata: &'a [u8],
}

impl<'a> Opt<'a> {
    /// From the parts of the record that OPT gives another meaning (RFC 6891 §6.1.2).
    pub fn from_record(class: u16, ttl: u32, rdata: &'a [u8]) -> Opt<'a> {
        Opt { class, ttl, rdata }
    }

    /// The UDP payload that the sender can take; values under 512 mean 512 (§6.2.3).
    pub fn udp_payload(&self) -> u16 {
        self.class.max(512)
    }

    /// The upper eight bits of the rcode.
    pub fn extended_rcode(&self) -> u8 {
        (self.ttl >> 24) as u8
    }

    /// The EDNS version.
    pub fn version(&self) -> u8 {
        (self.ttl >> 16) as u8
    }

    /// Whether the sender wants DNSSEC records (RFC 3225).
    pub fn dnssec_ok(&self) -> bool {
        self.ttl & 0x8000 != 0
    }

    /// The options, undecoded.
    pub fn rdata(&self) -> &'a [u8] {
        self.rdata
    }
}
