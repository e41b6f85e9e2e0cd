//! A deterministic implementation of `World`: virtual clock, links, hosts, and the scenario players.

#![forbid(unsafe_code)]

pub mod entry;
pub mod exec;
pub mod expr;
pub mod link;
pub mod matching;
pub mod net;
pub mod packet;
pub mod play;
pub mod policy;
pub mod random;
pub mod record;
pub mod report;
pub mod rpl;
pub mod scenario;
pub mod server;
pub mod world;
