use super::*;

fn budget() -> Budget {
    Budget { max_in_flight: 8, max_in_flight_per_client: 6, max_in_flight_per_zone: 100, ..Budget::default() }
}

fn prefix(text: &str) -> Prefix {
    Prefix::of(Some(text.parse().unwrap()))
}

#[test]
fn neighbours_share_a_prefix() {
    assert_eq!(prefix("192.0.2.1"), prefix("192.0.2.254"));
    assert_eq!(prefix("192.0.2.1"), prefix("::ffff:192.0.2.9"));
    assert_ne!(prefix("192.0.2.1"), prefix("192.0.3.1"));
    assert_eq!(prefix("2001:db8:0:100::1"), prefix("2001:db8:0:1ff::9"));
    assert_ne!(prefix("2001:db8:0:100::1"), prefix("2001:db8:0:200::1"));
    assert_ne!(Prefix::of(None), prefix("0.0.0.0"));
}

#[test]
fn the_hungriest_loses_its_oldest() {
    let (quotas, budget) = (Rc::new(Quotas::default()), budget());
    let many: Vec<Ticket> = (0..5).map(|_| quotas.admit(prefix("192.0.2.1"), &budget)).collect();
    let few: Vec<Ticket> = (0..3).map(|_| quotas.admit(prefix("198.51.100.1"), &budget)).collect();
    let lost = |tickets: &[Ticket]| {
        let lost = tickets.iter().map(|ticket| ticket.place.lost.get() == Some(Limit::InFlight));
        lost.collect::<Vec<_>>()
    };
    let newcomer = quotas.admit(prefix("203.0.113.1"), &budget);
    assert_eq!(lost(&many), [true, false, false, false, false]);
    // The hungriest itself: it pays for its own.
    let another = quotas.admit(prefix("192.0.2.7"), &budget);
    assert_eq!(lost(&many), [true, true, false, false, false]);
    assert_eq!(lost(&few), [false; 3]);
    assert_eq!(quotas.under_way.get(), 8);
    drop((many, few, newcomer, another));
    assert_eq!((quotas.under_way.get(), quotas.clients.borrow().len()), (0, 0));
}

#[test]
fn a_prefix_at_its_limit_pays_for_itself() {
    let (quotas, budget) = (Rc::new(Quotas::default()), budget());
    let tickets: Vec<Ticket> = (0..7).map(|_| quotas.admit(prefix("192.0.2.1"), &budget)).collect();
    let lost = [0, 1].map(|at: usize| tickets[at].place.lost.get());
    assert_eq!(lost, [Some(Limit::InFlightPerClient), None]);
}

#[test]
fn the_allowance_of_a_zone_follows_its_servers() {
    let (quotas, budget) = (Quotas::default(), budget());
    let ask = |replied| Asking::begin(&quotas, 1, &budget, 0).map(|asking| asking.end(replied)).is_some();
    assert!((0..500).all(|_| ask(false)));
    let held: Vec<Asking<'_>> =
        std::iter::from_fn(|| Asking::begin(&quotas, 1, &budget, 0)).take(1000).collect();
    assert_eq!(held.len(), FEWEST as usize);
    // Another zone has its own.
    assert!(Asking::begin(&quotas, 2, &budget, 0).is_some());
    held.into_iter().for_each(|asking| asking.end(true));
    let held: Vec<Asking<'_>> =
        std::iter::from_fn(|| Asking::begin(&quotas, 1, &budget, 0)).take(1000).collect();
    assert_eq!(held.len(), (FEWEST + FEWEST * GROWTH) as usize);
    drop(held);
    // After a pause it starts anew.
    let held: Vec<Asking<'_>> =
        std::iter::from_fn(|| Asking::begin(&quotas, 1, &budget, FORGET + 1)).take(1000).collect();
    assert_eq!(held.len(), 100);
    // A zone in which all goes well is not remembered.
    held.into_iter().for_each(|asking| asking.end(true));
    assert!(!quotas.zones.borrow().contains_key(&1));
}

#[test]
fn a_refused_question_gives_no_place_back() {
    let (quotas, budget) = (Quotas::default(), Budget { max_in_flight_per_zone: 1, ..budget() });
    let first = Asking::begin(&quotas, 7, &budget, 0);
    assert!(first.is_some());
    for _ in 0..3 {
        assert!(Asking::begin(&quotas, 7, &budget, 0).is_none());
    }
    drop(first);
    assert!(Asking::begin(&quotas, 7, &budget, 0).is_some());
}

#[test]
fn rates_are_counted_by_key_in_bursts_of_a_second() {
    let quotas = Quotas::default();
    let budget =
        Budget { max_queries_per_second_per_client: 5, max_queries_per_second_per_zone: 2, ..budget() };
    let prefix = |text: &str| Prefix::of(Some(text.parse().unwrap()));
    let client = |text, times, now| {
        (0..times).filter(|_| quotas.client_rate(prefix(text), &budget, now).is_ok()).count()
    };
    assert_eq!(client("192.0.2.1", 100, SECOND), 5);
    assert_eq!(client("192.0.2.200", 100, SECOND), 0, "the same prefix");
    assert_eq!(client("192.0.3.1", 100, SECOND), 5);
    assert_eq!(client("192.0.2.1", 100, SECOND + SECOND / 5), 1, "a fifth of a second pays one back");
    assert_eq!(client("192.0.2.1", 100, 9 * SECOND), 5);
    assert_eq!((0..100).filter(|_| quotas.zone_rate(7, &budget, SECOND).is_ok()).count(), 2);
    let unlimited = Budget { max_queries_per_second_per_client: 0, ..budget };
    assert!((0..100).all(|_| quotas.client_rate(prefix("192.0.2.1"), &unlimited, 9 * SECOND).is_ok()));
}

#[test]
fn the_memory_for_rates_is_bounded() {
    let quotas = Quotas::default();
    let budget = Budget { max_queries_per_second_per_zone: 1, ..budget() };
    for zone in 0..3 * REMEMBERED as u64 {
        assert!(quotas.zone_rate(zone, &budget, SECOND).is_ok());
    }
    assert_eq!(quotas.zone_rates.until.borrow().len(), REMEMBERED);
    assert!(quotas.zone_rate(0, &budget, SECOND).is_err(), "those that are counted stay counted");
    assert!(quotas.zone_rate(u64::MAX, &budget, 3 * SECOND).is_ok());
    assert_eq!(quotas.zone_rates.until.borrow().len(), 1, "paid back, and swept");
}
