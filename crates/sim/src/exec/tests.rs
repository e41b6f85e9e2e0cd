use super::*;

type Log = Rc<RefCell<Vec<String>>>;

fn trace() -> (Log, impl Fn(&Executor, &str) + Clone) {
    let log = Log::default();
    let sink = Rc::clone(&log);
    (log, move |executor: &Executor, what: &str| sink.borrow_mut().push(format!("{} {what}", executor.now())))
}

#[test]
fn time_jumps_to_the_next_event_and_order_is_total() {
    let executor = Executor::new();
    let (log, say) = trace();
    for (name, at) in
        [("late", 3_000_000u64), ("early", 1_000_000), ("twin-a", 2_000_000), ("twin-b", 2_000_000)]
    {
        let (clock, say) = (executor.clone(), say.clone());
        executor.spawn(async move {
            clock.sleep_until(at).await;
            say(&clock, name);
        });
    }
    executor.run_until(10_000_000);
    assert_eq!(*log.borrow(), ["1000000 early", "2000000 twin-a", "2000000 twin-b", "3000000 late"]);
    assert_eq!(executor.now(), 10_000_000);
}

#[test]
fn run_ready_does_not_advance_the_clock() {
    let executor = Executor::new();
    let clock = executor.clone();
    let handle = executor.spawn(async move {
        clock.sleep_until(0).await;
        clock.sleep_until(1).await;
        7
    });
    executor.run_ready();
    assert!(!handle.is_done());
    assert_eq!(executor.now(), 0);
    executor.run_until(1);
    assert_eq!(handle.take(), Some(7));
    assert_eq!(handle.take(), None);
}

#[test]
fn a_dropped_sleep_leaves_no_event() {
    let executor = Executor::new();
    let clock = executor.clone();
    let handle = executor.spawn(async move { clock.sleep_until(50).await });
    executor.run_ready();
    assert_eq!(executor.next_event(), Some(50));
    handle.abort();
    assert_eq!(executor.next_event(), None);
}

#[test]
fn functions_run_at_their_time_and_can_schedule_others() {
    let executor = Executor::new();
    let (log, say) = trace();
    let (clock, inner) = (executor.clone(), say.clone());
    executor.at(5, move || {
        inner(&clock, "first");
        let (again, say) = (clock.clone(), inner.clone());
        clock.at(5, move || say(&again, "second"));
    });
    executor.run_until(5);
    assert_eq!(*log.borrow(), ["5 first", "5 second"]);
}

#[test]
fn tasks_spawn_tasks_and_block_on_ends() {
    let executor = Executor::new();
    let clock = executor.clone();
    let result = executor.block_on(async move {
        let inner = clock.clone();
        let child = clock.spawn(async move {
            inner.sleep_until(30).await;
            "child"
        });
        clock.sleep_until(40).await;
        child.take()
    });
    assert_eq!(result, Some(Some("child")));
    assert_eq!(executor.block_on(std::future::pending::<()>()), None);
}

#[test]
fn run_while_pending_stops_at_the_limit() {
    let executor = Executor::new();
    let clock = executor.clone();
    let handle = executor.spawn(async move { clock.sleep_until(100).await });
    assert!(!executor.run_while_pending(99, || handle.is_done()));
    assert!(executor.run_while_pending(100, || handle.is_done()));
    assert_eq!(executor.now(), 100);
}

#[test]
fn clear_drops_tasks_with_their_sleeps() {
    let executor = Executor::new();
    let clock = executor.clone();
    executor.spawn(async move { clock.sleep_until(100).await });
    executor.run_ready();
    executor.clear();
    assert_eq!(executor.next_event(), None);
    assert_eq!(Rc::strong_count(&executor.inner), 1);
}
