//! Transaction signatures (RFC 8945): checks each request and signs each response once, for every opcode.
//!
//! | request | response |
//! |---|---|
//! | key or algorithm unknown | NOTAUTH, unsigned TSIG with BADKEY (§5.2.1) |
//! | the same, in an UPDATE for a zone that forwards updates | as for an unsigned one: only the primary knows the key (RFC 2136 §6) |
//! | MAC longer than the algorithm's, or shorter than 10 octets or half of it | FORMERR (§5.2.2.1) |
//! | MAC wrong | NOTAUTH, unsigned TSIG with BADSIG (§5.2.2) |
//! | signed outside of the permitted time | NOTAUTH, signed, BADTIME with the server's time (§5.2.3) |
//! | MAC right, but cut short | NOTAUTH, signed, BADTRUNC (§5.2.4): the policy requires whole MACs |
//! | right | the answer, signed (§5.3) |
//!
//! The plan names keys and algorithms, but does not contain the secrets. `Snapshot::with_secrets` adds them.

use std::collections::HashMap;
use std::sync::Arc;

use nw_crypto::{FUDGE_S, MacFault, TsigKey};
use nw_resolve::trace::{Layer, Reason, SignatureFault, SignatureRefused};
use nw_wire::header::HEADER;
use nw_wire::tsig::{Signed, Tsig};
use nw_wire::{Class, Ede, Message, Name, NameRef, Opcode, Rcode};

use crate::context::Context;
use crate::query::Query;
use crate::response::Response;
use crate::verdict::Verdict;

/// Octets of a TSIG record besides its owner, algorithm, MAC and other data.
const FIXED: usize = 10 + 16;
/// Octets of the server's time in the other data of BADTIME.
const TIME: usize = 6;

/// The keys that may sign requests, by name.
#[derive(Default)]
pub(crate) struct Keys(HashMap<Name, Arc<TsigKey>>);

impl Keys {
    /// Add the key *name*. `algorithm`: a name that `tsig_algorithm` supports, else nothing is added.
    pub(crate) fn add(&mut self, name: Name, algorithm: Name, secret: &[u8]) {
        if let Some(key) = TsigKey::new(name.clone(), algorithm, secret) {
            self.0.insert(name, Arc::new(key));
        }
    }
}

/// The signature of a request, and the data that signing its responses requires.
pub(crate) struct Signature {
    /// None: the response carries an unsigned TSIG record.
    key: Option<Arc<TsigKey>>,
    /// The key's name and the algorithm's, as the client spelled them.
    name: Name,
    algorithm: Name,
    /// The MAC of the request, or of the last message of the stream.
    prior_mac: Vec<u8>,
    /// Whether a message of this response has been signed already.
    subsequent: bool,
    /// The request's time and fudge, for errors that return them.
    time_signed_s: u64,
    error: Rcode,
    id: u16,
}

impl Signature {
    /// The name of the key, if the request was verified with it.
    pub(crate) fn verified_key(&self) -> Option<NameRef<'_>> {
        (self.key.is_some() && self.error == Rcode::NOERROR).then(|| self.name.as_ref())
    }

    /// Octets of the TSIG record of the response.
    pub(crate) fn octets(&self) -> usize {
        let mac = self.key.as_ref().map_or(0, |key| key.size());
        let other = if self.error == Rcode::BADTIME { TIME } else { 0 };
        self.name.as_ref().wire().len() + self.algorithm.as_ref().wire().len() + FIXED + mac + other
    }

    /// Append the TSIG record to the finished message in the first *length* octets of *room*. Returns the new length.
    /// The message stays unchanged if the record does not fit, which `octets` prevents.
    #[cold]
    pub(crate) fn sign(&mut self, unix_s: u64, room: &mut [u8], length: usize) -> usize {
        let now = unix_s.to_be_bytes();
        let bad_time = self.error == Rcode::BADTIME;
        let mut tsig = Tsig {
            algorithm: self.algorithm.as_ref(),
            // An error about the request returns the request's time (RFC 8945 §5.3.2, §5.2.3).
            time_signed_s: if self.error == Rcode::NOERROR { unix_s } else { self.time_signed_s },
            fudge_s: FUDGE_S,
            mac: &[],
            original_id: self.id,
            error: self.error,
            other: if bad_time { &now[2..] } else { &[] },
        };
        let mac = self.key.as_ref().map(|key| {
            let signed = match self.subsequent {
                false => Signed::Response { key: self.name.as_ref(), request_mac: &self.prior_mac },
                true => Signed::Subsequent { prior_mac: &self.prior_mac, unsigned: &[] },
            };
            key.mac(&tsig, signed, &room[..length])
        });
        let mac = mac.as_ref().map_or(&[][..], |mac| mac.as_ref());
        tsig.mac = mac;
        let mut record = Vec::with_capacity(self.octets());
        tsig.push_record(self.name.as_ref(), &mut record);
        let end = length + record.len();
        let (Some(place), true) = (room.get_mut(length..end), length >= HEADER) else { return length };
        place.copy_from_slice(&record);
        let additional = u16::from_be_bytes([room[10], room[11]]).wrapping_add(1);
        room[10..12].copy_from_slice(&additional.to_be_bytes());
        self.prior_mac = mac.to_vec();
        self.subsequent = true;
        end
    }
}

/// Check the signature of the request, if it has one.
#[inline]
pub(crate) fn check(context: &mut Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    if context.query.tsig_at.is_none() { Verdict::Continue } else { check_signed(context, response) }
}

#[cold]
fn check_signed(context: &mut Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    let keys = context.snapshot().keys();
    let (malformed, refused) = ((Rcode::FORMERR, Ede::OTHER), (Rcode::NOTAUTH, Ede::PROHIBITED));
    let Some((signature, fault)) = verify(keys, context.query, context.unix_s()) else {
        return refuse(context, malformed, Name::root(), SignatureFault::Form);
    };
    if signature.error == Rcode::BADKEY
        && context.query.flags.opcode() == Opcode::UPDATE
        && context.snapshot().forwards_updates(context.query.qname)
    {
        return Verdict::Continue;
    }
    if !reserve(&signature, response) {
        // A query, an OPT and a TSIG of the longest names do not fit in 512 octets.
        return refuse(context, malformed, signature.name, SignatureFault::Form);
    }
    let verdict = fault.map(|fault| refuse(context, refused, signature.name.clone(), fault));
    context.signature = Some(Box::new(signature));
    verdict.unwrap_or(Verdict::Continue)
}

fn refuse(context: &Context<'_>, with: (Rcode, Ede), key: Name, fault: SignatureFault) -> Verdict {
    let reason = Reason::SignatureRefused(Box::new(SignatureRefused { key, fault }));
    context.refuse(Layer::Admission, with, reason)
}

/// Reserve space for the TSIG record. Returns whether there is enough.
pub(crate) fn reserve(signature: &Signature, response: &mut Response<'_, '_>) -> bool {
    response.tsig_octets = signature.octets();
    let fits = response.out.reserve(response.tsig_octets).is_ok();
    if !fits {
        response.tsig_octets = 0;
    }
    fits
}

/// Verify *query* (RFC 8945 §5.2), and say what is wrong with its signature. None: the TSIG record is malformed.
fn verify(keys: &Keys, query: &Query<'_>, unix_s: u64) -> Option<(Signature, Option<SignatureFault>)> {
    let message = Message::parse(query.packet).ok()?;
    let record = message.tsig()?;
    let mut rdata = Vec::new();
    record.rdata(&mut rdata);
    let tsig = Tsig::parse(&rdata).ok()?;
    if record.class != Class::ANY || record.ttl != 0 {
        return None;
    }
    let name = record.owner().to_name();
    let named = keys.0.get(&name);
    let mut signature = Signature {
        key: None,
        name,
        algorithm: tsig.algorithm.to_name(),
        prior_mac: tsig.mac.to_vec(),
        subsequent: false,
        time_signed_s: tsig.time_signed_s,
        error: Rcode::NOERROR,
        id: query.id,
    };
    let Some(key) = named.filter(|key| key.algorithm() == tsig.algorithm).map(Arc::clone) else {
        signature.error = Rcode::BADKEY;
        let fault = match named {
            Some(_) => SignatureFault::Algorithm(tsig.algorithm.to_name()),
            None => SignatureFault::UnknownKey,
        };
        return Some((signature, Some(fault)));
    };
    let signed = Signed::Request { key: signature.name.as_ref() };
    match key.check(&tsig, signed, &query.packet[..record.start()]) {
        Ok(()) => {}
        Err(MacFault::Length) => return None,
        Err(MacFault::Wrong) => {
            signature.error = Rcode::BADSIG;
            return Some((signature, Some(SignatureFault::Mac)));
        }
    }
    let mut fault = None;
    if unix_s.abs_diff(tsig.time_signed_s) > u64::from(tsig.fudge_s) {
        signature.error = Rcode::BADTIME;
        let ahead_s = tsig.time_signed_s.wrapping_sub(unix_s).cast_signed();
        fault = Some(SignatureFault::Time { ahead_s, fudge_s: tsig.fudge_s });
    } else if tsig.mac.len() < key.size() {
        signature.error = Rcode::BADTRUNC;
        fault = Some(SignatureFault::Truncated);
    }
    signature.key = Some(key);
    Some((signature, fault))
}

#[cfg(test)]
mod tests;
