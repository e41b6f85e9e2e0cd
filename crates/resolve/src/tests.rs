//! The resolver on a scripted network and a virtual clock.

mod bounds;
mod explain;
mod lab;
mod poison;
mod progress;
mod recursion;
mod replies;
mod scrub;
mod servers;
mod validation;
