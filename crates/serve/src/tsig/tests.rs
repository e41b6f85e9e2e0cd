use std::sync::Arc;

use nw_crypto::{HmacAlg, HmacKey};
use nw_wire::{Class, Flags, RrType, Section, Writer};

use super::*;
use crate::testing::{client, environment, name, question, snapshot};
use crate::{Handled, Snapshot, Stats, Transport, pipeline};

const NOW: u64 = 1_700_000_000;
const SECRET: &[u8] = b"a secret of the tests";
const PLAN: &str = r#"{"version":1,ZONES,"keys":[{"name":"key.","algorithm":"hmac-sha256"}]}"#;

fn keyed() -> Arc<Snapshot> {
    let snapshot = snapshot(PLAN).with_secrets(vec![(name("Key."), SECRET.to_vec())]);
    Arc::new(snapshot.unwrap_or_else(|errors| panic!("{errors:?}")))
}

/// *packet* signed as a client signs it; the MAC.
fn sign(packet: &mut Vec<u8>, key: &str, secret: &[u8], time: u64, keep: usize) -> Vec<u8> {
    let (owner, algorithm) = (name(key), name("hmac-sha256."));
    let mut tsig = Tsig {
        algorithm: algorithm.as_ref(),
        time_signed_s: time,
        fudge_s: 300,
        mac: &[],
        original_id: 0x1234,
        error: Rcode::NOERROR,
        other: &[],
    };
    let mut input = Vec::new();
    tsig.push_signed(Signed::Request { key: owner.as_ref() }, packet, false, &mut input);
    let mac = nw_crypto::hmac(HmacAlg::Sha256, secret, &[&input]).as_ref()[..keep].to_vec();
    tsig.mac = &mac;
    let mut rdata = Vec::new();
    tsig.push(&mut rdata);
    packet.extend_from_slice(owner.as_ref().wire());
    packet.extend_from_slice(b"\0\xfa\0\xff\0\0\0\0");
    packet.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    packet.extend_from_slice(&rdata);
    packet[11] += 1;
    mac
}

fn reply(packet: &[u8]) -> Vec<u8> {
    let (snapshot, stats, mut room) = (keyed(), Stats::default(), vec![0; 4096]);
    match pipeline::handle(&environment(&snapshot, &stats), packet, client(), Transport::Udp, &mut room) {
        Handled::Reply(length) => room.truncate(length),
        other => panic!("{other:?}"),
    }
    room
}

/// Whether *reply* is signed with the secret as the response to a request with *mac*, and its TSIG error.
fn verified(reply: &[u8], mac: &[u8]) -> (bool, Rcode) {
    let message = Message::parse(reply).expect("valid");
    let record = message.tsig().expect("it carries a TSIG");
    let tsig = Tsig::parse(record.rdata_raw()).expect("valid");
    let owner = record.owner().to_name();
    let mut input = Vec::new();
    let signed = Signed::Response { key: owner.as_ref(), request_mac: mac };
    tsig.push_signed(signed, &reply[..record.start()], true, &mut input);
    (HmacKey::new(HmacAlg::Sha256, SECRET).verify(&[&input], tsig.mac), tsig.error)
}

fn query() -> Vec<u8> {
    question("www.example.com.", RrType::A, Class::IN, Some(1232))
}

#[test]
fn a_signed_query_gets_a_signed_answer() {
    for payload in [None, Some(1232)] {
        let mut packet = question("www.example.com.", RrType::A, Class::IN, payload);
        let mac = sign(&mut packet, "KEY.", SECRET, NOW - 300, 32);
        let reply = reply(&packet);
        let message = Message::parse(&reply).expect("valid");
        assert_eq!((message.rcode(), message.answer().count()), (Rcode::NOERROR, 1));
        assert_eq!(message.opt().is_some(), payload.is_some());
        assert_eq!(verified(&reply, &mac), (true, Rcode::NOERROR));
    }
}

#[test]
fn a_relayed_query_with_another_id_is_verified_with_the_original_id() {
    let mut packet = query();
    let mac = sign(&mut packet, "key.", SECRET, NOW, 32);
    packet[..2].copy_from_slice(&[0x43, 0x21]);
    let reply = reply(&packet);
    assert_eq!(&reply[..2], [0x43, 0x21]);
    assert_eq!(Message::parse(&reply).expect("valid").rcode(), Rcode::NOERROR);
    assert_eq!(verified(&reply, &mac).1, Rcode::NOERROR);
}

#[test]
fn errors_are_signed_only_where_the_key_was_proved() {
    // Key, secret, time, octets of the MAC, error, and whether the response is signed.
    type Case<'c> = (&'c str, &'c [u8], u64, usize, Rcode, bool);
    let cases: [Case<'_>; 6] = [
        ("other.", SECRET, NOW, 32, Rcode::BADKEY, false),
        ("key.", b"wrong", NOW, 32, Rcode::BADSIG, false),
        ("key.", SECRET, NOW - 301, 32, Rcode::BADTIME, true),
        ("key.", SECRET, NOW + 301, 32, Rcode::BADTIME, true),
        ("key.", SECRET, NOW, 16, Rcode::BADTRUNC, true),
        ("key.", b"wrong", NOW - 1000, 16, Rcode::BADSIG, false),
    ];
    for (key, secret, time, keep, error, signed) in cases {
        let mut packet = query();
        let mac = sign(&mut packet, key, secret, time, keep);
        let reply = reply(&packet);
        let message = Message::parse(&reply).expect("valid");
        assert_eq!((message.rcode(), message.answer().count()), (Rcode::NOTAUTH, 0), "{error}");
        assert_eq!(verified(&reply, &mac), (signed, error));
        let record = message.tsig().expect("checked above");
        let tsig = Tsig::parse(record.rdata_raw()).expect("valid");
        assert_eq!(tsig.time_signed_s, time, "{error}");
        let other = if error == Rcode::BADTIME { NOW.to_be_bytes()[2..].to_vec() } else { Vec::new() };
        assert_eq!(tsig.other, other, "{error}");
    }
}

/// The client learns by the extended error what the flight recorder keeps as the reason.
#[test]
fn errors_say_in_words_what_is_wrong() {
    type Case<'c> = (&'c str, u64, usize, &'c str);
    let cases: [Case<'_>; 4] = [
        ("other.", NOW, 32, "TSIG BADKEY: no [[key]] is named other."),
        (
            "key.",
            NOW - 400,
            32,
            "TSIG BADTIME: the clock of the client with the [[key]] key. is 400 s behind that of this server; 300 s are permitted",
        ),
        (
            "key.",
            NOW + 301,
            32,
            "TSIG BADTIME: the clock of the client with the [[key]] key. is 301 s ahead of that of this server; 300 s are permitted",
        ),
        (
            "key.",
            NOW,
            16,
            "TSIG BADTRUNC: the MAC by the [[key]] key. is cut short; this server requires whole ones",
        ),
    ];
    for (key, time, keep, text) in cases {
        let (snapshot, stats, mut room) = (keyed(), Stats::default(), vec![0; 4096]);
        let recorder = crate::Recorder::new(crate::plan::RecorderPlan::default());
        let environment = crate::Environment { recorder: Some(&recorder), ..environment(&snapshot, &stats) };
        let mut packet = query();
        sign(&mut packet, key, SECRET, time, keep);
        let handled = pipeline::handle(&environment, &packet, client(), Transport::Udp, &mut room);
        let Handled::Reply(length) = handled else { panic!("{handled:?}") };
        let opt = Message::parse(&room[..length]).expect("valid").opt().expect("the query has one");
        let ede = opt.options().flatten().find_map(|option| match option {
            nw_wire::edns::EdnsOption::Ede { code, text } => {
                Some((code, String::from_utf8_lossy(text).into_owned()))
            }
            _ => None,
        });
        assert_eq!(ede, Some((Ede::PROHIBITED, text.to_owned())));
        let record = recorder.latest(1).pop().expect("it is kept");
        assert_eq!(record.rcode, Rcode::NOTAUTH);
        let steps: Vec<_> = record.steps.iter().map(|step| step.text()).collect();
        assert_eq!(steps, [format!("www.example.com. A: refused: {text}")]);
    }
}

#[test]
fn macs_of_impossible_length_are_malformed() {
    for keep in [0, 9, 15] {
        let mut packet = query();
        sign(&mut packet, "key.", SECRET, NOW, keep);
        let reply = reply(&packet);
        let message = Message::parse(&reply).expect("valid");
        assert_eq!((message.rcode(), message.tsig().is_none()), (Rcode::FORMERR, true), "{keep}");
    }
}

#[test]
fn every_bit_of_a_signed_message_counts() {
    let mut packet = query();
    sign(&mut packet, "key.", SECRET, NOW, 32);
    let unsigned = query();
    for at in (2..4).chain(12..unsigned.len()) {
        let mut changed = packet.clone();
        changed[at] ^= 0x01;
        let (snapshot, stats, mut room) = (keyed(), Stats::default(), vec![0; 4096]);
        let environment = environment(&snapshot, &stats);
        if let Handled::Reply(length) =
            pipeline::handle(&environment, &changed, client(), Transport::Udp, &mut room)
        {
            let rcode = Message::parse(&room[..length]).expect("valid").rcode();
            assert_ne!(rcode, Rcode::NOERROR, "octet {at}");
        }
    }
}

#[test]
fn secrets_and_keys_must_agree() {
    let wrong = |secrets: &[&str]| -> Vec<String> {
        let secrets = secrets.iter().map(|key| (name(key), SECRET.to_vec())).collect();
        let errors = snapshot(PLAN).with_secrets(secrets).err().expect("they do not agree");
        errors.iter().map(ToString::to_string).collect()
    };
    assert_eq!(wrong(&[]), ["keys[0]: no secret was given for key key."]);
    let expected = "keys: a secret was given for key other., which is not in the plan";
    assert_eq!(wrong(&["key.", "other."]), [expected]);
}

#[test]
fn a_message_without_space_for_its_signature_stays_as_it_is() {
    let mut packet = query();
    sign(&mut packet, "key.", SECRET, NOW, 32);
    let query = Query::parse(&packet, |_| false).expect("valid");
    let (mut signature, _) = verify(keyed().keys(), &query, NOW).expect("well formed");
    let mut room = [0; 60];
    let mut out = Writer::new(&mut room, 60, 1, Flags::default());
    out.raw(Section::Additional, 0, &[]).expect("nothing fits");
    let length = out.finish();
    assert_eq!(signature.sign(NOW, &mut room, length), length);
}
