//! Any zone is a policy or has faults; each rule about a name or a block is found by what it is about, under its own owner.
#![no_main]

use std::net::IpAddr;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use nw_policy::rpz;
use nw_policy::rules::{Client, Link, ListSettings, Policies, PolicyList, Server, ServerRules, Trigger};
use nw_wire::{Name, NameRef, RrType};
use nw_zone::scan::{LoadOptions, Text, load};

const HEAD: &str = "$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS .\n";

fn policies(text: &[u8]) -> Option<(Vec<Name>, Policies)> {
    let origin: Name = "rpz.".parse().expect("a name");
    let options = LoadOptions { threads: 1, max_generate: 16, ..LoadOptions::default() };
    let zone = load(&mut Text::new("fuzz", text), origin.as_ref(), &options).ok()?;
    let read = rpz::read(&zone);
    let owners: Vec<Name> = (zone.nodes())
        .filter(|node| node.owner() != zone.apex() && node.rrsets().any(|set| set.rtype == RrType::CNAME))
        .map(|node| moved(node.owner(), zone.apex(), NameRef::ROOT))
        .filter(|owner| !read.faults.iter().any(|(fault, _)| owner.to_string() == *fault))
        .collect();
    assert!(read.fault_count >= read.faults.len());
    let rules = read.into_rules(1).expect("few names");
    let settings = ListSettings {
        name: "fuzz".to_owned(),
        action: None,
        log_only: false,
        break_dnssec: true,
        servers: ServerRules { min_dots: 0, ..ServerRules::default() },
        ede: None,
        text: String::new(),
        groups: 0,
    };
    Some((
        owners,
        Policies::new(vec![Arc::new(PolicyList::new(settings, Arc::new(rules)))], Vec::new(), false),
    ))
}

/// The name *name*, with *from* at its end replaced by *to*.
fn moved(name: NameRef<'_>, from: NameRef<'_>, to: NameRef<'_>) -> Name {
    name.with_suffix(from, to).and_then(Result::ok).expect("a shorter name below it").to_name()
}

/// What *link* from *client* triggers.
fn trigger(policies: &Policies, client: IpAddr, link: Link<'_>) -> Option<Trigger> {
    let client = Client { address: client, key: None, dnssec_ok: false };
    policies.all_for(&client, &link, true).pop().map(|found| found.trigger)
}

fuzz_target!(|bytes: &[u8]| {
    let text = [HEAD.as_bytes(), bytes].concat();
    let Some((owners, all)) = policies(&text) else { return };
    let nowhere: IpAddr = "192.0.2.1".parse().expect("an address");
    for owner in owners.iter().take(16) {
        // The rule alone: no other takes precedence.
        let Some((_, alone)) = policies(format!("{HEAD}{owner}rpz. CNAME .\n").as_bytes()) else { continue };
        let name: Name = "nobody.invalid.".parse().expect("a name");
        let bare = Link { name: name.as_ref(), addresses: &[], servers: &[] };
        let kind = owner.as_ref().labels().last().expect("not the apex").to_ascii_lowercase();
        let kind = std::str::from_utf8(&kind).unwrap_or_default();
        let listed = match kind {
            "rpz-client-ip" | "rpz-ip" | "rpz-nsip" => {
                let list = &alone.lists()[0].rules;
                let (map, of) = match kind {
                    "rpz-client-ip" => (&list.clients, 0),
                    "rpz-ip" => (&list.addresses, 1),
                    _ => (&list.server_addresses, 2),
                };
                let Some(block) = map.blocks().next() else { continue };
                let (first, last) = (block.first(), block.last());
                for address in [first, last] {
                    let one = [address];
                    let servers = [Server { zone_labels: 2, name: name.as_ref(), addresses: &one }];
                    let found = match of {
                        0 => trigger(&alone, address, bare),
                        1 => trigger(&alone, nowhere, Link { addresses: &one, ..bare }),
                        _ => trigger(&alone, nowhere, Link { servers: &servers, ..bare }),
                    };
                    let found = found.unwrap_or_else(|| panic!("{owner} does not apply to {address}"));
                    // An owner can be written in several ways: the one that it is shown with has the same block.
                    let shown = format!("{HEAD}{} CNAME .\n", found.owner().trim_end_matches('.'));
                    let (_, again) = policies(shown.as_bytes()).expect("an owner is valid");
                    let list = &again.lists()[0].rules;
                    let map = [&list.clients, &list.addresses, &list.server_addresses][of];
                    assert_eq!(map.blocks().next(), Some(block), "{owner} is shown as {}", found.owner());
                }
                continue;
            }
            "rpz-nsdname" => moved(owner.as_ref(), owner.as_ref().suffix(1), NameRef::ROOT),
            _ => owner.clone(),
        };
        let asked = match listed.as_ref().is_wildcard() {
            true => {
                let above = listed.as_ref().parent().expect("a wildcard has a label");
                above.with_label(b"x").expect("as long as the wildcard").to_name()
            }
            false => listed.clone(),
        };
        let servers = [Server { zone_labels: 2, name: asked.as_ref(), addresses: &[] }];
        let link = match kind {
            "rpz-nsdname" => Link { servers: &servers, ..bare },
            _ => Link { name: asked.as_ref(), ..bare },
        };
        let found = trigger(&alone, nowhere, link);
        let found = found.unwrap_or_else(|| panic!("{owner} does not apply to {asked}"));
        assert_eq!(found.owner().parse::<Name>().as_ref(), Ok(owner), "{owner}");
        // Among all rules some rule applies, unless the zone holds a name that ends the search (RFC 4592 §3.3.1).
        if !listed.as_ref().is_wildcard() {
            assert!(trigger(&all, nowhere, link).is_some(), "{owner} is lost among others");
        }
    }
});
