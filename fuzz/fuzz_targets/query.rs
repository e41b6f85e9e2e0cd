//! The response to any packet is nothing, a lookup, or a reply that parses, has the packet's id and QR, and fits the transport.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nw_serve::Snapshot;
use nw_serve::verdict::Transport;
use nw_serve::snapshot::DryRun;
use nw_wire::Message;
use nw_wire::name::NameBuf;
use nw_zone::scan::{LoadOptions, Text, load};
use std::sync::LazyLock;

static SERVER: LazyLock<Snapshot> = LazyLock::new(|| {
    let origin = NameBuf::parse(b"example.", None).expect("a name");
    let mut text = Text::new("seed", &include_bytes!("../seeds/zone/basic")[..]);
    let zone = load(&mut text, origin.as_ref(), &LoadOptions::default()).expect("the seed is a zone");
    let plan = br#"{"version":1,"server":{"nsid":"6e73","version":"1"},"zones":[{"name":"example."}]}"#;
    Snapshot::build(plan, vec![zone]).expect("a plan with its zone")
});

fuzz_target!(|bytes: &[u8]| {
    for transport in [Transport::Udp, Transport::Tcp] {
        let client = "127.0.0.1:53".parse().expect("an address");
        if let DryRun::Reply(reply) = SERVER.answer(bytes, client, transport) {
            let message = Message::parse(&reply).expect("a reply is a message");
            assert_eq!(&reply[..2], &bytes[..2]);
            assert!(message.flags().qr() && bytes[2] & 0x80 == 0);
            let room = Message::parse(bytes).ok().and_then(|m| m.opt()).map_or(512, |opt| opt.udp_payload());
            assert!(transport != Transport::Udp || reply.len() <= usize::from(room));
        }
    }
});
