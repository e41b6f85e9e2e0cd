//! The resolver limits of a snapshot as a Python dictionary.

use nw_resolve::Budget;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Return every field of `budget` by its name. The pattern has no `..`, so that a new limit does not compile until it
/// is listed here. The tests compare this table with the keys of the configuration.
pub(crate) fn table<'py>(py: Python<'py>, budget: &Budget) -> PyResult<Bound<'py, PyDict>> {
    let table = PyDict::new(py);
    macro_rules! every {
        ($($field:ident)*) => {
            let Budget { $($field),* } = budget;
            $(table.set_item(stringify!($field), *$field)?;)*
        };
    }
    every! {
        max_upstream_queries max_queries_without_progress max_referrals max_aliases max_depth max_ns_per_cut max_addresses_per_ns
        max_queries_per_cut max_queries_per_server max_timeouts_per_server max_timeouts_per_cut max_address_lookups
        max_failed_address_lookups parallel_address_lookups address_lookup_pause max_minimise max_received_bytes
        max_records_per_rrset max_signatures max_failed_signatures max_nsec3_iterations wall_clock priming_clock max_steps
        max_in_flight max_in_flight_per_client max_in_flight_per_zone max_queries_per_second_per_client
        max_queries_per_second_per_zone max_waiting max_renewals discard_timeout timeouts_before_rest first_rest max_rest
        unreachable_rest offline_pause max_offline_attempts first_timeout
        min_timeout max_timeout
        tcp_timeout udp_payload cache_bytes max_ttl min_ttl max_negative_ttl failure_ttl
    }
    Ok(table)
}
