//! `Signing`: how a zone is signed, as a handle with its keys.

use nw_dnssec::{DenialOptions, Keep, SignOptions, SignZoneError, Signers, Zonemd};
use nw_wire::Name as WireName;
use nw_wire::RrType;
use nw_zone::{Serial, SigningError};
use pyo3::prelude::*;

use crate::call;
use crate::edit::{ZoneEdit, serial_of};
use crate::name::{Name, NameArg};
use crate::raise::Raise;
use crate::zone::{Zone, zone_faults};
use crate::zone_key::ZoneKey;

impl From<SigningError> for Raise {
    fn from(error: SigningError) -> Self {
        match error {
            SigningError::Zone(errors) => Raise::Zone(zone_faults(&errors, "")),
            SigningError::Sign(error) => error.into(),
        }
    }
}

impl From<SignZoneError> for Raise {
    fn from(error: SignZoneError) -> Self {
        Raise::Signing(error.to_string())
    }
}

/// How a zone is signed: keys, times in seconds since 1970, denial of existence. The methods raise `SigningFailed`, and
/// `ZoneFileError` if the changes do not make a zone.
///
/// The flags of `keys` say what they sign, and all are published. With `key_signers`, these sign DNSKEY, CDS and CDNSKEY, `keys`
/// everything else, and only `published` are added to the DNSKEY RRset; CDS and CDNSKEY also get signatures of algorithms that only
/// `keys` have.
///
/// jitter: seconds by which signatures may end earlier, by owner. zonemd: hash algorithm of a ZONEMD record, 1 for SHA-384 or 2
/// for SHA-512; None removes the record. keep: `(now, until)`: signatures stay that verify now and are valid until then.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Signing {
    inner: nw_dnssec::Signing,
}

/// RRsets of a zone whose signatures are to be made again: `Signing.due`.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Due {
    inner: nw_zone::Due,
}

fn handles(keys: &[PyRef<'_, ZoneKey>]) -> Vec<nw_dnssec::ZoneKey> {
    keys.iter().map(|key| key.inner.clone()).collect()
}

#[pymethods]
impl Signing {
    #[new]
    #[pyo3(signature = (
        keys, inception, expiration, *, key_signers = None, published = Vec::new(), dnskey_expiration = None, jitter = 0,
        nsec3 = false, opt_out = false, iterations = 0, salt = Vec::new(), dnskey_ttl = 3600, zonemd = None, keep = None,
    ))]
    #[allow(clippy::too_many_arguments)] // this is the object that names them
    fn new(
        py: Python<'_>,
        keys: Vec<PyRef<'_, ZoneKey>>,
        inception: u64,
        expiration: u64,
        key_signers: Option<Vec<PyRef<'_, ZoneKey>>>,
        published: Vec<PyRef<'_, ZoneKey>>,
        dnskey_expiration: Option<u64>,
        jitter: u32,
        nsec3: bool,
        opt_out: bool,
        iterations: u16,
        salt: Vec<u8>,
        dnskey_ttl: u32,
        zonemd: Option<u8>,
        keep: Option<(u64, u64)>,
    ) -> PyResult<Self> {
        let signers = call::attached(py, || match key_signers {
            Some(signers) => Ok(Signers::by_role(&handles(&published), handles(&signers), handles(&keys))),
            None => Signers::by_flags(&handles(&keys)),
        })?;
        let denial = match nsec3 {
            true => DenialOptions::Nsec3 { iterations, salt, opt_out },
            false => DenialOptions::Nsec,
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        // Times wrap at 32 bits, as in the record (RFC 4034 §3.1.5).
        let options = SignOptions {
            inception: inception as u32,
            expiration: expiration as u32,
            jitter,
            denial,
            dnskey_ttl,
            threads,
        };
        let mut inner = nw_dnssec::Signing::new(signers, options);
        if let Some(expiration) = dnskey_expiration {
            inner.dnskey_expiration = expiration as u32;
        }
        inner.zonemd = zonemd.map_or(Zonemd::Absent, Zonemd::Made);
        inner.keep = keep.map(|(now, until)| Keep { now: now as u32, until: until as u32 });
        Ok(Self { inner })
    }

    /// Return `zone` signed as a whole, with its present serial, on all cores.
    fn sign(&self, py: Python<'_>, zone: &Zone) -> PyResult<Zone> {
        let (zone, signing) = (zone.inner.clone(), self.inner.clone());
        call::interruptible(py, move || zone.sign(&signing).map(Zone::from))
    }

    /// Make the zone with all changes of `edit`, as `ZoneEdit.commit`, signed: what changes, and what is `due`. The edit cannot be
    /// used again. Changes to records that signing makes are ignored. A zone that is not signed yet, or has another denial of
    /// existence, is signed as a whole.
    #[pyo3(signature = (edit, serial = None, due = None))]
    fn commit(
        &self,
        py: Python<'_>,
        edit: &ZoneEdit,
        serial: Option<Bound<'_, PyAny>>,
        due: Option<&Due>,
    ) -> PyResult<Zone> {
        let serial = serial.map_or(Ok(Serial::Next), |serial| serial_of(&serial))?;
        let changes = edit.take()?;
        let renew: Vec<(WireName, RrType)> = due.map(|due| due.inner.rrsets.clone()).unwrap_or_default();
        let signing = self.inner.clone();
        call::interruptible(py, move || changes.commit_signed(serial, &signing, &renew).map(Zone::from))
    }

    /// Return which RRsets of `zone` behind the owner `after` have signatures that end before `until`, or that are not those of
    /// the keys: up to `most`, and the rest of those of the last owner.
    #[pyo3(signature = (zone, until, after = None, most = 1000))]
    fn due(
        &self,
        py: Python<'_>,
        zone: &Zone,
        until: u64,
        after: Option<NameArg>,
        most: usize,
    ) -> PyResult<Due> {
        call::detached(py, || {
            let after = after.as_ref().map(|after| after.0.as_ref());
            Ok::<_, Raise>(Due { inner: zone.inner.due(&self.inner, until as u32, after, most.max(1)) })
        })
    }
}

#[pymethods]
impl Due {
    /// The owner after which the search continues; None at the end of the zone.
    #[getter]
    fn after(&self) -> Option<Name> {
        self.inner.after.clone().map(Name::from)
    }

    /// The earliest end among the signatures that were looked at and stay, seconds since 1970 modulo 2^32, or None.
    #[getter]
    fn next(&self) -> Option<u32> {
        self.inner.next
    }

    /// The number of RRsets.
    fn __len__(&self) -> usize {
        self.inner.rrsets.len()
    }
}
