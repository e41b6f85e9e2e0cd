//! The overrides of [`Budget`] in a plan. A key is the name of the field; times are in milliseconds and end with
//! `_ms`.
//!
//! Each field documents its limit and the reason for its default. Zero is allowed only where it disables one feature
//! and does not stop all lookups.

use nw_resolve::{Budget, MILLISECOND};

use super::read::{At, Errors};

/// The cache size has a separate key, `resolver.cache_bytes`.
pub(super) fn read(at: &At<'_>, budget: &mut Budget, errors: &mut Errors) {
    let Some(mut object) = at.object(errors) else { return };
    macro_rules! fields {
        ($($field:ident: $least:literal to $most:literal;)*) => {$(
            super::tables::set(&mut budget.$field, &mut object, stringify!($field), $least, $most, errors);
        )*};
    }
    macro_rules! times {
        ($($field:ident $key:literal: $least:literal to $most:literal;)*) => {$(
            if let Some(ms) = object.key($key).and_then(|at| at.number($least, $most, errors)) {
                budget.$field = ms * MILLISECOND;
            }
        )*};
    }
    fields! {
        max_upstream_queries: 1 to 10_000;
        max_queries_without_progress: 1 to 10_000;
        max_referrals: 1 to 255;
        max_aliases: 0 to 255;
        max_depth: 0 to 50;
        max_ns_per_cut: 1 to 1000;
        max_addresses_per_ns: 1 to 1000;
        max_queries_per_cut: 1 to 1000;
        max_queries_per_server: 1 to 100;
        max_timeouts_per_server: 1 to 100;
        max_timeouts_per_cut: 1 to 1000;
        max_address_lookups: 0 to 1000;
        max_failed_address_lookups: 0 to 1000;
        parallel_address_lookups: 1 to 100;
        max_minimise: 0 to 127;
        max_received_bytes: 512 to 1_000_000_000;
        max_records_per_rrset: 1 to 65_535;
        max_signatures: 1 to 100_000;
        max_failed_signatures: 1 to 1000;
        max_nsec3_iterations: 0 to 500;
        max_steps: 1 to 100_000;
        max_in_flight: 1 to 1_000_000;
        max_in_flight_per_client: 1 to 1_000_000;
        max_in_flight_per_zone: 1 to 1_000_000;
        max_queries_per_second_per_client: 0 to 1_000_000;
        max_queries_per_second_per_zone: 0 to 1_000_000;
        max_waiting: 1 to 1_000_000;
        max_renewals: 0 to 1_000_000;
        timeouts_before_rest: 1 to 100;
        max_offline_attempts: 0 to 1_000_000;
        udp_payload: 512 to 4096;
        max_ttl: 0 to 2_147_483_647;
        min_ttl: 0 to 86_400;
        max_negative_ttl: 0 to 2_147_483_647;
        failure_ttl: 1 to 300;
    }
    times! {
        wall_clock "wall_clock_ms": 1 to 600_000;
        discard_timeout "discard_timeout_ms": 0 to 600_000;
        priming_clock "priming_clock_ms": 1 to 600_000;
        first_timeout "first_timeout_ms": 1 to 60_000;
        min_timeout "min_timeout_ms": 1 to 60_000;
        max_timeout "max_timeout_ms": 1 to 60_000;
        tcp_timeout "tcp_timeout_ms": 1 to 60_000;
        first_rest "first_rest_ms": 1 to 600_000;
        max_rest "max_rest_ms": 1 to 3_600_000;
        unreachable_rest "unreachable_rest_ms": 0 to 600_000;
        offline_pause "offline_pause_ms": 0 to 60_000;
        address_lookup_pause "address_lookup_pause_ms": 0 to 60_000;
    }
    object.end(errors);
}
