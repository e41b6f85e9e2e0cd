use super::*;

const SECOND: Micros = nw_resolve::SECOND;

struct Lab {
    slots: Rc<Slots>,
    stats: Arc<Stats>,
    plan: TcpPlan,
}

impl Lab {
    fn new(max_connections: u32, max_per_client: u32) -> Lab {
        let plan = TcpPlan { max_connections, max_per_client, ..TcpPlan::default() };
        let stats = Arc::new(Stats::default());
        Lab { slots: Slots::new(Arc::clone(&stats)), stats, plan }
    }

    fn take(&self, client: &str, now: Micros) -> Option<Slot> {
        let client = SocketAddr::new(client.parse().expect("an address"), 5353);
        self.slots.take(client, now, &self.plan)
    }
}

impl Slot {
    fn is_evicted(&self) -> bool {
        self.entry.at.get().is_none()
    }
}

#[test]
fn a_full_table_ends_the_idlest_connection() {
    let lab = Lab::new(3, 100);
    let open: Vec<Slot> =
        (1..=3).map(|i| lab.take(&format!("192.0.2.{i}"), i).expect("there is room")).collect();
    open[0].active_at(10 * SECOND);
    let fourth = lab.take("192.0.2.4", 10 * SECOND).expect("the idlest gives way");
    assert_eq!(open.iter().map(Slot::is_evicted).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!((lab.stats.tcp_open.value(), lab.stats.tcp_evicted.value()), (3, 1));
    // All were active a moment ago, from as many clients: the newcomer is closed.
    open[2].active_at(10 * SECOND);
    assert!(lab.take("192.0.2.5", 10 * SECOND + LEAST_IDLE - 1).is_none());
    drop(fourth);
    assert_eq!(lab.stats.tcp_open.value(), 2);
    assert!(lab.take("192.0.2.5", 10 * SECOND).is_some());
}

#[test]
fn the_prefix_with_most_connections_gives_way_however_active_it_is() {
    let lab = Lab::new(4, 100);
    let greedy: Vec<Slot> =
        (1..=4).map(|i| lab.take(&format!("2001:db8::{i}"), SECOND).expect("there is room")).collect();
    let other = lab.take("2001:db8:0:1::1", SECOND).expect("the greedy prefix gives way");
    assert_eq!(greedy.iter().filter(|slot| slot.is_evicted()).count(), 1);
    assert!(!other.is_evicted());
}

#[test]
fn clients_are_counted_by_prefix() {
    let lab = Lab::new(100, 2);
    let open: Vec<Slot> =
        (1..=2).map(|i| lab.take(&format!("2001:db8::{i}"), i).expect("there is room")).collect();
    assert!(lab.take("2001:db8::3", 3).is_none(), "one /64 has two, both active");
    assert!(lab.take("2001:db8:0:1::1", 3).is_some());
    let third = lab.take("2001:db8::3", SECOND);
    assert!(third.is_some() && open[0].is_evicted() && !open[1].is_evicted());
    let v4: Vec<_> = (1..=3).map(|i| lab.take(&format!("192.0.2.{i}"), SECOND)).collect();
    assert!(v4.iter().all(Option::is_some), "IPv4 clients are single addresses");
}

#[test]
fn one_query_a_second_keeps_no_slot_when_slots_are_short() {
    let lab = Lab::new(10, 100);
    let slow: Vec<Slot> =
        (1..=6).map(|i| lab.take(&format!("192.0.2.{i}"), SECOND).expect("there is room")).collect();
    assert_eq!(lab.slots.idle_limit(&lab.plan), LEAST_IDLE, "more than half are taken");
    slow.iter().for_each(|slot| slot.active_at(2 * SECOND));
    let mut others = Vec::new();
    for i in 1..=10 {
        let client = format!("198.51.100.{i}");
        others.push(lab.take(&client, 2 * SECOND + LEAST_IDLE + i).expect("a slow one gives way"));
    }
    assert!(slow.iter().all(Slot::is_evicted));
    assert!(lab.stats.tcp_open.value() <= 10);
}

#[test]
fn the_idle_time_falls_as_slots_are_taken() {
    let plan = TcpPlan { idle_ms: 60_000, max_connections: 10, ..TcpPlan::default() };
    let limits: Vec<Micros> = [0, 5, 6, 8, 9, 10].map(|open| idle_limit(open, &plan)).to_vec();
    assert_eq!(limits, [60 * SECOND, 60 * SECOND, 600_000, 600_000, LEAST_IDLE, LEAST_IDLE]);
}
