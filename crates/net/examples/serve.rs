//! Serve zones from files, or resolve, without Python: for measurements and for debuggers.
//!
//! ```text
//! cargo run --release -p nw-net --example serve -- 127.0.0.1:5300 1 example.com.=example.com.zone
//! cargo run --release -p nw-net --example serve -- 127.0.0.1:5300 1 forward=127.0.0.1:5301
//! cargo run --release -p nw-net --example serve -- 127.0.0.1:5300 1 'resolver={"ask_loopback":true,"hints":[...]}'
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nw_net::{Engine, Listener};
use nw_serve::{Snapshot, Transport};
use nw_wire::Name;
use nw_zone::{LoadOptions, scan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().ok_or("the address to listen on")?.parse()?;
    let workers: usize = arguments.next().ok_or("the number of workers")?.parse()?;
    let (mut zones, mut named, mut resolver) = (Vec::new(), Vec::new(), "null".to_owned());
    for argument in arguments {
        let (name, value) = argument.split_once('=').ok_or("NAME=FILE, forward=ADDRESS or resolver=PLAN")?;
        if name == "forward" {
            resolver = format!(r#"{{"forward":[{{"suffix":".","servers":[{value:?}]}}]}}"#);
            continue;
        }
        if name == "resolver" {
            resolver = value.to_owned();
            continue;
        }
        let apex: Name = name.parse()?;
        zones.push(scan::load(&mut scan::Files::new(value), apex.as_ref(), &LoadOptions::default())?);
        named.push(format!(r#"{{"name":{name:?}}}"#));
    }
    let plan = format!(r#"{{"version":1,"zones":[{}],"resolver":{resolver}}}"#, named.join(","));
    let snapshot = Snapshot::build(plan.as_bytes(), zones).map_err(|errors| format!("{errors:?}"))?;
    let engine = Engine::start(workers)?;
    let mut listeners = Listener::open_each(address, Transport::Udp, workers)?;
    listeners.extend(Listener::open_each(address, Transport::Tcp, workers)?);
    engine.publish(Arc::new(snapshot), listeners);
    // Serves until it is killed.
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
