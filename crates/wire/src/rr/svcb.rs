//! Service parameters of SVCB and HTTPS. RFC 9460 §2.1, §2.2, §7, appendix A
//!
//! ```text
//! key (16) | length (16) | value …      strictly ascending keys;      text: alpn="h2,h3" port=853 key667="hello"
//! ```
//!
//! A value is checked if its key is known. One malformed value makes the whole record malformed (§2.2). `keyNNNNN`
//! accepts any octets as a string, also for keys that have a name. [`KEYS`] lists the keys with the forms of their
//! values; `registry/svcparams.tsv` is the reference.

use super::field::Wire;
use super::present::{push_ipv4, push_ipv6, separate};
use super::{RdataError, RdataFault};
use crate::base::{Base64, push_base64};
use crate::text::{self, Expected, TextError, TextFault, Token, Tokens, number, push_number, push_quoted};

/// The number of a service parameter; `Display` writes its name or `key123`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SvcKey(pub u16);

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Keys, at least one, ascending, without `mandatory` itself.
    Keys,
    /// Strings of at most 255 octets, at least one, none empty.
    Strings,
    /// Like `Strings`, but possibly empty.
    Path,
    /// An empty value.
    Nothing,
    /// Sixteen bits.
    Port,
    /// IPv4 addresses, at least one.
    Ipv4,
    /// IPv6 addresses, at least one.
    Ipv6,
    /// An ECHConfigList in base64. It starts with its own length (RFC 9849 §4).
    Ech,
    /// A URI template that starts with `/` and contains the variable `dns` (RFC 9461 §5).
    DohPath,
    /// Sixteen-bit numbers, at least one.
    Groups,
    /// Any octets.
    Any,
}

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;

/// The named keys. RFC 9460 §14.3.2 and its registry
const KEYS: [(u16, &str, Form); 11] = [
    (MANDATORY, "mandatory", Form::Keys),
    (ALPN, "alpn", Form::Strings),
    (NO_DEFAULT_ALPN, "no-default-alpn", Form::Nothing),
    (3, "port", Form::Port),
    (4, "ipv4hint", Form::Ipv4),
    (5, "ech", Form::Ech),
    (6, "ipv6hint", Form::Ipv6),
    (7, "dohpath", Form::DohPath),
    (8, "ohttp", Form::Nothing),
    (9, "tls-supported-groups", Form::Groups),
    (10, "docpath", Form::Path),
];

fn form(key: u16) -> Form {
    KEYS.get(usize::from(key)).map_or(Form::Any, |&(_, _, form)| form)
}

impl SvcKey {
    /// The name in the registry, if the key has one.
    pub fn mnemonic(self) -> Option<&'static str> {
        KEYS.get(usize::from(self.0)).map(|&(_, name, _)| name)
    }

    /// Return the key with this name: a name of the registry, or `keyNNNNN` without leading zeros, in lower case. RFC
    /// 9460 §2.1
    pub fn from_name(name: &[u8]) -> Option<Self> {
        if let Some((key, ..)) = KEYS.iter().find(|(_, known, _)| known.as_bytes() == name) {
            return Some(Self(*key));
        }
        let digits = name.get(3..).filter(|_| name.starts_with(b"key"))?;
        if digits.len() > 1 && digits[0] == b'0' {
            return None;
        }
        // This includes 65535, reserved as "Invalid key" (RFC 9460 §14.3.2), so that the text of every record can be
        // read.
        u16::try_from(number(digits)?).ok().map(Self)
    }

    fn push(self, out: &mut String) {
        match self.mnemonic() {
            Some(name) => out.push_str(name),
            None => {
                out.push_str("key");
                push_number(out, u64::from(self.0));
            }
        }
    }
}

impl std::fmt::Display for SvcKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.push(&mut text);
        f.pad(&text)
    }
}

/// The keys and values of service parameters that [`super::check`] has accepted.
pub fn svc_params(octets: &[u8]) -> impl Iterator<Item = (SvcKey, &[u8])> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let (&[a, b, c, d], tail) = rest.split_first_chunk::<4>()?;
        let (value, after) = tail.split_at_checked(usize::from(u16::from_be_bytes([c, d])))?;
        rest = after;
        Some((SvcKey(u16::from_be_bytes([a, b])), value))
    })
}

pub(super) fn check(wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
    let octets = wire.rest(at);
    let mut next = at;
    let mut last = None;
    for (SvcKey(key), value) in svc_params(octets) {
        let fault = |fault| Err(RdataError { at: next, fault });
        match last {
            Some(last) if last == key => return fault(RdataFault::SvcTwice),
            Some(last) if last > key => return fault(RdataFault::SvcOrder),
            _ => {}
        }
        if !valid(form(key), value) {
            return fault(RdataFault::SvcValue);
        }
        last = Some(key);
        next += 4 + value.len();
    }
    if next < wire.end {
        return Err(RdataError { at: wire.end, fault: RdataFault::Short });
    }
    complete(octets).then_some(next).ok_or(RdataError { at, fault: RdataFault::SvcMissing })
}

/// Return whether all parameters that others refer to are present. RFC 9460 §7.1.1, §8
fn complete(octets: &[u8]) -> bool {
    // `mandatory` and `no-default-alpn` have the lowest keys. For most records the first key is enough to decide.
    svc_params(octets).take_while(|(key, _)| key.0 <= NO_DEFAULT_ALPN).all(|(key, value)| match key.0 {
        // Both lists are in ascending order, so that one pass over the parameters finds all keys.
        MANDATORY => {
            let mut keys = svc_params(octets).map(|(key, _)| key.0);
            numbers(value).all(|wanted| keys.any(|key| key == wanted))
        }
        NO_DEFAULT_ALPN => svc_params(octets).any(|(key, _)| key.0 == ALPN),
        _ => true,
    })
}

fn numbers(value: &[u8]) -> impl Iterator<Item = u16> {
    value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

fn valid(form: Form, value: &[u8]) -> bool {
    let list_of = |width: usize| !value.is_empty() && value.len().is_multiple_of(width);
    match form {
        Form::Keys => {
            list_of(2)
                && numbers(value).fold((true, MANDATORY), |(good, last), key| (good && key > last, key)).0
        }
        Form::Strings => {
            !value.is_empty() && strings(value).is_some_and(|mut all| all.all(|s| !s.is_empty()))
        }
        Form::Path => strings(value).is_some(),
        Form::Nothing => value.is_empty(),
        Form::Port => value.len() == 2,
        Form::Ipv4 => list_of(4),
        Form::Ipv6 => list_of(16),
        Form::Ech => match value {
            [high, low, configs @ ..] => {
                configs.len() >= 4 && configs.len() == usize::from(u16::from_be_bytes([*high, *low]))
            }
            _ => false,
        },
        Form::DohPath => std::str::from_utf8(value).is_ok_and(is_doh_path),
        Form::Groups => list_of(2),
        Form::Any => true,
    }
}

/// Return whether the text is a template of RFC 6570 that expands `dns`, the only variable of a DoH client. RFC 9461
/// §5
fn is_doh_path(text: &str) -> bool {
    let has_variable = |expression: &str| {
        let variables = expression.strip_prefix(['+', '#', '.', '/', ';', '?', '&']).unwrap_or(expression);
        variables.split(',').any(|variable| variable.split([':', '*']).next() == Some("dns"))
    };
    let expressions = || text.split('{').skip(1);
    text.starts_with('/')
        && expressions().all(|rest| rest.contains('}'))
        && expressions().any(|rest| rest.split_once('}').is_some_and(|(inside, _)| has_variable(inside)))
}

/// The strings after length octets, or None if the last string is cut off.
fn strings(value: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let mut at = 0;
    while let Some(&length) = value.get(at) {
        at += 1 + usize::from(length);
    }
    (at == value.len()).then(|| {
        let mut rest = value;
        std::iter::from_fn(move || {
            let (&length, tail) = rest.split_first()?;
            let (string, after) = tail.split_at(usize::from(length));
            rest = after;
            Some(string)
        })
    })
}

pub(super) fn parse(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let start = out.len();
    let first = tokens.offset();
    let mut unsorted = false;
    let mut last = None;
    while let Some(token) = tokens.next_pair()? {
        let key = param(tokens, token, out)?;
        unsorted |= last.is_some_and(|last| last >= key);
        last = Some(key);
    }
    if unsorted {
        let octets = out.split_off(start);
        let mut params: Vec<_> = svc_params(&octets).collect();
        params.sort_by_key(|(key, _)| *key);
        for (key, value) in params {
            out.extend_from_slice(&key.0.to_be_bytes());
            out.extend_from_slice(&(value.len() as u16).to_be_bytes());
            out.extend_from_slice(value);
        }
    }
    let wire = Wire { bytes: &out[start..], end: out.len() - start, packet: false };
    check(&wire, 0).map(|_| ()).map_err(|error| tokens.fault(first, TextFault::Rdata(error)))
}

/// Append one parameter. Its value is checked later, together with all others.
fn param(tokens: &Tokens<'_>, token: Token<'_>, out: &mut Vec<u8>) -> Result<u16, TextError> {
    let name_end = token.bytes.iter().position(|&byte| byte == b'=');
    let name = &token.bytes[..name_end.unwrap_or(token.bytes.len())];
    let key = if token.quoted { None } else { SvcKey::from_name(name) };
    let SvcKey(key) = key.ok_or_else(|| tokens.wrong(token, Expected::SvcParam))?;
    let text = match name_end.map(|at| &token.bytes[at + 1..]) {
        Some([b'"', inner @ .., b'"']) => inner,
        Some(bare) => bare,
        None => b"",
    };
    let wrong = || tokens.wrong(token, Expected::SvcValue);
    let mut value = Vec::new();
    text::unescape(text, &mut value).map_err(|at| tokens.fault(token.at + at, TextFault::BadEscape))?;

    out.extend_from_slice(&key.to_be_bytes());
    let start = out.len();
    out.extend_from_slice(&[0, 0]);
    let generic = name.starts_with(b"key");
    encode(if generic { Form::Any } else { form(key) }, &value, out).ok_or_else(wrong)?;
    let length = u16::try_from(out.len() - start - 2).map_err(|_| wrong())?;
    out[start..start + 2].copy_from_slice(&length.to_be_bytes());
    Ok(key)
}

/// Append the wire form of a value. The escapes of the character string are already resolved.
fn encode(form: Form, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let plain = || value.split(|&byte| byte == b',');
    match form {
        Form::Keys => {
            let mut keys =
                plain().map(|name| SvcKey::from_name(name).map(|key| key.0)).collect::<Option<Vec<_>>>()?;
            keys.sort_unstable();
            out.extend(keys.iter().flat_map(|key| key.to_be_bytes()));
        }
        Form::Path if value.is_empty() => {}
        Form::Strings | Form::Path => {
            // Within a list, `\,` and `\\` stand for the second character (RFC 9460 appendix A.1).
            let mut length_at = out.len();
            out.push(0);
            let mut bytes = value.iter();
            while let Some(&byte) = bytes.next() {
                match byte {
                    b',' => {
                        length_at = out.len();
                        out.push(0);
                        continue;
                    }
                    b'\\' => match bytes.next() {
                        Some(&escaped @ (b',' | b'\\')) => out.push(escaped),
                        _ => return None,
                    },
                    _ => out.push(byte),
                }
                out[length_at] = out[length_at].checked_add(1)?;
            }
        }
        Form::Port => out.extend_from_slice(&u16::try_from(number(value)?).ok()?.to_be_bytes()),
        Form::Ipv4 => {
            for item in plain() {
                out.extend_from_slice(&text::ipv4(item)?);
            }
        }
        Form::Ipv6 => {
            for item in plain() {
                out.extend_from_slice(&text::ipv6(item)?);
            }
        }
        Form::Ech => {
            let mut base64 = Base64::default();
            base64.push(value, out).ok()?;
            return base64.complete().then_some(());
        }
        Form::Groups => {
            for item in plain() {
                out.extend_from_slice(&u16::try_from(number(item)?).ok()?.to_be_bytes());
            }
        }
        Form::Nothing | Form::DohPath | Form::Any => out.extend_from_slice(value),
    }
    Some(())
}

pub(super) fn show(octets: &[u8], out: &mut String) -> Option<()> {
    for (key, value) in svc_params(octets) {
        separate(out);
        key.push(out);
        // Write the value in the form of its key, if there is one.
        let mut list = |width: usize, show: fn(&mut String, &[u8])| {
            for (index, item) in value.chunks_exact(width).enumerate() {
                out.push(if index == 0 { '=' } else { ',' });
                show(out, item);
            }
        };
        match form(key.0) {
            Form::Nothing => {}
            Form::Any | Form::Path if value.is_empty() => {}
            Form::Keys => list(2, |out, pair| SvcKey(u16::from_be_bytes([pair[0], pair[1]])).push(out)),
            Form::Port | Form::Groups => {
                list(2, |out, pair| push_number(out, u64::from(u16::from_be_bytes([pair[0], pair[1]]))));
            }
            Form::Ipv4 => list(4, push_ipv4),
            Form::Ipv6 => list(16, push_ipv6),
            Form::Ech => {
                out.push('=');
                push_base64(out, value);
            }
            // A single empty string would read back as an empty list.
            Form::Path if value == [0] => return None,
            Form::Strings | Form::Path => {
                let mut joined = Vec::with_capacity(value.len());
                for (index, string) in strings(value)?.enumerate() {
                    if index > 0 {
                        joined.push(b',');
                    }
                    for &octet in string {
                        if matches!(octet, b',' | b'\\') {
                            joined.push(b'\\');
                        }
                        joined.push(octet);
                    }
                }
                out.push('=');
                push_quoted(out, &joined);
            }
            Form::DohPath | Form::Any => {
                out.push('=');
                push_quoted(out, value);
            }
        }
    }
    Some(())
}
