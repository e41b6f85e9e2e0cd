//! The clause `auth-zone:` of Unbound: a zone that the engine has, whose master file is a block of the script.
//!
//! | setting | clients see | lookups use |
//! |---|---|---|
//! | `for-downstream: yes` (default) | the answers of an authoritative server | the zone as well |
//! | `for-downstream: no`, `for-upstream: yes` (default) | the answers of a resolver | the zone, as that of a stub zone |
//! | both `no` | the answers of a resolver | the servers of the zone |
//!
//! With `zonemd-check: yes`, a zone whose ZONEMD record does not verify it (RFC 8976 §4) is not used: it is answered with SERVFAIL, or, with
//! `for-downstream: no` and `fallback-enabled: yes`, looked up. Records of unknown schemes and hash algorithms alone are as good as none.
//! `zonemd-reject-absence: yes` refuses a zone without ZONEMD as well. The trust anchors of the zone itself say whether it must be signed.
//!
//! *Limitations*: zones that come by a transfer (`primary`, `url`); trust anchors above the zone do not vouch for its ZONEMD record.

use std::collections::BTreeMap;

use nw_dnssec::{RecordFault, ZonemdFault, ZonemdTrust, verify_zonemd};
use nw_resolve::TrustAnchor;
use nw_wire::code::RrType;
use nw_wire::name::Name;
use nw_zone::Zone;

use super::config::Fit::{Honoured, Key, Value};
use super::config::{Read, Settings, absolute, switch};
use super::syntax::Clause;
use crate::scenario::behaviour::read_zone;

/// A clause `auth-zone:`.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each setting")]
pub struct ServedZone {
    /// The apex.
    pub apex: Name,
    /// The master file.
    pub text: String,
    /// `for-downstream`.
    pub downstream: bool,
    /// `for-upstream`.
    pub upstream: bool,
    /// `fallback-enabled`.
    pub fallback: bool,
    /// `zonemd-check`.
    pub check: bool,
    /// `zonemd-reject-absence`.
    pub reject_absence: bool,
}

impl Read {
    /// Add a served zone.
    pub(super) fn auth_zone(&mut self, clause: &Clause, files: &BTreeMap<String, String>) {
        let mut zone = ServedZone {
            apex: Name::root(),
            text: String::new(),
            downstream: true,
            upstream: true,
            fallback: false,
            check: false,
            reject_absence: false,
        };
        for setting in &clause.settings {
            let value = setting.value.trim();
            let fit = match setting.key.as_str() {
                "name" => match absolute(value) {
                    Some(name) => {
                        zone.apex = name;
                        Honoured
                    }
                    None => Value,
                },
                "zonefile" => match files.get(value.trim_start_matches("TEMPFILE_NAME").trim_start()) {
                    Some(found) => {
                        // Unbound's default TTL.
                        zone.text = format!("$TTL 3600\n{found}");
                        Honoured
                    }
                    None => Value,
                },
                "for-downstream" => switch(setting, &mut zone.downstream),
                "for-upstream" => switch(setting, &mut zone.upstream),
                "fallback-enabled" => switch(setting, &mut zone.fallback),
                "zonemd-check" => switch(setting, &mut zone.check),
                "zonemd-reject-absence" => switch(setting, &mut zone.reject_absence),
                _ => Key,
            };
            self.judge(setting, fit);
        }
        match zone.text.is_empty() {
            false => self.settings.zones.push(zone),
            true => self.note("auth-zone without zonefile".to_owned()),
        }
    }
}

impl ServedZone {
    /// Read the master file. None if the zone is refused for its ZONEMD records; an error if it is no zone.
    pub(super) fn load(&self, settings: &Settings) -> Result<Option<Zone>, String> {
        let zone = read_zone(&self.apex.to_string(), &self.text)?;
        if !self.check || settings.zonemd_permissive {
            return Ok(Some(zone));
        }
        let anchors = settings.trust_anchors.iter().filter_map(|anchor| match anchor {
            TrustAnchor::Ds { owner, rdata } if *owner == self.apex => Some((RrType::DS, rdata.clone())),
            TrustAnchor::Dnskey { owner, rdata } if *owner == self.apex => {
                Some((RrType::DNSKEY, rdata.clone()))
            }
            _ => None,
        });
        let now = u32::try_from(settings.unix_s & u64::from(u32::MAX)).expect("32 bits");
        let trust = ZonemdTrust { anchors: anchors.collect(), now };
        let rrsets: Vec<_> = zone.rrsets().collect();
        let accepted = match verify_zonemd(zone.apex(), &rrsets, &trust) {
            Ok(_) => true,
            Err(ZonemdFault::Absent) => !self.reject_absence,
            Err(ZonemdFault::Records(faults)) => {
                let unknown = |fault: &(u8, u8, RecordFault)| {
                    matches!(fault.2, RecordFault::Scheme | RecordFault::Hash)
                };
                faults.iter().all(unknown)
            }
            Err(_) => false,
        };
        Ok(accepted.then_some(zone))
    }
}
