//! One file per policy; each returns a verdict on a query.
