//! RRsets, negative answers and what is known of servers, kept for their TTL within a byte bound.
