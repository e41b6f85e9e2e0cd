use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

fn boarded(flights: &Flights<u8, u8>) -> Wait<u8, u8> {
    match flights.join(&1, || async { panic!("as a test wants it") }) {
        Join::First(wait) | Join::Later(wait) => wait,
    }
}

/// Whoever waits learns of a panic in the shared work, and the next identical question begins anew.
#[test]
fn a_panic_in_the_work_strands_nobody() {
    let flights = Flights::new();
    let (mut first, mut second) = (boarded(&flights), boarded(&flights));
    let mut context = Context::from_waker(Waker::noop());
    let mut polled = |wait: &mut Wait<u8, u8>| {
        catch_unwind(AssertUnwindSafe(|| Pin::new(wait).poll(&mut context).is_ready())).is_err()
    };
    assert!(polled(&mut first));
    assert_eq!(flights.len(), 0);
    assert!(polled(&mut second));
    let again = match flights.join(&1, || async { 7 }) {
        Join::First(wait) => wait,
        _ => panic!("the lost flight is still on the map"),
    };
    assert_eq!(std::pin::pin!(again).poll(&mut context), Poll::Ready(7));
}
