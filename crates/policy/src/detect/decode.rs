//! Text that a label hides in base16, base32 or base64: evidence for a person who reads the log.
//!
//! A label of letters may be valid base32 by chance, so that only what decodes to printable ASCII counts.

use nw_wire::base::hex_digit;

/// Octets of text that are shown.
const MOST: usize = 48;
/// The least octets of text; shorter ones are chance.
const LEAST: usize = 4;

/// The value of a digit, None if it is none.
type Digit = fn(u8) -> Option<u8>;
/// An encoding: its name, the bits of a digit, its digits, and whether a label looks like it.
type Way = (&'static str, u32, Digit, bool);

/// What *label* hides: the name of the encoding and the text.
pub fn decode(label: &[u8]) -> Option<(&'static str, String)> {
    let bare: &[u8] = match label.iter().position(|&octet| octet == b'=') {
        Some(padding) if label[padding..].iter().all(|&octet| octet == b'=') => &label[..padding],
        Some(_) => return None,
        None => label,
    };
    let padded = bare.len() < label.len();
    let is_mixed = bare.iter().any(u8::is_ascii_uppercase) && bare.iter().any(u8::is_ascii_lowercase);
    let ways: [Way; 3] = [
        ("hex", 4, hex_digit, bare.len() >= 12 && bare.len().is_multiple_of(2)),
        ("base32", 5, base32_digit, padded || bare.len() >= 10),
        // In names without case, base64 has lost half of its data.
        ("base64", 6, base64_digit, is_mixed && (padded || bare.len() >= 8)),
    ];
    ways.into_iter().filter(|(.., likely)| *likely).find_map(|(encoding, bits, digit, _)| {
        let octets = octets(bare, bits, digit)?;
        let printable = |octet: &u8| octet.is_ascii_graphic() || *octet == b' ';
        let text = octets.len() >= LEAST && octets.iter().all(printable);
        text.then(|| (encoding, String::from_utf8_lossy(&octets[..octets.len().min(MOST)]).into_owned()))
    })
}

/// The octets of *text*, whose digits have *bits* each. None: an octet is no digit, or octets are left over.
fn octets(text: &[u8], bits: u32, digit: Digit) -> Option<Vec<u8>> {
    let (mut out, mut pending, mut count) = (Vec::with_capacity(text.len()), 0u32, 0);
    for &octet in text {
        pending = pending << bits | u32::from(digit(octet)?);
        count += bits;
        if count >= 8 {
            count -= 8;
            out.push((pending >> count) as u8);
            pending &= (1 << count) - 1;
        }
    }
    (count < bits && pending == 0).then_some(out)
}

fn base32_digit(octet: u8) -> Option<u8> {
    match octet.to_ascii_lowercase() {
        octet @ b'a'..=b'z' => Some(octet - b'a'),
        octet @ b'2'..=b'7' => Some(octet - b'2' + 26),
        _ => None,
    }
}

fn base64_digit(octet: u8) -> Option<u8> {
    match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
