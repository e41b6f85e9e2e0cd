//! DNS cookies to servers (RFC 7873, RFC 9018): who does not see our queries cannot forge a reply with our cookie.
//!
//! ```text
//! query + client cookie (+ the cookie that the server gave last) ──▶ reply
//!     │  our cookie and one of the server ──▶ the reply is genuine; the server's cookie is kept
//!     │  another client cookie ─────────────▶ perhaps forged: TCP
//!     │  no cookie, and the server is known to send them ──▶ perhaps forged: once more, then TCP
//!     │  BADCOOKIE with a cookie of the server ──▶ once more with that, then TCP
//!     └  FORMERR with OPT ──────────────────▶ once more without cookie
//! ```
//!
//! The client cookie is SipHash-2-4 of the address of the server under a secret of the process, so that each server gets another one
//! (RFC 9018 §3) and nothing is kept of servers that do not send cookies.

#![allow(
    deprecated,
    reason = "std calls SipHash-2-4 deprecated in favour of an unspecified hasher; this one is specified"
)]

use std::hash::{Hasher, SipHasher};
use std::net::SocketAddr;

use nw_cache::{CookieSupport, ServerCookie};
use nw_wire::code::OptionCode;
use nw_wire::message::Message;

use crate::task::Core;
use crate::world::World;

/// Octets of a client cookie.
const CLIENT: usize = 8;

/// The cookies of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookie {
    client: [u8; CLIENT],
    server: Option<ServerCookie>,
}

/// What a reply says about cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyCookie {
    /// Nothing.
    Absent,
    /// It carries our cookie, and perhaps one of the server.
    Ours(Option<ServerCookie>),
    /// It carries another cookie than ours, or a malformed one.
    Wrong,
}

impl Cookie {
    /// The cookies for a query to *server*, whose support is *known*; None if it does not understand cookies.
    pub(crate) fn to<W: World>(server: SocketAddr, known: CookieSupport, core: &Core<W>) -> Option<Cookie> {
        let given = match known {
            CookieSupport::No => return None,
            CookieSupport::Unknown => None,
            CookieSupport::Yes(cookie) => Some(cookie),
        };
        let secret = core.cache.servers().secret(|| [core.world.random(), core.world.random()]);
        let mut hasher = SipHasher::new_with_keys(secret[0], secret[1]);
        let [p0, p1] = server.port().to_be_bytes();
        match server {
            SocketAddr::V4(v4) => {
                let [a, b, c, d] = v4.ip().octets();
                hasher.write(&[a, b, c, d, p0, p1]);
            }
            SocketAddr::V6(v6) => {
                hasher.write(&v6.ip().octets());
                hasher.write(&[p0, p1]);
            }
        }
        Some(Cookie { client: hasher.finish().to_be_bytes(), server: given })
    }

    /// The same with *server* as the cookie of the server.
    pub(crate) fn with(self, server: ServerCookie) -> Cookie {
        Cookie { server: Some(server), ..self }
    }

    /// Write the option.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let server = self.server.as_ref().map_or(&[][..], ServerCookie::octets);
        out.extend_from_slice(&OptionCode::COOKIE.0.to_be_bytes());
        out.extend_from_slice(&((CLIENT + server.len()) as u16).to_be_bytes());
        out.extend_from_slice(&self.client);
        out.extend_from_slice(server);
    }

    /// What *reply* says to these cookies.
    pub(crate) fn read(&self, reply: &Message<'_>) -> ReplyCookie {
        let Some(opt) = reply.opt() else { return ReplyCookie::Absent };
        let mut options = opt.raw_options();
        let Some((_, data)) = options.find(|(code, _)| *code == OptionCode::COOKIE) else {
            return ReplyCookie::Absent;
        };
        match data.strip_prefix(&self.client) {
            Some([]) => ReplyCookie::Ours(None),
            Some(server) => {
                ServerCookie::new(server).map_or(ReplyCookie::Wrong, |it| ReplyCookie::Ours(Some(it)))
            }
            None => ReplyCookie::Wrong,
        }
    }
}

#[cfg(test)]
mod tests;
