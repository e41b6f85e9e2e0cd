//! Random case of the name in a query, as a further secret of the query (draft-vixie-dnsext-dns0x20).
//!
//! Names are compared without case (RFC 4343 §3), and servers repeat the question as it was sent. A reply that repeats the letters
//! in the case drawn at random was therefore made by somebody who saw the query. Each letter adds one bit to the 16 of the id and
//! the 16 of the port (RFC 5452 §4.3).
//!
//! ```text
//! UDP, random case ── same case ────────────> reply
//!      └── other case ──> TCP ── same case ─> reply. The case is changed on the way, or somebody is guessing: nothing is remembered
//!                          ├── other case ──> reply. The server changes the case: remembered for 15 minutes (`nw_cache::Servers`)
//!                          └── no TCP ──────> UDP with another id, port and case ── same case ─> reply
//!                                                                            └── other case ──> reply; remembered
//! ```
//!
//! Queries to a server that is known to change the case have the case of the client, and replies in any case fit.
//!
//! **Attackers.** What is remembered rests on a reply over TCP, or, where the server does not speak TCP, on two replies
//! that each had the right id and port of a query of its own. One guess cannot turn the random case off. Timeouts do not turn it off
//! either, since an attacker can cause them (by making the server limit its rate, for instance).
//!
//! **Clients never see the random case.** The name in the question of a reply is set back to that of the lookup, and with it every
//! name that points to it. The owner of an answer is the name that was looked up.

use nw_wire::header::HEADER;
use nw_wire::name::NameRef;

/// Draw the case of the letters in the question of *query*, whose name has *length* octets. `random`: 64 bits that an attacker
/// cannot predict, each time.
pub(crate) fn randomise(query: &mut [u8], length: usize, mut random: impl FnMut() -> u64) {
    let (mut bits, mut left) = (0, 0);
    // Length octets are below 64 and no letters.
    for letter in query[HEADER..HEADER + length].iter_mut().filter(|octet| octet.is_ascii_alphabetic()) {
        if left == 0 {
            (bits, left) = (random(), u64::BITS);
        }
        *letter ^= (bits as u8 & 1) << 5;
        (bits, left) = (bits >> 1, left - 1);
    }
}

/// Set the question of *reply* back to *name*, of which it repeats the letters in some case. A reply without the question is left
/// as it is.
pub(crate) fn restore(reply: &mut [u8], name: NameRef<'_>) {
    let name = name.wire();
    if let Some(repeated) = reply.get_mut(HEADER..HEADER + name.len())
        && repeated != name
        && repeated.eq_ignore_ascii_case(name)
    {
        repeated.copy_from_slice(name);
    }
}

#[cfg(test)]
mod tests;
