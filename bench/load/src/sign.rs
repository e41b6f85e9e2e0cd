//! Signatures made when they are asked for, all with one key.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use nw_crypto::{Signer, SigningKey};
use nw_dnssec::rrsig::SignScratch;
use nw_dnssec::{DigestType, SignParams, ZoneKey, sign_rrset};
use nw_wire::{Class, NameRef, RrType, Rrset};

/// How RRsets are signed.
pub struct Sign {
    signer: Arc<SigningKey>,
    /// The key as that of the root zone.
    key: ZoneKey,
    params: SignParams,
}

impl Sign {
    /// The key in *file* (a private key of dnssec-keygen), an entry key, for signatures that are valid for a month.
    pub fn new(file: &str) -> Sign {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let signer = Arc::new(SigningKey::from_bind_private(&text).expect("a private key"));
        let key = ZoneKey::new(NameRef::ROOT, 257, Arc::clone(&signer) as Arc<dyn Signer>);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as u32;
        Sign { signer, key, params: SignParams { inception: now - 3600, expiration: now + 30 * 86_400 } }
    }

    /// The rdata of a signature of *zone* over the RRset of these records.
    pub fn rrsig(
        &self,
        zone: NameRef<'_>,
        owner: NameRef<'_>,
        rtype: u16,
        ttl: u32,
        rdatas: &[&[u8]],
    ) -> Vec<u8> {
        let key = ZoneKey::new(zone, 257, Arc::clone(&self.signer) as Arc<dyn Signer>);
        let mut set = Rrset::new(owner.to_name(), RrType(rtype), Class::IN, ttl);
        rdatas.iter().for_each(|rdata| set.rdatas.push(rdata));
        let mut out = Vec::with_capacity(128);
        sign_rrset(&set, &key, self.params, &mut SignScratch::default(), &mut out).expect("a signature");
        out
    }

    /// The rdata of the DNSKEY record of every zone.
    pub fn dnskey(&self) -> &[u8] {
        self.key.dnskey().rdata()
    }

    /// The DS record of *zone*.
    pub fn ds(&self, zone: NameRef<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(36);
        nw_dnssec::ds::push_ds(zone, self.key.dnskey(), DigestType::SHA256, &mut out);
        out
    }
}
