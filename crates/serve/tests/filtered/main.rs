//! What filters send, for any zone and query.

mod lab;
mod order;
mod signed;
