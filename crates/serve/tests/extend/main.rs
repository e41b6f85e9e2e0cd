//! What may be added to a server, as somebody outside of the crate adds it: one type in one file, one line that registers it.

mod artifact;
mod bench;
mod filter;
mod opcode;
mod rearrange;
mod telemetry;
mod view;
