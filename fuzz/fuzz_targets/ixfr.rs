//! Any stream of replies to IXFR is refused, or its differences apply to the zone one after the other or are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nw_wire::Name;
use nw_zone::scan::{LoadOptions, Text, load};
use nw_zone::{Transfer, TransferLimits, Transferred};

const ZONE: &[u8] = b"$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n*.w TXT a\nd NS ns.d\nns.d A 192.0.2.3\n";
const LIMITS: TransferLimits = TransferLimits { octets: 3 << 10, records: 1 << 7, differences: 16 };

fuzz_target!(|bytes: &[u8]| {
    let apex: Name = "example.".parse().expect("a name");
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    let mut zone = load(&mut Text::new("fuzz", ZONE), apex.as_ref(), &options).expect("a zone");
    let mut transfer = Transfer::incremental(&zone, 1, LIMITS);
    let mut rest = bytes;
    // As over TCP: the length, then the message. The id and the QR flag are made right, so that the content is read.
    let mut complete = false;
    while let (false, Some((length, after))) = (complete, rest.split_first_chunk::<2>()) {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (message, after) = after.split_at(length);
        rest = after;
        let mut message = message.to_vec();
        if let Some(head) = message.get_mut(..3) {
            head[..2].copy_from_slice(&transfer.query()[..2]);
            head[2] |= 0x80;
        }
        match transfer.read(&message) {
            Ok(done) => complete = done,
            Err(_) => return,
        }
        assert!(transfer.records() <= LIMITS.records && transfer.octets() <= LIMITS.octets);
    }
    match transfer.finish() {
        Ok(_) if !complete => panic!("an incomplete transfer is taken"),
        Ok(Transferred::Zone(zone)) => assert!(zone.nodes().all(|node| node.owner().is_at_or_below(zone.apex()))),
        Ok(Transferred::Differences(differences)) => {
            assert!(!differences.is_empty() && differences.len() as u64 <= LIMITS.differences as u64);
            for difference in &differences {
                let Ok(next) = zone.apply(difference) else { return };
                assert_eq!(next.serial(), difference.serial_after());
                assert!(next.nodes().all(|node| node.owner().is_at_or_below(next.apex())));
                zone = next;
            }
        }
        Ok(Transferred::Same) | Err(_) => {}
    }
});
