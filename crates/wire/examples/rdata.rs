//! A line protocol around the rdata codec, for comparison with other implementations (`tests/boundary/`).
//!
//! One request per line, one answer per line: `ok` and the answer, or `error` and the reason.
//!
//! ```text
//! types                  every type of the table that has its own rdata, separated by spaces
//! sample TYPE SEED       valid rdata made from the number SEED, in hex
//! text TYPE HEX          rdata as text
//! generic TYPE HEX       rdata in the generic form of RFC 3597
//! canonical TYPE HEX     the canonical form, in hex
//! check TYPE HEX         nothing, where the octets are valid rdata
//! wire TYPE TEXT         text as rdata, in hex
//! ```
#![allow(clippy::print_stdout)] // Printing is what this program is for.

use nw_wire::RrType;
use nw_wire::base::{Hex, push_hex};
use nw_wire::name::NameRef;
use nw_wire::rr::{self, Field, sample};
use nw_wire::text::Tokens;
use std::io::{self, BufRead, Write};

fn main() -> io::Result<()> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        match answer(&line?) {
            Ok(answer) => writeln!(stdout, "ok {answer}")?,
            Err(reason) => writeln!(stdout, "error {reason}")?,
        }
        stdout.flush()?;
    }
    Ok(())
}

fn answer(line: &str) -> Result<String, String> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (rtype, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut out = String::new();
    if verb == "types" {
        let own =
            |t: &&(RrType, &str)| !matches!(t.0.fields(), [Field::Meta | Field::Opaque | Field::Options]);
        let names: Vec<_> = RrType::NAMED.iter().filter(own).map(|(_, name)| *name).collect();
        return Ok(names.join(" "));
    }
    let rtype: RrType = rtype.parse().map_err(|_| format!("unknown type {rtype}"))?;
    match verb {
        "sample" => {
            let seed: u64 = rest.parse().map_err(|_| "SEED is a number".to_owned())?;
            push_hex(&mut out, &sample::rdata(rtype, &mut sample::Entropy::new(&octets_from(seed))));
        }
        "text" => rr::to_text(rtype, &hex(rest)?, &mut out),
        "generic" => rr::to_generic_text(&hex(rest)?, &mut out),
        "canonical" => {
            let mut canonical = Vec::new();
            rr::canonical(rtype, &hex(rest)?, &mut canonical);
            push_hex(&mut out, &canonical);
        }
        "check" => rr::check(rtype, &hex(rest)?).map_err(|error| error.to_string())?,
        "wire" => {
            let mut rdata = Vec::new();
            rr::from_text(rtype, &mut Tokens::new(rest.as_bytes()), NameRef::ROOT, &mut rdata)
                .map_err(|error| format!("{} at {}", error, error.at))?;
            push_hex(&mut out, &rdata);
        }
        _ => return Err(format!("unknown verb {verb}")),
    }
    Ok(out)
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let (mut decoder, mut octets) = (Hex::default(), Vec::new());
    decoder.push(text.as_bytes(), &mut octets).map_err(|at| format!("no hex digit at {at}"))?;
    if decoder.complete() { Ok(octets) } else { Err("odd number of hex digits".to_owned()) }
}

/// Octets from a seed, by splitmix64.
fn octets_from(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ word >> 31).to_be_bytes()
    };
    (0..100).flat_map(|_| next()).collect()
}
