//! Probes for forwarding loops: queries for a random name that only this process knows.
//!
//! ```text
//! a forwarder is slow ─▶ begin ─▶ query for loop-1f0c….nw-77a2….SUFFIX ─▶ forwarder ─▶ … ─▶ a client asks us for it ─▶ came_back
//!                                                                                        the forwarder leads back to us
//! ```
//!
//! The name passes through servers of any kind, however many there are between the two ends. All workers share the probes,
//! because a query may come back to another worker.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nw_wire::code::RrType;
use nw_wire::name::{Name, NameRef};

use crate::{Micros, lock};

/// The time after a probe in which the same forwarder is not probed again for the same suffix. Bounds what probes add to the traffic
/// of a forwarder that is slow and does not loop.
const PAUSE: Micros = 5_000_000;
/// Probes remembered; there are as many forwarders as the configuration names.
const MOST: usize = 256;
/// The type of the query, as CoreDNS has it: a rare one, so that no filter on the way touches it.
pub const LOOP_TYPE: RrType = RrType::HINFO;

/// The probes of one process.
#[derive(Debug, Default)]
pub struct Loops {
    probes: Mutex<Vec<Probe>>,
    /// How many there are, so that queries cost one comparison while there are none.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Probe {
    token: u64,
    forwarder: SocketAddr,
    suffix: Name,
    sent: Micros,
    /// Where it came back from.
    back: Option<IpAddr>,
    /// Whether the loop that it found has been reported.
    reported: bool,
}

impl Loops {
    /// Begin to probe *forwarder* for *suffix*: the name to ask it for. None: it was probed a short time ago, or the suffix leaves no
    /// room for the labels of the probe.
    pub fn begin(&self, token: u64, forwarder: SocketAddr, suffix: NameRef<'_>, now: Micros) -> Option<Name> {
        let name = name_of(token, suffix)?;
        let mut probes = lock(&self.probes);
        let same = |probe: &Probe| probe.forwarder == forwarder && probe.suffix == suffix;
        let mut reported = false;
        if let Some(at) = probes.iter().position(same) {
            if now < probes[at].sent + PAUSE {
                return None;
            }
            // As long as the loop is found again each time, it is reported once.
            reported = probes.remove(at).reported;
        }
        if probes.len() >= MOST {
            probes.remove(0);
        }
        probes.push(Probe { token, forwarder, suffix: suffix.to_name(), sent: now, back: None, reported });
        self.count.store(probes.len(), Ordering::Release);
        Some(name)
    }

    /// If *name* is that of a probe, which a client at *from* has asked for: the forwarder that was probed.
    pub fn came_back(&self, name: NameRef<'_>, from: IpAddr) -> Option<SocketAddr> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let token = token_of(name)?;
        let mut probes = lock(&self.probes);
        let probe = probes.iter_mut().find(|probe| probe.token == token)?;
        probe.back = Some(from);
        Some(probe.forwarder)
    }

    /// Where the probe *token* has come back from.
    pub fn back(&self, token: u64) -> Option<IpAddr> {
        lock(&self.probes).iter().find(|probe| probe.token == token)?.back
    }

    /// The outcome of the probe *token* is known: whether it is a loop that has not been reported yet.
    pub fn conclude(&self, token: u64, looped: bool) -> bool {
        let mut probes = lock(&self.probes);
        let Some(probe) = probes.iter_mut().find(|probe| probe.token == token) else { return false };
        let news = looped && !probe.reported;
        probe.reported = looped;
        news
    }
}

/// The name that carries *token*, below *suffix*. Both labels are random: a server on the way that knows that `nw-….SUFFIX` does not
/// exist would not pass on names below it.
fn name_of(token: u64, suffix: NameRef<'_>) -> Option<Name> {
    let (high, low) = ((token >> 32) as u32, token as u32);
    let text = format!("loop-{high:08x}.nw-{low:08x}");
    Name::parse(text.as_bytes(), Some(suffix)).ok()
}

/// The token that *name* carries.
fn token_of(name: NameRef<'_>) -> Option<u64> {
    let wire = name.wire();
    let high = wire.strip_prefix(b"\x0d").filter(|rest| rest.len() > 13)?;
    let low = high[13..].strip_prefix(b"\x0b").filter(|rest| rest.len() > 11)?;
    let part = |label: &[u8], prefix: &[u8]| {
        let digits = label.get(prefix.len()..prefix.len() + 8)?;
        let digits = std::str::from_utf8(digits).ok()?;
        let same = label[..prefix.len()].eq_ignore_ascii_case(prefix);
        u32::from_str_radix(digits, 16).ok().filter(|_| same)
    };
    Some(u64::from(part(high, b"loop-")?) << 32 | u64::from(part(low, b"nw-")?))
}

#[cfg(test)]
mod tests;
