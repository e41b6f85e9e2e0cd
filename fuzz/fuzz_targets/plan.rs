//! Any JSON is refused with every error at its path, or is a plan from which a snapshot is built or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nw_serve::{Plan, Snapshot};

fuzz_target!(|bytes: &[u8]| match Plan::parse(bytes) {
    Ok(plan) => {
        let zones = plan.zones.len();
        match Snapshot::from_plan(plan, Vec::new()) {
            Ok(_) => assert_eq!(zones, 0, "a zone without data is an error"),
            Err(errors) => {
                assert!(!errors.is_empty() && errors.iter().all(|error| !error.message.is_empty()))
            }
        }
    }
    Err(errors) => assert!(!errors.is_empty() && errors.iter().all(|error| !error.message.is_empty())),
});
