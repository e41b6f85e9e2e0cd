//! The tools that people have ask our server: dig, kdig and drill understand what we say, and we what they ask.
//!
//! A tool that is not installed is skipped, and the output of the run says so.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use nw_net::{Engine, Listener};
use nw_serve::{Snapshot, Transport};
use nw_zone::{LoadOptions, scan};

const ZONE: &str = "\
$TTL 3600
@ SOA ns1 hostmaster 7 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
www A 192.0.2.80
www AAAA 2001:db8::80
sub NS ns.sub
ns.sub A 192.0.2.2
";
const PLAN: &str = r#"{"version":1,"zones":[{"name":"example.com."}],
    "server":{"identity":"a1","version":"namewise","nsid":"6e77"}}"#;

fn serve(bind: &str) -> (Engine, SocketAddr) {
    let apex: nw_wire::Name = "example.com.".parse().expect("a name");
    let zone = scan::load(&mut scan::Text::new("zone", ZONE), apex.as_ref(), &LoadOptions::default());
    let snapshot = Snapshot::build(PLAN.as_bytes(), vec![zone.expect("a right zone")]).expect("a right plan");
    let engine = Engine::start(1).expect("threads can be started");
    let any: SocketAddr = bind.parse().expect("an address");
    loop {
        let tcp = Listener::open(any, Transport::Tcp).expect("loopback has free ports");
        let address = tcp.address;
        // The port may be taken for UDP; then another.
        if let Ok(udp) = Listener::open(address, Transport::Udp) {
            engine.publish(Arc::new(snapshot), vec![tcp, udp]);
            return (engine, address);
        }
    }
}

/// What *tool* prints, or None when it is not installed.
fn run(tool: &str, address: SocketAddr, arguments: &[&str]) -> Option<String> {
    let (server, port) = (format!("@{}", address.ip()), address.port().to_string());
    let output = match Command::new(tool).args([&*server, "-p", &*port]).args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Not `eprintln`, which is shown of tests that fail alone.
            writeln!(io::stderr(), "skipped: {tool} is not installed").expect("stderr is open");
            return None;
        }
        Err(error) => panic!("{tool}: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{tool} {arguments:?}: {text}");
    Some(text)
}

fn holds(text: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn dig() {
    for bind in ["127.0.0.1:0", "[::1]:0"] {
        let (_engine, address) = serve(bind);
        for transport in ["+notcp", "+tcp"] {
            let Some(text) = run("dig", address, &[transport, "+norecurse", "+nsid", "www.example.com", "A"])
            else {
                return;
            };
            holds(
                &text,
                &["status: NOERROR", "flags: qr aa;", "udp: 1232", "NSID: 6e 77", "3600\tIN\tA\t192.0.2.80"],
            );
        }
        let ask = |arguments: &[&str]| run("dig", address, arguments).expect("it is installed");
        holds(
            &ask(&["nothing.example.com"]),
            &["status: NXDOMAIN", "SOA\tns1.example.com. hostmaster.example.com. 7"],
        );
        holds(
            &ask(&["+norecurse", "a.sub.example.com"]),
            &["flags: qr;", "NS\tns.sub.example.com.", "A\t192.0.2.2"],
        );
        holds(&ask(&["+edns=1", "+noednsneg", "www.example.com"]), &["status: BADVERS", "version: 0"]);
        holds(&ask(&["+noedns", "www.example.com"]), &["status: NOERROR", "ADDITIONAL: 0"]);
        holds(&ask(&["+opcode=15", "www.example.com"]), &["status: NOTIMP", "opcode: RESERVED15"]);
        holds(&ask(&["+header-only"]), &["status: FORMERR"]);
        holds(&ask(&["example.org"]), &["status: REFUSED", "EDE: 20 (Not Authoritative)"]);
        holds(&ask(&["CH", "TXT", "version.bind"]), &["\"namewise\""]);
        holds(&ask(&["CH", "TXT", "id.server"]), &["\"a1\""]);
        holds(&ask(&["-y", "hmac-sha256:k:c2VjcmV0", "www.example.com"]), &["status: NOTAUTH", "BADKEY"]);
    }
}

#[test]
fn kdig() {
    let (_engine, address) = serve("127.0.0.1:0");
    for transport in ["+notcp", "+tcp"] {
        let Some(text) =
            run("kdig", address, &[transport, "+edns", "+nsid", "+dnssec", "www.example.com", "AAAA"])
        else {
            return;
        };
        holds(&text, &["status: NOERROR", "Flags: qr aa rd;", "NSID: 6E77", "AAAA\t2001:db8::80"]);
    }
    let text = run("kdig", address, &["+tcp", "+keepopen", "www.example.com", "A", "ns1.example.com", "A"]);
    holds(&text.expect("it is installed"), &["192.0.2.80", "192.0.2.1"]);
}

#[test]
fn drill() {
    let (_engine, address) = serve("127.0.0.1:0");
    for transport in ["-u", "-t"] {
        let Some(text) = run("drill", address, &[transport, "www.example.com", "A"]) else { return };
        holds(&text, &["rcode: NOERROR", "qr aa rd", "192.0.2.80"]);
    }
}

#[test]
fn dig_verifies_signed_answers() {
    let apex: nw_wire::Name = "example.com.".parse().expect("a name");
    let zone = scan::load(&mut scan::Text::new("zone", ZONE), apex.as_ref(), &LoadOptions::default());
    let plan = br#"{"version":1,"zones":[{"name":"example.com."}],
        "keys":[{"name":"key.","algorithm":"hmac-sha256"},{"name":"old.","algorithm":"hmac-md5"}]}"#;
    let secrets = ["key.", "old."].map(|key| (key.parse().expect("a name"), b"0123456789abcdef".to_vec()));
    let snapshot = Snapshot::build(plan, vec![zone.expect("a right zone")])
        .and_then(|snapshot| snapshot.with_secrets(secrets.to_vec()))
        .expect("a right plan");
    let engine = Engine::start(1).expect("threads can be started");
    let listener = Listener::open("127.0.0.1:0".parse().expect("an address"), Transport::Tcp);
    let listener = listener.expect("loopback has free ports");
    let address = listener.address;
    engine.publish(Arc::new(snapshot), vec![listener]);
    for key in ["hmac-sha256:key", "hmac-md5:old"] {
        let key = format!("{key}:MDEyMzQ1Njc4OWFiY2RlZg==");
        let arguments = ["+tcp", "+norecurse", "-y", &*key, "www.example.com", "A"];
        let Some(text) = run("dig", address, &arguments) else { return };
        holds(&text, &["status: NOERROR", "192.0.2.80", "TSIG PSEUDOSECTION", "NOERROR 0"]);
        assert!(!text.contains("could not be validated") && !text.contains("WARNING"), "{text}");
    }
    let wrong = ["+tcp", "+norecurse", "-y", "hmac-sha256:key:d3Jvbmc=", "www.example.com", "A"];
    holds(&run("dig", address, &wrong).expect("it is installed"), &["NOTAUTH", "BADSIG"]);
}
