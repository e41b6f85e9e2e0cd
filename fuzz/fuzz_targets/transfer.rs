//! Any stream of replies is refused or becomes a zone, in memory that its octets bound; the zone transferred again is the same.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::fuzz_target;
use nw_wire::header::Flags;
use nw_wire::{Class, Name, RrType, Section, Writer};
use nw_zone::{Transfer, TransferLimits, Transferred, Zone};

/// Counts the octets in use, and the most since [`measured`] began.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: memory comes from the system's allocator; only counters are added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(used, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What `work` returns, and the most octets that it had in use.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = USED.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let done = work();
    (done, MOST.load(Ordering::Relaxed).saturating_sub(before))
}

const LIMITS: TransferLimits = TransferLimits { octets: 3 << 10, records: 1 << 7, differences: 16 };
/// The most memory for an octet of the limit. A record of 16 octets can stand for 800: names of 255 octets, written as
/// pointers of two. Batches and the zone made of them exist at the same time, and each may have grown to twice its content.
const FACTOR: usize = 256;
/// Memory that does not depend on the content: the parts of a store, and the workers that build it.
const BASE: usize = 1 << 18;

/// Feed `messages` and return the zone. The id and the QR flag are made right, so that the content is read.
fn read(messages: impl Iterator<Item = Vec<u8>>, limits: TransferLimits) -> Option<Zone> {
    let mut transfer = Transfer::new("example.".parse().expect("a name"), 1, limits);
    for mut message in messages {
        if let Some(head) = message.get_mut(..3) {
            head[..2].copy_from_slice(&transfer.query()[..2]);
            head[2] |= 0x80;
        }
        let complete = transfer.read(&message);
        assert!(complete.is_err() || transfer.records() <= limits.records && transfer.octets() <= limits.octets);
        if complete.ok()? {
            return match transfer.finish().ok()? {
                Transferred::Zone(zone) => Some(zone),
                other => panic!("an answer to AXFR is {other:?}"),
            };
        }
    }
    transfer.finish().expect_err("the last SOA is absent");
    None
}

/// Messages of the zone, each with one record.
fn messages(zone: &Zone) -> Vec<Vec<u8>> {
    let apex = zone.apex();
    let soa = zone.rrset(apex, RrType::SOA).expect("a zone has one");
    let others = zone.rrsets().filter(|set| (set.owner.as_ref(), set.rtype) != (apex, RrType::SOA));
    let mut made = Vec::new();
    for set in [soa.clone()].into_iter().chain(others).chain([soa]) {
        for rdata in set.rdatas.iter() {
            let mut room = vec![0; 65_535];
            let mut writer = Writer::new(&mut room, 65_535, 1, Flags::default());
            writer.question(apex, RrType::AXFR, Class::IN).expect("it fits");
            let owner: &Name = &set.owner;
            writer
                .record(Section::Answer, owner.as_ref(), set.rtype, set.class, set.ttl, rdata)
                .expect("it came in a message");
            let length = writer.finish();
            room.truncate(length);
            made.push(room);
        }
    }
    made
}

fuzz_target!(|bytes: &[u8]| {
    // As over TCP: the length, then the message. The last message may be cut.
    let mut rest = bytes;
    let framed = std::iter::from_fn(|| {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (message, after) = after.split_at(length);
        rest = after;
        Some(message.to_vec())
    });
    let (zone, most) = measured(|| read(framed, LIMITS));
    let bound = BASE + FACTOR * usize::try_from(LIMITS.octets).expect("it is small");
    assert!(most <= bound, "{most} octets in use, the bound is {bound}");
    let Some(zone) = zone else { return };
    assert!(zone.nodes().all(|node| node.owner().is_at_or_below(zone.apex())));
    // Names in full and a message for each record take more octets.
    let again = read(messages(&zone).into_iter(), TransferLimits { octets: 1 << 20, ..LIMITS });
    let again = again.expect("the zone is a zone");
    // The names of a message have the case in which they are written first.
    assert_eq!(again.to_text().to_ascii_lowercase(), zone.to_text().to_ascii_lowercase());
});
