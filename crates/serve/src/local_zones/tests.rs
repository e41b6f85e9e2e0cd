use nw_wire::{NameRef, RrType};

use super::*;
use crate::plan::Plan;

/// Every name of the registry is answered as its line says, and every zone here has a line.
#[test]
fn the_registry_of_special_use_names_is_followed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../registry/special-use.tsv");
    let text = std::fs::read_to_string(path).expect("the registry");
    let plan =
        Plan::parse(br#"{"version":1,"resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#);
    let zones = LocalZones::new(
        &plan.expect("a plan").resolver.expect("a resolver"),
        AppliedData::default(),
        HashMap::new(),
    );
    let answered = |name: NameRef<'_>| zones.contains(name) || nw_resolve::is_special_use(name, RrType::A);
    let mut listed = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [name, handling, _] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let name: Name = format!("{name}.").parse().expect("a name");
        let below: Name = format!("www.{name}").parse().expect("a name");
        for name in [&name, &below] {
            assert_eq!(answered(name.as_ref()), handling == "here", "{name}: {line}");
        }
        listed.push(name);
    }
    for (apex, _) in apexes() {
        let covered = listed.iter().any(|name| apex.as_ref().is_at_or_below(name.as_ref()));
        // The addresses :: and the shared block 100.64.0.0/10, of which the registry file shows both ends.
        let range = apex.to_string().ends_with(".100.in-addr.arpa.") || apex.as_ref().label_count() > 30;
        assert!(covered || range, "{apex} is not in the registry");
    }
}
