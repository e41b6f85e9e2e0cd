use nw_wire::message::{replies_to, same_case};
use nw_wire::name::Name;

use super::*;

fn query(name: &str) -> (Name, Vec<u8>) {
    let name: Name = name.parse().unwrap();
    let header = [0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let question = [name.as_ref().wire(), &[0, 1, 0, 1]].concat();
    (name, [&header[..], &question].concat())
}

#[test]
fn every_letter_takes_a_bit_of_its_own_and_nothing_else_changes() {
    let long = format!("{}.{}.{}.Example-7.", "a".repeat(60), "B".repeat(60), "c".repeat(60));
    for name in ["wWw.Example.com.", "1.0.0.127.in-addr.arpa.", ".", long.as_str()] {
        let (name, plain) = query(name);
        let length = name.as_ref().wire().len();
        let letters = name.as_ref().wire().iter().filter(|octet| octet.is_ascii_alphabetic()).count();
        let mut draws = 0;
        for (bits, changed) in [(0, 0), (u64::MAX, letters)] {
            let mut mixed = plain.clone();
            draws = 0;
            randomise(&mut mixed, length, || {
                draws += 1;
                bits
            });
            let differ = plain.iter().zip(&mixed).filter(|(one, other)| one != other);
            assert_eq!(differ.count(), changed, "{name}");
            assert!(mixed.eq_ignore_ascii_case(&plain), "{name}");
        }
        assert_eq!(draws, letters.div_ceil(64), "a bit is used once: {name}");
    }
}

#[test]
fn a_reply_gets_the_name_of_the_lookup_back() {
    let (name, mut mixed) = query("wWw.Example.com.");
    randomise(&mut mixed, name.as_ref().wire().len(), || 0b1011_0110_1101);
    let mut reply = mixed.clone();
    reply[2] = 0x80;
    assert!(replies_to(&mixed, &reply) && same_case(&mixed, &reply));
    restore(&mut reply, name.as_ref());
    assert_eq!(&reply[HEADER..HEADER + name.as_ref().wire().len()], name.as_ref().wire());
    let mut header_only = vec![0; HEADER];
    restore(&mut header_only, name.as_ref());
    assert_eq!(header_only, [0; HEADER], "an error without the question stays as it is");
}
