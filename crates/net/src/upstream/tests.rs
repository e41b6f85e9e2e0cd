use super::*;

/// How many of the ports that *server* gets, *count* at once, were connected elsewhere before. They are given back.
fn moved(
    ports: &Ports,
    server: SocketAddr,
    count: usize,
    owner: &mut HashMap<SocketAddr, SocketAddr>,
) -> usize {
    let leases: Vec<Lease<'_>> = (0..count)
        .map(|_| {
            let port = Some(ports.take(server).expect("loopback has free ports"));
            Lease { ports, family: family(server), port, clean: Cell::new(true) }
        })
        .collect();
    leases
        .iter()
        .filter_map(|lease| lease.port.as_ref())
        .filter(|port| {
            let ours = port.socket.local_addr().expect("bound").port();
            let former = owner.insert(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ours), server);
            former.is_some_and(|former| former != server)
        })
        .count()
}

/// The ports of a worker, and two servers.
fn with_ports(test: impl FnOnce(Ports, [SocketAddr; 2])) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let servers = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().expect("an address"));
    runtime.block_on(async { test(Ports::new(Rc::default(), Rc::default()), servers) });
}

#[test]
fn ports_of_servers_that_are_asked_in_turn_mostly_stay_with_them() {
    with_ports(|ports, servers| {
        ports.uses.set(1000);
        let (mut owner, mut count) = (HashMap::new(), 0);
        for round in 0..20 {
            for server in servers {
                let moved = moved(&ports, server, 100, &mut owner);
                count += if round < 5 { 0 } else { moved };
            }
        }
        assert!(count < 3000 / 4, "{count} of 3000");
    });
}

#[test]
fn the_next_port_is_one_of_many_however_few_are_in_use() {
    with_ports(|ports, servers| {
        let mut owner = HashMap::new();
        for _ in 0..CHOICE {
            moved(&ports, servers[0], 1, &mut owner);
        }
        assert_eq!((owner.len(), ports.idle[0].borrow().len()), (CHOICE, CHOICE));
    });
}

#[test]
fn no_more_ports_stay_idle_than_are_allowed() {
    with_ports(|ports, servers| {
        ports.uses.set(1000);
        // One port stands for many: a process may not open as many sockets.
        let port = ports.take(servers[0]).expect("loopback has free ports");
        for _ in 0..MOST_IDLE + 50 {
            drop(Lease { ports: &ports, family: 0, port: Some(Rc::clone(&port)), clean: Cell::new(true) });
        }
        assert_eq!(ports.idle[0].borrow().len(), MOST_IDLE);
    });
}
