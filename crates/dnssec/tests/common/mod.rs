//! What unit tests and interop tests share: zones as text, and folders that go away.
#![allow(dead_code)] // not every test uses all of it

pub(crate) mod signer;

use std::io::Write;

use nw_wire::text::Tokens;
use nw_wire::{Class, Name, NameRef, RrType, Rrset, rr};

/// Read records, one per line or in parentheses, all fields given: `owner TTL class type rdata`. Records of one
/// owner and type make one RRset, RRSIGs by the type they cover.
pub(crate) fn rrsets(text: &str) -> Vec<Rrset> {
    let mut tokens = Tokens::new(text.as_bytes());
    let mut out: Vec<Rrset> = Vec::new();
    let mut index = std::collections::HashMap::new();
    loop {
        if let Some(first) = tokens.next().expect("a token") {
            let mut word = || {
                let token = tokens.next().expect("a token").expect("five fields");
                String::from_utf8(token.bytes.to_vec()).expect("ASCII")
            };
            let (ttl, class, rtype) = (word(), word(), word());
            let owner = Name::parse(first.bytes, Some(NameRef::ROOT)).expect("an owner");
            let rtype: RrType = rtype.parse().expect("a type");
            let class: Class = class.parse().expect("a class");
            let mut rdata = Vec::new();
            rr::from_text(rtype, &mut tokens, NameRef::ROOT, &mut rdata).expect("rdata");
            let covered = if rtype == RrType::RRSIG { [rdata[0], rdata[1]] } else { [0, 0] };
            let at = *index.entry((owner.clone(), rtype, covered)).or_insert_with(|| {
                out.push(Rrset::new(owner, rtype, class, ttl.parse().expect("a TTL")));
                out.len() - 1
            });
            out[at].rdatas.push(&rdata);
        }
        if !tokens.next_record() {
            return out;
        }
    }
}

/// Return a name from its text.
pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// A zone with everything that signing treats in its own way.
pub(crate) const ZONE: &str = r#"
example.com. 3600 IN SOA ns1.example.com. Host.Master.example.com. 2026010101 7200 3600 1209600 300
example.com. 3600 IN NS ns1.example.com.
example.com. 3600 IN NS NS2.example.com.
example.com. 3600 IN MX 10 Mail.example.com.
example.com. 3600 IN TXT "b" "a"
example.com. 3600 IN TXT "a"
example.com. 3600 IN TXT "B"
example.com. 3600 IN CAA 0 issue "ca.example.net"
ns1.example.com. 300 IN A 192.0.2.1
ns1.example.com. 300 IN AAAA 2001:db8::1
NS2.example.com. 300 IN A 192.0.2.2
mail.example.com. 300 IN A 192.0.2.3
www.example.com. 300 IN CNAME mail.example.com.
*.wild.example.com. 300 IN TXT "wild"
a.wild.example.com. 300 IN A 192.0.2.4
a.b.c.ent.example.com. 300 IN A 192.0.2.5
_dns._tcp.example.com. 300 IN SRV 0 0 53 ns1.example.com.
signed.example.com. 300 IN NS ns.signed.example.com.
signed.example.com. 300 IN DS 12345 13 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF
ns.signed.example.com. 300 IN A 192.0.2.6
unsigned.example.com. 300 IN NS ns.unsigned.example.com.
unsigned.example.com. 300 IN NS ns1.example.com.
ns.unsigned.example.com. 300 IN A 192.0.2.7
ns.unsigned.example.com. 300 IN AAAA 2001:db8::7
deep.only.unsigned2.example.com. 300 IN NS ns1.example.com.
old.example.com. 300 IN DNAME new.example.com.
https.example.com. 300 IN HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.8
unknown.example.com. 300 IN TYPE65280 \# 3 a1b2c3
\000\255\.dot.example.com. 300 IN A 192.0.2.9
loc.example.com. 300 IN LOC 51 30 12.748 N 0 7 39.612 W 0.00m 1m 10000m 10m
naptr.example.com. 300 IN NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .
"#;

/// A folder of our own, removed when dropped.
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("namewise-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder takes a folder");
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("the folder takes a file");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("the file was written")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Run a tool in `folder` and return what it prints; None, with a note, if it is not installed. Panics if it fails.
pub(crate) fn run(folder: &Folder, tool: &str, arguments: &[&str]) -> Option<String> {
    let output = match std::process::Command::new(tool).args(arguments).current_dir(&folder.0).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Not `eprintln`, which is shown of tests that fail alone.
            writeln!(std::io::stderr(), "skipped: {tool} is not installed").expect("stderr is open");
            return None;
        }
        Err(error) => panic!("{tool}: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {}\n{text}\n{errors}", output.status);
    Some(text)
}
