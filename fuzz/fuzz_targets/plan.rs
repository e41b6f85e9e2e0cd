//! Any JSON is refused with all errors, or is a plan; building a snapshot from the plan succeeds or returns errors, but never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nw_serve::{Plan, Snapshot};

fuzz_target!(|bytes: &[u8]| match Plan::parse(bytes) {
    Ok(plan) => {
        let names: Vec<_> = plan.zones.iter().map(|zone| zone.name.clone()).collect();
        match Snapshot::from_plan(plan, Vec::new()) {
            // A zone without data waits for it.
            Ok(snapshot) => assert!(names.iter().all(|name| snapshot.zones().get(name.as_ref()).is_some())),
            Err(errors) => {
                assert!(!errors.is_empty() && errors.iter().all(|error| !error.message.is_empty()))
            }
        }
    }
    Err(errors) => assert!(!errors.is_empty() && errors.iter().all(|error| !error.message.is_empty())),
});
