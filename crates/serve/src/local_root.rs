//! The local copy of the root (RFC 8806) as an artifact: a zone that answers the resolver, never a client.
//!
//! `Engine.swap` replaces it, and the resolver's configuration follows (`Snapshot::with_artifacts`). Whoever makes the
//! artifact has checked the zone; the control plane does so by ZONEMD.

use std::fmt;
use std::sync::Arc;

use nw_resolve::{LocalRoot, RootCopy};
use nw_wire::{Class, Flags, NameRef, RrType, Writer};
use nw_zone::{Zone, ZoneQuestion};

/// The name of the artifact, a [`LocalRoot`].
pub const ARTIFACT: &str = "local-root";

/// Return the artifact for *zone*, a copy of the root that may be used until *expires_s*, seconds since 1970.
pub fn local_root(zone: Zone, expires_s: u64) -> LocalRoot {
    LocalRoot::Copy { zone: Arc::new(RootZone(zone)), expires_s }
}

/// A zone that answers as a root server does.
struct RootZone(Zone);

impl fmt::Debug for RootZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootZone(serial {})", self.0.serial())
    }
}

impl RootCopy for RootZone {
    fn reply(&self, qname: NameRef<'_>, qtype: RrType, dnssec_ok: bool) -> Vec<u8> {
        let mut room = vec![0; usize::from(u16::MAX)];
        let flags = Flags::default().with_qr(true);
        let most = room.len();
        let mut out = Writer::new(&mut room, most, 0, flags);
        out.question(qname, qtype, Class::IN).expect("a question fits into 64 KiB");
        let question = ZoneQuestion { qname, qtype, dnssec_ok, transport_udp: false };
        let outcome = self.0.answer(&question, &mut out);
        // The rcodes of zones fit the header.
        out.set_flags(flags.with_aa(outcome.aa).with_tc(outcome.truncated).with_rcode(outcome.rcode));
        let length = out.finish();
        room.truncate(length);
        room
    }

    fn serial(&self) -> u32 {
        self.0.serial()
    }
}
