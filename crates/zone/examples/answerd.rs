//! The smallest server around a zone: UDP and TCP on one address, nothing but [`nw_zone::Zones::find`] and
//! [`nw_zone::Zone::answer`] behind it. The interoperability test asks it what it asks the other servers.
//!
//! `cargo run --release -p nw-zone --example answerd -- 127.0.0.1:5300 example.=example.zone ...`
#![allow(clippy::print_stdout)]

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use nw_wire::{Flags, Message, Name, Rcode, Section, Writer};
use nw_zone::scan::Files;
use nw_zone::{LoadOptions, ZoneEntry, ZoneQuestion, Zones};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("usage: answerd ADDRESS:PORT NAME=FILE...");
    let mut zones = Zones::new();
    for argument in arguments {
        let (apex, path) = argument.split_once('=').expect("zones are given as NAME=FILE");
        let apex: Name = apex.parse().expect("a zone has a valid name");
        match nw_zone::load(&mut Files::new(path), apex.as_ref(), &LoadOptions::default()) {
            Ok(zone) => zones = zones.with(zone),
            Err(errors) => {
                println!("{errors}");
                std::process::exit(1);
            }
        }
    }
    let zones = Arc::new(zones);
    let udp = UdpSocket::bind(&address).expect("the address is free");
    let tcp = TcpListener::bind(&address).expect("the address is free");
    println!("ready");
    let shared = zones.clone();
    std::thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            let zones = shared.clone();
            std::thread::spawn(move || serve_stream(&zones, stream));
        }
    });
    let (mut query, mut reply) = ([0; 65_535], [0; 65_535]);
    loop {
        let Ok((length, from)) = udp.recv_from(&mut query) else { continue };
        if let Some(length) = answer(&zones, &query[..length], true, &mut reply) {
            let _ = udp.send_to(&reply[..length], from);
        }
    }
}

fn serve_stream(zones: &Zones, mut stream: std::net::TcpStream) {
    let mut reply = [0; 65_537];
    loop {
        let mut length = [0; 2];
        if stream.read_exact(&mut length).is_err() {
            return;
        }
        let mut query = vec![0; u16::from_be_bytes(length) as usize];
        if stream.read_exact(&mut query).is_err() {
            return;
        }
        let Some(length) = answer(zones, &query, false, &mut reply[2..]) else { return };
        reply[..2].copy_from_slice(&(length as u16).to_be_bytes());
        if stream.write_all(&reply[..length + 2]).is_err() {
            return;
        }
    }
}

/// The reply to `query`, or None for what gets none.
fn answer(zones: &Zones, query: &[u8], udp: bool, reply: &mut [u8]) -> Option<usize> {
    let query = Message::parse(query).ok().filter(|query| !query.flags().qr())?;
    let question = query.question()?;
    let opt = query.opt();
    let limit = match (udp, opt) {
        (false, _) => 65_535,
        (true, None) => 512,
        (true, Some(opt)) => opt.udp_payload().min(1232) as usize,
    };
    let flags = Flags::default().with_qr(true).with_rd(query.flags().rd());
    let mut writer = Writer::new(reply, limit, query.id(), flags);
    writer.question(question.name.as_ref(), question.rtype, question.class).ok()?;
    let dnssec_ok = opt.is_some_and(|opt| opt.dnssec_ok());
    if opt.is_some() {
        writer.reserve(11).ok()?;
    }
    let name = question.name;
    match zones.find(name.as_ref(), question.rtype).and_then(ZoneEntry::zone) {
        None => writer.set_flags(flags.with_rcode(Rcode::REFUSED)),
        Some(zone) => {
            let question =
                ZoneQuestion { qname: name.as_ref(), qtype: question.rtype, dnssec_ok, transport_udp: udp };
            let outcome = zone.answer(&question, &mut writer);
            writer.set_flags(flags.with_aa(outcome.aa).with_tc(outcome.truncated).with_rcode(outcome.rcode));
        }
    }
    if opt.is_some() {
        writer.release();
        let flags = if dnssec_ok { 0x80 } else { 0 };
        writer.raw(Section::Additional, 1, &[0, 0, 41, 0x04, 0xd0, 0, 0, flags, 0, 0, 0]).ok()?;
    }
    Some(writer.finish())
}
