//! Which keys of a zone sign what.

use nw_wire::RrType;

use crate::chain::OwnerKind;
use crate::sign::SignZoneError;
use crate::zonekey::ZoneKey;

/// The keys of a zone for each kind of RRset, and the DNSKEY records that it has.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    /// The DNSKEY records, as rdata, that signing adds to those that the zone has.
    pub published: Vec<Vec<u8>>,
    /// The keys that sign the DNSKEY RRset.
    pub dnskey: Vec<ZoneKey>,
    /// The keys that sign CDS and CDNSKEY, from which the parent makes the DS (RFC 7344 §4.1).
    pub entry: Vec<ZoneKey>,
    /// The keys that sign everything else.
    pub zone: Vec<ZoneKey>,
}

impl Signers {
    /// Assign `keys` by their flags, and publish them all: keys with the SEP bit sign DNSKEY, CDS and CDNSKEY, the others
    /// everything else. An algorithm with keys of only one kind uses them for both. A revoked key signs only DNSKEY.
    pub fn by_flags(keys: &[ZoneKey]) -> Result<Self, SignZoneError> {
        let active = || keys.iter().filter(|key| !key.dnskey().is_revoked());
        let of_kind = |sep: bool| -> Vec<ZoneKey> {
            let lone = |key: &ZoneKey| {
                !active().any(|other| {
                    other.dnskey().algorithm() == key.dnskey().algorithm() && other.dnskey().is_sep() == sep
                })
            };
            active().filter(|key| key.dnskey().is_sep() == sep || lone(key)).cloned().collect()
        };
        let (entry, zone) = (of_kind(true), of_kind(false));
        if zone.is_empty() {
            return Err(SignZoneError::NoKeys);
        }
        let revoked = keys.iter().filter(|key| key.dnskey().is_revoked());
        let dnskey = entry.iter().chain(revoked).cloned().collect();
        let published = keys.iter().map(|key| key.dnskey().rdata().to_vec()).collect();
        Ok(Self { published, dnskey, entry, zone })
    }

    /// Assign keys by role: `key_signers` sign DNSKEY, CDS and CDNSKEY, `zone` everything else, and only `published` are added to
    /// the DNSKEY RRset.
    ///
    /// While an algorithm rolls over, keys of it sign data before they are published and after they were withdrawn, so that caches
    /// never have a DNSKEY of an algorithm without its signatures (RFC 6781 §4.1.4). CDS and CDNSKEY are data as well: they get
    /// signatures of each algorithm that only keys of `zone` have.
    #[must_use]
    pub fn by_role(published: &[ZoneKey], key_signers: Vec<ZoneKey>, zone: Vec<ZoneKey>) -> Self {
        let lacks = |key: &&ZoneKey| {
            !key_signers.iter().any(|other| other.dnskey().algorithm() == key.dnskey().algorithm())
        };
        let more: Vec<ZoneKey> = zone.iter().filter(lacks).cloned().collect();
        Self {
            published: published.iter().map(|key| key.dnskey().rdata().to_vec()).collect(),
            entry: key_signers.iter().cloned().chain(more).collect(),
            dnskey: key_signers,
            zone,
        }
    }

    /// Return the keys that sign an RRset of this type whose owner has this kind. Empty for RRsets that are not signed.
    #[must_use]
    pub fn of(&self, kind: OwnerKind, rtype: RrType) -> &[ZoneKey] {
        match (kind, rtype) {
            (OwnerKind::Occluded, _) => &[],
            (OwnerKind::Cut, rtype) if !matches!(rtype, RrType::DS | RrType::NSEC) => &[],
            (_, RrType::DNSKEY) => &self.dnskey,
            (_, RrType::CDS | RrType::CDNSKEY) => &self.entry,
            _ => &self.zone,
        }
    }

    /// Return all keys; those with several roles several times.
    pub(super) fn all(&self) -> impl Iterator<Item = &ZoneKey> {
        self.dnskey.iter().chain(&self.entry).chain(&self.zone)
    }
}
